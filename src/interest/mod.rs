//! A snapshot, a user's history and a time become interests: score, share, trend, stage, reasons.
//!
//! With `w(e)` an event's signed weight, decayed from its own time to the time of the question
//! under the half-life of a horizon, and `p(x|i)` the share of the entity `x` among those of its
//! type that the item `i` has:
//!
//! * strength `s(x) = Σ_e w(e) · p(x | target of e)`, and all of `w(e)` for an event on `x` itself:
//!   a plain sum over events, so each event's part of it is exact;
//! * share `= s⁺(x) / Σ s⁺`, within the entities of one type;
//! * score `= share · log2(share / background)`: bits, where the background is everybody's smoothed
//!   share. A user's scores sum to the divergence of their taste from everybody's.
//!
//! The score is not linear in events; its contributions are the score shared out in proportion to
//! the strength that each event brought.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::explain::{Act, Contribution, History, TextSpan, rfc_3339};
use crate::graph::NodeIndex;
use crate::schema::{DAY_MS, InterestRules, NodeKind, RelationId, Timestamp, decay};
use crate::snapshot::{Facet, Snapshot};

/// Where an interest stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// First seen a short while ago.
    New,
    /// A greater share lately than over the long term.
    Rising,
    /// About the same share in both.
    Steady,
    /// A smaller share lately.
    Fading,
    /// Not seen for long.
    Dormant,
}

impl Stage {
    /// The stage's name, in lower case.
    pub fn name(self) -> &'static str {
        ["new", "rising", "steady", "fading", "dormant"][self as usize]
    }
}

/// What to ask of a history.
#[derive(Clone, Debug)]
pub struct InterestParams {
    /// The time of the question.
    pub at: Timestamp,
    /// Types of entity to answer with; all when empty.
    pub types: Vec<String>,
    /// At most so many interests. Default: 10.
    pub k: usize,
}

/// How an event speaks for an interest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reason {
    /// The event, and its part of the score.
    #[serde(flatten)]
    pub contribution: Contribution,
    /// Its part of the strength.
    pub strength: f64,
    /// From the event's target to the entity; none for an event on the entity itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relation: Option<String>,
}

/// What a user cares about as of a time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interest {
    /// The entity's place in the snapshot.
    #[serde(skip)]
    pub node: NodeIndex,
    /// The entity's name.
    pub entity: String,
    /// What people call it.
    pub label: String,
    /// The entity's type.
    #[serde(rename = "type")]
    pub entity_type: String,
    /// Bits: how far the share is above everybody's, weighted by it, over the long term.
    pub score: f64,
    /// Sum over events at the time of the question, over the long term.
    pub strength: f64,
    /// Share among the user's entities of the type over the long term, in [0, 1].
    pub share: f64,
    /// The same over the short term.
    pub short_share: f64,
    /// Everybody's share, smoothed.
    pub background: f64,
    /// `share` over `background`.
    pub lift: f64,
    /// `short_share` over `share`.
    pub trend: f64,
    /// Where it stands in its life.
    pub stage: Stage,
    /// The first event that speaks for or against it.
    #[serde(serialize_with = "rfc_3339")]
    pub since: Timestamp,
    /// The last one.
    #[serde(serialize_with = "rfc_3339")]
    pub last_seen: Timestamp,
    /// How many events stand behind it.
    pub support: usize,
    /// Every event behind it, the strongest first. Their values sum to `score`, their strengths to
    /// `strength`.
    pub contributions: Vec<Reason>,
}

/// One interest with the places in texts where the entity is named.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The interest.
    pub interest: Interest,
    /// Where the texts of what the user acted on name the entity, in the order of the interest's
    /// contributions.
    pub evidence: Vec<TextSpan>,
    /// Are there more spans than the [`MAX_SPANS`] that are here?
    pub evidence_capped: bool,
}

/// The most spans of an [`Explanation`].
pub const MAX_SPANS: usize = 1_000;

/// What speaks for one entity, summed over a history.
#[derive(Default)]
struct Sum {
    long: f64,
    short: f64,
    /// Place of the event in the history, its part of `long`, the relation it came by.
    parts: Vec<(usize, f64, Option<RelationId>)>,
}

