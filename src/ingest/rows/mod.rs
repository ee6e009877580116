//! Files become rows: CSV and TSV, JSON lines, Parquet; `.gz` and `.zst` are unpacked on the way.
//!
//! A row that cannot be read is told and passed; only a file that is wrong as a whole (no such
//! file, a folder, a bad header, a broken container) ends the reading.

mod csv;
mod json;
mod parquet;
mod sample;

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

pub(super) use self::sample::{Sample, sample};
use super::reject::Reject;
use super::{IngestError, Mapping};
use crate::event::{RawDocument, RawEvent};

/// Takes rows as they are read, with the line (or Parquet row) that each stands on.
pub(super) type Sink<'a, T> = &'a mut dyn FnMut(u64, Result<T, Reject>) -> Result<(), IngestError>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Separated(u8),
    JsonLines,
    Parquet,
}

/// Reads every event of a file.
pub(super) fn events(
    path: &Path,
    mapping: &Mapping,
    sink: Sink<'_, RawEvent>,
) -> Result<(), IngestError> {
    match format(path)? {
        Format::Separated(separator) => csv::events(path, open(path)?, separator, mapping, sink),
        Format::JsonLines => json::events(path, open(path)?, mapping, sink),
        Format::Parquet => parquet::events(path, mapping, sink),
    }
}

/// Reads every document of a file.
pub(super) fn documents(path: &Path, sink: Sink<'_, RawDocument>) -> Result<(), IngestError> {
    match format(path)? {
        Format::JsonLines => json::documents(path, open(path)?, sink),
        _ => Err(unreadable(path, "items come as JSON lines; give a .jsonl file")),
    }
}

/// Is there a file of a format that can be read?
pub(super) fn check(path: &Path) -> Result<(), IngestError> {
    let refuse =
        |reason: &str| IngestError::NotAFile { path: path.to_owned(), reason: reason.to_owned() };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(refuse("does not exist; check the path"));
        }
        Err(source) => return Err(IngestError::Io { path: path.to_owned(), source }),
    };
    if metadata.is_dir() {
        return Err(refuse("is a folder; name the files in it"));
    }
    if !metadata.is_file() {
        return Err(refuse("is not a regular file"));
    }
    format(path).map(|_| ())
}

fn format(path: &Path) -> Result<Format, IngestError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(&name);
    match name.rsplit_once('.').map_or("", |(_, suffix)| suffix) {
        "csv" => Ok(Format::Separated(b',')),
        "tsv" => Ok(Format::Separated(b'\t')),
        "jsonl" | "ndjson" => Ok(Format::JsonLines),
        "parquet" => Ok(Format::Parquet),
        _ => Err(unreadable(
            path,
            "the name tells no format; known: .csv .tsv .jsonl .ndjson (each also .gz .zst), .parquet",
        )),
    }
}

pub(super) fn open(path: &Path) -> Result<Box<dyn Read>, IngestError> {
    let io = |source| IngestError::Io { path: path.to_owned(), source };
    let file = BufReader::with_capacity(1 << 20, File::open(path).map_err(io)?);
    Ok(match path.extension().and_then(|suffix| suffix.to_str()) {
        Some("gz") => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Some("zst") => Box::new(zstd::Decoder::with_buffer(file).map_err(io)?),
        _ => Box::new(file),
    })
}

pub(super) fn unreadable(path: &Path, reason: impl Into<String>) -> IngestError {
    IngestError::Unreadable { path: path.to_owned(), reason: reason.into() }
}
