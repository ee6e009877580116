//! All association rules of everybody's baskets: what follows from what.
//!
//! A basket is what a user cares for, or what they did in one sitting: events without a long time between
//! them. Rules have one consequent, as those of [`super::together`].
//!
//! Sources: Agrawal, Imielinski & Swami, SIGMOD 1993 (rules of one consequent, support, confidence); Brin et
//! al., SIGMOD 1997 (lift); Catledge & Pitkow, "Characterizing browsing strategies in the World-Wide Web",
//! 1995 (sittings by a time gap; theirs is 25.5 minutes).

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use super::association::lower_share;
use super::fp_growth::frequent_sets;
use super::{Named, RecommendError};
use crate::graph::NodeIndex;
use crate::snapshot::Snapshot;

/// The most sets of items that are looked at.
const MAX_SETS: usize = 2_000_000;

/// Which rules are told.
#[derive(Clone, Debug, PartialEq)]
pub struct BasketRuleParams {
    /// The least share of all baskets that hold all of a rule, in (0, 1]. Default: 0.01.
    pub min_support: f64,
    /// The least share of the antecedent's baskets that hold the consequent, in [0, 1]. Default: 0.1.
    pub min_confidence: f64,
    /// The least lift, at least 0. Default: 1.
    pub min_lift: f64,
    /// The most items of a rule, its consequent included, from 2. Default: 3.
    pub max_items: usize,
    /// At most so many. Default: 20.
    pub k: usize,
}

impl Default for BasketRuleParams {
    fn default() -> Self {
        Self { min_support: 0.01, min_confidence: 0.1, min_lift: 1.0, max_items: 3, k: 20 }
    }
}

impl BasketRuleParams {
    fn check(&self) -> Result<(), RecommendError> {
        let refused = |field, found, expected| Err(RecommendError::Rule { field, found, expected });
        if !(self.min_support > 0.0 && self.min_support <= 1.0) {
            return refused("min_support", self.min_support, "a share above 0, at most 1");
        }
        if !(0.0..=1.0).contains(&self.min_confidence) {
            return refused("min_confidence", self.min_confidence, "a share from 0 to 1");
        }
        if !(self.min_lift >= 0.0 && self.min_lift.is_finite()) {
            return refused("min_lift", self.min_lift, "a number from 0 up");
        }
        if !(2..=MAX_ITEMS).contains(&self.max_items) {
            return refused("max_items", self.max_items as f64, "a number from 2 to 10");
        }
        Ok(())
    }
}

/// The most items of a rule that may be asked for.
const MAX_ITEMS: usize = 10;

/// That baskets which hold the antecedent hold the consequent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BasketRule {
    /// What is held, by kind and id.
    pub antecedent: Vec<Named>,
    /// What is held with it.
    pub consequent: Named,
    /// Baskets that hold all of it.
    pub count: usize,
    /// Baskets that hold the antecedent.
    pub of: usize,
    /// The share of all baskets that hold all of it.
    pub support: f64,
    /// The share of the antecedent's baskets that hold the consequent.
    pub confidence: f64,
    /// The confidence over the share of all baskets that hold the consequent.
    pub lift: f64,
    /// As the lift, with the lower end of the confidence's interval at 95 %: the order of the answer.
    pub careful_lift: f64,
}

/// Rules, and what they are of.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BasketRules {
    /// Baskets in all.
    pub baskets: usize,
    /// Rules that there are; those told are the first.
    pub found: usize,
    /// Greatest careful lift first, then greatest support, then by name.
    pub rules: Vec<BasketRule>,
}

