//! `ProNE`: a sparse matrix of the edges is factored, and the factors spread over the graph.
//!
//! The first step finds rows whose products tell edges from chance, by a randomized singular value
//! decomposition; the second passes them through a band of the graph's spectrum, by Chebyshev
//! polynomials of its Laplacian.
//!
//! # Source
//! Zhang et al., "`ProNE`: fast and scalable network representation learning", IJCAI 2019, sections 3.1
//! and 3.2, with the constants of the authors' program; Halko, Martinsson & Tropp, "Finding structure
//! with randomness", SIAM Review 2011, algorithm 4.4. An edge counts once, whatever its weight.

use rand::{RngCore, SeedableRng};
use rand_xoshiro::SplitMix64;
use rayon::prelude::*;

use super::lanes::LANES;
use super::sgns::mixed;
use super::sparse::{Neighbors, eigen, times, turned_times};
use super::{EmbedError, Entry, Knob, Params, Progress};
use crate::graph::CompactGraph;

pub(super) const ENTRY: Entry = Entry {
    name: "prone",
    about: "factors of the matrix of edges, spread over the graph's spectrum",
    knobs: &[
        Knob {
            name: "powers",
            about: "times that the random basis is sharpened",
            default: 2.0,
            range: (0.0, 50.0),
        },
        Knob { default: 5.0, ..SPREAD },
    ],
    train,
};

/// Rows of any model can be spread.
pub(super) const SPREAD: Knob = Knob {
    name: "spread",
    about: "terms of the spreading over the graph's spectrum; 0 for none",
    default: 0.0,
    range: (0.0, 50.0),
};

/// The middle of the band of the spectrum, and how sharp it is: those of the authors' program.
const MU: f32 = 0.2;
const THETA: f64 = 0.5;

/// Columns of the random basis beyond those that are asked for, at least.
const SPARE: usize = 8;
/// Chance falls with this power of what a node is met by.
const CHANCE: f64 = 0.75;
/// Directions of less than this share of the greatest are noise.
const LEAST: f64 = 1e-9;

fn train(
    graph: &CompactGraph,
    params: &Params,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<f32>, EmbedError> {
    let neighbors = Neighbors::new(graph);
    if (0..neighbors.n_nodes()).all(|node| neighbors.degree(node) == 0) {
        return Err(EmbedError::NoEdges);
    }
    let (powers, order) = (params.count("powers"), params.count("spread"));
    let of = powers + order + 2;
    let mut done = 0;
    let mut tell = || {
        done += 1;
        progress(Progress { done: done.min(of), of });
    };
    let width = params.dim.next_multiple_of(LANES);
    let mut rows = factors(&neighbors, params, powers, width, &mut tell);
    if order > 0 {
        rows = spread(&neighbors, &rows, order, width, &mut tell);
    }
    tell();
    Ok(rows.par_chunks(width).flat_map_iter(|row| row[..params.dim].iter().copied()).collect())
}

/// Rows whose products are near ln(p(j | i) / chance(j)) at the edges, of length 1 each: `[nodes, width]`.
fn factors(
    neighbors: &Neighbors,
    params: &Params,
    powers: usize,
    width: usize,
    tell: &mut impl FnMut(),
) -> Vec<f32> {
    let n = neighbors.n_nodes();
    let inverse = |node: usize| 1.0 / (neighbors.degree(node) as f64).max(1.0);
    // How much each node is met by: the sum of a column of the transition matrix.
    let mut met: Vec<f64> = (0..n)
        .map(|node| neighbors.of(node).iter().map(|other| inverse(*other as usize)).sum::<f64>())
        .map(|met| met.powf(CHANCE))
        .collect();
    let total: f64 = met.iter().sum();
    met.iter_mut().for_each(|met| *met /= total);
    let own: Vec<f32> = (0..n).map(|node| inverse(node).ln() as f32).collect();
    let other: Vec<f32> =
        met.iter().map(|met| if *met > 0.0 { -met.ln() as f32 } else { 0.0 }).collect();
    let wide = (params.dim + SPARE).next_multiple_of(LANES);
    let mut basis = vec![0.0; n * wide];
    basis.par_chunks_mut(wide).enumerate().for_each(|(node, row)| {
        let mut random = SplitMix64::seed_from_u64(mixed(params.seed, node as u64));
        row.iter_mut().for_each(|value| *value = normal(&mut random));
    });
    let mut image = orthonormal(&neighbors.times(&own, &other, &basis, wide), wide);
    for _ in 0..powers {
        let back = orthonormal(&neighbors.times(&other, &own, &image, wide), wide);
        image = orthonormal(&neighbors.times(&own, &other, &back, wide), wide);
        tell();
    }
    // The singular vectors of what the matrix is within the basis.
    let inner = neighbors.times(&other, &own, &image, wide);
    let (values, vectors) = eigen(turned_times(&inner, wide, &inner, wide), wide);
    let mut turn = vec![0.0; wide * width];
    for row in 0..wide {
        for column in 0..params.dim {
            let size = values[column].max(0.0).powf(0.25);
            turn[row * width + column] = (vectors[row * wide + column] * size) as f32;
        }
    }
    let mut rows = times(&image, wide, &turn, width);
    normalize(&mut rows, width);
    tell();
    rows
}

/// Passes rows through a band of the spectrum, by so many terms: `[nodes, width]`, rows of length 1.
pub(super) fn spread(
    neighbors: &Neighbors,
    rows: &[f32],
    order: usize,
    width: usize,
    tell: &mut impl FnMut(),
) -> Vec<f32> {
    let n = neighbors.n_nodes();
    // Every node is its own neighbor too.
    let share: Vec<f32> = (0..n).map(|node| 1.0 / (neighbors.degree(node) as f32 + 1.0)).collect();
    let zeros = vec![0.0; n];
    // (L - mu) x, for the Laplacian L = 1 - D⁻¹ (A + 1).
    let shifted = |x: &[f32]| {
        let mut sums = neighbors.times(&share, &zeros, x, width);
        sums.par_chunks_mut(width).zip(x.par_chunks(width)).zip(&share).for_each(
            |((sums, x), share)| {
                for (sum, x) in sums.iter_mut().zip(x) {
                    *sum = (1.0 - MU - share) * x - *sum;
                }
            },
        );
        sums
    };
    let mut before = rows.to_vec();
    let mut last = shifted(&shifted(rows));
    combine(&mut last, &[(0.5, None), (-1.0, Some(rows))]);
    let mut kept = rows.to_vec();
    let weight = |term: usize| bessel(term, THETA) as f32;
    combine(&mut kept, &[(weight(0), None), (-2.0 * weight(1), Some(&last))]);
    tell();
    for term in 2..order {
        let mut next = shifted(&shifted(&last));
        combine(&mut next, &[(1.0, None), (-2.0, Some(&last)), (-1.0, Some(&before))]);
        let sign = if term % 2 == 0 { 2.0 } else { -2.0 };
        combine(&mut kept, &[(1.0, None), (sign * weight(term), Some(&next))]);
        before = std::mem::replace(&mut last, next);
        tell();
    }
    combine(&mut kept, &[(-1.0, None), (1.0, Some(rows))]);
    let ones = vec![1.0; n];
    let mut gathered = neighbors.times(&ones, &zeros, &kept, width);
    combine(&mut gathered, &[(1.0, None), (1.0, Some(&kept))]);
    // As the first step ends: along the singular directions, by the roots of their values.
    let (values, vectors) = eigen(turned_times(&gathered, width, &gathered, width), width);
    let mut turn = vec![0.0; width * width];
    let most = values[0];
    for (at, (turn, vector)) in turn.iter_mut().zip(vectors).enumerate() {
        let value = values[at % width];
        if value > LEAST * most {
            *turn = (vector * value.powf(-0.25)) as f32;
        }
    }
    let mut rows = times(&gathered, width, &turn, width);
    normalize(&mut rows, width);
    rows
}

/// `target` becomes the sum of these vectors by weights; none stands for the target as it is.
fn combine(target: &mut [f32], terms: &[(f32, Option<&[f32]>)]) {
    const CHUNK: usize = 1 << 12;
    target.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, target)| {
        for (weight, other) in terms {
            match other {
                None => target.iter_mut().for_each(|value| *value *= weight),
                Some(other) => {
                    let other = &other[chunk * CHUNK..][..target.len()];
                    target
                        .iter_mut()
                        .zip(other)
                        .for_each(|(value, other)| *value += weight * other);
                }
            }
        }
    });
}

