//! Users and items as vectors that rank what a user did before what they did not.
//!
//! Source: Rendle, Freudenthaler, Gantner & Schmidt-Thieme, "BPR: Bayesian personalized ranking from
//! implicit feedback", UAI 2009. Users and items are dealt into blocks, and at each step threads own
//! disjoint pairs of a block of users and one of items, negatives from the same block (Gemulla et al.,
//! "Large-scale matrix factorization with distributed stochastic gradient descent", KDD 2011): so the
//! number of threads changes the time and nothing else.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::neighbors::distinct;
use super::vector::{add, dot, wide, widely};
use super::{Dense, Entry, Knob, Model, ModelError, Params, Query, Sparse, Training};

pub(super) const ENTRY: Entry = Entry {
    name: "bpr",
    about: "vectors that rank what a user did before what they did not",
    knobs: &[
        Knob { name: "dim", about: "length of the vectors", default: 64.0, grid: &[] },
        Knob { name: "l2", about: "regularisation", default: 0.01, grid: &[0.001, 0.01, 0.05] },
        Knob { name: "rate", about: "learning rate", default: 0.05, grid: &[] },
        Knob {
            name: "epochs",
            about: "times that every interaction is seen",
            default: 50.0,
            grid: &[],
        },
    ],
    applies: |_| true,
    costly: |training| training.interactions.len() > FEW_ACTS,
    fit,
};

/// Acts above which a fit takes more than some seconds.
const FEW_ACTS: usize = 300_000;

/// Blocks of users, and of items: at most so many threads have work.
const BLOCKS: usize = 8;

/// The span in which the first numbers lie, over the length of the vectors.
const SPREAD: f32 = 1.0;

/// Vectors, each with the item's own offset as its last number but the padding.
struct Bpr {
    users: Dense,
    items: Dense,
    target: u8,
    n_known: usize,
}

fn fit(training: &Training, params: &Params, seed: u64) -> Result<Box<dyn Model>, ModelError> {
    let matrix = training.matrix();
    let (n_users, n_items) = (matrix.n_rows(), matrix.n_columns());
    let dim = wide(params.get("dim") as usize + 1);
    let step = Step { l2: params.get("l2") as f32, rate: params.get("rate") as f32 };
    let mut users = Block::dealt(n_users, dim, seed, true);
    let mut items = Block::dealt(n_items, dim, seed ^ 1, false);
    let pairs = dealt(&matrix);
    for epoch in 0..params.get("epochs") as u64 {
        for turn in 0..BLOCKS {
            users.par_iter_mut().zip(items.par_iter_mut()).enumerate().for_each(
                |(block, (users, items))| {
                    let other = (block + turn) % BLOCKS;
                    let mut random = ChaCha8Rng::seed_from_u64(seed);
                    random.set_stream(
                        (epoch * BLOCKS as u64 + turn as u64) * BLOCKS as u64 + block as u64,
                    );
                    let own = &pairs[block * BLOCKS + other];
                    widely(|| step.pass(users, items, own, &matrix, other, &mut random));
                },
            );
            items.rotate_left(1);
        }
    }
    let (users, items) = (joined(&users, n_users, dim), joined(&items, n_items, dim));
    Ok(Box::new(Bpr { users, items, target: training.target, n_known: n_users }))
}

/// Vectors of every `BLOCKS`-th row.
struct Block(Dense);

impl Block {
    /// Random vectors of `n` rows, dealt out; the offset is 1 for users and 0 for items.
    fn dealt(n: usize, dim: usize, seed: u64, user: bool) -> Vec<Self> {
        let block = |block: usize| {
            let n_rows = n.saturating_sub(block).div_ceil(BLOCKS);
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(u64::MAX - block as u64);
            let mut vectors = Dense::zeros(n_rows, dim);
            for row in 0..n_rows {
                let vector = vectors.row_mut(row);
                for value in &mut vector[..dim - 1] {
                    *value = (random.random::<f32>() - 0.5) * SPREAD / dim as f32;
                }
                vector[dim - 1] = if user { 1.0 } else { 0.0 };
            }
            Self(vectors)
        };
        (0..BLOCKS).map(block).collect()
    }
}

