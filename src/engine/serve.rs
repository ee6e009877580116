//! Recommendations that are shown: under rules, with an id, and written down.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use petgraph::Direction::Outgoing;

use super::session::Subject;
use super::{Engine, EngineError, Fallback, Moment, SessionEvent, lock};
use crate::event::NodeKey;
use crate::graph::NodeIndex;
use crate::recommend::{self, Answer, Arm, RecommendParams, RuleParams, Shown, Trials, arm_of};
use crate::schema::{DAY_MS, Timestamp};
use crate::snapshot::Snapshot;
use crate::store::{NodeId, ServedItem, ServedLog, ServedRecord};

/// Locks of users whose items are capped: two answers to one user come one after the other.
pub(super) const STRIPES: usize = 64;

/// The recommender of those who have no history.
const POPULAR: &str = "popular";

/// Requests without an id of their own, for this process.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// What to show, under which rules.
#[derive(Clone, Debug)]
pub struct ServeRequest {
    /// What to ask the recommender.
    pub params: RecommendParams,
    /// What was done in the session that is asked about, oldest first; at most [`super::MAX_SESSION`].
    pub session: Vec<SessionEvent>,
    /// What is made of its answer.
    pub rules: RuleParams,
    /// An experiment's name and arms: the user's arm names the recommender.
    pub experiment: Option<(String, Vec<Arm>)>,
    /// The caller's id; the same one draws the same and counts once. One is made when it is empty.
    pub request_id: String,
    /// Answer, but count it as not shown.
    pub preview: bool,
    /// The time by the clock, which windows of caps end at.
    pub now: Timestamp,
}

/// What to show.
#[derive(Clone)]
pub struct Served {
    /// What was asked.
    pub snapshot: Arc<Snapshot>,
    /// The results and what rules did.
    pub answer: Answer,
    /// Names the answer in the log of what was shown; empty where it is not there.
    pub recommendation_id: String,
    /// The recommender.
    pub method: String,
    /// Who chose for the places that explore; `greedy` where none does.
    pub policy: &'static str,
    /// The user's arm; empty without one.
    pub arm: String,
    /// Ids of the session that the graph does not have.
    pub missing: Vec<String>,
    /// Why what everybody cares for is shown, in place of what the recommender would say; none where
    /// there is a history to go by.
    pub fallback: Option<Fallback>,
}

impl Engine {
    /// What to show a user, or whoever has a session, under rules, written down as shown: see
    /// [`recommend::serve`]. A question about another time or with masked events is no showing. Who has done
    /// nothing that the graph knows is shown what everybody cares for, and the answer says so.
    ///
    /// # Errors
    /// [`EngineError::NoSubject`], [`EngineError::Session`], [`EngineError::NeedsUser`],
    /// [`EngineError::Recommend`], those of a snapshot, and where items are capped
    /// [`EngineError::Store`]: what cannot be written down is not shown then. Without caps it is, without an
    /// id.
    pub fn serve(
        &self,
        user: Option<&NodeKey>,
        moment: &Moment,
        request: &ServeRequest,
    ) -> Result<Served, EngineError> {
        let snapshot = self.snapshot_as_of(moment.as_of)?;
        let user_name = user.map_or("", |user| user.name.as_str());
        let mut params = request.params.clone();
        let mut arm = String::new();
        if let Some((salt, arms)) = &request.experiment {
            if user.is_none() {
                return Err(EngineError::NeedsUser { field: "experiment" });
            }
            let found = arm_of(salt, user_name, arms).map_err(recommend::RecommendError::from)?;
            if let Some(found) = found {
                params.method.clone_from(&found.method);
                arm = format!("{salt}/{}", found.name);
            }
        }
        params.method = recommend::by_name(&params.method)?.name.to_owned();
        let session = (request.session.as_slice(), params.method.as_str());
        let subject = self.subject(&snapshot, user, session, moment)?;
        let Subject { history, missing, fallback } = subject;
        if fallback.is_some() {
            POPULAR.clone_into(&mut params.method);
        }
        let request_id = request_id(request);
        let id = recommendation_id(user_name, &request_id);
        let rules = &request.rules;
        let shows = !request.preview && moment.as_of.is_none() && moment.masked.is_empty();
        // Held until the answer is written down, so that no other counts without it.
        let user_id = user.map(NodeId::of);
        let stripe = &self.serving[user_id.map_or(0, |id| id.0 as usize % STRIPES)];
        let _one_answer = (shows && rules.cap.is_some()).then(|| lock(stripe));
        let (times, known) = match rules.cap {
            Some(cap) => {
                let user_id = user_id.ok_or(EngineError::NeedsUser { field: "cap" })?;
                let window_ms = (cap.window_days * DAY_MS as f64).ceil() as i64;
                lock(&self.served).times(user_id, request.now, window_ms, &id)?
            }
            None => (HashMap::new(), false),
        };
        let shown =
            Before { log: &self.served, snapshot: &snapshot, times, failed: OnceCell::new() };
        let names = [user_name, request_id.as_str()];
        let answer = recommend::serve(&snapshot, &history, &params, rules, &shown, names)?;
        if let Some(error) = shown.failed.into_inner() {
            return Err(error.into());
        }
        let policy = if rules.exploration > 0.0 { rules.policy.name() } else { "greedy" };
        let mut served = Served {
            snapshot,
            answer,
            recommendation_id: String::new(),
            method: params.method,
            policy,
            arm,
            missing,
            fallback,
        };
        if shows {
            let record = record(&id, user_name, &request_id, request, &served);
            let written = if known { Ok(()) } else { lock(&self.served).append(&record) };
            match written {
                Ok(()) => served.recommendation_id = id,
                Err(error) if rules.cap.is_some() => return Err(error.into()),
                Err(error) => tracing::error!("an answer is not written down as shown: {error}"),
            }
        }
        Ok(served)
    }
}

