//! The published formulas on graphs that one can hold in the head.

use std::collections::BTreeSet;

use super::*;
use crate::event::{NodeKey, RawDocument, RawEvent};
use crate::ingest::{self, mutations};
use crate::schema::NodeKind;
use crate::store::{ENGINES, GraphStore, NodeId};

/// A store in memory. A line is an item with its attributes (`dune genre=space,drama cast=kyle`),
/// or an event (`alice rated dune 2025-01-31 9`).
fn store(lines: &str) -> GraphStore {
    let backend = (ENGINES[1].open)(std::path::Path::new(""), true).unwrap();
    let store = GraphStore::new(backend, None).unwrap();
    let mut documents = Vec::new();
    let mut events = Vec::new();
    for (number, line) in lines.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[1].contains('=') {
            let mut raw = RawDocument { id: words[0].to_owned(), ..RawDocument::default() };
            for (field, values) in words[1..].iter().filter_map(|word| word.split_once('=')) {
                let values = values.split(',').collect::<Vec<_>>();
                raw.attributes.insert(field.to_owned(), values.into());
            }
            documents.push(raw.check().unwrap());
        } else {
            let raw = RawEvent {
                event_id: format!("e{number}"),
                user: words[0].to_owned(),
                action: words[1].to_owned(),
                target: words[2].to_owned(),
                target_kind: words[2].contains(':').then(|| "entity".to_owned()),
                at: format!("{}T00:00:00Z", words[3]),
                value: words.get(4).and_then(|value| value.parse().ok()),
                ..RawEvent::default()
            };
            events.push(mutations::of_event(raw.check(store.schema()).unwrap()));
        }
    }
    ingest::write_documents(&store, documents).unwrap();
    store.apply(&events).unwrap();
    store
}

/// Alice's interests as of `at`, with some events masked.
fn masked(store: &GraphStore, at: &str, masked: &[&str]) -> Vec<Interest> {
    let view = store.view();
    let at = Timestamp::parse(&format!("{at}T00:00:00Z")).unwrap();
    let snapshot = Snapshot::build(&view, Some(at), &[]).unwrap();
    let alice = NodeId::of(&NodeKey::new(NodeKind::User, "alice").unwrap());
    let names: BTreeSet<String> = masked.iter().map(|name| (*name).to_owned()).collect();
    let history = History::read(&view, &snapshot, alice, at, &names).unwrap();
    of_history(&snapshot, &history, &InterestParams { at, types: Vec::new(), k: usize::MAX })
}

fn interests(lines: &str, at: &str) -> Vec<Interest> {
    masked(&store(lines), at, &[])
}

fn named<'a>(interests: &'a [Interest], entity: &str) -> &'a Interest {
    interests.iter().find(|interest| interest.entity == entity).unwrap()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{found}, not {expected}");
}

const SHOP: &str = "
    dune genre=space,drama cast=kyle
    alien genre=space,horror
    emma genre=drama
    alice viewed dune 2025-01-01
    alice viewed alien 2025-06-30
    alice viewed emma 2025-06-30
    alice dismissed emma 2025-06-30
    bob viewed emma 2025-06-01
    bob bought emma 2025-06-02
";

#[test]
fn strength_is_the_decayed_sum_shared_among_an_items_entities() {
    // 180 days are one long half-life: dune's view is worth 1/2, alien's and emma's 1; the
    // dismissal weighs -3.
    let found = interests(SHOP, "2025-06-30");
    close(named(&found, "genre:space").strength, 0.5 * 0.5 + 0.5);
    close(named(&found, "genre:horror").strength, 0.5);
    close(named(&found, "person:kyle").strength, 0.5);
    // drama: a quarter for, two against; it is no interest.
    assert!(!found.iter().any(|interest| interest.entity == "genre:drama"));
}

#[test]
fn shares_are_within_a_type_and_over_what_speaks_for() {
    let found = interests(SHOP, "2025-06-30");
    close(named(&found, "genre:space").share, 0.75 / 1.25);
    close(named(&found, "genre:horror").share, 0.5 / 1.25);
    close(named(&found, "person:kyle").share, 1.0);
}

#[test]
fn the_score_is_the_share_times_the_bits_of_its_lift() {
    for interest in interests(SHOP, "2025-06-30") {
        close(interest.lift, interest.share / interest.background);
        close(interest.score, interest.share * interest.lift.log2());
    }
}

