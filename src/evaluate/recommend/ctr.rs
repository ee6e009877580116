//! Clicks told from what was passed over: AUC and F1 of probabilities.

use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::EvaluateError;
use super::files::{Ids, Lines, fields};
use super::task::{Case, Holdout, Task};
use crate::model::{Act, Interactions, Labelled, Sparse, Training};

/// Shares of the training and the validation part (Wang et al., KGCN, WWW 2019, section 4.3).
const SHARES: [f64; 2] = [0.6, 0.2];

/// Share of each user's clicks that the ranking's validation part takes.
const HELD: f64 = 0.1;

/// Labelled pairs of users and items, shuffled and parted.
#[derive(Clone, Debug, Default)]
pub struct Ctr {
    /// Lines of user, item and 1 or 0.
    pub ratings: PathBuf,
    /// Lines of head, relation and tail; heads are items by the ids of the ratings.
    pub graph: Option<PathBuf>,
    /// Seed of the shuffle.
    pub seed: u64,
}

/// The parts of a click-through set.
#[derive(Clone, Debug)]
pub struct CtrTask {
    /// Clicks of the training part, and what the graph says of the items; the cases are the clicks of the test part,
    /// to be found among all items.
    pub task: Task,
    /// Pairs of the training part that were passed over.
    pub passed: Vec<(u32, u32)>,
    /// To calibrate on.
    pub valid: Vec<Labelled>,
    /// To measure on.
    pub test: Vec<Labelled>,
}

impl Ctr {
    /// Reads the files and parts the pairs.
    ///
    /// # Errors
    /// [`EvaluateError::Read`], [`EvaluateError::Line`], [`EvaluateError::NoCases`].
    pub fn read(&self) -> Result<CtrTask, EvaluateError> {
        let (mut users, mut items) = (Ids::default(), Ids::default());
        let mut pairs: Vec<Labelled> = Vec::new();
        let mut lines = Lines::open(&self.ratings)?;
        while let Some(line) = lines.next()? {
            let line = line.to_owned();
            let fields = fields(&line);
            let label = match fields.get(2) {
                Some(&"1") => true,
                Some(&"0") => false,
                _ => return Err(lines.wrong("expected user, item, and 1 or 0")),
            };
            pairs.push((users.number(fields[0]), items.number(fields[1]), label));
        }
        pairs.shuffle(&mut ChaCha8Rng::seed_from_u64(self.seed));
        let part = |share: f64| (pairs.len() as f64 * share) as usize;
        let (train, rest) = pairs.split_at(part(SHARES[0]));
        let (valid, test) = rest.split_at(part(SHARES[1]).min(rest.len()));
        let act = |item| Act { item, behavior: 0, at: 0, value: 1.0 };
        let of_label = |label| train.iter().filter(move |pair| pair.2 == label);
        let clicks = of_label(true).map(|(user, item, _)| (*user, act(*item))).collect();
        let passed = of_label(false).map(|(user, item, _)| (*user, *item)).collect();
        let interactions = Interactions::new(users.len(), items.len(), clicks);
        let mut training = Training::plain(interactions, false);
        if let Some(path) = &self.graph {
            training.side.attributes = Some(facts(path, &items)?);
        }
        let mut relevant: Vec<Vec<u32>> = vec![Vec::new(); users.len()];
        for (user, item, _) in test.iter().filter(|pair| pair.2) {
            relevant[*user as usize].push(*item);
        }
        let found = (0..).zip(relevant).filter(|(_, items)| !items.is_empty());
        let cases: Vec<Case> = found.map(|(user, items)| Case::known(user, items)).collect();
        if cases.is_empty() {
            return Err(EvaluateError::NoCases {
                path: self.ratings.clone(),
                remedy: "give lines of user, item, and 1 for a click or 0 for none",
            });
        }
        let task = Task { training, cases, holdout: Holdout::Share(HELD) };
        Ok(CtrTask { task, passed, valid: valid.to_vec(), test: test.to_vec() })
    }
}

/// Items by pairs of relation and tail: 1 where the graph says so.
fn facts(path: &Path, items: &Ids) -> Result<Sparse, EvaluateError> {
    let mut pairs = Ids::default();
    let mut cells = Vec::new();
    let mut lines = Lines::open(path)?;
    while let Some(line) = lines.next()? {
        let line = line.to_owned();
        let [head, relation, tail] = fields(&line)[..] else {
            return Err(lines.wrong("expected head, relation and tail"));
        };
        if let Some(item) = items.get(head) {
            cells.push((item, pairs.number(&format!("{relation}\t{tail}")), 1.0));
        }
    }
    let facts = Sparse::from_cells(items.len(), pairs.len(), cells);
    Ok(facts.mapped(|_, _, value| value.min(1.0)))
}

/// How well probabilities tell clicks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClickMeasures {
    /// How often a click has more than what was passed over; ties count half.
    pub auc: f64,
    /// Harmonic mean of precision and recall of those with at least one half.
    pub f1: f64,
}

impl ClickMeasures {
    /// Of pairs of a probability and whether it was a click.
    pub fn of(found: &[(f64, bool)]) -> Self {
        let mut order: Vec<&(f64, bool)> = found.iter().collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let clicks = found.iter().filter(|pair| pair.1).count() as f64;
        let passes = found.len() as f64 - clicks;
        // The sum of the clicks' ranks, equal probabilities sharing theirs (Mann & Whitney 1947).
        let (mut ranks, mut place) = (0.0, 0.0);
        for equal in order.chunk_by(|a, b| a.0 == b.0) {
            let rank = place + (equal.len() as f64 + 1.0) / 2.0;
            ranks += rank * equal.iter().filter(|pair| pair.1).count() as f64;
            place += equal.len() as f64;
        }
        let said = found.iter().filter(|pair| pair.0 >= 0.5).count() as f64;
        let right = found.iter().filter(|pair| pair.0 >= 0.5 && pair.1).count() as f64;
        Self {
            auc: (ranks - clicks * (clicks + 1.0) / 2.0) / (clicks * passes).max(1.0),
            f1: 2.0 * right / (said + clicks).max(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worked_example() {
        let found = [(0.9, true), (0.6, false), (0.6, true), (0.2, false), (0.4, true)];
        // Of six pairs of a click and none, four are in order and one is a tie.
        let measures = ClickMeasures::of(&found);
        assert!((measures.auc - 4.5 / 6.0).abs() < 1e-12, "{measures:?}");
        assert!((measures.f1 - 2.0 * 2.0 / 6.0).abs() < 1e-12, "{measures:?}");
    }
}