/// The request's id, or one that no other request has.
fn request_id(request: &ServeRequest) -> String {
    if !request.request_id.is_empty() {
        return request.request_id.clone();
    }
    let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
    format!("{}-{}-{number}", request.now.millis(), std::process::id())
}

fn recommendation_id(user: &str, request_id: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(user.len() as u64).to_le_bytes()).update(user.as_bytes());
    hasher.update(request_id.as_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

fn record(
    id: &str,
    user: &str,
    request_id: &str,
    request: &ServeRequest,
    served: &Served,
) -> ServedRecord {
    let names = served.snapshot.names();
    let name = |node: NodeIndex| names.get(node).map(|name| name.key.name.clone());
    let items = served.answer.results.iter().map(|placed| ServedItem {
        kind: names.kind(placed.recommendation.node).name().to_owned(),
        id: placed.recommendation.item.clone(),
        score: placed.recommendation.score,
        propensity: placed.propensity,
        instead_of: placed.instead_of.and_then(name),
    });
    ServedRecord {
        id: id.to_owned(),
        at: request.now,
        user: user.to_owned(),
        request_id: request_id.to_owned(),
        method: served.method.clone(),
        policy: served.policy.to_owned(),
        exploration: request.rules.exploration,
        seed: request.rules.seed,
        arm: served.arm.clone(),
        snapshot: served.snapshot.sequence,
        items: items.collect(),
    }
}

/// What the log knows of earlier answers.
struct Before<'a> {
    log: &'a std::sync::Mutex<ServedLog>,
    snapshot: &'a Snapshot,
    /// Within the cap's window.
    times: HashMap<NodeId, usize>,
    failed: OnceCell<crate::store::StoreError>,
}

impl Before<'_> {
    fn id(&self, node: NodeIndex) -> Option<NodeId> {
        self.snapshot.names().get(node).map(|name| NodeId::of(&name.key))
    }
}

impl Shown for Before<'_> {
    fn times(&self, node: NodeIndex, _: i64) -> usize {
        if self.times.is_empty() {
            return 0;
        }
        self.id(node).and_then(|id| self.times.get(&id)).copied().unwrap_or(0)
    }

    /// Who acted for it after it was shown, by the edge of the snapshot.
    fn trials(&self, node: NodeIndex) -> Trials {
        let Some(id) = self.id(node) else { return Trials::default() };
        let viewers = lock(self.log).viewers(id).unwrap_or_else(|error| {
            let _ = self.failed.set(error);
            Vec::new()
        });
        let acted = |(user, at): &&(NodeId, Timestamp)| {
            let Some(user) = self.snapshot.names().find(*user) else { return false };
            let kind = self.snapshot.names().kind(node);
            let mut edges = self.snapshot.neighbors(user, Outgoing, kind);
            // Edges keep whole minutes.
            let minute = at.millis() / 60_000;
            edges.any(|(target, edge)| {
                target == node && i64::from(edge.last_minutes) >= minute && edge.sum > 0.0
            })
        };
        let acted = viewers.iter().filter(acted).count() as u32;
        Trials { shown: viewers.len() as u32, acted }
    }
}

#[cfg(test)]
mod tests;
