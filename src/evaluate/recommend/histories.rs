//! Lines of JSON: what a user did, oldest first, and what came next.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::EvaluateError;
use super::files::{Ids, Lines};
use super::items::{ItemTexts, text};
use super::protocol::act;
use super::task::{Case, Holdout, Pool, Task};
use crate::model::{Interactions, Training};

/// What a line says.
struct Past {
    user: String,
    history: Vec<String>,
    target: String,
}

/// Whether the lines of a file are JSON.
pub(super) fn are_in(path: &Path) -> Result<bool, EvaluateError> {
    Ok(Lines::open(path)?.next()?.is_some_and(|line| line.trim_start().starts_with('{')))
}

/// Reads lines such as `{"user": "u", "history": [1, 2], "target": 3}`.
///
/// Models are fitted to the histories and targets of `train` and to the histories of `test`. A user
/// may have several lines of `test`, and a later one's history holds an earlier one's target: what is
/// a target of any of the user's lines is left out of what models are fitted to.
pub(super) fn read(
    train: &Path,
    test: &Path,
    items_path: Option<&Path>,
) -> Result<Task, EvaluateError> {
    let (train, lines) = (parse(train)?, (test, parse(test)?));
    let (path, test) = lines;
    let (mut users, mut items) = (Ids::default(), Ids::default());
    let mut targets: BTreeSet<(u32, u32)> = BTreeSet::new();
    for row in &test {
        targets.insert((users.number(&row.user), items.number(&row.target)));
    }
    // What each user did, each item once, in the order of the lines.
    let mut done: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut add = |user: u32, item: u32| {
        let of = done.entry(user).or_default();
        if !targets.contains(&(user, item)) && !of.contains(&item) {
            of.push(item);
        }
    };
    for row in &train {
        let user = users.number(&row.user);
        for item in row.history.iter().chain([&row.target]) {
            add(user, items.number(item));
        }
    }
    let mut cases = Vec::new();
    for row in &test {
        let user = users.number(&row.user);
        let history: Vec<u32> = row.history.iter().map(|item| items.number(item)).collect();
        for item in &history {
            add(user, *item);
        }
        cases.push(Case {
            user: None,
            acts: history.iter().zip(0..).map(|(item, at)| act(*item, at)).collect(),
            relevant: vec![items.number(&row.target)],
            pool: Pool::Unseen,
        });
    }
    if cases.is_empty() {
        return Err(EvaluateError::NoCases {
            path: path.to_owned(),
            remedy: "give lines of a user, a history and a target",
        });
    }
    let texts = ItemTexts::numbered(items_path, &mut items)?;
    let acts = done.into_iter().flat_map(|(user, of)| {
        of.into_iter().zip(0..).map(move |(item, at)| (user, act(item, at)))
    });
    let interactions = Interactions::new(users.len(), items.len(), acts.collect());
    let mut training = Training::plain(interactions, true);
    texts.add(&items, &mut training.side);
    Ok(Task { training, cases, holdout: Holdout::Last })
}

fn parse(path: &Path) -> Result<Vec<Past>, EvaluateError> {
    let mut rows = Vec::new();
    let mut lines = Lines::open(path)?;
    while let Some(line) = lines.next()? {
        let parsed: Value = serde_json::from_str(line)
            .map_err(|error| lines.wrong(format!("expected a history as JSON: {error}")))?;
        let one = |name: &str| parsed.get(name).and_then(text);
        let (Some(user), Some(target), Some(history)) =
            (one("user"), one("target"), parsed.get("history").and_then(Value::as_array))
        else {
            let expected = r#"expected {"user": …, "history": […], "target": …}"#;
            return Err(lines.wrong(expected));
        };
        rows.push(Past { user, history: history.iter().filter_map(text).collect(), target });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_target_of_a_user_is_learned_from_a_later_history() {
        let folder = std::env::temp_dir().join(format!("histories-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let train = write("train.jsonl", "{\"user\": \"u\", \"history\": [1], \"target\": 2}\n");
        let test = write(
            "test.jsonl",
            "{\"user\": \"u\", \"history\": [1, 2], \"target\": 3}\n\
             {\"user\": \"u\", \"history\": [1, 2, 3], \"target\": 4}\n\
             {\"user\": \"v\", \"history\": [3], \"target\": 1}\n",
        );
        let texts = write("items.jsonl", "{\"item_id\": \"9\", \"title\": \"saw\"}\n");
        assert!(are_in(&train).unwrap());
        let task = read(&train, &test, Some(&texts)).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let interactions = &task.training.interactions;
        let of = |user| interactions.of(user).iter().map(|act| act.item).collect::<Vec<_>>();
        // Items by number: 3, 4, 1, 2 in the order in which they were met, then 9 of the texts.
        assert_eq!((of(0), of(1)), (vec![2, 3], vec![0]));
        assert_eq!(interactions.n_items(), 5);
        assert_eq!(task.cases[1].acts.len(), 3);
        assert_eq!(task.training.side.words.unwrap().row(4).1, [1.0]);
    }
}
