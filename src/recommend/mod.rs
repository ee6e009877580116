//! A snapshot and a history become ranked items with reasons.
//!
//! A [`Recommender`] gives items their parts: how much each event of the history, or everybody's
//! doing, speaks for them. The score is the sum of the parts, so an answer explains itself, and an
//! event left out takes just its parts along. Adding one is a file and a row of [`RECOMMENDERS`].

mod arm;
mod association;
mod audience;
mod basket;
mod blend;
mod embedding;
mod fitted;
mod explore;
mod facts;
mod filter;
mod fp_growth;
mod friends;
mod item_item;
mod mmr;
mod popular;
mod ppr;
mod rules;
mod serve;
mod together;
mod trend;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use thiserror::Error;

use crate::explain::{Connection, Contribution, History, connect};
use crate::graph::NodeIndex;
use crate::model::ModelError;
use crate::schema::NodeKind;
use crate::snapshot::{EmbeddedError, Snapshot};
use crate::traverse::TraverseError;

pub use arm::{Arm, ArmError, arm_of};
pub use audience::{Audience, AudienceMember, AudiencePart, audience};
pub use basket::{BasketRule, BasketRuleParams, BasketRules, basket_rules, sittings};
pub use blend::Blend;
pub use embedding::Embedding;
pub use explore::{Policy, Trials};
pub use facts::filter_of;
pub use filter::{Facts, Filter, FilterError};
pub use fitted::{Fitted, NAME as FITTED};
pub use friends::Friends;
pub use item_item::ItemItem;
pub use popular::Popular;
pub use ppr::Ppr;
pub use rules::{Cap, Effect, Moved, Nothing, RULES, RuleParams, Shown};
pub use serve::{Answer, Placed, serve};
pub use together::{Together, together};
pub use trend::{Trend, TrendCounts};

use rules::Candidate;

/// Why nothing can be recommended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecommendError {
    /// A name that no recommender has.
    #[error("unknown recommender `{name}`; known: {known}")]
    Unknown {
        /// The name as it came.
        name: String,
        /// The known ones.
        known: String,
    },
    /// A walk over the graph failed.
    #[error(transparent)]
    Traverse(#[from] TraverseError),
    /// A model cannot be fitted.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// There are no rows to answer by.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// A filter that cannot be read.
    #[error("{field}: {source}")]
    Filter {
        /// Which of the request's filters.
        field: &'static str,
        /// What is wrong with it.
        source: FilterError,
    },
    /// A number that a rule has no use for.
    #[error("{field} is {found}; give {expected}")]
    Rule {
        /// Which of the request's numbers.
        field: &'static str,
        /// As it came.
        found: f64,
        /// What is taken.
        expected: &'static str,
    },
    /// More sets of items than can be looked at.
    #[error(
        "more than {limit} sets of items are that frequent; raise min_support, or lower max_items"
    )]
    TooManySets {
        /// The most.
        limit: usize,
    },
    /// Arms that cannot divide users.
    #[error(transparent)]
    Arms(#[from] ArmError),
}

/// What an event of the history, or everybody's doing, brings to an item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// The recommender that computed it.
    pub source: &'static str,
    /// The event's place in the history; none for everybody's doing.
    pub act: Option<usize>,
    /// The part of the score.
    pub value: f64,
}

/// Items and the parts that their scores are the sums of.
pub type Scores = BTreeMap<NodeIndex, Vec<Part>>;

/// Gives scores to items.
pub trait Recommender: Send + Sync {
    /// Scores of items for `history`; seen items may be among them.
    ///
    /// Each part is linear in its event's weight: an event that weighs nothing brings nothing, and
    /// changes no other part.
    ///
    /// # Errors
    /// [`RecommendError::Traverse`], [`RecommendError::Model`].
    fn score(&self, snapshot: &Snapshot, history: &History) -> Result<Scores, RecommendError>;
}

/// A recommender that can be named.
pub struct Entry {
    /// The name.
    pub name: &'static str,
    /// What it recommends, for the help.
    pub about: &'static str,
    /// Makes one.
    pub build: fn() -> Box<dyn Recommender>,
}

