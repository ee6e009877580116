//! Least squares of single rows by conjugate gradients, without their matrices.
//!
//! A row `x` solves `(gram + Σ v vᵀ + l2) x = Σ v · target`, where the sums run over the vectors `v` of
//! what the row did. Multiplying with that matrix takes two passes over these vectors, so the matrix is
//! never made: a step costs **O(n · dim + dim²)**.
//!
//! Source: Takács, Pilászy & Tikk, "Applications of the conjugate gradient method for implicit feedback
//! collaborative filtering", `RecSys` 2011.
#![allow(clippy::inline_always, reason = "code must end up in the function of its instruction set")]

use super::lanes::{Isa, LANES, Line, Work, dot, prefetch, run};
use super::rows::Rows;

/// Squared residual below which a row is solved.
const SOLVED: f32 = 1e-20;

/// What all rows of a side are solved with.
#[derive(Clone, Copy)]
pub(crate) struct System<'a> {
    /// The other side's vectors.
    pub others: &'a Rows,
    /// Their weighted Gram matrix.
    pub gram: &'a Rows,
    /// Steps for a row.
    pub steps: usize,
}

/// Rows to solve, from where they are: for each the other side's rows that it has to do with, and its
/// `l2`.
pub(crate) struct Solve<'a, 'b, F> {
    pub system: System<'a>,
    pub of_row: F,
    pub vectors: &'b mut [Line],
}

impl<'a, F: Fn(usize) -> (&'a [u32], f32)> Solve<'a, '_, F> {
    /// Solves them, by the widest registers that the processor has.
    pub fn all(self) {
        run(self);
    }
}

impl<'a, F: Fn(usize) -> (&'a [u32], f32)> Work for Solve<'a, '_, F> {
    type Out = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Self { system, of_row, vectors } = self;
        let width = system.others.width();
        let mut scratch: [Vec<Line>; 3] = std::array::from_fn(|_| vec![Line::ZERO; width]);
        let n_rows = vectors.len() / width;
        for (row, x) in vectors.chunks_exact_mut(width).enumerate() {
            if row + 1 < n_rows {
                for column in of_row(row + 1).0.iter().take(64) {
                    prefetch(system.others.row(*column as usize));
                }
            }
            let (columns, l2) = of_row(row);
            solve(isa, system, (columns, l2), x, &mut scratch);
        }
    }
}

#[inline(always)]
fn solve<I: Isa>(
    isa: I,
    system: System<'_>,
    (columns, l2): (&[u32], f32),
    x: &mut [Line],
    [residual, direction, product]: &mut [Vec<Line>; 3],
) {
    // The residual is what is left of the right side, so far with its sign turned.
    times(isa, system, (columns, l2), x, 1.0, residual);
    for (direction, residual) in direction.iter_mut().zip(residual.iter_mut()) {
        residual.0.iter_mut().for_each(|value| *value = -*value);
        *direction = *residual;
    }
    let mut squares = dot(isa, residual, residual);
    for _ in 0..system.steps {
        if squares < SOLVED {
            break;
        }
        times(isa, system, (columns, l2), direction, 0.0, product);
        let length = squares / dot(isa, direction, product);
        add(isa, x, direction, length);
        add(isa, residual, product, -length);
        let next = dot(isa, residual, residual);
        let turn = isa.splat(next / squares);
        for (direction, residual) in direction.iter_mut().zip(residual.iter()) {
            let turned = isa.fma(turn, isa.load(&direction.0), isa.load(&residual.0));
            isa.store(turned, &mut direction.0);
        }
        squares = next;
    }
}

/// `(gram + l2) x + Σ v (v · x - target)`.
#[inline(always)]
fn times<I: Isa>(
    isa: I,
    system: System<'_>,
    (columns, l2): (&[u32], f32),
    x: &[Line],
    target: f32,
    product: &mut [Line],
) {
    if x.len().is_multiple_of(4) {
        times_of::<I, 4>(isa, system, (columns, l2), x, target, product);
    } else {
        times_of::<I, 1>(isa, system, (columns, l2), x, target, product);
    }
}

