//! `predilect load`: files into a store, or to a server.

mod server;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::ValueEnum;
use clap::builder::PossibleValuesParser;

use super::progress::Told;
use super::{ExitCode, Interrupts, Output, OutputArg, note, write_json};
use crate::extract::{self, EXTRACTORS, Extractor};
use crate::ingest::{
    self, BulkWhen, Counts, Format, InputParams, LoadParams, LoadReport, Mapping, RejectClass,
    Select,
};
use crate::store::GraphStore;

/// How many refused rows are named on stderr.
const NAMED: usize = 20;

/// Which extractor reads the texts.
#[derive(clap::Args)]
pub(super) struct ExtractorArgs {
    /// Who reads the texts: `off` leaves them to a later `predilect extract`
    #[arg(long, default_value = "bert", value_name = "NAME", value_parser = names())]
    extractor: String,
    /// Folder of the model, or the name of a shipped one: `en` (the default) or `multilingual`
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
}

fn names() -> PossibleValuesParser {
    let names = EXTRACTORS.iter().map(|entry| entry.name).chain(["off"]);
    PossibleValuesParser::new(names.collect::<Vec<_>>())
}

impl ExtractorArgs {
    /// The model that was asked for.
    pub fn model(&self) -> Option<&Path> {
        self.model.as_deref()
    }

    /// Builds the extractor; none for `off`.
    pub fn build(&self) -> anyhow::Result<Option<Box<dyn Extractor>>> {
        if self.extractor == "off" {
            return Ok(None);
        }
        Ok(Some(extract::by_name(&self.extractor, self.model.as_deref())?))
    }
}

/// How files are read.
#[derive(clap::Args)]
struct InputArgs {
    /// Format of standard input, and of files whose names tell none
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FileFormat>,
    /// Bytes from which a row of text is too long, and refused
    #[arg(long, default_value = "16MB", value_name = "BYTES", value_parser = parse_bytes)]
    max_row: usize,
    /// SQL over each file of events, the table `input`, whose result is read in its place (feature `sql`)
    #[arg(long, value_name = "SQL", requires = "events")]
    select: Option<String>,
}

impl InputArgs {
    pub fn params(&self, max_memory: usize) -> InputParams {
        let select = self.select.clone().map(|sql| Select { sql, max_memory });
        InputParams { format: self.format.map(Format::from), max_row_bytes: self.max_row, select }
    }
}

/// As [`Format`].
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FileFormat {
    Csv,
    Tsv,
    /// One object a line
    Jsonl,
    /// An array of objects
    Json,
    /// Not from standard input
    Parquet,
}

impl From<FileFormat> for Format {
    fn from(format: FileFormat) -> Self {
        match format {
            FileFormat::Csv => Self::Csv,
            FileFormat::Tsv => Self::Tsv,
            FileFormat::Jsonl => Self::JsonLines,
            FileFormat::Json => Self::Json,
            FileFormat::Parquet => Self::Parquet,
        }
    }
}

/// As [`BulkWhen`].
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Bulk {
    #[default]
    Large,
    Always,
    Never,
}

impl From<Bulk> for BulkWhen {
    fn from(bulk: Bulk) -> Self {
        match bulk {
            Bulk::Large => Self::Large,
            Bulk::Always => Self::Always,
            Bulk::Never => Self::Never,
        }
    }
}

/// Reads `CLASS=N`.
fn parse_class(text: &str) -> Result<(RejectClass, u64), String> {
    let known = || RejectClass::ALL.map(RejectClass::name).join(", ");
    let refuse = || format!("give CLASS=N, such as field=10; classes: {}", known());
    let (class, n) = text.split_once('=').ok_or_else(refuse)?;
    let class = RejectClass::parse(class).ok_or_else(refuse)?;
    Ok((class, n.parse().map_err(|_| refuse())?))
}

/// Reads a number of bytes: `512MB`, `2GB`, `1000000`.
pub(super) fn parse_bytes(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" => 1 << 10,
        "M" | "MB" => 1 << 20,
        "G" | "GB" => 1 << 30,
        _ => 0,
    };
    let number = digits.trim().parse::<usize>().ok().filter(|_| unit > 0);
    let bytes = number.and_then(|number| number.checked_mul(unit)).filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| "give a number of bytes, such as 512MB or 2GB".to_owned())
}

