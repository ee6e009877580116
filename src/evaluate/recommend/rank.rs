//! A model ranks the items of each case.

use rayon::prelude::*;

use super::metric::{Cold, Metrics};
use super::task::{Case, Pool, Task};
use crate::embed::greatest::Greatest;
use crate::model::{Model, Parts, Wanted, distinct, every_score};

/// Cases that a model is asked about together.
const GROUP: usize = 128;

/// Ranks the items of every case by `model` and measures the first `k`.
pub fn evaluate(model: &dyn Model, task: &Task, k: usize) -> Metrics {
    measure(task, rank(model, task, k), k)
}

/// Measures the first `k` items of a ranking for each case.
pub fn measure(task: &Task, rankings: Vec<Vec<u32>>, k: usize) -> Metrics {
    let rankings: Vec<(Vec<(u32, bool)>, usize)> = rankings
        .into_iter()
        .zip(&task.cases)
        .map(|(items, case)| {
            let hit = |item: u32| (item, case.relevant.binary_search(&item).is_ok());
            (items.into_iter().map(hit).collect(), case.relevant.len())
        })
        .collect();
    let counts = task.training.matrix().column_sums();
    let metrics = Metrics::of(&rankings, k, &counts, task.training.interactions.n_users());
    Metrics { cold: cold(task, &rankings, k, &counts), ..metrics }
}

/// The `k` items of every case that `model` ranks first, best first, ties by the lower number.
pub fn rank(model: &dyn Model, task: &Task, k: usize) -> Vec<Vec<u32>> {
    let n_items = task.training.interactions.n_items();
    let groups = task.cases.par_chunks(GROUP).map(|cases| {
        if cases.iter().any(|case| matches!(case.pool, Pool::Given(_))) {
            let queries = cases.iter().map(|case| task.query(case));
            let of = |(case, mut scores): (&Case, Vec<f32>)| first(task, case, &mut scores, k);
            return cases.iter().zip(every_score(model, queries, n_items)).map(of).collect();
        }
        let wanted: Vec<Wanted<'_>> = cases.iter().map(|case| wanted(task, case)).collect();
        model.greatest(&wanted, n_items, k)
    });
    groups.collect::<Vec<Vec<_>>>().into_iter().flatten().collect()
}

/// What of all items a case ranks.
fn wanted<'a>(task: &'a Task, case: &'a Case) -> Wanted<'a> {
    let query = task.query(case);
    let n_items = task.training.interactions.n_items();
    let done = query.acts.iter().filter(|act| act.behavior == task.training.target);
    match case.pool {
        Pool::All | Pool::Given(_) => Wanted { query, hidden: Vec::new(), end: n_items },
        Pool::Unseen => Wanted { query, hidden: done.map(|act| act.item).collect(), end: n_items },
        Pool::Below(end) => {
            Wanted { query, hidden: done.map(|act| act.item).collect(), end: end as usize }
        }
    }
}

/// How well items without any act are found.
fn cold(
    task: &Task,
    rankings: &[(Vec<(u32, bool)>, usize)],
    k: usize,
    counts: &[f32],
) -> Option<Cold> {
    let new = |item: u32| counts[item as usize] == 0.0;
    let cases = task.cases.iter().zip(rankings);
    let with_new = cases.filter_map(|(case, (ranking, _))| {
        let n_new = case.relevant.iter().filter(|item| new(**item)).count();
        let hits = || ranking.iter().map(|(item, hit)| *hit && new(*item)).collect();
        (n_new > 0).then(|| (hits(), n_new, n_ranked(task, case)))
    });
    Cold::of(&with_new.collect::<Vec<_>>(), k)
}

/// How many items a case ranks.
fn n_ranked(task: &Task, case: &Case) -> usize {
    let n_items = match &case.pool {
        Pool::Given(pool) => return pool.len(),
        Pool::All => return task.training.interactions.n_items(),
        Pool::Unseen => task.training.interactions.n_items(),
        Pool::Below(n) => *n as usize,
    };
    let seen = distinct(task.query(case).acts, task.training.target);
    n_items - seen.iter().filter(|item| (**item as usize) < n_items).count()
}

/// Cases whose answers are taken apart.
const EXPLAINED: usize = 20;

/// Share of what `model` says of the first `k` items that single items of the history, and what
/// everybody gets, explain; over the first twenty cases. 1 for linear models, up to rounding.
pub fn explained(model: &dyn Model, task: &Task, k: usize) -> f64 {
    let n_items = task.training.interactions.n_items();
    let shares = task.cases.par_iter().take(EXPLAINED).map(|case| {
        let query = task.query(case);
        let mut scores = vec![0.0; n_items];
        model.score(&query, &mut scores);
        let items = first(task, case, &mut scores, k);
        let parts = Parts::of(model, &query, &items, n_items);
        let whole: f32 = parts.scores.iter().map(|score| score.abs()).sum();
        let rest: f32 = (0..items.len()).map(|place| parts.unexplained(place).abs()).sum();
        (f64::from(whole), f64::from(rest))
    });
    let shares: Vec<(f64, f64)> = shares.collect();
    let (whole, rest) =
        shares.iter().fold((0.0, 0.0), |sum, share| (sum.0 + share.0, sum.1 + share.1));
    if whole > 0.0 { (1.0 - rest / whole).max(0.0) } else { 1.0 }
}

/// The `k` best items of a case, best first, ties by the lower number; `scores` may be changed.
pub(super) fn first(task: &Task, case: &Case, scores: &mut [f32], k: usize) -> Vec<u32> {
    match &case.pool {
        Pool::Given(pool) => greatest(scores, pool.iter().copied(), k),
        Pool::All => greatest(scores, 0..scores.len() as u32, k),
        Pool::Unseen | Pool::Below(_) => {
            let n_ranked = match &case.pool {
                Pool::Below(n) => *n,
                _ => scores.len() as u32,
            };
            let target = task.training.target;
            for act in task.query(case).acts.iter().filter(|act| act.behavior == target) {
                scores[act.item as usize] = f32::NEG_INFINITY;
            }
            let unseen = |item: &u32| scores[*item as usize] > f32::NEG_INFINITY;
            greatest(scores, (0..n_ranked).filter(unseen), k)
        }
    }
}

/// The `k` of `items` with the greatest scores, greatest first, ties by the lower number.
fn greatest(scores: &[f32], items: impl Iterator<Item = u32>, k: usize) -> Vec<u32> {
    let mut greatest = Greatest::new(k);
    for item in items {
        greatest.put(item, scores[item as usize]);
    }
    greatest.take().map(|(item, _)| item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_come_first_and_ties_by_number() {
        let scores: Vec<f32> = (0..500_u32).map(|at| (at * 37 % 101) as f32 / 8.0).collect();
        let mut sorted: Vec<u32> = (0..500).collect();
        sorted.sort_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b)));
        for k in [1, 3, 10, 499, 500, 700] {
            assert_eq!(greatest(&scores, 0..500, k), sorted[..k.min(500)], "{k}");
        }
        assert!(greatest(&scores, 0..500, 0).is_empty());
    }
}
