//! Which vectors have the greatest inner products with others, for many at once.
//!
//! The vectors lie in panels of sixteen, number by number, so that a step multiplies one number of each
//! of eight queries with those of 32 vectors, all in registers. They are sorted by length, the longest
//! first: once what a query has found exceeds the product of the lengths, the rest cannot reach it
//! (Teflioudi, Gemulla & Mykytiuk, "LEMP: fast retrieval of large entries in a matrix product", SIGMOD
//! 2015, section 3). Every product is added up in the order of its numbers, so what is found does not
//! depend on which queries are looked up together.
#![allow(clippy::inline_always, reason = "code must end up in the function of its instruction set")]

use std::ops::Range;

use super::greatest::Greatest;
use super::lanes::{Isa, LANES, Line, Work, run};
use crate::pages;

/// Queries whose products are in registers together.
const QUERIES: usize = 8;

/// Queries below which each goes over the panels alone.
const FEW: usize = 4;

/// Panels that are gone over before it is asked which queries are done.
pub(super) const STRETCH: usize = 16;

/// What rounding can add to an inner product, as a share of the product of the lengths.
const ROUNDING: f32 = 1e-4;

/// Vectors to look up, `[n, dim]`.
#[derive(Clone, Debug)]
pub(crate) struct Panels {
    dim: usize,
    /// Places to numbers of vectors, longest first.
    numbers: Vec<u32>,
    /// Numbers to places.
    places: Vec<u32>,
    /// For each panel, `dim` lines: the same number of sixteen vectors.
    lines: Vec<Line>,
    /// The length of each panel's longest vector.
    lengths: Vec<f32>,
}

/// What to look up.
pub(crate) struct Lookup<'a> {
    /// Numbers of vectors that are not wanted.
    pub hidden: &'a [u32],
    /// Numbers from this one on are not wanted.
    pub end: usize,
    /// The vector, with as many lines as the rows have.
    pub vector: &'a [Line],
}

impl Panels {
    /// Panels of rows of `width` lines each.
    pub fn new(rows: &[Line], width: usize) -> Self {
        let (n, dim) = (rows.len() / width, width * LANES);
        let row = |at: usize| &rows[at * width..(at + 1) * width];
        let length = |row: &[Line]| {
            row.iter().flat_map(|line| line.0).map(|value| value * value).sum::<f32>().sqrt()
        };
        let by_row: Vec<f32> = (0..n).map(|at| length(row(at))).collect();
        let mut numbers: Vec<u32> = (0..n as u32).collect();
        numbers.sort_by(|a, b| by_row[*b as usize].total_cmp(&by_row[*a as usize]));
        let mut places = vec![0; n];
        let n_panels = n.div_ceil(LANES).next_multiple_of(STRETCH);
        let mut lines = pages::filled(n_panels * dim, Line::ZERO);
        let mut lengths = vec![0.0; n_panels];
        for (place, number) in numbers.iter().enumerate() {
            places[*number as usize] = place as u32;
            let panel = place / LANES;
            lengths[panel] = f32::max(lengths[panel], by_row[*number as usize]);
            let values = row(*number as usize).iter().flat_map(|line| line.0);
            for (line, value) in lines[panel * dim..].iter_mut().zip(values) {
                line.0[place % LANES] = value;
            }
        }
        Self { dim, numbers, places, lines, lengths }
    }

    /// Adds the inner product of `vector` with each vector to that vector's place in `scores`.
    pub fn add_products(&self, vector: &[Line], scores: &mut [f32]) {
        run(AddProducts { panels: self, vector, scores });
    }

