//! Names and labels of a snapshot's nodes: those of the base, shared, and those that came since.

use std::collections::HashMap;
use std::sync::Arc;

use crate::event::NodeKey;
use crate::graph::NodeIndex;
use crate::schema::NodeKind;
use crate::store::{Merge, Merges, Node, NodeId};

/// What a node is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Kind and name, unique.
    pub key: NodeKey,
    /// What people call it: a title, or an entity as texts spell it.
    pub label: String,
}

impl Name {
    /// The name of a node of the store; `surface` is how evidence spells it.
    pub fn of(node: Node, surface: Option<&str>) -> Self {
        let title = node.document.as_ref().and_then(|document| document.title()).or(surface);
        let label = title.unwrap_or(&node.key.name).to_owned();
        Self { key: node.key, label }
    }
}

/// Every name of a snapshot.
#[derive(Clone, Default)]
pub struct Names {
    /// Ascending; the place of an id is its node's index.
    ids: Arc<Vec<NodeId>>,
    names: Arc<Vec<Name>>,
    /// As whom merged entities are read.
    merged: Arc<HashMap<NodeId, NodeId>>,
    /// Nodes that came since the base.
    added: HashMap<NodeId, NodeIndex>,
    /// Names of nodes that came since, or were renamed.
    newer: HashMap<NodeIndex, Name>,
}

impl Names {
    pub(super) fn new(ids: Vec<NodeId>, names: Vec<Name>, merges: &Merges) -> Self {
        let (ids, names) = (Arc::new(ids), Arc::new(names));
        let ends = |merge: &Merge| (NodeId::of(&merge.entity), NodeId::of(&merge.into));
        let merged = Arc::new(merges.records().iter().map(ends).collect());
        Self { ids, names, merged, added: HashMap::new(), newer: HashMap::new() }
    }

    /// Ids of the base's nodes, ascending.
    pub(super) fn ids(&self) -> &[NodeId] {
        &self.ids
    }

    /// The index of a node; of a merged entity, that of the one it is read as.
    pub fn find(&self, id: NodeId) -> Option<NodeIndex> {
        let id = self.merged.get(&id).copied().unwrap_or(id);
        match self.ids.binary_search(&id) {
            Ok(index) => Some(NodeIndex::new(index)),
            Err(_) => self.added.get(&id).copied(),
        }
    }

    /// The name of a node of this snapshot.
    pub fn get(&self, node: NodeIndex) -> Option<&Name> {
        self.newer.get(&node).or_else(|| self.names.get(node.index()))
    }

    /// What people call a node.
    pub fn label(&self, node: NodeIndex) -> &str {
        self.get(node).map_or("", |name| &name.label)
    }

    /// The kind of a node of this snapshot.
    pub fn kind(&self, node: NodeIndex) -> NodeKind {
        match self.ids.get(node.index()) {
            // It follows from the id, which lies closer.
            Some(id) => id.kind().unwrap_or(NodeKind::Concept),
            None => self.get(node).map_or(NodeKind::Concept, |name| name.key.kind),
        }
    }

    /// The type of an entity.
    pub fn entity_type(&self, node: NodeIndex) -> &str {
        self.get(node).map_or("", |name| name.key.entity_type())
    }

    /// Nodes of the base of a kind, ascending.
    pub fn of_kind(&self, kind: NodeKind) -> impl Iterator<Item = NodeIndex> + '_ {
        let start = self.ids.partition_point(|id| id.kind() < Some(kind));
        let end = self.ids.partition_point(|id| id.kind() <= Some(kind));
        (start..end).map(NodeIndex::new)
    }

    /// Gives a node that is there another name; says whether it is there. A merged entity's name is
    /// that of the one it is read as.
    pub(super) fn rename(&mut self, id: NodeId, name: &Name) -> bool {
        if self.merged.contains_key(&id) {
            return true;
        }
        let Some(index) = self.find(id) else { return false };
        if self.get(index) != Some(name) {
            self.newer.insert(index, name.clone());
        }
        true
    }

    pub(super) fn add(&mut self, index: NodeIndex, id: NodeId, name: Name) {
        self.added.insert(id, index);
        self.newer.insert(index, name);
    }
}
