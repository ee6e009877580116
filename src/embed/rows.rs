//! Vectors one after the other, each in whole lines of the cache, and the sums over them that least
//! squares need.
#![allow(clippy::inline_always, reason = "code must end up in the function of its instruction set")]

use std::ops::Range;
use std::slice;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use rayon::prelude::*;

use super::lanes::{Isa, LANES, Line, Work, lines, run};

/// Rows that a task goes over; sums over strips are added up in order, so threads change nothing.
const STRIP: usize = 512;

/// Rows of one length, each in lines with zeros at its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rows {
    width: usize,
    lines: Vec<Line>,
}

impl Rows {
    /// Those of `values`, `[n_rows, dim]`.
    ///
    /// # Panics
    /// When `dim` is 0 or the values are not whole rows.
    pub fn new(values: &[f32], dim: usize) -> Self {
        assert!(dim > 0 && values.len().is_multiple_of(dim), "whole rows");
        Self { width: dim.div_ceil(LANES), lines: values.chunks(dim).flat_map(lines).collect() }
    }

    /// Zeros, `[n_rows, dim]`.
    pub fn zeros(n_rows: usize, dim: usize) -> Self {
        let width = dim.max(1).div_ceil(LANES);
        Self { width, lines: vec![Line::ZERO; n_rows * width] }
    }

    /// Normal numbers about 0 that depend on the seed alone, `[n_rows, dim]`.
    pub fn drawn(n_rows: usize, dim: usize, deviation: f32, seed: u64) -> Self {
        let mut rows = Self::zeros(n_rows, dim);
        if let Ok(normal) = Normal::new(0.0, deviation) {
            rows.par_strips_mut(1).enumerate().for_each(|(row, lines)| {
                let mut random = ChaCha8Rng::seed_from_u64(seed);
                random.set_stream(row as u64);
                let values = lines.iter_mut().flat_map(|line| &mut line.0);
                values.take(dim).for_each(|value| *value = normal.sample(&mut random));
            });
        }
        rows
    }

    /// Lines of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.lines.len() / self.width
    }

    /// A row.
    #[inline(always)]
    pub fn row(&self, row: usize) -> &[Line] {
        &self.lines[row * self.width..(row + 1) * self.width]
    }

    /// A row, to change.
    #[inline(always)]
    pub fn row_mut(&mut self, row: usize) -> &mut [Line] {
        &mut self.lines[row * self.width..(row + 1) * self.width]
    }

    /// Copies the first numbers of a row, as many as there is room for.
    pub fn copy(&self, row: usize, to: &mut [f32]) {
        let values = self.row(row).iter().flat_map(|line| line.0);
        to.iter_mut().zip(values).for_each(|(to, value)| *to = value);
    }

    /// The lines of all rows, row after row.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// A run of rows.
    pub fn part(&self, rows: Range<usize>) -> Self {
        let lines = self.lines[rows.start * self.width..rows.end * self.width].to_vec();
        Self { width: self.width, lines }
    }

    /// Puts a run of rows in place of those from `first` on.
    pub fn put(&mut self, first: usize, rows: &Self) {
        self.lines[first * self.width..][..rows.lines.len()].copy_from_slice(&rows.lines);
    }

    /// Runs of so many rows, to change in parallel.
    pub fn par_strips_mut(
        &mut self,
        n_rows: usize,
    ) -> impl IndexedParallelIterator<Item = &mut [Line]> {
        self.lines.par_chunks_mut(n_rows * self.width)
    }

    /// Runs of so many rows, to change one after the other.
    #[cfg(test)]
    pub fn strips_mut(&mut self, n_rows: usize) -> impl Iterator<Item = &mut [Line]> {
        self.lines.chunks_mut(n_rows * self.width)
    }

    /// The sum of all rows' outer products with themselves, times `scale`: a row of numbers for each
    /// number of a row.
    ///
    /// # Complexity
    /// * Time: **O(rows · dim²)**, one triangle of it.
    pub fn gram(&self, scale: f32) -> Self {
        self.gram_of(slice::from_ref(&(0..self.len())), scale)
    }

    /// The same of the rows of some runs.
    pub fn gram_of(&self, runs: &[Range<usize>], scale: f32) -> Self {
        let dim = self.width * LANES;
        let lines =
            |rows: &Range<usize>| &self.lines[rows.start * self.width..rows.end * self.width];
        let strips = runs.iter().flat_map(|rows| lines(rows).chunks(STRIP * self.width));
        let strips: Vec<&[Line]> = strips.collect();
        let strips: Vec<Vec<Line>> =
            strips.into_par_iter().map(|lines| run(Gram { lines, width: self.width })).collect();
        let mut sum = Self::zeros(dim, dim);
        for strip in strips {
            for (sum, value) in sum.lines.iter_mut().zip(strip) {
                sum.0.iter_mut().zip(value.0).for_each(|(sum, value)| *sum += value * scale);
            }
        }
        for row in 0..dim {
            for column in 0..row / LANES * LANES {
                let value = sum.row(column)[row / LANES].0[row % LANES];
                sum.lines[row * self.width + column / LANES].0[column % LANES] = value;
            }
        }
        sum
    }
}

/// A number of a row.
pub(crate) fn number(row: &mut [Line], at: usize) -> &mut f32 {
    &mut row[at / LANES].0[at % LANES]
}

/// Outer products of a strip's rows, added up: lines from that of the diagonal on.
struct Gram<'a> {
    lines: &'a [Line],
    width: usize,
}

/// Numbers of a row that are multiplied with a line together.
const TOGETHER: usize = 8;

impl Work for Gram<'_> {
    type Out = Vec<Line>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Vec<Line> {
        let Self { lines, width } = self;
        let mut sums = vec![Line::ZERO; width * LANES * width];
        for first in (0..width * LANES).step_by(TOGETHER) {
            for column in first / LANES..width {
                let mut tile = [isa.splat(0.0); TOGETHER];
                for row in lines.chunks_exact(width) {
                    let right = isa.load(&row[column].0);
                    let left = &row[first / LANES].0[first % LANES..][..TOGETHER];
                    for (sum, left) in tile.iter_mut().zip(left) {
                        *sum = isa.fma(isa.splat(*left), right, *sum);
                    }
                }
                for (at, sum) in tile.into_iter().enumerate() {
                    isa.store(sum, &mut sums[(first + at) * width + column].0);
                }
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gram_matrix_is_that_of_the_definition() {
        let value = |row: usize, at: usize| ((row * 7 + at * 13) % 11) as f32 * 0.1 - 0.5;
        let (n, dim) = (700, 40);
        let mut rows = Rows::zeros(n, dim);
        for (row, lines) in rows.strips_mut(1).enumerate() {
            for at in 0..dim {
                lines[at / LANES].0[at % LANES] = value(row, at);
            }
        }
        assert_eq!((rows.len(), rows.width()), (n, 3));
        let gram = rows.gram(0.5);
        for row in 0..48 {
            for column in 0..48 {
                let both = row < dim && column < dim;
                let products = (0..n).map(|of| f64::from(value(of, row) * value(of, column)));
                let expected = if both { products.sum::<f64>() * 0.5 } else { 0.0 };
                let found = gram.row(row)[column / LANES].0[column % LANES];
                assert!((f64::from(found) - expected).abs() < 1e-3, "{row} {column}");
                assert_eq!(found, gram.row(column)[row / LANES].0[row % LANES]);
            }
        }
    }
}
