//! Users and items as vectors whose products give the interactions back, and friendships too.
//!
//! Friends are items of their own: a user's vector is to give back whom the user knows beside what the
//! user did, so who did little is placed by their friends. Without friends it is
//! [`ials`](super::ials), whose solver knows no weights of cells.
//!
//! Source: Hu, Koren & Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008, as in
//! `ials`; the friends' matrix beside the items': Ma, Yang, Lyu & King, "`SoRec`: social recommendation using
//! probabilistic matrix factorization", CIKM 2008, and Singh & Gordon, "Relational learning via collective
//! matrix factorization", KDD 2008.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use rayon::prelude::*;

use super::ials::{NU, SPREAD, STEPS, STEPS_OF_QUERY};
use super::neighbors::distinct;
use super::vector::{add, dot, wide, widely};
use super::{Dense, Entry, Knob, Model, ModelError, Params, Query, Sparse, Training};

pub(super) const ENTRY: Entry = Entry {
    name: "social",
    about: "vectors of users and items whose products give interactions and friends back",
    knobs: &[
        Knob { name: "dim", about: "length of the vectors", default: 64.0, grid: &[64.0, 128.0] },
        Knob {
            name: "friends",
            about: "weight of a friend to that of an act",
            default: 0.3,
            grid: &[0.1, 0.3, 1.0],
        },
        Knob {
            name: "unobserved",
            about: "weight of a pair without interaction",
            default: 0.002,
            grid: &[],
        },
        Knob { name: "l2", about: "regularisation", default: 0.04, grid: &[] },
        Knob {
            name: "epochs",
            about: "times that all vectors are solved",
            default: 30.0,
            grid: &[],
        },
    ],
    applies: |training| training.side.friends.is_some(),
    costly: |training| training.interactions.len() > FEW_ACTS,
    fit,
};

/// Acts above which a fit takes more than some seconds.
const FEW_ACTS: usize = 50_000;

/// Rows that a task solves; sums over them are added up in order.
const STRIP: usize = 512;

struct Social {
    items: Dense,
    gram: Dense,
    /// What the solver needs beside the vectors.
    objective: Objective,
    circle: Option<Circle>,
    target: u8,
}

/// Friends as items of their own.
struct Circle {
    /// Users by the users who are their friends.
    friends: Sparse,
    /// A vector for each user as a friend.
    vectors: Dense,
    /// Weight of a friend.
    weight: f32,
}

#[derive(Clone, Copy)]
struct Objective {
    unobserved: f32,
    l2: f32,
    /// Weights of all pairs of a row as if none were seen.
    rest: f32,
}

/// What a vector is to give back: the rows of `others` that `columns` name, each as 1.
#[derive(Clone, Copy)]
struct Seen<'a> {
    columns: &'a [u32],
    others: &'a Dense,
    weight: f32,
}

fn fit(training: &Training, params: &Params, seed: u64) -> Result<Box<dyn Model>, ModelError> {
    let users = training.matrix();
    let items = users.transposed();
    let dim = wide(params.get("dim") as usize);
    let (unobserved, l2) = (params.get("unobserved") as f32, params.get("l2") as f32);
    let rest = |n_others| unobserved * n_others as f32;
    let of_item = Objective { unobserved, l2, rest: rest(users.n_rows()) };
    let mut of_user = Objective { unobserved, l2, rest: rest(items.n_rows()) };
    let mut user_vectors = drawn(users.n_rows(), dim, seed);
    let mut item_vectors = drawn(items.n_rows(), dim, seed.wrapping_add(1));
    let weight = params.get("friends") as f32;
    let friends = training.side.friends.as_ref().filter(|_| weight > 0.0);
    let mut circle = friends.map(|friends| Circle {
        friends: friends.clone(),
        vectors: drawn(friends.n_columns(), dim, seed.wrapping_add(2)),
        weight,
    });
    // All pairs with friends that are none weigh as much as all pairs with items.
    let evened = items.n_rows() as f32 / users.n_rows().max(1) as f32;
    let of_friend = Objective { unobserved: unobserved * evened, ..of_item };
    let of_friend = Objective { rest: of_friend.unobserved * users.n_rows() as f32, ..of_friend };
    if circle.is_some() {
        of_user.rest *= 1.0 + weight;
    }
    let known_by = friends.map(Sparse::transposed);
    let whole_gram = |item_vectors: &Dense, circle: Option<&Circle>| {
        let mut sum = gram(item_vectors);
        if let Some(circle) = circle {
            let of_circle = gram(&circle.vectors);
            for row in 0..dim {
                add(sum.row_mut(row), of_circle.row(row), circle.weight * evened);
            }
        }
        sum
    };
    for _ in 0..params.get("epochs") as usize {
        let gram_of_user = whole_gram(&item_vectors, circle.as_ref());
        solve(&mut user_vectors, &gram_of_user, of_user, |user| {
            let items = Seen { columns: users.row(user).0, others: &item_vectors, weight: 1.0 };
            [Some(items), circle.as_ref().map(|circle| circle.seen(user))]
        });
        let gram_of_item = gram(&user_vectors);
        let (user_vectors, weight) = (&user_vectors, 1.0);
        solve(&mut item_vectors, &gram_of_item, of_item, |item| {
            [Some(Seen { columns: items.row(item).0, others: user_vectors, weight }), None]
        });
        if let (Some(circle), Some(known_by)) = (&mut circle, &known_by) {
            solve(&mut circle.vectors, &gram_of_item, of_friend, |friend| {
                [Some(Seen { columns: known_by.row(friend).0, others: user_vectors, weight }), None]
            });
        }
    }
    let gram = whole_gram(&item_vectors, circle.as_ref());
    let target = training.target;
    Ok(Box::new(Social { items: item_vectors, gram, objective: of_user, circle, target }))
}