/// Every recommender, in the order the help lists them; the first is the default.
pub const RECOMMENDERS: &[Entry] = &[
    Entry { name: "blend", about: "the others, added up", build: || Box::new(Blend::default()) },
    Entry {
        name: "item_item",
        about: "items that the same people care for as for those of the history",
        build: || Box::new(ItemItem),
    },
    Entry {
        name: "ppr",
        about: "where walks over people and entities lead from the history",
        build: || Box::new(Ppr::default()),
    },
    Entry {
        name: fitted::NAME,
        about: "models fitted to everybody's interactions, as `train recommender` chose them",
        build: || Box::new(Fitted),
    },
    Entry {
        name: embedding::NAME,
        about: "items whose rows of the graph's embedding lie near those of the history",
        build: || Box::new(Embedding),
    },
    Entry { name: "popular", about: "what everybody cares for", build: || Box::new(Popular) },
    Entry {
        name: "friends",
        about: "what those care for whom the user follows",
        build: || Box::new(Friends),
    },
];

/// The recommender of this name; the default when empty.
///
/// # Errors
/// [`RecommendError::Unknown`], which lists the known ones.
pub fn by_name(name: &str) -> Result<&'static Entry, RecommendError> {
    let wanted = if name.is_empty() { RECOMMENDERS[0].name } else { name };
    RECOMMENDERS.iter().find(|entry| entry.name == wanted).ok_or_else(|| RecommendError::Unknown {
        name: name.to_owned(),
        known: RECOMMENDERS.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "),
    })
}

/// The names under which snapshots keep recommenders' answers for single nodes.
pub const CACHED: &[&str] = &[item_item::NAME, ppr::NAME, embedding::NAME];

/// What to ask.
#[derive(Clone, Debug)]
pub struct RecommendParams {
    /// A name of [`RECOMMENDERS`]; the first when empty.
    pub method: String,
    /// Kinds of node to answer with. Default: items.
    pub kinds: Vec<NodeKind>,
    /// At most so many answers. Default: 10.
    pub k: usize,
}

/// A node as answers name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Its kind.
    pub kind: NodeKind,
    /// Its id.
    pub id: String,
    /// What people call it.
    pub label: String,
}

impl Named {
    /// The node of a snapshot.
    pub fn of(snapshot: &Snapshot, node: NodeIndex) -> Self {
        let name = snapshot.names().get(node);
        Self {
            kind: snapshot.names().kind(node),
            id: name.map(|name| name.key.name.clone()).unwrap_or_default(),
            label: name.map(|name| name.label.clone()).unwrap_or_default(),
        }
    }
}

/// How an event's target leads to a recommended item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Because {
    /// The item that the user acted on.
    pub target: String,
    /// Its kind.
    #[serde(skip)]
    pub target_kind: NodeKind,
    /// What people call it.
    pub label: String,
    /// Users who care for both.
    pub users: usize,
    /// Labels of the entities that both have, the most telling first.
    pub shared: Vec<String>,
}

/// A recommended item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recommendation {
    /// The item's place in the snapshot.
    #[serde(skip)]
    pub node: NodeIndex,
    /// The item's id.
    pub item: String,
    /// What people call it.
    pub label: String,
    /// The sum of the contributions.
    pub score: f64,
    /// What brought the score, the greatest part first.
    pub contributions: Vec<Contribution>,
    /// How the strongest events lead to it, the strongest first.
    pub because: Vec<Because>,
}

/// How many of the strongest events say how they lead to an item.
const BECAUSE: usize = 3;

/// The best items for a history that it has not seen, best score first, ties by name.
///
/// # Errors
/// [`RecommendError`].
pub fn recommend(
    snapshot: &Snapshot,
    history: &History,
    params: &RecommendParams,
) -> Result<Vec<Recommendation>, RecommendError> {
    let scores = (by_name(&params.method)?.build)().score(snapshot, history)?;
    let seen: BTreeSet<NodeIndex> = history.seen();
    let mut best = ranked(snapshot, scores, &params.kinds);
    best.retain(|candidate| !seen.contains(&candidate.node));
    best.truncate(params.k);
    let explained =
        |Candidate { node, score, parts, .. }| explained(snapshot, history, node, score, parts);
    Ok(best.into_iter().map(explained).collect())
}

