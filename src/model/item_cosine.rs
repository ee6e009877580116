//! Items that the same users care for: cosine of the items' users.
//!
//! Source: Sarwar, Karypis, Konstan & Riedl, "Item-based collaborative filtering recommendation
//! algorithms", WWW 2001, with the shrink term of Bell & Koren, KDD Cup 2007.

use super::{Entry, Knob, Model, ModelError, Neighbors, Params, Training};

pub(super) const ENTRY: Entry = Entry {
    name: "item_cosine",
    about: "items that the same users did",
    knobs: &[
        Knob {
            name: "k",
            about: "neighbours kept for an item",
            default: 200.0,
            grid: &[100.0, 200.0, 500.0],
        },
        Knob {
            name: "shrink",
            about: "added to the product of the norms",
            default: 0.0,
            grid: &[0.0, 10.0],
        },
    ],
    applies: |_| true,
    costly: |training| training.interactions.n_items() > FEW_ITEMS,
    fit,
};

/// Items above which a fit takes more than some seconds.
const FEW_ITEMS: usize = 32_768;

fn fit(training: &Training, params: &Params, _: u64) -> Result<Box<dyn Model>, ModelError> {
    let users = training.matrix();
    let items = users.transposed();
    let norms: Vec<f32> = users.column_sums().into_iter().map(f32::sqrt).collect();
    let (k, shrink) = (params.get("k") as usize, params.get("shrink") as f32);
    let nearest = items.product_top(&users, k, |item, near, product| {
        product / (norms[item] * norms[near] + shrink)
    });
    // An item takes from its nearest ones: the history's item brings it that.
    Ok(Box::new(Neighbors::sparse(nearest.transposed(), training.target)))
}
