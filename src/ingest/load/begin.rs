//! How a load begins: under an id of its own, or where an earlier part of it ended.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::super::{IngestError, rows};
use super::LoadParams;
use crate::schema::Timestamp;
use crate::store::{GraphStore, LoadFile, LoadRecord, LoadState};

/// Bytes of a file's begin by which it is known again.
const HEAD: u64 = 1 << 20;
/// The longest id, in bytes.
const MAX_ID_BYTES: usize = 128;

/// The record of the load that `params` ask for, kept in the store; and whether it goes on.
pub(in super::super) fn begin(
    store: &GraphStore,
    params: &LoadParams,
) -> Result<(LoadRecord, bool), IngestError> {
    let loads = store.view().loads()?;
    let known = match &params.id {
        Some(id) => {
            check_id(id)?;
            loads.iter().find(|load| load.id == *id)
        }
        None if params.resume => {
            let same =
                |load: &&LoadRecord| load.state == LoadState::Unfinished && has_files(load, params);
            loads.iter().rfind(same)
        }
        None => None,
    };
    let (mut record, resumed) = match known {
        Some(load) => (going_on(load, params)?, true),
        None => (new(store, &loads, params)?, false),
    };
    for (is_items, path) in params.files() {
        let file = identified(is_items, path, params)?;
        match record
            .files
            .iter_mut()
            .find(|known| (known.is_items, &known.path) == (is_items, &file.path))
        {
            Some(known) if (known.bytes, known.head) == (file.bytes, file.head) => {}
            // Another file by now: what it says again changes nothing twice.
            Some(known) => *known = file,
            None => record.files.push(file),
        }
    }
    store.put_load(&record)?;
    Ok((record, resumed))
}

/// Are these the files that were given before?
fn has_files(load: &LoadRecord, params: &LoadParams) -> bool {
    let given = params.files().map(|(is_items, path)| (is_items, path.to_string_lossy()));
    let known = load.files.iter().map(|file| (file.is_items, file.path.as_str().into()));
    given.collect::<BTreeSet<_>>() == known.collect()
}

fn going_on(load: &LoadRecord, params: &LoadParams) -> Result<LoadRecord, IngestError> {
    let id = load.id.clone();
    match load.state {
        LoadState::Unloading => Err(IngestError::LoadUnloading { id }),
        LoadState::Finished if !params.resume => Err(IngestError::LoadFinished { id }),
        LoadState::Unfinished if !params.resume => Err(IngestError::LoadUnfinished { id }),
        LoadState::Finished | LoadState::Unfinished => {
            Ok(LoadRecord { state: LoadState::Unfinished, finished: None, ..load.clone() })
        }
    }
}

fn new(
    store: &GraphStore,
    loads: &[LoadRecord],
    params: &LoadParams,
) -> Result<LoadRecord, IngestError> {
    let mut number = loads.iter().map(|load| load.number).max().unwrap_or_default() + 1;
    let id = match &params.id {
        Some(id) => id.clone(),
        None => loop {
            let id = format!("load-{number}");
            if loads.iter().all(|load| load.id != id) {
                break id;
            }
            number += 1;
        },
    };
    Ok(LoadRecord {
        id,
        number,
        state: LoadState::Unfinished,
        begun: store.sequence()?,
        finished: None,
        events: 0,
        documents: 0,
        files: Vec::new(),
        rejects: Default::default(),
    })
}

fn check_id(id: &str) -> Result<(), IngestError> {
    let refuse = |reason| Err(IngestError::LoadId { id: id.to_owned(), reason });
    if id.trim().is_empty() {
        return refuse("is empty; give a name, such as `may-2025`, or leave --load-id out");
    }
    if id.len() > MAX_ID_BYTES {
        return refuse("is longer than 128 bytes; give a shorter one");
    }
    if id.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return refuse("has a space or a control character; use letters, digits, `-`, `_`, `.`");
    }
    Ok(())
}

fn identified(is_items: bool, path: &Path, params: &LoadParams) -> Result<LoadFile, IngestError> {
    let (bytes, mut hasher) =
        begin_of(path).map_err(|source| IngestError::Io { path: path.to_owned(), source })?;
    if !is_items {
        // Read by another mapping, or shaped by other SQL, its rows are others.
        hasher.update(format!("{:?}", params.mapping).as_bytes());
        if let Some(select) = &params.input.select {
            hasher.update(format!("{select:?}").as_bytes());
        }
    }
    let head = *hasher.finalize().as_bytes();
    let path = path.to_string_lossy().into_owned();
    Ok(LoadFile { is_items, path, bytes, head, rows: 0, rejected: Vec::new(), is_done: false })
}

/// How long a file is, and its first bytes, hashed.
fn begin_of(path: &Path) -> io::Result<(u64, blake3::Hasher)> {
    if rows::is_stdin(path) {
        // What comes next time is another file.
        let mut hasher = blake3::Hasher::new();
        hasher.update(&Timestamp::now().millis().to_le_bytes());
        return Ok((0, hasher));
    }
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut file.take(HEAD), &mut hasher)?;
    Ok((bytes, hasher))
}
