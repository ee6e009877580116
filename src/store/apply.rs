//! Mutations become one batch: evidence, the edges folded from it in both directions, the nodes
//! that they name, and the sequence number. All of it or none.
//!
//! An edge is always the fold of its evidence in the order of (time, id). Evidence that comes
//! after all that is there is folded on top; any other makes the edge fold its evidence anew, so
//! the order of arrival never shows. A node that only edges name goes with the last of them, so
//! taking something back leaves the bytes of a store that never had it.

use std::collections::{BTreeMap, BTreeSet};

use super::graph_store::{GraphStore, SEQUENCE};
use super::loads::{self, Account};
use super::merge::Merge;
use super::record::{
    Edge, EdgeKey, Evidence, EvidenceId, ExtractionState, Fact, Node, NodeId, Stamp, encode,
};
use super::view::View;
use super::{Batch, Space, StoreError, keyspace};
use crate::event::{Document, NodeKey};
use crate::schema::NodeKind;

/// A change to the graph as a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Mutation {
    /// Put evidence under an edge. Evidence that is there already changes nothing.
    Add(Fact),
    /// Take a piece of evidence away.
    Remove(Fact),
    /// Set what the catalogue says of a node, or that it says nothing more.
    Describe(NodeKey, Option<Document>),
    /// Set what a document's mentions were made from, or that it has none.
    Extracted(NodeKey, Option<ExtractionState>),
    /// Set what the opinions of an event's text were made from. An event that is not there, or has
    /// no text, is left alone.
    Read(EvidenceId, ExtractionState),
    /// Have an entity read as another.
    Merge(Merge),
    /// Have an entity read as itself again.
    Unmerge(NodeKey),
}

/// What one mutation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The store changed.
    Applied,
    /// The store was already so.
    Unchanged,
    /// An event of this id is there with other content; the one that is there stays.
    Conflict,
}

/// What a list of mutations did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// One outcome per mutation, in order.
    pub outcomes: Vec<Outcome>,
    /// The store's sequence number after it.
    pub sequence: u64,
    /// Every edge whose evidence changed; one without evidence is gone.
    pub edges: Vec<EdgeKey>,
}

impl GraphStore {
    /// Applies `mutations` in order as one batch: all of them, or none when an error comes back.
    ///
    /// The batch survives the end of the process, and a power cut after [`GraphStore::sync`].
    ///
    /// # Errors
    /// [`StoreError::Collision`] when two names share a node id, and those of reads and writes.
    pub fn apply(&self, mutations: &[Mutation]) -> Result<Applied, StoreError> {
        self.apply_for(Account::Nobody, mutations, |_, _| Ok(()))
    }

    /// As [`GraphStore::apply`], on the account of a load; `also` adds to the batch what goes with it
    /// once it hears the outcomes, or refuses all of it.
    pub(super) fn apply_for<E: From<StoreError>>(
        &self,
        account: Account,
        mutations: &[Mutation],
        also: impl FnOnce(&[Outcome], &mut Batch) -> Result<(), E>,
    ) -> Result<Applied, E> {
        let _one_writer = self.lock();
        let view = self.view();
        let mut change = Change::new(&view, account);
        let mut outcomes = Vec::with_capacity(mutations.len());
        for mutation in mutations {
            outcomes.push(change.take(mutation)?);
        }
        let mut sequence = view.sequence()?;
        let edges = change.edges.keys().copied().collect();
        let mut history = change.history(sequence + 1)?;
        let mut batch = change.into_batch()?;
        if !batch.is_empty() {
            sequence += 1;
            batch.put(Space::Meta, SEQUENCE, encode(&sequence));
        }
        also(&outcomes, &mut history)?;
        batch.append(history);
        drop(view);
        if !batch.is_empty() {
            self.write(&batch)?;
        }
        Ok(Applied { outcomes, sequence, edges })
    }
}

