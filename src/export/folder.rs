//! The folder of an export: filled under another name, then moved to its place.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{ExportError, Manifest, Written};

/// What a manifest says it is.
pub(super) const WHAT: &str = "predilect export";
const MANIFEST: &str = "manifest.json";

/// An export in the making; what is not installed is removed.
pub(super) struct Folder {
    dest: PathBuf,
    filling: PathBuf,
    files: Vec<Written>,
}

impl Folder {
    /// An export that will be at `dest`.
    pub fn new(dest: &Path, force: bool) -> Result<Self, ExportError> {
        let dest = std::path::absolute(dest).map_err(|source| io_at(dest, source))?;
        if !force && !is_empty(&dest)? && manifest_of(&dest).is_none() {
            return Err(ExportError::Occupied { path: dest });
        }
        let mut name = std::ffi::OsString::from(".");
        name.push(dest.file_name().unwrap_or_default());
        name.push(format!(".{}.partial", std::process::id()));
        let filling = dest.with_file_name(name);
        fs::create_dir_all(&filling).map_err(|source| io_at(&filling, source))?;
        Ok(Self { dest, filling, files: Vec::new() })
    }

    /// Writes one file; `fill` returns its rows.
    pub fn file(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut Sink) -> Result<u64, ExportError>,
    ) -> Result<(), ExportError> {
        let mut sink = self.sink(name)?;
        let rows = fill(&mut sink)?;
        self.close(sink, rows)
    }

    /// Opens a file that is closed later.
    pub fn sink(&self, name: &str) -> Result<Sink, ExportError> {
        let path = self.filling.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|source| io_at(parent, source))?;
        }
        let file = File::create(&path).map_err(|source| io_at(&path, source))?;
        let hasher = blake3::Hasher::new();
        Ok(Sink { name: name.to_owned(), path, file, hasher, bytes: 0 })
    }

    /// Closes a file of so many rows.
    pub fn close(&mut self, sink: Sink, rows: u64) -> Result<(), ExportError> {
        sink.file.sync_all().map_err(|source| io_at(&sink.path, source))?;
        let blake3 = sink.hasher.finalize().to_hex().to_string();
        self.files.push(Written { path: sink.name, rows, bytes: sink.bytes, blake3 });
        Ok(())
    }

    /// Every file written, ascending by path.
    pub fn files(&self) -> Vec<Written> {
        let mut files = self.files.clone();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }

    /// Moves the export to its place.
    pub fn install(self, manifest: &Manifest) -> Result<(), ExportError> {
        let text = serde_json::to_string_pretty(manifest).map_err(io::Error::from);
        let path = self.filling.join(MANIFEST);
        let text = text.map_err(|source| io_at(&path, source))?;
        fs::write(&path, text + "\n").map_err(|source| io_at(&path, source))?;
        if is_empty(&self.dest)? {
            if self.dest.exists() {
                fs::remove_dir(&self.dest).map_err(|source| io_at(&self.dest, source))?;
            }
            return fs::rename(&self.filling, &self.dest)
                .map_err(|source| io_at(&self.dest, source));
        }
        // The manifest goes first and comes last: half an export is never taken for a whole one.
        for name in manifest_of(&self.dest).unwrap_or_default() {
            let path = self.dest.join(name);
            if path.is_file() {
                fs::remove_file(&path).map_err(|source| io_at(&path, source))?;
            }
        }
        let names = self.files.iter().map(|file| file.path.as_str());
        for name in names.chain([MANIFEST]) {
            let (from, to) = (self.filling.join(name), self.dest.join(name));
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent).map_err(|source| io_at(parent, source))?;
            }
            fs::rename(&from, &to).map_err(|source| io_at(&to, source))?;
        }
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Once installed it is gone; else nothing is left of it but what cannot be removed.
        let _ = fs::remove_dir_all(&self.filling);
    }
}

/// A file of an export and the hash of what went into it.
pub(super) struct Sink {
    name: String,
    /// Where it is while it is written.
    pub path: PathBuf,
    file: File,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

pub(super) fn io_at(path: &Path, source: io::Error) -> ExportError {
    ExportError::Io { path: path.to_owned(), source }
}

fn is_empty(dest: &Path) -> Result<bool, ExportError> {
    match fs::read_dir(dest) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(source) => Err(io_at(dest, source)),
    }
}

/// The files of the export in a folder, its manifest first; `None` when there is no export.
fn manifest_of(dest: &Path) -> Option<Vec<String>> {
    let text = fs::read_to_string(dest.join(MANIFEST)).ok()?;
    let manifest: serde_json::Value = serde_json::from_str(&text).ok()?;
    if manifest["what"] != WHAT {
        return None;
    }
    let mut names = vec![MANIFEST.to_owned()];
    for file in manifest["files"].as_array()? {
        // A manifest may have been written by anybody: nothing outside the folder is touched.
        let name = file["path"].as_str()?;
        let inside = Path::new(name)
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        names.extend(inside.then(|| name.to_owned()));
    }
    Some(names)
}
