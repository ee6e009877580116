//! What the store must hold, kept in plain maps: no code of the store but the types of its records and
//! the ids of names. Edges are folded from scratch whenever somebody asks.

use std::collections::{BTreeMap, BTreeSet};

use predilect::event::{Document, NodeKey, Value};
use predilect::schema::{NodeKind, Schema, Timestamp};
use predilect::store::{
    Edge, EdgeKey, Evidence, ExtractionState, Fact, Merge, Mutation, NodeId, Outcome, Stamp,
};

#[derive(Clone)]
pub struct Model {
    pub schema: Schema,
    pub facts: BTreeMap<EdgeKey, BTreeMap<Stamp, Fact>>,
    /// The fact of every event, by the sender's id.
    pub events: BTreeMap<String, Fact>,
    /// The facts of opinions, by the event that they were read in.
    pub opinions: BTreeMap<String, Vec<Fact>>,
    /// What events with a text were read from.
    pub reviews: BTreeMap<String, ExtractionState>,
    pub documents: BTreeMap<NodeKey, Document>,
    pub extracted: BTreeMap<NodeKey, ExtractionState>,
    pub merges: BTreeMap<NodeKey, Merge>,
}

impl Model {
    pub fn new(schema: Schema) -> Self {
        Self {
            schema,
            facts: BTreeMap::new(),
            events: BTreeMap::new(),
            opinions: BTreeMap::new(),
            reviews: BTreeMap::new(),
            documents: BTreeMap::new(),
            extracted: BTreeMap::new(),
            merges: BTreeMap::new(),
        }
    }

    fn put(&mut self, fact: &Fact) {
        self.facts.entry(fact.edge()).or_default().insert(fact.stamp(), fact.clone());
    }

    fn take(&mut self, fact: &Fact) {
        let left = self.facts.get_mut(&fact.edge()).unwrap();
        left.remove(&fact.stamp()).unwrap();
        if left.is_empty() {
            self.facts.remove(&fact.edge());
        }
    }

    pub fn add_event(&mut self, event_id: &str, fact: &Fact) -> Outcome {
        if let Some(known) = self.events.get(event_id) {
            return if known == fact { Outcome::Unchanged } else { Outcome::Conflict };
        }
        self.put(fact);
        self.events.insert(event_id.to_owned(), fact.clone());
        if let Evidence::Event { text: Some(text), .. } = &fact.evidence {
            self.reviews.insert(event_id.to_owned(), ExtractionState::unread(text));
        }
        Outcome::Applied
    }

    /// Takes an event with its opinions; returns the facts that went.
    pub fn take_event(&mut self, event_id: &str) -> Vec<Fact> {
        let mut gone: Vec<_> = self.events.remove(event_id).into_iter().collect();
        gone.extend(self.opinions.remove(event_id).into_iter().flatten());
        self.reviews.remove(event_id);
        for fact in &gone {
            self.take(fact);
        }
        gone
    }

    /// Has the text of an event read; returns what changes, with the outcomes that are to be expected.
    pub fn read(
        &mut self,
        event_id: &str,
        said: Vec<Fact>,
        state: ExtractionState,
    ) -> Vec<(Mutation, Outcome)> {
        let known = self.opinions.remove(event_id).unwrap_or_default();
        let mut changes = Vec::new();
        for fact in known.iter().filter(|fact| !said.contains(fact)) {
            self.take(fact);
            changes.push((Mutation::Remove(fact.clone()), Outcome::Applied));
        }
        for fact in &said {
            let same = known.contains(fact);
            self.put(fact);
            let outcome = if same { Outcome::Unchanged } else { Outcome::Applied };
            changes.push((Mutation::Add(fact.clone()), outcome));
        }
        let id = self.events[event_id].evidence.id();
        let before = self.reviews.insert(event_id.to_owned(), state.clone());
        let same = before.as_ref() == Some(&state);
        let outcome = if same { Outcome::Unchanged } else { Outcome::Applied };
        changes.push((Mutation::Read(id, state), outcome));
        self.opinions.insert(event_id.to_owned(), said);
        changes
    }

