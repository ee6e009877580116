//! Which entity is read as which other, and the edges that unite by it.
//!
//! A merge is a record and nothing else: evidence stays where it was written. Whoever builds a
//! graph or answers from the store reads an edge of a merged entity as one of the entity that it is
//! merged into, folded anew from the evidence of both, so that the answer is bit for bit that of a
//! store whose evidence named one entity from the start. Lifting the record leaves no trace.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::record::{Edge, EdgeKey, Evidence, NodeId, Stamp, decode};
use super::view::{Items, View};
use super::{Space, StoreError, keyspace};
use crate::event::NodeKey;
use crate::schema::Timestamp;

/// That one entity is read as another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merge {
    /// Whose edges are read as the other's.
    pub entity: NodeKey,
    /// As whose they are read; itself merged into none.
    pub into: NodeKey,
    /// When it was decided.
    pub at: Timestamp,
    /// Who decided it.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
}

impl Merge {
    /// That `entity` is read as `into`, decided at `at` by `by` for a `reason`, which may be empty.
    pub fn new(entity: NodeKey, into: NodeKey, at: Timestamp, by: &str, reason: &str) -> Self {
        Self { entity, into, at, by: by.to_owned(), reason: reason.to_owned() }
    }
}

/// Every merge of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merges {
    records: Vec<Merge>,
    into: BTreeMap<NodeId, NodeId>,
    /// Everyone that a merge names, with all that are read as the same.
    members: BTreeMap<NodeId, BTreeSet<NodeId>>,
}

impl Merges {
    fn new(records: Vec<Merge>) -> Self {
        let ids = |merge: &Merge| (NodeId::of(&merge.entity), NodeId::of(&merge.into));
        let into: BTreeMap<_, _> = records.iter().map(ids).collect();
        let mut members: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (&entity, &survivor) in &into {
            members.entry(survivor).or_default().extend([entity, survivor]);
        }
        Self { records, into, members }
    }

    /// Is nothing merged?
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The records, ascending by the merged entity's id.
    pub fn records(&self) -> &[Merge] {
        &self.records
    }

    /// As whom a node is read: itself unless it is merged.
    pub fn read(&self, id: NodeId) -> NodeId {
        self.into.get(&id).copied().unwrap_or(id)
    }

    /// As which an edge is read.
    pub fn read_edge(&self, edge: &EdgeKey) -> EdgeKey {
        EdgeKey { source: self.read(edge.source), target: self.read(edge.target), ..*edge }
    }

    /// Is the node merged into another?
    pub fn is_merged(&self, id: NodeId) -> bool {
        self.into.contains_key(&id)
    }

    /// All who are read as what `id` is read as, ascending: `id` alone where no merge names it.
    pub fn members(&self, id: NodeId) -> Vec<NodeId> {
        let survivor = self.read(id);
        self.members.get(&survivor).map_or_else(|| vec![id], |all| all.iter().copied().collect())
    }

    /// Does an edge start at or lead to a node that a merge names?
    pub fn touches(&self, edge: &EdgeKey) -> bool {
        !self.is_empty()
            && [edge.source, edge.target]
                .iter()
                .any(|id| self.into.contains_key(id) || self.members.contains_key(id))
    }
}