impl Circle {
    /// The friends of a user.
    fn seen(&self, user: usize) -> Seen<'_> {
        Seen { columns: self.friends.row(user).0, others: &self.vectors, weight: self.weight }
    }
}

/// Normal numbers that depend on the seed alone.
fn drawn(n_rows: usize, dim: usize, seed: u64) -> Dense {
    let mut vectors = Dense::zeros(n_rows, dim);
    let spread = SPREAD / (dim as f32).sqrt();
    if let Ok(normal) = Normal::new(0.0, spread) {
        vectors.par_rows_mut().enumerate().for_each(|(row, vector)| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(row as u64);
            vector.iter_mut().for_each(|value| *value = normal.sample(&mut random));
        });
    }
    vectors
}

/// `vectorsᵀ · vectors`, `[dim, dim]`.
fn gram(vectors: &Dense) -> Dense {
    let dim = vectors.n_columns();
    let strips: Vec<Dense> = vectors
        .values()
        .par_chunks(STRIP * dim)
        .map(|strip| {
            let strip = Dense::from_values(strip.len() / dim, dim, strip.to_vec());
            strip.transposed().times(&strip)
        })
        .collect();
    let mut sum = Dense::zeros(dim, dim);
    for strip in strips {
        for row in 0..dim {
            add(sum.row_mut(row), strip.row(row), 1.0);
        }
    }
    sum
}

/// Solves every row of `vectors` for what it has seen; `gram` is that of all there is to see.
fn solve<'a>(
    vectors: &mut Dense,
    gram: &Dense,
    objective: Objective,
    seen: impl Fn(usize) -> [Option<Seen<'a>>; 2] + Sync,
) {
    let dim = vectors.n_columns();
    vectors.par_rows_mut().enumerate().with_min_len(64).for_each_init(
        || Scratch::new(dim),
        |scratch, (row, vector)| {
            let seen = seen(row);
            widely(|| scratch.solve(&seen, gram, vector, objective, STEPS));
        },
    );
}

/// Vectors that conjugate gradients need.
struct Scratch {
    residual: Vec<f32>,
    direction: Vec<f32>,
    product: Vec<f32>,
}

impl Scratch {
    fn new(dim: usize) -> Self {
        Self { residual: vec![0.0; dim], direction: vec![0.0; dim], product: vec![0.0; dim] }
    }

