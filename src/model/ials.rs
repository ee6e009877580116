//! Users and items as vectors whose products give the interactions back: implicit alternating least
//! squares.
//!
//! Source: Hu, Koren & Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008,
//! with the objective and the frequency-scaled regularisation of Rendle, Krichene, Zhang & Koren,
//! "Revisiting the performance of iALS on item recommendation benchmarks", `RecSys` 2022 (equations 2
//! and 3), solved by a few steps of conjugate gradients (Takács, Pilászy & Tikk, `RecSys` 2011).

use rayon::prelude::*;

use super::neighbors::distinct;
use super::{Entry, Knob, Model, ModelError, Params, Query, Sparse, Training, Wanted};
use crate::embed::conjugate::{Solve, System};
use crate::embed::lanes::{LANES, Line};
use crate::embed::panels::{Lookup, Panels};
use crate::embed::rows::Rows;

pub(super) const ENTRY: Entry = Entry {
    name: "ials",
    about: "vectors of users and items whose products give the interactions back",
    knobs: &[
        Knob { name: "dim", about: "length of the vectors", default: 64.0, grid: &[64.0, 128.0] },
        Knob {
            name: "unobserved",
            about: "weight of all pairs, with interaction or not, over that of the interactions",
            default: 10.0,
            grid: &[1.0, 3.0, 10.0, 30.0, 100.0],
        },
        Knob {
            name: "l2",
            about: "regularisation",
            default: 0.01,
            grid: &[0.0001, 0.001, 0.003, 0.01, 0.03, 0.1],
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
pub(super) const NU: f32 = 1.0;

/// Steps of conjugate gradients, from where the last round ended.
pub(super) const STEPS: usize = 3;

/// Steps for a history, from nothing.
pub(super) const STEPS_OF_QUERY: usize = 12;

/// Rows that a task solves.
const STRIP: usize = 64;

/// Standard deviation of the first vectors, over the root of their length.
pub(super) const SPREAD: f32 = 0.1;

struct Ials {
    /// What the users did that the model was fitted to, and their vectors.
    histories: Sparse,
    users: Rows,
    items: Rows,
    panels: Panels,
    gram: Rows,
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

impl Objective {
    /// The regularisation of a row with so many interactions.
    fn l2(self, n: usize) -> f32 {
        self.l2 * (n as f32 + self.unobserved * self.n_others as f32).powf(NU)
    }
}

fn fit(training: &Training, params: &Params, seed: u64) -> Result<Box<dyn Model>, ModelError> {
    let users = training.matrix();
    let items = users.transposed();
    let dim = params.get("dim") as usize;
    let unobserved = weight_of_a_pair(&users, params.get("unobserved"));
    let objective = |n_others| Objective { unobserved, l2: params.get("l2") as f32, n_others };
    let (of_user, of_item) = (objective(items.n_rows()), objective(users.n_rows()));
    let spread = SPREAD / (dim as f32).sqrt();
    let mut user_vectors = Rows::drawn(users.n_rows(), dim, spread, seed);
    let mut item_vectors = Rows::drawn(items.n_rows(), dim, spread, seed.wrapping_add(1));
    for _ in 0..params.get("epochs") as usize {
        solve(&users, &item_vectors, &mut user_vectors, of_user);
        solve(&items, &user_vectors, &mut item_vectors, of_item);
    }
    let mut model = Ials {
        gram: item_vectors.gram(of_user.unobserved),
        panels: Panels::new(item_vectors.lines(), item_vectors.width()),
        items: item_vectors,
        users: Rows::zeros(0, dim),
        histories: users,
        objective: of_user,
        target: training.target,
    };
    let histories = (0..model.histories.n_rows()).map(|user| model.histories.row(user).0);
    model.users = model.vectors(&histories.collect::<Vec<_>>());
    Ok(Box::new(model))
}

/// The weight of a pair without interaction, where all pairs together weigh `unobserved` times the
/// interactions; at most that of an interaction.
///
/// So a default suits short histories and long ones, small catalogues and large ones alike: with one weight
/// for every pair, a large catalogue drowns what a user did.
fn weight_of_a_pair(users: &Sparse, unobserved: f64) -> f32 {
    let n_pairs = users.n_rows() as f64 * users.n_columns() as f64;
    (unobserved * users.n_cells() as f64 / n_pairs.max(1.0)).min(1.0) as f32
}

/// Solves every row of `vectors` given those of the other side.
fn solve(matrix: &Sparse, others: &Rows, vectors: &mut Rows, objective: Objective) {
    let gram = others.gram(objective.unobserved);
    let system = System { others, gram: &gram, steps: STEPS };
    vectors.par_strips_mut(STRIP).enumerate().for_each(|(strip, vectors)| {
        let of_row = |row: usize| {
            let columns = matrix.row(strip * STRIP + row).0;
            (columns, objective.l2(columns.len()))
        };
        Solve { system, of_row, vectors }.all();
    });
}

impl Ials {
    /// The vectors of those who have these histories.
    fn vectors(&self, histories: &[&[u32]]) -> Rows {
        let mut vectors = Rows::zeros(histories.len(), self.items.width() * LANES);
        let system = System { others: &self.items, gram: &self.gram, steps: STEPS_OF_QUERY };
        vectors.par_strips_mut(STRIP).zip(histories.par_chunks(STRIP)).for_each(
            |(vectors, histories)| {
                let of_row = |row: usize| (histories[row], self.objective.l2(histories[row].len()));
                Solve { system, of_row, vectors }.all();
            },
        );
        vectors
    }

    /// What the query's user did, and the user's vector, where it is known already.
    fn known(&self, query: &Query<'_>) -> (Vec<u32>, Option<&[Line]>) {
        let history = distinct(query.acts, self.target);
        let user = query.user.map(|user| user as usize).filter(|user| *user < self.users.len());
        let same = user.filter(|user| self.histories.row(*user).0 == history);
        (history, same.map(|user| self.users.row(user)))
    }
}

impl Model for Ials {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        match self.known(query) {
            (history, _) if history.is_empty() => {}
            (_, Some(user)) => self.panels.add_products(user, scores),
            (history, None) => self.panels.add_products(self.vectors(&[&history]).row(0), scores),
        }
    }

    fn greatest(&self, wanted: &[Wanted<'_>], _: usize, k: usize) -> Vec<Vec<u32>> {
        let known: Vec<_> = wanted.iter().map(|wanted| self.known(&wanted.query)).collect();
        let new = known.iter().filter(|(_, user)| user.is_none());
        let solved = self.vectors(&new.map(|(history, _)| history.as_slice()).collect::<Vec<_>>());
        let mut solved = (0..solved.len()).map(|row| solved.row(row));
        let lookups = wanted.iter().zip(&known).filter_map(|(wanted, (_, user))| {
            let vector = user.or_else(|| solved.next())?;
            Some(Lookup { hidden: &wanted.hidden, end: wanted.end, vector })
        });
        self.panels.greatest(&lookups.collect::<Vec<_>>(), k)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{Act, Interactions, by_scores};
    use super::*;

    /// Two groups of users, each with items of its own; one user of each lacks one.
    pub(in crate::model) fn two_groups() -> Training {
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
            let params =
                ENTRY.defaults().with("dim", 16.0).with("unobserved", 1.0).with("l2", 0.05);
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
    fn the_greatest_are_those_of_the_scores_known_or_not() {
        let training = two_groups();
        let model = fit(&training, &ENTRY.defaults().with("dim", 20.0), 7).unwrap();
        let wanted: Vec<Wanted<'_>> = (0..12)
            .map(|user| {
                let acts = training.interactions.of(user);
                let acts = if user == 3 { &acts[1..] } else { acts };
                let query = Query { user: (user != 5).then_some(user), acts };
                Wanted { query, hidden: acts.iter().map(|act| act.item).collect(), end: 9 }
            })
            .collect();
        for k in [1, 3, 20] {
            let all = by_scores(model.as_ref(), &wanted, 10, k);
            assert_eq!(model.greatest(&wanted, 10, k), all, "{k}");
            assert!(all[3].contains(&5), "what a history lacks can be found");
        }
    }

    #[test]
    fn all_pairs_together_weigh_as_much_as_is_said() {
        let users = Sparse::from_cells(4, 25, vec![(0, 1, 1.0), (0, 2, 1.0), (3, 1, 1.0)]);
        assert_eq!(weight_of_a_pair(&users, 10.0), 0.3);
        assert_eq!(weight_of_a_pair(&users, 100.0), 1.0);
        assert_eq!(weight_of_a_pair(&Sparse::from_cells(0, 0, Vec::new()), 10.0), 0.0);
    }

    #[test]
    fn threads_change_no_bit() {
        assert_eq!(scores(1), scores(3));
    }
}
