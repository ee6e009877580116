//! Text and behaviour in one vector of each item: `u = [x; y] · W + b`, trained.
//!
//! `x` is an item's text: its words and attributes, brought down to few dimensions. `y` is its
//! behaviour: the items that the same users did, likewise. What a history says, the sum of its items'
//! `[x; y]`, meets `u` of each item in an inner product. `W` and `b` are the least squares that give
//! the next item from the acts before it, held near a multiple of the identity; then they are trained
//! by softmax, as far as held-out users gain. So that training does
//! not rely on what `y` knows only because it has seen the answer, the users are parted in two halves,
//! and each half's acts are predicted with the `y` of the other. An item that nobody did has no `y`;
//! least squares from `x` fill it in.
//!
//! Source: the squared loss over all items in closed form is that of Steck, WWW 2019, on given
//! vectors; the filled-in `y` is that of Gantner et al., "Learning attribute-to-feature mappings for
//! cold-start recommendations", ICDM 2010.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::content::terms;
use super::neural::{Pairs, trained};
use super::subspace::{basis, times};
use super::vector::{dot, wide};
use super::{Dense, Entry, Knob, Model, ModelError, Params, Query, Sparse, Training};

pub(super) const ENTRY: Entry = Entry {
    name: "fused",
    about: "text and behaviour of items in one vector, by least squares",
    knobs: &[
        Knob { name: "dim", about: "dimensions of either", default: 256.0, grid: &[] },
        Knob {
            name: "decay",
            about: "what an act counts to the next later one, where there is an order",
            default: 0.65,
            grid: &[],
        },
        Knob {
            name: "epochs",
            about: "passes of training by softmax after the least squares, at most",
            default: 10.0,
            grid: &[],
        },
        Knob { name: "text", about: "0 leaves text out", default: 1.0, grid: &[] },
        Knob { name: "behavior", about: "0 leaves behaviour out", default: 1.0, grid: &[] },
    ],
    applies: |training| training.side.words.is_some() && !training.interactions.is_empty(),
    costly: |_| true,
    fit,
};

/// Pairs of a history and what came next that the training takes, at most.
const PAIRS: usize = 50_000;

/// The last acts of each user that it takes.
const LATEST: usize = 5;

/// Weights of the squares of `W`, for what comes from the history and what goes to the item, as
/// shares of the mean diagonals of their Gram matrices.
const RIDGE: (f32, f32) = (1.0, 0.1);

/// The same of the map from `x` to `y`.
const FILL: f32 = 0.1;

/// What stands beside `[x; y]` for `b`.
const ONE: f32 = 0.3;

struct Fused {
    /// What an item says in a history: `[n_items, wide]`.
    said: Dense,
    /// `u`: `[n_items, wide]`.
    found: Dense,
    target: u8,
    decay: f32,
}

fn fit(training: &Training, params: &Params, seed: u64) -> Result<Box<dyn Model>, ModelError> {
    let lacking = ModelError::Lacking { method: "fused", needs: "words of items; give --items" };
    let terms = terms(training, 1.0).ok_or(lacking)?;
    let dim = params.get("dim") as usize;
    let decay = if training.ordered { params.get("decay") as f32 } else { 1.0 };
    let text = (params.get("text") > 0.0).then(|| {
        let directions = basis(&terms, &terms.transposed(), dim, seed);
        unit_rows(times(&terms, &directions))
    });
    let users = training.matrix();
    let behavior = (params.get("behavior") > 0.0).then(|| Behavior::of(&users, dim, seed));
    let vectors = |weight: &dyn Fn(usize) -> f32| -> Dense {
        let behavior = behavior.as_ref().map(|behavior| {
            let counts = counted(&users, weight);
            filled(behavior.vectors(weight), &counts, text.as_ref())
        });
        joined(users.n_columns(), &[text.as_ref(), behavior.as_ref()])
    };
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let first: Vec<bool> = (0..users.n_rows()).map(|_| random.random_bool(0.5)).collect();
    let share = |user: usize, half: bool| if first[user] == half { 2.0 } else { 0.0 };
    let (one, other) = (vectors(&|user| share(user, true)), vectors(&|user| share(user, false)));
    let all = vectors(&|_| 1.0);
    let parts = [(&one, false), (&other, true)].map(|(vectors, half)| {
        (pairs(training, vectors, decay, |user| first[user] == half), vectors)
    });
    let solve = |left_out: &[u32]| {
        let mut squares = Squares::zeros(all.n_columns());
        for (pairs, vectors) in &parts {
            squares.add(pairs, vectors, left_out);
        }
        squares.solve()
    };
    let map = trained(ENTRY.name, &parts, solve, params.get("epochs") as usize, seed)?;
    let found = all.times(&map.transposed());
    Ok(Box::new(Fused { said: all, found, target: training.target, decay }))
}

/// What the same users do, by items.
struct Behavior {
    /// Users by items, both degrees damped.
    damped: Sparse,
    turned: Sparse,
    directions: Dense,
}

