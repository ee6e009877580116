//! Documents into a store.

use std::collections::BTreeMap;

use super::super::{IngestError, mutations};
use crate::event::{Document, NodeKey};
use crate::store::{EdgeKey, GraphStore, Mutation, NodeId, Outcome};

/// What documents change, and after which change each ends.
pub(in super::super) struct Changes {
    /// What the store is asked to change.
    pub mutations: Vec<Mutation>,
    ends: Vec<usize>,
}

impl Changes {
    /// How many documents changed the store.
    pub fn n_changed(&self, outcomes: &[Outcome]) -> u64 {
        let (mut changed, mut start) = (0, 0);
        for &end in &self.ends {
            changed += u64::from(outcomes[start..end].contains(&Outcome::Applied));
            start = end;
        }
        changed
    }
}

/// What `documents` change. Of a document that is there twice the last stays.
///
/// # Errors
/// Those of reads, and of names that a document's attributes make.
pub(in super::super) fn changes(
    store: &GraphStore,
    documents: Vec<(NodeKey, Document)>,
) -> Result<Changes, IngestError> {
    let mut changes = Changes { mutations: Vec::new(), ends: Vec::new() };
    let last: BTreeMap<_, _> = documents.into_iter().collect();
    for (key, document) in last {
        let known = store.facts_of_document(NodeId::of(&key))?;
        changes.mutations.extend(mutations::of_document(store.schema(), &key, document, &known)?);
        changes.ends.push(changes.mutations.len());
    }
    Ok(changes)
}

/// Writes documents as one batch; returns how many changed the store, and the edges that did. Of a
/// document that is there twice the last stays.
///
/// # Errors
/// Those of the store; then nothing was written.
pub fn write_documents(
    store: &GraphStore,
    documents: Vec<(NodeKey, Document)>,
) -> Result<(u64, Vec<EdgeKey>), IngestError> {
    let changes = changes(store, documents)?;
    let applied = store.apply(&changes.mutations)?;
    Ok((changes.n_changed(&applied.outcomes), applied.edges))
}
