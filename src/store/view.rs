//! The graph as of one moment: everything that can be read.

use std::sync::Arc;

use super::graph_store::SEQUENCE;
use super::packed::{Numbers, Side};
use super::record::{
    Edge, EdgeKey, Evidence, EvidenceId, ExtractionState, Fact, Node, NodeId, Stamp, decode,
};
use super::{Reader, Space, StoreError, corrupt, keyspace};
use crate::event::NodeKey;
use crate::schema::{RelationId, Schema};

/// What a scan finds, in order; a read that fails is an item.
pub type Items<'a, T> = Box<dyn Iterator<Item = Result<T, StoreError>> + 'a>;

/// The graph as of one moment.
pub struct View<'a> {
    pub(super) reader: Box<dyn Reader + 'a>,
    pub(super) schema: &'a Schema,
    pub(super) numbers: Option<Arc<Numbers>>,
}

impl View<'_> {
    /// The schema that the store was made with.
    pub fn schema(&self) -> &Schema {
        self.schema
    }

    /// How many batches were applied: grows with every write, and names the moment.
    ///
    /// # Errors
    /// Those of a read.
    pub fn sequence(&self) -> Result<u64, StoreError> {
        let value = self.reader.get(Space::Meta, SEQUENCE)?;
        value.map_or(Ok(0), |value| decode(Space::Meta, SEQUENCE, &value))
    }

    /// The node with this id, if there is one.
    ///
    /// # Errors
    /// Those of a read.
    pub fn node(&self, id: NodeId) -> Result<Option<Node>, StoreError> {
        self.record(Space::Nodes, &keyspace::node(id))
    }

    /// Every node, ascending by id: users, then items, contents, entities, concepts.
    ///
    /// # Errors
    /// Those of a read; a later one is an item.
    pub fn nodes(&self) -> Result<Items<'_, (NodeId, Node)>, StoreError> {
        Ok(Box::new(self.reader.scan(Space::Nodes, &[])?.map(|pair| {
            let (key, value) = pair?;
            let id = keyspace::decode_node(&key).ok_or_else(|| corrupt(Space::Nodes, &key))?;
            Ok((id, decode(Space::Nodes, &key, &value)?))
        })))
    }

    /// The edge with this key, if there is one.
    ///
    /// # Errors
    /// Those of a read.
    pub fn edge(&self, edge: &EdgeKey) -> Result<Option<Edge>, StoreError> {
        self.edge_on(Side::Out, edge)
    }

    /// Every edge, ascending by source, relation and target.
    ///
    /// # Errors
    /// Those of a read; a later one is an item.
    pub fn edges(&self) -> Result<Items<'_, (EdgeKey, Edge)>, StoreError> {
        self.edges_under(Side::Out, &[])
    }

    /// The edges that start at a node, ascending by relation and target.
    ///
    /// # Errors
    /// Those of a read; a later one is an item.
    pub fn edges_out(&self, id: NodeId) -> Result<Items<'_, (EdgeKey, Edge)>, StoreError> {
        self.edges_under(Side::Out, &keyspace::node(id))
    }

    /// The edges that lead to a node, ascending by relation and source.
    ///
    /// # Errors
    /// Those of a read; a later one is an item.
    pub fn edges_in(&self, id: NodeId) -> Result<Items<'_, (EdgeKey, Edge)>, StoreError> {
        self.edges_under(Side::In, &keyspace::node(id))
    }

    /// The evidence of every edge whose key starts with `prefix`, ascending by edge and time.
    ///
    /// # Errors
    /// Those of a read; a later one is an item.
    fn evidence_under(
        &self,
        prefix: &[u8],
    ) -> Result<Items<'_, (EdgeKey, Stamp, Evidence)>, StoreError> {
        let records = self.reader.scan(Space::Evidence, prefix)?.map(|pair| {
            let (key, value) = pair?;
            let (edge, stamp) =
                keyspace::decode_evidence(&key).ok_or_else(|| corrupt(Space::Evidence, &key))?;
            Ok((edge, stamp, decode(Space::Evidence, &key, &value)?))
        });
        self.evidence_merged(Box::new(records), prefix)
    }

    /// All evidence there is, ascending by edge and time.
    ///
    /// # Errors
    /// Those of a read; a later one is an item.
    pub fn evidence(&self) -> Result<Items<'_, (EdgeKey, Stamp, Evidence)>, StoreError> {
        self.evidence_under(&[])
    }

    /// The evidence of one edge, ascending by time.
    ///
    /// # Errors
    /// Those of a read; a later one is an item.
    pub fn evidence_of(
        &self,
        edge: &EdgeKey,
    ) -> Result<Items<'_, (EdgeKey, Stamp, Evidence)>, StoreError> {
        self.evidence_under(&keyspace::out(edge))
    }

    /// The evidence of every edge that starts at a node: a user's history, a document's facts.
    ///
    /// # Errors
    /// Those of a read; a later one is an item.
    pub fn evidence_from(
        &self,
        id: NodeId,
    ) -> Result<Items<'_, (EdgeKey, Stamp, Evidence)>, StoreError> {
        self.evidence_under(&keyspace::node(id))
    }

    /// The evidence of every edge of one relation that starts at a node.
    ///
    /// # Errors
    /// Those of a read; a later one is an item.
    pub fn evidence_from_by(
        &self,
        id: NodeId,
        relation: RelationId,
    ) -> Result<Items<'_, (EdgeKey, Stamp, Evidence)>, StoreError> {
        self.evidence_under(&keyspace::of_relation(id, relation))
    }

    /// Where the evidence of an event stands, if the event was applied.
    ///
    /// # Errors
    /// Those of a read.
    pub fn event(&self, id: EvidenceId) -> Result<Option<(EdgeKey, Stamp)>, StoreError> {
        let value = self.reader.get(Space::Events, &id.0)?;
        let pointer = value.map(|value| super::loads::decode_event(&id.0, &value)).transpose()?;
        Ok(pointer.map(|(edge, at, _)| (edge, Stamp { at, id })))
    }

    /// The evidence at one place.
    ///
    /// # Errors
    /// Those of a read.
    pub fn evidence_at(
        &self,
        edge: &EdgeKey,
        stamp: &Stamp,
    ) -> Result<Option<Evidence>, StoreError> {
        let record = self.record(Space::Evidence, &keyspace::evidence(edge, stamp))?;
        if record.is_some() || self.numbers.is_none() {
            return Ok(record);
        }
        for piece in self.packed(Side::Out, &keyspace::out(edge))? {
            let (_, at, evidence) = piece?;
            if at == *stamp {
                return Ok(Some(evidence));
            }
        }
        Ok(None)
    }

    /// What a document's mentions were made from, if it has been through extraction.
    ///
    /// # Errors
    /// Those of a read.
    pub fn extraction(&self, id: NodeId) -> Result<Option<ExtractionState>, StoreError> {
        self.record(Space::Extractions, &keyspace::node(id))
    }

    /// What the opinions of an event's text were made from; `None` for an event without a text.
    ///
    /// # Errors
    /// Those of a read.
    pub fn review(&self, id: EvidenceId) -> Result<Option<ExtractionState>, StoreError> {
        self.record(Space::Extractions, &id.0)
    }

    /// Every event with a text, and what its opinions were made from, ascending by id.
    ///
    /// # Errors
    /// Those of a read; a later one is an item.
    pub fn reviews(&self) -> Result<Items<'_, (EvidenceId, ExtractionState)>, StoreError> {
        Ok(Box::new(self.reader.scan(Space::Extractions, &[])?.filter_map(|pair| {
            let (key, value) = match pair {
                Ok(pair) => pair,
                Err(error) => return Some(Err(error)),
            };
            // Documents stand under keys of 8 bytes, events under keys of 16.
            let id = EvidenceId(key.as_ref().try_into().ok()?);
            Some(decode(Space::Extractions, &key, &value).map(|state| (id, state)))
        })))
    }

    /// The fact behind a piece of evidence.
    ///
    /// # Errors
    /// Those of a read; [`StoreError::Corrupt`] when an end of the edge is not there.
    pub fn fact(
        &self,
        edge: EdgeKey,
        stamp: Stamp,
        evidence: Evidence,
    ) -> Result<Fact, StoreError> {
        let key = |id: NodeId| match self.node(id)? {
            Some(node) => Ok::<NodeKey, StoreError>(node.key),
            None => Err(corrupt(Space::Nodes, &keyspace::node(id))),
        };
        let (source, target) = (key(edge.source)?, key(edge.target)?);
        Ok(Fact { source, relation: edge.relation, target, at: stamp.at, evidence })
    }

    pub(super) fn record<T: serde::de::DeserializeOwned>(
        &self,
        space: Space,
        key: &[u8],
    ) -> Result<Option<T>, StoreError> {
        let value = self.reader.get(space, key)?;
        value.map(|value| decode(space, key, &value)).transpose()
    }
}