    /// The facts of a document that its catalogue entry and its texts gave.
    pub fn facts_of(&self, key: &NodeKey) -> Vec<Fact> {
        let from = NodeId::of(key);
        let facts = self.facts.iter().filter(|(edge, _)| edge.source == from);
        let facts = facts.flat_map(|(_, facts)| facts.values());
        facts.filter(|fact| !matches!(fact.evidence, Evidence::Opinion { .. })).cloned().collect()
    }

    pub fn upsert(&mut self, key: &NodeKey, document: Document) {
        let textless = document.text.is_empty();
        for fact in self.facts_of(key) {
            if textless || matches!(fact.evidence, Evidence::Attribute { .. }) {
                self.take(&fact);
            }
        }
        if textless {
            self.extracted.remove(key);
        }
        for (field, values) in &document.attributes {
            let rule = self.schema.attribute(field);
            for value in values {
                let Value::Text(surface) = value else { continue };
                let name = format!("{}:{}", rule.entity_type, surface.to_lowercase());
                self.put(&Fact {
                    source: key.clone(),
                    relation: rule.relation,
                    target: NodeKey { kind: NodeKind::Entity, name },
                    at: Timestamp::MIN,
                    evidence: Evidence::Attribute {
                        field: field.clone(),
                        surface: surface.clone(),
                    },
                });
            }
        }
        self.documents.insert(key.clone(), document);
    }

    pub fn take_document(&mut self, key: &NodeKey) {
        for fact in self.facts_of(key) {
            self.take(&fact);
        }
        self.documents.remove(key);
        self.extracted.remove(key);
    }

    /// Has a document's text extracted; returns what changes.
    pub fn extract(
        &mut self,
        key: &NodeKey,
        said: Vec<Fact>,
        state: ExtractionState,
    ) -> Vec<Mutation> {
        let mut changes = Vec::new();
        for fact in self.facts_of(key) {
            if matches!(fact.evidence, Evidence::Mention { .. }) {
                self.take(&fact);
                changes.push(Mutation::Remove(fact));
            }
        }
        for fact in said {
            self.put(&fact);
            changes.push(Mutation::Add(fact));
        }
        self.extracted.insert(key.clone(), state.clone());
        changes.push(Mutation::Extracted(key.clone(), Some(state)));
        changes
    }

    /// May the entity be merged into the other?
    pub fn can_merge(&self, entity: &NodeKey, into: &NodeKey) -> bool {
        let nodes = self.nodes();
        entity != into
            && nodes.contains(entity)
            && nodes.contains(into)
            && entity.entity_type() == into.entity_type()
            && !self.merges.contains_key(entity)
            && !self.merges.contains_key(into)
            && self.merges.values().all(|merge| merge.into != *entity)
    }

    /// Everyone who is there: who has a document, an edge or a merge.
    pub fn nodes(&self) -> BTreeSet<NodeKey> {
        let facts = self.facts.values().filter_map(|facts| facts.values().next());
        let ends = facts.flat_map(|fact| [&fact.source, &fact.target]);
        let merged = self.merges.values().flat_map(|merge| [&merge.entity, &merge.into]);
        ends.chain(self.documents.keys()).chain(merged).cloned().collect()
    }

    pub fn edge(&self, key: &EdgeKey) -> Option<Edge> {
        self.facts.get(key).map(|facts| self.fold(key, facts))
    }

    pub fn edges(&self) -> Vec<(EdgeKey, Edge)> {
        self.facts.iter().map(|(key, facts)| (*key, self.fold(key, facts))).collect()
    }

