//! A model ranks the items of each case.

use rayon::prelude::*;

use super::metric::Metrics;
use super::task::{Case, Pool, Task};
use crate::model::{Model, Parts};

/// Ranks the items of every case by `model` and measures the first `k`.
pub fn evaluate(model: &dyn Model, task: &Task, k: usize) -> Metrics {
    let n_items = task.training.interactions.n_items();
    let rankings: Vec<(Vec<(u32, bool)>, usize)> = task
        .cases
        .par_iter()
        .map_init(
            || vec![0.0; n_items],
            |scores, case| {
                scores.fill(0.0);
                model.score(&task.query(case), scores);
                let hit = |item: u32| (item, case.relevant.binary_search(&item).is_ok());
                (first(task, case, scores, k).into_iter().map(hit).collect(), case.relevant.len())
            },
        )
        .collect();
    let counts = task.training.matrix().column_sums();
    Metrics::of(&rankings, k, &counts, task.training.interactions.n_users())
}

/// Cases whose answers are taken apart.
const EXPLAINED: usize = 100;

/// Share of what `model` says of the first `k` items that single items of the history, and what
/// everybody gets, explain; over the first hundred cases. 1 for linear models, up to rounding.
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
    let mut order: Vec<u32> = match &case.pool {
        Pool::Given(pool) => pool.clone(),
        Pool::All => (0..scores.len() as u32).collect(),
        Pool::Unseen | Pool::Below(_) => {
            let n_ranked = match &case.pool {
                Pool::Below(n) => *n,
                _ => scores.len() as u32,
            };
            let target = task.training.target;
            for act in task.query(case).acts.iter().filter(|act| act.behavior == target) {
                scores[act.item as usize] = f32::NEG_INFINITY;
            }
            (0..n_ranked).filter(|item| scores[*item as usize] > f32::NEG_INFINITY).collect()
        }
    };
    let better =
        |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b));
    if order.len() > k && k > 0 {
        order.select_nth_unstable_by(k - 1, better);
        order.truncate(k);
    }
    order.sort_unstable_by(better);
    order
}
