//! A graph's neighbors as a sparse matrix, and products of tall thin matrices.
//!
//! Matrices are row after row, rows of a multiple of sixteen numbers. Rows are shared out in strips of
//! fixed size and sums over rows are added strip by strip, so threads change no bit.
#![allow(clippy::inline_always, reason = "code must end up in the function of its instruction set")]

use petgraph::Direction::{Incoming, Outgoing};
use rayon::prelude::*;

use super::lanes::{Block, Isa, LANES, Work, blocks, blocks_mut, prefetch, run};
use crate::graph::CompactGraph;

/// Rows of a task.
const STRIP: usize = 256;
/// Strips whose sums are added before they meet the others.
const STRIPS_OF_SUM: usize = 16;
/// Rows that are asked for before they are needed.
const AHEAD: usize = 6;

/// Every node's neighbors, both ways, each once, ascending; never itself.
pub(super) struct Neighbors {
    offsets: Vec<usize>,
    others: Vec<u32>,
}

impl Neighbors {
    pub(super) fn new(graph: &CompactGraph) -> Self {
        let (out, inward) = (graph.rows(Outgoing), graph.rows(Incoming));
        let mut offsets = Vec::with_capacity(graph.node_count() + 1);
        let mut others = Vec::with_capacity(2 * graph.edge_count());
        let mut row = Vec::new();
        offsets.push(0);
        for node in 0..graph.node_count() as u32 {
            row.clear();
            row.extend(out.of(node).iter().chain(inward.of(node)).filter(|other| **other != node));
            row.sort_unstable();
            row.dedup();
            others.extend_from_slice(&row);
            offsets.push(others.len());
        }
        Self { offsets, others }
    }

    pub(super) fn n_nodes(&self) -> usize {
        self.offsets.len() - 1
    }

    pub(super) fn of(&self, node: usize) -> &[u32] {
        &self.others[self.offsets[node]..self.offsets[node + 1]]
    }

    pub(super) fn degree(&self, node: usize) -> usize {
        self.of(node).len()
    }

    /// The product of the matrix whose entry at each node and neighbor is `left[node] + right[neighbor]`
    /// with `matrix`, `[nodes, width]`.
    pub(super) fn times(
        &self,
        left: &[f32],
        right: &[f32],
        matrix: &[f32],
        width: usize,
    ) -> Vec<f32> {
        let mut product = vec![0.0; matrix.len()];
        product.par_chunks_mut(STRIP * width).enumerate().for_each(|(strip, rows)| {
            run(Gather { neighbors: self, first: strip * STRIP, left, right, matrix, width, rows });
        });
        product
    }
}

struct Gather<'a> {
    neighbors: &'a Neighbors,
    first: usize,
    left: &'a [f32],
    right: &'a [f32],
    matrix: &'a [f32],
    width: usize,
    rows: &'a mut [f32],
}

impl Work for Gather<'_> {
    type Out = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Self { neighbors, first, left, right, matrix, width, rows } = self;
        for (node, row) in (first..).zip(rows.chunks_exact_mut(width)) {
            let others = neighbors.of(node);
            for start in (0..width).step_by(4 * LANES) {
                let part = start..(start + 4 * LANES).min(width);
                let row = blocks_mut(&mut row[part.clone()]);
                let place = |other: u32| other as usize * width;
                let mut sums = [isa.splat(0.0); 4];
                for (at, &other) in others.iter().enumerate() {
                    if let Some(&later) = others.get(at + AHEAD) {
                        prefetch(&matrix[place(later)..][part.clone()]);
                    }
                    let weight = isa.splat(left[node] + right[other as usize]);
                    let from = blocks(&matrix[place(other)..][part.clone()]);
                    if let Some(from) = from.first_chunk::<4>() {
                        for (sum, from) in sums.iter_mut().zip(from) {
                            *sum = isa.fma(weight, isa.load(from), *sum);
                        }
                    } else {
                        for (sum, from) in sums.iter_mut().zip(from) {
                            *sum = isa.fma(weight, isa.load(from), *sum);
                        }
                    }
                }
                row.iter_mut().zip(sums).for_each(|(to, sum)| isa.store(sum, to));
            }
        }
    }
}

/// `matrix`, `[rows, width]`, times `right`, `[width, columns]`.
pub(super) fn times(matrix: &[f32], width: usize, right: &[f32], columns: usize) -> Vec<f32> {
    let mut product = vec![0.0; matrix.len() / width * columns];
    let strips = matrix.par_chunks(STRIP * width);
    product.par_chunks_mut(STRIP * columns).zip(strips).for_each(|(to, from)| {
        run(Product { from, width, right, columns, to });
    });
    product
}

struct Product<'a> {
    from: &'a [f32],
    width: usize,
    right: &'a [f32],
    columns: usize,
    to: &'a mut [f32],
}

impl Work for Product<'_> {
    type Out = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Self { from, width, right, columns, to } = self;
        for (from, to) in from.chunks_exact(width).zip(to.chunks_exact_mut(columns)) {
            for (value, right) in from.iter().zip(right.chunks_exact(columns)) {
                add(isa, blocks_mut(to), blocks(right), *value);
            }
        }
    }
}

#[inline(always)]
fn add<I: Isa>(isa: I, to: &mut [Block], from: &[Block], scale: f32) {
    let scale = isa.splat(scale);
    for (to, from) in to.iter_mut().zip(from) {
        isa.store(isa.fma(scale, isa.load(from), isa.load(to)), to);
    }
}

