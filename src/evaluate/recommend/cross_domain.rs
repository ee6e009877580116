//! Two domains whose users are partly the same: what somebody did in one is to be found from what
//! they did in the other.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::EvaluateError;
use super::files::{Ids, Lines, fields};
use super::items::ItemTexts;
use super::protocol::{Layout, act, rows};
use super::task::{Case, Holdout, Pool, Task};
use crate::model::{Interactions, Training};

/// Share of the users of both domains that a validation part hides in the target domain.
const SHARE: f64 = 0.2;

/// Users of a source domain who are new to the target domain: its items are ranked.
#[derive(Clone, Debug, Default)]
pub struct CrossDomain {
    /// Lines of the source domain: pairs or lists.
    pub source: PathBuf,
    /// Lines of the target domain.
    pub target: PathBuf,
    /// Ids of those who are in both: the source's and the target's, or one where they are equal. Without
    /// it, equal ids are one user.
    pub shared: Option<PathBuf>,
    /// What to find in the target domain. Without it, all that some shared users did there.
    pub test: Option<PathBuf>,
    /// Share of the shared users to hide where there is no test file, in (0, 1).
    pub hide: f64,
    /// Seed of the choice of them.
    pub seed: u64,
    /// What is written about the target domain's items: a JSON object a line.
    pub items: Option<PathBuf>,
    /// What is written about the source domain's items.
    pub source_items: Option<PathBuf>,
}

impl CrossDomain {
    /// Reads the files. The target domain's items have the lower numbers.
    ///
    /// # Errors
    /// [`EvaluateError::Read`], [`EvaluateError::Line`], [`EvaluateError::NoCases`].
    pub fn read(&self) -> Result<Task, EvaluateError> {
        let mut items = Ids::default();
        let mut people =
            People { shared: self.shared.as_deref().map(shared).transpose()?, ..People::default() };
        let mut of_target = Vec::new();
        rows(&self.target, Layout::Auto, |row| {
            let user = people.of_target(row.user);
            of_target.extend(row.items.iter().map(|item| (user, items.number(&named("t", item)))));
        })?;
        let mut found: Vec<(u32, u32)> = Vec::new();
        if let Some(path) = &self.test {
            rows(path, Layout::Auto, |row| {
                let user = people.of_target(row.user);
                found.extend(row.items.iter().map(|item| (user, items.number(&named("t", item)))));
            })?;
        }
        let mut texts = ItemTexts::default();
        if let Some(path) = &self.items {
            texts.join("t", &ItemTexts::read(path)?);
            texts.number(&mut items);
        }
        let n_items = items.len() as u32;
        let mut of_source = Vec::new();
        rows(&self.source, Layout::Auto, |row| {
            let user = people.of_source(row.user);
            of_source.extend(row.items.iter().map(|item| (user, items.number(&named("s", item)))));
        })?;
        if let Some(path) = &self.source_items {
            texts.join("s", &ItemTexts::read(path)?);
            texts.number(&mut items);
        }
        if self.test.is_none() {
            let hidden = self.hidden(people.ids.len(), &of_source, &of_target);
            found = of_target.iter().copied().filter(|(user, _)| hidden[*user as usize]).collect();
            of_target.retain(|(user, _)| !hidden[*user as usize]);
        }
        let mut relevant: Vec<Vec<u32>> = vec![Vec::new(); people.ids.len()];
        for (user, item) in found {
            relevant[user as usize].push(item);
        }
        let new = (0..).zip(relevant).filter(|(_, items)| !items.is_empty());
        let cases: Vec<Case> = new
            .map(|(user, items)| Case { pool: Pool::Below(n_items), ..Case::known(user, items) })
            .collect();
        if cases.is_empty() {
            return Err(EvaluateError::NoCases {
                path: self.test.clone().unwrap_or_else(|| self.target.clone()),
                remedy: "give --shared with the ids of those who are in both, or --test",
            });
        }
        let acts = of_source.into_iter().chain(of_target);
        let acts = acts.map(|(user, item)| (user, act(item, 0))).collect();
        let interactions = Interactions::new(people.ids.len(), items.len(), acts);
        let mut training = Training::plain(interactions, false);
        texts.add(&items, &mut training.side);
        Ok(Task { training, cases, holdout: Holdout::Domain { n_items, share: SHARE } })
    }

