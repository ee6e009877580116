//! The rows of one kind of node, each 1 long, and those nearest to a vector, by a search that their number
//! chooses: few are all gone over, of many a version keeps the links by which most of the nearest are
//! found.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::linked::LinkedRows;
use super::nearest::{Near, NearestRows};
use super::sealed::{Magic, put, seal, unseal};
use super::table::{EmbeddingTable, TableError};
use crate::schema::NodeKind;

const MAGIC: Magic = *b"predilect links\x01";
/// Rows of a kind that are linked: to go over so many takes milliseconds a question.
pub(super) const MANY: usize = 1 << 18;

/// The rows of one kind of node.
pub struct KindRows {
    /// Their places in the table.
    places: Vec<usize>,
    search: Search,
}

enum Search {
    All(NearestRows),
    Linked(LinkedRows),
}

/// What a file of links says of the rows.
#[derive(Serialize, Deserialize)]
struct Header {
    rows: u64,
    dim: u64,
}

impl KindRows {
    /// Those of a table, without links.
    pub fn new(table: &EmbeddingTable, kind: NodeKind) -> Self {
        let (places, values) = units(table, kind);
        Self { places, search: Search::All(NearestRows::new(&values, table.dim())) }
    }

    /// Those of a table, with the links that are in `folder`, if any are.
    ///
    /// # Errors
    /// [`TableError::Io`], [`TableError::Format`] and [`TableError::Damaged`].
    pub(super) fn load(
        table: &EmbeddingTable,
        kind: NodeKind,
        folder: &Path,
    ) -> Result<Self, TableError> {
        let path = links_path(folder, kind);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self::new(table, kind));
            }
            Err(source) => return Err(TableError::Io { path, source }),
        };
        let (header, body): (Header, _) =
            unseal(MAGIC, &bytes).map_err(|broken| broken.at(path.clone()))?;
        let links: Vec<u32> =
            body.as_chunks().0.iter().map(|link| u32::from_le_bytes(*link)).collect();
        let (places, values) = units(table, kind);
        let is_of = (header.rows, header.dim) == (places.len() as u64, table.dim() as u64);
        let linked = is_of.then(|| LinkedRows::from_links(&values, table.dim(), &links)).flatten();
        let search = Search::Linked(linked.ok_or(TableError::Format { path })?);
        Ok(Self { places, search })
    }

    /// The `k` rows nearest to a vector that is 1 long, by cosine, nearest first; their places are those of
    /// the table.
    pub fn nearest(&self, unit: &[f32], k: usize) -> Vec<Near> {
        let mut found = match &self.search {
            Search::All(rows) => rows.nearest(unit, k).pop().unwrap_or_default(),
            Search::Linked(rows) => rows.nearest(unit, k, LinkedRows::effort(k)),
        };
        found.iter_mut().for_each(|near| near.place = self.places[near.place]);
        found
    }
}

/// Writes the links of every kind that has `least` rows to `folder`.
pub(super) fn link(table: &EmbeddingTable, folder: &Path, least: usize) -> Result<(), TableError> {
    NodeKind::ALL.into_par_iter().try_for_each(|kind| {
        let (places, values) = units(table, kind);
        if places.len() < least {
            return Ok(());
        }
        let path = links_path(folder, kind);
        let write = || -> io::Result<()> {
            let linked = LinkedRows::new(&values, table.dim()).map_err(io::Error::other)?;
            let header = Header { rows: places.len() as u64, dim: table.dim() as u64 };
            let body: Vec<u8> = linked.links().iter().flat_map(|link| link.to_le_bytes()).collect();
            put(&path, &seal(MAGIC, &header, &body)?)
        };
        write().map_err(|source| TableError::Io { path: path.clone(), source })
    })
}

/// Removes the links of the kinds of these rows from `folder`: they would be of other rows then.
pub(super) fn unlink(names: &[String], folder: &Path) -> Result<(), TableError> {
    for kind in NodeKind::ALL {
        if names.iter().any(|name| is_of(name, kind)) {
            let path = links_path(folder, kind);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(TableError::Io { path, source });
                }
                _ => (),
            }
        }
    }
    Ok(())
}

fn links_path(folder: &Path, kind: NodeKind) -> PathBuf {
    folder.join(format!("{kind}.links"))
}

/// The rows of a kind that are not all 0: their places, and their values made 1 long.
fn units(table: &EmbeddingTable, kind: NodeKind) -> (Vec<usize>, Vec<f32>) {
    let (mut places, mut values) = (Vec::new(), Vec::new());
    for (place, name) in table.names().iter().enumerate() {
        if let Some(unit) = is_of(name, kind).then(|| unit(table.row(place))).flatten() {
            places.push(place);
            values.extend(unit);
        }
    }
    (places, values)
}

fn is_of(name: &str, kind: NodeKind) -> bool {
    name.split_once(':').is_some_and(|(found, _)| found == kind.name())
}

/// The row, 1 long; none for zeros.
pub fn unit(row: &[f32]) -> Option<Vec<f32>> {
    let length = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    (length > 0.0).then(|| row.iter().map(|value| (f64::from(*value) / length) as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::super::Params;
    use super::*;

    /// 300 items and 20 users, in turns at first.
    fn table() -> EmbeddingTable {
        let kind = |at: usize| if at < 40 && at % 2 == 1 { "user" } else { "item" };
        let names = (0..320).map(|at| format!("{}:{at}", kind(at))).collect();
        let values = (0..320 * 3).map(|at| (at as f32 * 0.7).sin()).collect();
        let params = Params { dim: 3, seed: 7, values: [].into() };
        EmbeddingTable::new("some", &params, names, values).unwrap()
    }

    #[test]
    fn links_find_what_going_over_all_finds() {
        let (folder, table) = (tempfile::tempdir().unwrap(), table());
        link(&table, folder.path(), 100).unwrap();
        assert!(links_path(folder.path(), NodeKind::Item).exists());
        assert!(!links_path(folder.path(), NodeKind::User).exists());
        for kind in [NodeKind::Item, NodeKind::User] {
            let all = KindRows::new(&table, kind);
            let kept = KindRows::load(&table, kind, folder.path()).unwrap();
            for place in [0, 1, 7, 300] {
                let unit = unit(table.row(place)).unwrap();
                let places = |rows: &KindRows| -> Vec<usize> {
                    rows.nearest(&unit, 9).iter().map(|near| near.place).collect()
                };
                // Few enough that the walk meets them all.
                assert_eq!(places(&kept), places(&all));
                let is_of = |place: &usize| is_of(&table.names()[*place], kind);
                assert!(places(&all).iter().all(is_of));
            }
        }
    }

    #[test]
    fn links_of_other_rows_are_refused_and_forgotten() {
        let (folder, table) = (tempfile::tempdir().unwrap(), table());
        link(&table, folder.path(), 10).unwrap();
        let names = ["item:0".to_owned()];
        let fewer = table.without(&names).unwrap();
        let load = |kind| KindRows::load(&fewer, kind, folder.path());
        assert!(matches!(load(NodeKind::Item), Err(TableError::Format { .. })));
        unlink(&names, folder.path()).unwrap();
        assert!(matches!(load(NodeKind::Item).unwrap().search, Search::All(_)));
        assert!(matches!(load(NodeKind::User).unwrap().search, Search::Linked(_)));
    }
}
