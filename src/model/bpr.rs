//! Users and items as vectors that rank what a user did before what they did not.
//!
//! Most items drawn evenly are ranked right soon and teach nothing more. So several are drawn for an
//! interaction, and the one with the greatest score is set against it; their number grows with the
//! catalogue. What was seen often takes smaller steps, and all steps shrink to the end.
//!
//! Source: Rendle, Freudenthaler, Gantner & Schmidt-Thieme, "BPR: Bayesian personalized ranking from
//! implicit feedback", UAI 2009; the choice of negatives: Zhang, Chen, Wang & Yu, "Optimizing top-N
//! collaborative filtering via dynamic negative item sampling", SIGIR 2013; the steps: Duchi, Hazan &
//! Singer, "Adaptive subgradient methods for online learning and stochastic optimization", JMLR 2011,
//! with one sum of squares for a vector. Users and items are dealt into blocks, and at each step threads
//! own disjoint pairs of a block of users and one of items, negatives from the same block (Gemulla et
//! al., "Large-scale matrix factorization with distributed stochastic gradient descent", KDD 2011): so
//! the number of threads changes the time and nothing else.

use rand::seq::SliceRandom;
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
        Knob { name: "l2", about: "regularisation", default: 0.02, grid: &[0.005, 0.02, 0.05] },
        Knob { name: "rate", about: "learning rate of the first epoch", default: 0.1, grid: &[] },
        Knob {
            name: "epochs",
            about: "times that every interaction is seen",
            default: 30.0,
            grid: &[],
        },
        Knob {
            name: "drawn",
            about: "share of the items drawn to rank the greatest of them below what was done",
            default: 0.0125,
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

/// Items drawn for an interaction at most, however many there are.
const MOST_DRAWN: usize = 128;

/// Squares below this count as this, lest the first step be too far.
const TINY: f32 = 1e-8;

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
    let epochs = params.get("epochs") as u64;
    let mut users = Block::dealt(n_users, dim, seed, true);
    let mut items = Block::dealt(n_items, dim, seed ^ 1, false);
    let pairs = dealt(&matrix);
    for epoch in 0..epochs {
        // The rate falls in a line: wide steps find the place, small ones settle there.
        let step = Step {
            l2: params.get("l2") as f32,
            rate: params.get("rate") as f32 * (1.0 - epoch as f32 / epochs as f32),
            drawn: params.get("drawn") as f32,
        };
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
struct Block {
    vectors: Dense,
    /// The mean square of each vector's gradients, summed over its steps.
    squares: Vec<f32>,
}

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
            Self { squares: vec![0.0; n_rows], vectors }
        };
        (0..BLOCKS).map(block).collect()
    }

    /// Goes along a gradient, the less far the more the row went already.
    #[inline]
    fn push(&mut self, row: usize, gradient: &[f32], rate: f32) {
        let squares = &mut self.squares[row];
        *squares += dot(gradient, gradient) / gradient.len() as f32;
        add(self.vectors.row_mut(row), gradient, rate / squares.max(TINY).sqrt());
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
        vectors.row_mut(row).copy_from_slice(blocks[row % BLOCKS].vectors.row(row / BLOCKS));
    }
    vectors
}

struct Step {
    l2: f32,
    rate: f32,
    drawn: f32,
}

impl Step {
    /// Goes over `pairs` in any order, each against an item of the block that its user did not do.
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
        let mut order = pairs.to_vec();
        order.shuffle(random);
        let mut change = vec![0.0; items.vectors.n_columns()];
        let mut gradient = change.clone();
        let last = change.len() - 1;
        for (user, liked) in order {
            let did =
                |item: usize| matrix.get(user as usize, (item * BLOCKS + block) as u32) != 0.0;
            let (own, liked) = (user as usize / BLOCKS, liked as usize / BLOCKS);
            let vector = users.vectors.row(own);
            let Some(other) = self.hardest(vector, &items.vectors, did, random) else { continue };
            change.copy_from_slice(items.vectors.row(liked));
            add(&mut change, items.vectors.row(other), -1.0);
            let slope = 1.0 / (1.0 + dot(vector, &change).exp());
            for (row, sign) in [(liked, slope), (other, -slope)] {
                gradient.fill(0.0);
                add(&mut gradient, vector, sign);
                add(&mut gradient, items.vectors.row(row), -self.l2);
                items.push(row, &gradient, self.rate);
            }
            change.iter_mut().for_each(|value| *value *= slope);
            add(&mut change, vector, -self.l2);
            change[last] = 0.0;
            users.push(own, &change, self.rate);
        }
    }

    /// Of the items drawn that the user did not do the one with the greatest score.
    #[inline]
    fn hardest(
        &self,
        user: &[f32],
        items: &Dense,
        did: impl Fn(usize) -> bool,
        random: &mut ChaCha8Rng,
    ) -> Option<usize> {
        let n_drawn = (self.drawn * items.n_rows() as f32).round() as usize;
        let mut hardest = None;
        let mut greatest = f32::NEG_INFINITY;
        for _ in 0..n_drawn.clamp(1, MOST_DRAWN) {
            let item = random.random_range(0..items.n_rows());
            let score = dot(user, items.row(item));
            if score > greatest && !did(item) {
                (hardest, greatest) = (Some(item), score);
            }
        }
        hardest
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
    fn of_the_items_drawn_the_greatest_that_was_not_done_is_taken() {
        let mut items = Dense::zeros(20, 16);
        for item in 0..20 {
            items.row_mut(item)[0] = (item * 7 % 20) as f32;
        }
        let mut user = [0.0; 16];
        user[0] = 1.0;
        let step = Step { l2: 0.0, rate: 0.1, drawn: 6.0 };
        let mut random = ChaCha8Rng::seed_from_u64(3);
        // 120 draws from 20 items.
        let greatest = (0..20).max_by_key(|item| item * 7 % 20);
        assert_eq!(step.hardest(&user, &items, |_| false, &mut random), greatest);
        let second = (0..20).filter(|item| Some(*item) != greatest).max_by_key(|i| i * 7 % 20);
        let did = |item| Some(item) == greatest;
        assert_eq!(step.hardest(&user, &items, did, &mut random), second);
        assert_eq!(step.hardest(&user, &items, |_| true, &mut random), None);
    }

    #[test]
    fn threads_change_no_bit() {
        assert_eq!(scores(1, Some(0)), scores(3, Some(0)));
    }
}
