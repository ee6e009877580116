//! Click-through: given a user and an item, whether the one did the other.
//!
//! Rows of user, item and 0 or 1 are shuffled and parted 6 : 2 : 2. Methods are fitted to the rows of
//! the first part that say 1. For the regression that adds them up, each fold of these rows is scored
//! by methods that were fitted without it. A method's score becomes the share of all items that the
//! user's history puts above the pair's item: where those that say 0 were drawn from all items, as in
//! the published sets, a share says directly how likely the draw was.
//!
//! Protocol: Wang, Zhao, Xie, Li & Guo, "Knowledge graph convolutional networks for recommender
//! systems", WWW 2019, section 4.

use std::path::Path;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::EvaluateError;
use super::files::{Ids, Lines, fields};
use super::task::{Case, Holdout, Task};
use crate::model::{
    Act, Additive, Interactions, MODELS, Model, ModelError, Query, Sparse, Training,
};

/// Folds of the part that is fitted to.
const FOLDS: usize = 8;

/// Share of each user's items that a ranking's validation part takes.
const HELD: f64 = 0.1;

/// Methods that are added up, where they apply.
pub const CLICK_METHODS: &[&str] =
    &["popular", "item_cosine", "rp3beta", "ease", "ials", "content"];

/// Methods that a full ranking may be added up from.
pub const RANK_METHODS: &[&str] = &["popular", "rp3beta", "low_pass", "attribute_pass", "content"];

/// A user, an item, and whether the one did the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    user: u32,
    item: u32,
    done: bool,
}

/// Rows of user, item and label, and what is known of the items.
#[derive(Clone, Debug)]
pub struct Clicks {
    pairs: Vec<Pair>,
    n_users: usize,
    n_items: usize,
    /// Items by relations with their tails.
    attributes: Option<Sparse>,
}

/// How well probabilities tell those who did from those who did not.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClickMetrics {
    /// Chance that a pair that was done has a higher probability than one that was not.
    pub auc: f64,
    /// The same of pairs of one user alone. Where every user has as many rows of 0 as of 1, as in the
    /// published sets, how many of a user's rows are known to say 1 tells something of the others;
    /// this measure is free of that.
    pub auc_within: f64,
    /// Harmonic mean of precision and recall of probabilities above one half.
    pub f1: f64,
    /// The same with the threshold that is best on the second part.
    pub f1_tuned: f64,
    /// Pairs measured.
    pub n_pairs: usize,
}

impl Clicks {
    /// Reads rows of user, item and 0 or 1, and perhaps triples of item, relation and tail.
    ///
    /// # Errors
    /// [`EvaluateError::Read`], [`EvaluateError::Line`], [`EvaluateError::NoCases`].
    pub fn read(pairs: &Path, triples: Option<&Path>) -> Result<Self, EvaluateError> {
        let (mut users, mut items) = (Ids::default(), Ids::default());
        let mut read = Vec::new();
        let mut lines = Lines::open(pairs)?;
        while let Some(line) = lines.next()? {
            let line = line.to_owned();
            let done = match fields(&line)[..] {
                [_, _, "1", ..] => true,
                [_, _, "0", ..] => false,
                _ if lines.n() == 1 => continue,
                _ => return Err(lines.wrong("expected user, item and 0 or 1")),
            };
            let (user, item) = (users.number(fields(&line)[0]), items.number(fields(&line)[1]));
            read.push(Pair { user, item, done });
        }
        if read.len() < 2 * FOLDS {
            let remedy = "give lines of user, item and 0 or 1";
            return Err(EvaluateError::NoCases { path: pairs.to_owned(), remedy });
        }
        let mut attributes = None;
        if let Some(path) = triples {
            let (mut names, mut cells) = (Ids::default(), Vec::new());
            let mut lines = Lines::open(path)?;
            while let Some(line) = lines.next()? {
                let line = line.to_owned();
                let [head, relation, tail, ..] = fields(&line)[..] else {
                    return Err(lines.wrong("expected item, relation and tail"));
                };
                if let Some(item) = items.get(head) {
                    cells.push((item, names.number(&format!("{relation} {tail}")), 1.0));
                }
            }
            let cells = Sparse::from_cells(items.len(), names.len(), cells);
            attributes = Some(cells.mapped(|_, _, value| value.min(1.0)));
        }
        Ok(Self { pairs: read, n_users: users.len(), n_items: items.len(), attributes })
    }

