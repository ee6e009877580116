//! Files of labelled text: read line by line, written whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::Fault;
use super::{LabelError, Labelled, Problem};

/// Reads labelled texts; empty lines are passed over.
///
/// # Errors
/// [`LabelError::Io`], and [`LabelError::Line`] for the first line that is not UTF-8, not the JSON
/// asked for, or whose labels do not fit its text (see [`Labelled::check`]).
pub fn read(path: &Path) -> Result<Vec<Labelled>, LabelError> {
    parse(&text_of(path)?).map_err(|fault| fault.of(path))
}

fn parse(text: &str) -> Result<Vec<Labelled>, Fault> {
    let mut texts = Vec::new();
    for (line, row) in rows(text) {
        let read = || -> Result<Labelled, Problem> {
            let labelled: Labelled = serde_json::from_str(row)?;
            labelled.check().map(|()| labelled)
        };
        texts.push(read().map_err(|problem| Fault { line, problem })?);
    }
    Ok(texts)
}

/// Writes labelled texts to `path`, beside it first: the file is there whole or as it was.
///
/// # Errors
/// [`LabelError::Io`].
pub fn write(path: &Path, texts: &[Labelled]) -> Result<(), LabelError> {
    let at = |path: &Path, source| LabelError::Io { path: path.to_owned(), source };
    let partial = partial(path);
    let fill = || {
        let mut file = BufWriter::new(File::create(&partial)?);
        write_to(&mut file, texts)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    };
    let done = fill()
        .map_err(|source| at(&partial, source))
        .and_then(|()| fs::rename(&partial, path).map_err(|source| at(path, source)));
    if done.is_err() {
        // What cannot be removed was never made.
        let _ = fs::remove_file(&partial);
    }
    done
}

/// Writes labelled texts, one JSON object a line.
///
/// # Errors
/// Those of `out`.
pub fn write_to(out: &mut dyn Write, texts: &[Labelled]) -> io::Result<()> {
    for labelled in texts {
        serde_json::to_writer(&mut *out, labelled)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// The text of a file, without a byte order mark.
pub(super) fn text_of(path: &Path) -> Result<String, LabelError> {
    let bytes =
        fs::read(path).map_err(|source| LabelError::Io { path: path.to_owned(), source })?;
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.split(|&byte| byte == b'\n').count();
        Fault { line, problem: Problem::NotUtf8 }.of(path)
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// The lines that hold something, each with its number from 1.
pub(super) fn rows(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, row)| !row.trim().is_empty())
}

impl Fault {
    pub(super) fn of(self, path: &Path) -> LabelError {
        LabelError::Line { path: path.to_owned(), line: self.line, problem: self.problem }
    }
}

/// A name beside `path` that no other process uses.
fn partial(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.partial", std::process::id()));
    path.with_file_name(name)
}
