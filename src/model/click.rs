//! How likely a user clicks an item: a logistic regression over few numbers that say why.
//!
//! The numbers are how often the item was done and passed over, how near it is to the user's items by
//! what others did, and by the knowledge graph or other attributes. A pair that is learnt from does not count in its own
//! numbers. What the user passed over is not looked at: where negatives are drawn to be as many as the
//! positives, how many of each a user has in the training part would tell the labels of the rest.
//!
//! Source: the additive form is that of Hastie & Tibshirani, "Generalized additive models", Statistical
//! Science 1986, with squares as the curves; fitted by Newton's method (Hastie, Tibshirani & Friedman,
//! "The elements of statistical learning", section 4.4.1).

use rayon::prelude::*;

use super::{Model, Query, Sparse, Training};

/// A user, an item, and whether the user clicked it.
pub type Labelled = (u32, u32, bool);

/// Numbers of a pair without attributes of items, and with them.
const PLAIN: usize = 6;
const ALL: usize = 8;

/// Weight of the squares of the coefficients.
const L2: f64 = 1.0;

/// Steps of Newton's method.
const STEPS: usize = 30;

/// What is known of users and items.
struct Known {
    /// Users by items: clicks.
    clicks: Sparse,
    /// Clicks of each item, and how often it was passed over.
    clicked: Vec<f32>,
    passed: Vec<f32>,
    /// Items by items: users who clicked both.
    both: Sparse,
    /// Items by attributes, rows of length 1, rare ones weighing more.
    facts: Option<Sparse>,
}

impl Known {
    fn of(training: &Training, passed_over: &[(u32, u32)]) -> Self {
        let clicks = training.matrix();
        let items = clicks.transposed();
        let cells = |columns: &[u32], sums: &[f32]| -> Vec<(u32, f32)> {
            columns.iter().map(|column| (*column, sums[*column as usize])).collect()
        };
        let both = items.product(&clicks, |_, columns, sums| cells(columns, sums));
        let mut passed = vec![0.0; clicks.n_columns()];
        for (_, item) in passed_over {
            passed[*item as usize] += 1.0;
        }
        let facts = training.side.attributes.as_ref().map(rarities);
        Self { clicked: clicks.column_sums(), passed, both, facts, clicks }
    }

    /// The numbers of a pair; `own` is its label where the training part holds it, which is left out.
    fn numbers(&self, user: u32, item: u32, own: Option<bool>) -> [f64; ALL] {
        let history = self.clicks.row(user as usize).0;
        self.numbers_of(history, item, own)
    }

    fn numbers_of(&self, history: &[u32], item: u32, own: Option<bool>) -> [f64; ALL] {
        let (own_click, own_pass) = match own {
            Some(true) => (1.0, 0.0),
            Some(false) => (0.0, 1.0),
            None => (0.0, 0.0),
        };
        let clicked = self.clicked[item as usize] - own_click;
        let passed = self.passed[item as usize] - own_pass;
        let others = || history.iter().copied().filter(|other| *other != item);
        let n = others().count().max(1) as f64;
        let least = clicked.max(1.0);
        let (mut cosine, mut forth, mut back) = (0.0, 0.0, 0.0);
        for other in others() {
            let both = (self.both.get(other as usize, item) - own_click).max(0.0);
            let of_other = self.clicked[other as usize].max(1.0);
            cosine += f64::from(both / (of_other * least).sqrt());
            forth += f64::from(both / of_other) / n;
            back += f64::from(both / least) / n;
        }
        let alike = self.facts.as_ref().map_or(0.0, |facts| {
            others().map(|other| f64::from(product(facts, other, item))).sum()
        });
        [
            (f64::from(clicked) + 0.5).ln(),
            (f64::from(passed) + 1.0).ln(),
            cosine / n.sqrt(),
            (cosine + 1e-2).ln(),
            (forth + 1e-3).ln(),
            (back + 1e-3).ln(),
            alike / n,
            (alike + 0.05).ln(),
        ]
    }
}

/// The inner product of two rows.
fn product(matrix: &Sparse, a: u32, b: u32) -> f32 {
    let ((a, left), (b, right)) = (matrix.row(a as usize), matrix.row(b as usize));
    let (mut at, mut to, mut sum) = (0, 0, 0.0);
    while at < a.len() && to < b.len() {
        match a[at].cmp(&b[to]) {
            std::cmp::Ordering::Less => at += 1,
            std::cmp::Ordering::Greater => to += 1,
            std::cmp::Ordering::Equal => {
                sum += left[at] * right[to];
                (at, to) = (at + 1, to + 1);
            }
        }
    }
    sum
}

