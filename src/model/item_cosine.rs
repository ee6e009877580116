//! Items that the same users care for: cosine of the items' users.
//!
//! Two exponents go beyond the cosine: how much of the norms is the taking item's, so that what
//! everybody does keeps some of its lead, and how fast a user's weight falls with what they did. With
//! the values that they have when nothing is said it is the source's cosine.
//!
//! Source: Sarwar, Karypis, Konstan & Riedl, "Item-based collaborative filtering recommendation
//! algorithms", WWW 2001, with the shrink term of Bell & Koren, KDD Cup 2007, and the asymmetric cosine
//! of Aiolli, "Efficient top-N recommendation for very large scale binary rated datasets", `RecSys` 2013,
//! section 3.1.

use super::slim::weighted;
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
            name: "user",
            about: "exponent by which a user's weight falls with the items they did",
            default: 0.0,
            grid: &[0.0, 0.5],
        },
        Knob {
            name: "alpha",
            about: "share of the norms that is the taking item's, not its neighbour's",
            default: 0.5,
            grid: &[0.2, 0.35, 0.5],
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
    let users = weighted(training.matrix(), params.get("user") as f32);
    let items = users.transposed();
    let squares = users.clone().mapped(|_, _, value| value * value).column_sums();
    let powers = |exponent: f32| -> Vec<f32> {
        squares.iter().map(|square| square.powf(exponent)).collect()
    };
    let (k, shrink) = (params.get("k") as usize, params.get("shrink") as f32);
    let alpha = params.get("alpha") as f32;
    let (taking, giving) = (powers(alpha), powers(1.0 - alpha));
    let nearest = items.product_top(&users, k, |item, near, product| {
        product / (taking[item] * giving[near] + shrink)
    });
    // An item takes from its nearest ones: the history's item brings it that.
    Ok(Box::new(Neighbors::sparse(nearest.transposed(), training.target)))
}

#[cfg(test)]
mod tests {
    use super::super::{Act, Interactions, Query};
    use super::*;

    /// What each of three items gets of item 1, which users 0 and 1 did; all four did item 0, and
    /// user 0 did item 2.
    fn check(params: &[(&'static str, f64)], expected: [f32; 3]) {
        let act = |item| Act { item, behavior: 0, at: 0, value: 1.0 };
        let pairs = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (3, 0)];
        let acts = pairs.into_iter().map(|(user, item)| (user, act(item))).collect();
        let training = Training::plain(Interactions::new(4, 3, acts), false);
        let params =
            params.iter().fold(ENTRY.defaults(), |params, (name, value)| params.with(name, *value));
        let model = fit(&training, &params, 0).unwrap();
        let mut scores = [0.0; 3];
        model.score(&Query { user: None, acts: &[act(1)] }, &mut scores);
        let near = scores.iter().zip(expected).all(|(found, other)| (found - other).abs() < 1e-5);
        assert!(near, "{params:?}: {scores:?}, not {expected:?}");
    }

    #[test]
    fn weights_are_those_of_the_definition() {
        let root = 2.0_f32.sqrt();
        check(&[], [2.0 / (2.0 * root), 0.0, 1.0 / root]);
        check(&[("shrink", 1.0)], [2.0 / (2.0 * root + 1.0), 0.0, 1.0 / (root + 1.0)]);
        // All of the norm the neighbour's: the share of its users who did the item, too.
        check(&[("alpha", 0.0)], [1.0, 0.0, 0.5]);
        check(&[("alpha", 1.0)], [0.5, 0.0, 1.0]);
        // Sizes 3, 2, 1 and 1: weights over the mean's as 1/3, 1/2, 1 and 1.
        let (both, all, first) = (5.0_f32 / 6.0, 17.0_f32 / 6.0, 1.0_f32 / 3.0);
        check(&[("user", 1.0)], [both / (both * all).sqrt(), 0.0, first / (both * first).sqrt()]);
        // Item 2 is item 0's and item 1's neighbour, but not one of the nearest.
        check(&[("k", 1.0)], [2.0 / (2.0 * root), 0.0, 1.0 / root]);
    }
}
