//! Facts as they stand in the store, ready to be taken back: an event's, a document's.

use super::graph_store::{GraphStore, SEQUENCE};
use super::record::{Evidence, EvidenceId, Fact, NodeId, decode};
use super::{Space, StoreError};

impl GraphStore {
    /// The fact of an event as it stands in the store, ready to be taken back.
    ///
    /// # Errors
    /// Those of reads.
    pub fn fact_of_event(&self, event_id: &str) -> Result<Option<Fact>, StoreError> {
        self.fact(EvidenceId::of_event(event_id))
    }

    fn fact(&self, id: EvidenceId) -> Result<Option<Fact>, StoreError> {
        let view = self.view();
        let Some((edge, stamp)) = view.event(id)? else { return Ok(None) };
        let evidence = view.evidence_at(&edge, &stamp)?;
        evidence.map(|evidence| view.fact(edge, stamp, evidence)).transpose()
    }

    /// An event's fact, then those of the opinions that its text gives: all that goes with it.
    ///
    /// # Errors
    /// Those of reads.
    pub fn facts_of_event(&self, id: EvidenceId) -> Result<Vec<Fact>, StoreError> {
        let Some(fact) = self.fact(id)? else { return Ok(Vec::new()) };
        let view = self.view();
        let mut facts = Vec::new();
        if let Some(rules) = &self.schema().reviews {
            let edge = fact.edge();
            for (node, relation) in [(edge.source, rules.action), (edge.target, rules.relation)] {
                for item in view.evidence_from_by(node, relation)? {
                    let (edge, stamp, evidence) = item?;
                    if matches!(&evidence, Evidence::Opinion { event_id, .. }
                        if EvidenceId::of_event(event_id) == id)
                    {
                        facts.push(view.fact(edge, stamp, evidence)?);
                    }
                }
            }
        }
        facts.insert(0, fact);
        Ok(facts)
    }

    /// What the catalogue or the extractor made of a document: its attribute or mention facts. What
    /// reviews say of it goes with the reviews.
    ///
    /// # Errors
    /// Those of reads.
    pub fn facts_of_document(&self, id: NodeId) -> Result<Vec<Fact>, StoreError> {
        let view = self.view();
        let mut facts = Vec::new();
        for item in view.evidence_from(id)? {
            let (edge, stamp, evidence) = item?;
            if !matches!(evidence, Evidence::Opinion { .. }) {
                facts.push(view.fact(edge, stamp, evidence)?);
            }
        }
        Ok(facts)
    }

    /// How many batches were applied.
    ///
    /// # Errors
    /// Those of a read.
    pub fn sequence(&self) -> Result<u64, StoreError> {
        let value = self.view().reader.get(Space::Meta, SEQUENCE)?;
        value.map_or(Ok(0), |value| decode(Space::Meta, SEQUENCE, &value))
    }
}
