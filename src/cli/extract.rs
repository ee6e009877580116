//! `predilect extract`: works off a store's backlog, or shows what a text says.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::load::ExtractorArgs;
use super::progress::Told;
use super::{ExitCode, Interrupts, Output, OutputArg, write_json};
use crate::event::RawDocument;
use crate::extract::bert::{self, Bert};
use crate::extract::{Extractor, TypeName, Vocabulary};
use crate::ingest::{self, Backlog, LoadParams, Mapping, Progress};
use crate::schema::{self, Schema};
use crate::store::{GraphStore, Memory};

/// Texts that go through the model together.
const AT_ONCE: usize = 256;

/// Find what texts name: in a store's waiting documents, or in texts given here
#[derive(clap::Args)]
#[command(after_help = "\
With --store, mentions are written to the store. With --text or --input nothing is written. With
--vocabulary-from, mentions of a catalogue's terms are printed as JSON lines. Without, each text is
printed as one JSON line with the entities and relations that the model finds in it: of --types, which
may be types that it never saw, or of those that it was trained on.

Example:
  predilect extract --store graph
  predilect extract --input texts.jsonl --types 'brand,product type' --output jsonl
  predilect extract --text 'A spy film with Sean Connery' --vocabulary-from items.jsonl")]
#[command(group(clap::ArgGroup::new("what").required(true).args(["store", "text", "input"])))]
pub(super) struct Args {
    /// Folder of the store whose backlog is worked off
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// A text
    #[arg(long)]
    text: Option<String>,
    /// A file of texts (`{"text": ...}`) or of items, as JSON lines
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Types that the model looks for, with commas
    #[arg(long, value_name = "NAMES", conflicts_with_all = ["store", "vocabulary_from"])]
    types: Option<String>,
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
        if self.store.is_none() && self.vocabulary_from.is_none() {
            return self.find(out);
        }
        let extractor = self.extractor.build()?;
        let extractor = extractor.context("`off` is no extractor to work with; give another")?;
        if let Some(store) = &self.store {
            return self.work_off(store, &*extractor, out, interrupts);
        }
        let from = self.vocabulary_from.as_deref().context("give --vocabulary-from")?;
        let vocabulary = vocabulary(from, &*extractor)?;
        self.each_text(|at, text| print(out, &*extractor, &vocabulary, &at, text))?;
        Ok(ExitCode::Done)
    }

    /// Prints what the model's heads find.
    fn find(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let model = bert::open(self.extractor.model())?;
        let types = match &self.types {
            Some(types) => type_names(types),
            None if self.extractor.model().is_some() => model.types(),
            None => schema_labels(&Schema::parse(schema::DEFAULT)?),
        };
        ensure!(!types.is_empty(), "--types names no type");
        let mut texts: Vec<(Value, String)> = Vec::new();
        self.each_text(|at, text| {
            texts.push((at, text.to_owned()));
            if texts.len() >= AT_ONCE {
                print_found(out, &model, &types, &std::mem::take(&mut texts))?;
            }
            Ok(())
        })?;
        print_found(out, &model, &types, &texts)?;
        Ok(ExitCode::Done)
    }

    /// Calls `visit` with every text and where it stands.
    fn each_text(
        &self,
        mut visit: impl FnMut(Value, &str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if let Some(text) = &self.text {
            visit(json!({}), text)?;
        }
        let Some(input) = &self.input else { return Ok(()) };
        let file = std::fs::File::open(input)
            .with_context(|| format!("{} cannot be opened", input.display()))?;
        for (line, row) in BufReader::new(file).lines().enumerate() {
            let row = row.with_context(|| format!("{} cannot be read", input.display()))?;
            if row.trim().is_empty() {
                continue;
            }
            let texts =
                parse(&row).with_context(|| format!("{} line {}", input.display(), line + 1))?;
            for (at, text) in texts {
                visit(at, &text)?;
            }
        }
        Ok(())
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

/// The texts of a row, `{"text": ...}` or a document, each with where it stands.
fn parse(row: &str) -> anyhow::Result<Vec<(Value, String)>> {
    let value: Value = serde_json::from_str(row)?;
    if let Some(text) = value["text"].as_str() {
        let at = value.get("id").map_or_else(|| json!({}), |id| json!({ "id": id }));
        return Ok(vec![(at, text.to_owned())]);
    }
    let (key, document) = serde_json::from_value::<RawDocument>(value)?.check()?;
    let texts = document.text.into_iter();
    Ok(texts.map(|(field, text)| (json!({ "id": key.name, "field": field }), text)).collect())
}

/// What the model is asked for to find the entity types of a schema.
fn schema_labels(schema: &Schema) -> Vec<TypeName> {
    let types = schema.entity_types().values();
    types.flat_map(|found| found.labels.iter().map(|label| TypeName::new(label))).collect()
}

/// Prints each text with what the heads find in it, in the form of labelled text.
fn print_found(
    out: &mut dyn Write,
    model: &Bert,
    types: &[TypeName],
    texts: &[(Value, String)],
) -> anyhow::Result<()> {
    let only: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
    for ((at, text), found) in texts.iter().zip(model.find(&only, types)?) {
        let entities: Vec<Value> = (found.mentions.iter())
            .map(|mention| {
                json!({
                    "start": mention.span.char_start,
                    "end": mention.span.char_end,
                    "byte_start": mention.span.byte_start,
                    "byte_end": mention.span.byte_end,
                    "type": mention.entity_type,
                    "surface": mention.surface,
                    "confidence": mention.confidence,
                })
            })
            .collect();
        let relations: Vec<Value> = (found.relations.iter())
            .map(|relation| {
                json!({
                    "head": relation.head,
                    "tail": relation.tail,
                    "type": relation.relation,
                    "confidence": relation.confidence,
                })
            })
            .collect();
        let mut line = json!({ "text": text, "entities": entities, "relations": relations });
        for (name, value) in at.as_object().into_iter().flatten() {
            line[name] = value.clone();
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
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
            ..LoadParams::default()
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
    at: &Value,
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