/// The rules of `baskets`, each of which holds what it holds once.
///
/// # Errors
/// [`RecommendError::Rule`] for a number out of its range, [`RecommendError::TooManySets`].
pub fn basket_rules(
    snapshot: &Snapshot,
    baskets: &[BTreeSet<NodeIndex>],
    params: &BasketRuleParams,
) -> Result<BasketRules, RecommendError> {
    params.check()?;
    let n_baskets = baskets.len();
    let least = (params.min_support * n_baskets as f64).ceil() as usize;
    let held: Vec<Vec<u32>> = baskets
        .iter()
        .map(|basket| basket.iter().map(|node| node.index() as u32).collect())
        .collect();
    let sets = frequent_sets(&held, least, params.max_items, MAX_SETS)
        .ok_or(RecommendError::TooManySets { limit: MAX_SETS })?;
    let counts: HashMap<&[u32], usize> =
        sets.iter().map(|(set, count)| (set.as_slice(), *count)).collect();
    let mut rules = Vec::new();
    for (set, count) in sets.iter().filter(|(set, _)| set.len() > 1) {
        for consequent in set {
            let rest: Vec<u32> = set.iter().copied().filter(|item| item != consequent).collect();
            // Whatever is held as often is held in part as often.
            let both = (counts.get(rest.as_slice()), counts.get(&[*consequent][..]));
            let (Some(&of), Some(&alone)) = both else { continue };
            let share = alone as f64 / n_baskets as f64;
            let confidence = *count as f64 / of as f64;
            if confidence < params.min_confidence || confidence / share < params.min_lift {
                continue;
            }
            rules.push(Found {
                antecedent: rest,
                consequent: *consequent,
                count: *count,
                of,
                confidence,
                lift: confidence / share,
                careful_lift: lower_share(*count, of) / share,
            });
        }
    }
    let by_name = |a: &Found, b: &Found| a.names(snapshot).cmp(&b.names(snapshot));
    rules.sort_by(|a, b| {
        b.careful_lift
            .total_cmp(&a.careful_lift)
            .then(b.count.cmp(&a.count))
            .then_with(|| by_name(a, b))
    });
    let found = rules.len();
    rules.truncate(params.k);
    let named = |rule: Found| rule.named(snapshot, n_baskets);
    Ok(BasketRules { baskets: n_baskets, found, rules: rules.into_iter().map(named).collect() })
}

/// A rule by the places of its nodes.
struct Found {
    antecedent: Vec<u32>,
    consequent: u32,
    count: usize,
    of: usize,
    confidence: f64,
    lift: f64,
    careful_lift: f64,
}

impl Found {
    fn names<'s>(&self, snapshot: &'s Snapshot) -> Vec<Option<&'s crate::event::NodeKey>> {
        let nodes = self.antecedent.iter().chain([&self.consequent]);
        let key =
            |node: &u32| snapshot.names().get(NodeIndex::new(*node as usize)).map(|name| &name.key);
        nodes.map(key).collect()
    }

    fn named(self, snapshot: &Snapshot, n_baskets: usize) -> BasketRule {
        let named = |node: &u32| Named::of(snapshot, NodeIndex::new(*node as usize));
        let mut antecedent: Vec<Named> = self.antecedent.iter().map(named).collect();
        antecedent.sort_by(|a, b| (a.kind, &a.id).cmp(&(b.kind, &b.id)));
        BasketRule {
            antecedent,
            consequent: named(&self.consequent),
            count: self.count,
            of: self.of,
            support: self.count as f64 / n_baskets as f64,
            confidence: self.confidence,
            lift: self.lift,
            careful_lift: self.careful_lift,
        }
    }
}

/// Parts of a history without more than `gap_ms` between an event and the next: sittings.
///
/// # Arguments
/// * `acts`: time in milliseconds, and what was acted on; ascending by time.
pub fn sittings(acts: &[(i64, NodeIndex)], gap_ms: i64) -> Vec<BTreeSet<NodeIndex>> {
    let near = |a: &(i64, NodeIndex), b: &(i64, NodeIndex)| b.0 - a.0 <= gap_ms;
    acts.chunk_by(near).map(|acts| acts.iter().map(|(_, node)| *node).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_time_parts_sittings() {
        let node = NodeIndex::new;
        let acts = [(0, node(1)), (10, node(2)), (20, node(1)), (31, node(3)), (60, node(1))];
        let of = |nodes: &[usize]| nodes.iter().map(|n| node(*n)).collect::<BTreeSet<_>>();
        assert_eq!(sittings(&acts, 10), [of(&[1, 2]), of(&[3]), of(&[1])]);
        assert_eq!(sittings(&acts, 29), [of(&[1, 2, 3])]);
        assert!(sittings(&[], 10).is_empty());
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let check = |change: fn(&mut BasketRuleParams), field: &str| {
            let mut params = BasketRuleParams::default();
            change(&mut params);
            let error = params.check().unwrap_err().to_string();
            assert!(error.starts_with(field), "{error}");
        };
        check(|params| params.min_support = 0.0, "min_support is 0");
        check(|params| params.min_support = f64::NAN, "min_support");
        check(|params| params.min_confidence = 1.1, "min_confidence");
        check(|params| params.min_lift = f64::INFINITY, "min_lift");
        check(|params| params.max_items = 1, "max_items is 1");
        BasketRuleParams::default().check().unwrap();
    }
}