    /// Every edge as merges have it read, from what had happened by `until`.
    pub fn edges_as_read(&self, until: Timestamp) -> Vec<(EdgeKey, Edge)> {
        let ids = |merge: &Merge| (NodeId::of(&merge.entity), NodeId::of(&merge.into));
        let into: BTreeMap<_, _> = self.merges.values().map(ids).collect();
        let read = |id: NodeId| into.get(&id).copied().unwrap_or(id);
        let mut united: BTreeMap<EdgeKey, BTreeMap<Stamp, Fact>> = BTreeMap::new();
        for (key, facts) in &self.facts {
            let key = EdgeKey { source: read(key.source), target: read(key.target), ..*key };
            for (stamp, fact) in facts.iter().filter(|(stamp, _)| stamp.at <= until) {
                united.entry(key).or_default().insert(*stamp, fact.clone());
            }
        }
        united.iter().map(|(key, facts)| (*key, self.fold(key, facts))).collect()
    }

    /// Folds without going from one piece to the next: each piece fades up to the last.
    fn fold(&self, key: &EdgeKey, facts: &BTreeMap<Stamp, Fact>) -> Edge {
        let half_life = self.schema.relation(key.relation).unwrap().half_life_days;
        let (first, last) = (facts.keys().next().unwrap().at, facts.keys().last().unwrap().at);
        let strengths = facts.iter().map(|(stamp, fact)| {
            let strength = match &fact.evidence {
                Evidence::Event { strength, .. } | Evidence::Opinion { strength, .. } => *strength,
                Evidence::Attribute { .. } => 1.0,
                Evidence::Mention { confidence, .. } => f64::from(*confidence),
                Evidence::Given { weight } => f64::from(*weight),
            };
            let days = (last.millis() - stamp.at.millis()) as f64 / 86_400_000.0;
            strength * half_life.map_or(1.0, |half_life| 0.5_f64.powf(days / half_life))
        });
        let sum = match half_life {
            Some(_) => strengths.sum(),
            None => strengths.fold(f64::NEG_INFINITY, f64::max),
        };
        let spelled = facts.values().filter_map(|fact| match &fact.evidence {
            Evidence::Event { .. } | Evidence::Given { .. } => None,
            Evidence::Opinion { aspect, .. } => Some(aspect.surface.clone()),
            Evidence::Attribute { surface, .. } | Evidence::Mention { surface, .. } => {
                Some(surface.clone())
            }
        });
        Edge { count: facts.len() as u32, first, last, sum, surface: spelled.min() }
    }

    /// What makes the model's graph in an empty store, in one go.
    pub fn mutations(&self) -> Vec<Mutation> {
        let mut all: Vec<_> = self.facts.values().flat_map(BTreeMap::values).collect();
        // Reviews are read after their events have come.
        all.sort_by_key(|fact| matches!(fact.evidence, Evidence::Opinion { .. }));
        let mut mutations: Vec<_> = all.into_iter().cloned().map(Mutation::Add).collect();
        for (key, document) in &self.documents {
            mutations.push(Mutation::Describe(key.clone(), Some(document.clone())));
        }
        for (key, state) in &self.extracted {
            mutations.push(Mutation::Extracted(key.clone(), Some(state.clone())));
        }
        for (event_id, state) in &self.reviews {
            mutations.push(Mutation::Read(self.events[event_id].evidence.id(), state.clone()));
        }
        mutations.extend(self.merges.values().cloned().map(Mutation::Merge));
        mutations
    }
}

/// Are the edges the same, their sums up to rounding?
pub fn same_edges(found: &[(EdgeKey, Edge)], expected: &[(EdgeKey, Edge)]) -> Result<(), String> {
    if found.len() != expected.len() {
        return Err(format!("{} edges in place of {}", found.len(), expected.len()));
    }
    for ((key, edge), (expected_key, expected_edge)) in found.iter().zip(expected) {
        let near = (edge.sum - expected_edge.sum).abs() <= 1e-9 * edge.sum.abs().max(1.0);
        let exact = Edge { sum: edge.sum, ..expected_edge.clone() };
        if key != expected_key || *edge != exact || !near {
            return Err(format!("{key:?} {edge:?} in place of {expected_key:?} {expected_edge:?}"));
        }
    }
    Ok(())
}
