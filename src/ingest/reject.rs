//! Refused rows go to a file that can be repaired and loaded again.
//!
//! Each line is the row as an object, with what is wrong beside it under `_reject`; a row that
//! could not be taken apart has its raw text there. The loader passes `_reject` over.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::IngestError;

/// A row that was refused.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reject {
    /// The line in the file, from 1, or the row of a Parquet file.
    pub line: u64,
    /// The field at fault, where there is one.
    pub field: Option<String>,
    /// What is wrong and what to do.
    pub reason: String,
    /// The row's fields, as far as it could be taken apart.
    pub row: Option<Map<String, Value>>,
    /// The raw text of a row that could not be taken apart.
    pub raw: Option<String>,
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
            "line": reject.line,
            "reason": reject.reason,
        });
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
