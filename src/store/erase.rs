//! Everything of one user, taken out: what they did, what others did to them, and what is said of them.
//!
//! It goes by batches, each of which leaves the store whole. Erasing that is ended goes on when it is called
//! again; what was deleted is in the files until they are rewritten ([`super::Backend::compact`]).

use std::collections::BTreeSet;

use serde::Serialize;

use super::apply::Mutation;
use super::graph_store::GraphStore;
use super::record::{EdgeKey, Evidence, EvidenceId, NodeId, Stamp};
use super::{Pruned, StoreError, View};
use crate::event::NodeKey;

/// Pieces of evidence to a batch.
const PIECES: usize = 10_000;

/// What erasing a user took out of the graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ErasedFacts {
    /// Events of the user, and events of others that were about the user.
    pub events: u64,
    /// Other pieces of evidence: edges from files, what a catalogue said. Opinions go with their reviews.
    pub others: u64,
    /// Did the catalogue have a document of the user?
    pub document: bool,
    /// Do packed rows of edges still hold the number that follows from the user's name? They go when the load
    /// that packed them is taken back.
    pub in_packed_rows: bool,
}

impl GraphStore {
    /// Takes everything of a node out of the graph, and what was made of its texts. What is left is as if it
    /// had never come, but for `ErasedFacts::in_packed_rows`. Or only counts it.
    ///
    /// # Errors
    /// Those of reads and writes; the batches before stay done.
    pub fn erase(&self, key: &NodeKey, pruned: Pruned) -> Result<ErasedFacts, StoreError> {
        let id = NodeId::of(key);
        let mut erased = ErasedFacts::default();
        if pruned == Pruned::Counted {
            let mut events: BTreeSet<EvidenceId> = BTreeSet::new();
            for (_, stamp, evidence) in self.view().some_pieces(id, usize::MAX)? {
                match evidence {
                    Evidence::Event { .. } => drop(events.insert(stamp.id)),
                    Evidence::Opinion { .. } => {}
                    _ => erased.others += 1,
                }
            }
            erased.events = events.len() as u64;
            erased.document = self.view().node(id)?.is_some_and(|node| node.document.is_some());
            erased.in_packed_rows = self.is_numbered(id);
            return Ok(erased);
        }
        loop {
            let pieces = self.view().some_pieces(id, PIECES)?;
            if pieces.is_empty() {
                break;
            }
            let (mut changes, mut texts) = (Vec::new(), Vec::new());
            let mut events: BTreeSet<EvidenceId> = BTreeSet::new();
            for (edge, stamp, evidence) in pieces {
                if let Evidence::Event { text, .. } = &evidence {
                    if events.insert(stamp.id) {
                        erased.events += 1;
                        texts.extend(text.clone());
                        let facts = self.facts_of_event(stamp.id)?;
                        changes.extend(facts.into_iter().map(Mutation::Remove));
                    }
                } else {
                    erased.others += u64::from(!matches!(evidence, Evidence::Opinion { .. }));
                    changes.push(Mutation::Remove(self.view().fact(edge, stamp, evidence)?));
                }
            }
            self.apply(&changes)?;
            self.forget(texts.iter().map(String::as_str))?;
        }
        if let Some(document) = self.view().node(id)?.and_then(|node| node.document) {
            erased.document = true;
            let nothing =
                [Mutation::Describe(key.clone(), None), Mutation::Extracted(key.clone(), None)];
            self.apply(&nothing)?;
            self.forget(document.text.values().map(String::as_str))?;
        }
        erased.in_packed_rows = self.is_numbered(id);
        self.sync()?;
        Ok(erased)
    }

    /// Do packed rows know the node?
    fn is_numbered(&self, id: NodeId) -> bool {
        self.view().numbers.as_deref().is_some_and(|numbers| numbers.find(id).is_some())
    }
}

impl View<'_> {
    /// Some of the evidence of edges at a node, either way.
    fn some_pieces(
        &self,
        id: NodeId,
        most: usize,
    ) -> Result<Vec<(EdgeKey, Stamp, Evidence)>, StoreError> {
        let mut pieces = Vec::new();
        for item in self.evidence_from(id)? {
            pieces.push(item?);
            if pieces.len() == most {
                return Ok(pieces);
            }
        }
        for edge in self.edges_in(id)? {
            for item in self.evidence_of(&edge?.0)? {
                pieces.push(item?);
            }
            if pieces.len() >= most {
                return Ok(pieces);
            }
        }
        Ok(pieces)
    }
}
