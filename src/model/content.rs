//! Items that are described alike: words and attributes of the history's items against those of
//! each item.
//!
//! Scores are cosines of items' descriptions, so an item that nobody did yet is found as well as any.

use super::neighbors::faded;
use super::{Entry, Knob, Model, ModelError, Params, Query, Sparse, Training};

pub(super) const ENTRY: Entry = Entry {
    name: "content",
    about: "items whose words and attributes are like the history's",
    knobs: &[
        Knob {
            name: "decay",
            about: "what an act counts to the next later one, where there is an order",
            default: 0.8,
            grid: &[0.5, 0.65, 0.8, 1.0],
        },
        Knob {
            name: "rare",
            about: "exponent of the words' rarity",
            default: 1.0,
            grid: &[1.0, 1.5],
        },
        Knob {
            name: "popularity",
            about: "exponent of the users who did an item, by which it comes first among its like",
            default: 0.0,
            grid: &[0.0, 0.2, 0.4],
        },
    ],
    applies: |training| training.side.words.is_some() || training.side.attributes.is_some(),
    costly: |_| false,
    fit,
};

/// How soon a word's repetition in one text stops to count: the usual value of BM25.
const K1: f32 = 1.2;

/// How much long texts are damped: the usual value of BM25.
const B: f32 = 0.75;

struct Content {
    /// Items by terms, rows of length 1.
    items: Sparse,
    /// Terms by items, times the items' popularity.
    terms: Sparse,
    target: u8,
    decay: f32,
}

fn fit(training: &Training, params: &Params, _: u64) -> Result<Box<dyn Model>, ModelError> {
    let items = terms(training, params.get("rare") as f32).ok_or(ModelError::Lacking {
        method: "content",
        needs: "words or attributes of items; give --items or --attributes",
    })?;
    let decay = if training.ordered { params.get("decay") as f32 } else { 1.0 };
    let popularity = params.get("popularity") as f32;
    let counts = training.matrix().column_sums();
    // Of an item that nobody did yet nothing is known but that it may become as popular as the others.
    let done = counts.iter().filter(|count| **count > 0.0).count().max(1) as f32;
    let mean = (counts.iter().sum::<f32>() / done).max(1.0);
    let count_of = |count: f32| if count > 0.0 { count } else { mean };
    let lifted: Vec<f32> = counts.iter().map(|count| count_of(*count).powf(popularity)).collect();
    let terms = items.transposed().mapped(|_, item, value| value * lifted[item as usize]);
    Ok(Box::new(Content { terms, items, target: training.target, decay }))
}

/// Items by terms, which are words and attributes: BM25 weights with the rarity to the power `rare`,
/// rows of length 1. None when nothing is known of the items.
///
/// # Source
/// Robertson & Zaragoza, "The probabilistic relevance framework: BM25 and beyond", 2009, section 3.
pub(super) fn terms(training: &Training, rare: f32) -> Option<Sparse> {
    let side = &training.side;
    let parts: Vec<&Sparse> = [&side.words, &side.attributes].into_iter().flatten().collect();
    let (n_items, n_terms) =
        (training.interactions.n_items(), parts.iter().map(|part| part.n_columns()).sum());
    if parts.is_empty() {
        return None;
    }
    let mut counts = Sparse::from_rows(
        n_terms,
        (0..n_items).map(|item| {
            let mut row = Vec::new();
            let mut first = 0;
            for part in &parts {
                if item < part.n_rows() {
                    row.extend(part.cells(item).map(|(term, count)| (first + term, count)));
                }
                first += part.n_columns() as u32;
            }
            row
        }),
    );
    let lengths = counts.row_sums();
    let told = lengths.iter().filter(|length| **length > 0.0).count().max(1) as f32;
    let mean = lengths.iter().sum::<f32>() / told;
    let mut holders = vec![0.0_f32; n_terms];
    for item in 0..n_items {
        for (term, _) in counts.cells(item) {
            holders[term as usize] += 1.0;
        }
    }
    // A term of one item tells nothing of others.
    let rarity: Vec<f32> = holders
        .iter()
        .map(|n| if *n < 2.0 { 0.0 } else { ((told + 1.0) / (n + 0.5)).ln().max(0.0).powf(rare) })
        .collect();
    counts = counts.mapped(|item, term, count| {
        let damped = count + K1 * (1.0 - B + B * lengths[item] / mean);
        rarity[term as usize] * count * (K1 + 1.0) / damped
    });
    let norms: Vec<f32> = (0..n_items)
        .map(|item| counts.cells(item).map(|(_, value)| value * value).sum::<f32>().sqrt())
        .collect();
    Some(counts.mapped(|item, _, value| if norms[item] > 0.0 { value / norms[item] } else { 0.0 }))
}