/// Interactions by block of users and block of items.
fn dealt(matrix: &Sparse) -> Vec<Vec<(u32, u32)>> {
    let mut pairs = vec![Vec::new(); BLOCKS * BLOCKS];
    for user in 0..matrix.n_rows() {
        for item in matrix.row(user).0 {
            pairs[user % BLOCKS * BLOCKS + *item as usize % BLOCKS].push((user as u32, *item));
        }
    }
    pairs
}

/// All vectors in the order of their rows.
fn joined(blocks: &[Block], n: usize, dim: usize) -> Dense {
    let mut vectors = Dense::zeros(n, dim);
    for row in 0..n {
        vectors.row_mut(row).copy_from_slice(blocks[row % BLOCKS].0.row(row / BLOCKS));
    }
    vectors
}

struct Step {
    l2: f32,
    rate: f32,
}

impl Step {
    /// Draws as many of `pairs` as there are, each against an item of the block that its user did not
    /// do.
    #[inline]
    fn pass(
        &self,
        users: &mut Block,
        items: &mut Block,
        pairs: &[(u32, u32)],
        matrix: &Sparse,
        block: usize,
        random: &mut ChaCha8Rng,
    ) {
        let n_items = items.0.n_rows();
        let mut change = vec![0.0; items.0.n_columns()];
        for _ in 0..pairs.len() {
            let (user, liked) = pairs[random.random_range(0..pairs.len())];
            let other = random.random_range(0..n_items);
            if matrix.get(user as usize, (other * BLOCKS + block) as u32) != 0.0 {
                continue;
            }
            let liked = liked as usize / BLOCKS;
            let vector = users.0.row_mut(user as usize / BLOCKS);
            change.copy_from_slice(items.0.row(liked));
            add(&mut change, items.0.row(other), -1.0);
            let slope = self.rate / (1.0 + dot(vector, &change).exp());
            let fade = 1.0 - self.rate * self.l2;
            for (row, sign) in [(liked, slope), (other, -slope)] {
                let item = items.0.row_mut(row);
                item.iter_mut().for_each(|value| *value *= fade);
                add(item, vector, sign);
            }
            let last = vector.len() - 1;
            vector.iter_mut().for_each(|value| *value *= fade);
            add(vector, &change, slope);
            vector[last] = 1.0;
        }
    }
}

impl Model for Bpr {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        let dim = self.items.n_columns();
        let mut user = vec![0.0; dim];
        match query.user.filter(|user| (*user as usize) < self.n_known) {
            Some(known) => user.copy_from_slice(self.users.row(known as usize)),
            None => {
                // Somebody new is where their items are.
                let history = distinct(query.acts, self.target);
                for item in &history {
                    add(&mut user, self.items.row(*item as usize), 1.0 / history.len() as f32);
                }
                user[dim - 1] = 1.0;
            }
        }
        widely(|| {
            for (item, score) in scores.iter_mut().enumerate() {
                *score += dot(self.items.row(item), &user);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Act, Interactions};
    use super::*;

    fn scores(threads: usize, user: Option<u32>) -> Vec<f32> {
        // Two groups of users, each with ten items of its own, of which everybody lacks one.
        let pairs = (0..40_u32).flat_map(|user| {
            (0..10)
                .filter(move |item| *item != user / 4)
                .map(move |item| (user, user % 2 * 10 + item))
        });
        let act = |item| Act { item, behavior: 0, at: 0, value: 1.0 };
        let acts = pairs.map(|(user, item)| (user, act(item))).collect();
        let training = Training::plain(Interactions::new(40, 20, acts), false);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let params = ENTRY.defaults().with("dim", 15.0);
            let model = fit(&training, &params, 5).unwrap();
            let mut scores = vec![0.0; 20];
            model.score(&Query { user, acts: training.interactions.of(0) }, &mut scores);
            scores
        })
    }

    #[test]
    fn the_group_is_ranked_before_the_others() {
        for user in [Some(0), None] {
            let scores = scores(1, user);
            let worst = scores[..10].iter().copied().fold(f32::INFINITY, f32::min);
            let best = scores[10..].iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert!(worst > best, "{user:?}: {scores:?}");
        }
    }

    #[test]
    fn threads_change_no_bit() {
        assert_eq!(scores(1, Some(0)), scores(3, Some(0)));
    }
}
