//! The table of all rows, with the names of what they are of, in memory and as a file.
//!
//! The file's header (see `sealed.rs`) tells model, seed, params, rows and dim. After it come the rows, f32
//! little-endian, row after row, and the names: for each the length, u32 little-endian, and UTF-8.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Params;
use super::sealed::{Broken, Magic, put, seal, unseal};

const MAGIC: Magic = *b"predilect embed\x01";
/// The name of the file in a folder.
const FILE: &str = "embedding.bin";
/// The name of the file of relations' rows, beside it.
const RELATIONS: &str = "relations.bin";

/// Why a table cannot be read, written or made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TableError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another kind of file, or one of another version.
    #[error("{path} is no embedding that this build reads; train it anew")]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// The file is not what was written.
    #[error("{path} is damaged: its checksum is not that of its bytes; train it anew")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Sizes that do not fit each other.
    #[error("{n_values} numbers are not {n_names} rows of {dim}")]
    Shape {
        /// Numbers.
        n_values: usize,
        /// Names.
        n_names: usize,
        /// Numbers of a row.
        dim: usize,
    },
    /// Two rows of one name.
    #[error("two rows are named `{name}`; give each its own name")]
    Twice {
        /// The name.
        name: String,
    },
    /// What a version was trained on cannot be read.
    #[error("{path} does not tell of an embedding: {source}; delete its folder, and train it anew")]
    About {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A version that the store does not keep.
    #[error("the store keeps no version {number} of its embedding; known: {known}")]
    NoVersion {
        /// Its number.
        number: u32,
        /// The known ones.
        known: String,
    },
}

/// A row of numbers for each name.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingTable {
    model: String,
    seed: u64,
    params: BTreeMap<String, f64>,
    dim: usize,
    names: Vec<String>,
    /// `[names, dim]`.
    values: Vec<f32>,
    places: HashMap<String, usize>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    model: String,
    seed: u64,
    params: BTreeMap<String, f64>,
    rows: u64,
    dim: u64,
}

impl EmbeddingTable {
    /// The table of `values`, `[names, dim]`, that `model` was trained to with `params`.
    ///
    /// # Errors
    /// [`TableError::Shape`] and [`TableError::Twice`].
    pub fn new(
        model: &str,
        params: &Params,
        names: Vec<String>,
        values: Vec<f32>,
    ) -> Result<Self, TableError> {
        let values_of = params.values.iter().map(|(name, value)| ((*name).to_owned(), *value));
        let header = Header {
            model: model.to_owned(),
            seed: params.seed,
            params: values_of.collect(),
            rows: names.len() as u64,
            dim: params.dim as u64,
        };
        Self::with_header(header, names, values)
    }

    fn with_header(
        header: Header,
        names: Vec<String>,
        values: Vec<f32>,
    ) -> Result<Self, TableError> {
        let Header { model, seed, params, dim, .. } = header;
        let dim = dim as usize;
        if names.len().checked_mul(dim) != Some(values.len()) {
            return Err(TableError::Shape { n_values: values.len(), n_names: names.len(), dim });
        }
        let mut places = HashMap::with_capacity(names.len());
        for (place, name) in names.iter().enumerate() {
            if places.insert(name.clone(), place).is_some() {
                return Err(TableError::Twice { name: name.clone() });
            }
        }
        Ok(Self { model, seed, params, dim, names, values, places })
    }

    /// The model that made the rows.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The seed that it was trained with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// What it was trained with, by name.
    pub fn params(&self) -> &BTreeMap<String, f64> {
        &self.params
    }

    /// Numbers of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The names of the rows, in their order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// All rows, `[names, dim]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The row at a place.
    ///
    /// # Panics
    /// When there are not so many rows.
    pub fn row(&self, place: usize) -> &[f32] {
        &self.values[place * self.dim..(place + 1) * self.dim]
    }

    /// The place of the row of this name, if there is one.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// The table without the rows of these names.
    ///
    /// # Errors
    /// None that a table has not had from the start.
    pub fn without(&self, names: &[String]) -> Result<Self, TableError> {
        let stays = |place: &usize| !names.contains(&self.names[*place]);
        let places: Vec<usize> = (0..self.names.len()).filter(stays).collect();
        let header = Header {
            model: self.model.clone(),
            seed: self.seed,
            params: self.params.clone(),
            rows: places.len() as u64,
            dim: self.dim as u64,
        };
        let values = places.iter().flat_map(|place| self.row(*place)).copied().collect();
        let names = places.iter().map(|place| self.names[*place].clone()).collect();
        Self::with_header(header, names, values)
    }

    /// Writes the table to a file of `folder`, which is made where there is none; whole or not at all.
    ///
    /// # Errors
    /// [`TableError::Io`].
    pub fn save(&self, folder: &Path) -> Result<PathBuf, TableError> {
        self.save_as(folder, FILE)
    }