impl Model for Content {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        let mut told = vec![0.0; self.items.n_columns()];
        for (item, weight) in faded(query.acts, self.target, self.decay) {
            for (term, value) in self.items.cells(item as usize) {
                told[term as usize] += weight * value;
            }
        }
        for (term, told) in told.into_iter().enumerate().filter(|(_, told)| *told != 0.0) {
            for (item, value) in self.terms.cells(term) {
                scores[item as usize] += told * value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Act, Interactions};

    fn act(item: u32, at: i64) -> Act {
        Act { item, behavior: 0, at, value: 1.0 }
    }

    /// Four items of three words: 0 and 1 share word 0, 1 and 2 word 1; item 3 says nothing.
    fn training(ordered: bool) -> Training {
        let interactions = Interactions::new(1, 4, vec![(0, act(0, 0)), (0, act(1, 1))]);
        let mut training = Training::plain(interactions, ordered);
        let cells = vec![(0, 0, 1.0), (1, 0, 1.0), (1, 1, 1.0), (2, 1, 1.0)];
        training.side.words = Some(Sparse::from_cells(4, 3, cells));
        training
    }

    fn scores(training: &Training, decay: f64) -> Vec<f32> {
        scores_of(training, &ENTRY.defaults().with("decay", decay))
    }

    fn scores_of(training: &Training, params: &Params) -> Vec<f32> {
        let model = fit(training, params, 1).unwrap();
        let mut scores = vec![0.0; 4];
        let acts = training.interactions.of(0);
        model.score(&Query { user: Some(0), acts }, &mut scores);
        scores
    }

    #[test]
    fn an_item_that_nobody_did_is_found_by_its_words() {
        let scores = scores(&training(true), 0.5);
        let half = 0.5_f32.sqrt();
        // Item 2 is like item 1 by one of its two words of equal weight.
        assert!((scores[2] - half).abs() < 1e-6, "{scores:?}");
        // Item 0 is itself, an act ago, and like item 1.
        assert!((scores[0] - (0.5 + half)).abs() < 1e-6, "{scores:?}");
        assert_eq!(scores[3], 0.0);
    }

    #[test]
    fn of_items_alike_the_one_that_more_people_did_comes_first() {
        let mut acts = vec![(0, act(1, 0))];
        acts.extend((1..5).map(|user| (user, act(0, 0))));
        let described = training(true);
        let interactions = Interactions::new(5, 4, acts);
        let training = Training { interactions, ..described };
        let scores = scores_of(&training, &ENTRY.defaults().with("popularity", 0.5));
        // Four did item 0; nobody did item 2, so it counts as the mean of four and one.
        assert!((scores[0] / 2.0 - scores[2] / 2.5_f32.sqrt()).abs() < 1e-6, "{scores:?}");
    }

    #[test]
    fn without_an_order_all_acts_count_alike() {
        assert_eq!(scores(&training(false), 0.5), scores(&training(true), 1.0));
    }

    #[test]
    fn without_words_it_says_what_to_give() {
        let plain = Training::plain(training(true).interactions, true);
        assert!(!(ENTRY.applies)(&plain));
        let error = fit(&plain, &ENTRY.defaults(), 1).err().unwrap().to_string();
        assert!(error.contains("--items"), "{error}");
    }
}
