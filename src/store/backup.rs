//! Copies of a store that stand on their own: made, checked, and made a store again.
//!
//! A backup is a folder with `manifest.json` and the engine's files under `store/`. The manifest holds the
//! length and BLAKE3 of every file, and the content hash of the graph. A folder gets its name when all in it
//! is on disk and was read back; what is ended before leaves a folder whose name ends in `.partial`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::graph_store::{FORMAT_VERSION, GraphStore};
use super::{Rocks, StoreError};

const WHAT: &str = "predilect backup";
const MANIFEST: &str = "manifest.json";
const FILES: &str = "store";

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupManifest {
    /// That it is a backup.
    pub what: String,
    /// The format of keys and values.
    pub format_version: u32,
    /// How many batches were applied.
    pub sequence: u64,
    /// The graph's hash, as in [`super::Stats`].
    pub content_hash: String,
    /// Nodes.
    pub nodes: u64,
    /// Edges.
    pub edges: u64,
    /// Events.
    pub events: u64,
    /// Every file, ascending by name.
    pub files: Vec<CopiedFile>,
    /// BLAKE3 of the manifest without this field.
    #[serde(default)]
    pub checksum: String,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopiedFile {
    /// Its name in the folder `store`.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// BLAKE3 of its bytes.
    pub blake3: String,
}

impl BackupManifest {
    fn sum(&self) -> Result<String, serde_json::Error> {
        let bare = Self { checksum: String::new(), ..self.clone() };
        Ok(blake3::hash(&serde_json::to_vec(&bare)?).to_hex().to_string())
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// Copies the store to the folder `dest`, which must not be there, and reads the copy back. Nobody writes
/// meanwhile. No file is shared: damage to the one leaves the other whole.
///
/// # Errors
/// [`StoreError::Occupied`]; [`StoreError::Backup`] when the copy reads otherwise than the store; those of
/// reads and of the file system. Then nothing stands at `dest`.
pub fn backup(store: &GraphStore, dest: &Path) -> Result<BackupManifest, StoreError> {
    let partial = Partial::beside(dest)?;
    let files = partial.path.join(FILES);
    let one_writer = store.lock();
    let stats = store.view().stats()?;
    store.backend().checkpoint(&files)?;
    drop(one_writer);
    let count = |counts: &std::collections::BTreeMap<String, u64>| counts.values().sum();
    let mut manifest = BackupManifest {
        what: WHAT.to_owned(),
        format_version: FORMAT_VERSION,
        sequence: stats.sequence,
        content_hash: stats.content_hash,
        nodes: count(&stats.nodes),
        edges: count(&stats.edges),
        events: count(&stats.events),
        files: Vec::new(),
        checksum: String::new(),
    };
    for name in names_in(&files)? {
        let (shared, own) = (files.join(&name), partial.path.join(&name));
        let (bytes, blake3) = copy(&shared, &own)?;
        fs::rename(&own, &shared).map_err(io_at(&shared))?;
        manifest.files.push(CopiedFile { name, bytes, blake3 });
    }
    let copied = GraphStore::new(Box::new(Rocks::open_to_read(&files)?), None)?;
    let found = copied.view().stats()?.content_hash;
    drop(copied);
    if found != manifest.content_hash {
        let reason = format!(
            "its copy has content hash {found}, the store {}; run `predilect verify`, then try again",
            manifest.content_hash
        );
        return Err(StoreError::Backup { path: dest.to_owned(), reason });
    }
    // What was made only to read it.
    for name in names_in(&files)? {
        if manifest.files.iter().all(|file| file.name != name) {
            let file = files.join(name);
            fs::remove_file(&file).map_err(io_at(&file))?;
        }
    }
    let path = partial.path.join(MANIFEST);
    let json = |error: serde_json::Error| io_at(&path)(error.into());
    manifest.checksum = manifest.sum().map_err(json)?;
    let text = serde_json::to_string_pretty(&manifest).map_err(json)?;
    let written = File::create(&path).and_then(|mut file| {
        writeln!(file, "{text}")?;
        file.sync_all()
    });
    written.map_err(io_at(&path))?;
    sync_folder(&files)?;
    partial.install()?;
    Ok(manifest)
}

/// Makes a backup a store again, in the folder `dest`, which must not be there. Every file is checked while
/// it is copied, and the graph when it is opened.
///
/// # Errors
/// [`StoreError::Occupied`]; [`StoreError::Backup`], which names the file that is damaged; those of opening
/// a store and of the file system. Then nothing stands at `dest`.
pub fn restore(backup: &Path, dest: &Path) -> Result<BackupManifest, StoreError> {
    let manifest = read_manifest(backup)?;
    let partial = Partial::beside(dest)?;
    for file in &manifest.files {
        let from = backup.join(FILES).join(&file.name);
        let damaged = |reason: &str| StoreError::Backup {
            path: backup.to_owned(),
            reason: format!("{FILES}/{} {reason}; restore another backup", file.name),
        };
        if !from.is_file() {
            return Err(damaged("is not there"));
        }
        let (bytes, blake3) = copy(&from, &partial.path.join(&file.name))?;
        if (bytes, &blake3) != (file.bytes, &file.blake3) {
            return Err(damaged("is not what was written"));
        }
    }
    let store = GraphStore::open(&partial.path, false, None)?;
    let found = store.view().stats()?.content_hash;
    drop(store);
    // A store of an earlier format has become one of this format, which is another content.
    if manifest.format_version == FORMAT_VERSION && found != manifest.content_hash {
        let reason = format!("its graph has content hash {found}, its manifest says another");
        return Err(StoreError::Backup { path: backup.to_owned(), reason });
    }
    partial.install()?;
    Ok(BackupManifest { content_hash: found, ..manifest })
}

fn read_manifest(backup: &Path) -> Result<BackupManifest, StoreError> {
    let path = backup.join(MANIFEST);
    let refused = |reason: String| StoreError::Backup { path: backup.to_owned(), reason };
    let text = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(refused(format!(
                "it has no {MANIFEST}; give a folder that `predilect backup` wrote"
            )));
        }
        text => text.map_err(io_at(&path))?,
    };
    let damaged = || refused(format!("{MANIFEST} is damaged; restore another backup"));
    let manifest: BackupManifest = serde_json::from_slice(&text).map_err(|_| damaged())?;
    if manifest.what != WHAT || manifest.sum().ok().as_ref() != Some(&manifest.checksum) {
        return Err(damaged());
    }
    let plain =
        |name: &str| Path::new(name).components().eq([std::path::Component::Normal(name.as_ref())]);
    match manifest.files.iter().find(|file| !plain(&file.name)) {
        Some(file) => Err(refused(format!("it names a file outside of it, `{}`", file.name))),
        None => Ok(manifest),
    }
}

/// A folder that is filled under another name and then given its own; otherwise it is removed.
struct Partial {
    dest: PathBuf,
    path: PathBuf,
}

impl Partial {
    fn beside(dest: &Path) -> Result<Self, StoreError> {
        let dest = std::path::absolute(dest).map_err(io_at(dest))?;
        // A link to nowhere is something, too.
        if dest.symlink_metadata().is_ok() {
            return Err(StoreError::Occupied { path: dest });
        }
        let mut name = OsString::from(".");
        name.push(dest.file_name().unwrap_or_default());
        name.push(format!(".{}.partial", std::process::id()));
        let path = dest.with_file_name(name);
        if let Some(parent) = dest.parent() {
            fs::create_dir_all(parent).map_err(io_at(parent))?;
        }
        fs::create_dir(&path).map_err(io_at(&path))?;
        Ok(Self { dest, path })
    }

    fn install(self) -> Result<(), StoreError> {
        sync_folder(&self.path)?;
        if self.dest.symlink_metadata().is_ok() {
            return Err(StoreError::Occupied { path: self.dest.clone() });
        }
        fs::rename(&self.path, &self.dest).map_err(io_at(&self.dest))?;
        self.dest.parent().map_or(Ok(()), sync_folder)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // What was given its name is not there any more under this one.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn io_at(path: &Path) -> impl Fn(io::Error) -> StoreError + '_ {
    move |source| StoreError::Io { path: path.to_owned(), source }
}

/// Has the names in a folder survive a power cut.
fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(io_at(path))
}

/// The names in a folder, ascending.
fn names_in(folder: &Path) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_at(folder))? {
        names.push(entry.map_err(io_at(folder))?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Copies a file to disk; returns its length and BLAKE3.
fn copy(from: &Path, to: &Path) -> Result<(u64, String), StoreError> {
    let mut source = File::open(from).map_err(io_at(from))?;
    let mut copy = File::create_new(to).map_err(io_at(to))?;
    let mut hasher = blake3::Hasher::new();
    let (mut buffer, mut bytes) = (vec![0; 1 << 20], 0);
    loop {
        let n = source.read(&mut buffer).map_err(io_at(from))?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
        copy.write_all(&buffer[..n]).map_err(io_at(to))?;
        bytes += n as u64;
    }
    copy.sync_all().map_err(io_at(to))?;
    Ok((bytes, hasher.finalize().to_hex().to_string()))
}
