//! The files of each protocol become a task.

use std::path::{Path, PathBuf};

use super::EvaluateError;
use super::files::{Ids, Lines, fields};
use super::items::ItemTexts;
use super::task::{Case, Holdout, Pool, Task};
use super::{friends, histories};
use crate::model::{Act, Interactions, Sparse, Training};

/// Bounds of the share of each user's items that a validation part takes where the cut was random: it
/// takes as the test part did, but leaves enough to fit to.
const SHARES: [f64; 2] = [0.05, 0.2];

pub(super) fn act(item: u32, at: i64) -> Act {
    Act { item, behavior: 0, at, value: 1.0 }
}

/// How a file's lines are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// As the line itself shows: tabs or commas part a pair, blanks a list; a third field of many
    /// items holds negatives.
    #[default]
    Auto,
    /// A user, then items.
    Lists,
    /// A user and an item, then anything.
    Pairs,
    /// A user, an item to find, then those to rank it among.
    Negatives,
}

/// Given train and test files: all items are ranked but those of the training part.
#[derive(Clone, Debug, Default)]
pub struct Split {
    /// What to fit to.
    pub train: PathBuf,
    /// How its lines are laid out.
    pub train_layout: Layout,
    /// What to find.
    pub test: PathBuf,
    /// How its lines are laid out.
    pub test_layout: Layout,
    /// Items' attributes: JSON of lists by item, or a pair a line.
    pub attributes: Option<PathBuf>,
    /// What is written about items: a JSON object a line.
    pub items: Option<PathBuf>,
    /// Who knows whom: lines of a user and a friend.
    pub friends: Option<PathBuf>,
}

impl Split {
    /// Reads the files.
    ///
    /// # Errors
    /// [`EvaluateError::Read`], [`EvaluateError::Line`], [`EvaluateError::NoCases`],
    /// [`EvaluateError::NoFriends`].
    pub fn read(&self) -> Result<Task, EvaluateError> {
        if histories::are_in(&self.train)? {
            if self.friends.is_some() {
                let reason = "friends need lines of users and items, not JSON".to_owned();
                return Err(EvaluateError::Line { path: self.train.clone(), line: 1, reason });
            }
            return histories::read(&self.train, &self.test, self.items.as_deref());
        }
        let (mut users, mut items) = (Ids::default(), Ids::default());
        let mut acts = Vec::new();
        rows(&self.train, self.train_layout, |row| {
            let user = users.number(row.user);
            acts.extend(row.items.iter().map(|item| (user, act(items.number(item), 0))));
        })?;
        let mut relevant: Vec<Vec<u32>> = Vec::new();
        let mut cases = Vec::new();
        rows(&self.test, self.test_layout, |row| {
            let user = users.number(row.user);
            let found: Vec<u32> = row.items.iter().map(|item| items.number(item)).collect();
            if row.negatives.is_empty() {
                relevant.resize(relevant.len().max(user as usize + 1), Vec::new());
                relevant[user as usize].extend(found);
            } else {
                let mut pool: Vec<u32> =
                    row.negatives.iter().map(|item| items.number(item)).collect();
                pool.extend(&found);
                pool.sort_unstable();
                pool.dedup();
                cases.push(Case { pool: Pool::Given(pool), ..Case::known(user, found) });
            }
        })?;
        let holdout = match cases.first().map(|case| &case.pool) {
            Some(Pool::Given(pool)) => Holdout::Among(pool.len().saturating_sub(1)),
            _ => {
                let n_found: usize = relevant.iter().map(Vec::len).sum();
                let share = n_found as f64 / (n_found + acts.len()).max(1) as f64;
                Holdout::Share(share.clamp(SHARES[0], SHARES[1]))
            }
        };
        let whole = (0..).zip(relevant).filter(|(_, items)| !items.is_empty());
        cases.extend(whole.map(|(user, items)| Case::known(user, items)));
        if cases.is_empty() {
            return Err(EvaluateError::NoCases {
                path: self.test.clone(),
                remedy: "give lines of a user and the items to find",
            });
        }
        let texts = ItemTexts::numbered(self.items.as_deref(), &mut items)?;
        let interactions = Interactions::new(users.len(), items.len(), acts);
        cases.iter_mut().for_each(|case| leave_out_done(case, &interactions));
        let mut training = Training::plain(interactions, false);
        if let Some(path) = &self.attributes {
            training.side.attributes = Some(attributes(path, &items)?);
        }
        texts.add(&items, &mut training.side);
        if let Some(path) = &self.friends {
            training.side.friends = Some(friends::read(path, &users)?);
        }
        Ok(Task { training, cases, holdout })
    }
}