    /// Solves `(unobserved · gram + Σ w v vᵀ + l2') x = Σ w v`, where the sums run over what was seen,
    /// from where `x` is.
    #[inline]
    fn solve(
        &mut self,
        seen: &[Option<Seen<'_>>; 2],
        gram: &Dense,
        x: &mut [f32],
        objective: Objective,
        steps: usize,
    ) {
        let Objective { unobserved, l2, rest } = objective;
        let each = || seen.iter().flatten();
        let n_seen: f32 = each().map(|seen| seen.weight * seen.columns.len() as f32).sum();
        let l2 = l2 * (n_seen + rest).powf(NU);
        let times = |x: &[f32], product: &mut [f32]| {
            for (row, value) in product.iter_mut().enumerate() {
                *value = unobserved * dot(gram.row(row), x) + l2 * x[row];
            }
            for Seen { columns, others, weight } in each() {
                for column in *columns {
                    let other = others.row(*column as usize);
                    add(product, other, weight * dot(other, x));
                }
            }
        };
        times(x, &mut self.product);
        for (residual, value) in self.residual.iter_mut().zip(&self.product) {
            *residual = -value;
        }
        for Seen { columns, others, weight } in each() {
            for column in *columns {
                add(&mut self.residual, others.row(*column as usize), *weight);
            }
        }
        self.direction.copy_from_slice(&self.residual);
        let mut squares = dot(&self.residual, &self.residual);
        for _ in 0..steps {
            if squares < 1e-20 {
                break;
            }
            times(&self.direction, &mut self.product);
            let length = squares / dot(&self.direction, &self.product);
            add(x, &self.direction, length);
            add(&mut self.residual, &self.product, -length);
            let next = dot(&self.residual, &self.residual);
            let turn = next / squares;
            for (direction, residual) in self.direction.iter_mut().zip(&self.residual) {
                *direction = residual + turn * *direction;
            }
            squares = next;
        }
    }
}

impl Model for Social {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        let history = distinct(query.acts, self.target);
        let circle = self.circle.as_ref().zip(query.user);
        let friends = circle.map(|(circle, user)| circle.seen(user as usize));
        if history.is_empty() && friends.is_none_or(|friends| friends.columns.is_empty()) {
            return;
        }
        let dim = self.items.n_columns();
        let mut user = vec![0.0; dim];
        let mut scratch = Scratch::new(dim);
        let items = &self.items;
        let seen = [Some(Seen { columns: &history, others: items, weight: 1.0 }), friends];
        widely(|| {
            scratch.solve(&seen, &self.gram, &mut user, self.objective, STEPS_OF_QUERY);
            for (item, score) in scores.iter_mut().enumerate() {
                *score += dot(items.row(item), &user);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Interactions;
    use super::super::ials::tests::two_groups;
    use super::*;

    fn scores(threads: usize) -> Vec<f32> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let training = two_groups();
            let params =
                ENTRY.defaults().with("unobserved", 0.1).with("dim", 16.0).with("l2", 0.05);
            let model = fit(&training, &params, 7).unwrap();
            let mut scores = vec![0.0; 10];
            let query = Query { user: Some(0), acts: training.interactions.of(0) };
            model.score(&query, &mut scores);
            scores
        })
    }

    #[test]
    fn who_lacks_an_item_of_the_group_gets_it() {
        let scores = scores(1);
        assert!(scores[4] > 0.5, "{scores:?}");
        assert!(scores[5..].iter().all(|score| *score < 0.2), "{scores:?}");
    }

    #[test]
    fn threads_change_no_bit() {
        assert_eq!(scores(1), scores(3));
    }

    /// Scores of somebody who did nothing and knows three of the first group.
    fn scores_of_a_friend(weight: f64, threads: usize) -> Vec<f32> {
        let mut training = two_groups();
        let acts = training.interactions.iter().map(|(user, act)| (user, *act)).collect();
        training.interactions = Interactions::new(13, 10, acts);
        let pairs = [(12, 2), (12, 4), (12, 6), (2, 4), (4, 6), (1, 3), (3, 5), (5, 7)];
        let both = pairs.iter().flat_map(|(a, b)| [(*a, *b, 1.0), (*b, *a, 1.0)]);
        training.side.friends = Some(Sparse::from_cells(13, 13, both.collect()));
        let params = ENTRY
            .defaults()
            .with("unobserved", 0.1)
            .with("dim", 16.0)
            .with("l2", 0.03)
            .with("friends", weight);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let model = pool.install(|| fit(&training, &params, 7)).unwrap();
        let mut scores = vec![0.0; 10];
        model.score(&Query { user: Some(12), acts: &[] }, &mut scores);
        scores
    }

    #[test]
    fn who_did_nothing_is_placed_by_friends() {
        let scores = scores_of_a_friend(1.0, 1);
        let least = scores[..5].iter().copied().fold(f32::INFINITY, f32::min);
        let other = scores[5..].iter().copied().fold(f32::NEG_INFINITY, f32::max);
        assert!(least > 0.03 && other < 0.2 * least, "{scores:?}");
        assert_eq!(scores, scores_of_a_friend(1.0, 3));
        assert_eq!(scores_of_a_friend(0.0, 1), [0.0; 10]);
    }
}
