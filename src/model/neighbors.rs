//! What linear methods end as: how much each item of a history speaks for each other item.

use super::sums::Sums;
use super::{Act, Dense, Model, Query, Sparse, Wanted, by_scores};
use crate::embed::greatest::Greatest;

/// A matrix of items by items: row `i` holds what a history's item `i` brings to others.
#[derive(Clone, Debug)]
enum Weights {
    Sparse(Sparse),
    Dense(Dense),
}

/// A linear item-item model: the score of an item is the sum over the history's items.
///
/// So every act's part of a score is exact, and an act left out takes just its part along.
#[derive(Clone, Debug)]
pub struct Neighbors {
    weights: Weights,
    /// The behaviour whose acts count.
    target: u8,
    /// Weight of an act over that of the one after it.
    recency: f32,
}

impl Neighbors {
    /// From the cells that are not zero.
    pub fn sparse(weights: Sparse, target: u8) -> Self {
        Self { weights: Weights::Sparse(weights), target, recency: 1.0 }
    }

    /// From all cells.
    pub fn dense(weights: Dense, target: u8) -> Self {
        Self { weights: Weights::Dense(weights), target, recency: 1.0 }
    }

    /// The same, where each act counts `recency` times what the one after it does, in (0, 1].
    pub fn fading(self, recency: f32) -> Self {
        Self { recency, ..self }
    }

    /// Adds `weight` times what `item` brings to every item to `scores`.
    pub fn add(&self, item: u32, weight: f32, scores: &mut [f32]) {
        match &self.weights {
            Weights::Sparse(matrix) => {
                for (other, value) in matrix.cells(item as usize) {
                    scores[other as usize] += weight * value;
                }
            }
            Weights::Dense(matrix) => {
                for (score, value) in scores.iter_mut().zip(matrix.row(item as usize)) {
                    *score += weight * value;
                }
            }
        }
    }
}

/// The items of `acts` with the behaviour `target` that are not masked, each once, ascending.
pub fn distinct(acts: &[Act], target: u8) -> Vec<u32> {
    let counts = |act: &&Act| act.behavior == target && act.value != 0.0;
    let mut items: Vec<u32> = acts.iter().filter(counts).map(|act| act.item).collect();
    items.sort_unstable();
    items.dedup();
    items
}

/// The items of `acts` with the behaviour `target`, each once, ascending, with the weight of its
/// latest act: 1 for the last act, `recency` for the one before it, and so on; masked acts hold their
/// place.
pub fn faded(acts: &[Act], target: u8, recency: f32) -> Vec<(u32, f32)> {
    let latest = acts.iter().rev().filter(|act| act.behavior == target);
    let weights = std::iter::successors(Some(1.0), |weight| Some(weight * recency));
    let counts = latest.zip(weights).filter(|(act, _)| act.value != 0.0);
    let mut items: Vec<(u32, f32)> = counts.map(|(act, weight)| (act.item, weight)).collect();
    items.sort_by_key(|(item, _)| *item);
    items.dedup_by_key(|(item, _)| *item);
    items
}

impl Model for Neighbors {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        for (item, weight) in faded(query.acts, self.target, self.recency) {
            self.add(item, weight, scores);
        }
    }

    fn greatest(&self, wanted: &[Wanted<'_>], n_items: usize, k: usize) -> Vec<Vec<u32>> {
        let Weights::Sparse(matrix) = &self.weights else {
            return by_scores(self, wanted, n_items, k);
        };
        let mut sums = Sums::new(n_items);
        let mut greatest = Greatest::new(k);
        let mut hidden = vec![false; n_items];
        let of = |wanted: &Wanted<'_>| {
            let history = faded(wanted.query.acts, self.target, self.recency);
            let cells = history.iter().map(|(item, _)| matrix.row(*item as usize).0.len());
            sums.expect(cells.sum());
            for (item, weight) in &history {
                sums.add(matrix.row(*item as usize), *weight);
            }
            let mark = |hidden: &mut [bool], mark: bool| {
                wanted.hidden.iter().for_each(|item| hidden[*item as usize] = mark);
            };
            mark(&mut hidden, true);
            let mut n_positive = 0;
            let wanted_items = sums.drain().filter(|(item, score)| {
                (*item as usize) < wanted.end && !hidden[*item as usize] && *score > 0.0
            });
            greatest.put_all(wanted_items.inspect(|_| n_positive += 1));
            mark(&mut hidden, false);
            let items = greatest.take().map(|(item, _)| item).collect();
            // Where few items have a score, those without one follow, and those that are spoken against.
            if n_positive < k {
                by_scores(self, std::slice::from_ref(wanted), n_items, k).remove(0)
            } else {
                items
            }
        };
        wanted.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_are_those_of_the_scores() {
        let cell = |row: u32, at: u32| {
            let column = (row * 7 + at * at * 5) % 40;
            (row, column, ((row + at * 3) % 9) as f32 - 2.0)
        };
        let cells = (0..20).flat_map(|row| (0..6).map(move |at| cell(row, at)));
        let model = Neighbors::sparse(Sparse::from_cells(40, 40, cells.collect()), 0);
        let act = |item| Act { item, behavior: 0, at: 0, value: 1.0 };
        let histories: Vec<Vec<Act>> = (0..30)
            .map(|user| (0..user % 7).map(|at| act((user * 3 + at) % 20)).collect())
            .collect();
        let wanted: Vec<Wanted<'_>> = histories
            .iter()
            .map(|acts| {
                let hidden = acts.iter().map(|act| act.item).collect();
                Wanted { query: Query { user: None, acts }, hidden, end: 38 }
            })
            .collect();
        for k in [0, 1, 3, 12, 100] {
            assert_eq!(model.greatest(&wanted, 40, k), by_scores(&model, &wanted, 40, k), "{k}");
        }
    }
}
