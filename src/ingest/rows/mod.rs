//! Files become rows: CSV and TSV, JSON lines and arrays, Parquet; what is packed with gzip or zstd is
//! unpacked on the way.
//!
//! A row that cannot be read is told and passed; only a file that is wrong as a whole (no such
//! file, a folder, a bad header, a broken container) ends the reading. No row is held that is longer than a
//! limit, so memory does not grow with what a file holds.

mod array;
mod csv;
#[cfg(feature = "sql")]
pub(super) mod foreign;
mod json;
mod parquet;
mod sample;
mod source;

use std::io::BufRead;
use std::path::{Path, PathBuf};

pub(super) use self::sample::{Sample, sample};
use self::source::Source;
use super::reject::{Reject, short};
use super::sql::{self, Select};
use super::{IngestError, Mapping};
use crate::event::{RawDocument, RawEvent};

/// The path that stands for standard input.
const STDIN: &str = "-";

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    /// The line on which it begins, from 1; the row of a Parquet file.
    pub line: u64,
    /// The byte at which it begins, from 0, once unpacked; none in a Parquet file.
    pub byte: Option<u64>,
}

/// Takes rows as they are read, with the place of each.
pub(super) type Sink<'a, T> = &'a mut dyn FnMut(At, Result<T, Reject>) -> Result<(), IngestError>;

/// A format of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Values separated by commas.
    Csv,
    /// Values separated by tabs.
    Tsv,
    /// One JSON object a line.
    JsonLines,
    /// An array of JSON objects; JSON lines are read as well.
    Json,
    /// Parquet.
    Parquet,
}

/// How files are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputParams {
    /// The format of standard input, and of files whose names tell none.
    pub format: Option<Format>,
    /// Bytes from which a row of text is too long and refused.
    pub max_row_bytes: usize,
    /// What shapes the rows of files of events before they are read.
    pub select: Option<Select>,
}

impl Default for InputParams {
    /// Formats as the names of files tell them; 16 MiB to a row.
    fn default() -> Self {
        Self { format: None, max_row_bytes: 16 << 20, select: None }
    }
}

/// A file's bytes, unpacked, for who reads them without rejects.
///
/// # Errors
/// Those of [`Source::open`].
pub(super) fn open(path: &Path) -> Result<impl BufRead, IngestError> {
    Ok(Source::open(path, &InputParams::default())?.into_reader())
}

/// Reads every event of a file.
pub(super) fn events(
    path: &Path,
    input: &InputParams,
    mapping: &Mapping,
    sink: Sink<'_, RawEvent>,
) -> Result<(), IngestError> {
    if let Some(select) = &input.select {
        return sql::events(path, input, select, mapping, sink);
    }
    let open = || Source::open(path, input);
    match format(path, input)? {
        Format::Csv => csv::events(path, open()?, b',', mapping, sink),
        Format::Tsv => csv::events(path, open()?, b'\t', mapping, sink),
        Format::JsonLines => json::events(open()?, json::lines, mapping, sink),
        Format::Json => json::events(open()?, array::elements, mapping, sink),
        Format::Parquet => parquet::events(path, mapping, sink),
    }
}

/// Reads every document of a file.
pub(super) fn documents(
    path: &Path,
    input: &InputParams,
    sink: Sink<'_, RawDocument>,
) -> Result<(), IngestError> {
    match format(path, input)? {
        Format::JsonLines => json::documents(Source::open(path, input)?, json::lines, sink),
        Format::Json => json::documents(Source::open(path, input)?, array::elements, sink),
        _ => Err(unreadable(path, "items come as JSON; give a .jsonl or .json file")),
    }
}

/// Does the path stand for standard input?
pub(super) fn is_stdin(path: &Path) -> bool {
    path == Path::new(STDIN)
}

/// Is standard input among the files at most once?
pub(super) fn check_stdin<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Result<(), IngestError> {
    match paths.filter(|path| is_stdin(path)).nth(1) {
        Some(path) => Err(unreadable(path, "standard input can be read only once; name it once")),
        None => Ok(()),
    }
}

/// Is there a file of a format that can be read? Of standard input, is its format known?
pub(super) fn check(path: &Path, input: &InputParams) -> Result<(), IngestError> {
    if is_stdin(path) {
        return format(path, input).map(drop);
    }
    // Before its format: a folder has none.
    drop(source::open_regular(path)?);
    match format(path, input)? {
        Format::Parquet => Ok(()),
        _ => Source::open(path, input).map(drop),
    }
}

pub(super) fn format(path: &Path, input: &InputParams) -> Result<Format, IngestError> {
    if is_stdin(path) {
        return match input.format {
            Some(Format::Parquet) => Err(unreadable(
                path,
                "Parquet cannot be read from standard input, since its index stands at its end; save it \
                 to a file",
            )),
            Some(format) => Ok(format),
            None => Err(unreadable(
                path,
                "standard input has no name to tell its format; give --format",
            )),
        };
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let unpacked = name.strip_suffix(".gz").or(name.strip_suffix(".zst"));
    let name = unpacked.unwrap_or(&name);
    let named = match name.rsplit_once('.').map_or("", |(_, suffix)| suffix) {
        "csv" => Some(Format::Csv),
        "tsv" => Some(Format::Tsv),
        "jsonl" | "ndjson" => Some(Format::JsonLines),
        "json" => Some(Format::Json),
        "parquet" if unpacked.is_some() => {
            return Err(unreadable(path, "Parquet packs its own pages; unpack the file"));
        }
        "parquet" => Some(Format::Parquet),
        _ => None,
    };
    named.or(input.format).ok_or_else(|| {
        let known = "the name tells no format; known: .csv .tsv .jsonl .ndjson .json (each also .gz \
                     .zst), .parquet; or give --format";
        unreadable(path, known)
    })
}

pub(super) fn unreadable(path: &Path, reason: impl Into<String>) -> IngestError {
    IngestError::Unreadable { path: path.to_owned(), reason: short(reason.into()) }
}

/// Reads the text of a number, or says what is wrong with it.
fn number(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(number) if text.bytes().any(|byte| byte.is_ascii_digit()) => {
            Err(format!("is {text}, which is out of range: {number}; give a finite number"))
        }
        Ok(number) => Err(format!("is {number}; give a finite number, or leave it out")),
        Err(_) => Err(format!("is {text:?}; give a number")),
    }
}
