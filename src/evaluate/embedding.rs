//! How much an embedding says about nodes' labels, by the protocol of the `DeepWalk` and node2vec papers.
//!
//! A share of the labelled nodes trains a logistic regression for each label; of every other node the
//! number of its labels is given, and as many with the highest scores are predicted. Rows are scaled
//! together so that a number is 1 on average, so that the regression's penalty means the same for every
//! model.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use crate::embed::{EmbeddingTable, Features, Logistic};

/// Labels of nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeLabels {
    /// The names of the labels.
    pub names: Vec<String>,
    /// Places of nodes in the table, and the labels of each, ascending.
    pub of: Vec<(usize, Vec<usize>)>,
}

/// How labels are learnt.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelParams {
    /// Share of the labelled nodes that is learnt from, above 0 and below 1.
    pub train_share: f64,
    /// Random partings, whose scores are averaged.
    pub n_splits: usize,
    /// Penalty of the regression's weights; 1 as in the papers.
    pub l2: f64,
    /// Seed of the partings.
    pub seed: u64,
}

impl Default for LabelParams {
    fn default() -> Self {
        Self { train_share: 0.5, n_splits: 10, l2: 1.0, seed: 1 }
    }
}

/// F1 of predicted labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LabelScores {
    /// Of all predictions together, on average over partings.
    pub micro_f1: f64,
    /// The mean over labels, on average over partings; a label that is neither there nor predicted counts 0.
    pub macro_f1: f64,
    /// Standard deviation of the latter over partings.
    pub macro_f1_deviation: f64,
}

/// Learns labels from rows and measures what is predicted of the other nodes; `None` where a part would
/// be empty.
pub fn node_labels(
    table: &EmbeddingTable,
    labels: &NodeLabels,
    params: &LabelParams,
) -> Option<LabelScores> {
    let n_train = (labels.of.len() as f64 * params.train_share).round() as usize;
    if n_train == 0 || n_train >= labels.of.len() || params.n_splits == 0 {
        return None;
    }
    let squares = table.values().iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
    let scale = (table.values().len() as f64 / squares.max(f64::MIN_POSITIVE)).sqrt() as f32;
    let mut scores = Vec::new();
    for split in 0..params.n_splits {
        let mut order: Vec<usize> = (0..labels.of.len()).collect();
        let mut random = ChaCha8Rng::seed_from_u64(params.seed);
        random.set_stream(split as u64);
        order.shuffle(&mut random);
        let (train, test) = order.split_at(n_train);
        scores.push(one(table, scale, labels, (train, test), params.l2));
    }
    let n = scores.len() as f64;
    let micro_f1 = scores.iter().map(|(micro, _)| micro).sum::<f64>() / n;
    let macro_f1 = scores.iter().map(|(_, mean)| mean).sum::<f64>() / n;
    let spread: f64 = scores.iter().map(|(_, mean)| (mean - macro_f1).powi(2)).sum();
    Some(LabelScores { micro_f1, macro_f1, macro_f1_deviation: (spread / n).sqrt() })
}

/// Micro and macro F1 of one parting.
fn one(
    table: &EmbeddingTable,
    scale: f32,
    labels: &NodeLabels,
    (train, test): (&[usize], &[usize]),
    l2: f64,
) -> (f64, f64) {
    let features = |part: &[usize]| {
        let rows: Vec<Vec<f32>> = part
            .iter()
            .map(|at| table.row(labels.of[*at].0).iter().map(|value| value * scale).collect())
            .collect();
        Features::new(table.dim(), rows.iter().map(Vec::as_slice))
    };
    let (known, asked) = (features(train), features(test));
    let scores: Vec<Vec<f32>> = (0..labels.names.len())
        .into_par_iter()
        .map(|label| {
            let positive: Vec<bool> =
                train.iter().map(|at| labels.of[*at].1.contains(&label)).collect();
            if positive.contains(&true) {
                Logistic::fit(&known, &positive, l2).scores(&asked)
            } else {
                vec![f32::NEG_INFINITY; test.len()]
            }
        })
        .collect();
    let mut counts = vec![Counts::default(); labels.names.len()];
    for (place, at) in test.iter().enumerate() {
        let own = &labels.of[*at].1;
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*b][place].total_cmp(&scores[*a][place]));
        for &label in &order[..own.len().min(order.len())] {
            if own.contains(&label) {
                counts[label].right += 1;
            } else {
                counts[label].wrong += 1;
            }
        }
        for &label in own {
            counts[label].there += 1;
        }
    }
    f1s(&counts)
}

/// Of a label: right and wrong predictions, and how often it is there.
#[derive(Clone, Debug, Default)]
struct Counts {
    right: u64,
    wrong: u64,
    there: u64,
}

impl Counts {
    fn f1(&self) -> f64 {
        let all = self.right + self.wrong + self.there;
        if all == 0 { 0.0 } else { 2.0 * self.right as f64 / all as f64 }
    }
}

/// Micro and macro F1.
fn f1s(counts: &[Counts]) -> (f64, f64) {
    let mut all = Counts::default();
    for own in counts {
        all.right += own.right;
        all.wrong += own.wrong;
        all.there += own.there;
    }
    let macro_f1 = counts.iter().map(Counts::f1).sum::<f64>() / (counts.len() as f64).max(1.0);
    (all.f1(), macro_f1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::embed::Params;

    #[test]
    fn f1_of_counts_is_that_of_the_definition() {
        // Precision 3/4 and recall 3/6, and a label that is never predicted.
        let counts =
            [Counts { right: 3, wrong: 1, there: 6 }, Counts { right: 0, wrong: 0, there: 2 }];
        let (micro, mean) = f1s(&counts);
        assert!((mean - 0.6 / 2.0).abs() < 1e-12, "{mean}");
        assert!((micro - 2.0 * 0.75 * 0.375 / (0.75 + 0.375)).abs() < 1e-12, "{micro}");
    }

    fn labelled(says: f32) -> LabelScores {
        let names: Vec<String> = (0..200).map(|node| node.to_string()).collect();
        let noise = |at: usize| ((at * 7919) % 997) as f32 / 997.0 - 0.5;
        let values = (0..400).map(|at| noise(at) + if at % 4 == 0 { says } else { 0.0 }).collect();
        let params = Params { dim: 2, seed: 1, values: BTreeMap::new() };
        let table = EmbeddingTable::new("some", &params, names, values).unwrap();
        let labels = NodeLabels {
            names: vec!["odd".to_owned(), "even".to_owned()],
            of: (0..200).map(|node| (node, vec![usize::from(node % 2 == 0)])).collect(),
        };
        node_labels(&table, &labels, &LabelParams::default()).unwrap()
    }

    #[test]
    fn labels_are_found_where_rows_tell_them() {
        let scores = labelled(3.0);
        assert!(scores.macro_f1 > 0.99 && scores.micro_f1 > 0.99, "{scores:?}");
        assert!(labelled(0.0).macro_f1 < 0.7);
    }
}