    /// Number of panels: a multiple of [`STRETCH`].
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// The numbers of the `k` vectors with the greatest inner products for each lookup, the greatest first,
    /// of equals the lower number.
    ///
    /// # Complexity
    /// **O(n · dim)** a lookup, less where long vectors fit.
    pub fn greatest(&self, lookups: &[Lookup<'_>], k: usize) -> Vec<Vec<u32>> {
        let found = self.greatest_of(0..self.len(), lookups, k);
        let numbers =
            found.into_iter().map(|mut greatest| greatest.take().map(|near| near.0).collect());
        numbers.collect()
    }

    /// The same among the vectors of some panels, from a multiple of [`STRETCH`] to another.
    pub fn greatest_of(
        &self,
        range: Range<usize>,
        lookups: &[Lookup<'_>],
        k: usize,
    ) -> Vec<Greatest> {
        run(Search { panels: self, range, lookups, k })
    }

    /// The products of queries with the vectors of `P` panels.
    #[inline(always)]
    fn products<I: Isa, const N: usize, const P: usize>(
        &self,
        isa: I,
        panel: usize,
        queries: [&[Line]; N],
    ) -> [[I::V; P]; N] {
        let panels = &self.lines[panel * self.dim..][..self.dim * P];
        let mut sums = [[isa.splat(0.0); P]; N];
        for line in 0..self.dim / LANES {
            let queries: [&Line; N] = std::array::from_fn(|at| &queries[at][line]);
            for at in 0..LANES {
                let mut values = [isa.splat(0.0); P];
                for (part, value) in values.iter_mut().enumerate() {
                    let place = part * self.dim + line * LANES + at;
                    *value = isa.load(&panels[place].0);
                }
                for (sums, query) in sums.iter_mut().zip(queries) {
                    let own = isa.splat(query.0[at]);
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum = isa.fma(own, value, *sum);
                    }
                }
            }
        }
        sums
    }
}

struct AddProducts<'a, 'b> {
    panels: &'a Panels,
    vector: &'a [Line],
    scores: &'b mut [f32],
}

impl Work for AddProducts<'_, '_> {
    type Out = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut stored = Line::ZERO;
        for panel in (0..self.panels.lengths.len()).step_by(8) {
            let [sums] = self.panels.products::<I, 1, 8>(isa, panel, [self.vector]);
            for (part, sum) in sums.into_iter().enumerate() {
                isa.store(sum, &mut stored.0);
                let places = ((panel + part) * LANES).min(self.panels.numbers.len())..;
                for (number, score) in self.panels.numbers[places].iter().zip(stored.0) {
                    self.scores[*number as usize] += score;
                }
            }
        }
    }
}

struct Search<'a> {
    panels: &'a Panels,
    range: Range<usize>,
    lookups: &'a [Lookup<'a>],
    k: usize,
}

/// A query on its way.
struct Found {
    greatest: Greatest,
    /// A bit for each place that is not wanted.
    hidden: Vec<u16>,
    length: f32,
}

impl Found {
    #[inline(never)]
    fn put(&mut self, panels: &Panels, panel: usize, reached: u32, scores: &Line, end: usize) {
        let mut rest = reached & !u32::from(self.hidden[panel]);
        while rest != 0 {
            let lane = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            if let Some(number) = panels.numbers.get(panel * LANES + lane)
                && (*number as usize) < end
            {
                self.greatest.put(*number, scores.0[lane]);
            }
        }
    }
}

impl Search<'_> {
    /// Looks at `P` panels for some lookups.
    #[inline(always)]
    fn step<I: Isa, const N: usize, const P: usize>(
        &self,
        isa: I,
        panel: usize,
        group: &[usize],
        found: &mut [Found],
    ) {
        let mut queries = [self.lookups[group[0]].vector; N];
        for (query, at) in queries.iter_mut().zip(group) {
            *query = self.lookups[*at].vector;
        }
        let sums = self.panels.products::<I, N, P>(isa, panel, queries);
        let mut scores = Line::ZERO;
        for (at, sums) in group.iter().zip(sums) {
            let found = &mut found[*at];
            for (part, sum) in sums.into_iter().enumerate() {
                let reached = isa.reaches(sum, isa.splat(found.greatest.bar()));
                if reached != 0 {
                    isa.store(sum, &mut scores.0);
                    found.put(self.panels, panel + part, reached, &scores, self.lookups[*at].end);
                }
            }
        }
    }
}

