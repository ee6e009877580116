//! A recommendation under rules: what is shown, with which probability, and what each rule did.

use std::collections::HashMap;

use serde::Serialize;

use super::rules::{Asked, Candidate, Effect, Moved, RULES, RuleParams, Shown};
use super::{RecommendError, RecommendParams, Recommendation, by_name, explained, ranked};
use crate::explain::History;
use crate::graph::NodeIndex;
use crate::snapshot::Snapshot;

/// A result under rules.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Placed {
    /// The result and why; its score is untouched by rules.
    #[serde(flatten)]
    pub recommendation: Recommendation,
    /// The probability that it stands where it does, given what stands above; 1 without exploration.
    pub propensity: f64,
    /// Is it there to learn from?
    pub explored: bool,
    /// Who would stand here otherwise.
    #[serde(skip)]
    pub instead_of: Option<NodeIndex>,
    /// Which rules moved it, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub moved: Vec<Moved>,
}

impl Placed {
    /// A result that no rule touched.
    pub fn certain(recommendation: Recommendation) -> Self {
        let moved = Vec::new();
        Self { recommendation, propensity: 1.0, explored: false, instead_of: None, moved }
    }
}

/// An answer under rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// In the order to be shown.
    pub results: Vec<Placed>,
    /// What each rule that the request asked for did.
    pub effects: Vec<Effect>,
}

/// The best items for a history, as rules allow and arrange them.
///
/// # Arguments
/// * `request`: the user's id and the request's; with the seed of `rules`, all that draws depend on.
///
/// # Errors
/// [`RecommendError`].
pub fn serve(
    snapshot: &Snapshot,
    history: &History,
    params: &RecommendParams,
    rules: &RuleParams,
    shown: &dyn Shown,
    request: [&str; 2],
) -> Result<Answer, RecommendError> {
    let recommender = (by_name(&params.method)?.build)();
    let mut built = Vec::new();
    for entry in RULES {
        if let Some(rule) = (entry.build)(rules, snapshot)? {
            let effect = Effect { rule: entry.name.to_owned(), ignored: 0, dropped: 0 };
            built.push((rule, effect));
        }
    }
    let mut counted = history.clone();
    let asked = Asked { snapshot, history, shown, request, k: params.k };
    for act in counted.acts.iter_mut().filter(|act| !act.masked) {
        let against = built.iter_mut().find(|(rule, _)| !rule.counts(&asked, act.target));
        if let Some((_, effect)) = against {
            // What does not count weighs nothing, as if the question masked it.
            act.masked = true;
            effect.ignored += 1;
        }
    }
    let scores = recommender.score(snapshot, &counted)?;
    let mut candidates = ranked(snapshot, scores, &params.kinds);
    for (rule, effect) in &mut built {
        let before = candidates.len();
        candidates.retain(|candidate| rule.keeps(&asked, candidate.node));
        effect.dropped = before - candidates.len();
    }
    let mut moves: HashMap<NodeIndex, Vec<Moved>> = HashMap::new();
    for (rule, effect) in &built {
        let before: HashMap<NodeIndex, usize> = places(&candidates).collect();
        candidates = rule.arrange(&asked, candidates);
        for (node, to) in places(&candidates).take(params.k) {
            let from = before.get(&node).copied().unwrap_or(to);
            if from != to {
                let moved = Moved { rule: effect.rule.clone(), from, to };
                moves.entry(node).or_default().push(moved);
            }
        }
    }
    candidates.truncate(params.k);
    let results = candidates.into_iter().map(|candidate| {
        let Candidate { node, score, parts, propensity, instead_of } = candidate;
        Placed {
            recommendation: explained(snapshot, &counted, node, score, parts),
            propensity,
            explored: instead_of.is_some(),
            instead_of,
            moved: moves.remove(&node).unwrap_or_default(),
        }
    });
    Ok(Answer {
        results: results.collect(),
        effects: built.into_iter().map(|(_, effect)| effect).collect(),
    })
}

/// Places from 1.
fn places(candidates: &[Candidate]) -> impl Iterator<Item = (NodeIndex, usize)> + '_ {
    candidates.iter().enumerate().map(|(place, candidate)| (candidate.node, place + 1))
}

#[cfg(test)]
mod tests;