/// The evidence that a batch puts (`Some`) or takes (`None`), by place.
pub(super) type EvidenceChange = BTreeMap<Stamp, Option<Evidence>>;

/// A batch in the making.
pub(super) struct Change<'a> {
    pub(super) view: &'a View<'a>,
    pub(super) account: Account,
    pub(super) edges: BTreeMap<EdgeKey, EvidenceChange>,
    /// Events put or taken by this batch.
    events: BTreeMap<EvidenceId, Option<(EdgeKey, Stamp)>>,
    /// Every node that the batch touches, as it will be if edges still name it.
    pub(super) nodes: BTreeMap<NodeId, Node>,
    /// Nodes that were in the store before, as they were.
    pub(super) before: BTreeMap<NodeId, Option<Node>>,
    /// What reviews put or taken by this batch were read from.
    reviews: BTreeMap<EvidenceId, Option<ExtractionState>>,
    /// Entities whose merge this batch sets or lifts.
    merges: BTreeMap<NodeId, Option<Merge>>,
    batch: Batch,
}

impl<'a> Change<'a> {
    fn new(view: &'a View<'a>, account: Account) -> Self {
        Self {
            view,
            account,
            edges: BTreeMap::new(),
            events: BTreeMap::new(),
            nodes: BTreeMap::new(),
            before: BTreeMap::new(),
            reviews: BTreeMap::new(),
            merges: BTreeMap::new(),
            batch: Batch::default(),
        }
    }

    fn take(&mut self, mutation: &Mutation) -> Result<Outcome, StoreError> {
        match mutation {
            Mutation::Add(fact) => self.add(fact),
            Mutation::Remove(fact) => self.remove(fact),
            Mutation::Describe(key, document) => {
                let id = self.touch(key)?;
                Ok(match self.nodes.get_mut(&id) {
                    Some(node) if node.document != *document => {
                        node.document.clone_from(document);
                        Outcome::Applied
                    }
                    _ => Outcome::Unchanged,
                })
            }
            Mutation::Extracted(key, state) => {
                let id = NodeId::of(key);
                if self.view.extraction(id)? == *state {
                    return Ok(Outcome::Unchanged);
                }
                match state {
                    Some(state) => {
                        self.batch.put(Space::Extractions, &keyspace::node(id), encode(state));
                    }
                    None => self.batch.delete(Space::Extractions, &keyspace::node(id)),
                }
                Ok(Outcome::Applied)
            }
            Mutation::Read(id, state) => {
                let known = match self.reviews.get(id) {
                    Some(pending) => pending.clone(),
                    None => self.view.review(*id)?,
                };
                if known.is_none_or(|known| known == *state) {
                    return Ok(Outcome::Unchanged);
                }
                self.reviews.insert(*id, Some(state.clone()));
                Ok(Outcome::Applied)
            }
            Mutation::Merge(merge) => self.merge(&merge.entity, Some(merge)),
            Mutation::Unmerge(entity) => self.merge(entity, None),
        }
    }

    /// Sets or lifts the merge of `entity`. What keeps merges sound is checked by who asks.
    fn merge(&mut self, entity: &NodeKey, merge: Option<&Merge>) -> Result<Outcome, StoreError> {
        let id = self.touch(entity)?;
        let known = self.view.merge(id)?;
        if known.as_ref() == merge {
            return Ok(Outcome::Unchanged);
        }
        for merge in known.iter().chain(merge) {
            self.touch(&merge.into)?;
        }
        self.merges.insert(id, merge.cloned());
        Ok(Outcome::Applied)
    }

