//! The tables that a store keeps: each training is a version of its own, with what it was trained on.
//!
//! ```text
//! embeddings/
//!   000001/embedding.bin   the rows
//!   000001/item.links      the links of a kind of which there are many
//!   000001/version.json    model, parameters, seed, the state of the graph
//!   000002/…
//! ```
//!
//! A version gets its name when all in it is on disk: one that was ended before leaves a folder whose name
//! starts with a dot, which the next one removes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::by_kind::{KindRows, MANY, link, unlink};
use super::sealed::put;
use super::table::{EmbeddingTable, TableError};
use crate::schema::{NodeKind, Timestamp};

/// The folder of the versions, in that of the store.
const FOLDER: &str = "embeddings";
/// What a version was trained on, in its folder.
const ABOUT: &str = "version.json";

/// A table that a store keeps, and what it was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// Its number, from 1 on; set when it is kept.
    pub version: u32,
    /// The model.
    pub model: String,
    /// Numbers of a row.
    pub dim: usize,
    /// Seed of all choices.
    pub seed: u64,
    /// What it was trained with, by name.
    pub params: BTreeMap<String, f64>,
    /// Rows: the graph's nodes.
    pub nodes: usize,
    /// Edges that it was trained on.
    pub edges: usize,
    /// The store's sequence number: the graph had every write up to here.
    pub snapshot: u64,
    /// The time of the graph's last event.
    #[serde(serialize_with = "time_to", deserialize_with = "time_from")]
    pub as_of: Timestamp,
    /// The version whose rows it started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_start: Option<u32>,
}

fn time_to<S: Serializer>(at: &impl std::fmt::Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}

fn time_from<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(from)?;
    let error = || serde::de::Error::custom(format!("`{text}` is no time; give RFC 3339"));
    Timestamp::parse(&text).ok_or_else(error)
}

/// The versions of one store.
#[derive(Clone, Debug)]
pub struct Versions {
    folder: PathBuf,
}

impl Versions {
    /// Those of the store in the folder `store`. Nothing is read yet.
    pub fn of(store: &Path) -> Self {
        Self { folder: store.join(FOLDER) }
    }

    /// What versions there are, ascending by number.
    ///
    /// # Errors
    /// [`TableError::Io`], [`TableError::About`].
    pub fn list(&self) -> Result<Vec<Version>, TableError> {
        self.numbers()?.into_iter().map(|number| self.about(number)).collect()
    }

    /// The number of the last version, if there is one.
    ///
    /// # Errors
    /// [`TableError::Io`].
    pub fn last(&self) -> Result<Option<u32>, TableError> {
        Ok(self.numbers()?.last().copied())
    }

    /// What a version was trained on.
    ///
    /// # Errors
    /// [`TableError::NoVersion`], [`TableError::Io`], [`TableError::About`].
    pub fn about(&self, number: u32) -> Result<Version, TableError> {
        let path = self.path(number).join(ABOUT);
        let bytes = fs::read(&path).map_err(|source| self.missing(number, &path, source))?;
        serde_json::from_slice(&bytes).map_err(|source| TableError::About { path, source })
    }

    /// The rows of a version.
    ///
    /// # Errors
    /// [`TableError::NoVersion`], and those of [`EmbeddingTable::load`].
    pub fn load(&self, number: u32) -> Result<EmbeddingTable, TableError> {
        match EmbeddingTable::load(&self.path(number)) {
            Err(TableError::Io { path, source }) => Err(self.missing(number, &path, source)),
            loaded => loaded,
        }
    }

    /// The rows of a kind of a version whose table was [loaded](Self::load).
    ///
    /// # Errors
    /// [`TableError::Io`], [`TableError::Format`] and [`TableError::Damaged`].
    pub fn of_kind(
        &self,
        number: u32,
        table: &EmbeddingTable,
        kind: NodeKind,
    ) -> Result<KindRows, TableError> {
        KindRows::load(table, kind, &self.path(number))
    }

    /// Keeps a table as the next version; whole or not at all.
    ///
    /// # Errors
    /// [`TableError::Io`].
    pub fn add(&self, table: &EmbeddingTable, about: &Version) -> Result<Version, TableError> {
        let about = Version { version: self.last()?.map_or(1, |last| last + 1), ..about.clone() };
        self.put(table, &about)?;
        Ok(about)
    }

    /// How many rows of these names there are in all versions.
    ///
    /// # Errors
    /// Those of [`load`](Self::load).
    pub fn count(&self, names: &[String]) -> Result<usize, TableError> {
        let mut known = 0;
        for number in self.numbers()? {
            let table = self.load(number)?;
            known += names.iter().filter(|name| table.find(name).is_some()).count();
        }
        Ok(known)
    }

    /// Takes the rows of these names out of every version; says how many there were.
    ///
    /// # Errors
    /// Those of [`load`](Self::load): then running it again goes on.
    pub fn forget(&self, names: &[String]) -> Result<usize, TableError> {
        self.clean()?;
        let mut taken = 0;
        for about in self.list()? {
            let table = self.load(about.version)?;
            let n_known = names.iter().filter(|name| table.find(name).is_some()).count();
            if n_known > 0 {
                let table = table.without(names)?;
                let path = self.path(about.version);
                unlink(names, &path)?;
                table.save(&path)?;
                describe(&path, &Version { nodes: table.names().len(), ..about })?;
                taken += n_known;
            }
        }
        Ok(taken)
    }