/// Which rows to check, and how
#[derive(clap::Args)]
pub(super) struct RowsArgs {
    /// Files of items and articles, as JSON; patterns such as 'items/*.jsonl.gz', or - for standard input
    #[arg(long, num_args = 1.., value_name = "FILE", required_unless_present = "events")]
    items: Vec<PathBuf>,
    /// Files of events; patterns such as 'logs/*.csv.gz', or - for standard input
    #[arg(long, num_args = 1.., value_name = "FILE")]
    events: Vec<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
    /// How the columns of event files are called
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// How many rows may be refused
    #[arg(long, default_value_t = 100, value_name = "N")]
    max_errors: u64,
    /// How many rows of a class may be refused: syntax, field, duplicate; may be given again
    #[arg(long, value_name = "CLASS=N", value_parser = parse_class)]
    max_errors_of: Vec<(RejectClass, u64)>,
    /// Threads that check rows and sort, in place of one per core; what comes of it is the same for any number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    jobs: Option<u16>,
    /// Memory to sort in, such as 512MB
    #[arg(long, default_value = "1GB", value_name = "BYTES", value_parser = parse_bytes)]
    max_memory: usize,
}

impl RowsArgs {
    /// What was asked for; a load has more to say.
    pub fn params(&self) -> anyhow::Result<LoadParams> {
        let mapping = self.mapping.as_deref().map(Mapping::read).transpose()?;
        let params = LoadParams::default();
        Ok(LoadParams {
            items: ingest::expand(&self.items)?,
            events: ingest::expand(&self.events)?,
            input: self.input.params(self.max_memory),
            mapping: mapping.unwrap_or_default(),
            max_errors: self.max_errors,
            max_errors_of: self.max_errors_of.iter().copied().collect(),
            max_memory: self.max_memory,
            jobs: self.jobs.map_or(params.jobs, usize::from),
            ..params
        })
    }
}

/// Load items and events from files; loading them again changes nothing twice
#[derive(clap::Args)]
#[command(after_help = "\
Files: .csv .tsv .jsonl .ndjson .json, each also .gz or .zst, and .parquet. Refused rows go to
DIR.rejects with the reason beside them; repair them there and load that file.

A load that was ended goes on with --resume; a load is taken back with `predilect unload`, and
`predilect loads` lists them. What a file would do is told by `predilect validate`.

With --server the rows go to a running `predilect serve`, whose extractor reads their texts; each
counts once the server has it on disk. A load that was ended is sent again from the start.

With --select (feature `sql`) each file of events is the table `input`, and the rows of the result are
read in its place, by --mapping too; columns of CSV are texts, and NULL where a cell is empty.

Example:
  predilect load --store graph --items items.jsonl --events events.csv.gz --max-errors 10
  predilect load --store graph --events 'logs/2025-*.csv.gz' --load-id logs --resume
  zcat log.gz | predilect load --store graph --events - --format csv
  predilect load --server http://127.0.0.1:7433 --events events.csv.gz
  predilect load --store graph --events clicks.parquet --select \
    \"SELECT id AS event_id, visitor AS user, sku AS target, 'viewed' AS action, ts AS at FROM input\"")]