impl Work for Search<'_> {
    type Out = Vec<Greatest>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Vec<Greatest> {
        let panels = self.panels;
        let start = |lookup| panels.start(lookup, self.k);
        let mut found: Vec<Found> = self.lookups.iter().map(start).collect();
        let mut alive: Vec<usize> = (0..found.len()).collect();
        for first in self.range.clone().step_by(STRETCH) {
            let longest = panels.lengths[first] * (1.0 + ROUNDING);
            alive.retain(|at| found[*at].length * longest >= found[*at].greatest.bar());
            if alive.len() < FEW {
                // A query alone waits for memory: in one run over it the processor asks for what comes next.
                for at in &alive {
                    for panel in first..first + STRETCH {
                        self.step::<I, 1, 1>(isa, panel, &[*at], &mut found);
                    }
                }
                continue;
            }
            for panel in (first..first + STRETCH).step_by(2) {
                for group in alive.chunks(QUERIES) {
                    self.step::<I, QUERIES, 2>(isa, panel, group, &mut found);
                }
            }
        }
        found.into_iter().map(|found| found.greatest).collect()
    }
}

impl Panels {
    fn start(&self, lookup: &Lookup<'_>, k: usize) -> Found {
        let mut hidden = vec![0_u16; self.lengths.len()];
        for place in lookup.hidden.iter().filter_map(|number| self.places.get(*number as usize)) {
            hidden[*place as usize / LANES] |= 1 << (*place as usize % LANES);
        }
        let squares = lookup.vector.iter().flat_map(|line| line.0).map(|value| value * value);
        Found { greatest: Greatest::new(k), hidden, length: squares.sum::<f32>().sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lanes::lines;
    use super::*;

    #[test]
    fn what_is_found_is_what_sorting_finds() {
        let value = |at: usize| ((at * 7919 + at / 13) % 401) as f32 / 200.0 - 1.0;
        let (n, dim) = (1500, 20);
        // Some rows are long, and few rows alike.
        let length = |row: usize| if row.is_multiple_of(7) { 3.0 } else { 0.2 };
        let rows: Vec<f32> = (0..n * dim).map(|at| value(at) * length(at / dim)).collect();
        let panels = Panels::new(&rows.chunks(dim).flat_map(lines).collect::<Vec<_>>(), 2);
        for n_queries in [1, 3, 11] {
            let queries: Vec<Line> = (0..n_queries)
                .flat_map(|query| (0..dim).map(|at| value(query * 31 + at * 5)).collect::<Vec<_>>())
                .collect::<Vec<f32>>()
                .chunks(dim)
                .flat_map(lines)
                .collect();
            let hidden = [0, 7, 700, 5000];
            let lookup = |vector| Lookup { hidden: &hidden, end: 1400, vector };
            let lookups: Vec<Lookup<'_>> = queries.chunks(2).map(lookup).collect();
            for k in [0, 1, 20, 2000] {
                for (found, lookup) in panels.greatest(&lookups, k).iter().zip(&lookups) {
                    let mut scores = vec![0.0; n];
                    panels.add_products(lookup.vector, &mut scores);
                    let mut sorted: Vec<u32> =
                        (0..1400).filter(|at| !hidden.contains(at)).collect();
                    sorted.sort_by(|a, b| {
                        let scores = (scores[*a as usize], scores[*b as usize]);
                        scores.1.total_cmp(&scores.0).then(a.cmp(b))
                    });
                    assert_eq!(*found, sorted[..k.min(sorted.len())], "{n_queries} {k}");
                    let exact = rows.chunks(dim).zip(&scores).all(|(row, score)| {
                        let values = lookup.vector.iter().flat_map(|line| line.0);
                        let sum: f32 = row.iter().zip(values).map(|(a, b)| a * b).sum();
                        (sum - score).abs() < 1e-3
                    });
                    assert!(exact);
                }
            }
        }
    }
}