/// What a user did is not ranked, in a file's negatives either: some files drew theirs from all items, and
/// the published tables leave these out.
fn leave_out_done(case: &mut Case, interactions: &Interactions) {
    let (Some(user), Pool::Given(pool)) = (case.user, &mut case.pool) else { return };
    let acts = interactions.of(user);
    let relevant = &case.relevant;
    pool.retain(|item| {
        relevant.binary_search(item).is_ok() || acts.iter().all(|act| act.item != *item)
    });
}

/// What a line says.
pub(super) struct Row<'a> {
    pub user: &'a str,
    pub items: Vec<&'a str>,
    negatives: Vec<&'a str>,
}

/// Calls `each` with every line; a first line of words is a header.
pub(super) fn rows(
    path: &Path,
    layout: Layout,
    mut each: impl FnMut(&Row<'_>),
) -> Result<(), EvaluateError> {
    let mut lines = Lines::open(path)?;
    while let Some(line) = lines.next()? {
        let line = line.to_owned();
        let fields = fields(&line);
        if lines.n() == 1 && fields.iter().all(|field| field.parse::<f64>().is_err()) {
            continue;
        }
        let parted = line.contains(['\t', ',']);
        let many = fields.get(2).is_some_and(|field| field.contains(' '));
        let layout = match layout {
            Layout::Auto if parted && many => Layout::Negatives,
            Layout::Auto if parted => Layout::Pairs,
            Layout::Auto => Layout::Lists,
            said => said,
        };
        if fields.len() < 2 && layout != Layout::Lists {
            return Err(lines.wrong("expected a user and an item"));
        }
        let (items, negatives) = match layout {
            Layout::Pairs => (&fields[1..2], &fields[..0]),
            Layout::Negatives => (&fields[1..2], &fields[2..]),
            Layout::Auto | Layout::Lists => (&fields[1..], &fields[..0]),
        };
        each(&Row {
            user: fields[0],
            items: items.to_vec(),
            negatives: negatives.iter().flat_map(|field| field.split_whitespace()).collect(),
        });
    }
    Ok(())
}

/// Each user's items in the order of time: the last one is to be found among all.
#[derive(Clone, Debug, Default)]
pub struct LeaveOneOut {
    /// Lines `user item item …`, oldest first.
    pub sequences: PathBuf,
    /// Items' attributes: JSON of lists by item, or a pair a line.
    pub attributes: Option<PathBuf>,
    /// What is written about items: a JSON object a line.
    pub items: Option<PathBuf>,
}

impl LeaveOneOut {
    /// Reads the files.
    ///
    /// # Errors
    /// [`EvaluateError::Read`], [`EvaluateError::Line`], [`EvaluateError::NoCases`].
    pub fn read(&self) -> Result<Task, EvaluateError> {
        let (mut users, mut items) = (Ids::default(), Ids::default());
        let (mut acts, mut cases) = (Vec::new(), Vec::new());
        let mut lines = Lines::open(&self.sequences)?;
        while let Some(line) = lines.next()? {
            let fields = fields(line);
            let user = users.number(fields[0]);
            let sequence: Vec<u32> = fields[1..].iter().map(|item| items.number(item)).collect();
            let Some((last, before)) = sequence.split_last() else { continue };
            if before.is_empty() {
                acts.push((user, act(*last, 0)));
                continue;
            }
            acts.extend(before.iter().zip(0..).map(|(item, at)| (user, act(*item, at))));
            cases.push(Case::known(user, vec![*last]));
        }
        if cases.is_empty() {
            return Err(EvaluateError::NoCases {
                path: self.sequences.clone(),
                remedy: "give lines of a user and two items at least",
            });
        }
        let texts = ItemTexts::numbered(self.items.as_deref(), &mut items)?;
        let interactions = Interactions::new(users.len(), items.len(), acts);
        let mut training = Training::plain(interactions, true);
        if let Some(path) = &self.attributes {
            training.side.attributes = Some(attributes(path, &items)?);
        }
        texts.add(&items, &mut training.side);
        Ok(Task { training, cases, holdout: Holdout::Last })
    }
}

/// Several behaviours, one of which is to be predicted.
#[derive(Clone, Debug, Default)]
pub struct Behaviors {
    /// Name and file of each, the weakest first: lines of user, item and perhaps seconds.
    pub behaviors: Vec<(String, PathBuf)>,
    /// The one to predict.
    pub target: String,
    /// Lines of user and item.
    pub test: PathBuf,
    /// Lines of user and item that parameters may be chosen on; they are fitted to in the end.
    pub valid: Option<PathBuf>,
    /// What is written about items: a JSON object a line.
    pub items: Option<PathBuf>,
}

impl Behaviors {
    /// Reads the files.
    ///
    /// # Errors
    /// [`EvaluateError::Read`], [`EvaluateError::Line`], [`EvaluateError::NoCases`].
    pub fn read(&self) -> Result<Task, EvaluateError> {
        let (mut users, mut items) = (Ids::default(), Ids::default());
        let mut acts = Vec::new();
        let mut ordered = true;
        for (behavior, (_, path)) in self.behaviors.iter().enumerate() {
            pairs(path, |lines, fields| {
                let (user, item) = (users.number(fields[0]), items.number(fields[1]));
                let at = match fields.get(2).map(|at| at.parse::<f64>()) {
                    None => {
                        ordered = false;
                        0
                    }
                    Some(Ok(at)) => at as i64,
                    Some(Err(_)) => {
                        return Err(lines.wrong("expected user, item and seconds as a number"));
                    }
                };
                acts.push((user, Act { item, behavior: behavior as u8, at, value: 1.0 }));
                Ok(())
            })?;
        }
        let names = || self.behaviors.iter().map(|(name, _)| name.clone());
        let Some(target) = names().position(|name| name == self.target) else {
            return Err(EvaluateError::NoBehavior {
                name: self.target.clone(),
                known: names().collect::<Vec<_>>().join(", "),
            });
        };
        if let Some(path) = &self.valid {
            pairs(path, |_, fields| {
                let (user, item) = (users.number(fields[0]), items.number(fields[1]));
                let last = acts.iter().map(|(_, act)| act.at).max().unwrap_or_default();
                acts.push((user, Act { item, behavior: target as u8, at: last, value: 1.0 }));
                Ok(())
            })?;
        }
        let mut relevant: Vec<Vec<u32>> = Vec::new();
        pairs(&self.test, |_, fields| {
            let (user, item) = (users.number(fields[0]), items.number(fields[1]));
            relevant.resize(relevant.len().max(user as usize + 1), Vec::new());
            relevant[user as usize].push(item);
            Ok(())
        })?;
        let cases: Vec<Case> = (0..)
            .zip(relevant)
            .filter(|(_, items)| !items.is_empty())
            .map(|(user, items)| Case::known(user, items))
            .collect();
        if cases.is_empty() {
            return Err(EvaluateError::NoCases {
                path: self.test.clone(),
                remedy: "give lines of a user and an item",
            });
        }
        let texts = ItemTexts::numbered(self.items.as_deref(), &mut items)?;
        let interactions = Interactions::new(users.len(), items.len(), acts);
        let mut training = Training {
            behaviors: names().collect(),
            target: target as u8,
            timed: ordered,
            ..Training::plain(interactions, ordered)
        };
        texts.add(&items, &mut training.side);
        Ok(Task { training, cases, holdout: Holdout::LastTarget })
    }
}

/// Calls `each` with every line of two fields or more; a first line of words is a header.
fn pairs(
    path: &Path,
    mut each: impl FnMut(&Lines, &[&str]) -> Result<(), EvaluateError>,
) -> Result<(), EvaluateError> {
    let mut lines = Lines::open(path)?;
    while let Some(line) = lines.next()? {
        let line = line.to_owned();
        let fields = fields(&line);
        if lines.n() == 1 && fields.iter().all(|field| field.parse::<f64>().is_err()) {
            continue;
        }
        if fields.len() < 2 {
            return Err(lines.wrong("expected a user and an item"));
        }
        each(&lines, &fields)?;
    }
    Ok(())
}

/// Items by attributes: a JSON object of lists by item, or an item and an attribute a line. Items
/// that nobody did are left out.
fn attributes(path: &Path, items: &Ids) -> Result<Sparse, EvaluateError> {
    let mut names = Ids::default();
    let mut cells = Vec::new();
    let plain = path.with_extension("");
    let json = [path, &plain].iter().any(|path| path.extension().is_some_and(|end| end == "json"));
    let mut lines = Lines::open(path)?;
    if json {
        while let Some(line) = lines.next()? {
            let parsed: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line)
                .map_err(|error| lines.wrong(format!("expected an object of lists: {error}")))?;
            for (item, list) in parsed {
                let Some(item) = items.get(&item) else { continue };
                for attribute in list.as_array().into_iter().flatten() {
                    let name =
                        attribute.as_str().map_or_else(|| attribute.to_string(), str::to_owned);
                    cells.push((item, names.number(&name), 1.0));
                }
            }
        }
    } else {
        while let Some(line) = lines.next()? {
            let fields = fields(line);
            if let (Some(item), true) = (items.get(fields[0]), fields.len() > 1) {
                cells.push((item, names.number(fields[1]), 1.0));
            }
        }
    }
    Ok(Sparse::from_cells(items.len(), names.len(), cells).mapped(|_, _, value| value.min(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negatives_that_the_user_did_are_not_ranked() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let split = Split {
            train: file("train.tsv", "0\t10\n0\t11\n1\t12\n"),
            test: file("test.tsv", "0\t13\t11 12 14\n"),
            ..Split::default()
        };
        let task = split.read().unwrap();
        // Numbers follow the files: 10, 11, 12, then 13, 14.
        assert_eq!(task.cases[0].pool, Pool::Given(vec![2, 3, 4]));
        assert_eq!(task.holdout, Holdout::Among(3));
    }
}