    /// The pairs in the order of `seed`, and where the second and the third part begin.
    fn parted(&self, seed: u64) -> (Vec<Pair>, usize, usize) {
        let mut pairs = self.pairs.clone();
        pairs.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let (valid, test) = (pairs.len() * 6 / 10, pairs.len() * 8 / 10);
        (pairs, valid, test)
    }

    /// The same without what is known of the items; none where nothing is.
    pub fn without_attributes(&self) -> Option<Self> {
        self.attributes.as_ref().map(|_| Self { attributes: None, ..self.clone() })
    }

    /// What is done in the first part, fitted to by [`RANK_METHODS`]; what is done in the last is to be
    /// found among all items.
    pub fn ranking(&self, seed: u64) -> Task {
        let (pairs, valid, test) = self.parted(seed);
        let mut relevant = vec![Vec::new(); self.n_users];
        for pair in pairs[test..].iter().filter(|pair| pair.done) {
            relevant[pair.user as usize].push(pair.item);
        }
        let found = (0..).zip(relevant).filter(|(_, items)| !items.is_empty());
        let cases = found.map(|(user, items)| Case::known(user, items)).collect();
        Task { training: self.training(&pairs[..valid]), cases, holdout: Holdout::Share(HELD) }
    }

    /// Parts by `seed`, fits `methods` and measures the last part.
    ///
    /// # Errors
    /// [`EvaluateError::Model`].
    pub fn evaluate(&self, methods: &[&str], seed: u64) -> Result<ClickMetrics, EvaluateError> {
        let (pairs, valid, test) = self.parted(seed);
        let (fit, rest) = pairs.split_at(valid);
        let (valid, test) = rest.split_at(test - valid);
        let (mut rows, mut done, mut n_scores) = (Vec::new(), Vec::new(), 0);
        for fold in 0..FOLDS {
            let (held, kept): (Vec<_>, Vec<_>) =
                fit.iter().enumerate().partition(|(at, _)| at % FOLDS == fold);
            let held: Vec<Pair> = held.into_iter().map(|(_, pair)| *pair).collect();
            let kept: Vec<Pair> = kept.into_iter().map(|(_, pair)| *pair).collect();
            let scored = self.scored(methods, &kept, &held, seed)?;
            n_scores = scored.len() / held.len().max(1);
            rows.extend(scored);
            done.extend(held.iter().map(|pair| pair.done));
        }
        let additive = Additive::fit(&rows, n_scores, &done);
        let later = self.scored(methods, fit, rest, seed)?;
        let (of_valid, of_test) = later.split_at(valid.len() * n_scores);
        let with_labels = |rows: &[f32], pairs: &[Pair]| -> Vec<(f64, bool)> {
            let rows = rows.chunks_exact(n_scores.max(1)).map(|row| additive.probability(row));
            rows.zip(pairs).map(|(probability, pair)| (probability, pair.done)).collect()
        };
        let mut of_user = vec![Vec::new(); self.n_users];
        let (valid, values) = (with_labels(of_valid, valid), with_labels(of_test, test));
        for (value, pair) in values.iter().zip(test) {
            of_user[pair.user as usize].push(*value);
        }
        let best = (10..90)
            .map(|percent| f64::from(percent) / 100.0)
            .max_by(|a, b| f1(&valid, *a).total_cmp(&f1(&valid, *b)))
            .unwrap_or(0.5);
        Ok(ClickMetrics {
            auc: auc([&values[..]]),
            auc_within: auc(of_user.iter().map(Vec::as_slice)),
            f1: f1(&values, 0.5),
            f1_tuned: f1(&values, best),
            n_pairs: values.len(),
        })
    }

    /// What was done of `known`, to fit to.
    fn training(&self, known: &[Pair]) -> Training {
        let done = known.iter().filter(|pair| pair.done);
        let act = |item| Act { item, behavior: 0, at: 0, value: 1.0 };
        let acts = done.map(|pair| (pair.user, act(pair.item))).collect();
        let interactions = Interactions::new(self.n_users, self.n_items, acts);
        let mut training = Training::plain(interactions, false);
        training.side.attributes.clone_from(&self.attributes);
        training
    }

