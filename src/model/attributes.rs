//! Items that share attributes with the history's: categories, brands, tags, words.
//!
//! A rare attribute tells more than a common one, the latest acts more than those before, and of
//! equally fitting items the one that more people did comes first.
//!
//! Source: Pazzani & Billsus, "Content-based recommendation systems", The Adaptive Web 2007, section
//! 10.2 (TF-IDF vectors, their sum over a history as the profile); here with free exponents of the
//! vectors' lengths and of popularity.

use super::neighbors::faded;
use super::{Entry, Knob, Model, ModelError, Params, Query, Sparse, Training};

pub(super) const ENTRY: Entry = Entry {
    name: "attributes",
    about: "items that share attributes with the history's",
    knobs: &[
        Knob {
            name: "recency",
            about: "weight of an act over that of the one after it",
            default: 0.8,
            grid: &[0.6, 0.9, 1.0],
        },
        Knob {
            name: "popularity",
            about: "exponent of the users who did an item",
            default: 0.2,
            grid: &[0.0, 0.4, 0.7],
        },
        Knob {
            name: "length",
            about: "exponent of the length of an item's vector that it is divided by",
            default: 0.5,
            grid: &[0.0, 1.0],
        },
    ],
    applies: |training| training.side.attributes.is_some(),
    costly: |_| false,
    fit,
};

struct Attributes {
    /// Items by attributes.
    vectors: Sparse,
    /// Attributes by items, times the items' popularity.
    holders: Sparse,
    target: u8,
    recency: f32,
}

fn fit(training: &Training, params: &Params, _: u64) -> Result<Box<dyn Model>, ModelError> {
    let attributes = training.side.attributes.clone().ok_or(ModelError::Lacking {
        method: "attributes",
        needs: "the items' attributes: give --attributes",
    })?;
    let n_items = attributes.n_rows().max(1) as f32;
    let mut holders = vec![0_u32; attributes.n_columns()];
    for item in 0..attributes.n_rows() {
        for attribute in attributes.row(item).0 {
            holders[*attribute as usize] += 1;
        }
    }
    let rarity = |attribute: u32| (n_items / holders[attribute as usize].max(1) as f32).ln();
    let weighed = attributes.mapped(|_, attribute, value| value * rarity(attribute));
    let length = params.get("length") as f32;
    let scales: Vec<f32> = (0..weighed.n_rows())
        .map(|item| weighed.row(item).1.iter().map(|value| value * value).sum::<f32>())
        .map(|square| if square > 0.0 { square.sqrt().powf(-length) } else { 0.0 })
        .collect();
    let vectors = weighed.mapped(|item, _, value| value * scales[item]);
    let popularity = params.get("popularity") as f32;
    let counts = training.matrix().column_sums();
    let lifted = |item: usize| counts[item].max(1.0).powf(popularity);
    let holders = vectors.clone().mapped(|item, _, value| value * lifted(item)).transposed();
    // Without an order no act is the latest.
    let recency = if training.ordered { params.get("recency") as f32 } else { 1.0 };
    Ok(Box::new(Attributes { vectors, holders, target: training.target, recency }))
}

impl Model for Attributes {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        let mut profile = vec![0.0; self.vectors.n_columns()];
        for (item, weight) in faded(query.acts, self.target, self.recency) {
            for (attribute, value) in self.vectors.cells(item as usize) {
                profile[attribute as usize] += weight * value;
            }
        }
        for (attribute, weight) in profile.iter().enumerate().filter(|(_, weight)| **weight != 0.0)
        {
            for (item, value) in self.holders.cells(attribute) {
                scores[item as usize] += weight * value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Act, Interactions, Side};

    /// Four items; item 0 shares a common attribute with item 1 and a rare one with item 2.
    fn training(ordered: bool) -> Training {
        let cells = vec![(0, 0, 1.0), (1, 0, 1.0), (3, 0, 1.0), (0, 1, 1.0), (2, 1, 1.0)];
        let attributes = Some(Sparse::from_cells(4, 2, cells));
        let act = |item, at| Act { item, behavior: 0, at, value: 1.0 };
        let acts = vec![(0, act(0, 0)), (0, act(3, 1)), (1, act(3, 0))];
        let training = Training::plain(Interactions::new(2, 4, acts), ordered);
        Training { side: Side { attributes, ..Side::default() }, ..training }
    }

    fn scores(training: &Training, history: &[u32], params: &[(&'static str, f64)]) -> Vec<f32> {
        let mut all = ENTRY.defaults();
        for (name, value) in params {
            all = all.with(name, *value);
        }
        let act = |(item, at): (&u32, i64)| Act { item: *item, behavior: 0, at, value: 1.0 };
        let acts: Vec<Act> = history.iter().zip(0..).map(act).collect();
        let mut scores = vec![0.0; 4];
        let model = fit(training, &all, 1).unwrap();
        model.score(&Query { user: None, acts: &acts }, &mut scores);
        scores
    }

    #[test]
    fn rare_attributes_popular_items_and_late_acts_come_first() {
        let training = training(true);
        let plain = [("length", 0.0), ("popularity", 0.0), ("recency", 0.5)];
        let common = (4.0_f32 / 3.0).ln().powi(2);
        let rare = 2.0_f32.ln().powi(2);
        assert_eq!(scores(&training, &[0], &plain), [common + rare, common, rare, common]);
        assert_eq!(scores(&training, &[2, 3], &plain)[1..], [common, rare / 2.0, common]);
        // Two users did item 3, one did item 1 at most.
        let lifted = [("length", 0.0), ("popularity", 1.0)];
        assert_eq!(scores(&training, &[0], &lifted)[1..], [common, rare, 2.0 * common]);
    }

    #[test]
    fn what_no_order_says_does_not_count() {
        let at = |ordered, recency| scores(&training(ordered), &[2, 3], &[("recency", recency)]);
        assert_eq!(at(false, 0.5), at(false, 1.0));
        assert_ne!(at(true, 0.5), at(true, 1.0));
    }

    #[test]
    fn a_set_without_attributes_is_refused() {
        let without = Training { side: Side::default(), ..training(true) };
        assert!(!(ENTRY.applies)(&without));
        assert!(fit(&without, &ENTRY.defaults(), 1).is_err());
    }
}