/// An orthonormal basis of the columns of `matrix`, `[rows, width]`; zeros in place of directions that
/// are next to nothing.
fn orthonormal(matrix: &[f32], width: usize) -> Vec<f32> {
    let (values, vectors) = eigen(turned_times(matrix, width, matrix, width), width);
    let most = values[0];
    let scale = |at: usize| if values[at] > LEAST * most { values[at].powf(-0.5) } else { 0.0 };
    let turn: Vec<f32> = (0..)
        .zip(vectors)
        .map(|(at, vector): (usize, f64)| (vector * scale(at % width)) as f32)
        .collect();
    times(matrix, width, &turn, width)
}

/// Makes every row 1 long; what is 0 stays.
fn normalize(rows: &mut [f32], width: usize) {
    rows.par_chunks_mut(width).for_each(|row| {
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|value| *value /= length);
        }
    });
}

/// The modified Bessel function of the first kind, *I(n, x)*, by its series.
fn bessel(n: usize, x: f64) -> f64 {
    let mut term = (1..=n).fold(1.0, |term, k| term * x / 2.0 / k as f64);
    let mut sum = 0.0;
    for k in 1..100 {
        sum += term;
        term *= (x / 2.0).powi(2) / (k * (k + n)) as f64;
    }
    sum
}

/// A normal number: Box & Muller 1958.
fn normal(random: &mut SplitMix64) -> f32 {
    let mut unit = || ((random.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    let (radius, angle) = ((-2.0 * unit().ln()).sqrt(), std::f64::consts::TAU * unit());
    (radius * angle.cos()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bessel_is_that_of_the_tables() {
        // Abramowitz & Stegun, table 9.8 and 9.9: I_0(1), I_1(1), I_2(1), I_0(0.5).
        for (n, x, expected) in
            [(0, 1.0, 1.266_066), (1, 1.0, 0.565_159), (2, 1.0, 0.135_748), (0, 0.5, 1.063_483)]
        {
            assert!((bessel(n, x) - expected).abs() < 1e-6, "I_{n}({x})");
        }
    }

    #[test]
    fn a_basis_is_orthonormal() {
        let mut random = SplitMix64::seed_from_u64(1);
        let mut matrix: Vec<f32> = (0..100 * 16).map(|_| normal(&mut random)).collect();
        // A column twice is one direction less.
        matrix.chunks_exact_mut(16).for_each(|row| row[3] = row[2]);
        let basis = orthonormal(&matrix, 16);
        let gram = turned_times(&basis, 16, &basis, 16);
        let trace: f64 = (0..16).map(|at| gram[at * 17]).sum();
        let size: f64 = gram.iter().map(|value| value * value).sum();
        assert!((trace - 15.0).abs() < 1e-3 && (size - 15.0).abs() < 1e-3, "{trace} {size}");
    }
}
