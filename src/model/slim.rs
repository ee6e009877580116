//! Each item from the few others that say most about it, by least squares with penalties.
//!
//! Where a catalogue is too large for the closed form over all pairs of items, this one still works:
//! it needs only the cells that some user filled. A user's weight falls with what they did, so that
//! those who did everything do not tell the items' likeness alone.
//!
//! Source: Ning & Karypis, "SLIM: sparse linear methods for top-N recommender systems", ICDM 2011, with
//! their selection of columns (section 4.3, fsSLIM), solved on the Gram matrix by coordinate descent
//! (Friedman, Hastie & Tibshirani, "Regularization paths for generalized linear models via coordinate
//! descent", Journal of Statistical Software 2010, section 2.2).

use rayon::prelude::*;

use super::gram::Gram;
use super::{Entry, Knob, Model, ModelError, Neighbors, Params, Sparse, Training};

/// Times that the descent goes over an item's coefficients at most.
const SWEEPS: usize = 40;

/// The descent ends when no coefficient moved by more.
const STILL: f32 = 1e-4;

/// Multiplications of the Gram matrix above which it takes too long, and too much room.
const MOST_PRODUCTS: f64 = 1e9;

pub(super) const ENTRY: Entry = Entry {
    name: "slim",
    about: "each item from the few that say most about it, by least squares",
    knobs: &[
        Knob {
            name: "l2",
            about: "weight of the squares of the coefficients",
            default: 50.0,
            grid: &[5.0, 20.0, 50.0, 100.0, 200.0, 400.0],
        },
        Knob {
            name: "l1",
            about: "weight of the coefficients' size",
            default: 0.5,
            grid: &[0.0, 0.5, 2.0],
        },
        Knob {
            name: "user",
            about: "exponent by which a user's weight falls with the items they did",
            default: 0.5,
            grid: &[0.0, 0.5, 1.0],
        },
        Knob {
            name: "signed",
            about: "whether items may speak against others",
            default: 0.0,
            grid: &[],
        },
        Knob { name: "n", about: "others looked at for an item", default: 200.0, grid: &[] },
    ],
    applies,
    costly: |training| training.interactions.len() > FEW_ACTS,
    fit,
};

/// Acts above which a fit takes more than some seconds.
const FEW_ACTS: usize = 200_000;

/// Whether the Gram matrix can be had in time and room.
pub(super) fn applies(training: &Training) -> bool {
    let degrees = training.matrix().row_sums();
    degrees.iter().map(|degree| f64::from(*degree).powi(2)).sum::<f64>() <= MOST_PRODUCTS
}

/// What the descent is told.
pub(super) struct Penalty {
    pub l1: f32,
    pub l2: f32,
    /// Whether coefficients may be negative.
    pub signed: bool,
}

fn fit(training: &Training, params: &Params, _: u64) -> Result<Box<dyn Model>, ModelError> {
    let gram = weighted_gram(training.matrix(), params.get("user") as f32);
    let penalty = Penalty {
        l1: params.get("l1") as f32,
        l2: params.get("l2") as f32,
        signed: params.get("signed") != 0.0,
    };
    let weights = regress_all(gram, params.get("n") as usize, &penalty);
    Ok(Box::new(Neighbors::sparse(weights, training.target)))
}

/// What each item brings others: for each of them the coefficients of the `n` that say most about it.
pub(super) fn regress_all(gram: Sparse, n: usize, penalty: &Penalty) -> Sparse {
    let gram = Gram::new(gram);
    let n_items = gram.n_items();
    let rows: Vec<Vec<(u32, f32)>> = (0..n_items)
        .into_par_iter()
        .map_init(
            || vec![u32::MAX; n_items],
            |places, item| regress(&gram, item, n, penalty, places),
        )
        .collect();
    // A row says what others bring an item: turned, what an item brings others.
    Sparse::from_rows(n_items, rows).transposed()
}

/// Items by items: the weights of the users who did both. A user of the mean size weighs 1.
pub(super) fn weighted_gram(users: Sparse, exponent: f32) -> Sparse {
    let users = weighted(users, exponent);
    users.transposed().product(&users)
}