/// Items by attributes: rarity, rows of length 1.
fn rarities(attributes: &Sparse) -> Sparse {
    let (n_items, holders) = (attributes.n_rows() as f32, attributes.column_sums());
    let weighed = attributes
        .clone()
        .mapped(|_, attribute, _| (n_items / holders[attribute as usize].max(1.0)).ln());
    let lengths: Vec<f32> = (0..weighed.n_rows())
        .map(|item| weighed.row(item).1.iter().map(|value| value * value).sum::<f32>().sqrt())
        .collect();
    weighed.mapped(|item, _, value| value / lengths[item].max(f32::MIN_POSITIVE))
}

/// A fitted regression.
pub struct Click {
    known: Known,
    n_numbers: usize,
    /// Mean and spread of each number and its square.
    scales: Vec<(f64, f64)>,
    /// A coefficient for each, and the constant.
    weights: Vec<f64>,
}

impl Click {
    /// Fits to the clicks of `training` and to the pairs that were passed over; with the items' attributes
    /// where there are any.
    pub fn fit(training: &Training, passed_over: &[(u32, u32)]) -> Self {
        let known = Known::of(training, passed_over);
        let n_numbers = if known.facts.is_some() { ALL } else { PLAIN };
        let clicks = (0..known.clicks.n_rows() as u32).flat_map(|user| {
            known.clicks.row(user as usize).0.iter().map(move |item| (user, *item, true))
        });
        let passes = passed_over.iter().map(|(user, item)| (*user, *item, false));
        let pairs: Vec<Labelled> = clicks.chain(passes).collect();
        let rows: Vec<Vec<f64>> = pairs
            .par_iter()
            .map(|(user, item, label)| {
                curves(&known.numbers(*user, *item, Some(*label))[..n_numbers])
            })
            .collect();
        let scales = scales(&rows);
        let rows: Vec<Vec<f64>> = rows.iter().map(|row| scaled(row, &scales)).collect();
        let labels: Vec<f64> = pairs.iter().map(|pair| f64::from(u8::from(pair.2))).collect();
        let weights = logistic(&rows, &labels);
        Self { known, n_numbers, scales, weights }
    }

    /// How likely `user` clicks `item`, in (0, 1).
    pub fn probability(&self, user: u32, item: u32) -> f64 {
        self.of_numbers(&self.known.numbers(user, item, None))
    }

    fn of_numbers(&self, numbers: &[f64; ALL]) -> f64 {
        let row = scaled(&curves(&numbers[..self.n_numbers]), &self.scales);
        sigmoid(row.iter().zip(&self.weights).map(|(value, weight)| value * weight).sum())
    }
}

impl Model for Click {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        let mut history: Vec<u32> = query.acts.iter().map(|act| act.item).collect();
        history.sort_unstable();
        history.dedup();
        for (item, score) in (0..).zip(scores.iter_mut()) {
            *score += self.of_numbers(&self.known.numbers_of(&history, item, None)) as f32;
        }
    }
}

/// The numbers and their squares.
fn curves(numbers: &[f64]) -> Vec<f64> {
    numbers.iter().copied().chain(numbers.iter().map(|value| value * value)).collect()
}

fn scales(rows: &[Vec<f64>]) -> Vec<(f64, f64)> {
    let n = rows.len().max(1) as f64;
    let width = rows.first().map_or(0, Vec::len);
    let scale = |at: usize| {
        let mean = rows.iter().map(|row| row[at]).sum::<f64>() / n;
        let squares = rows.iter().map(|row| (row[at] - mean).powi(2)).sum::<f64>() / n;
        (mean, squares.sqrt() + 1e-9)
    };
    (0..width).map(scale).collect()
}