    /// For each of `pairs` and each method fitted to `known`: minus the logarithm of the share of all
    /// items that score above the pair's.
    fn scored(
        &self,
        methods: &[&str],
        known: &[Pair],
        pairs: &[Pair],
        seed: u64,
    ) -> Result<Vec<f32>, ModelError> {
        let training = self.training(known);
        let entries = MODELS
            .iter()
            .filter(|entry| methods.contains(&entry.name) && (entry.applies)(&training));
        let models: Vec<Box<dyn Model>> = entries
            .map(|entry| (entry.fit)(&training, &entry.defaults(), seed))
            .collect::<Result<_, _>>()?;
        let mut of_user = vec![Vec::new(); self.n_users];
        for (at, pair) in pairs.iter().enumerate() {
            of_user[pair.user as usize].push(at);
        }
        let shares: Vec<Vec<(usize, f32)>> = of_user
            .par_iter()
            .enumerate()
            .filter(|(_, places)| !places.is_empty())
            .map(|(user, places)| {
                let mut found = Vec::new();
                let acts = training.interactions.of(user as u32);
                let query = Query { user: Some(user as u32), acts };
                let mut scores = vec![0.0; self.n_items];
                for (method, model) in models.iter().enumerate() {
                    scores.fill(0.0);
                    model.score(&query, &mut scores);
                    for place in places {
                        let own = scores[pairs[*place].item as usize];
                        let share = share_above(&scores, own);
                        found.push((*place * models.len() + method, -share.ln()));
                    }
                }
                found
            })
            .collect();
        let mut rows = vec![0.0; pairs.len() * models.len()];
        for (at, value) in shares.into_iter().flatten() {
            rows[at] = value;
        }
        Ok(rows)
    }
}

/// Share of `scores` above `own`, those equal to it, itself among them, counted half.
fn share_above(scores: &[f32], own: f32) -> f32 {
    let above = scores.iter().filter(|score| **score > own).count() as f32;
    let equal = scores.iter().filter(|score| **score == own).count() as f32;
    (above + f32::midpoint(equal, 1.0)) / (scores.len() as f32 + 1.0)
}

/// The chance that, of two values of one group, the one that is true is the greater; ties count half.
fn auc<'a>(groups: impl IntoIterator<Item = &'a [(f64, bool)]>) -> f64 {
    let (mut right, mut all) = (0.0, 0.0);
    for group in groups {
        let mut sorted = group.to_vec();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut below = 0.0;
        for equal in sorted.chunk_by(|a, b| a.0 == b.0) {
            let positive = equal.iter().filter(|(_, done)| *done).count() as f64;
            let negative = equal.len() as f64 - positive;
            right += positive * (below + negative / 2.0);
            below += negative;
        }
        all += below * (sorted.len() as f64 - below);
    }
    right / f64::max(all, 1.0)
}

/// Harmonic mean of precision and recall of the values of at least `threshold`.
fn f1(values: &[(f64, bool)], threshold: f64) -> f64 {
    let said = values.iter().filter(|(value, _)| *value >= threshold).count();
    let right = values.iter().filter(|(value, done)| *value >= threshold && *done).count();
    let positive = values.iter().filter(|(_, done)| *done).count();
    2.0 * right as f64 / ((said + positive) as f64).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_are_those_of_the_definitions() {
        let values = [(0.9, true), (0.6, false), (0.6, true), (0.2, false)];
        // Pairs: 0.9 beats both; 0.6 ties with one and beats the other.
        assert!((auc([&values[..]]) - 3.5 / 4.0).abs() < 1e-12);
        // Within two groups: 0.9 beats 0.6, and 0.6 beats 0.2.
        assert!((auc([&values[..2], &values[2..]]) - 1.0).abs() < 1e-12);
        // Said: three, right: two, positive: two.
        assert!((f1(&values, 0.5) - 4.0 / 5.0).abs() < 1e-12);
        assert!((share_above(&[3.0, 2.0, 2.0, 1.0], 2.0) - 2.5 / 5.0).abs() < 1e-6);
    }

    /// Users of two camps, who do only items of their own.
    fn camps() -> Clicks {
        let pairs = (0..40_u32).flat_map(|user| {
            (0..12_u32).filter(move |item| (user * 5 + item) % 7 != 0).map(move |item| Pair {
                user,
                item,
                done: user % 2 == item % 2,
            })
        });
        Clicks { pairs: pairs.collect(), n_users: 40, n_items: 12, attributes: None }
    }

    #[test]
    fn camps_are_told_apart_and_threads_change_no_bit() {
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| camps().evaluate(CLICK_METHODS, 1)).unwrap()
        };
        let metrics = with(1);
        assert!(metrics.auc > 0.9, "{metrics:?}");
        assert_eq!(metrics, with(3));
    }
}
