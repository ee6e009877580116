//! What every row of the table promises, and what single recommenders compute.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::event::NodeKey;
use crate::ingest::{self, LoadParams, Mapping};
use crate::store::{ENGINES, GraphStore, NodeId};

/// The tiny data set in memory.
pub(super) fn tiny() -> GraphStore {
    let backend = (ENGINES[1].open)(Path::new(""), true).unwrap();
    let store = GraphStore::new(backend, None).unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("graph-data/tiny");
    let folder = tempfile::tempdir().unwrap();
    let params = LoadParams {
        items: vec![data.join("items.jsonl")],
        events: vec![data.join("events.csv")],
        mapping: Mapping::default(),
        max_errors: 0,
        rejects: folder.path().to_owned(),
        ..LoadParams::default()
    };
    ingest::load(&store, None, &params, &mut |_| {}).unwrap();
    store
}

const USERS: [&str; 3] = ["alice", "ben", "chen"];

pub(super) fn history(
    store: &GraphStore,
    snapshot: &Snapshot,
    user: &str,
    masked: &[&str],
) -> History {
    let user = NodeId::of(&NodeKey::new(NodeKind::User, user).unwrap());
    let masked: BTreeSet<String> = masked.iter().map(|id| (*id).to_owned()).collect();
    History::read(&store.view(), snapshot, user, snapshot.as_of, &masked).unwrap()
}

pub(super) fn params(method: &str) -> RecommendParams {
    RecommendParams { method: method.to_owned(), kinds: vec![NodeKind::Item], k: 100 }
}

/// Every answer of every recommender for every user, with the user's history.
fn on_every_answer(test: impl Fn(&GraphStore, &Snapshot, &str, &str, &[Recommendation])) {
    let store = tiny();
    let snapshot = Snapshot::build(&store.view(), None, CACHED).unwrap();
    for entry in RECOMMENDERS {
        for user in USERS {
            let history = history(&store, &snapshot, user, &[]);
            let answers = recommend(&snapshot, &history, &params(entry.name)).unwrap();
            test(&store, &snapshot, entry.name, user, &answers);
        }
    }
}

#[test]
fn contributions_sum_to_the_score_and_scores_descend() {
    let found = std::cell::Cell::new(0);
    on_every_answer(|_, _, method, user, answers| {
        for answer in answers {
            let sum: f64 = answer.contributions.iter().map(|part| part.value).sum();
            assert!((sum - answer.score).abs() < 1e-9, "{method} for {user}: {answer:?}");
            assert!(answer.score.is_finite() && answer.score > 0.0);
        }
        assert!(answers.is_sorted_by(|a, b| a.score >= b.score));
        found.set(found.get() + answers.len());
    });
    assert!(found.get() > 20, "only {} answers", found.get());
}

#[test]
fn what_was_seen_is_not_recommended() {
    on_every_answer(|store, snapshot, method, user, answers| {
        let seen = history(store, snapshot, user, &[]).seen();
        for answer in answers {
            assert!(!seen.contains(&answer.node), "{method} for {user}: {}", answer.item);
            assert_eq!(snapshot.names().kind(answer.node), NodeKind::Item);
        }
    });
}

#[test]
fn a_masked_event_takes_just_its_contribution() {
    on_every_answer(|store, snapshot, method, user, answers| {
        for act in history(store, snapshot, user, &[]).acts {
            let without = history(store, snapshot, user, &[&act.event_id]);
            let without = recommend(snapshot, &without, &params(method)).unwrap();
            for answer in answers {
                let part: f64 = answer
                    .contributions
                    .iter()
                    .filter(|p| p.event.as_ref().is_some_and(|e| e.event_id == act.event_id))
                    .map(|part| part.value)
                    .sum();
                let rest = without.iter().find(|other| other.node == answer.node);
                let left = rest.map_or(0.0, |rest| rest.score);
                let expected = answer.score - part;
                let gone = rest.is_none() && expected <= 1e-9;
                assert!(gone || (left - expected).abs() < 1e-9, "{method} {user} {act:?}");
            }
        }
    });
}

#[test]
fn the_same_question_has_the_same_answer() {
    let store = tiny();
    for entry in RECOMMENDERS {
        let answers = || {
            let snapshot = Snapshot::build(&store.view(), None, CACHED).unwrap();
            let mut all = Vec::new();
            for user in USERS {
                let history = history(&store, &snapshot, user, &[]);
                all.push(recommend(&snapshot, &history, &params(entry.name)).unwrap());
            }
            serde_json::to_string(&all).unwrap()
        };
        assert_eq!(answers(), answers(), "{}", entry.name);
    }
}

#[test]
fn nobody_knows_a_user_without_a_history_but_what_is_popular_is_shown() {
    let store = tiny();
    let snapshot = Snapshot::build(&store.view(), None, CACHED).unwrap();
    for entry in RECOMMENDERS {
        let answers = recommend(&snapshot, &History::default(), &params(entry.name)).unwrap();
        let everybody = matches!(entry.name, "popular" | "blend");
        assert_eq!(answers.is_empty(), !everybody, "{}", entry.name);
    }
}

#[test]
fn k_limits_and_an_unknown_name_lists_the_known() {
    let store = tiny();
    let snapshot = Snapshot::build(&store.view(), None, CACHED).unwrap();
    let history = history(&store, &snapshot, "alice", &[]);
    let two = RecommendParams { k: 2, ..params("") };
    assert_eq!(recommend(&snapshot, &history, &two).unwrap().len(), 2);
    let error = recommend(&snapshot, &history, &params("oracle")).unwrap_err().to_string();
    assert_eq!(
        error,
        "unknown recommender `oracle`; known: blend, item_item, ppr, fitted, embedding, popular, friends"
    );
}

#[test]
fn an_empty_graph_recommends_nothing() {
    let backend = (ENGINES[1].open)(Path::new(""), true).unwrap();
    let store = GraphStore::new(backend, None).unwrap();
    let snapshot = Snapshot::build(&store.view(), None, CACHED).unwrap();
    for entry in RECOMMENDERS {
        let answers = recommend(&snapshot, &History::default(), &params(entry.name)).unwrap();
        assert!(answers.is_empty(), "{}", entry.name);
    }
}
