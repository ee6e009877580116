//! Rows of a graph embedding as answers ask for them: by node, and nearest by cosine.
//!
//! They are those of the last version that the store keeps, read at the first question; where it keeps none,
//! they are learnt from the snapshot's base then. A node without a row has one at once, from its neighbours.

use std::borrow::Cow;
use std::sync::OnceLock;

use petgraph::visit::{EdgeRef, IntoEdgesDirected};
use petgraph::{Incoming, Outgoing};
use thiserror::Error;

use super::Snapshot;
use crate::embed::{
    self, EmbedError, EmbeddingTable, KindRows, Near, TableError, Versions, row_of_new, unit,
};
use crate::event::NodeKey;
use crate::graph::NodeIndex;
use crate::schema::NodeKind;

/// The model, the numbers of a row and the seed where the store keeps no version.
const MODEL: &str = "prone";
const DIM: usize = 64;
const SEED: u64 = 1;

/// Why there are no rows.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// The kept ones cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// None can be learnt.
    #[error(transparent)]
    Embed(#[from] EmbedError),
}

/// The name of a node's row, such as `item:dune`.
pub fn row_name(key: &NodeKey) -> String {
    format!("{}:{}", key.kind, key.name)
}

/// The last version of a store, once it was asked for.
#[derive(Default)]
pub struct KeptRows {
    versions: Option<Versions>,
    found: OnceLock<Option<Embedded>>,
}

impl KeptRows {
    /// The last of these versions; nothing is read yet.
    pub fn of(versions: Option<Versions>) -> Self {
        Self { versions, found: OnceLock::new() }
    }

    pub(super) fn get(&self) -> Result<Option<&Embedded>, TableError> {
        if self.found.get().is_none() {
            let last = self.versions.as_ref().map(Versions::last).transpose()?.flatten();
            let found = match (&self.versions, last) {
                (Some(versions), Some(last)) => {
                    Some(Embedded::new(versions.load(last)?, Some((versions.clone(), last))))
                }
                _ => None,
            };
            // Two readers may both read it; one of the two is kept.
            let _ = self.found.set(found);
        }
        Ok(self.found.get().and_then(Option::as_ref))
    }
}

/// Rows by node.
pub struct Embedded {
    table: EmbeddingTable,
    /// The version that they are, and where it is; none for rows that were learnt for the snapshot.
    version: Option<(Versions, u32)>,
    kinds: [OnceLock<KindRows>; NodeKind::ALL.len()],
}

/// The row of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeRow<'a> {
    /// `[dim]`; not all 0.
    pub values: Cow<'a, [f32]>,
    /// Did the node come after the training? Then the row is made of its neighbours'.
    pub inductive: bool,
}

impl Embedded {
    fn new(table: EmbeddingTable, version: Option<(Versions, u32)>) -> Self {
        Self { table, version, kinds: std::array::from_fn(|_| OnceLock::new()) }
    }

    /// Learns rows from the base of `snapshot`; none where it has no edges.
    ///
    /// # Errors
    /// [`EmbeddedError::Embed`].
    pub(super) fn learnt(snapshot: &Snapshot) -> Result<Self, EmbeddedError> {
        let entry = embed::by_name(MODEL)?;
        let (graph, params) = (&**snapshot.graph.base(), entry.defaults(DIM, SEED));
        let table = match entry.train(graph, &params, &mut |_| ()) {
            Ok(values) => EmbeddingTable::new(MODEL, &params, snapshot.row_names(), values)?,
            Err(EmbedError::NoEdges) => {
                EmbeddingTable::new(MODEL, &params, Vec::new(), Vec::new())?
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Self::new(table, None))
    }

    /// The version that the rows are; none for rows that were learnt for the snapshot.
    pub fn version(&self) -> Option<u32> {
        self.version.as_ref().map(|(_, number)| *number)
    }

    /// All rows.
    pub fn table(&self) -> &EmbeddingTable {
        &self.table
    }

    /// The row of a node of `snapshot`; none for one that neither was there at the training nor has a
    /// neighbour that was.
    pub fn row(&self, snapshot: &Snapshot, node: NodeIndex) -> Option<NodeRow<'_>> {
        let place = |node| self.table.find(&row_name(&snapshot.names().get(node)?.key));
        let known = place(node).map(|place| self.table.row(place));
        if let Some(row) = known.filter(|row| row.iter().any(|value| *value != 0.0)) {
            return Some(NodeRow { values: row.into(), inductive: false });
        }
        let mut neighbors = Vec::new();
        for direction in [Outgoing, Incoming] {
            for edge in snapshot.graph().edges_directed(node, direction) {
                let other = if direction == Outgoing { edge.target() } else { edge.source() };
                let weight = snapshot.weigh(edge.id(), edge.weight()) as f32;
                neighbors.extend(place(other).map(|place| (place, weight)));
            }
        }
        let values = row_of_new(&self.table, &neighbors)?.into();
        Some(NodeRow { values, inductive: true })
    }

    /// The nodes of a kind whose rows are nearest to `row` by cosine, nearest first; not `but`, nor nodes
    /// that the snapshot does not have.
    ///
    /// # Errors
    /// [`EmbeddedError::Table`] where the rows' links cannot be read.
    pub fn near(
        &self,
        snapshot: &Snapshot,
        row: &[f32],
        (kind, but): (NodeKind, NodeIndex),
        k: usize,
    ) -> Result<Vec<(NodeIndex, f64)>, EmbeddedError> {
        let Some(unit) = unit(row) else { return Ok(Vec::new()) };
        let rows = self.of_kind(kind)?;
        let node = |near: Near| {
            let (_, name) = self.table.names()[near.place].split_once(':')?;
            let node = snapshot.find(&NodeKey::new(kind, name).ok()?)?;
            (node != but).then_some((node, f64::from(near.score)))
        };
        // What the snapshot no longer has takes places, too.
        let mut wanted = k + 1;
        loop {
            let found = rows.nearest(&unit, wanted);
            let is_all = found.len() < wanted;
            let mut near: Vec<_> = found.into_iter().filter_map(node).collect();
            if near.len() >= k || is_all {
                near.truncate(k);
                return Ok(near);
            }
            wanted *= 2;
        }
    }

    fn of_kind(&self, kind: NodeKind) -> Result<&KindRows, TableError> {
        let slot = &self.kinds[kind as usize];
        if let Some(rows) = slot.get() {
            return Ok(rows);
        }
        let rows = match &self.version {
            Some((versions, number)) => versions.of_kind(*number, &self.table, kind)?,
            None => KindRows::new(&self.table, kind),
        };
        // Two askers may both read them; those of one of the two are kept.
        Ok(slot.get_or_init(|| rows))
    }
}
