//! A map between given vectors, from where least squares leave it: softmax says of which item it is.
//!
//! Least squares count every item of a history's answer alike, the first and the last of a ranking. Here
//! the map is moved on so that the next item is likely among the others, by the loss of the sequence
//! model beside this file, as long as that ranks better what some users did, who are held out.

use candle_core::{Device, Result, Tensor, Var};
use rand_chacha::ChaCha8Rng;

use super::super::{Dense, ModelError};
use super::ops::{Cells, gather, linear, with};
use super::softmax::{Candidates, Targets, surprise};
use super::{Schedule, failed, held_out, ndcg, train};

/// Histories and what came next, told by vectors of items.
pub(in crate::model) struct Pairs {
    /// `[n_pairs, width]`.
    pub told: Dense,
    /// The item that came next.
    pub next: Vec<u32>,
    /// Whose each is, ascending.
    pub users: Vec<u32>,
}

/// Pairs of a step.
const BATCH: usize = 256;

/// Items that a step sets against what came.
const NEGATIVES: usize = 1_024;

/// Length of a step, as a share of the root of the map's mean square.
const RATE: f32 = 0.01;

/// Places that count when the training is measured.
const PLACES: usize = 10;

/// What scores may be multiplied with, as powers of two.
const SCALES: std::ops::Range<i32> = -4..12;

/// Pairs by which the scale is chosen.
const SCALED: usize = 512;

/// The pairs with the vectors that tell them, on candle's side.
struct Part<'a> {
    pairs: &'a Pairs,
    told: Tensor,
    items: Tensor,
}

/// Moves a map on, while that gains on held-out users.
///
/// # Arguments
/// * `method`: whose map it is.
/// * `parts`: pairs, and the vectors of items, `[n_items, width]`, that they are told by.
/// * `solve`: the map `[width, width]`, from history to item, of the pairs of the users that it is told
///   to leave out none or some of, ascending.
/// * `epochs`: passes over the pairs at most.
///
/// # Returns
/// The map; that of all pairs where nothing is gained.
///
/// # Errors
/// [`ModelError::Diverged`] and [`ModelError::Network`].
pub(in crate::model) fn trained(
    method: &'static str,
    parts: &[(Pairs, &Dense)],
    solve: impl Fn(&[u32]) -> Dense,
    epochs: usize,
    seed: u64,
) -> std::result::Result<Dense, ModelError> {
    let mut users: Vec<u32> = parts.iter().flat_map(|(pairs, _)| &pairs.users).copied().collect();
    users.sort_unstable();
    users.dedup();
    let held_out = held_out(&users, seed);
    if epochs == 0 || held_out.is_empty() {
        return Ok(solve(&[]));
    }
    let start = solve(&held_out);
    let moved = moved(method, parts, &held_out, &start, epochs, seed)?;
    Ok(moved.unwrap_or_else(|| solve(&[])))
}

/// The map moved on from `start`; none where nothing is gained.
fn moved(
    method: &'static str,
    parts: &[(Pairs, &Dense)],
    held_out: &[u32],
    start: &Dense,
    epochs: usize,
    seed: u64,
) -> std::result::Result<Option<Dense>, ModelError> {
    let failed = |error| failed(method, error);
    let parts: Vec<Part> = parts.iter().map(Part::of).collect::<Result<_>>().map_err(failed)?;
    let (mut rows, mut kept_out) = (Vec::new(), Vec::new());
    for (part, of) in parts.iter().enumerate() {
        for (row, user) in of.pairs.users.iter().enumerate() {
            let out = held_out.binary_search(user).is_ok();
            if out { kept_out.push((part, row)) } else { rows.push((part, row)) }
        }
    }
    let mut shares = vec![0.0; parts.first().map_or(0, |part| part.items.dims()[0])];
    for (part, row) in &rows {
        shares[parts[*part].pairs.next[*row] as usize] += 1.0 / rows.len() as f32;
    }
    let width = start.n_rows();
    let turned = start.transposed();
    let scale = scale(&parts, &kept_out, &turned).map_err(failed)?;
    let values: Vec<f32> = turned.values().iter().map(|value| value * scale).collect();
    let size = values.iter().map(|value| value * value).sum::<f32>() / values.len().max(1) as f32;
    let map = Var::from_vec(values, (width, width), &Device::Cpu).map_err(failed)?;
    let schedule =
        Schedule { method, epochs, batch: BATCH, rate: RATE * size.sqrt(), decay: 0.0, seed };
    let (_, epoch) = train(
        std::slice::from_ref(&map),
        rows.len(),
        &schedule,
        |batch, random| {
            let batch: Vec<(usize, usize)> = batch.iter().map(|at| rows[*at]).collect();
            loss(&parts, &batch, &map, &shares, random)
        },
        || measure(&parts, &kept_out, &map),
    )?;
    if epoch == 0 {
        return Ok(None);
    }
    let values = with(&map, |values| Ok(values.to_vec())).map_err(failed)?;
    Ok(Some(Dense::from_values(width, width, values).transposed()))
}

impl<'a> Part<'a> {
    fn of((pairs, items): &'a (Pairs, &Dense)) -> Result<Self> {
        Ok(Self { pairs, told: tensor(&pairs.told)?, items: tensor(items)? })
    }
}