    fn put(&self, table: &EmbeddingTable, about: &Version) -> Result<(), TableError> {
        self.clean()?;
        let next = self.folder.join(format!(".{:06}", about.version));
        let path = self.path(about.version);
        table.save(&next)?;
        link(table, &next, MANY)?;
        describe(&next, about)?;
        fs::rename(&next, &path).map_err(|source| TableError::Io { path, source })?;
        sync(&self.folder)
    }

    /// Removes what was ended before it was whole.
    fn clean(&self) -> Result<(), TableError> {
        for name in self.names()? {
            if name.starts_with('.') {
                let path = self.folder.join(name);
                fs::remove_dir_all(&path).map_err(|source| TableError::Io { path, source })?;
            }
        }
        Ok(())
    }

    fn numbers(&self) -> Result<Vec<u32>, TableError> {
        let names = self.names()?;
        let mut numbers: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn names(&self) -> Result<Vec<String>, TableError> {
        let failed = |source| TableError::Io { path: self.folder.clone(), source };
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(failed(source)),
        };
        let name = |entry: io::Result<fs::DirEntry>| {
            entry.map(|entry| entry.file_name().to_string_lossy().into_owned())
        };
        entries.map(name).collect::<io::Result<_>>().map_err(failed)
    }

    fn path(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{number:06}"))
    }

    /// Why a file of a version cannot be read: perhaps there is no such version.
    fn missing(&self, number: u32, path: &Path, source: io::Error) -> TableError {
        if self.path(number).exists() {
            return TableError::Io { path: path.to_owned(), source };
        }
        let numbers = self.numbers().unwrap_or_default();
        let known = numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none".to_owned() } else { known };
        TableError::NoVersion { number, known }
    }
}

/// Writes down what a version was trained on, in its folder.
fn describe(folder: &Path, about: &Version) -> Result<(), TableError> {
    let path = folder.join(ABOUT);
    let written = serde_json::to_vec_pretty(about).map_err(io::Error::from);
    let written = written.and_then(|bytes| put(&path, &bytes));
    written.map_err(|source| TableError::Io { path, source })?;
    sync(folder)
}

fn sync(folder: &Path) -> Result<(), TableError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| TableError::Io { path: folder.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::super::Params;
    use super::*;

    fn table(names: &[&str]) -> EmbeddingTable {
        let params = Params { dim: 1, seed: 7, values: [("rate", 0.1)].into() };
        let values = (0..names.len()).map(|at| at as f32 + 0.5).collect();
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        EmbeddingTable::new("some", &params, names, values).unwrap()
    }

    fn about(table: &EmbeddingTable) -> Version {
        Version {
            version: 0,
            model: table.model().to_owned(),
            dim: table.dim(),
            seed: table.seed(),
            params: table.params().clone(),
            nodes: table.names().len(),
            edges: 9,
            snapshot: 12,
            as_of: Timestamp::parse("2013-04-03T22:45:07Z").unwrap(),
            warm_start: None,
        }
    }

    #[test]
    fn versions_are_numbered_and_kept_apart() {
        let store = tempfile::tempdir().unwrap();
        let versions = Versions::of(store.path());
        assert_eq!(versions.list().unwrap(), []);
        let error = versions.load(1).unwrap_err().to_string();
        assert!(error.contains("known: none"), "{error}");
        let (one, two) = (table(&["user:a"]), table(&["user:a", "item:b"]));
        // What was ended before it was whole is no version.
        fs::create_dir_all(store.path().join("embeddings/.000001")).unwrap();
        versions.add(&one, &about(&one)).unwrap();
        let second = Version { warm_start: Some(1), ..about(&two) };
        assert_eq!(versions.add(&two, &second).unwrap().version, 2);
        let listed = versions.list().unwrap();
        let numbers: Vec<u32> = listed.iter().map(|about| about.version).collect();
        assert_eq!((numbers, listed[1].warm_start), (vec![1, 2], Some(1)));
        assert_eq!(versions.load(1).unwrap(), one);
        assert_eq!(versions.load(2).unwrap(), two);
        let error = versions.load(3).unwrap_err().to_string();
        assert!(error.contains("known: 1, 2"), "{error}");
    }

    #[test]
    fn forgotten_names_are_in_no_byte() {
        let store = tempfile::tempdir().unwrap();
        let versions = Versions::of(store.path());
        for names in [&["user:ann", "item:b"][..], &["item:b"], &["item:c", "user:ann"]] {
            let table = table(names);
            versions.add(&table, &about(&table)).unwrap();
        }
        assert_eq!(versions.count(&["user:ann".to_owned()]).unwrap(), 2);
        assert_eq!(versions.forget(&["user:ann".to_owned()]).unwrap(), 2);
        assert_eq!(versions.forget(&["user:ann".to_owned()]).unwrap(), 0);
        for (number, name, value) in [(1, "item:b", 1.5), (3, "item:c", 0.5)] {
            let table = versions.load(number).unwrap();
            assert_eq!((table.names(), table.row(0)), (&[name.to_owned()][..], &[value][..]));
            assert_eq!(versions.about(number).unwrap().nodes, 1);
            let folder = versions.path(number);
            for entry in fs::read_dir(folder).unwrap() {
                let bytes = fs::read(entry.unwrap().path()).unwrap();
                assert!(!bytes.windows(3).any(|window| window == b"ann"));
            }
        }
    }
}
