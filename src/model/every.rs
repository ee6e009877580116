//! The scores of many queries, some at once, and the greatest of them.

use super::{Model, Query, Wanted};
use crate::embed::greatest::Greatest;

/// Queries that a model is asked at once.
const AT_ONCE: usize = 16;

/// The scores of all `n_items` items for each of `queries`, some queries at once.
pub fn every_score<'a, M: Model + ?Sized>(
    model: &'a M,
    queries: impl Iterator<Item = Query<'a>> + 'a,
    n_items: usize,
) -> impl Iterator<Item = Vec<f32>> + 'a {
    let mut queries = queries.peekable();
    let groups = std::iter::from_fn(move || {
        queries.peek()?;
        let group: Vec<Query<'_>> = queries.by_ref().take(AT_ONCE).collect();
        let mut scores = vec![0.0; group.len() * n_items];
        model.score_all(&group, &mut scores);
        Some(scores.chunks_exact(n_items.max(1)).map(<[f32]>::to_vec).collect::<Vec<_>>())
    });
    groups.flatten()
}

/// What [`Model::greatest`] gives, from all scores.
pub(super) fn by_scores<M: Model + ?Sized>(
    model: &M,
    wanted: &[Wanted<'_>],
    n_items: usize,
    k: usize,
) -> Vec<Vec<u32>> {
    let mut greatest = Greatest::new(k);
    let of = |(wanted, mut scores): (&Wanted<'_>, Vec<f32>)| {
        for item in &wanted.hidden {
            scores[*item as usize] = f32::NEG_INFINITY;
        }
        for (item, score) in (0..).zip(scores.iter().take(wanted.end)) {
            if *score > f32::NEG_INFINITY {
                greatest.put(item, *score);
            }
        }
        greatest.take().map(|(item, _)| item).collect()
    };
    let queries = wanted.iter().map(|wanted| wanted.query);
    wanted.iter().zip(every_score(model, queries, n_items)).map(of).collect()
}
