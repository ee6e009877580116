//! What a request makes of the ranked candidates: who may count, who may be shown, in which order.
//!
//! A [`Rule`] may leave events of the history out, drop candidates, or arrange those that are left. None
//! changes a score: that stays the sum of its parts, and what a rule did is told beside it ([`Effect`],
//! [`Moved`]). Rules that drop come before those that arrange. Adding one is a file and a row of
//! [`RULES`].

mod cap;
mod diversity;
mod domain;
mod exploration;
mod filter;
mod seen;

use serde::Serialize;

use super::explore::{Policy, Trials};
use super::{Part, RecommendError};
use crate::explain::History;
use crate::graph::NodeIndex;
use crate::snapshot::Snapshot;

pub use cap::Cap;

/// What a request asks of its answer beside relevance. The default changes nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleParams {
    /// What may be shown, as a filter; empty: anything.
    pub filter: String,
    /// What of the history counts, as a filter on what was acted on; empty: all.
    pub source: String,
    /// The domain that is to be recommended from, as a filter; empty: any.
    pub target: String,
    /// May what the user has acted on be shown again?
    pub keep_seen: bool,
    /// In [0, 1]: 0 goes by relevance, 1 by unlikeness alone.
    pub diversity: f64,
    /// The share of places that explore, in [0, 1].
    pub exploration: f64,
    /// Who is put in those.
    pub policy: Policy,
    /// How often one item may be shown to one user.
    pub cap: Option<Cap>,
    /// Seed of what is drawn.
    pub seed: u64,
}

/// What was shown before.
pub trait Shown {
    /// How often this user was shown a node in the last `window_ms`.
    fn times(&self, node: NodeIndex, window_ms: i64) -> usize;
    /// How everybody took a node.
    fn trials(&self, node: NodeIndex) -> Trials;
}

/// Nothing was shown yet.
pub struct Nothing;

impl Shown for Nothing {
    fn times(&self, _: NodeIndex, _: i64) -> usize {
        0
    }

    fn trials(&self, _: NodeIndex) -> Trials {
        Trials::default()
    }
}

/// What rules go by.
pub struct Asked<'a> {
    /// The graph.
    pub snapshot: &'a Snapshot,
    /// What the user did.
    pub history: &'a History,
    /// What was shown before.
    pub shown: &'a dyn Shown,
    /// The user and the request: with the seed, these decide what is drawn.
    pub request: [&'a str; 2],
    /// So many are shown.
    pub k: usize,
}

/// What may be shown, best first.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The node.
    pub node: NodeIndex,
    /// The sum of the parts.
    pub score: f64,
    /// What the score is made of.
    pub parts: Vec<Part>,
    /// The probability that it stands where it does, given what stands above.
    pub propensity: f64,
    /// Who would stand here, where the place explores.
    pub instead_of: Option<NodeIndex>,
}

/// A rule, made for one request.
pub trait Rule {
    /// Does what the user did to `target` count?
    fn counts(&self, _asked: &Asked<'_>, _target: NodeIndex) -> bool {
        true
    }

    /// May `node` be shown?
    fn keeps(&self, _asked: &Asked<'_>, _node: NodeIndex) -> bool {
        true
    }

    /// Puts candidates, best first, into another order; none is lost.
    fn arrange(&self, _asked: &Asked<'_>, candidates: Vec<Candidate>) -> Vec<Candidate> {
        candidates
    }
}

/// A rule for one request, where the request asks for it.
pub type Built = Result<Option<Box<dyn Rule>>, RecommendError>;

/// A rule that can be named.
pub struct RuleEntry {
    /// The name, as answers tell it.
    pub name: &'static str,
    /// Makes one for a request.
    pub build: fn(&RuleParams, &Snapshot) -> Built,
}

/// Every rule, in the order in which they are applied.
pub const RULES: &[RuleEntry] = &[
    RuleEntry { name: "seen", build: seen::build },
    RuleEntry { name: "domain", build: domain::build },
    RuleEntry { name: "filter", build: filter::build },
    RuleEntry { name: "cap", build: cap::build },
    RuleEntry { name: "diversity", build: diversity::build },
    RuleEntry { name: "exploration", build: exploration::build },
];

/// What a rule did to an answer as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effect {
    /// The rule.
    pub rule: String,
    /// Events of the history that it left out.
    pub ignored: usize,
    /// Candidates that it dropped.
    pub dropped: usize,
}

/// That a rule moved a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The rule.
    pub rule: String,
    /// The place before, from 1.
    pub from: usize,
    /// The place after, from 1.
    pub to: usize,
}

/// A number of a rule that must lie in [0, 1].
fn share(field: &'static str, found: f64) -> Result<f64, RecommendError> {
    if (0.0..=1.0).contains(&found) {
        return Ok(found);
    }
    Err(RecommendError::Rule { field, found, expected: "a number from 0 to 1" })
}

/// How many of the best candidates rules that arrange look at.
fn pool(k: usize) -> usize {
    k.saturating_mul(5).max(100)
}

/// The candidates at `order` first, then the others as they were.
fn chosen_first(candidates: Vec<Candidate>, order: &[usize]) -> Vec<Candidate> {
    let mut slots: Vec<Option<Candidate>> = candidates.into_iter().map(Some).collect();
    let mut arranged: Vec<Candidate> =
        order.iter().filter_map(|place| slots.get_mut(*place)?.take()).collect();
    arranged.extend(slots.into_iter().flatten());
    arranged
}
