//! Proves that a store is whole: both directions agree, every edge is the fold of its evidence,
//! and everything that is named is there.

use std::collections::BTreeSet;

use super::corrupt;
use super::loads::Undo;
use super::record::{Edge, EdgeKey, Evidence, EvidenceId, NodeId, decode, encode};
use super::view::View;
use super::{Side, Space, StoreError, keyspace};
use crate::schema::{NodeKind, Timestamp};

/// How many problems are told in full.
const TOLD: usize = 100;

/// What is wrong with a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    /// The first hundred, in words.
    pub told: Vec<String>,
    /// How many there are.
    pub count: u64,
}

impl Problems {
    fn tell(&mut self, problem: impl FnOnce() -> String) {
        if self.told.len() < TOLD {
            self.told.push(problem());
        }
        self.count += 1;
    }

    fn unless(&mut self, good: bool, problem: impl FnOnce() -> String) {
        if !good {
            self.tell(problem);
        }
    }
}

impl View<'_> {
    /// Reads everything and says what does not hold together; nothing said means a whole store.
    ///
    /// # Errors
    /// Those of reads, such as a block whose checksum fails or a record that cannot be decoded.
    pub fn check(&self) -> Result<Problems, StoreError> {
        let mut problems = Problems::default();
        self.check_nodes(&mut problems)?;
        self.check_edges(&mut problems)?;
        self.check_directions(&mut problems)?;
        self.check_packed(&mut problems)?;
        self.check_events(&mut problems)?;
        self.check_extractions(&mut problems)?;
        self.check_merges(&mut problems)?;
        // Nothing follows from these, but damage to their files is told.
        for space in [Space::Cache, Space::Meta] {
            for item in self.reader.scan(space, &[])? {
                item?;
            }
        }
        Ok(problems)
    }

    fn check_extractions(&self, problems: &mut Problems) -> Result<(), StoreError> {
        for item in self.reader.scan(Space::Extractions, &[])? {
            let (key, value) = item?;
            decode::<super::ExtractionState>(Space::Extractions, &key, &value)?;
            let good = if let Some(id) = keyspace::decode_node(&key) {
                self.node(id)?.is_some_and(|node| node.document.is_some())
            } else {
                self.event(EvidenceId(key.as_ref().try_into().unwrap_or_default()))?.is_some()
            };
            let place = || format!("extraction {} has no document or event", keyspace::hex(&key));
            problems.unless(good, place);
        }
        Ok(())
    }

    fn check_merges(&self, problems: &mut Problems) -> Result<(), StoreError> {
        let merges = self.merges()?;
        for item in self.reader.scan(Space::Merges, &[])? {
            let (key, value) = item?;
            let super::Merge { entity, into, .. } = decode(Space::Merges, &key, &value)?;
            let place = keyspace::decode_node(&key) == Some(NodeId::of(&entity));
            problems.unless(place, || format!("the merge of {entity} stands under another name"));
            for end in [&entity, &into] {
                problems.unless(self.node(NodeId::of(end))?.is_some(), || {
                    format!("the merge of {entity} names {end}, which is not there")
                });
            }
            let fits = entity != into
                && [&entity, &into].iter().all(|end| end.kind == NodeKind::Entity)
                && entity.entity_type() == into.entity_type();
            problems.unless(fits, || format!("{entity} cannot be read as {into}"));
            problems.unless(!merges.is_merged(NodeId::of(&into)), || {
                format!("{entity} is merged into {into}, which is merged itself")
            });
        }
        Ok(())
    }

    fn check_nodes(&self, problems: &mut Problems) -> Result<(), StoreError> {
        let merges = self.merges()?;
        for item in self.nodes()? {
            let (id, node) = item?;
            problems.unless(NodeId::of(&node.key) == id, || {
                format!("{} stands under the id of another name", node.key)
            });
            let named = self.edges_out(id)?.next().or(self.edges_in(id)?.next()).is_some();
            let merged = merges.members(id).len() > 1;
            problems.unless(named || merged || node.document.is_some(), || {
                format!("{} has neither a document nor an edge", node.key)
            });
        }
        Ok(())
    }

    /// Walks edges and evidence side by side: both ascend by edge.
    fn check_edges(&self, problems: &mut Problems) -> Result<(), StoreError> {
        let mut evidence = self.evidence()?.peekable();
        for item in self.edges()? {
            let (key, edge) = item?;
            let place = || keyspace::hex(&keyspace::out(&key));
            let half_life = if let Some(relation) = self.schema.relation(key.relation) {
                relation.half_life_days
            } else {
                problems.tell(|| format!("edge {} has a relation of no schema", place()));
                None
            };
            let mut folded: Option<Edge> = None;
            while let Some(item) =
                evidence.next_if(|item| item.as_ref().map_or(true, |(of, _, _)| *of <= key))
            {
                let (of, stamp, evidence) = item?;
                if of < key {
                    problems.tell(|| orphan(&of));
                    continue;
                }
                self.check_evidence(&of, stamp.at, &stamp.id, &evidence, problems)?;
                folded = Some(Edge::fold(folded, stamp.at, &evidence, half_life));
            }
            problems.unless(folded.as_ref() == Some(&edge), || {
                format!("edge {} is not the fold of its evidence", place())
            });
            for id in [key.source, key.target] {
                problems.unless(self.node(id)?.is_some(), || {
                    format!("edge {} names a node that is not there", place())
                });
            }
        }
        for item in evidence {
            let (of, ..) = item?;
            problems.tell(|| orphan(&of));
        }
        Ok(())
    }

    fn check_evidence(
        &self,
        edge: &EdgeKey,
        at: Timestamp,
        id: &EvidenceId,
        evidence: &Evidence,
        problems: &mut Problems,
    ) -> Result<(), StoreError> {
        problems.unless(evidence.id() == *id, || {
            format!("evidence of edge {} has a foreign id", keyspace::hex(&keyspace::out(edge)))
        });
        if let Evidence::Opinion { event_id, .. } = evidence {
            problems.unless(self.review(EvidenceId::of_event(event_id))?.is_some(), || {
                format!("an opinion names event {event_id}, which has no text")
            });
        }
        if let Evidence::Event { event_id, .. } = evidence {
            let found = self.event(*id)?.map(|(edge, stamp)| (edge, stamp.at));
            problems.unless(found == Some((*edge, at)), || {
                format!("event {event_id} is not listed where it stands")
            });
        }
        Ok(())
    }

    /// Every record of one direction has its like in the other.
    fn check_directions(&self, problems: &mut Problems) -> Result<(), StoreError> {
        for item in self.reader.scan(Space::Out, &[])? {
            let (key, value) = item?;
            let edge = keyspace::decode_out(&key).ok_or_else(|| corrupt(Space::Out, &key))?;
            let inward = self.reader.get(Space::In, &keyspace::inward(&edge))?;
            problems.unless(inward.is_some_and(|inward| *inward == *value), || {
                format!("edge {} differs between its two directions", keyspace::hex(&key))
            });
        }
        for item in self.reader.scan(Space::In, &[])? {
            let (key, _) = item?;
            let edge = keyspace::decode_inward(&key).ok_or_else(|| corrupt(Space::In, &key))?;
            let there = self.reader.get(Space::Out, &keyspace::out(&edge))?.is_some();
            problems.unless(there, || {
                format!("edge {} has only its inward direction", keyspace::hex(&key))
            });
        }
        Ok(())
    }

    /// The packed rows of both directions say the same. What they say is compared by a sum over it, which
    /// does not depend on the order.
    fn check_packed(&self, problems: &mut Problems) -> Result<(), StoreError> {
        let sum = |side| {
            let mut sum = (0_u64, 0_u64);
            for item in self.packed(side, &[])? {
                let (edge, stamp, evidence) = item?;
                let said = encode(&(edge, stamp.at, evidence));
                let hash = blake3::hash(&said);
                let first = hash.as_bytes().first_chunk().copied().unwrap_or_default();
                sum = (sum.0 + 1, sum.1.wrapping_add(u64::from_le_bytes(first)));
            }
            Ok::<_, StoreError>(sum)
        };
        problems.unless(sum(Side::Out)? == sum(Side::In)?, || {
            "packed edges differ between their two directions".to_owned()
        });
        Ok(())
    }

    fn check_events(&self, problems: &mut Problems) -> Result<(), StoreError> {
        // Zero stands for what came one by one.
        let mut loads = BTreeSet::from([0]);
        loads.extend(self.loads()?.iter().map(|load| load.number));
        for undo in self.undos()? {
            let Undo { document, load, .. } = undo?;
            problems.unless(loads.contains(&load), || {
                format!("what {document} was before load number {load} is kept without the load")
            });
        }
        for item in self.claims()? {
            let ((edge, _), claims) = item?;
            problems.unless(claims.iter().all(|claim| loads.contains(&claim.load)), || {
                let edge = keyspace::hex(&keyspace::out(&edge));
                format!("edge {edge} came with a load that is not there")
            });
        }
        for item in self.reader.scan(Space::Events, &[])? {
            let (key, value) = item?;
            let id = EvidenceId(key.as_ref().try_into().unwrap_or_default());
            let (edge, at, load) = super::loads::decode_event(&key, &value)?;
            problems.unless(loads.contains(&load), || {
                format!(
                    "event {} came with load number {load}, which is not there",
                    keyspace::hex(&key)
                )
            });
            let there = self.evidence_at(&edge, &super::Stamp { at, id })?.is_some();
            problems.unless(there, || {
                format!("event {} is listed and has no evidence", keyspace::hex(&key))
            });
        }
        Ok(())
    }
}

fn orphan(edge: &EdgeKey) -> String {
    format!("evidence of edge {} stands without the edge", keyspace::hex(&keyspace::out(edge)))
}
