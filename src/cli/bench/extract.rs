//! `predilect bench extract`: how fast texts are encoded.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, ValueEnum};
use serde::Serialize;

use super::super::{ExitCode, Output, OutputArg, write_json};
use super::Stopwatch;
use crate::extract::bert::{Encoder, EncoderParams, Precision, Weights, shipped_files};

/// Texts that are encoded before the first round.
const WARM_UP: usize = 64;

/// Encode texts: tokens, the encoder, the mean of the states
#[derive(clap::Args)]
#[command(after_help = "\
Each round encodes all texts, tokenising included; no answer is kept from one round to the next.
Batches hold --batch texts of any lengths and no padding. CPU seconds are told where the system tells them.

Example:
  predilect bench extract --input titles.txt --threads 1 --precision int8 --output json")]
pub(super) struct Args {
    /// Folder of the model to use in place of the shipped one
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Texts, one a line
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Threads; as many as rayon would take when absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Texts of a batch
    #[arg(long, default_value_t = 32, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Measured rounds
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How linear maps are computed
    #[arg(long, default_value = "f32", value_name = "NAME", value_parser = precisions())]
    precision: Precision,
    /// Whether texts of like length share a batch, or texts in the order of the file
    #[arg(long, value_enum, default_value_t = Switch::On, value_name = "SWITCH",
          action = ArgAction::Set)]
    buckets: Switch,
    /// File for the encodings, one JSON array a line
    #[arg(long, value_name = "FILE")]
    dest: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArg,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

fn precisions() -> impl TypedValueParser<Value = Precision> {
    PossibleValuesParser::new(Precision::ALL.map(Precision::name))
        .map(|name| Precision::parse(&name).unwrap_or_default())
}

/// What was measured.
#[derive(Serialize)]
struct Report {
    kernel: &'static str,
    precision: &'static str,
    threads: usize,
    batch: usize,
    buckets: bool,
    titles: usize,
    tokens: usize,
    rounds: Vec<Round>,
}

/// One pass over all texts.
#[derive(Serialize)]
struct Round {
    wall_s: f64,
    cpu_s: Option<f64>,
    titles_s: f64,
    titles_cpu_s: Option<f64>,
    tokens_s: f64,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let input = std::fs::read_to_string(&self.input)
            .with_context(|| format!("{} cannot be read", self.input.display()))?;
        let texts: Vec<&str> = input.lines().collect();
        anyhow::ensure!(!texts.is_empty(), "{} has no texts", self.input.display());
        let encoder = self.encoder()?;
        encoder.encode(&texts[..texts.len().min(WARM_UP)])?;
        let n_tokens = encoder.n_tokens(&texts)?;
        let mut rounds = Vec::new();
        let mut encodings = Vec::new();
        for _ in 0..self.rounds {
            let watch = Stopwatch::start();
            encodings = encoder.encode(&texts)?;
            rounds.push(Round::new(&watch, texts.len(), n_tokens));
        }
        if let Some(path) = &self.dest {
            write_lines(path, &encodings)
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        let EncoderParams { precision, n_workers, batch, by_length } = encoder.params();
        let report = Report {
            kernel: encoder.kernel(),
            precision: precision.name(),
            threads: n_workers,
            batch,
            buckets: by_length,
            titles: texts.len(),
            tokens: n_tokens,
            rounds,
        };
        match self.output.output {
            Output::Json => write_json(out, &report)?,
            Output::Text => report.tell(out)?,
        }
        Ok(ExitCode::Done)
    }

    fn encoder(&self) -> anyhow::Result<Encoder> {
        let weights = match &self.model {
            Some(folder) => Weights::open(folder)?,
            None => Weights::parse(&shipped_files())?,
        };
        let default = EncoderParams::default();
        let params = EncoderParams {
            precision: self.precision,
            n_workers: self.threads.map_or(default.n_workers, usize::from),
            batch: usize::from(self.batch),
            by_length: self.buckets == Switch::On,
        };
        Ok(Encoder::with_params(weights, params)?)
    }
}

impl Round {
    /// What has passed on the watch.
    fn new(watch: &Stopwatch, n_texts: usize, n_tokens: usize) -> Self {
        let (wall_s, cpu_s) = watch.stop();
        Self {
            wall_s,
            cpu_s,
            titles_s: n_texts as f64 / wall_s,
            titles_cpu_s: cpu_s.map(|cpu| n_texts as f64 / cpu),
            tokens_s: n_tokens as f64 / wall_s,
        }
    }
}

impl Report {
    fn tell(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let Self { kernel, precision, threads, batch, titles, tokens, .. } = self;
        writeln!(
            out,
            "{titles} texts, {tokens} tokens, batches of {batch}, {threads} threads, \
             {precision} on {kernel}"
        )?;
        for (index, round) in self.rounds.iter().enumerate() {
            let Round { wall_s, titles_s, tokens_s, .. } = round;
            let cpu =
                round.titles_cpu_s.map_or(String::new(), |n| format!(", {n:.0} a CPU second"));
            writeln!(
                out,
                "round {}: {wall_s:.2} s, {titles_s:.0} texts/s{cpu}, {tokens_s:.0} tokens/s",
                index + 1
            )?;
        }
        Ok(())
    }
}

fn write_lines(path: &PathBuf, encodings: &[Vec<f32>]) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for encoding in encodings {
        serde_json::to_writer(&mut file, encoding)?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}
