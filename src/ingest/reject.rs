//! Refused rows go to a file that can be repaired and loaded again.
//!
//! Each line is the row as an object, with what is wrong beside it under `_reject`; a row that
//! could not be taken apart has its raw text there. The loader passes `_reject` over.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::IngestError;
use super::rows::At;

/// Bytes that are kept of a row that could not be taken apart.
const RAW_BYTES: usize = 64 << 10;
/// Characters of a reason, which may repeat what it found.
const REASON_CHARS: usize = 500;

/// A row that was refused.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reject {
    /// Where the row begins.
    pub at: At,
    /// The field at fault, where there is one.
    pub field: Option<Box<str>>,
    /// What is wrong and what to do.
    pub reason: String,
    /// The row's fields, as far as it could be taken apart.
    pub row: Option<Map<String, Value>>,
    /// The raw text of a row that could not be taken apart.
    pub raw: Option<Box<str>>,
}

impl Reject {
    /// A row that could not be taken apart.
    pub fn of_raw(at: At, reason: impl Into<String>, raw: &[u8]) -> Self {
        let raw = String::from_utf8_lossy(&raw[..raw.len().min(RAW_BYTES)]).into();
        Self { at, field: None, reason: short(reason.into()), row: None, raw: Some(raw) }
    }

    /// A row with a field that is wrong.
    pub fn of_row(at: At, field: &str, reason: impl Into<String>, row: Map<String, Value>) -> Self {
        let (field, reason) = (Some(field.into()), short(reason.into()));
        Self { at, field, reason, row: Some(row), raw: None }
    }
}

/// The reason without its middle, if it is long: what to do stands at the end.
pub(super) fn short(reason: String) -> String {
    let n_chars = reason.chars().count();
    if n_chars <= REASON_CHARS {
        return reason;
    }
    let start = reason.chars().take(REASON_CHARS / 2);
    let end = reason.chars().skip(n_chars - REASON_CHARS / 2);
    start.chain([' ', '…', ' ']).chain(end).collect()
}

/// Writes the rejects of one kind of file; makes the file at the first.
pub(super) struct Rejects {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Rejects {
    /// Rejects go to `path`; what an earlier load left there is removed.
    pub fn new(path: PathBuf) -> Result<Self, IngestError> {
        if path.exists() {
            fs::remove_file(&path).map_err(|source| io(&path, source))?;
        }
        Ok(Self { path, file: None })
    }

    pub fn write(&mut self, from: &Path, reject: &Reject) -> Result<(), IngestError> {
        if self.file.is_none() {
            if let Some(folder) = self.path.parent() {
                fs::create_dir_all(folder).map_err(|source| io(folder, source))?;
            }
            let file = File::create(&self.path).map_err(|source| io(&self.path, source))?;
            self.file = Some(BufWriter::new(file));
        }
        let mut row = reject.row.clone().unwrap_or_default();
        let mut why = json!({
            "file": from.display().to_string(),
            "line": reject.at.line,
            "reason": reject.reason,
        });
        if let Some(byte) = reject.at.byte {
            why["byte"] = json!(byte);
        }
        if let Some(field) = &reject.field {
            why["field"] = json!(field);
        }
        if let Some(raw) = &reject.raw {
            why["raw"] = json!(raw);
        }
        row.insert("_reject".to_owned(), why);
        let Some(file) = &mut self.file else { return Ok(()) };
        writeln!(file, "{}", Value::Object(row)).map_err(|source| io(&self.path, source))
    }

    pub fn flush(&mut self) -> Result<(), IngestError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.flush().map_err(|source| io(&self.path, source))
    }

    /// The file's path, when something was written to it.
    pub fn finish(mut self) -> Result<Option<PathBuf>, IngestError> {
        self.flush()?;
        Ok(self.file.map(|_| self.path))
    }
}

fn io(path: &Path, source: std::io::Error) -> IngestError {
    IngestError::Io { path: path.to_owned(), source }
}