    fn add(&mut self, fact: &Fact) -> Result<Outcome, StoreError> {
        let (edge, stamp) = (fact.edge(), fact.stamp());
        if matches!(fact.evidence, Evidence::Event { .. }) {
            if let Some((edge, stamp)) = self.event(stamp.id)? {
                let same = (edge, stamp) == (fact.edge(), fact.stamp())
                    && self.evidence(&edge, &stamp)?.as_ref() == Some(&fact.evidence);
                return Ok(if same { Outcome::Unchanged } else { Outcome::Conflict });
            }
            self.events.insert(stamp.id, Some((edge, stamp)));
            if let Evidence::Event { text: Some(text), .. } = &fact.evidence {
                self.reviews.insert(stamp.id, Some(ExtractionState::unread(text)));
            }
        } else if let Some(known) = self.evidence(&edge, &stamp)?
            && (known == fact.evidence || known.outweighs(&fact.evidence))
        {
            return Ok(Outcome::Unchanged);
        }
        self.touch(&fact.source)?;
        self.touch(&fact.target)?;
        self.edges.entry(edge).or_default().insert(stamp, Some(fact.evidence.clone()));
        Ok(Outcome::Applied)
    }

    fn remove(&mut self, fact: &Fact) -> Result<Outcome, StoreError> {
        let (edge, stamp) = (fact.edge(), fact.stamp());
        if self.evidence(&edge, &stamp)?.is_none() {
            return Ok(Outcome::Unchanged);
        }
        if let Evidence::Event { text, .. } = &fact.evidence {
            self.events.insert(stamp.id, None);
            if text.is_some() {
                self.reviews.insert(stamp.id, None);
            }
        }
        self.touch(&fact.source)?;
        self.touch(&fact.target)?;
        self.edges.entry(edge).or_default().insert(stamp, None);
        Ok(Outcome::Applied)
    }

    /// Where an event's evidence stands, this batch included.
    fn event(&self, id: EvidenceId) -> Result<Option<(EdgeKey, Stamp)>, StoreError> {
        match self.events.get(&id) {
            Some(pending) => Ok(*pending),
            None => self.view.event(id),
        }
    }

    /// The evidence at a place, this batch included.
    fn evidence(&self, edge: &EdgeKey, stamp: &Stamp) -> Result<Option<Evidence>, StoreError> {
        match self.edges.get(edge).and_then(|change| change.get(stamp)) {
            Some(pending) => Ok(pending.clone()),
            None => self.view.evidence_at(edge, stamp),
        }
    }

    /// Has the batch look after a node; refuses a name whose id another name has.
    fn touch(&mut self, key: &NodeKey) -> Result<NodeId, StoreError> {
        let id = NodeId::of(key);
        if !self.nodes.contains_key(&id) {
            let before = self.view.node(id)?;
            let new = || Node { key: key.clone(), document: None };
            self.nodes.insert(id, before.clone().unwrap_or_else(new));
            self.before.insert(id, before);
        }
        match self.nodes.get(&id) {
            Some(node) if node.key != *key => {
                Err(StoreError::Collision { first: node.key.clone(), second: key.clone() })
            }
            _ => Ok(id),
        }
    }

    fn into_batch(mut self) -> Result<Batch, StoreError> {
        let mut gone = BTreeSet::new();
        let mut named = BTreeSet::new();
        for (edge, change) in std::mem::take(&mut self.edges) {
            let folded = self.fold(&edge, &change)?;
            let was_packed = self.view.unpack(&edge, &mut self.batch)?;
            for (stamp, evidence) in &change {
                let key = keyspace::evidence(&edge, stamp);
                match evidence {
                    Some(evidence) => self.batch.put(Space::Evidence, &key, encode(evidence)),
                    None => self.batch.delete(Space::Evidence, &key),
                }
            }
            let (out, inward) = (keyspace::out(&edge), keyspace::inward(&edge));
            if let Some(folded) = folded {
                let value = encode(&folded);
                self.batch.put(Space::Out, &out, value.clone());
                self.batch.put(Space::In, &inward, value);
                named.extend([edge.source, edge.target]);
            } else {
                if was_packed {
                    // Without these it would show again.
                    self.batch.put(Space::Out, &out, Vec::new());
                    self.batch.put(Space::In, &inward, Vec::new());
                } else {
                    self.batch.delete(Space::Out, &out);
                    self.batch.delete(Space::In, &inward);
                }
                gone.insert(edge);
            }
        }
        for (id, place) in &self.events {
            match place {
                Some((edge, stamp)) => {
                    let value = loads::encode_event(edge, stamp.at, self.account.number());
                    self.batch.put(Space::Events, &id.0, value);
                }
                None => self.batch.delete(Space::Events, &id.0),
            }
        }
        for (id, state) in &self.reviews {
            match state {
                Some(state) => self.batch.put(Space::Extractions, &id.0, encode(state)),
                None => self.batch.delete(Space::Extractions, &id.0),
            }
        }
        for (id, merge) in &self.merges {
            match merge {
                Some(merge) => self.batch.put(Space::Merges, &keyspace::node(*id), encode(merge)),
                None => self.batch.delete(Space::Merges, &keyspace::node(*id)),
            }
        }
        self.put_nodes(&gone, &named)?;
        Ok(self.batch)
    }