#[test]
fn contributions_sum_to_score_and_strength() {
    for at in ["2025-06-30", "2025-08-15", "2030-01-01"] {
        for interest in interests(SHOP, at) {
            let values = interest.contributions.iter().map(|reason| reason.contribution.value);
            close(values.sum(), interest.score);
            close(interest.contributions.iter().map(|r| r.strength).sum(), interest.strength);
        }
    }
}

#[test]
fn a_masked_event_takes_just_its_part_of_the_strength() {
    let store = store(SHOP);
    for interest in masked(&store, "2025-06-30", &[]) {
        for reason in &interest.contributions {
            let event = &reason.contribution.event.as_ref().unwrap().event_id;
            let without = masked(&store, "2025-06-30", &[event]);
            let rest = without.iter().find(|other| other.entity == interest.entity);
            close(rest.map_or(0.0, |rest| rest.strength), interest.strength - reason.strength);
        }
    }
}

#[test]
fn what_happened_later_does_not_show() {
    let early = SHOP.lines().filter(|line| !line.contains("2025-06-30")).collect::<Vec<_>>();
    let early = interests(&early.join("\n"), "2025-06-15");
    let as_of = interests(SHOP, "2025-06-15");
    assert_eq!(as_of.len(), early.len());
    for (one, other) in as_of.iter().zip(&early) {
        assert_eq!((&one.entity, one.score), (&other.entity, other.score));
    }
    assert!(interests(SHOP, "2024-12-31").is_empty());
}

#[test]
fn an_event_on_an_entity_counts_in_full() {
    let found = interests("alice followed genre:Space 2025-01-01\n b genre=x", "2025-01-01");
    close(named(&found, "genre:space").strength, 4.0);
    assert_eq!(named(&found, "genre:space").contributions[0].relation, None);
}

fn check_stage(events: &str, at: &str, expected: Stage) {
    let lines = format!("a genre=x\n b genre=y\n{events}");
    let found = interests(&lines, at);
    assert_eq!(named(&found, "genre:x").stage, expected, "{events}");
}

#[test]
fn stages_follow_the_schemas_thresholds() {
    check_stage("alice viewed a 2025-03-01", "2025-03-10", Stage::New);
    check_stage("alice viewed a 2025-01-01", "2025-06-01", Stage::Dormant);
    let old = "alice viewed a 2025-01-01\n alice viewed b 2025-01-01\n";
    let rising = format!("{old} alice viewed a 2025-03-01");
    check_stage(&rising, "2025-03-01", Stage::Rising);
    let fading = format!("{old} alice viewed b 2025-03-01");
    check_stage(&fading, "2025-03-01", Stage::Fading);
    let steady = format!("{old} alice viewed a 2025-03-01\n alice viewed b 2025-03-01");
    check_stage(&steady, "2025-03-01", Stage::Steady);
}

#[test]
fn a_taste_of_long_ago_still_has_shares() {
    // Two thousand short half-lives: a plain decay would leave nothing to divide.
    let found = interests(SHOP, "9999-12-31");
    close(named(&found, "genre:space").share, 0.75 / 1.25);
    assert!(found.iter().all(|interest| interest.score.is_finite()));
    assert!(found.iter().all(|interest| interest.stage == Stage::Dormant));
}

#[test]
fn a_stronger_event_never_lowers_its_own_interest() {
    let mut before = f64::MIN;
    for value in 3..=10 {
        let lines = format!("{SHOP} alice rated dune 2025-06-30 {value}");
        let score = named(&interests(&lines, "2025-06-30"), "person:kyle").strength;
        assert!(score > before);
        before = score;
    }
}

#[test]
fn everybody_likes_it_is_no_distinction() {
    let lines = "a genre=x\n b genre=y\n alice viewed a 2025-01-01\n alice viewed b 2025-01-01";
    let everybody = (0..200).map(|n| format!("\nuser{n} bought a 2025-01-01")).collect::<String>();
    let found = interests(&(lines.to_owned() + &everybody), "2025-01-01");
    assert!(named(&found, "genre:x").score < 0.0);
    assert!(named(&found, "genre:y").score > 0.0);
    assert_eq!(found[0].entity, "genre:y");
}
