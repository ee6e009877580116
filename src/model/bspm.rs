//! A history blurred over the graph of items and sharpened again.
//!
//! Blurring brings a history to the items that users share with it, and adds its smoothest part on the
//! graph; sharpening runs the heat equation backwards on that: what an item gets merely because its
//! neighbours get it too is taken away. Without sharpening this is GF-CF. It is linear in the history.
//!
//! Source: Choi, Hong, Park & Cho, "Blurring-sharpening process models for collaborative filtering",
//! SIGIR 2023: early merge, one step of Euler's method to blur and of Runge-Kutta's to sharpen. GF-CF:
//! Shen et al., "How powerful is graph convolution for recommendation?", CIKM 2021.

use super::low_pass::{FEW_ACTS, ITEM, LowPass, USER, normalized};
use super::neighbors::distinct;
use super::vector::widely;
use super::{Entry, Knob, Model, ModelError, Params, Query, Sparse, Training};

pub(super) const ENTRY: Entry = Entry {
    name: "bspm",
    about: "a history blurred over the graph of items and sharpened again",
    knobs: &[
        Knob {
            name: "sharpen",
            about: "time that the sharpening takes; 0 for none",
            default: 2.5,
            grid: &[0.0, 1.0, 2.0, 2.5, 3.0],
        },
        Knob {
            name: "ideal",
            about: "weight of the smoothest part",
            default: 0.2,
            grid: &[0.0, 0.1, 0.2, 0.4, 0.8],
        },
        Knob { name: "d", about: "dimensions of the smoothest part", default: 448.0, grid: &[] },
        ITEM,
        USER,
    ],
    applies: |_| true,
    costly: |training| training.interactions.len() > FEW_ACTS,
    fit,
};

struct Bspm {
    /// Users by items, divided by powers of both ends' degrees.
    users: Sparse,
    /// The same, turned.
    items: Sparse,
    ideal: f32,
    smoothest: Option<LowPass>,
    sharpen: f32,
    target: u8,
}

fn fit(training: &Training, params: &Params, seed: u64) -> Result<Box<dyn Model>, ModelError> {
    let ideal = params.get("ideal") as f32;
    let (users, scales) = normalized(training, params);
    let items = users.transposed();
    let d = params.get("d") as usize;
    let smoothest =
        (ideal != 0.0).then(|| LowPass::new((&users, &items), scales, d, seed, training.target));
    let sharpen = params.get("sharpen") as f32;
    Ok(Box::new(Bspm { users, items, ideal, smoothest, sharpen, target: training.target }))
}

/// Queries that are answered at once: a vector of numbers, one for each, takes the place of a number.
const LANES: usize = 16;

/// A number for each of the queries that are answered at once.
type Lanes = [f32; LANES];

impl Model for Bspm {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        self.score_all(&[*query], scores);
    }

    fn score_all(&self, queries: &[Query<'_>], scores: &mut [f32]) {
        let n_items = self.items.n_rows();
        let mut of_users = vec![[0.0; LANES]; self.users.n_rows()];
        let mut of_items = vec![[0.0; LANES]; n_items];
        let all = queries.chunks(LANES).zip(scores.chunks_mut(n_items.max(1) * LANES));
        for (queries, scores) in all {
            of_items.fill([0.0; LANES]);
            for (lane, query) in queries.iter().enumerate() {
                for item in distinct(query.acts, self.target) {
                    of_items[item as usize][lane] = 1.0;
                }
            }
            self.blur(&mut of_users, &mut of_items);
            if let Some(smoothest) = &self.smoothest {
                smoothest.add(queries, self.ideal, scores);
                for (lane, scores) in scores.chunks_exact(n_items).enumerate() {
                    for (lanes, score) in of_items.iter_mut().zip(scores) {
                        lanes[lane] += score;
                    }
                }
            }
            if self.sharpen != 0.0 {
                self.sharpened(&mut of_users, &mut of_items);
            }
            for (lane, scores) in scores.chunks_exact_mut(n_items).enumerate() {
                for (score, lanes) in scores.iter_mut().zip(&of_items) {
                    *score = lanes[lane];
                }
            }
        }
    }
}

impl Bspm {
    /// `P · of_items`, `P` being the graph of items: what users make of the items, and items of the users.
    fn blur(&self, of_users: &mut [Lanes], of_items: &mut [Lanes]) {
        widely(|| {
            multiply(&self.users, of_items, of_users);
            multiply(&self.items, of_users, of_items);
        });
    }