pub(super) struct Args {
    /// Folder of the store
    #[arg(long, value_name = "DIR", required_unless_present = "server")]
    store: Option<PathBuf>,
    /// A server that has the store open, such as <http://127.0.0.1:7433>
    #[arg(
        long,
        value_name = "URL",
        conflicts_with_all = ["store", "schema", "bulk", "max_memory", "extractor", "model"]
    )]
    server: Option<String>,
    #[command(flatten)]
    rows: RowsArgs,
    /// Schema of a new store, in place of the shipped one
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Id of the load, by which it is resumed or taken back; made up when left out
    #[arg(long, value_name = "ID")]
    load_id: Option<String>,
    /// Go on where an earlier part of the load ended: the one of --load-id, or the last of these files
    #[arg(long)]
    resume: bool,
    /// When events are sorted first and taken in at once, which a store without events allows: for
    /// large files, always, or never
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    bulk: Bulk,
    /// Folder for refused rows, in place of the store's own name with `.rejects`, or of `server.rejects`
    #[arg(long, value_name = "DIR")]
    rejects: Option<PathBuf>,
    #[command(flatten)]
    extractor: ExtractorArgs,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
        if self.server.is_some() && !self.is_without_id() {
            return Ok(ExitCode::Misused);
        }
        let params = self.params(interrupts)?;
        if let Some(url) = &self.server {
            return self.send(url, &params, out);
        }
        let path = self.store.as_deref().unwrap_or(Path::new(""));
        let schema = schema(self.schema.as_deref())?;
        let extractor = self.extractor.build()?;
        // Refused before a store is made for nothing.
        params.check()?;
        let store = GraphStore::open(path, true, schema.as_deref())?;
        let mut told = Told::new(Arc::clone(&params.interrupted));
        let report = ingest::load(&store, extractor.as_deref(), &params, &mut |at| told.step(at));
        told.clear();
        let report = report?;
        name_rejects(&report.rejects)?;
        match self.output.output {
            Output::Json => write_json(out, &report)?,
            Output::Text => tell(out, &report)?,
        }
        let rejected = report.items.rejected + report.events.rejected;
        Ok(if rejected > 0 { ExitCode::Rejects } else { ExitCode::Done })
    }

    fn params(&self, interrupts: Interrupts) -> anyhow::Result<LoadParams> {
        Ok(LoadParams {
            rejects: match (&self.rejects, &self.store) {
                (Some(folder), _) => folder.clone(),
                (None, Some(store)) => beside(store)?,
                (None, None) => PathBuf::from("server.rejects"),
            },
            bulk: self.bulk.into(),
            id: self.load_id.clone(),
            resume: self.resume,
            interrupted: interrupts(),
            ..self.rows.params()?
        })
    }
}

/// The text of a schema, if one was given.
pub(super) fn schema(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let read = |file: &Path| {
        fs::read_to_string(file)
            .with_context(|| format!("schema {} cannot be read", file.display()))
    };
    file.map(read).transpose()
}

/// The store's own name with `.rejects`.
fn beside(store: &Path) -> anyhow::Result<PathBuf> {
    let store: PathBuf = match store.file_name() {
        Some(_) => store.components().collect(),
        None => std::path::absolute(store)?,
    };
    let mut name = store.into_os_string();
    name.push(".rejects");
    Ok(name.into())
}

fn tell(out: &mut dyn Write, report: &LoadReport) -> anyhow::Result<()> {
    let how = if report.resumed { ", resumed" } else { "" };
    writeln!(out, "load      {}{how}", report.load_id)?;
    tell_counts(out, &report.items, &report.events)?;
    let found = &report.extraction;
    writeln!(out, "mentions  {} in {} documents", found.mentions, found.documents)?;
    if found.reviews > 0 {
        writeln!(out, "opinions  {} in {} reviews", found.opinions, found.reviews)?;
    }
    writeln!(out, "sequence  {}", report.sequence)?;
    Ok(())
}

fn tell_counts(out: &mut dyn Write, items: &Counts, events: &Counts) -> anyhow::Result<()> {
    for (what, counts) in [("items", items), ("events", events)] {
        let Counts { read, applied, unchanged, rejected } = counts;
        writeln!(
            out,
            "{what:<9} {read} read, {applied} applied, {unchanged} unchanged, {rejected} refused"
        )?;
    }
    Ok(())
}

/// Names the refused rows on stderr, the first ones each by line and reason.
pub(super) fn name_rejects(rejects: &[PathBuf]) -> anyhow::Result<()> {
    let mut named = 0;
    for path in rejects {
        for line in BufReader::new(File::open(path)?).lines() {
            if named == NAMED {
                note("... and more");
                break;
            }
            let row: serde_json::Value = serde_json::from_str(&line?)?;
            let why = &row["_reject"];
            let text = |field: &str| why[field].as_str().unwrap_or_default();
            let (file, line, reason) = (text("file"), &why["line"], text("reason"));
            note(&format!("refused {file} line {line}: {reason}"));
            named += 1;
        }
        note(&format!("refused rows are in {}", path.display()));
    }
    Ok(())
}