    /// Marks a share of those who are in both domains.
    fn hidden(&self, n_users: usize, source: &[(u32, u32)], target: &[(u32, u32)]) -> Vec<bool> {
        let (mut in_source, mut in_target) = (vec![false; n_users], vec![false; n_users]);
        for (user, _) in source {
            in_source[*user as usize] = true;
        }
        for (user, _) in target {
            in_target[*user as usize] = true;
        }
        let mut both: Vec<usize> =
            (0..n_users).filter(|user| in_source[*user] && in_target[*user]).collect();
        both.shuffle(&mut ChaCha8Rng::seed_from_u64(self.seed));
        both.truncate((both.len() as f64 * self.hide).round() as usize);
        let mut hidden = vec![false; n_users];
        for user in both {
            hidden[user] = true;
        }
        hidden
    }
}

fn named(domain: &str, id: &str) -> String {
    format!("{domain}{id}")
}

/// Numbers for the users of both domains.
#[derive(Default)]
struct People {
    ids: Ids,
    /// The source's id of each target's id; none when equal ids are one user.
    shared: Option<HashMap<String, String>>,
}

impl People {
    fn of_source(&mut self, id: &str) -> u32 {
        self.ids.number(&named("s", id))
    }

    fn of_target(&mut self, id: &str) -> u32 {
        let name = match &self.shared {
            None => named("s", id),
            Some(shared) => {
                shared.get(id).map_or_else(|| named("t", id), |source| named("s", source))
            }
        };
        self.ids.number(&name)
    }
}

/// The source's id by the target's; a first line of words is a header.
fn shared(path: &Path) -> Result<HashMap<String, String>, EvaluateError> {
    let mut ids = HashMap::new();
    let mut lines = Lines::open(path)?;
    while let Some(line) = lines.next()? {
        let fields = fields(line);
        let (source, target) = (fields[0].to_owned(), fields[fields.len().min(2) - 1].to_owned());
        let header = fields.iter().all(|field| field.parse::<f64>().is_err());
        if lines.n() > 1 || !header {
            ids.insert(target, source);
        }
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            std::fs::write(self.0.join(name), text).unwrap();
            self.0.join(name)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn only_those_who_are_said_to_be_shared_are_one() {
        let folder = Folder::new("cross-shared");
        let files = CrossDomain {
            source: folder.write("source.tsv", "1\t7\n2\t7\n3\t8\n"),
            target: folder.write("target.tsv", "1\t7\n5\t9\n"),
            shared: Some(folder.write("shared.tsv", "source\ttarget\n2\t5\n3\t6\n")),
            test: Some(folder.write("test.tsv", "6\t9\n")),
            ..CrossDomain::default()
        };
        let task = files.read().unwrap();
        let interactions = &task.training.interactions;
        // Two items of the target, and two of the source; three people of the source, one of them in
        // both, and one of the target alone.
        assert_eq!((interactions.n_items(), interactions.n_users()), (4, 4));
        assert_eq!(task.cases.len(), 1);
        assert_eq!(task.cases[0].pool, Pool::Below(2));
        let history = task.query(&task.cases[0]).acts.iter().map(|act| act.item);
        assert_eq!(history.collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn hidden_users_keep_their_source_only_and_a_validation_part_is_cut_likewise() {
        let folder = Folder::new("cross-hidden");
        let lines = |of: &str| (0..50).map(|user| format!("{user}\t{of}{}\n", user % 5)).collect();
        let source: String = lines("1");
        let target: String = lines("2");
        let files = CrossDomain {
            source: folder.write("source.tsv", &source),
            target: folder.write("target.tsv", &target),
            hide: 0.2,
            seed: 1,
            ..CrossDomain::default()
        };
        let task = files.read().unwrap();
        assert_eq!(task.cases.len(), 10);
        let cold = |task: &Task| {
            task.cases.iter().all(|case| task.query(case).acts.iter().all(|act| act.item >= 5))
        };
        assert!(cold(&task));
        let validation = task.validation(1);
        assert!(!validation.cases.is_empty() && validation.cases.len() < 20);
        assert!(cold(&validation));
        let users =
            |task: &Task| task.cases.iter().filter_map(|case| case.user).collect::<Vec<_>>();
        assert!(users(&validation).iter().all(|user| !users(&task).contains(user)));
    }
}
