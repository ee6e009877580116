//! Refused rows go to a file that can be repaired and loaded again.
//!
//! Each line is the row as an object, with what is wrong beside it under `_reject`; a row that
//! could not be taken apart has its raw text there. The loader passes `_reject` over.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::IngestError;
use super::rows::At;
use crate::store::RejectsMark;

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

/// What kind of wrong a refused row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectClass {
    /// It could not be taken apart.
    Syntax,
    /// A field is missing, or holds what it may not.
    Field,
    /// An event of its id was there before with other content.
    Duplicate,
}

impl RejectClass {
    /// Every class.
    pub const ALL: [Self; 3] = [Self::Syntax, Self::Field, Self::Duplicate];

    /// The class in a word.
    pub fn name(self) -> &'static str {
        ["syntax", "field", "duplicate"][self as usize]
    }

    /// The class of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

impl Reject {
    /// The class of a row that its reader, or a check of its fields, refused.
    pub fn class(&self) -> RejectClass {
        if self.raw.is_some() { RejectClass::Syntax } else { RejectClass::Field }
    }
}

/// Counts refused rows, until there are too many.
pub(super) struct Tally {
    max: u64,
    max_of: BTreeMap<RejectClass, u64>,
    counts: BTreeMap<RejectClass, u64>,
    advice: &'static str,
}

impl Tally {
    /// At most `max` rows may be refused, and of some classes at most so many.
    ///
    /// `advice` says what to do when there are more.
    pub fn new(max: u64, max_of: &BTreeMap<RejectClass, u64>, advice: &'static str) -> Self {
        let counts = RejectClass::ALL.map(|class| (class, 0)).into();
        Self { max, max_of: max_of.clone(), counts, advice }
    }

    /// Counts rows that were refused before.
    pub fn add(&mut self, class: RejectClass, n: u64) {
        *self.counts.entry(class).or_default() += n;
    }

    /// How many there were, by the name of the class.
    pub fn by_class(&self) -> BTreeMap<String, u64> {
        self.counts.iter().map(|(class, n)| (class.name().to_owned(), *n)).collect()
    }

    /// Counts a row and writes it to `rejects`.
    ///
    /// # Errors
    /// [`IngestError::TooManyRejects`] and [`IngestError::Io`].
    pub fn refuse(
        &mut self,
        class: RejectClass,
        path: &Path,
        reject: &Reject,
        rejects: &mut Rejects,
    ) -> Result<(), IngestError> {
        rejects.write(path, class, reject)?;
        self.add(class, 1);
        let of_class = self.max_of.get(&class).filter(|max| self.counts[&class] > **max);
        let (budget, rows) = match of_class {
            Some(max) => (*max, format!("rows of class `{}`", class.name())),
            None if self.counts.values().sum::<u64>() > self.max => (self.max, "rows".to_owned()),
            None => return Ok(()),
        };
        rejects.flush()?;
        Err(IngestError::TooManyRejects {
            budget,
            rows,
            path: path.to_owned(),
            line: reject.at.line,
            reason: reject.reason.clone(),
            advice: self.advice,
        })
    }
}

/// Writes the rejects of one kind of file; makes the file at the first.
pub(super) struct Rejects {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    n_bytes: u64,
    hasher: blake3::Hasher,
}

impl Rejects {
    /// Rejects go to `path`. What is there stays as far as `mark`, where an earlier part of the same load
    /// wrote it; anything else is removed.
    pub fn new(path: PathBuf, mark: &RejectsMark) -> Result<Self, IngestError> {
        let mut rejects = Self { path, file: None, n_bytes: 0, hasher: blake3::Hasher::new() };
        if mark.bytes > 0 && rejects.is_marked(mark).map_err(|source| io(&rejects.path, source))? {
            let file = File::options().append(true).open(&rejects.path);
            let file = file.and_then(|file| file.set_len(mark.bytes).map(|()| file));
            let file = file.map_err(|source| io(&rejects.path, source))?;
            rejects.file = Some(BufWriter::new(file));
            rejects.n_bytes = mark.bytes;
        } else {
            rejects.hasher.reset();
            if rejects.path.exists() {
                fs::remove_file(&rejects.path).map_err(|source| io(&rejects.path, source))?;
            }
        }
        Ok(rejects)
    }

    /// Does the file begin as the mark says? Then the hasher has seen it.
    fn is_marked(&mut self, mark: &RejectsMark) -> std::io::Result<bool> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let n = std::io::copy(&mut file.take(mark.bytes), &mut self.hasher)?;
        Ok(n == mark.bytes && *self.hasher.finalize().as_bytes() == mark.hash)
    }

    fn write(
        &mut self,
        from: &Path,
        class: RejectClass,
        reject: &Reject,
    ) -> Result<(), IngestError> {
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
            "class": class.name(),
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
        let line = format!("{}\n", Value::Object(row));
        self.n_bytes += line.len() as u64;
        self.hasher.update(line.as_bytes());
        file.write_all(line.as_bytes()).map_err(|source| io(&self.path, source))
    }

    fn flush(&mut self) -> Result<(), IngestError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.flush().map_err(|source| io(&self.path, source))
    }

    /// What is written so far, on disk if there is more of it than at `last`.
    pub fn mark(&mut self, last: &RejectsMark) -> Result<RejectsMark, IngestError> {
        if self.n_bytes == last.bytes {
            return Ok(*last);
        }
        self.flush()?;
        if let Some(file) = &self.file {
            file.get_ref().sync_data().map_err(|source| io(&self.path, source))?;
        }
        Ok(RejectsMark { bytes: self.n_bytes, hash: *self.hasher.finalize().as_bytes() })
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
