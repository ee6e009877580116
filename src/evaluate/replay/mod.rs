//! Replay: what another policy would have brought, judged on the log of what was shown.
//!
//! A record of the log has each place's propensity and who would have stood there without exploring. Joined
//! with rewards it tells what showing no such places (`greedy`), or any policy whose probabilities are
//! given, would have brought. Users' arms of experiments are told apart.

mod off_policy;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::event::NodeKey;
use crate::schema::{DAY_MS, NodeKind};
use crate::store::{Evidence, NodeId, ServedRecord, StoreError, View};

pub use off_policy::{Decision, Estimate, Estimates, OffPolicyError, estimate};

/// What came of showing an item.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reward {
    /// The answer that showed it.
    pub recommendation_id: String,
    /// The item.
    pub id: String,
    /// How good it was; several of one item add up.
    pub reward: f64,
}

/// What another policy would show in a place of an answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The answer.
    pub recommendation_id: String,
    /// The place, from 1.
    pub place: usize,
    /// Items and their probabilities, which sum to 1.
    pub items: BTreeMap<String, f64>,
}

/// What another policy would show, by answer and place.
type ByPlace<'a> = HashMap<(&'a str, usize), &'a BTreeMap<String, f64>>;

/// What replay found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replay {
    /// Records that were left out, because one of the same id came before.
    pub repeated: usize,
    /// Rewards of answers or items that the log does not have.
    pub unmatched_rewards: usize,
    /// Places that the other policy's probabilities do not name; they are left out.
    pub places_without_target: usize,
    /// Everybody.
    pub all: Estimates,
    /// By arm of an experiment; arms of fewer than two answers are left out.
    pub arms: BTreeMap<String, Estimates>,
}

/// Judges a policy on a log.
///
/// # Arguments
/// * `targets`: what the policy would show; without it, the policy that never explores is judged.
///
/// # Errors
/// [`OffPolicyError`].
pub fn replay(
    records: &[ServedRecord],
    rewards: &[Reward],
    targets: Option<&[Target]>,
) -> Result<Replay, OffPolicyError> {
    let (mut known, mut repeated) = (BTreeSet::new(), 0);
    let mut gained: HashMap<(&str, &str), f64> = HashMap::new();
    for Reward { recommendation_id, id, reward } in rewards {
        *gained.entry((recommendation_id, id)).or_default() += reward;
    }
    let targets: Option<ByPlace<'_>> = targets.map(|targets| {
        targets
            .iter()
            .map(|one| ((one.recommendation_id.as_str(), one.place), &one.items))
            .collect()
    });
    let mut actions: HashMap<&str, usize> = HashMap::new();
    let mut without = 0;
    let mut requests = Vec::new();
    for record in records {
        if !known.insert(record.id.as_str()) {
            repeated += 1;
            continue;
        }
        let mut decisions = Vec::new();
        for (place, shown) in record.items.iter().enumerate() {
            let reward = gained.remove(&(record.id.as_str(), shown.id.as_str())).unwrap_or(0.0);
            let mut number = |item| {
                let next = actions.len();
                *actions.entry(item).or_insert(next)
            };
            let action = number(shown.id.as_str());
            let target = match &targets {
                None => vec![(number(shown.instead_of.as_deref().unwrap_or(&shown.id)), 1.0)],
                Some(targets) => {
                    let Some(items) = targets.get(&(record.id.as_str(), place + 1)) else {
                        without += 1;
                        continue;
                    };
                    items.iter().map(|(item, share)| (number(item), *share)).collect()
                }
            };
            decisions.push(Decision { action, propensity: shown.propensity, reward, target });
        }
        requests.push((record.arm.as_str(), decisions));
    }
    let of = |arm: Option<&str>| {
        let wanted = requests.iter().filter(|(of, _)| arm.is_none_or(|arm| arm == *of));
        let wanted: Vec<Vec<Decision>> = wanted.map(|(_, decisions)| decisions.clone()).collect();
        estimate(&wanted, actions.len())
    };
    let all = of(None)?;
    let mut arms = BTreeMap::new();
    for arm in requests.iter().map(|(arm, _)| *arm).collect::<BTreeSet<_>>() {
        if !arm.is_empty()
            && let Ok(found) = of(Some(arm))
        {
            arms.insert(arm.to_owned(), found);
        }
    }
    let unmatched_rewards = gained.len();
    Ok(Replay { repeated, unmatched_rewards, places_without_target: without, all, arms })
}

/// Rewards by the events of a store: 1 where the user acted for the item within `days` after it was shown.
///
/// # Errors
/// Those of reads.
pub fn rewards_of(
    view: &View<'_>,
    records: &[ServedRecord],
    days: f64,
) -> Result<Vec<Reward>, StoreError> {
    let mut by_user: BTreeMap<&str, Vec<&ServedRecord>> = BTreeMap::new();
    records.iter().for_each(|record| by_user.entry(&record.user).or_default().push(record));
    let window_ms = (days * DAY_MS as f64) as i64;
    let node = |kind, name: &str| NodeKey::new(kind, name).ok().map(|key| NodeId::of(&key));
    let mut rewards = Vec::new();
    for (user, records) in by_user {
        let Some(user) = node(NodeKind::User, user) else { continue };
        let mut acts: HashMap<NodeId, Vec<i64>> = HashMap::new();
        for item in view.evidence_from(user)? {
            let (edge, stamp, evidence) = item?;
            if matches!(evidence, Evidence::Event { strength, .. } if strength > 0.0) {
                acts.entry(edge.target).or_default().push(stamp.at.millis());
            }
        }
        for record in records {
            for item in &record.items {
                let target = NodeKind::parse(&item.kind).and_then(|kind| node(kind, &item.id));
                let shown = record.at.millis();
                let within = |at: &i64| *at > shown && *at - shown <= window_ms;
                if target
                    .and_then(|target| acts.get(&target))
                    .is_some_and(|at| at.iter().any(within))
                {
                    let (recommendation_id, id) = (record.id.clone(), item.id.clone());
                    rewards.push(Reward { recommendation_id, id, reward: 1.0 });
                }
            }
        }
    }
    Ok(rewards)
}