impl View<'_> {
    /// As whom an entity is read, and since when; `None` where it is read as itself.
    ///
    /// # Errors
    /// Those of a read.
    pub fn merge(&self, id: NodeId) -> Result<Option<Merge>, StoreError> {
        self.record(Space::Merges, &keyspace::node(id))
    }

    /// Every merge.
    ///
    /// # Errors
    /// Those of a read.
    pub fn merges(&self) -> Result<Merges, StoreError> {
        let mut records = Vec::new();
        for item in self.reader.scan(Space::Merges, &[])? {
            let (key, value) = item?;
            records.push(decode(Space::Merges, &key, &value)?);
        }
        Ok(Merges::new(records))
    }

    /// The edge that all edges read as `edge` unite to: the fold of their evidence up to `until`.
    ///
    /// # Errors
    /// Those of reads.
    pub fn united_edge(
        &self,
        merges: &Merges,
        edge: &EdgeKey,
        until: Timestamp,
    ) -> Result<Option<Edge>, StoreError> {
        let mut all: BTreeMap<Stamp, Evidence> = BTreeMap::new();
        for source in merges.members(edge.source) {
            for target in merges.members(edge.target) {
                for item in self.evidence_of(&EdgeKey { source, target, ..*edge })? {
                    let (_, stamp, evidence) = item?;
                    if stamp.at <= until {
                        all.insert(stamp, evidence);
                    }
                }
            }
        }
        let half_life = self.half_life(edge);
        let fold = |edge, (stamp, evidence): (&Stamp, &Evidence)| {
            Some(Edge::fold(edge, stamp.at, evidence, half_life))
        };
        Ok(all.iter().fold(None, fold))
    }

    /// Every edge as it is read, ascending by source, relation and target; with `until`, as the
    /// evidence up to then makes it.
    ///
    /// # Errors
    /// Those of reads; a later one is an item.
    pub fn edges_as_read(
        &self,
        merges: &Merges,
        until: Option<Timestamp>,
    ) -> Result<Items<'_, (EdgeKey, Edge)>, StoreError> {
        let edges = match until {
            None => self.edges()?,
            Some(until) => self.edges_until(until)?,
        };
        if merges.is_empty() {
            return Ok(edges);
        }
        let mut united =
            self.united_edges(merges, until.unwrap_or(Timestamp::MAX))?.into_iter().peekable();
        let merges = merges.clone();
        let mut others = edges
            .filter(move |item| !matches!(item, Ok((key, _)) if merges.touches(key)))
            .peekable();
        Ok(Box::new(std::iter::from_fn(move || match (others.peek(), united.peek()) {
            (Some(Ok((other, _))), Some((united_key, _))) if united_key < other => {
                united.next().map(Ok)
            }
            (None, _) => united.next().map(Ok),
            _ => others.next(),
        })))
    }

    /// Every edge as its evidence up to `until` makes it, ascending.
    fn edges_until(&self, until: Timestamp) -> Result<Items<'_, (EdgeKey, Edge)>, StoreError> {
        let mut evidence = self.evidence()?.peekable();
        Ok(Box::new(std::iter::from_fn(move || {
            let mut open: Option<(EdgeKey, Edge)> = None;
            loop {
                let next = match evidence.peek() {
                    Some(Ok((key, ..))) => Some(*key),
                    Some(Err(_)) => None,
                    None => return open.map(Ok),
                };
                let another = |(of, _): &(EdgeKey, Edge)| next.is_some_and(|key| key != *of);
                if open.as_ref().is_some_and(another) {
                    return open.map(Ok);
                }
                match evidence.next()? {
                    Ok((_, stamp, _)) if stamp.at > until => {}
                    Ok((key, stamp, piece)) => {
                        let before = open.take().map(|(_, edge)| edge);
                        let half_life = self.half_life(&key);
                        open = Some((key, Edge::fold(before, stamp.at, &piece, half_life)));
                    }
                    Err(error) => return Some(Err(error)),
                }
            }
        })))
    }

    pub(super) fn half_life(&self, edge: &EdgeKey) -> Option<f64> {
        self.schema.relation(edge.relation).and_then(|relation| relation.half_life_days)
    }

    /// Every edge that merges touch, as it is read: united, with the evidence up to `until`.
    ///
    /// # Errors
    /// Those of reads.
    pub fn united_edges(
        &self,
        merges: &Merges,
        until: Timestamp,
    ) -> Result<BTreeMap<EdgeKey, Edge>, StoreError> {
        let mut keys = BTreeSet::new();
        for id in merges.members.values().flatten() {
            for item in self.edges_in(*id)?.chain(self.edges_out(*id)?) {
                keys.insert(merges.read_edge(&item?.0));
            }
        }
        let mut united = BTreeMap::new();
        for key in keys {
            united.extend(self.united_edge(merges, &key, until)?.map(|edge| (key, edge)));
        }
        Ok(united)
    }
}