    /// `exp(-sharpen · P) · of_items` to the fourth order: what one step of Runge-Kutta's method gives for
    /// a linear equation.
    fn sharpened(&self, of_users: &mut [Lanes], of_items: &mut [Lanes]) {
        let blurred = of_items.to_vec();
        for order in (1..=4_u8).rev() {
            // Horner: of_items = blurred - sharpen / order · P · of_items.
            self.blur(of_users, of_items);
            let factor = self.sharpen / f32::from(order);
            for (item, blurred) in of_items.iter_mut().zip(&blurred) {
                for (value, blurred) in item.iter_mut().zip(blurred) {
                    *value = blurred - factor * *value;
                }
            }
        }
    }
}

/// `product = matrix · vectors`.
#[inline]
fn multiply(matrix: &Sparse, vectors: &[Lanes], product: &mut [Lanes]) {
    for (row, product) in product.iter_mut().enumerate() {
        let mut sums = [0.0; LANES];
        for (column, value) in matrix.cells(row) {
            for (sum, of) in sums.iter_mut().zip(&vectors[column as usize]) {
                *sum += value * of;
            }
        }
        *product = sums;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Act, Interactions};

    /// User 0 did items 0 and 1, user 1 items 1 and 2.
    fn training() -> Training {
        let act = |item| Act { item, behavior: 0, at: 0, value: 1.0 };
        let acts = [(0, 0), (0, 1), (1, 1), (1, 2)].map(|(user, item)| (user, act(item)));
        Training::plain(Interactions::new(2, 3, acts.to_vec()), false)
    }

    fn scores(knobs: &[(&'static str, f64)], threads: usize) -> Vec<f32> {
        let training = training();
        let params =
            knobs.iter().fold(ENTRY.defaults(), |all, (name, value)| all.with(name, *value));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let model = pool.install(|| fit(&training, &params, 1)).unwrap();
        let mut scores = vec![0.0; 3];
        model.score(&Query { user: Some(0), acts: training.interactions.of(0) }, &mut scores);
        scores
    }

    fn assert_near(found: &[f32], expected: &[f32]) {
        let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4);
        assert!(near, "{found:?}, expected {expected:?}");
    }

    /// Degrees are 2, 2 for users and 1, 2, 1 for items: `P` is the product of
    /// `[[.7071, .5, 0], [0, .5, .7071]]` with itself.
    const P: [[f32; 3]; 3] = [[0.5, 0.35355, 0.0], [0.35355, 0.5, 0.35355], [0.0, 0.35355, 0.5]];

    #[test]
    fn without_sharpening_a_history_reaches_what_users_share_with_it() {
        let expected: Vec<f32> = (0..3).map(|item| P[0][item] + P[1][item]).collect();
        assert_near(&scores(&[("sharpen", 0.0), ("ideal", 0.0)], 1), &expected);
    }

    #[test]
    fn sharpening_is_the_exponential_of_the_graph_to_the_fourth_order() {
        let blurred: Vec<f32> = (0..3).map(|item| P[0][item] + P[1][item]).collect();
        let mut term = blurred.clone();
        let mut expected = blurred;
        for order in 1..=4 {
            let next = (0..3).map(|row| (0..3).map(|at| P[row][at] * term[at]).sum::<f32>());
            term = next.map(|value: f32| value * -2.0 / order as f32).collect();
            expected.iter_mut().zip(&term).for_each(|(sum, term)| *sum += term);
        }
        assert_near(&scores(&[("sharpen", 2.0), ("ideal", 0.0)], 1), &expected);
    }

    #[test]
    fn all_dimensions_pass_what_there_is() {
        // The graph has two dimensions; its whole space passes a history that lies in it.
        let whole = scores(&[("sharpen", 0.0), ("ideal", 1.0), ("d", 2.0)], 1);
        let none = scores(&[("sharpen", 0.0), ("ideal", 0.0)], 1);
        // Item 2 gets something from the space, since item 1 does not lie in it alone.
        assert!(whole[0] > none[0] + 0.5 && whole[1] > none[1] + 0.5, "{whole:?} {none:?}");
    }

    #[test]
    fn threads_and_company_change_no_bit() {
        assert_eq!(scores(&[], 1), scores(&[], 3));
        let training = training();
        let model = fit(&training, &ENTRY.defaults(), 1).unwrap();
        let queries: Vec<Query<'_>> = (0..20)
            .map(|at| Query { user: None, acts: training.interactions.of(at % 2) })
            .collect();
        let mut all = vec![0.0; 60];
        model.score_all(&queries, &mut all);
        for (query, found) in queries.iter().zip(all.chunks_exact(3)) {
            let mut alone = vec![0.0; 3];
            model.score(query, &mut alone);
            assert_eq!(found, alone);
        }
    }
}
