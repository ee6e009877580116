//! How far a training is, in a file: what goes on from it ends with the bytes of one that was never ended.
//!
//! The file's header (see `sealed.rs`) tells training, step, least, waited and lengths. After it come the
//! tables, f32 little-endian, one after the other.

use std::fs;
use std::io;
use std::path::PathBuf;

use petgraph::Outgoing;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Params;
use super::sealed::{Magic, put, seal, unseal};
use crate::graph::CompactGraph;

const MAGIC: Magic = *b"predilect steps\x01";
/// The name of the file in a folder.
const FILE: &str = "embedding.steps";
/// Times that a training is written down, unless somebody says otherwise.
const TIMES: usize = 10;

/// Why a training cannot be written down or gone on with.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not what was written.
    #[error(
        "{path} is no checkpoint that this build reads, or is damaged; delete it and train anew"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The file is of other edges, parameters or rows to start from.
    #[error(
        "{path} is of another training: of other edges, parameters, seed or start; repeat the command \
         that was ended, or give another folder"
    )]
    Other {
        /// The file.
        path: PathBuf,
    },
}

/// Where to write down how far a training is.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The folder of the file; it is made where there is none.
    pub folder: PathBuf,
    /// Go on from what is there, if anything is.
    pub resume: bool,
    /// Steps from one writing to the next; a tenth of all without it.
    pub every: Option<usize>,
}

impl Checkpoint {
    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// Removes the file of a training whose rows are in a safe place.
    ///
    /// # Errors
    /// [`CheckpointError::Io`].
    pub fn remove(&self) -> Result<(), CheckpointError> {
        let path = self.path();
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(CheckpointError::Io { path, source })
            }
            _ => Ok(()),
        }
    }
}

/// A training between two steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    /// Steps that are done.
    pub step: usize,
    /// The least loss so far, and since how many epochs it is the least.
    pub least: f64,
    pub waited: usize,
    /// Whatever the training holds, in its own order.
    pub tables: Vec<Vec<f32>>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    training: String,
    step: u64,
    /// Bits of a number, which a text might round.
    least: u64,
    waited: u64,
    lengths: Vec<u64>,
}

/// The file of one training.
pub(super) struct Keeper<'a> {
    checkpoint: &'a Checkpoint,
    training: String,
    every: usize,
}

impl<'a> Keeper<'a> {
    /// Of a training of `steps` steps on these edges with these parameters from these rows.
    pub fn new(
        checkpoint: &'a Checkpoint,
        graph: &CompactGraph,
        params: &Params,
        start: Option<&[f32]>,
        steps: usize,
    ) -> Self {
        let mut hasher = blake3::Hasher::new();
        let rows = graph.rows(Outgoing);
        for numbers in [rows.offsets, rows.others] {
            hasher.update(&(numbers.len() as u64).to_le_bytes());
            for some in numbers.chunks(1 << 14) {
                let bytes: Vec<u8> = some.iter().flat_map(|number| number.to_le_bytes()).collect();
                hasher.update(&bytes);
            }
        }
        hasher.update(&(params.dim as u64).to_le_bytes()).update(&params.seed.to_le_bytes());
        for (name, value) in &params.values {
            hasher.update(name.as_bytes()).update(&value.to_le_bytes());
        }
        for some in start.unwrap_or_default().chunks(1 << 14) {
            let bytes: Vec<u8> = some.iter().flat_map(|value| value.to_le_bytes()).collect();
            hasher.update(&bytes);
        }
        let every = checkpoint.every.unwrap_or(steps / TIMES).max(1);
        Self { checkpoint, training: hasher.finalize().to_hex().to_string(), every }
    }

    /// What to go on from, if anything is there and wanted.
    pub fn found(&self) -> Result<Option<State>, CheckpointError> {
        let path = self.checkpoint.path();
        if !self.checkpoint.resume {
            return Ok(None);
        }
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CheckpointError::Io { path, source }),
        };
        match parse(&bytes) {
            None => Err(CheckpointError::Damaged { path }),
            Some((header, _)) if header.training != self.training => {
                Err(CheckpointError::Other { path })
            }
            Some((_, state)) => Ok(Some(state)),
        }
    }

    /// Is it time to write down, after so many steps?
    pub fn is_due(&self, step: usize) -> bool {
        step.is_multiple_of(self.every)
    }

    /// Writes the state down in place of the one before; whole or not at all.
    pub fn keep(&self, state: &State) -> Result<(), CheckpointError> {
        let path = self.checkpoint.path();
        let written = bytes(&self.training, state).and_then(|bytes| put(&path, &bytes));
        written.map_err(|source| CheckpointError::Io { path, source })
    }
}

fn bytes(training: &str, state: &State) -> io::Result<Vec<u8>> {
    let header = Header {
        training: training.to_owned(),
        step: state.step as u64,
        least: state.least.to_bits(),
        waited: state.waited as u64,
        lengths: state.tables.iter().map(|table| table.len() as u64).collect(),
    };
    let values = state.tables.iter().flatten();
    let body: Vec<u8> = values.flat_map(|value| value.to_le_bytes()).collect();
    seal(MAGIC, &header, &body)
}

/// What the bytes say, if they are what was written.
fn parse(bytes: &[u8]) -> Option<(Header, State)> {
    let (header, mut rest): (Header, _) = unseal(MAGIC, bytes).ok()?;
    let mut tables = Vec::new();
    for length in &header.lengths {
        let (table, after) = rest.split_at_checked((*length as usize).checked_mul(4)?)?;
        tables.push(table.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect());
        rest = after;
    }
    let state = State {
        step: header.step as usize,
        least: f64::from_bits(header.least),
        waited: header.waited as usize,
        tables,
    };
    rest.is_empty().then_some((header, state))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::graph::EdgeData;
    use crate::schema::RelationId;

    fn graph(target: u32) -> CompactGraph {
        let data = EdgeData { relation: RelationId(0), sum: 1.0, last_minutes: 0 };
        CompactGraph::from_edges(3, [(0, target, data)]).unwrap()
    }

    #[test]
    fn what_is_kept_is_found_and_damage_and_others_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint =
            Checkpoint { folder: folder.path().join("new"), resume: true, every: Some(2) };
        let params = Params { dim: 2, seed: 7, values: BTreeMap::from([("rate", 0.1)]) };
        let keeper = |target, params: &Params, start| {
            Keeper::new(&checkpoint, &graph(target), params, start, 40)
        };
        let own = keeper(1, &params, None);
        assert_eq!(own.found().unwrap(), None);
        let tables = vec![vec![1.5, -2.0], Vec::new(), vec![f32::MIN_POSITIVE]];
        let state = State { step: 4, least: 0.1 + 0.2, waited: 1, tables };
        own.keep(&state).unwrap();
        assert_eq!(own.found().unwrap(), Some(state));
        assert!(own.is_due(4) && !own.is_due(5));
        let other = Params { seed: 8, ..params.clone() };
        for keeper in [
            keeper(2, &params, None),
            keeper(1, &other, None),
            keeper(1, &params, Some(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0])),
        ] {
            assert!(matches!(keeper.found(), Err(CheckpointError::Other { .. })));
        }
        let path = checkpoint.path();
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            fs::write(&path, &bytes).unwrap();
            assert!(matches!(own.found(), Err(CheckpointError::Damaged { .. })), "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(matches!(own.found(), Err(CheckpointError::Damaged { .. })), "first {at}");
        }
        checkpoint.remove().unwrap();
        checkpoint.remove().unwrap();
        assert_eq!(own.found().unwrap(), None);
    }
}