/// The rows scaled so that a user's products weigh as their size to minus `exponent`, the mean's 1.
pub(super) fn weighted(users: Sparse, exponent: f32) -> Sparse {
    let degrees = users.row_sums();
    let active = degrees.iter().filter(|degree| **degree > 0.0).count().max(1);
    let mean = degrees.iter().map(|degree| f64::from(*degree)).sum::<f64>() / active as f64;
    let scale = |degree: &f32| (mean as f32 / degree).powf(exponent / 2.0);
    let scales: Vec<f32> = degrees.iter().map(scale).collect();
    users.mapped(|user, _, value| value * scales[user])
}

/// The coefficients by which others give `item`, ascending by column; `places` as for [`Gram::block`].
fn regress(
    gram: &Gram,
    item: usize,
    n: usize,
    penalty: &Penalty,
    places: &mut [u32],
) -> Vec<(u32, f32)> {
    let (others, targets): (Vec<u32>, Vec<f32>) =
        gram.nearest(item, n, penalty.l2).into_iter().unzip();
    let weights = descend(&gram.block(&others, places), targets, penalty);
    let weighed = others.into_iter().zip(weights);
    let mut row: Vec<(u32, f32)> = weighed.filter(|(_, weight)| *weight != 0.0).collect();
    row.sort_unstable_by_key(|cell| cell.0);
    row
}

/// The minimum of `½ w'Gw - g'w + ½ l2 |w|² + l1 |w|₁` over `w`, for the block `G` and `g` = `rest`.
fn descend(block: &[f32], mut rest: Vec<f32>, penalty: &Penalty) -> Vec<f32> {
    let n = rest.len();
    let mut weights = vec![0.0_f32; n];
    for _ in 0..SWEEPS {
        let mut moved = 0.0_f32;
        for at in 0..n {
            let line = &block[at * n..(at + 1) * n];
            let old = weights[at];
            let pull = rest[at] + line[at] * old;
            let mut new = (pull.abs() - penalty.l1).max(0.0).copysign(pull);
            if !penalty.signed {
                new = new.max(0.0);
            }
            new /= line[at] + penalty.l2;
            let step = new - old;
            if step != 0.0 {
                weights[at] = new;
                for (value, cell) in rest.iter_mut().zip(line) {
                    *value -= step * cell;
                }
                moved = moved.max(step.abs());
            }
        }
        if moved < STILL {
            break;
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    const PENALTY: Penalty = Penalty { l1: 0.5, l2: 1.0, signed: true };

    #[test]
    fn one_coefficient_is_the_shrunken_quotient() {
        assert_eq!(descend(&[3.0], vec![2.5], &PENALTY), [0.5]);
        assert_eq!(descend(&[3.0], vec![-2.5], &PENALTY), [-0.5]);
        let positive = Penalty { signed: false, ..PENALTY };
        assert_eq!(descend(&[3.0], vec![-2.5], &positive), [0.0]);
    }

    #[test]
    fn the_descent_solves_the_normal_equations() {
        let ridge = Penalty { l1: 0.0, ..PENALTY };
        // (G + I) w = g for w = (1, -2).
        let weights = descend(&[3.0, 1.0, 1.0, 2.0], vec![2.0, -5.0], &ridge);
        assert!((weights[0] - 1.0).abs() < 1e-3 && (weights[1] + 2.0).abs() < 1e-3, "{weights:?}");
    }

    #[test]
    fn busy_users_weigh_less() {
        let users =
            Sparse::from_cells(2, 3, vec![(0, 0, 1.0), (1, 0, 1.0), (1, 1, 1.0), (1, 2, 1.0)]);
        let gram = weighted_gram(users, 1.0);
        // Sizes 1 and 3, mean 2: weights 2 and 2/3.
        assert!((gram.get(0, 0) - 8.0 / 3.0).abs() < 1e-5);
        assert!((gram.get(1, 2) - 2.0 / 3.0).abs() < 1e-5);
    }
}