impl Behavior {
    fn of(users: &Sparse, dim: usize, seed: u64) -> Self {
        let (degrees, counts) = (users.row_sums(), users.column_sums());
        let damped = users.clone().mapped(|user, item, value| {
            value / (degrees[user].max(1.0) * counts[item as usize].max(1.0)).sqrt()
        });
        let turned = damped.transposed();
        let directions = basis(&damped, &turned, dim, seed);
        Self { damped, turned, directions }
    }

    /// Of users that count by `weight`: `[n_items, dim]`, rows of length 1 or 0.
    fn vectors(&self, weight: &dyn Fn(usize) -> f32) -> Dense {
        let mut of_users = times(&self.damped, &self.directions);
        for user in 0..of_users.n_rows() {
            let weight = weight(user);
            for value in of_users.row_mut(user) {
                *value *= weight;
            }
        }
        unit_rows(times(&self.turned, &of_users))
    }
}

/// Users of each item that count.
fn counted(users: &Sparse, weight: &dyn Fn(usize) -> f32) -> Vec<f32> {
    let mut counts = vec![0.0; users.n_columns()];
    for user in (0..users.n_rows()).filter(|user| weight(*user) > 0.0) {
        for item in users.row(user).0 {
            counts[*item as usize] += 1.0;
        }
    }
    counts
}

/// The behaviour of items that nobody did as least squares from the text give it.
fn filled(mut behavior: Dense, counts: &[f32], text: Option<&Dense>) -> Dense {
    let Some(text) = text else { return behavior };
    let weighted = |matrix: &Dense| {
        let mut matrix = matrix.clone();
        for (item, count) in counts.iter().enumerate() {
            let weight = count.min(10.0).sqrt();
            for value in matrix.row_mut(item) {
                *value *= weight;
            }
        }
        matrix
    };
    let (from, to) = (weighted(text), weighted(&behavior));
    let turned = from.transposed();
    let map = ridge(turned.times(&from), FILL).times(&turned.times(&to));
    let guessed = text.times(&map);
    for (item, _) in counts.iter().enumerate().filter(|(_, count)| **count == 0.0) {
        behavior.row_mut(item).copy_from_slice(guessed.row(item));
    }
    behavior
}

/// The inverse of a Gram matrix with `share` of its mean diagonal added.
fn ridge(mut gram: Dense, share: f32) -> Dense {
    let n = gram.n_rows();
    let mean = (0..n).map(|at| gram.row(at)[at]).sum::<f32>() / n.max(1) as f32;
    for at in 0..n {
        gram.row_mut(at)[at] += (share * mean).max(f32::MIN_POSITIVE);
    }
    gram.invert_positive_definite();
    gram
}

fn unit_rows(mut matrix: Dense) -> Dense {
    for row in 0..matrix.n_rows() {
        let row = matrix.row_mut(row);
        let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        if norm > 1e-9 {
            for value in row {
                *value /= norm;
            }
        }
    }
    matrix
}

/// The parts side by side and a constant, padded to whole steps.
fn joined(n_items: usize, parts: &[Option<&Dense>]) -> Dense {
    let parts: Vec<&Dense> = parts.iter().copied().flatten().collect();
    let width: usize = parts.iter().map(|part| part.n_columns()).sum();
    let mut whole = Dense::zeros(n_items, wide(width + 1));
    for item in 0..n_items {
        let row = whole.row_mut(item);
        let values = parts.iter().flat_map(|part| part.row(item));
        for (cell, value) in row.iter_mut().zip(values) {
            *cell = *value;
        }
        row[width] = ONE;
    }
    whole
}

/// Histories of the users that `of` says, told by `vectors`, and what came next.
fn pairs(training: &Training, vectors: &Dense, decay: f32, of: impl Fn(usize) -> bool) -> Pairs {
    let width = vectors.n_columns();
    let n_users = training.interactions.n_users();
    let step = (n_users * LATEST).div_ceil(PAIRS).max(1);
    let (mut told, mut next, mut users) = (Vec::new(), Vec::new(), Vec::new());
    for user in (0..n_users).filter(|user| of(*user)).step_by(step) {
        let acts = training.interactions.of(user as u32);
        let acts = acts.iter().filter(|act| act.behavior == training.target);
        let items: Vec<usize> = acts.map(|act| act.item as usize).collect();
        let mut history = vec![0.0; width];
        if !training.ordered {
            for item in &items {
                add(&mut history, 1.0, vectors.row(*item));
            }
        }
        for (place, item) in items.iter().enumerate() {
            let others = if training.ordered { place } else { items.len() - 1 };
            if others > 0 && place + LATEST >= items.len() {
                told.extend(&history);
                if !training.ordered {
                    let start = told.len() - width;
                    add(&mut told[start..], -1.0, vectors.row(*item));
                }
                next.push(*item as u32);
                users.push(user as u32);
            }
            if training.ordered {
                for value in &mut history {
                    *value *= decay;
                }
                add(&mut history, 1.0, vectors.row(*item));
            }
        }
    }
    Pairs { told: Dense::from_values(next.len(), width, told), next, users }
}

