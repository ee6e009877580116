//! The lines of a protocol's files, plain or packed, and numbers for the ids in them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::EvaluateError;

/// Numbers for ids, in the order in which they were first seen.
#[derive(Clone, Debug, Default)]
pub struct Ids {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
}

impl Ids {
    /// The number of `name`, a new one when it was not seen before.
    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.numbers.insert(name.to_owned(), number);
        self.names.push(name.to_owned());
        number
    }

    /// The number of `name`, when it was seen.
    pub fn get(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The id with this number.
    pub fn name(&self, number: u32) -> &str {
        &self.names[number as usize]
    }

    /// How many ids were seen.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether none was seen.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// A file's lines, with what is needed to say where something is wrong.
pub struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead>,
    line: String,
    n: usize,
}

impl Lines {
    /// Opens a file; `.gz` and `.zst` are unpacked.
    ///
    /// # Errors
    /// [`EvaluateError::Read`].
    pub fn open(path: &Path) -> Result<Self, EvaluateError> {
        let fail = |source| EvaluateError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(fail)?;
        let source: Box<dyn Read> = match path.extension().and_then(|ending| ending.to_str()) {
            Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(file)),
            Some("zst") => Box::new(zstd::Decoder::new(file).map_err(fail)?),
            _ => Box::new(file),
        };
        let reader = Box::new(BufReader::with_capacity(1 << 16, source));
        Ok(Self { path: path.to_owned(), reader, line: String::new(), n: 0 })
    }

    /// The next line that is not empty, without its end.
    ///
    /// # Errors
    /// [`EvaluateError::Read`].
    pub fn next(&mut self) -> Result<Option<&str>, EvaluateError> {
        loop {
            self.line.clear();
            let read = self.reader.read_line(&mut self.line);
            let n =
                read.map_err(|source| EvaluateError::Read { path: self.path.clone(), source })?;
            self.n += 1;
            if n == 0 {
                return Ok(None);
            }
            if !self.line.trim().is_empty() {
                break;
            }
        }
        Ok(Some(self.line.trim_start_matches('\u{feff}').trim_end()))
    }

    /// What is wrong with the line last read.
    pub fn wrong(&self, reason: impl Into<String>) -> EvaluateError {
        EvaluateError::Line { path: self.path.clone(), line: self.n, reason: reason.into() }
    }

    /// The number of the line last read, from 1.
    pub fn n(&self) -> usize {
        self.n
    }
}

/// The fields of a line: split at tabs, or at commas, or at blanks, whichever it has first.
pub fn fields(line: &str) -> Vec<&str> {
    if line.contains('\t') {
        line.split('\t').map(str::trim).collect()
    } else if line.contains(',') {
        line.split(',').map(str::trim).collect()
    } else {
        line.split_whitespace().collect()
    }
}
