//! What a user did, event by event, and what they said in reviews, opinion by opinion.

use std::collections::BTreeSet;

use super::EventRef;
use crate::graph::NodeIndex;
use crate::schema::{RelationId, Timestamp, decay};
use crate::snapshot::Snapshot;
use crate::store::{Evidence, NodeId, StoreError, View};

/// One event of a history.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// The sender's id of the event; an opinion has that of its review, what a file of edges says has
    /// none.
    pub event_id: String,
    /// What the user did.
    pub action: RelationId,
    /// To what.
    pub target: NodeIndex,
    /// When.
    pub at: Timestamp,
    /// Signed weight at its own time.
    pub strength: f64,
    /// The value as it came.
    pub value: Option<f64>,
    /// Set when the question leaves this event out: it weighs nothing and is else as it was.
    pub masked: bool,
}

impl Act {
    /// What the event is worth at `now` under a half-life: signed; 0 when masked.
    pub fn worth(&self, now: Timestamp, half_life_days: f64) -> f64 {
        if self.masked {
            return 0.0;
        }
        self.strength * decay(now.since(self.at), Some(half_life_days))
    }

    /// The event as answers name it.
    pub fn name(&self, snapshot: &Snapshot) -> EventRef {
        let target = snapshot.names().get(self.target);
        EventRef {
            event_id: self.event_id.clone(),
            action: snapshot.schema().relation_name(self.action).to_owned(),
            target: target.map(|name| name.key.name.clone()).unwrap_or_default(),
            target_kind: snapshot.names().kind(self.target),
            label: target.map(|name| name.label.clone()).unwrap_or_default(),
            at: self.at,
            event_value: self.value,
        }
    }
}

/// Everything that a user did up to a time, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The events, ascending by time and id.
    pub acts: Vec<Act>,
}

impl History {
    /// Reads the history of `user` up to `as_of`; the events named in `masked` weigh nothing.
    ///
    /// # Errors
    /// Those of reads.
    pub fn read(
        view: &View<'_>,
        snapshot: &Snapshot,
        user: NodeId,
        as_of: Timestamp,
        masked: &BTreeSet<String>,
    ) -> Result<Self, StoreError> {
        let mut acts = Vec::new();
        for item in view.evidence_from(user)? {
            let (edge, stamp, evidence) = item?;
            let (event_id, strength, value) = match evidence {
                Evidence::Event { event_id, strength, value, .. } => (event_id, strength, value),
                Evidence::Opinion { event_id, strength, .. } => (event_id, strength, None),
                Evidence::Given { weight } => (String::new(), f64::from(weight), None),
                Evidence::Attribute { .. } | Evidence::Mention { .. } => continue,
            };
            let Some(target) = snapshot.names().find(edge.target) else { continue };
            if stamp.at > as_of {
                continue;
            }
            let masked = masked.contains(&event_id);
            let (action, at) = (edge.relation, stamp.at);
            acts.push((stamp.id, Act { event_id, action, target, at, strength, value, masked }));
        }
        // Opinions are of the time and the event of their review.
        acts.sort_by(|(a_id, a), (b_id, b)| {
            a.at.cmp(&b.at).then_with(|| a.event_id.cmp(&b.event_id)).then(a_id.cmp(b_id))
        });
        Ok(Self { acts: acts.into_iter().map(|(_, act)| act).collect() })
    }

    /// The time of the last event.
    pub fn last(&self) -> Option<Timestamp> {
        self.acts.last().map(|act| act.at)
    }

    /// Every node that the user did something to, for or against.
    pub fn seen(&self) -> BTreeSet<NodeIndex> {
        self.acts.iter().map(|act| act.target).collect()
    }
}