/// The interests of a history, best score first, ties by name.
///
/// Entities whose strength is not above 0 are left out: the user is not into them.
///
/// # Arguments
/// * `history`: ascending by time; events after `params.at` must not be in it.
///
/// # Complexity
/// * Time: **O(n e)** for **n** events on items with **e** entities.
pub fn of_history(
    snapshot: &Snapshot,
    history: &History,
    params: &InterestParams,
) -> Vec<Interest> {
    let Some(last) = history.last() else { return Vec::new() };
    // Shares are taken at the last event, where weights are not yet too small to divide.
    let sums = sum(snapshot, history, last);
    let mut totals: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (entity, sum) in &sums {
        let total = totals.entry(snapshot.names().entity_type(*entity)).or_default();
        total.0 += sum.long.max(0.0);
        total.1 += sum.short.max(0.0);
    }
    let wanted = |entity_type: &str| {
        params.types.is_empty() || params.types.iter().any(|wanted| wanted == entity_type)
    };
    let mut interests: Vec<Interest> = sums
        .into_iter()
        .filter(|(entity, sum)| sum.long > 0.0 && wanted(snapshot.names().entity_type(*entity)))
        .map(|(entity, sum)| {
            let total = totals[snapshot.names().entity_type(entity)];
            interest(snapshot, history, (entity, sum), total, (last, params.at))
        })
        .collect();
    interests.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.entity.cmp(&b.entity)));
    interests.truncate(params.k);
    interests
}

fn sum(snapshot: &Snapshot, history: &History, at: Timestamp) -> BTreeMap<NodeIndex, Sum> {
    let rules = &snapshot.schema().interest;
    let mut sums: BTreeMap<NodeIndex, Sum> = BTreeMap::new();
    let mut facets: BTreeMap<NodeIndex, Vec<Facet>> = BTreeMap::new();
    for (place, act) in history.acts.iter().enumerate() {
        let long = act.worth(at, rules.long_half_life_days);
        let short = act.worth(at, rules.short_half_life_days);
        let mut add = |entity: NodeIndex, share: f64, relation: Option<RelationId>| {
            let sum = sums.entry(entity).or_default();
            sum.long += long * share;
            sum.short += short * share;
            sum.parts.push((place, long * share, relation));
        };
        if snapshot.names().kind(act.target) == NodeKind::Entity {
            add(act.target, 1.0, None);
            continue;
        }
        for facet in facets.entry(act.target).or_insert_with(|| snapshot.entities(act.target)) {
            add(facet.entity, facet.share, Some(facet.relation));
        }
    }
    sums
}

fn interest(
    snapshot: &Snapshot,
    history: &History,
    (entity, sum): (NodeIndex, Sum),
    (long_total, short_total): (f64, f64),
    (last, at): (Timestamp, Timestamp),
) -> Interest {
    let rules = &snapshot.schema().interest;
    let name = snapshot.names().get(entity);
    let entity_type = snapshot.names().entity_type(entity);
    let share = sum.long / long_total;
    let short_share = if short_total > 0.0 { sum.short.max(0.0) / short_total } else { 0.0 };
    let background = snapshot.background().share(entity, entity_type);
    let lift = share / background;
    let score = share * lift.log2();
    let until_now = decay(at.since(last), Some(rules.long_half_life_days));
    let relation = |id: RelationId| snapshot.schema().relation_name(id).to_owned();
    let mut contributions: Vec<Reason> = sum
        .parts
        .iter()
        .map(|(place, part, by)| Reason {
            contribution: Contribution {
                source: "interest".into(),
                event: Some(history.acts[*place].name(snapshot)),
                value: score * part / sum.long,
            },
            strength: part * until_now,
            relation: by.map(relation),
        })
        .collect();
    // The sort is stable: of equals the earlier event comes first.
    contributions.sort_by(|a, b| b.strength.abs().total_cmp(&a.strength.abs()));
    let acts = || sum.parts.iter().map(|(place, ..)| &history.acts[*place]);
    let since = acts().map(|act| act.at).min().unwrap_or(last);
    let last_seen = acts().map(|act| act.at).max().unwrap_or(last);
    let trend = short_share / share;
    Interest {
        node: entity,
        entity: name.map(|name| name.key.name.clone()).unwrap_or_default(),
        label: name.map(|name| name.label.clone()).unwrap_or_default(),
        entity_type: entity_type.to_owned(),
        score,
        strength: sum.long * until_now,
        share,
        short_share,
        background,
        lift,
        trend,
        stage: stage(rules, at.since(since), at.since(last_seen), trend),
        since,
        last_seen,
        support: acts().filter(|act: &&Act| !act.masked).count(),
        contributions,
    }
}

fn stage(rules: &InterestRules, age_ms: i64, quiet_ms: i64, trend: f64) -> Stage {
    let days = |ms: i64| ms as f64 / DAY_MS as f64;
    if days(quiet_ms) > rules.dormant_days {
        Stage::Dormant
    } else if days(age_ms) <= rules.new_days {
        Stage::New
    } else if trend >= rules.rising_ratio {
        Stage::Rising
    } else if trend <= rules.fading_ratio {
        Stage::Fading
    } else {
        Stage::Steady
    }
}

#[cfg(test)]
mod tests;
