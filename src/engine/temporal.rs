//! What is known up to a moment and what came after it, as models and their evaluation see them.

use super::{Engine, EngineError};
use crate::model::{Act, Interactions};
use crate::schema::{RelationId, Timestamp};
use crate::snapshot::Population;
use crate::store::{Evidence, NodeId};

/// Share of all events that come after the moment when none is named.
const LATER: f64 = 0.1;

/// Events before a moment and after it.
pub struct Parted {
    /// Users, items, and the events before.
    pub before: Population,
    /// Users' events from the moment on.
    pub later: Vec<(u32, Act)>,
    /// The moment.
    pub at: Timestamp,
}

impl Engine {
    /// Parts the events on items at `at`, or where the last tenth begins. `target` is the action to
    /// predict, see [`Population::of`].
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub fn parted(
        &self,
        at: Option<Timestamp>,
        target: Option<RelationId>,
    ) -> Result<Parted, EngineError> {
        let snapshot = self.snapshot();
        let mut before = Population::of(&snapshot, target);
        let node = |id: NodeId| snapshot.names().find(id);
        let mut acts: Vec<(u32, Act)> = Vec::new();
        for item in self.store.view().evidence()? {
            let (edge, stamp, evidence) = item?;
            let strength = match evidence {
                Evidence::Event { strength, .. } => strength,
                Evidence::Given { weight } => weight.into(),
                _ => continue,
            };
            let (Some(source), Some(target)) = (node(edge.source), node(edge.target)) else {
                continue;
            };
            let act = before.act(edge.relation, target, stamp.at, strength);
            acts.extend(before.user(source).zip(act));
        }
        acts.sort_by_key(|(user, act)| (act.at, *user, act.item, act.behavior));
        let place = (acts.len() as f64 * (1.0 - LATER)) as usize;
        let last = acts.get(place).map_or(i64::MAX, |(_, act)| act.at);
        let moment = at.map_or(last, |at| at.millis().div_euclid(1000));
        let later = acts.split_off(acts.partition_point(|(_, act)| act.at < moment));
        let (n_users, n_items) =
            (before.training.interactions.n_users(), before.training.interactions.n_items());
        before.training.interactions = Interactions::new(n_users, n_items, acts);
        let at = Timestamp::from_millis(moment.saturating_mul(1000)).unwrap_or(Timestamp::MAX);
        Ok(Parted { before, later, at })
    }
}
