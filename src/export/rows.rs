//! What every format writes: nodes with their place among those of their kind, edges as of a time.

use std::collections::BTreeMap;

use super::ExportError;
use crate::event::{Document, NodeKey, Value};
use crate::graph::NodeIndex;
use crate::schema::{NodeKind, RelationId, Timestamp, decay};
use crate::snapshot::Snapshot;
use crate::store::{Edge, EdgeKey, Evidence, Items, Merges, NodeId, Stamp, View};

/// A store's graph as of a time.
pub(super) struct Graph<'a> {
    view: &'a View<'a>,
    snapshot: &'a Snapshot,
    /// Where each kind starts among the indices.
    starts: [usize; NodeKind::ALL.len() + 1],
    merges: Merges,
    whole: bool,
}

/// A node of an export.
pub(super) struct NodeRow<'a> {
    pub key: NodeKey,
    /// Its place among the nodes of its kind.
    pub index: i64,
    pub label: &'a str,
    pub document: Option<Document>,
}

/// An edge of an export.
pub(super) struct EdgeRow<'a> {
    pub source: &'a NodeKey,
    pub target: &'a NodeKey,
    pub source_index: i64,
    pub target_index: i64,
    pub relation: RelationId,
    pub edge: Edge,
    /// Whether events made it, and not a catalogue or a text.
    pub timed: bool,
    /// What it is worth as of the export, times its relation's weight.
    pub worth: f64,
}

/// A piece of evidence of an export.
pub(super) struct EvidenceRow<'a> {
    pub source: &'a NodeKey,
    pub target: &'a NodeKey,
    pub relation: RelationId,
    pub stamp: Stamp,
    pub evidence: Evidence,
}

impl<'a> Graph<'a> {
    /// The graph of `view`; `snapshot` is of the same view.
    pub fn new(view: &'a View<'a>, snapshot: &'a Snapshot) -> Result<Self, ExportError> {
        let mut starts = [0; NodeKind::ALL.len() + 1];
        for (place, kind) in NodeKind::ALL.into_iter().enumerate() {
            starts[place + 1] = starts[place] + snapshot.names().of_kind(kind).count();
        }
        // Edges are folded anew only where something happened after the time of the export.
        let mut whole = true;
        for item in view.edges()? {
            whole &= item?.1.last <= snapshot.as_of;
        }
        Ok(Self { view, snapshot, starts, merges: view.merges()?, whole })
    }

    pub fn snapshot(&self) -> &'a Snapshot {
        self.snapshot
    }

    /// How many nodes of each kind; kinds without nodes are left out.
    pub fn node_counts(&self) -> BTreeMap<String, u64> {
        let counts = NodeKind::ALL.into_iter().map(|kind| {
            let place = kind as usize;
            (kind.to_string(), (self.starts[place + 1] - self.starts[place]) as u64)
        });
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// How many edges of each relation.
    pub fn edge_counts(&self) -> Result<BTreeMap<String, u64>, ExportError> {
        let mut counts = BTreeMap::new();
        self.edges(|row| {
            let name = self.snapshot.schema().relation_name(row.relation).to_owned();
            *counts.entry(name).or_default() += 1;
            Ok(())
        })?;
        Ok(counts)
    }

    /// Every node, by kind, then by id on disk.
    pub fn nodes(
        &self,
        mut take: impl FnMut(NodeRow<'_>) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        let stands = |item: &Result<(NodeId, _), _>| !matches!(item, Ok((id, _)) if self.merges.is_merged(*id));
        for (place, item) in self.view.nodes()?.filter(stands).enumerate() {
            let (_, node) = item?;
            let index = (place - self.starts[node.key.kind as usize]) as i64;
            let label = self.snapshot.names().label(NodeIndex::new(place));
            take(NodeRow { key: node.key, index, label, document: node.document })?;
        }
        Ok(())
    }

    /// Every edge, by source, relation and target.
    pub fn edges(
        &self,
        mut take: impl FnMut(EdgeRow<'_>) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        for item in self.folded()? {
            let (key, edge) = item?;
            let (Some(source), Some(target)) = (self.end(key.source), self.end(key.target)) else {
                continue;
            };
            let relation = self.snapshot.schema().relation(key.relation);
            let timed = relation.is_some_and(|relation| relation.action.is_some());
            let weight = relation.filter(|_| !timed).map_or(1.0, |relation| relation.weight);
            let half_life = relation.and_then(|relation| relation.half_life_days);
            let age = self.snapshot.as_of.since(edge.last);
            let worth = edge.sum * weight * decay(age, half_life.filter(|_| timed));
            take(EdgeRow {
                source: source.0,
                target: target.0,
                source_index: source.1,
                target_index: target.1,
                relation: key.relation,
                edge,
                timed,
                worth,
            })?;
        }
        Ok(())
    }

    /// Every piece of evidence, by edge, then by time.
    pub fn evidence(
        &self,
        mut take: impl FnMut(EvidenceRow<'_>) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        for item in self.view.evidence()? {
            let (key, stamp, evidence) = item?;
            let (Some(source), Some(target)) = (self.end(key.source), self.end(key.target)) else {
                continue;
            };
            if stamp.at <= self.snapshot.as_of {
                let (source, target, relation) = (source.0, target.0, key.relation);
                take(EvidenceRow { source, target, relation, stamp, evidence })?;
            }
        }
        Ok(())
    }

    /// The key of a node and its place among those of its kind.
    fn end(&self, id: NodeId) -> Option<(&'a NodeKey, i64)> {
        let node = self.snapshot.names().find(id)?;
        let key = &self.snapshot.names().get(node)?.key;
        Some((key, (node.index() - self.starts[key.kind as usize]) as i64))
    }

    fn folded(&self) -> Result<Items<'_, (EdgeKey, Edge)>, ExportError> {
        let until = Some(self.snapshot.as_of).filter(|_| !self.whole);
        Ok(self.view.edges_as_read(&self.merges, until)?)
    }
}

/// A time that is one; attributes and mentions have none.
pub(super) fn time(at: Timestamp, timed: bool) -> Option<i64> {
    timed.then(|| at.millis())
}

/// The attributes and texts of a document as one JSON object, without nulls.
pub(super) fn attributes(document: &Document) -> serde_json::Value {
    let value = |value: &Value| match value {
        Value::Text(text) => serde_json::json!(text),
        Value::Number(number) => serde_json::json!(number),
        Value::Flag(flag) => serde_json::json!(flag),
    };
    let many = |values: &Vec<Value>| match values.as_slice() {
        [one] => value(one),
        many => many.iter().map(value).collect(),
    };
    document.attributes.iter().map(|(name, values)| (name.clone(), many(values))).collect()
}
