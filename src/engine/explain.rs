//! Why a user is into an entity, with the places in texts that name or judge it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Engine, EngineError, Moment, find};
use crate::event::NodeKey;
use crate::explain::TextSpan;
use crate::interest::{Explanation, Interest, MAX_SPANS};
use crate::schema::NodeKind;
use crate::snapshot::Snapshot;
use crate::store::{Evidence, EvidenceId};

impl Engine {
    /// Why a user is into an entity.
    ///
    /// # Errors
    /// [`EngineError::Unknown`] and [`EngineError::NoInterest`], and those of a snapshot.
    pub fn explain_interest(
        &self,
        user: &NodeKey,
        entity: &NodeKey,
        moment: &Moment,
    ) -> Result<(Arc<Snapshot>, Explanation), EngineError> {
        let (snapshot, interests) = self.interests(user, moment, Vec::new(), usize::MAX)?;
        // A merged entity is the one that it is read as.
        let node = find(&snapshot, entity)?;
        let found = interests.into_iter().find(|interest| interest.node == node);
        let interest = found.ok_or_else(|| EngineError::NoInterest {
            user: user.clone(),
            entity: entity.clone(),
        })?;
        let mut evidence = self.spans(user, &interest, entity)?;
        let evidence_capped = evidence.len() > MAX_SPANS;
        evidence.truncate(MAX_SPANS);
        Ok((snapshot, Explanation { interest, evidence, evidence_capped }))
    }

    /// Where the texts behind an interest name its entity, the user's own reviews among them: all,
    /// or more than [`MAX_SPANS`].
    fn spans(
        &self,
        user: &NodeKey,
        interest: &Interest,
        entity: &NodeKey,
    ) -> Result<Vec<TextSpan>, EngineError> {
        let (mut spans, mut seen) = (Vec::new(), BTreeSet::new());
        let events =
            interest.contributions.iter().filter_map(|why| why.contribution.event.as_ref());
        for event in events {
            let document = NodeKey { kind: event.target_kind, name: event.target.clone() };
            if spans.len() > MAX_SPANS || !seen.insert((document.clone(), &event.action)) {
                continue;
            }
            if document.kind == NodeKind::Entity {
                spans.extend(self.opinions(user, entity, &event.action)?);
                continue;
            }
            let evidence = self.evidence(&document, self.schema().mentions(), entity)?;
            spans.extend(evidence.into_iter().filter_map(|(_, why)| TextSpan::of(&document, why)));
        }
        Ok(spans)
    }

    /// Where the user's reviews judge an entity.
    fn opinions(
        &self,
        user: &NodeKey,
        entity: &NodeKey,
        action: &str,
    ) -> Result<Vec<TextSpan>, EngineError> {
        let Some(relation) = self.schema().relation_named(action) else { return Ok(Vec::new()) };
        let view = self.store.view();
        let mut spans = Vec::new();
        for (_, why) in self.evidence(user, relation.id, entity)? {
            let Evidence::Opinion { event_id, .. } = &why else { continue };
            let Some((edge, _)) = view.event(EvidenceId::of_event(event_id))? else { continue };
            let reviewed = view.node(edge.target)?;
            spans.extend(reviewed.and_then(|node| TextSpan::of(&node.key, why)));
        }
        Ok(spans)
    }

    /// What the user wrote in an event, where it has a text.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub fn text_of_event(&self, event_id: &str) -> Result<Option<String>, EngineError> {
        let fact = self.store.fact_of_event(event_id)?;
        Ok(fact.and_then(|fact| match fact.evidence {
            Evidence::Event { text, .. } => text,
            _ => None,
        }))
    }
}
