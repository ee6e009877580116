//! Measures of one ranking, and their means over all.

use serde::Serialize;

/// How good one ranking is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measures {
    /// Share of the relevant items that are among the first `k`.
    pub recall: f64,
    /// The same over that of the best ranking: `min(k, relevant)`.
    pub recall_capped: f64,
    /// Share of the first `k` that are relevant.
    pub precision: f64,
    /// 1 when any relevant item is among the first `k`.
    pub hr: f64,
    /// Discounted gain over that of the best ranking of `k` items.
    pub ndcg: f64,
    /// Discounted gain over that of the best ranking of all relevant items, however many.
    pub ndcg_uncut: f64,
    /// Mean precision at the relevant places, over `min(k, relevant)`.
    pub map: f64,
    /// One over the place of the first relevant item.
    pub mrr: f64,
}

impl Measures {
    /// Of a ranking of items whose relevant ones are marked, best first.
    ///
    /// # Source
    /// Järvelin & Kekäläinen, TOIS 2002, with gain 1 and discount log2(place + 1).
    pub fn of(hits: &[bool], k: usize, n_relevant: usize) -> Self {
        let (mut found, mut gain, mut precisions, mut first) = (0_usize, 0.0, 0.0, 0.0);
        for (place, _) in hits.iter().take(k).enumerate().filter(|(_, hit)| **hit) {
            found += 1;
            gain += discount(place);
            precisions += found as f64 / (place + 1) as f64;
            if found == 1 {
                first = 1.0 / (place + 1) as f64;
            }
        }
        let ideal = |n: usize| (0..n).map(discount).sum::<f64>();
        Self {
            recall: found as f64 / n_relevant as f64,
            recall_capped: found as f64 / n_relevant.min(k) as f64,
            precision: found as f64 / k as f64,
            hr: f64::from(u8::from(found > 0)),
            ndcg: gain / ideal(n_relevant.min(k)),
            ndcg_uncut: gain / ideal(n_relevant),
            map: precisions / n_relevant.min(k) as f64,
            mrr: first,
        }
    }
}

fn discount(place: usize) -> f64 {
    1.0 / (place as f64 + 2.0).log2()
}

/// A mean and half the width of its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// The mean over the cases.
    pub mean: f64,
    /// 1.96 standard errors.
    pub within: f64,
}

impl Summary {
    /// Of these values.
    pub fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let n = values.clone().count() as f64;
        if n == 0.0 {
            return Self::default();
        }
        let mean = values.clone().sum::<f64>() / n;
        let squares: f64 = values.map(|value| (value - mean).powi(2)).sum();
        let variance = squares / (n - 1.0).max(1.0);
        Self { mean, within: 1.96 * (variance / n).sqrt() }
    }
}

/// How well items are found that nobody did in what the model was fitted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cold {
    /// Cases with such an item among the relevant ones.
    pub n_cases: usize,
    /// Share of these cases with such an item among the first `k`.
    pub hr: f64,
    /// Their mean gain of such items over that of the best ranking of these.
    pub ndcg: f64,
    /// What `hr` is for an order by chance.
    pub chance: f64,
}

impl Cold {
    /// Of rankings (each place: whether it holds such an item that is relevant), the number of these
    /// items of each case, and how many items it ranks. None without cases.
    pub fn of(rankings: &[(Vec<bool>, usize, usize)], k: usize) -> Option<Self> {
        let n = rankings.len() as f64;
        let mut sums = Self { n_cases: rankings.len(), ..Self::default() };
        for (hits, n_relevant, n_ranked) in rankings {
            let measures = Measures::of(hits, k, *n_relevant);
            sums.hr += measures.hr / n;
            sums.ndcg += measures.ndcg / n;
            let others = (n_ranked - n_relevant.min(n_ranked)) as f64;
            let missed = |place: usize| {
                ((others - place as f64) / (*n_ranked as f64 - place as f64)).max(0.0)
            };
            sums.chance += (1.0 - (0..k.min(*n_ranked)).map(missed).product::<f64>()) / n;
        }
        (sums.n_cases > 0).then_some(sums)
    }
}

/// How good a model is on all cases of a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Metrics {
    /// Cases measured.
    pub n_cases: usize,
    /// Places looked at.
    pub k: usize,
    /// See [`Measures::recall`].
    pub recall: Summary,
    /// See [`Measures::recall_capped`].
    pub recall_capped: Summary,
    /// See [`Measures::precision`].
    pub precision: Summary,
    /// See [`Measures::hr`].
    pub hr: Summary,
    /// See [`Measures::ndcg`].
    pub ndcg: Summary,
    /// See [`Measures::ndcg_uncut`].
    pub ndcg_uncut: Summary,
    /// See [`Measures::map`].
    pub map: Summary,
    /// See [`Measures::mrr`].
    pub mrr: Summary,
    /// Share of the items that anybody was shown.
    pub coverage: f64,
    /// Mean self-information of what was shown, in bits: `-log2` of the share of users who did it.
    pub novelty: f64,
    /// How evenly the places went to the items, from 0 to 1: one minus the Gini index.
    pub diversity: f64,
    /// The same of items that nobody did before, where there are such to find.
    pub cold: Option<Cold>,
    /// Mean over the shown of the item's share of acts over that of the mean item.
    pub popularity_bias: f64,
}

