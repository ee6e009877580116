//! The rows nearest to some vectors, by inner product, exactly.
//!
//! Every row is read once for a handful of queries, which halves, or better, what a query costs.
#![allow(clippy::inline_always, reason = "code must end up in the function of its instruction set")]

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use rayon::prelude::*;

use super::lanes::{Isa, LANES, Work, blocks, prefetch, run};

/// Queries that read a row together.
const TOGETHER: usize = 4;
/// Rows that one task goes over; fixed, and answers have one order, so threads change nothing.
const STRIP: usize = 1 << 16;

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

/// Rows to search, each padded to a multiple of sixteen.
#[derive(Clone, Debug)]
pub struct NearestRows {
    dim: usize,
    width: usize,
    values: Vec<f32>,
}

impl NearestRows {
    /// An index of `values`, `[rows, dim]`.
    ///
    /// # Panics
    /// When `dim` is 0 or the values are not whole rows.
    pub fn new(values: &[f32], dim: usize) -> Self {
        assert!(dim > 0 && values.len().is_multiple_of(dim), "whole rows");
        let width = dim.next_multiple_of(LANES);
        let mut padded = vec![0.0; values.len() / dim * width];
        padded
            .par_chunks_mut(width)
            .zip(values.par_chunks(dim))
            .for_each(|(to, from)| to[..dim].copy_from_slice(from));
        Self { dim, width, values: padded }
    }

    /// The `k` rows with the greatest inner product with each of `queries`, `[queries, dim]`; the nearest
    /// first, of two alike the one of the lower place.
    ///
    /// # Panics
    /// When the queries are not whole vectors.
    ///
    /// # Complexity
    /// **O(rows · dim)** a query.
    pub fn nearest(&self, queries: &[f32], k: usize) -> Vec<Vec<Near>> {
        assert!(queries.len().is_multiple_of(self.dim), "whole vectors");
        let strips = self.values.len().div_ceil(STRIP * self.width).max(1);
        let groups: Vec<&[f32]> = queries.chunks(TOGETHER * self.dim).collect();
        let found: Vec<Vec<Vec<Near>>> = (0..groups.len() * strips)
            .into_par_iter()
            .map(|task| self.strip(groups[task / strips], task % strips, k))
            .collect();
        found
            .chunks(strips)
            .zip(groups)
            .flat_map(|(strips, group)| {
                (0..group.len() / self.dim).map(|query| {
                    let mut all: Vec<Near> =
                        strips.iter().flat_map(|strip| strip[query].iter().copied()).collect();
                    all.sort_unstable_by_key(|near| Reverse(*near));
                    all.truncate(k);
                    all
                })
            })
            .collect()
    }

    /// The nearest rows of a strip to a few queries, in no order.
    fn strip(&self, queries: &[f32], strip: usize, k: usize) -> Vec<Vec<Near>> {
        let n_queries = queries.len() / self.dim;
        let mut padded = vec![0.0; n_queries * self.width];
        for (to, from) in padded.chunks_mut(self.width).zip(queries.chunks(self.dim)) {
            to[..self.dim].copy_from_slice(from);
        }
        let first = strip * STRIP;
        let end = ((strip + 1) * STRIP * self.width).min(self.values.len());
        let rows = &self.values[(first * self.width).min(end)..end];
        let width = self.width;
        if n_queries == TOGETHER {
            let queries = padded.as_slice();
            return run(SearchOf::<TOGETHER>(Search { rows, width, queries, first, k }));
        }
        padded
            .chunks(width)
            .flat_map(|queries| run(SearchOf::<1>(Search { rows, width, queries, first, k })))
            .collect()
    }
}

#[derive(Clone, Copy)]
struct Search<'a> {
    rows: &'a [f32],
    width: usize,
    queries: &'a [f32],
    first: usize,
    k: usize,
}

/// A search for so many queries.
struct SearchOf<'a, const N: usize>(Search<'a>);

impl<const N: usize> Work for SearchOf<'_, N> {
    type Out = Vec<Vec<Near>>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Out {
        const AHEAD: usize = 8;
        let Search { rows, width, queries, first, k } = self.0;
        let queries: [_; N] = std::array::from_fn(|at| blocks(&queries[at * width..][..width]));
        let mut heaps: [Kept; N] = std::array::from_fn(|_| Kept::new(k));
        for (at, row) in rows.chunks_exact(width).enumerate() {
            if let Some(later) = rows.get((at + AHEAD) * width..(at + AHEAD + 1) * width) {
                prefetch(later);
            }
            let mut sums = [isa.splat(0.0); N];
            for (at, value) in blocks(row).iter().enumerate() {
                let value = isa.load(value);
                for (sum, query) in sums.iter_mut().zip(queries) {
                    *sum = isa.fma(value, isa.load(&query[at]), *sum);
                }
            }
            for (heap, sum) in heaps.iter_mut().zip(sums) {
                let score = isa.sum(sum);
                if score >= heap.least {
                    heap.put(Near { place: first + at, score });
                }
            }
        }
        heaps
            .into_iter()
            .map(|kept| kept.heap.into_iter().map(|Reverse(near)| near).collect())
            .collect()
    }
}

/// The nearest so far.
struct Kept {
    k: usize,
    /// What a row must reach to be kept.
    least: f32,
    heap: BinaryHeap<Reverse<Near>>,
}

impl Kept {
    fn new(k: usize) -> Self {
        let least = if k == 0 { f32::INFINITY } else { f32::NEG_INFINITY };
        Self { k, least, heap: BinaryHeap::new() }
    }

    #[inline(never)]
    fn put(&mut self, near: Near) {
        self.heap.push(Reverse(near));
        if self.heap.len() > self.k {
            self.heap.pop();
        }
        if self.heap.len() == self.k {
            self.least = self.heap.peek().map_or(self.least, |Reverse(near)| near.score);
        }
    }
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
