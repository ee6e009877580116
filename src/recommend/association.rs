//! What goes with what: association rules from everybody's baskets.
//!
//! Who holds all of the antecedent may hold the consequent too. Support is the share of baskets that hold
//! both, confidence the share of the antecedent's, lift the confidence over the share of all baskets that
//! hold the consequent. The counts are exact: for given items, the baskets that hold them are read, by
//! intersection of their lists of holders.
//!
//! Sources: Agrawal, Imielinski & Swami, "Mining association rules between sets of items in large
//! databases", SIGMOD 1993; Zaki, "Scalable algorithms for association mining", TKDE 2000 (lists of
//! holders); Brin et al., "Dynamic itemset counting", SIGMOD 1997 (lift, there "interest"); Wilson, JASA
//! 1927, for the lower end of a share.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

/// The normal quantile of a one-sided bound at 97.5 %.
const Z: f64 = 1.959_963_985;

/// That who holds the antecedent holds the consequent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule<I> {
    /// What is held, ascending.
    pub antecedent: Vec<I>,
    /// What is held with it.
    pub consequent: I,
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
    /// As the lift, with the lower end of the confidence's interval: what few baskets say counts less.
    pub careful_lift: f64,
}

/// What goes with `items`: for each consequent its strongest rule, whose antecedent is one of the items, two
/// of them or all of them; best careful lift first, then by consequent.
///
/// # Arguments
/// * `n_baskets`: all there are.
/// * `holders`: the baskets that hold an item, ascending.
/// * `contents`: what a basket holds.
/// * `min_count`: rules of fewer baskets are left out.
///
/// # Complexity
/// * Time: **O(a c)** for **a** antecedents, quadratic in the items, and the contents **c** of the baskets
///   of each.
pub(super) fn with<I: Copy + Ord + Hash, B: Copy + Ord>(
    items: &BTreeSet<I>,
    n_baskets: usize,
    holders: impl Fn(I) -> Vec<B>,
    contents: impl Fn(B) -> Vec<I>,
    min_count: usize,
) -> Vec<Rule<I>> {
    let held: BTreeMap<I, Vec<B>> = items.iter().map(|item| (*item, holders(*item))).collect();
    let mut best: BTreeMap<I, Rule<I>> = BTreeMap::new();
    let mut shares: BTreeMap<I, f64> = BTreeMap::new();
    for antecedent in antecedents(items) {
        let mut lists = antecedent.iter().filter_map(|item| held.get(item));
        let Some(mut baskets) = lists.next().cloned() else { continue };
        lists.for_each(|list| baskets.retain(|basket| list.binary_search(basket).is_ok()));
        if baskets.len() < min_count.max(1) {
            continue;
        }
        let mut counts: BTreeMap<I, usize> = BTreeMap::new();
        for basket in &baskets {
            let held: BTreeSet<I> = contents(*basket).into_iter().collect();
            held.difference(items).for_each(|item| *counts.entry(*item).or_default() += 1);
        }
        for (consequent, count) in counts.into_iter().filter(|(_, count)| *count >= min_count) {
            let share = *shares
                .entry(consequent)
                .or_insert_with(|| holders(consequent).len() as f64 / n_baskets as f64);
            let of = baskets.len();
            let confidence = count as f64 / of as f64;
            let rule = Rule {
                antecedent: antecedent.clone(),
                consequent,
                count,
                of,
                support: count as f64 / n_baskets as f64,
                confidence,
                lift: confidence / share,
                careful_lift: lower_share(count, of) / share,
            };
            let better = best.get(&consequent).is_none_or(|b| rule.careful_lift > b.careful_lift);
            if better {
                best.insert(consequent, rule);
            }
        }
    }
    let mut rules: Vec<Rule<I>> = best.into_values().collect();
    // Stable: of equals the earlier consequent comes first.
    rules.sort_by(|a, b| b.careful_lift.total_cmp(&a.careful_lift));
    rules
}

