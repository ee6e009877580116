//! `predilect evaluate`: how good models are, on labelled texts and on what people did.

mod clicks;
mod embedding;
mod recommend;
mod row;
mod temporal;
mod triples;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::ensure;
use serde_json::json;

use super::extract::type_names;
use super::progress::listen_to_training;
use super::{ExitCode, Output, OutputArg, write_json};
use crate::evaluate::{Scores, score};
use crate::extract::TypeName;
use crate::extract::bert;
use crate::extract::label::{self, Labelled};

/// Measure a model
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Embedding(embedding::Args),
    Extract(ExtractArgs),
    Recommend(Box<recommend::Args>),
    Triples(triples::Args),
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        match &self.what {
            What::Embedding(args) => args.run(out),
            What::Extract(args) => args.run(out),
            What::Recommend(args) => {
                listen_to_training();
                args.run(out)
            }
            What::Triples(args) => args.run(out),
        }
    }
}

/// Compare what a model finds with labelled texts: span and type must be exact
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect evaluate extract --model model --input test.jsonl --output json")]
struct ExtractArgs {
    /// Folder of the model, in place of the shipped one
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Labelled texts, as JSON lines
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Types to look for, in place of those that are labelled; labels of others are left out
    #[arg(long, value_name = "NAMES")]
    types: Option<String>,
    #[command(flatten)]
    output: OutputArg,
}

impl ExtractArgs {
    fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let mut gold = label::read(&self.input)?;
        let types = match &self.types {
            Some(types) => type_names(types),
            None => labelled_types(&gold),
        };
        ensure!(!types.is_empty(), "{} labels nothing; give --types", self.input.display());
        gold.iter_mut().for_each(|labelled| keep(labelled, &types));
        let model = bert::open(self.model.as_deref())?;
        let texts: Vec<&str> = gold.iter().map(|labelled| labelled.text.as_str()).collect();
        let started = Instant::now();
        let found = model.find(&texts, &types)?;
        let seconds = started.elapsed().as_secs_f64();
        let scores = score(&gold, &found);
        match self.output.output {
            Output::Json => {
                let mut answer = serde_json::to_value(&scores)?;
                answer["sentences_per_s"] = json!(texts.len() as f64 / seconds.max(1e-9));
                write_json(out, &answer)?;
            }
            Output::Text => {
                row(out, "entities", &scores.entities.scores)?;
                row(out, "relations", &scores.relations.scores)?;
                for (name, own) in &scores.entities.by_type {
                    row(out, name, &own.scores)?;
                }
            }
        }
        Ok(ExitCode::Done)
    }
}

fn row(out: &mut dyn Write, name: &str, scores: &Scores) -> anyhow::Result<()> {
    let Scores { precision, recall, f1, .. } = scores;
    Ok(writeln!(out, "{name:<24} P {precision:.4}  R {recall:.4}  F1 {f1:.4}")?)
}

fn labelled_types(gold: &[Labelled]) -> Vec<TypeName> {
    let names: BTreeSet<&str> =
        gold.iter().flat_map(|l| &l.entities).map(|entity| entity.entity_type.as_str()).collect();
    names.into_iter().map(TypeName::new).collect()
}

/// Leaves the labels of `types`, and the relations between them.
fn keep(labelled: &mut Labelled, types: &[TypeName]) {
    let mut places = Vec::with_capacity(labelled.entities.len());
    let mut n_kept = 0;
    for entity in &labelled.entities {
        let kept = types.iter().any(|name| name.name == entity.entity_type);
        places.push(kept.then_some(n_kept));
        n_kept += usize::from(kept);
    }
    let mut place = places.iter();
    labelled.entities.retain(|_| place.next().is_some_and(Option::is_some));
    labelled.relations.retain_mut(|relation| {
        match (places[relation.head], places[relation.tail]) {
            (Some(head), Some(tail)) => {
                (relation.head, relation.tail) = (head, tail);
                true
            }
            _ => false,
        }
    });
}