    /// Writes a table of relations beside that of their entities, as [`save`](Self::save) does.
    ///
    /// # Errors
    /// [`TableError::Io`].
    pub fn save_relations(&self, folder: &Path) -> Result<PathBuf, TableError> {
        self.save_as(folder, RELATIONS)
    }

    fn save_as(&self, folder: &Path, file: &str) -> Result<PathBuf, TableError> {
        let path = folder.join(file);
        let written = self.to_bytes().and_then(|bytes| put(&path, &bytes));
        written.map_err(|source| TableError::Io { path: path.clone(), source })?;
        Ok(path)
    }

    fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let header = Header {
            model: self.model.clone(),
            seed: self.seed,
            params: self.params.clone(),
            rows: self.names.len() as u64,
            dim: self.dim as u64,
        };
        let mut body: Vec<u8> = self.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        for name in &self.names {
            let length = u32::try_from(name.len()).map_err(io::Error::other)?;
            body.extend(length.to_le_bytes());
            body.extend(name.as_bytes());
        }
        seal(MAGIC, &header, &body)
    }

    /// Reads the table that [`save`](Self::save) wrote to a file of `folder`.
    ///
    /// # Errors
    /// [`TableError::Io`], [`TableError::Format`] and [`TableError::Damaged`].
    pub fn load(folder: &Path) -> Result<Self, TableError> {
        Self::load_from(folder.join(FILE))
    }

    /// Reads the table that [`save_relations`](Self::save_relations) wrote.
    ///
    /// # Errors
    /// Those of [`load`](Self::load).
    pub fn load_relations(folder: &Path) -> Result<Self, TableError> {
        Self::load_from(folder.join(RELATIONS))
    }

    fn load_from(path: PathBuf) -> Result<Self, TableError> {
        let bytes =
            fs::read(&path).map_err(|source| TableError::Io { path: path.clone(), source })?;
        let (header, body) = unseal(MAGIC, &bytes).map_err(|broken| broken.at(path.clone()))?;
        match parts(&header, body) {
            Some((names, values)) => Self::with_header(header, names, values),
            None => Err(TableError::Format { path }),
        }
    }
}

impl Broken {
    /// The error of the file.
    pub(super) fn at(self, path: PathBuf) -> TableError {
        match self {
            Self::Format => TableError::Format { path },
            Self::Damaged => TableError::Damaged { path },
        }
    }
}

/// Names and rows, if the body is as long as the header says.
fn parts(header: &Header, body: &[u8]) -> Option<(Vec<String>, Vec<f32>)> {
    let n_bytes = (header.rows as usize).checked_mul(header.dim as usize)?.checked_mul(4)?;
    let (rows, mut rest) = body.split_at_checked(n_bytes)?;
    let (rows, _) = rows.as_chunks();
    let values = rows.iter().map(|value| f32::from_le_bytes(*value)).collect();
    let mut names = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let (name, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        names.push(String::from_utf8(name.to_vec()).ok()?);
        rest = after;
    }
    rest.is_empty().then_some((names, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> EmbeddingTable {
        let params = Params { dim: 2, seed: 7, values: [("rate", 0.1)].into() };
        let names = vec!["dune".to_owned(), "火星".to_owned(), String::new()];
        EmbeddingTable::new("some", &params, names, vec![1.0, -2.5, 0.1, 0.0, 3.0, 4.0]).unwrap()
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let table = table();
        table.save(&folder.path().join("new")).unwrap();
        assert!(EmbeddingTable::load_relations(&folder.path().join("new")).is_err());
        table.save_relations(&folder.path().join("new")).unwrap();
        let relations = EmbeddingTable::load_relations(&folder.path().join("new")).unwrap();
        assert_eq!(relations, table);
        let loaded = EmbeddingTable::load(&folder.path().join("new")).unwrap();
        assert_eq!(loaded, table);
        assert_eq!(loaded.row(loaded.find("火星").unwrap()), [0.1, 0.0]);
        assert_eq!((loaded.model(), loaded.seed(), loaded.find("none")), ("some", 7, None));
    }

    #[test]
    fn damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = table().save(folder.path()).unwrap();
        let whole = fs::read(&path).unwrap();
        let told = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            EmbeddingTable::load(folder.path()).unwrap_err()
        };
        assert!(matches!(told(&whole[..whole.len() - 1]), TableError::Damaged { .. }));
        assert!(matches!(told(b"a text"), TableError::Format { .. }));
    }

    #[test]
    fn sizes_and_names_are_checked() {
        let params = Params { dim: 2, seed: 7, values: BTreeMap::new() };
        let made = |names: &[&str], n| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            EmbeddingTable::new("some", &params, names, vec![0.0; n])
        };
        assert!(matches!(made(&["a"], 3), Err(TableError::Shape { .. })));
        assert!(matches!(made(&["a", "a"], 4), Err(TableError::Twice { .. })));
    }
}