    /// The edge as it will be; `None` when no evidence is left.
    fn fold(&self, edge: &EdgeKey, change: &EvidenceChange) -> Result<Option<Edge>, StoreError> {
        let relation = self.view.schema.relation(edge.relation);
        let half_life = relation.and_then(|relation| relation.half_life_days);
        let old = self.view.edge(edge)?;
        let after = |edge: &Edge| {
            change.iter().all(|(stamp, evidence)| evidence.is_some() && stamp.at > edge.last)
        };
        let on_top = old.as_ref().is_none_or(after);
        let mut all = EvidenceChange::new();
        if !on_top {
            for item in self.view.evidence_of(edge)? {
                let (_, stamp, evidence) = item?;
                all.insert(stamp, Some(evidence));
            }
        }
        all.extend(change.iter().map(|(stamp, evidence)| (*stamp, evidence.clone())));
        let present = all.iter().filter_map(|(stamp, evidence)| Some((stamp, evidence.as_ref()?)));
        Ok(present.fold(old.filter(|_| on_top), |edge, (stamp, evidence)| {
            Some(Edge::fold(edge, stamp.at, evidence, half_life))
        }))
    }

    /// Puts the nodes that have a document, an edge or a merge, and deletes the others.
    fn put_nodes(
        &mut self,
        gone: &BTreeSet<EdgeKey>,
        named: &BTreeSet<NodeId>,
    ) -> Result<(), StoreError> {
        let mut merged = None;
        for (id, node) in &self.nodes {
            let before = self.before.get(id).and_then(Option::as_ref);
            let mut stays =
                node.document.is_some() || named.contains(id) || self.has_edges(*id, gone)?;
            if !stays && node.key.kind == NodeKind::Entity {
                if merged.is_none() {
                    merged = Some(self.merged()?);
                }
                stays = merged.as_ref().is_some_and(|merged| merged.contains(id));
            }
            if !stays {
                self.batch.delete(Space::Nodes, &keyspace::node(*id));
            } else if before != Some(node) {
                self.batch.put(Space::Nodes, &keyspace::node(*id), encode(node));
            }
        }
        Ok(())
    }

    /// Every entity that a merge names, this batch included.
    fn merged(&self) -> Result<BTreeSet<NodeId>, StoreError> {
        let mut merges = BTreeMap::new();
        for merge in self.view.merges()?.records() {
            merges.insert(NodeId::of(&merge.entity), Some(merge.clone()));
        }
        merges.extend(self.merges.clone());
        let ends = |merge: Merge| [NodeId::of(&merge.entity), NodeId::of(&merge.into)];
        Ok(merges.into_values().flatten().flat_map(ends).collect())
    }

    fn has_edges(&self, id: NodeId, gone: &BTreeSet<EdgeKey>) -> Result<bool, StoreError> {
        for edge in self.view.edges_out(id)?.chain(self.view.edges_in(id)?) {
            if !gone.contains(&edge?.0) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
