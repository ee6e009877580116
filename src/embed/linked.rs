//! The rows nearest to a vector, found by walking from near row to nearer: of very many rows, most of the
//! nearest in a small part of the time that all of them take.
//!
//! The graph of the rows is made by the crate `hnsw-stable`, one row after the other and by one seed, so
//! that the same rows have the same links. What is walked is a copy of it without locks, in which the
//! links of a row lie side by side.
//!
//! Source: Malkov & Yashunin, "Efficient and robust approximate nearest neighbor search using hierarchical
//! navigable small world graphs", IEEE TPAMI 2020, algorithms 2 and 5.
#![allow(clippy::inline_always, reason = "code must end up in the function of its instruction set")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hnsw_stable::{
    Dtype, Error, Hnsw, HnswConfig, Metric, NodeId, VectorFamily, VectorStore, VectorStoreMut,
    VectorView,
};

use super::lanes::{Isa, Line, LineDot, Work, dot, lines, prefetch, run};
use super::nearest::Near;
use super::rows::Rows;

/// Links of a row in an upper layer.
const LINKS: usize = 16;
/// Links of a row in the layer of all rows.
const BASE_LINKS: usize = 2 * LINKS;
/// Rows that are looked at for the links of one.
const LINKING_EFFORT: usize = 200;
/// Seed of the layers that rows are in.
const SEED: u64 = 1;
/// Stands for a link that a row does not have; after it come no others.
const NONE: u32 = u32::MAX;

/// Rows of which each knows some that are near it.
#[derive(Debug, PartialEq)]
pub struct LinkedRows {
    rows: Rows,
    /// The links of every row in the layer of all.
    base: Vec<[u32; BASE_LINKS]>,
    /// Where the upper layers of every row start in `upper`, and where the last one's end: `[rows + 1]`.
    towers: Vec<u32>,
    /// The links of rows in upper layers, from the lowest of them up.
    upper: Vec<[u32; LINKS]>,
    /// The row that walks start from: one of the highest layer.
    entry: u32,
}

impl LinkedRows {
    /// Links the rows of `values`, `[rows, dim]`, all of one length.
    ///
    /// # Errors
    /// For more rows than 32 bits count.
    ///
    /// # Panics
    /// When `dim` is 0 or the values are not whole rows.
    pub fn new(values: &[f32], dim: usize) -> Result<Self, Error> {
        let rows = Rows::new(values, dim);
        let n_rows = count(&rows)?;
        let config = HnswConfig::new(rows.width(), rows.len());
        let graph = Hnsw::new(Product, config.m(LINKS).ef_construction(LINKING_EFFORT).seed(SEED));
        for row in 0..n_rows {
            graph.insert(&rows, row, rows.row(row as usize))?;
        }
        let entry = if n_rows == 0 { NONE } else { graph.entry_key()? };
        let (mut base, mut towers, mut upper) = (Vec::new(), vec![0], Vec::new());
        for row in 0..n_rows {
            base.push(filled(&graph.neighbors(&row, 0)?));
            for layer in 1..=graph.level(&row)? {
                upper.push(filled(&graph.neighbors(&row, layer)?));
            }
            towers.push(upper.len() as u32);
        }
        Ok(Self { rows, base, towers, upper, entry })
    }

    /// The links as numbers, for [`from_links`](Self::from_links).
    pub fn links(&self) -> Vec<u32> {
        let rows = self.base.as_flattened();
        [&[self.entry], &self.towers[..], rows, self.upper.as_flattened()].concat()
    }

    /// The rows with the links that [`links`](Self::links) gave; none where these are of other rows.
    ///
    /// # Panics
    /// Where [`new`](Self::new) does.
    pub fn from_links(values: &[f32], dim: usize, links: &[u32]) -> Option<Self> {
        let rows = Rows::new(values, dim);
        let (entry, rest) = links.split_first()?;
        let (towers, rest) = rest.split_at_checked(rows.len() + 1)?;
        let (base, upper) = rest.split_at_checked(rows.len() * BASE_LINKS)?;
        let is_row = |row: &u32| (*row as usize) < rows.len();
        let fits = towers.is_sorted()
            && towers.first() == Some(&0)
            && *towers.last()? as usize * LINKS == upper.len()
            && rest.iter().all(|row| *row == NONE || is_row(row))
            && (is_row(entry) || rows.len() == 0);
        let (towers, entry) = (towers.to_vec(), *entry);
        let (base, upper) = (base.as_chunks().0.to_vec(), upper.as_chunks().0.to_vec());
        fits.then_some(Self { rows, base, towers, upper, entry })
    }