impl Metrics {
    /// Of rankings (each item with whether it is relevant), the number of relevant items of each, and
    /// how many users did each item.
    pub fn of(
        rankings: &[(Vec<(u32, bool)>, usize)],
        k: usize,
        counts: &[f32],
        n_users: usize,
    ) -> Self {
        let measures: Vec<Measures> = rankings
            .iter()
            .map(|(ranking, n_relevant)| {
                let hits: Vec<bool> = ranking.iter().map(|(_, hit)| *hit).collect();
                Measures::of(&hits, k, *n_relevant)
            })
            .collect();
        let mean = |of: fn(&Measures) -> f64| Summary::of(measures.iter().map(of));
        let mut shown = vec![0_u64; counts.len()];
        let (mut bits, mut bias, mut n_shown) = (0.0, 0.0, 0.0);
        let average =
            counts.iter().map(|count| f64::from(*count)).sum::<f64>() / counts.len().max(1) as f64;
        for (item, _) in rankings.iter().flat_map(|(ranking, _)| ranking.iter().take(k)) {
            let count = f64::from(counts[*item as usize]);
            shown[*item as usize] += 1;
            bits -= ((count + 1.0) / (n_users as f64 + 1.0)).log2();
            bias += count / average.max(f64::MIN_POSITIVE);
            n_shown += 1.0;
        }
        let n_shown = f64::max(n_shown, 1.0);
        Self {
            n_cases: rankings.len(),
            k,
            recall: mean(|of| of.recall),
            recall_capped: mean(|of| of.recall_capped),
            precision: mean(|of| of.precision),
            hr: mean(|of| of.hr),
            ndcg: mean(|of| of.ndcg),
            ndcg_uncut: mean(|of| of.ndcg_uncut),
            map: mean(|of| of.map),
            mrr: mean(|of| of.mrr),
            coverage: shown.iter().filter(|n| **n > 0).count() as f64 / shown.len().max(1) as f64,
            novelty: bits / n_shown,
            diversity: evenness(&mut shown),
            popularity_bias: bias / n_shown,
            cold: None,
        }
    }
}

/// One minus the Gini index of counts; 0 when all went to one.
fn evenness(counts: &mut [u64]) -> f64 {
    counts.sort_unstable();
    let n = counts.len() as f64;
    let total: f64 = counts.iter().map(|count| *count as f64).sum();
    if total == 0.0 {
        return 0.0;
    }
    let ranked: f64 =
        counts.iter().enumerate().map(|(at, count)| (at + 1) as f64 * *count as f64).sum();
    1.0 - (2.0 * ranked / (n * total) - (n + 1.0) / n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worked_example() {
        // Relevant at places 1 and 3 of 3; 4 relevant in all.
        let measures = Measures::of(&[true, false, true], 3, 4);
        assert_eq!((measures.recall, measures.precision), (0.5, 2.0 / 3.0));
        // At most 3 of the 4 find room.
        assert_eq!(measures.recall_capped, 2.0 / 3.0);
        assert_eq!((measures.hr, measures.mrr), (1.0, 1.0));
        let gain = 1.0 + 0.5;
        assert!((measures.ndcg - gain / (1.0 + 1.0 / 3_f64.log2() + 0.5)).abs() < 1e-12);
        let uncut = 1.0 + 1.0 / 3_f64.log2() + 0.5 + 1.0 / 5_f64.log2();
        assert!((measures.ndcg_uncut - gain / uncut).abs() < 1e-12);
        assert!((measures.map - (1.0 + 2.0 / 3.0) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn chance_finds_one_of_few_items_as_often_as_they_are_many() {
        // One relevant item among 10, 2 places; then two among 4, 2 places: 1 - (2/4)(1/3).
        let of = |n_relevant, n_ranked| {
            Cold::of(&[(vec![false, true], n_relevant, n_ranked)], 2).unwrap_or_default()
        };
        assert!((of(1, 10).chance - 0.2).abs() < 1e-12);
        assert!((of(2, 4).chance - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!((of(1, 10).n_cases, of(1, 10).hr), (1, 1.0));
        assert_eq!(Cold::of(&[], 2), None);
    }

    #[test]
    fn evenness_is_one_for_equal_counts_and_near_nothing_for_one_item() {
        assert!((evenness(&mut [5, 5, 5, 5]) - 1.0).abs() < 1e-12);
        assert!((evenness(&mut [0, 0, 0, 9]) - 0.25).abs() < 1e-12);
    }
}
