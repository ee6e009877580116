//! The linear model that best gives each item back from the others, in closed form.
//!
//! Two exponents go beyond the source: a user's weight falls with what they did, and an item's penalty
//! grows with the users who did it. With both 0 it is the source's model.
//!
//! The closed form needs a dense matrix of items by items. In catalogues too large for that each item's
//! coefficients are found among the 200 others alone that share users and say most about it, by the
//! same least squares: an approximation, in time and room that grow with the catalogue and not with its
//! square.
//!
//! Source: Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019, equation 8; least squares
//! among near items alone: Steck, "Markov random fields for collaborative filtering", `NeurIPS` 2019,
//! section 3.2, with the choice of items and the descent of [`super::slim`].

use rayon::prelude::*;

use super::slim::{self, Penalty, weighted};
use super::{Dense, Entry, Knob, Model, ModelError, Neighbors, Params, Sparse, Training};

/// Items above which the dense matrix takes minutes and gigabytes, and only near items are looked at.
const MOST_ITEMS: usize = 20_480;

/// Others looked at for an item where there are more items.
const NEAREST: usize = 200;

/// Items above which a fit takes more than some seconds.
const FEW_ITEMS: usize = 8_192;

pub(super) const ENTRY: Entry = Entry {
    name: "ease",
    about: "each item from the others, by least squares",
    knobs: &[
        Knob {
            name: "l2",
            about: "weight of the squares of the coefficients",
            default: 200.0,
            grid: &[50.0, 100.0, 200.0, 400.0, 800.0],
        },
        Knob {
            name: "user",
            about: "exponent by which a user's weight falls with the items they did",
            default: 0.0,
            grid: &[0.0, 0.25, 0.5, 1.0],
        },
        Knob {
            name: "item",
            about: "exponent by which an item's penalty grows with the users who did it",
            default: 0.0,
            grid: &[0.0, 0.25, 0.5],
        },
    ],
    applies: |training| is_small(training) || slim::applies(training),
    costly: |training| training.interactions.n_items() > FEW_ITEMS,
    fit,
};

fn is_small(training: &Training) -> bool {
    training.interactions.n_items() <= MOST_ITEMS
}

fn fit(training: &Training, params: &Params, _: u64) -> Result<Box<dyn Model>, ModelError> {
    let n_items = training.interactions.n_items();
    let users = weighted(training.matrix(), params.get("user") as f32);
    let items = users.transposed();
    let squares: Vec<f32> = (0..n_items)
        .map(|item| items.row(item).1.iter().map(|value| value * value).sum())
        .collect();
    let mean = squares.iter().map(|square| f64::from(*square)).sum::<f64>() / n_items.max(1) as f64;
    let (l2, exponent) = (params.get("l2") as f32, params.get("item") as f32);
    // An item that nobody did keeps a penalty, so that the inverse exists.
    let size = |square: f32| square.max(1.0) / (mean as f32).max(1.0);
    let penalties: Vec<f32> =
        squares.into_iter().map(|square| l2 * size(square).powf(exponent)).collect();
    let target = training.target;
    if is_small(training) {
        Ok(Box::new(Neighbors::dense(closed(&items, &users, &penalties), target)))
    } else if slim::applies(training) {
        Ok(Box::new(Neighbors::sparse(near(&items, &users, &penalties), target)))
    } else {
        Err(ModelError::Lacking {
            method: "ease",
            needs: "at most 20,480 items, or users whose squared numbers of acts sum to at most 1e9",
        })
    }
}

/// The coefficients among all items.
fn closed(items: &Sparse, users: &Sparse, penalties: &[f32]) -> Dense {
    let mut inverse = gram(items, users);
    for (item, penalty) in penalties.iter().enumerate() {
        inverse.row_mut(item)[item] += penalty;
    }
    inverse.invert_positive_definite();
    let diagonal: Vec<f32> = (0..penalties.len()).map(|item| inverse.row(item)[item]).collect();
    inverse.par_rows_mut().enumerate().for_each(|(item, row)| {
        for (value, scale) in row.iter_mut().zip(&diagonal) {
            *value /= -scale;
        }
        row[item] = 0.0;
    });
    inverse
}

/// The coefficients of each item among those that share users with it and say most about it.
fn near(items: &Sparse, users: &Sparse, penalties: &[f32]) -> Sparse {
    let gram = items.product(users).mapped(|item, other, value| {
        if item == other as usize { value + penalties[item] } else { value }
    });
    // The penalty of the squares lies on the diagonal already.
    slim::regress_all(gram, NEAREST, &Penalty { l1: 0.0, l2: 0.0, signed: true })
}

/// Items by items: how many users did both.
fn gram(items: &Sparse, users: &Sparse) -> Dense {
    let mut gram = Dense::zeros(users.n_columns(), users.n_columns());
    gram.par_rows_mut().enumerate().for_each(|(item, row)| {
        for (user, left) in items.cells(item) {
            for (other, right) in users.cells(user as usize) {
                row[other as usize] += left * right;
            }
        }
    });
    gram
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_all_items_are_near_the_coefficients_are_those_of_the_closed_form() {
        let cells = (0..60_u32)
            .flat_map(|user| (0..11_u32).map(move |at| (user, (user * 5 + at * at * 3) % 23)))
            .map(|(user, item)| (user, item, 1.0));
        let users = Sparse::from_cells(60, 23, cells.collect())
            .mapped(|user, _, _| 1.0 + user as f32 / 60.0);
        let items = users.transposed();
        let penalties: Vec<f32> = (0..23).map(|item| 5.0 + item as f32).collect();
        let closed = closed(&items, &users, &penalties);
        let near = near(&items, &users, &penalties);
        for item in 0..23 {
            for (other, expected) in (0..).zip(closed.row(item)) {
                let found = near.get(item, other);
                assert!((found - expected).abs() < 2e-3, "{item} {other}: {found}, not {expected}");
            }
        }
        assert!(closed.row(3).iter().any(|value| value.abs() > 0.05));
    }
}