/// The same, where rows have a multiple of `N` lines; sums of `N` lines stay in registers.
#[inline(always)]
fn times_of<I: Isa, const N: usize>(
    isa: I,
    system: System<'_>,
    (columns, l2): (&[u32], f32),
    x: &[Line],
    target: f32,
    product: &mut [Line],
) {
    let x = x.as_chunks::<N>().0;
    let product = product.as_chunks_mut::<N>().0;
    let l2 = isa.splat(l2);
    for (part, (product, own)) in product.iter_mut().zip(x).enumerate() {
        // Even and odd rows apart: a sum waits for the one before it.
        let mut sums = [[isa.splat(0.0); N]; 2];
        for (at, line) in x.as_flattened().iter().enumerate() {
            for (pair, two) in line.0.as_chunks::<2>().0.iter().enumerate() {
                for (parity, value) in two.iter().enumerate() {
                    let row = system.gram.row(at * LANES + pair * 2 + parity);
                    let value = isa.splat(*value);
                    let row = &row.as_chunks::<N>().0[part];
                    for (sum, line) in sums[parity].iter_mut().zip(row) {
                        *sum = isa.fma(value, isa.load(&line.0), *sum);
                    }
                }
            }
        }
        for at in 0..N {
            let sum = isa.add(sums[0][at], sums[1][at]);
            isa.store(isa.fma(l2, isa.load(&own[at].0), sum), &mut product[at].0);
        }
    }
    let rows = |column: u32| system.others.row(column as usize).as_chunks::<N>().0;
    let (four, rest) = columns.as_chunks::<4>();
    for [a, b, c, d] in four {
        add_products(isa, [rows(*a), rows(*b), rows(*c), rows(*d)], x, target, product);
    }
    for column in rest {
        add_products(isa, [rows(*column)], x, target, product);
    }
}

/// Adds `Σ v (v · x - target)` of a few vectors.
#[inline(always)]
fn add_products<I: Isa, const N: usize, const M: usize>(
    isa: I,
    vectors: [&[[Line; N]]; M],
    x: &[[Line; N]],
    target: f32,
    product: &mut [[Line; N]],
) {
    let mut sums = [isa.splat(0.0); M];
    for (part, x) in x.iter().enumerate() {
        for at in 0..N {
            let x = isa.load(&x[at].0);
            for (sum, vector) in sums.iter_mut().zip(vectors) {
                *sum = isa.fma(x, isa.load(&vector[part][at].0), *sum);
            }
        }
    }
    for sum in &mut sums {
        *sum = isa.splat(isa.sum(*sum) - target);
    }
    for (part, product) in product.iter_mut().enumerate() {
        for at in 0..N {
            let mut sum = isa.load(&product[at].0);
            for (factor, vector) in sums.iter().zip(vectors) {
                sum = isa.fma(*factor, isa.load(&vector[part][at].0), sum);
            }
            isa.store(sum, &mut product[at].0);
        }
    }
}

/// Adds `scale · b` to `a`.
#[inline(always)]
fn add<I: Isa>(isa: I, a: &mut [Line], b: &[Line], scale: f32) {
    let scale = isa.splat(scale);
    for (a, b) in a.iter_mut().zip(b) {
        isa.store(isa.fma(scale, isa.load(&b.0), isa.load(&a.0)), &mut a.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_solve_their_systems() {
        let value = |row: usize, at: usize| ((row * 7 + at * 13) % 11) as f32 * 0.1 - 0.45;
        for dim in [5, 40, 64] {
            let mut others = Rows::zeros(30, dim);
            for (row, lines) in others.strips_mut(1).enumerate() {
                for at in 0..dim {
                    lines[at / LANES].0[at % LANES] = value(row, at);
                }
            }
            let gram = others.gram(0.3);
            let columns: [&[u32]; 3] = [&[], &[3, 4, 8, 9, 20], &[1, 7]];
            let system = System { others: &others, gram: &gram, steps: 60 };
            let mut solved = Rows::zeros(3, dim);
            let vectors = solved.strips_mut(3).next().unwrap();
            Solve { system, of_row: |row: usize| (columns[row], 0.5), vectors }.all();
            for (row, columns) in columns.iter().enumerate() {
                let flat = |row: &[Line]| row.iter().flat_map(|line| line.0).collect::<Vec<f32>>();
                let x = flat(solved.row(row));
                let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
                for at in 0..dim {
                    let mut left = dot(&flat(gram.row(at)), &x) + 0.5 * x[at];
                    for column in *columns {
                        let other = flat(others.row(*column as usize));
                        left += other[at] * (dot(&other, &x) - 1.0);
                    }
                    assert!(left.abs() < 1e-3, "{dim} {row} {at} {left}");
                }
                assert_eq!(columns.is_empty(), x.iter().all(|value| *value == 0.0));
            }
        }
    }
}
