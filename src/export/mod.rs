//! The graph as files that an analyst can open.
//!
//! An export is a folder with a `manifest.json`. It is written under another name beside its
//! place and moved there when it is whole. The bytes follow from the graph and the parameters
//! alone. Adding a format is a file and a row of [`FORMATS`].

mod folder;
mod graphml;
mod parquet;
mod rows;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use crate::explain::rfc_3339;
use crate::schema::Timestamp;
use crate::snapshot::{Snapshot, SnapshotError};
use crate::store::{FORMAT_VERSION, StoreError, View};

use folder::Folder;
use rows::Graph;

/// Raised whenever columns or files change their meaning.
pub const EXPORT_VERSION: u32 = 1;

/// Why nothing was exported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A name that no format has.
    #[error("unknown format `{name}`; known: {known}")]
    Unknown {
        /// The name as it came.
        name: String,
        /// The known ones.
        known: String,
    },
    /// The folder holds other things.
    #[error("{path} holds things that are no export; give a new folder, or --force")]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A writer of a file format refused.
    #[error("{path}: {message}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What the writer said.
        message: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The graph could not be built.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// How to export.
#[derive(Clone, Debug, Default)]
pub struct ExportParams {
    /// Leave out what happened later. Default: nothing is left out.
    pub as_of: Option<Timestamp>,
    /// Also write why each edge exists, where the format has a place for it. Default: no.
    pub evidence: bool,
    /// Write into a folder that holds other things. Default: no.
    pub force: bool,
}

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Where it is in the export's folder, with `/` between names.
    pub path: String,
    /// Rows, or nodes and edges together.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// BLAKE3 of its bytes.
    pub blake3: String,
}

/// What an export is; also in its `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// Always `predilect export`.
    pub what: &'static str,
    /// The format's name.
    pub format: String,
    /// See [`EXPORT_VERSION`].
    pub export_version: u32,
    /// The format of the store.
    pub store_version: u32,
    /// BLAKE3 of what the store's relations are and how they weigh.
    pub schema: String,
    /// The store's sequence number.
    pub sequence: u64,
    /// The time that `worth` is told for.
    #[serde(serialize_with = "rfc_3339")]
    pub as_of: Timestamp,
    /// Nodes by kind.
    pub nodes: BTreeMap<String, u64>,
    /// Edges by relation.
    pub edges: BTreeMap<String, u64>,
    /// Every file but this one, ascending by path.
    pub files: Vec<Written>,
}

/// A format that can be named.
pub struct Format {
    /// The name.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Writes a graph's files.
    write: fn(&Graph<'_>, &mut Folder, &ExportParams) -> Result<(), ExportError>,
}

/// Every format, in the order the help lists them.
pub const FORMATS: &[Format] = &[
    Format {
        name: "parquet",
        about: "tables of nodes by kind and edges by relation, for pandas, DuckDB and Spark",
        write: parquet::write,
    },
    Format {
        name: "graphml",
        about: "one file of XML, for networkx, Gephi and igraph",
        write: graphml::write,
    },
];

/// Writes the graph of a store to the folder `dest` in the format called `name`.
///
/// A folder that holds an export gets the new one in its place; of the files there only those that
/// its manifest names are removed.
///
/// # Errors
/// [`ExportError`]; then `dest` is as it was, unless the file system refused in the last step.
pub fn write(
    view: &View<'_>,
    name: &str,
    dest: &Path,
    params: &ExportParams,
) -> Result<Manifest, ExportError> {
    let format = FORMATS.iter().find(|format| format.name == name).ok_or_else(|| {
        let known = FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join(", ");
        ExportError::Unknown { name: name.to_owned(), known }
    })?;
    let mut folder = Folder::new(dest, params.force)?;
    let snapshot = Snapshot::build(view, params.as_of, &[])?;
    let graph = Graph::new(view, &snapshot)?;
    (format.write)(&graph, &mut folder, params)?;
    let manifest = Manifest {
        what: folder::WHAT,
        format: name.to_owned(),
        export_version: EXPORT_VERSION,
        store_version: FORMAT_VERSION,
        schema: blake3::hash(format!("{:?}", view.schema()).as_bytes()).to_hex().to_string(),
        sequence: snapshot.sequence,
        as_of: snapshot.as_of,
        nodes: graph.node_counts(),
        edges: graph.edge_counts()?,
        files: folder.files(),
    };
    folder.install(&manifest)?;
    Ok(manifest)
}
