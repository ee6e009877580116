//! Who asks without being known: a session's own events, and what is shown to those who have none.

use serde::Serialize;

use super::{Engine, EngineError, Moment};
use crate::event::{Event, NodeKey, RawEvent};
use crate::explain::{Act, History};
use crate::recommend;
use crate::schema::{NodeKind, Relation, Timestamp};
use crate::snapshot::Snapshot;
use crate::store::NodeId;

/// The most events of a session that one question may name.
pub const MAX_SESSION: usize = 1_000;

/// What somebody did in the session that is asked about, which no store knows; or a seed to start from.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionEvent {
    /// To what.
    pub target: NodeKey,
    /// What was done, by the schema's name or alias. When empty, the weakest action for such a target; or for
    /// models that are fitted to one action, that one.
    pub action: String,
    /// When; without a time, at the end of the graph's, in the order of the list.
    pub at: Option<Timestamp>,
}

/// Why what everybody cares for is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Fallback {
    /// The graph does not have the user.
    UnknownUser,
    /// The user has done nothing yet.
    NoHistory,
    /// The graph has nothing of the session.
    UnknownItems,
}

impl Fallback {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::UnknownUser, Self::NoHistory, Self::UnknownItems];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownUser => "UNKNOWN_USER",
            Self::NoHistory => "NO_HISTORY",
            Self::UnknownItems => "UNKNOWN_ITEMS",
        }
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fallback| fallback.name() == name)
    }
}

/// What an answer goes by.
pub(super) struct Subject {
    /// What the user did, then what the session did.
    pub history: History,
    /// Ids of the session that the graph does not have.
    pub missing: Vec<String>,
    /// Set where there is no history.
    pub fallback: Option<Fallback>,
}

impl Engine {
    /// The history of a user, who need not be known, with that of a session.
    ///
    /// # Errors
    /// [`EngineError::NoSubject`] for neither a user nor a session, [`EngineError::Session`], and those of
    /// reads.
    pub(super) fn subject(
        &self,
        snapshot: &Snapshot,
        user: Option<&NodeKey>,
        (session, method): (&[SessionEvent], &str),
        moment: &Moment,
    ) -> Result<Subject, EngineError> {
        if user.is_none() && session.is_empty() {
            return Err(EngineError::NoSubject);
        }
        let known = user.filter(|user| snapshot.find(user).is_some());
        let mut history = match known {
            Some(user) => {
                let (view, id) = (self.store.view(), NodeId::of(user));
                History::read(&view, snapshot, id, snapshot.as_of, &moment.masked)?
            }
            None => History::default(),
        };
        let mut missing = Vec::new();
        for (place, event) in session.iter().enumerate() {
            let checked = self.check(snapshot, place, (event, method))?;
            let Some(target) = snapshot.find(&checked.target) else {
                missing.push(checked.target.name);
                continue;
            };
            let Event { event_id, action, at, strength, value, .. } = checked;
            let masked = moment.masked.contains(&event_id);
            history.acts.push(Act { event_id, action, target, at, strength, value, masked });
        }
        // The sort is stable: of one time, the store's come first and the session's keep their order.
        history.acts.sort_by_key(|act| act.at);
        let fallback = history.acts.is_empty().then_some(match (user, known, session) {
            (_, Some(_), []) => Fallback::NoHistory,
            (Some(_), None, []) => Fallback::UnknownUser,
            _ => Fallback::UnknownItems,
        });
        Ok(Subject { history, missing, fallback })
    }

    /// The event of this place of a session, as the schema reads it.
    fn check(
        &self,
        snapshot: &Snapshot,
        place: usize,
        (event, method): (&SessionEvent, &str),
    ) -> Result<Event, EngineError> {
        let SessionEvent { target, action, at } = event;
        let last = snapshot.clock.millis() + place as i64;
        let at = at.or(Timestamp::from_millis(last)).unwrap_or(Timestamp::MAX);
        let usual = || -> Result<&str, EngineError> {
            let weakest = self.weakest(target.kind).map_or("", |relation| &relation.name);
            if method != recommend::FITTED {
                return Ok(weakest);
            }
            let fitted = snapshot.fitted().map_err(recommend::RecommendError::from)?;
            let joins = |name: &&str| {
                self.schema().action(name).is_ok_and(|action| action.targets.contains(&target.kind))
            };
            Ok(fitted.population.target_action().filter(joins).unwrap_or(weakest))
        };
        let action = if action.is_empty() { usual()? } else { action };
        let raw = RawEvent {
            event_id: format!("session#{}", place + 1),
            user: "session".to_owned(),
            action: action.to_owned(),
            target: target.name.clone(),
            target_kind: Some(target.kind.name().to_owned()),
            at: at.millis().to_string(),
            ..RawEvent::default()
        };
        raw.check(self.schema()).map_err(|source| EngineError::Session { place: place + 1, source })
    }

    /// The action that speaks least for a target of this kind, and yet for it.
    fn weakest(&self, kind: NodeKind) -> Option<&Relation> {
        let speaks_for = |relation: &&Relation| {
            let sign = relation.action.as_ref().map_or(0, |action| action.sign);
            sign > 0 && relation.weight > 0.0 && relation.targets.contains(&kind)
        };
        let actions = self.schema().actions().filter(speaks_for);
        actions.min_by(|a, b| a.weight.total_cmp(&b.weight).then(a.id.cmp(&b.id)))
    }
}