fn tensor(matrix: &Dense) -> Result<Tensor> {
    let shape = (matrix.n_rows(), matrix.n_columns());
    Tensor::from_vec(matrix.values().to_vec(), shape, &Device::Cpu)
}

/// The rows of each part among `rows`.
fn by_part(n_parts: usize, rows: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut own = vec![Vec::new(); n_parts];
    rows.iter().for_each(|(part, row)| own[*part].push(*row));
    own
}

/// Scores of all items for some rows of a part: `[rows, n_items]`.
fn scores(part: &Part<'_>, rows: &[usize], map: &Tensor) -> Result<Tensor> {
    let told = gather(&part.told, Cells::ones(rows.iter().map(|row| *row as u32)))?;
    linear(&linear(&told, map)?, &part.items)
}

/// What makes scores the best logarithms of likelihoods.
fn scale(parts: &[Part<'_>], rows: &[(usize, usize)], map: &Dense) -> Result<f32> {
    let map = tensor(map)?;
    let step = rows.len().div_ceil(SCALED).max(1);
    let some: Vec<(usize, usize)> = rows.iter().copied().step_by(step).collect();
    let mut sums = vec![0.0; SCALES.len()];
    for (part, own) in parts.iter().zip(by_part(parts.len(), &some)) {
        let scores = scores(part, &own, &map)?;
        let next = own.iter().map(|row| part.pairs.next[*row]);
        for (sum, power) in sums.iter_mut().zip(SCALES) {
            let cells = Cells::ones(next.clone());
            let scaled = (&scores * f64::from(2.0_f32.powi(power)))?;
            *sum += surprise(&scaled, Targets { cells, unlike: Vec::new() })?.to_scalar::<f32>()?;
        }
    }
    let best = sums.iter().zip(SCALES).min_by(|a, b| a.0.total_cmp(b.0));
    Ok(best.map_or(1.0, |(_, power)| 2.0_f32.powi(power)))
}

/// The mean loss of some pairs.
fn loss(
    parts: &[Part<'_>],
    rows: &[(usize, usize)],
    map: &Tensor,
    shares: &[f32],
    random: &mut ChaCha8Rng,
) -> Result<Tensor> {
    let mut sum = Tensor::zeros((), candle_core::DType::F32, &Device::Cpu)?;
    for (part, own) in parts.iter().zip(by_part(parts.len(), rows)) {
        if own.is_empty() {
            continue;
        }
        let next: Vec<u32> = own.iter().map(|row| part.pairs.next[*row]).collect();
        let told = gather(&part.told, Cells::ones(own.iter().map(|row| *row as u32)))?;
        let said = linear(&told.detach(), map)?;
        let drawn = Candidates::drawn(&next, NEGATIVES, shares, random);
        let items = gather(&part.items, Cells::ones(drawn.items))?.detach();
        sum = (sum + surprise(&linear(&said, &items)?, drawn.targets)?)?;
    }
    sum / rows.len() as f64
}

/// How well the map ranks what came next: the mean `ndcg`.
fn measure(parts: &[Part<'_>], rows: &[(usize, usize)], map: &Tensor) -> Result<Option<f64>> {
    let mut sum = 0.0;
    for (part, own) in parts.iter().zip(by_part(parts.len(), rows)) {
        for own in own.chunks(BATCH) {
            let scores = scores(part, own, &map.detach())?;
            let n_items = scores.dim(1)?;
            with(&scores, |scores| {
                for (scores, row) in scores.chunks_exact(n_items).zip(own) {
                    sum += ndcg(scores, &[], &[part.pairs.next[*row]], PLACES);
                }
                Ok(())
            })?;
        }
    }
    Ok((!rows.is_empty()).then(|| sum / rows.len() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = 16;

    /// Every item is a direction, and after item `i` comes `i + 5`; two pairs a user.
    fn round() -> (Pairs, Dense) {
        let mut items = Dense::zeros(N, N);
        (0..N).for_each(|item| items.row_mut(item)[item] = 1.0);
        let history = |pair: usize| pair * 7 % N;
        let told = (0..400).flat_map(|pair| items.row(history(pair)).to_vec()).collect();
        let next = (0..400).map(|pair| ((history(pair) + 5) % N) as u32).collect();
        let users = (0..400).map(|pair| pair as u32 / 2).collect();
        (Pairs { told: Dense::from_values(400, N, told), next, users }, items)
    }

    fn map(epochs: usize, threads: usize) -> Dense {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (pairs, items) = round();
            let even = |_: &[u32]| Dense::from_values(N, N, vec![0.25; N * N]);
            trained("fused", &[(pairs, &items)], even, epochs, 1).unwrap()
        })
    }

    #[test]
    fn a_map_that_knows_nothing_learns_what_follows() {
        let map = map(30, 1);
        for item in 0..N {
            let row = map.row(item);
            let best = (0..N).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
            assert_eq!(best, (item + 5) % N, "{row:?}");
        }
    }

    #[test]
    fn without_epochs_it_stays() {
        assert!(map(0, 1).values().iter().all(|value| *value == 0.25));
    }

    #[test]
    fn threads_change_no_bit_and_nor_does_a_second_run() {
        let first = map(2, 1);
        assert_eq!(first, map(2, 3));
        assert_eq!(first, map(2, 1));
    }
}