/// Sums of products that the training needs.
struct Squares {
    /// Histories by histories.
    histories: Dense,
    /// Histories by next items.
    next: Dense,
    /// Items by items.
    items: Dense,
}

impl Squares {
    fn zeros(width: usize) -> Self {
        let zeros = || Dense::zeros(width, width);
        Self { histories: zeros(), next: zeros(), items: zeros() }
    }

    /// Adds pairs but those of the users that are left out, told by `vectors`.
    fn add(&mut self, pairs: &Pairs, vectors: &Dense, left_out: &[u32]) {
        let width = vectors.n_columns();
        let (mut told, mut came) = (Vec::new(), Vec::new());
        for (row, (item, user)) in pairs.next.iter().zip(&pairs.users).enumerate() {
            if left_out.binary_search(user).is_err() {
                told.extend(pairs.told.row(row));
                came.extend(vectors.row(*item as usize));
            }
        }
        let n = told.len() / width;
        let (told, came) = (Dense::from_values(n, width, told), Dense::from_values(n, width, came));
        let turned = told.transposed();
        plus(&mut self.histories, &turned.times(&told));
        plus(&mut self.next, &turned.times(&came));
        plus(&mut self.items, &vectors.transposed().times(vectors));
    }

    /// `W`, from history to item.
    fn solve(self) -> Dense {
        let width = self.next.n_rows();
        let from = ridge(self.histories, RIDGE.0).times(&self.next);
        // The items were added twice, once with each half's behaviour.
        let mut items = self.items;
        for row in 0..width {
            for value in items.row_mut(row) {
                *value /= 2.0;
            }
        }
        let mut map = from.times(&ridge(items, RIDGE.1));
        let mean = (0..width).map(|at| map.row(at)[at]).sum::<f32>() / width.max(1) as f32;
        for at in 0..width {
            map.row_mut(at)[at] += mean.max(0.0);
        }
        map
    }
}

fn add(sum: &mut [f32], weight: f32, values: &[f32]) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += weight * value;
    }
}

fn plus(sum: &mut Dense, other: &Dense) {
    for row in 0..sum.n_rows() {
        add(sum.row_mut(row), 1.0, other.row(row));
    }
}

impl Model for Fused {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        let mut told = vec![0.0; self.said.n_columns()];
        let mut weight = 1.0;
        for act in query.acts.iter().rev().filter(|act| act.behavior == self.target) {
            add(&mut told, weight, self.said.row(act.item as usize));
            weight *= self.decay;
        }
        for (item, score) in scores.iter_mut().enumerate() {
            *score += dot(&told, self.found.row(item));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Act, Interactions};

    fn act(item: u32, at: i64) -> Act {
        Act { item, behavior: 0, at, value: 1.0 }
    }

    /// Two groups of ten items and forty users, who keep to one group; the words tell the groups, and
    /// item 19 nobody did.
    fn training() -> Training {
        let acts = (0..40_u32).flat_map(|user| {
            (0..5_u32).filter_map(move |at| {
                let item = user % 2 * 10 + (user / 2 * 3 + at) % 10;
                (item != 19).then(|| (user, act(item, i64::from(at))))
            })
        });
        let mut training = Training::plain(Interactions::new(40, 20, acts.collect()), true);
        let words = (0..20).flat_map(|item| [(item, item / 10, 1.0), (item, 2 + item % 3, 1.0)]);
        training.side.words = Some(Sparse::from_cells(20, 5, words.collect()));
        training
    }

    fn scores(params: &Params) -> Vec<f32> {
        let training = training();
        let model = fit(&training, params, 1).unwrap();
        let mut scores = vec![0.0; 20];
        model.score(&Query { user: None, acts: &[act(12, 0), act(14, 1)] }, &mut scores);
        scores
    }

    #[test]
    fn the_historys_group_comes_first_and_a_new_item_with_it() {
        let scores = scores(&ENTRY.defaults());
        let other = (0..10).map(|item| scores[item]).fold(f32::MIN, f32::max);
        let (own, rest): (f32, f32) = (scores[10..].iter().sum(), scores[..10].iter().sum());
        assert!(own > 4.0 * rest && scores[19] > other, "{scores:?}");
    }

    #[test]
    fn behavior_alone_knows_nothing_of_a_new_item() {
        let alone = scores(&ENTRY.defaults().with("text", 0.0));
        assert!((10..19).all(|item| alone[item] > alone[19] + 0.01), "{alone:?}");
    }

    #[test]
    fn the_same_bits_at_any_number_of_threads() {
        let at = |n| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
            pool.install(|| scores(&ENTRY.defaults()))
        };
        assert_eq!(at(1), at(3));
    }
}
