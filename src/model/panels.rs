//! Which vectors have the greatest inner products with others, for many at once.
//!
//! The vectors lie in panels of sixteen, number by number, so that a step multiplies one number of each
//! of eight queries with those of 32 vectors, all in registers. They are sorted by length, the longest
//! first: once what a query has found exceeds the product of the lengths, the rest cannot reach it
//! (Teflioudi, Gemulla & Mykytiuk, "LEMP: fast retrieval of large entries in a matrix product", SIGMOD
//! 2015, section 3). Every product is added up in the order of its numbers, so what is found does not
//! depend on which queries are looked up together.
#![allow(clippy::inline_always, reason = "code must end up in the function of its instruction set")]

use super::greatest::Greatest;
use super::rows::Rows;
use crate::embed::lanes::{Isa, LANES, Line, Work, run};

/// Queries whose products are in registers together.
const QUERIES: usize = 8;

/// Panels that are gone over before it is asked which queries are done.
const STRETCH: usize = 16;

/// What rounding can add to an inner product, as a share of the product of the lengths.
const ROUNDING: f32 = 1e-4;

/// Vectors to look up, `[n, dim]`.
#[derive(Clone, Debug)]
pub(super) struct Panels {
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
pub(super) struct Lookup<'a> {
    /// Numbers of vectors that are not wanted.
    pub hidden: &'a [u32],
    /// Numbers from this one on are not wanted.
    pub end: usize,
    /// The vector, with as many lines as the rows have.
    pub vector: &'a [Line],
}

impl Panels {
    /// Panels of these rows.
    pub fn new(rows: &Rows) -> Self {
        let (n, dim) = (rows.len(), rows.width() * LANES);
        let length = |row: &[Line]| {
            row.iter().flat_map(|line| line.0).map(|value| value * value).sum::<f32>().sqrt()
        };
        let by_row: Vec<f32> = (0..n).map(|at| length(rows.row(at))).collect();
        let mut numbers: Vec<u32> = (0..n as u32).collect();
        numbers.sort_by(|a, b| by_row[*b as usize].total_cmp(&by_row[*a as usize]));
        let mut places = vec![0; n];
        let n_panels = n.div_ceil(LANES).next_multiple_of(STRETCH);
        let mut lines = vec![Line::ZERO; n_panels * dim];
        let mut lengths = vec![0.0; n_panels];
        for (place, number) in numbers.iter().enumerate() {
            places[*number as usize] = place as u32;
            let panel = place / LANES;
            lengths[panel] = f32::max(lengths[panel], by_row[*number as usize]);
            let values = rows.row(*number as usize).iter().flat_map(|line| line.0);
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

    /// The numbers of the `k` vectors with the greatest inner products for each lookup, the greatest first,
    /// of equals the lower number.
    ///
    /// # Complexity
    /// **O(n · dim)** a lookup, less where long vectors fit.
    pub fn greatest(&self, lookups: &[Lookup<'_>], k: usize) -> Vec<Vec<u32>> {
        run(Search { panels: self, lookups, k })
    }

    /// The products of queries with the 32 vectors of two panels.
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
                    *value = isa.load(&panels[part * self.dim + line * LANES + at].0);
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

impl Work for Search<'_> {
    type Out = Vec<Vec<u32>>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Vec<Vec<u32>> {
        let Self { panels, lookups, k } = self;
        let mut found: Vec<Found> = lookups.iter().map(|lookup| panels.start(lookup, k)).collect();
        let mut alive: Vec<usize> = (0..lookups.len()).collect();
        let mut scores = Line::ZERO;
        for first in (0..panels.lengths.len()).step_by(STRETCH) {
            let longest = panels.lengths[first] * (1.0 + ROUNDING);
            alive.retain(|at| found[*at].length * longest >= found[*at].greatest.bar());
            for panel in (first..first + STRETCH).step_by(2) {
                for group in alive.chunks(QUERIES) {
                    let mut queries = [lookups[group[0]].vector; QUERIES];
                    for (query, at) in queries.iter_mut().zip(group) {
                        *query = lookups[*at].vector;
                    }
                    let sums = panels.products::<I, QUERIES, 2>(isa, panel, queries);
                    for (at, sums) in group.iter().zip(sums) {
                        let found = &mut found[*at];
                        let bar = isa.splat(found.greatest.bar());
                        for (part, sum) in sums.into_iter().enumerate() {
                            let reached = isa.reaches(sum, bar);
                            if reached != 0 {
                                isa.store(sum, &mut scores.0);
                                let end = lookups[*at].end;
                                found.put(panels, panel + part, reached, &scores, end);
                            }
                        }
                    }
                }
            }
        }
        found
            .into_iter()
            .map(|mut found| found.greatest.take().map(|(number, _)| number).collect())
            .collect()
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