/// The row with mean 0 and spread 1, and a 1 for the constant.
fn scaled(row: &[f64], scales: &[(f64, f64)]) -> Vec<f64> {
    let values = row.iter().zip(scales).map(|(value, (mean, spread))| (value - mean) / spread);
    values.chain([1.0]).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Coefficients of a logistic regression with a penalty on their squares, by Newton's method.
fn logistic(rows: &[Vec<f64>], labels: &[f64]) -> Vec<f64> {
    let width = rows.first().map_or(0, Vec::len);
    let mut weights = vec![0.0; width];
    for _ in 0..STEPS {
        let mut slope: Vec<f64> = weights.iter().map(|weight| L2 * weight).collect();
        let mut curvature = vec![vec![0.0; width]; width];
        for (at, row) in curvature.iter_mut().enumerate() {
            row[at] = L2;
        }
        for (row, label) in rows.iter().zip(labels) {
            let chance = sigmoid(row.iter().zip(&weights).map(|(x, weight)| x * weight).sum());
            let bend = chance * (1.0 - chance);
            for (at, value) in row.iter().enumerate() {
                slope[at] += (chance - label) * value;
                for (cell, other) in curvature[at].iter_mut().zip(row) {
                    *cell += bend * value * other;
                }
            }
        }
        for (weight, step) in weights.iter_mut().zip(solved(curvature, slope)) {
            *weight -= step;
        }
    }
    weights
}

/// The solution of a small positive definite system, by Gaussian elimination.
fn solved(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let n = right.len();
    for pivot in 0..n {
        let (above, below) = matrix.split_at_mut(pivot + 1);
        let row = &above[pivot];
        for (at, other) in below.iter_mut().enumerate() {
            let factor = other[pivot] / row[pivot];
            for (value, above) in other[pivot..].iter_mut().zip(&row[pivot..]) {
                *value -= factor * above;
            }
            right[pivot + 1 + at] -= factor * right[pivot];
        }
    }
    for pivot in (0..n).rev() {
        let known: f64 = (pivot + 1..n).map(|at| matrix[pivot][at] * right[at]).sum();
        right[pivot] = (right[pivot] - known) / matrix[pivot][pivot];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::super::{Act, Interactions, Side};
    use super::*;

    #[test]
    fn a_system_is_solved() {
        let matrix = vec![vec![4.0, 1.0], vec![1.0, 3.0]];
        let found = solved(matrix, vec![1.0, 2.0]);
        assert!((found[0] - 1.0 / 11.0).abs() < 1e-12 && (found[1] - 7.0 / 11.0).abs() < 1e-12);
    }

    #[test]
    fn a_regression_finds_the_shares() {
        // One number that is 0 or 1: a quarter and three quarters of the labels are 1.
        let rows: Vec<Vec<f64>> = (0..8000).map(|at| vec![f64::from(at % 2), 1.0]).collect();
        let labels: Vec<f64> =
            (0..8000).map(|at| f64::from(u8::from((at / 2 % 4 == 0) != (at % 2 == 1)))).collect();
        let weights = logistic(&rows, &labels);
        assert!((sigmoid(weights[1]) - 0.25).abs() < 0.01, "{weights:?}");
        assert!((sigmoid(weights[0] + weights[1]) - 0.75).abs() < 0.01, "{weights:?}");
    }

    #[test]
    fn a_pair_does_not_count_in_its_own_numbers() {
        let act = |item| Act { item, behavior: 0, at: 0, value: 1.0 };
        let acts = vec![(0, act(0)), (0, act(1)), (1, act(0)), (1, act(2))];
        let training = Training::plain(Interactions::new(2, 3, acts), false);
        let known = Known::of(&training, &[(0, 2)]);
        // Without user 0's own click, item 1 was never done, with item 0 or at all.
        let own = known.numbers(0, 1, Some(true));
        assert_eq!((own[0], own[2]), (0.5_f64.ln(), 0.0));
        assert_eq!(known.numbers(0, 2, Some(false))[1], 0.0);
    }

    #[test]
    fn facts_tell_more_than_nothing() {
        // Users click items of one of two kinds, each item once only: just the graph tells.
        let act = |item| Act { item, behavior: 0, at: 0, value: 1.0 };
        let acts = (0..40_u32).map(|item| (item / 2 % 10, act(item))).collect();
        let interactions = Interactions::new(10, 40, acts);
        let kind = |item: u32| item / 2 % 2;
        let cells = (0..40).map(|item| (item, kind(item), 1.0)).collect();
        let attributes = Some(Sparse::from_cells(40, 2, cells));
        let bare = Training::plain(interactions, false);
        let side = Side { attributes, ..Side::default() };
        let training = Training { side, ..bare.clone() };
        let passed: Vec<(u32, u32)> = (0..40).map(|item| ((item / 2 + 1) % 10, item)).collect();
        let with = Click::fit(&training, &passed);
        assert!(with.probability(0, 4) > with.probability(0, 6) + 0.2);
        let without = Click::fit(&bare, &passed);
        assert!((without.probability(0, 4) - without.probability(0, 6)).abs() < 1e-6);
    }
}
