//! A model ranks the items of each case.

use rayon::prelude::*;

use super::metric::Metrics;
use super::task::{Case, Pool, Task};
use crate::model::Model;

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

/// The `k` best items of a case, best first, ties by the lower number; `scores` may be changed.
pub(super) fn first(task: &Task, case: &Case, scores: &mut [f32], k: usize) -> Vec<u32> {
    let mut order: Vec<u32> = match &case.pool {
        Pool::Given(pool) => pool.clone(),
        Pool::Unseen => {
            let target = task.training.target;
            for act in task.query(case).acts.iter().filter(|act| act.behavior == target) {
                scores[act.item as usize] = f32::NEG_INFINITY;
            }
            (0..scores.len() as u32)
                .filter(|item| scores[*item as usize] > f32::NEG_INFINITY)
                .collect()
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
