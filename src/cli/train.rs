//! `predilect train`: models from labelled texts, and from what people did.

mod embedding;
mod recommender;

use std::io::Write;
use std::path::PathBuf;

use anyhow::ensure;
use serde_json::json;

use super::progress::listen_to_training;
use super::{ExitCode, Output, OutputArg, note, write_json};
use crate::extract::bert::train::{Base, TrainParams, TrainPlan, TrainProgress, train};
use crate::extract::bert::{SHIPPED, Shipped};
use crate::extract::label::{self, Labelled};

/// Train a model
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Embedding(embedding::Args),
    Extractor(ExtractorArgs),
    Recommender(recommender::Args),
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        match &self.what {
            What::Embedding(args) => args.run(out),
            What::Extractor(args) => args.run(out),
            What::Recommender(args) => {
                listen_to_training();
                args.run(out)
            }
        }
    }
}

/// Train the heads that find entities and relations, and the encoder below them
#[derive(clap::Args)]
#[command(after_help = "\
Labelled texts are JSON lines, as `predilect convert` writes them. Each file is asked for its own
types only, so files that label different things train together. The epoch that does best on --dev
is kept; the same seed gives the same bytes.

Example:
  predilect convert --from marked --input reviews.txt --dest reviews.jsonl
  predilect train extractor --train reviews.jsonl --dev dev.jsonl --dest model --seed 1")]
struct ExtractorArgs {
    /// Labelled texts to learn from; a file given twice counts twice
    #[arg(long, num_args = 1.., required = true, value_name = "FILE")]
    train: Vec<PathBuf>,
    /// Labelled texts that say which epoch is best and what a confidence is worth
    #[arg(long, num_args = 1.., value_name = "FILE")]
    dev: Vec<PathBuf>,
    /// Model to start from, in place of the shipped one for the language of most texts
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    /// Folder to write the model to
    #[arg(long, value_name = "DIR")]
    dest: PathBuf,
    /// Seed of all choices
    #[arg(long, default_value_t = TrainParams::default().seed, value_name = "N")]
    seed: u64,
    /// Times that every text is seen [default: as often as makes 2,500 steps, from 4 to 24 times]
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Texts of a step
    #[arg(long, default_value_t = TrainParams::default().batch, value_name = "N")]
    batch: usize,
    /// Highest learning rate of the encoder
    #[arg(long, default_value_t = TrainParams::default().rate, value_name = "RATE")]
    rate: f32,
    /// Highest learning rate of the heads
    #[arg(long, default_value_t = TrainParams::default().head_rate, value_name = "RATE")]
    head_rate: f32,
    /// Share of the numbers that dropout leaves out
    #[arg(long, default_value_t = TrainParams::default().dropout, value_name = "SHARE")]
    dropout: f32,
    /// Share of the tokens that are hidden
    #[arg(long, default_value_t = TrainParams::default().hidden, value_name = "SHARE")]
    hidden: f32,
    /// How strongly the encodings of texts and phrases are held where they were in the base
    #[arg(long, default_value_t = TrainParams::default().anchor, value_name = "WEIGHT")]
    anchor: f32,
    /// Share of the steps that go by the names of types and relations alone
    #[arg(long, default_value_t = TrainParams::default().by_name, value_name = "SHARE")]
    by_name: f32,
    /// Epochs without a better score on --dev before training ends
    #[arg(long, default_value_t = TrainParams::default().patience, value_name = "N")]
    patience: usize,
    /// Write the weights in 8 bits
    #[arg(long)]
    quantize: bool,
    /// Go on from what the same command left when it was interrupted
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    output: OutputArg,
}

impl ExtractorArgs {
    fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        ensure!(
            self.epochs != Some(0) && self.batch > 0,
            "--epochs and --batch must be at least 1"
        );
        let rates = [self.rate, self.head_rate];
        ensure!(rates.iter().all(|rate| *rate > 0.0 && rate.is_finite()), "rates must be above 0");
        ensure!((0.0..0.9).contains(&self.dropout), "--dropout must be at least 0 and below 0.9");
        ensure!((0.0..0.9).contains(&self.hidden), "--hidden must be at least 0 and below 0.9");
        ensure!((0.0..=1.0).contains(&self.by_name), "--by-name must be from 0 to 1");
        ensure!(self.anchor >= 0.0 && self.anchor.is_finite(), "--anchor must be at least 0");
        let read = |files: &[PathBuf]| -> anyhow::Result<Vec<Vec<Labelled>>> {
            files.iter().map(|file| Ok(label::read(file)?)).collect()
        };
        let (sets, dev) = (read(&self.train)?, read(&self.dev)?);
        let base = match &self.base {
            Some(folder) => Base::open(folder)?,
            None => {
                let shipped = of_language(&sets);
                note(&format!("base: the shipped model `{}`", shipped.name));
                Base::shipped(&(shipped.files)())?
            }
        };
        let params = TrainParams {
            epochs: self.epochs,
            batch: self.batch,
            rate: self.rate,
            head_rate: self.head_rate,
            dropout: self.dropout,
            hidden: self.hidden,
            anchor: self.anchor,
            by_name: self.by_name,
            patience: self.patience,
            seed: self.seed,
        };
        let plan = TrainPlan {
            sets: &sets,
            dev: &dev,
            params,
            folder: self.dest.clone(),
            quantize: self.quantize,
            resume: self.resume,
        };
        let best = train(base, &plan, &mut |progress| note(&line(&progress)))?;
        match self.output.output {
            Output::Json => write_json(out, &json!({ "model": self.dest, "best": best }))?,
            Output::Text => writeln!(out, "model  {}", self.dest.display())?,
        }
        Ok(ExitCode::Done)
    }
}

/// The shipped model that reads the script of most letters.
fn of_language(sets: &[Vec<Labelled>]) -> &'static Shipped {
    let letters = || sets.iter().flatten().flat_map(|labelled| labelled.text.chars());
    let n_letters = letters().filter(|letter| letter.is_alphabetic()).count();
    let n_ascii = letters().filter(char::is_ascii_alphabetic).count();
    &SHIPPED[usize::from(2 * n_ascii < n_letters)]
}

fn line(progress: &TrainProgress) -> String {
    match progress {
        TrainProgress::Ready(texts, 0) => format!("{texts} texts"),
        TrainProgress::Ready(texts, left_out) => {
            format!("{texts} texts; {left_out} labels overlap others or are too long: left out")
        }
        TrainProgress::Resumed(epochs) => format!("going on after epoch {epochs}"),
        TrainProgress::Step(step, of, loss) => format!("step {step} of {of}: loss {loss:.3}"),
        TrainProgress::Epoch(report) => format!(
            "epoch {}: loss {:.3}, on --dev F1 of entities {:.4}, of relations {:.4}{}",
            report.epoch,
            report.loss,
            report.entities_f1,
            report.relations_f1,
            if report.best { ", written" } else { "" },
        ),
    }
}