    /// Rows to keep at hand for the `k` nearest when nothing else is said.
    pub fn effort(k: usize) -> usize {
        (2 * k).max(128)
    }

    /// The `k` rows with the greatest inner product with `query`, `[dim]`, of those that a walk meets; the
    /// nearest first, of two alike the one of the lower place. The more `effort`, rows that the walk keeps
    /// at hand, the more of the nearest it finds and the longer it takes.
    pub fn nearest(&self, query: &[f32], k: usize, effort: usize) -> Vec<Near> {
        let query: Vec<Line> = lines(query).collect();
        let mut found = run(Walk { linked: self, query: &query, effort: effort.max(k) });
        found.truncate(k);
        found
    }

    /// The links of a row in a layer; none where it is not in it.
    fn links_of(&self, row: u32, layer: usize) -> &[u32] {
        let row = row as usize;
        if layer == 0 {
            return &self.base[row];
        }
        let tower = &self.upper[self.towers[row] as usize..self.towers[row + 1] as usize];
        tower.get(layer - 1).map_or(&[], |links| links)
    }

    fn n_layers(&self) -> usize {
        let entry = self.entry as usize;
        (self.towers[entry + 1] - self.towers[entry]) as usize
    }
}

/// Links with [`NONE`] after the last.
fn filled<const N: usize>(links: &[u32]) -> [u32; N] {
    std::array::from_fn(|at| links.get(at).copied().unwrap_or(NONE))
}

/// A search for the rows nearest to one vector, the nearest first.
struct Walk<'a> {
    linked: &'a LinkedRows,
    query: &'a [Line],
    effort: usize,
}

impl Walk<'_> {
    #[inline(always)]
    fn near<I: Isa>(&self, isa: I, row: u32) -> Near {
        Near {
            place: row as usize,
            score: dot(isa, self.query, self.linked.rows.row(row as usize)),
        }
    }

    /// The row of the lowest upper layer from which no link leads nearer.
    #[inline(always)]
    fn start<I: Isa>(&self, isa: I) -> Near {
        let mut here = self.near(isa, self.linked.entry);
        for layer in (1..=self.linked.n_layers()).rev() {
            loop {
                let links = self.linked.links_of(here.place as u32, layer);
                let links = links.iter().take_while(|row| **row != NONE);
                let best = links.map(|row| self.near(isa, *row)).max();
                match best.filter(|best| best.score > here.score) {
                    Some(best) => here = best,
                    None => break,
                }
            }
        }
        here
    }
}

impl Work for Walk<'_> {
    type Out = Vec<Near>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Vec<Near> {
        let rows = &self.linked.rows;
        if rows.len() == 0 || self.effort == 0 {
            return Vec::new();
        }
        let start = self.start(isa);
        let mut seen = Marks::new(rows.len());
        seen.mark(start.place as u32);
        let mut ahead = BinaryHeap::from([start]);
        let mut kept = BinaryHeap::from([Reverse(start)]);
        let mut fresh = Vec::with_capacity(BASE_LINKS);
        while let Some(here) = ahead.pop() {
            let farthest = kept.peek().map_or(here, |farthest: &Reverse<Near>| farthest.0);
            if kept.len() == self.effort && here < farthest {
                break;
            }
            let links = self.linked.links_of(here.place as u32, 0).iter();
            fresh.extend(links.take_while(|row| **row != NONE).filter(|row| seen.mark(**row)));
            fresh.iter().for_each(|row| prefetch(rows.row(*row as usize)));
            if let Some(next) = ahead.peek() {
                prefetch(&self.linked.base[next.place]);
            }
            for row in fresh.drain(..) {
                let near = self.near(isa, row);
                if kept.len() < self.effort {
                    kept.push(Reverse(near));
                } else if let Some(mut farthest) = kept.peek_mut().filter(|kept| near > kept.0) {
                    *farthest = Reverse(near);
                } else {
                    continue;
                }
                ahead.push(near);
            }
        }
        kept.into_sorted_vec().into_iter().map(|kept| kept.0).collect()
    }
}

/// Which rows were met.
struct Marks(Vec<u64>);

impl Marks {
    fn new(n: usize) -> Self {
        Self(vec![0; n.div_ceil(64)])
    }

