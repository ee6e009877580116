//! `predilect extract`: works off a store's backlog, or shows what a text says.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use super::load::ExtractorArgs;
use super::progress::Told;
use super::{ExitCode, Interrupts, Output, OutputArg, write_json};
use crate::event::{Document, RawDocument};
use crate::extract::{Extractor, TypeName, Vocabulary};
use crate::ingest::{self, Backlog, LoadParams, Mapping, Progress};
use crate::store::{GraphStore, Memory};

/// Find what texts name: in a store's waiting documents, or in texts given here
#[derive(clap::Args)]
#[command(after_help = "\
With --store, mentions are written to the store. With --text or --input nothing is written:
mentions are printed as JSON lines, found by the terms of the catalogue in --vocabulary-from.

Example:
  predilect extract --store graph
  predilect extract --text 'A spy film with Sean Connery' --vocabulary-from items.jsonl")]
#[command(group(clap::ArgGroup::new("what").required(true).args(["store", "text", "input"])))]
pub(super) struct Args {
    /// Folder of the store whose backlog is worked off
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// A text
    #[arg(long, requires = "vocabulary_from")]
    text: Option<String>,
    /// A file of items, as JSON lines
    #[arg(long, value_name = "FILE", requires = "vocabulary_from")]
    input: Option<PathBuf>,
    /// A store, or a file of items, whose terms are looked for
    #[arg(long, value_name = "PATH", conflicts_with = "store")]
    vocabulary_from: Option<PathBuf>,
    #[command(flatten)]
    extractor: ExtractorArgs,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
        let extractor = self.extractor.build()?;
        let extractor = extractor.context("`off` is no extractor to work with; give another")?;
        if let Some(store) = &self.store {
            return self.work_off(store, &*extractor, out, interrupts);
        }
        let from = self.vocabulary_from.as_deref().context("give --vocabulary-from")?;
        let vocabulary = vocabulary(from, &*extractor)?;
        if let Some(text) = &self.text {
            print(out, &*extractor, &vocabulary, &json!({}), text)?;
        }
        if let Some(input) = &self.input {
            let file = std::fs::File::open(input)
                .with_context(|| format!("{} cannot be opened", input.display()))?;
            for (line, row) in BufReader::new(file).lines().enumerate() {
                let row = row.with_context(|| format!("{} cannot be read", input.display()))?;
                if row.trim().is_empty() {
                    continue;
                }
                let (id, document) = parse(&row)
                    .with_context(|| format!("{} line {}", input.display(), line + 1))?;
                for (field, text) in &document.text {
                    let at = json!({ "id": id, "field": field });
                    print(out, &*extractor, &vocabulary, &at, text)?;
                }
            }
        }
        Ok(ExitCode::Done)
    }

    fn work_off(
        &self,
        path: &Path,
        extractor: &dyn Extractor,
        out: &mut dyn Write,
        interrupts: Interrupts,
    ) -> anyhow::Result<ExitCode> {
        let store = GraphStore::open(path, false, None)?;
        let backlog = Backlog::of(&store.view(), store.schema(), extractor)?;
        let total = backlog.len() as u64;
        let mut told = Told::new(interrupts());
        let found = ingest::extract_backlog(&store, extractor, &backlog, &mut |done| {
            told.step(Progress::Extracted(done, total));
        });
        told.clear();
        let found = found?;
        match self.output.output {
            Output::Json => write_json(out, &found)?,
            Output::Text => {
                writeln!(out, "mentions  {} in {} documents", found.mentions, found.documents)?;
                if found.reviews > 0 {
                    writeln!(out, "opinions  {} in {} reviews", found.opinions, found.reviews)?;
                }
            }
        }
        Ok(ExitCode::Done)
    }
}

fn parse(row: &str) -> anyhow::Result<(String, Document)> {
    let (key, document) = serde_json::from_str::<RawDocument>(row)?.check()?;
    Ok((key.name, document))
}

/// The terms of a store's catalogue, or of a file of items.
fn vocabulary(from: &Path, extractor: &dyn Extractor) -> anyhow::Result<Vocabulary> {
    let store = if from.is_dir() {
        GraphStore::open(from, false, None)?
    } else {
        let store = GraphStore::new(Box::new(Memory::default()), None)?;
        let params = LoadParams {
            items: vec![from.to_owned()],
            events: Vec::new(),
            mapping: Mapping::default(),
            max_errors: 0,
            rejects: std::env::temp_dir().join(format!("predilect-{}", std::process::id())),
        };
        ingest::load(&store, None, &params, &mut |_| {})?;
        store
    };
    Ok(Backlog::of(&store.view(), store.schema(), extractor)?.vocabulary)
}

/// Prints the mentions of a text, each a line with what `at` says of the text.
fn print(
    out: &mut dyn Write,
    extractor: &dyn Extractor,
    vocabulary: &Vocabulary,
    at: &serde_json::Value,
    text: &str,
) -> anyhow::Result<()> {
    for mention in extractor.extract(&[text], vocabulary)?.iter().flat_map(|found| &found.mentions)
    {
        let mut line = json!({
            "byte_start": mention.span.byte_start,
            "byte_end": mention.span.byte_end,
            "char_start": mention.span.char_start,
            "char_end": mention.span.char_end,
            "surface": mention.surface,
            "type": mention.entity_type,
            "entity": mention.entity,
            "confidence": mention.confidence,
            "method": mention.method.name(),
        });
        for (name, value) in at.as_object().into_iter().flatten() {
            line[name] = value.clone();
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// The types named in a list with commas.
pub(super) fn type_names(list: &str) -> Vec<TypeName> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(TypeName::new).collect()
}