/// Each item, each two, and all of them.
fn antecedents<I: Copy + Ord>(items: &BTreeSet<I>) -> BTreeSet<Vec<I>> {
    let all: Vec<I> = items.iter().copied().collect();
    let mut antecedents: BTreeSet<Vec<I>> = all.iter().map(|item| vec![*item]).collect();
    for (place, first) in all.iter().enumerate() {
        antecedents.extend(all[place + 1..].iter().map(|second| vec![*first, *second]));
    }
    antecedents.insert(all);
    antecedents
}

/// The lower end of Wilson's interval for `count` of `of`.
pub(super) fn lower_share(count: usize, of: usize) -> f64 {
    let (n, share) = (of as f64, count as f64 / of as f64);
    let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((share + Z * Z / (2.0 * n) - spread) / (1.0 + Z * Z / n)).max(0.0)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn rules(baskets: &[Vec<u8>], items: &[u8], min_count: usize) -> Vec<Rule<u8>> {
        let holders =
            |item| (0..baskets.len()).filter(|basket| baskets[*basket].contains(&item)).collect();
        let contents = |basket: usize| baskets[basket].clone();
        with(&items.iter().copied().collect(), baskets.len(), holders, contents, min_count)
    }

    /// Tan, Steinbach & Kumar, "Introduction to Data Mining", table 6.1: {milk, diapers} -> beer has
    /// support 2/5 and confidence 2/3.
    #[test]
    fn the_worked_example() {
        let [bread, milk, diapers, beer, eggs, cola] = [0, 1, 2, 3, 4, 5];
        let baskets = [
            vec![bread, milk],
            vec![bread, diapers, beer, eggs],
            vec![milk, diapers, beer, cola],
            vec![bread, milk, diapers, beer],
            vec![bread, milk, diapers, cola],
        ];
        let found = rules(&baskets, &[milk, diapers], 1);
        let cola = found.iter().find(|rule| rule.consequent == cola).unwrap();
        // All who have cola have milk and diapers: the rule of both is the strongest.
        assert_eq!(cola.antecedent, [milk, diapers]);
        assert_eq!((cola.count, cola.of, cola.support), (2, 3, 0.4));
        assert_eq!(cola.confidence, 2.0 / 3.0);
        assert!((cola.lift - (2.0 / 3.0) / 0.4).abs() < 1e-12);
        let beer = found.iter().find(|rule| rule.consequent == beer).unwrap();
        assert_eq!((beer.antecedent.as_slice(), beer.count, beer.of), (&[diapers][..], 3, 4));
        assert!((beer.lift - 0.75 / 0.6).abs() < 1e-12);
    }

    #[test]
    fn counts_are_those_of_looking_at_every_basket() {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        for _ in 0..50 {
            let baskets: Vec<Vec<u8>> =
                (0..60).map(|_| (0..12).filter(|_| rng.random::<f64>() < 0.3).collect()).collect();
            for rule in rules(&baskets, &[0, 1, 2], 2) {
                let all = |basket: &&Vec<u8>| rule.antecedent.iter().all(|i| basket.contains(i));
                let of: Vec<_> = baskets.iter().filter(all).collect();
                let both = of.iter().filter(|basket| basket.contains(&rule.consequent)).count();
                assert_eq!((rule.count, rule.of), (both, of.len()));
                let share = baskets.iter().filter(|b| b.contains(&rule.consequent)).count();
                let lift = both as f64 / of.len() as f64 / (share as f64 / 60.0);
                assert!((rule.lift - lift).abs() < 1e-12 && rule.careful_lift <= rule.lift);
                assert!(rule.consequent > 2 && rule.count >= 2);
            }
        }
    }

    #[test]
    fn nothing_goes_with_what_nobody_holds() {
        assert!(rules(&[vec![1, 2]], &[9], 1).is_empty());
        assert!(rules(&[], &[1], 1).is_empty());
        assert!(rules(&[vec![1, 2]], &[], 1).is_empty());
    }

    #[test]
    fn the_lower_end_of_a_share() {
        // Wilson's interval of 8 in 10 is 0.490 to 0.943.
        assert!((lower_share(8, 10) - 0.490).abs() < 5e-4);
        assert_eq!(lower_share(0, 5), 0.0);
    }
}
