//! The linear model that best gives each item back from the others, in closed form.
//!
//! Two exponents go beyond the source: a user's weight falls with what they did, and an item's penalty
//! grows with the users who did it. With both 0 it is the source's model.
//!
//! Source: Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019, equation 8.

use rayon::prelude::*;

use super::slim::weighted;
use super::{Dense, Entry, Knob, Model, ModelError, Neighbors, Params, Sparse, Training};

/// Items above which a fit takes longer than minutes: it is left to who asks for it by name.
const QUICK_ITEMS: usize = 20_480;

/// Items above which the dense matrix takes too much room: 4 GiB.
const MOST_ITEMS: usize = 32_768;

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
    applies: |training| training.interactions.n_items() <= QUICK_ITEMS,
    costly: |training| training.interactions.n_items() > FEW_ITEMS,
    fit,
};

fn fit(training: &Training, params: &Params, _: u64) -> Result<Box<dyn Model>, ModelError> {
    if training.interactions.n_items() > MOST_ITEMS {
        return Err(ModelError::Lacking { method: "ease", needs: "at most 32,768 items" });
    }
    let users = weighted(training.matrix(), params.get("user") as f32);
    let mut inverse = gram(&users.transposed(), &users);
    let n_items = users.n_columns();
    let (l2, exponent) = (params.get("l2") as f32, params.get("item") as f32);
    let squares: Vec<f32> = (0..n_items).map(|item| inverse.row(item)[item]).collect();
    let mean = squares.iter().map(|square| f64::from(*square)).sum::<f64>() / n_items.max(1) as f64;
    for (item, square) in squares.into_iter().enumerate() {
        // An item that nobody did keeps a penalty, so that the inverse exists.
        let size = square.max(1.0) / (mean as f32).max(1.0);
        inverse.row_mut(item)[item] += l2 * size.powf(exponent);
    }
    inverse.invert_positive_definite();
    let diagonal: Vec<f32> = (0..n_items).map(|item| inverse.row(item)[item]).collect();
    inverse.par_rows_mut().enumerate().for_each(|(item, row)| {
        for (value, scale) in row.iter_mut().zip(&diagonal) {
            *value /= -scale;
        }
        row[item] = 0.0;
    });
    Ok(Box::new(Neighbors::dense(inverse, training.target)))
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
