//! Figures of ranks: the mean reciprocal rank and the share of answers among the first.

use serde::Serialize;

/// Two-sided 95 % of a normal distribution.
const WITHIN: f64 = 1.96;

/// Figures of some ranks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Hits {
    /// Mean reciprocal rank.
    pub mrr: f64,
    /// Half of its 95 % interval.
    pub mrr_within: f64,
    /// Share of ranks that are 1.
    pub hits_1: f64,
    /// Share of ranks up to 3.
    pub hits_3: f64,
    /// Share of ranks up to 10.
    pub hits_10: f64,
    /// Half of its 95 % interval.
    pub hits_10_within: f64,
    /// The mean rank.
    pub mean_rank: f64,
    /// Number of ranks.
    pub n_cases: usize,
}

impl Hits {
    /// The figures of `ranks`, of which 1 is the best; zeros for none.
    pub fn of(ranks: &[f64]) -> Self {
        let n_cases = ranks.len();
        let n = n_cases.max(1) as f64;
        let mean = |of: &dyn Fn(f64) -> f64| ranks.iter().map(|rank| of(*rank)).sum::<f64>() / n;
        let within = |of: &dyn Fn(f64) -> f64| {
            let middle = mean(of);
            let variance = mean(&|rank| (of(rank) - middle).powi(2));
            WITHIN * (variance / n).sqrt()
        };
        let hit = |k: f64| move |rank: f64| f64::from(u8::from(rank <= k));
        Self {
            mrr: mean(&|rank| 1.0 / rank),
            mrr_within: within(&|rank| 1.0 / rank),
            hits_1: mean(&hit(1.0)),
            hits_3: mean(&hit(3.0)),
            hits_10: mean(&hit(10.0)),
            hits_10_within: within(&hit(10.0)),
            mean_rank: mean(&|rank| rank),
            n_cases,
        }
    }
}

/// Figures of both sides, and of each.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TripleScores {
    /// Both sides together.
    #[serde(flatten)]
    pub both: Hits,
    /// Where the tail was asked for.
    pub tail: Hits,
    /// Where the head was asked for.
    pub head: Hits,
}

impl TripleScores {
    /// The figures of ranks, of which every second one is that of a head, as [`super::cases`] has them.
    pub fn of(ranks: &[f64]) -> Self {
        let side = |first: usize| {
            Hits::of(&ranks.iter().copied().skip(first).step_by(2).collect::<Vec<_>>())
        };
        Self { both: Hits::of(ranks), tail: side(0), head: side(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_definition() {
        let scores = TripleScores::of(&[1.0, 2.0, 4.0, 20.0]);
        assert!((scores.both.mrr - (1.0 + 0.5 + 0.25 + 0.05) / 4.0).abs() < 1e-12);
        assert_eq!(
            (scores.both.hits_1, scores.both.hits_3, scores.both.hits_10),
            (0.25, 0.5, 0.75)
        );
        assert_eq!((scores.tail.n_cases, scores.tail.mrr), (2, 0.625));
        assert_eq!((scores.head.hits_10, scores.head.mean_rank), (0.5, 11.0));
        // Half hit and half not: 1.96 · √(0.5 · 0.5 / 2).
        assert!((scores.head.hits_10_within - 1.96 * 0.125_f64.sqrt()).abs() < 1e-12);
        assert_eq!(TripleScores::of(&[]).both, Hits::default());
    }
}