    /// Marks a row; was it not marked?
    #[inline(always)]
    fn mark(&mut self, row: u32) -> bool {
        let (word, bit) = (&mut self.0[row as usize / 64], 1 << (row % 64));
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }
}

/// How many rows there are, if links can name them all.
fn count(rows: &Rows) -> Result<u32, Error> {
    let count = u32::try_from(rows.len()).ok().filter(|count| *count < NONE);
    count.ok_or(Error::IndexFull { max_nodes: NONE as usize })
}

/// Vectors of whole lines, for the crate that links them.
#[derive(Clone, Copy)]
pub(crate) struct Lined;

impl VectorFamily for Lined {
    type Ref<'a> = &'a [Line];

    const DTYPE: Dtype = Dtype::F32;
}

impl VectorView<Lined> for &[Line] {
    fn view(&self) -> &[Line] {
        self
    }
}

impl VectorStore for Rows {
    type Family = Lined;
    type Vector<'a> = &'a [Line];

    fn dim(&self) -> usize {
        self.width()
    }

    fn vector(&self, row: NodeId) -> Option<&[Line]> {
        (row.as_usize() < self.len()).then(|| self.row(row.as_usize()))
    }
}

impl VectorStoreMut for Rows {
    /// Rows are there before they are linked.
    fn set(&self, _: NodeId, _: &[Line]) -> Result<(), Error> {
        Ok(())
    }
}

/// The inner product: the greater, the nearer.
#[derive(Clone)]
struct Product;

impl Metric for Product {
    type Family = Lined;

    fn distance(&self, a: &[Line], b: &[Line]) -> f32 {
        -run(LineDot(a, b))
    }
}

#[cfg(test)]
mod tests {
    use super::super::nearest::NearestRows;
    use super::*;

    const DIM: usize = 20;

    /// Rows about 50 centres, each 1 long.
    fn rows(n: usize) -> Vec<f32> {
        let wave = |at: usize, scale: f32| ((at * at % 7919) as f32 * scale).sin();
        let row = |at: usize| -> Vec<f32> {
            let value = |d: usize| wave(at % 50 * DIM + d, 0.37) + 0.4 * wave(at * DIM + d, 1.3);
            let row: Vec<f32> = (0..DIM).map(value).collect();
            let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
            row.iter().map(|value| value / length).collect()
        };
        (0..n).flat_map(row).collect()
    }

    #[test]
    fn most_of_the_nearest_are_found_and_more_effort_finds_more() {
        let values = rows(6000);
        let (all, linked) =
            (NearestRows::new(&values, DIM), LinkedRows::new(&values, DIM).unwrap());
        let queries = &values[..200 * DIM];
        let exact = all.nearest(queries, 10);
        let found = |effort| {
            let hits = queries.chunks(DIM).zip(&exact).map(|(query, exact)| {
                let near = linked.nearest(query, 10, effort);
                assert!(near.len() == 10 && near.windows(2).all(|two| two[0] > two[1]));
                near.iter().filter(|near| exact.iter().any(|e| e.place == near.place)).count()
            });
            hits.sum::<usize>()
        };
        let [few, many] = [10, 200].map(found);
        assert!(many > few && many > 1980, "{few} and {many} of 2000");
    }

    #[test]
    fn the_same_rows_have_the_same_links_and_other_links_are_refused() {
        let values = rows(500);
        let linked = LinkedRows::new(&values, DIM).unwrap();
        assert_eq!(linked, LinkedRows::new(&values, DIM).unwrap());
        let links = linked.links();
        assert_eq!(LinkedRows::from_links(&values, DIM, &links), Some(linked));
        assert_eq!(LinkedRows::from_links(&values[DIM..], DIM, &links), None);
        for at in 0..links.len() {
            let mut other = links.clone();
            other[at] = 500;
            if let Some(linked) = LinkedRows::from_links(&values, DIM, &other) {
                linked.nearest(&values[..DIM], 5, 20);
            }
        }
    }

    #[test]
    fn few_rows_are_all_found() {
        for n in [0, 1, 3] {
            let values = rows(n);
            let linked = LinkedRows::new(&values, DIM).unwrap();
            assert_eq!(linked.nearest(&rows(1), 5, 0).len(), n);
            assert_eq!(linked.nearest(&rows(1), 0, 0), []);
            assert!(LinkedRows::from_links(&values, DIM, &linked.links()) == Some(linked));
        }
    }
}
