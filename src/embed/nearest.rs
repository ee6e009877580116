//! The rows nearest to some vectors, by inner product, exactly.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::greatest::Greatest;
use super::lanes::{LANES, Line, lines};
use super::panels::{Lookup, Panels, STRETCH};
use super::rows::Rows;

/// Queries that go over the rows together.
const TOGETHER: usize = 64;
/// Panels that one task goes over; fixed, and answers have one order, so threads change nothing.
const STRIP: usize = STRETCH << 8;

/// A row and how near it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    /// The row's place.
    pub place: usize,
    /// The inner product with the query.
    pub score: f32,
}

impl Eq for Near {}

impl Ord for Near {
    /// Nearer is greater; of two alike the one of the lower place.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.place.cmp(&self.place))
    }
}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Rows to search.
#[derive(Clone, Debug)]
pub struct NearestRows {
    dim: usize,
    panels: Panels,
}

impl NearestRows {
    /// An index of `values`, `[rows, dim]`.
    ///
    /// # Panics
    /// When `dim` is 0 or the values are not whole rows.
    pub fn new(values: &[f32], dim: usize) -> Self {
        let rows = Rows::new(values, dim);
        Self { dim, panels: Panels::new(rows.lines(), rows.width()) }
    }

    /// The `k` rows with the greatest inner product with each of `queries`, `[queries, dim]`; the nearest
    /// first, of two alike the one of the lower place.
    ///
    /// # Panics
    /// When the queries are not whole vectors.
    ///
    /// # Complexity
    /// **O(rows · dim)** a query, less where long rows are near.
    pub fn nearest(&self, queries: &[f32], k: usize) -> Vec<Vec<Near>> {
        assert!(queries.len().is_multiple_of(self.dim), "whole vectors");
        let vectors: Vec<Line> = queries.chunks(self.dim).flat_map(lines).collect();
        let vectors = vectors.chunks_exact(self.dim.div_ceil(LANES));
        let lookup = |vector| Lookup { hidden: &[], end: usize::MAX, vector };
        let lookups: Vec<Lookup<'_>> = vectors.map(lookup).collect();
        let groups: Vec<&[Lookup<'_>]> = lookups.chunks(TOGETHER).collect();
        let strips = self.panels.len().div_ceil(STRIP).max(1);
        let mut found: Vec<Vec<Greatest>> = (0..groups.len() * strips)
            .into_par_iter()
            .map(|task| {
                let first = task % strips * STRIP;
                let range = first..(first + STRIP).min(self.panels.len());
                self.panels.greatest_of(range, groups[task / strips], k)
            })
            .collect();
        let mut answers = Vec::with_capacity(lookups.len());
        for (strips, group) in found.chunks_mut(strips).zip(groups) {
            answers.extend((0..group.len()).map(|at| merged(strips, at, k)));
        }
        answers
    }
}

/// What the strips found for the lookup at a place of its group.
fn merged(strips: &mut [Vec<Greatest>], at: usize, k: usize) -> Vec<Near> {
    let mut all = Greatest::new(k);
    for strip in strips {
        strip[at].take().for_each(|(number, score)| all.put(number, score));
    }
    all.take().map(|(number, score)| Near { place: number as usize, score }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_what_sorting_finds() {
        let value = |at: usize| ((at * 7919 + at / 13) % 401) as f32 / 200.0 - 1.0;
        let (n, dim) = (70_000, 20);
        let values: Vec<f32> = (0..n * dim).map(value).collect();
        let index = NearestRows::new(&values, dim);
        for n_queries in [0, 1, 4, 7] {
            let queries: Vec<f32> = (0..n_queries * dim).map(|at| value(at * 31 + 5)).collect();
            let found = index.nearest(&queries, 9);
            assert_eq!(found.len(), n_queries);
            for (query, found) in queries.chunks(dim).zip(found) {
                let dot = |row: &[f32]| {
                    row.iter().zip(query).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
                };
                let mut exact: Vec<f64> = values.chunks(dim).map(dot).collect();
                assert!(
                    found
                        .iter()
                        .all(|near| { (exact[near.place] - f64::from(near.score)).abs() < 1e-4 })
                );
                assert!(found.windows(2).all(|two| two[0] > two[1]), "the nearest first");
                exact.sort_by(|a, b| b.total_cmp(a));
                assert!((exact[8] - f64::from(found[8].score)).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn of_alike_rows_the_lower_places_come_first() {
        let index = NearestRows::new(&[1.0; 40], 2);
        let places = |k| -> Vec<usize> {
            index.nearest(&[1.0, 1.0], k)[0].iter().map(|near| near.place).collect()
        };
        assert_eq!(places(3), [0, 1, 2]);
        assert_eq!(places(0), [0_usize; 0]);
        assert_eq!(places(100).len(), 20);
        assert_eq!(NearestRows::new(&[], 2).nearest(&[1.0, 1.0], 3), [vec![]]);
    }
}
