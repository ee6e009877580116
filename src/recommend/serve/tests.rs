//! Rules keep their word, and leave scores and their parts as they were.

use super::super::rules::Nothing;
use super::super::tests::{history, params, tiny};
use super::super::{CACHED, RECOMMENDERS, recommend};
use super::*;

/// The answer for a user of the tiny graph.
fn answer(user: &str, method: &str, rules: &RuleParams) -> Result<Answer, RecommendError> {
    let store = tiny();
    let snapshot = Snapshot::build(&store.view(), None, CACHED).unwrap();
    let history = history(&store, &snapshot, user, &[]);
    serve(&snapshot, &history, &params(method), rules, &Nothing, [user, "r"])
}

fn items(answer: &Answer) -> Vec<&str> {
    answer.results.iter().map(|placed| placed.recommendation.item.as_str()).collect()
}

fn rules(filter: &str) -> RuleParams {
    RuleParams { filter: filter.to_owned(), ..RuleParams::default() }
}

#[test]
fn without_rules_the_answer_is_the_recommenders() {
    let store = tiny();
    let snapshot = Snapshot::build(&store.view(), None, CACHED).unwrap();
    for entry in RECOMMENDERS {
        let history = history(&store, &snapshot, "alice", &[]);
        let plain = recommend(&snapshot, &history, &params(entry.name)).unwrap();
        let served = answer("alice", entry.name, &RuleParams::default()).unwrap();
        let results = served.results.iter().map(|placed| placed.recommendation.clone());
        assert_eq!(results.collect::<Vec<_>>(), plain);
        assert!(served.results.iter().all(|placed| placed.propensity == 1.0));
        assert_eq!(served.effects.len(), 1, "{:?}", served.effects);
    }
}

#[test]
fn parts_add_up_and_scores_stay_under_every_rule() {
    let plain = answer("alice", "blend", &RuleParams::default()).unwrap();
    let arranged =
        RuleParams { diversity: 0.7, exploration: 0.5, seed: 4, ..RuleParams::default() };
    let arranged = answer("alice", "blend", &arranged).unwrap();
    let mut moved = 0;
    for (place, placed) in arranged.results.iter().enumerate() {
        let found = &placed.recommendation;
        let sum: f64 = found.contributions.iter().map(|part| part.value).sum();
        assert!((sum - found.score).abs() < 1e-9);
        let before = plain.results.iter().position(|p| p.recommendation.item == found.item);
        let before = before.expect("no rule brings what was not there");
        assert_eq!(found.score, plain.results[before].recommendation.score);
        // The moves lead from the place without rules to the place with them.
        let mut at = before + 1;
        for step in &placed.moved {
            assert_eq!(step.from, at);
            at = step.to;
            moved += 1;
        }
        assert_eq!(at, place + 1, "{placed:?}");
    }
    assert!(moved > 0);
}

#[test]
fn a_filter_lets_through_what_it_says() {
    let all = answer("alice", "popular", &rules("")).unwrap();
    let peak = answer("alice", "popular", &rules("brand = \"snow peak\"")).unwrap();
    let others = answer("alice", "popular", &rules("NOT brand = \"snow peak\"")).unwrap();
    assert!(!peak.results.is_empty() && !others.results.is_empty());
    let mut both = [items(&peak), items(&others)].concat();
    both.sort_unstable();
    let mut expected = items(&all);
    expected.sort_unstable();
    assert_eq!(both, expected);
    let dropped = others.effects.iter().find(|effect| effect.rule == "filter").unwrap().dropped;
    assert_eq!(dropped, peak.results.len());
    let error = answer("alice", "blend", &rules("brnd = bose")).unwrap_err().to_string();
    assert!(error.starts_with("filter: unknown field `brnd`; known: kind, id, label, "), "{error}");
    let error = answer("alice", "blend", &rules("brand = ")).unwrap_err().to_string();
    assert_eq!(error, "filter: at character 9: the end; give a field or a value here");
}

#[test]
fn seen_items_come_back_when_they_may() {
    let store = tiny();
    let snapshot = Snapshot::build(&store.view(), None, CACHED).unwrap();
    let seen = history(&store, &snapshot, "alice", &[]).seen();
    let keep = RuleParams { keep_seen: true, ..RuleParams::default() };
    let found = answer("alice", "popular", &keep).unwrap();
    assert!(found.results.iter().any(|placed| seen.contains(&placed.recommendation.node)));
}

#[test]
fn only_the_source_domain_counts_and_only_the_target_domain_is_shown() {
    let plain = answer("alice", "item_item", &RuleParams::default()).unwrap();
    let domains = RuleParams {
        source: "brand = sony".to_owned(),
        target: "NOT brand = sony".to_owned(),
        ..RuleParams::default()
    };
    let found = answer("alice", "item_item", &domains).unwrap();
    let store = tiny();
    let snapshot = Snapshot::build(&store.view(), None, CACHED).unwrap();
    let sony = filter("brand = sony", &snapshot);
    assert!(!found.results.is_empty());
    for placed in &found.results {
        assert!(!sony(placed.recommendation.node));
        let before = plain
            .results
            .iter()
            .find(|other| other.recommendation.item == placed.recommendation.item);
        // What other domains brought is gone, and nothing else.
        let of_sony = |answer: &Placed| -> f64 {
            let parts = answer.recommendation.contributions.iter();
            let by_sony = parts.filter(|part| {
                part.event.as_ref().is_some_and(|event| {
                    let key = crate::event::NodeKey::new(event.target_kind, &*event.target);
                    snapshot.find(&key.unwrap()).is_some_and(&sony)
                })
            });
            by_sony.map(|part| part.value).sum()
        };
        assert!((of_sony(placed) - placed.recommendation.score).abs() < 1e-9);
        assert!((of_sony(placed) - of_sony(before.unwrap())).abs() < 1e-9);
    }
    let effect = found.effects.iter().find(|effect| effect.rule == "domain").unwrap();
    assert!(effect.ignored > 0);
}

fn filter<'s>(text: &str, snapshot: &'s Snapshot) -> impl Fn(NodeIndex) -> bool + use<'s> {
    let filter = super::super::filter_of(snapshot, text).unwrap();
    move |node| filter.matches(&super::super::facts::NodeFacts::new(snapshot, node))
}

#[test]
fn bad_numbers_are_refused() {
    let refused = |rules: RuleParams| answer("alice", "", &rules).unwrap_err().to_string();
    let base = RuleParams::default;
    let found = refused(RuleParams { diversity: 1.5, ..base() });
    assert_eq!(found, "diversity is 1.5; give a number from 0 to 1");
    let found = refused(RuleParams { exploration: f64::NAN, ..base() });
    assert_eq!(found, "exploration is NaN; give a number from 0 to 1");
    let cap = |times, window_days| Some(super::super::Cap { times, window_days });
    let found = refused(RuleParams { cap: cap(0, 1.0), ..base() });
    assert_eq!(found, "cap.times is 0; give a whole number from 1 up");
    let found = refused(RuleParams { cap: cap(1, 31.0), ..base() });
    assert_eq!(found, "cap.window is 31; give a time of more than 0 and at most 30 days");
}