/// The candidates as a recommender ranks them for a history, seen or not; best first, ties by name. What it
/// knows nothing of has the score 0.
///
/// # Errors
/// [`RecommendError`].
pub fn rank(
    snapshot: &Snapshot,
    history: &History,
    method: &str,
    candidates: &[NodeIndex],
) -> Result<Vec<Recommendation>, RecommendError> {
    let mut scores = (by_name(method)?.build)().score(snapshot, history)?;
    let candidates: BTreeSet<NodeIndex> = candidates.iter().copied().collect();
    let scored = |node: NodeIndex| {
        let parts = scores.remove(&node).unwrap_or_default();
        // A sum over nothing is -0.
        let score = parts.iter().fold(0.0, |sum, part| sum + part.value);
        explained(snapshot, history, node, score, parts)
    };
    let mut ranked: Vec<Recommendation> = candidates.into_iter().map(scored).collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.item.cmp(&b.item)));
    Ok(ranked)
}

/// Nodes of some kinds with a score above 0, best first, ties by name.
fn ranked(snapshot: &Snapshot, scores: Scores, kinds: &[NodeKind]) -> Vec<Candidate> {
    let mut best: Vec<Candidate> = scores
        .into_iter()
        .filter(|(node, _)| kinds.contains(&snapshot.names().kind(*node)))
        .map(|(node, parts)| {
            let score = parts.iter().map(|part| part.value).sum();
            Candidate { node, score, parts, propensity: 1.0, instead_of: None }
        })
        .filter(|candidate| candidate.score > 0.0)
        .collect();
    let name = |node| snapshot.names().get(node).map(|name| &name.key.name);
    best.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| name(a.node).cmp(&name(b.node))));
    best
}

fn explained(
    snapshot: &Snapshot,
    history: &History,
    node: NodeIndex,
    score: f64,
    mut parts: Vec<Part>,
) -> Recommendation {
    // The sort is stable: of equals the earlier event comes first.
    parts.sort_by(|a, b| b.value.abs().total_cmp(&a.value.abs()));
    let contributions = parts.iter().map(|part| Contribution {
        source: part.source.into(),
        event: part.act.map(|act| history.acts[act].name(snapshot)),
        value: part.value,
    });
    let mut targets: BTreeMap<NodeIndex, f64> = BTreeMap::new();
    for part in &parts {
        if let Some(act) = part.act {
            *targets.entry(history.acts[act].target).or_default() += part.value;
        }
    }
    let mut targets: Vec<_> = targets.into_iter().filter(|(_, value)| *value > 0.0).collect();
    targets.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let because = targets.iter().take(BECAUSE).map(|(target, _)| because(snapshot, *target, node));
    let name = snapshot.names().get(node);
    Recommendation {
        node,
        item: name.map(|name| name.key.name.clone()).unwrap_or_default(),
        label: name.map(|name| name.label.clone()).unwrap_or_default(),
        score,
        contributions: contributions.collect(),
        because: because.collect(),
    }
}

fn because(snapshot: &Snapshot, target: NodeIndex, item: NodeIndex) -> Because {
    let Connection { shared, users } = connect(snapshot, target, item);
    let label = |node| snapshot.names().label(node).to_owned();
    Because {
        target: snapshot.names().get(target).map(|name| name.key.name.clone()).unwrap_or_default(),
        target_kind: snapshot.names().kind(target),
        label: label(target),
        users,
        shared: shared.iter().take(BECAUSE).map(|shared| label(shared.entity)).collect(),
    }
}

/// Parts of items near the targets of a history: every event brings each neighbour of its target
/// the event's weight times their nearness.
fn from_neighbors<'s>(
    snapshot: &'s Snapshot,
    history: &History,
    source: &'static str,
    neighbors: impl Fn(NodeIndex) -> Result<&'s [(NodeIndex, f64)], RecommendError>,
) -> Result<Scores, RecommendError> {
    let mut scores = Scores::new();
    for (place, act) in history.acts.iter().enumerate() {
        let half_life = snapshot.schema().relation(act.action).and_then(|r| r.half_life_days);
        // Weighed at the last event: who comes back after a year finds scores on the same scale.
        let now = history.last().unwrap_or(act.at);
        let weight = act.worth(now, half_life.unwrap_or(f64::INFINITY));
        if weight == 0.0 {
            continue;
        }
        for (item, nearness) in neighbors(act.target)? {
            let part = Part { source, act: Some(place), value: weight * nearness };
            scores.entry(*item).or_default().push(part);
        }
    }
    Ok(scores)
}

#[cfg(test)]
mod tests;
