//! Users and items as vectors whose products give the interactions back: implicit alternating least
//! squares.
//!
//! Source: Hu, Koren & Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008,
//! with the objective and the frequency-scaled regularisation of Rendle, Krichene, Zhang & Koren,
//! "Revisiting the performance of iALS on item recommendation benchmarks", `RecSys` 2022 (equations 2
//! and 3), solved by a few steps of conjugate gradients (Takács, Pilászy & Tikk, `RecSys` 2011).

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use rayon::prelude::*;

use super::neighbors::distinct;
use super::vector::{add, dot, wide, widely};
use super::{Dense, Entry, Knob, Model, ModelError, Params, Query, Sparse, Training};

pub(super) const ENTRY: Entry = Entry {
    name: "ials",
    about: "vectors of users and items whose products give the interactions back",
    knobs: &[
        Knob { name: "dim", about: "length of the vectors", default: 64.0, grid: &[64.0, 128.0] },
        Knob {
            name: "unobserved",
            about: "weight of a pair without interaction",
            default: 0.1,
            grid: &[0.03, 0.1, 0.3, 1.0],
        },
        Knob {
            name: "l2",
            about: "regularisation",
            default: 0.01,
            grid: &[0.003, 0.01, 0.03, 0.1],
        },
        Knob {
            name: "epochs",
            about: "times that all vectors are solved",
            default: 15.0,
            grid: &[],
        },
    ],
    applies: |_| true,
    costly: |training| training.interactions.len() > FEW_ACTS,
    fit,
};

/// Acts above which a fit takes more than some seconds.
const FEW_ACTS: usize = 100_000;

/// Exponent of the frequency in the regularisation (section 4.1 finds 1 best throughout).
const NU: f32 = 1.0;

/// Steps of conjugate gradients, from where the last round ended.
const STEPS: usize = 3;

/// Steps for a history, from nothing.
const STEPS_OF_QUERY: usize = 12;

/// Rows that a task solves; sums over them are added up in order.
const STRIP: usize = 512;

/// Standard deviation of the first vectors, over the root of their length.
const SPREAD: f32 = 0.1;

struct Ials {
    items: Dense,
    gram: Dense,
    /// What the solver needs beside the vectors.
    objective: Objective,
    target: u8,
}

#[derive(Clone, Copy)]
struct Objective {
    unobserved: f32,
    l2: f32,
    /// Rows of the other side.
    n_others: usize,
}

fn fit(training: &Training, params: &Params, seed: u64) -> Result<Box<dyn Model>, ModelError> {
    let users = training.matrix();
    let items = users.transposed();
    let dim = wide(params.get("dim") as usize);
    let objective = |n_others| Objective {
        unobserved: params.get("unobserved") as f32,
        l2: params.get("l2") as f32,
        n_others,
    };
    let (of_user, of_item) = (objective(items.n_rows()), objective(users.n_rows()));
    let mut user_vectors = drawn(users.n_rows(), dim, seed);
    let mut item_vectors = drawn(items.n_rows(), dim, seed.wrapping_add(1));
    for _ in 0..params.get("epochs") as usize {
        solve(&users, &item_vectors, &mut user_vectors, of_user);
        solve(&items, &user_vectors, &mut item_vectors, of_item);
    }
    let gram = gram(&item_vectors);
    Ok(Box::new(Ials { items: item_vectors, gram, objective: of_user, target: training.target }))
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

/// Solves every row of `vectors` given those of the other side.
fn solve(matrix: &Sparse, others: &Dense, vectors: &mut Dense, objective: Objective) {
    let gram = gram(others);
    let dim = others.n_columns();
    vectors.par_rows_mut().enumerate().with_min_len(64).for_each_init(
        || Scratch::new(dim),
        |scratch, (row, vector)| {
            let columns = matrix.row(row).0;
            widely(|| scratch.solve(columns, others, &gram, vector, objective, STEPS));
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

    /// Solves `(unobserved · gram + Σ v vᵀ + l2') x = Σ v (1 + unobserved')`, where the sums run over
    /// the rows of `others` named in `columns`, from where `x` is.
    #[inline]
    fn solve(
        &mut self,
        columns: &[u32],
        others: &Dense,
        gram: &Dense,
        x: &mut [f32],
        objective: Objective,
        steps: usize,
    ) {
        let Objective { unobserved, l2, n_others } = objective;
        let l2 = l2 * (columns.len() as f32 + unobserved * n_others as f32).powf(NU);
        let times = |x: &[f32], product: &mut [f32]| {
            for (row, value) in product.iter_mut().enumerate() {
                *value = unobserved * dot(gram.row(row), x) + l2 * x[row];
            }
            for column in columns {
                let other = others.row(*column as usize);
                add(product, other, dot(other, x));
            }
        };
        times(x, &mut self.product);
        for (residual, value) in self.residual.iter_mut().zip(&self.product) {
            *residual = -value;
        }
        for column in columns {
            add(&mut self.residual, others.row(*column as usize), 1.0);
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

impl Model for Ials {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        let history = distinct(query.acts, self.target);
        if history.is_empty() {
            return;
        }
        let dim = self.items.n_columns();
        let mut user = vec![0.0; dim];
        let mut scratch = Scratch::new(dim);
        let (items, gram) = (&self.items, &self.gram);
        widely(|| {
            scratch.solve(&history, items, gram, &mut user, self.objective, STEPS_OF_QUERY);
            for (item, score) in scores.iter_mut().enumerate() {
                *score += dot(items.row(item), &user);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Act, Interactions};
    use super::*;

    /// Two groups of users, each with items of its own; one user of each lacks one.
    fn two_groups() -> Training {
        let pairs = (0..12_u32).flat_map(|user| {
            let group = user % 2 * 5;
            (0..5).filter(move |item| user > 1 || *item != 4).map(move |item| (user, group + item))
        });
        let act = |item| Act { item, behavior: 0, at: 0, value: 1.0 };
        let acts = pairs.map(|(user, item)| (user, act(item))).collect();
        Training::plain(Interactions::new(12, 10, acts), false)
    }

    fn scores(threads: usize) -> Vec<f32> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let training = two_groups();
            let params = ENTRY.defaults().with("dim", 16.0).with("l2", 0.05);
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
}