/// `left` turned, times `right`: `[rows, width]` and `[rows, columns]` to `[width, columns]`.
pub(super) fn turned_times(left: &[f32], width: usize, right: &[f32], columns: usize) -> Vec<f64> {
    let rows = STRIP * STRIPS_OF_SUM;
    let parts: Vec<Vec<f32>> = left
        .par_chunks(rows * width)
        .zip(right.par_chunks(rows * columns))
        .map(|(left, right)| {
            let mut sums = vec![0.0; width * columns];
            run(Outer { left, width, right, columns, sums: &mut sums });
            sums
        })
        .collect();
    let mut sums = vec![0.0; width * columns];
    for part in parts {
        sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += f64::from(part));
    }
    sums
}

struct Outer<'a> {
    left: &'a [f32],
    width: usize,
    right: &'a [f32],
    columns: usize,
    sums: &'a mut [f32],
}

impl Work for Outer<'_> {
    type Out = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Self { left, width, right, columns, sums } = self;
        for (left, right) in left.chunks_exact(width).zip(right.chunks_exact(columns)) {
            for (value, sums) in left.iter().zip(sums.chunks_exact_mut(columns)) {
                add(isa, blocks_mut(sums), blocks(right), *value);
            }
        }
    }
}

/// Eigenvalues of a symmetric matrix, `[n, n]`, the greatest first, and its eigenvectors, a column for
/// each.
///
/// # Source
/// The cyclic Jacobi method: Golub & Van Loan, "Matrix Computations", section 8.5.
pub(super) fn eigen(mut matrix: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    const SWEEPS: usize = 30;
    // By rows, so that a rotation goes over memory as it lies: turned at the end.
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|at| vectors[at * n + at] = 1.0);
    let size: f64 = matrix.iter().map(|value| value * value).sum();
    for _ in 0..SWEEPS {
        let off: f64 = (0..n)
            .flat_map(|row| (0..row).map(move |column| row * n + column))
            .map(|at| matrix[at] * matrix[at])
            .sum();
        if off <= 1e-22 * size {
            break;
        }
        for upper in 0..n {
            for lower in upper + 1..n {
                let entry = matrix[upper * n + lower];
                if entry == 0.0 {
                    continue;
                }
                let theta = (matrix[lower * (n + 1)] - matrix[upper * (n + 1)]) / (2.0 * entry);
                let tan = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let cos = 1.0 / (tan * tan + 1.0).sqrt();
                let sin = tan * cos;
                rotate(&mut matrix, n, (upper, lower), (cos, sin));
                for row in matrix.chunks_exact_mut(n) {
                    let (one, other) = (row[upper], row[lower]);
                    row[upper] = cos * one - sin * other;
                    row[lower] = sin * one + cos * other;
                }
                rotate(&mut vectors, n, (upper, lower), (cos, sin));
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| matrix[b * n + b].total_cmp(&matrix[a * n + a]));
    let values = order.iter().map(|at| matrix[at * n + at]).collect();
    let mut columns = vec![0.0; n * n];
    for (column, at) in order.iter().enumerate() {
        for row in 0..n {
            columns[row * n + column] = vectors[at * n + row];
        }
    }
    (values, columns)
}

/// Turns two rows of a matrix against each other.
fn rotate(matrix: &mut [f64], n: usize, (upper, lower): (usize, usize), (cos, sin): (f64, f64)) {
    let (before, after) = matrix.split_at_mut(lower * n);
    for (a, b) in before[upper * n..(upper + 1) * n].iter_mut().zip(&mut after[..n]) {
        (*a, *b) = (cos * *a - sin * *b, sin * *a + cos * *b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: usize, width: usize) -> Vec<f32> {
        (0..rows * width).map(|at| ((at * 37 + at / width) % 101) as f32 * 0.02 - 1.0).collect()
    }

    #[test]
    fn eigenvectors_are_those_of_the_matrix() {
        // The eigenvalues of a Pascal matrix come in pairs whose product is 1: Higham, "Accuracy and
        // Stability of Numerical Algorithms", section 28.4.
        let pascal: Vec<f64> =
            [1, 1, 1, 1, 1, 2, 3, 4, 1, 3, 6, 10, 1, 4, 10, 20].map(f64::from).to_vec();
        let (values, vectors) = eigen(pascal.clone(), 4);
        assert!((values[0] * values[3] - 1.0).abs() < 1e-9);
        assert!((values[1] * values[2] - 1.0).abs() < 1e-9);
        for column in 0..4 {
            for row in 0..4 {
                let image: f64 =
                    (0..4).map(|at| pascal[row * 4 + at] * vectors[at * 4 + column]).sum();
                assert!((image - values[column] * vectors[row * 4 + column]).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn products_are_those_of_the_definition() {
        let (rows, width, columns) = (5000, 32, 16);
        let (left, other) = (matrix(rows, width), matrix(rows, columns));
        let right = matrix(width, columns);
        let product = times(&left, width, &right, columns);
        let expected: f32 =
            (0..width).map(|at| left[4321 * width + at] * right[at * columns + 7]).sum();
        assert!((product[4321 * columns + 7] - expected).abs() < 1e-4);
        let turned = turned_times(&left, width, &other, columns);
        let expected: f64 = (0..rows)
            .map(|row| f64::from(left[row * width + 3]) * f64::from(other[row * columns + 9]))
            .sum();
        assert!((turned[3 * columns + 9] - expected).abs() < 1e-2);
    }
}
