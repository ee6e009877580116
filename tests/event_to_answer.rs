//! An event on its way: in through the engine, out as interests and recommendations.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use predilect::engine::{Engine, Moment};
use predilect::event::{Event, NodeKey, RawDocument, RawEvent};
use predilect::extract;
use predilect::ingest::{LoadParams, Mapping};
use predilect::interest::Interest;
use predilect::recommend::RecommendParams;
use predilect::schema::{NodeKind, Timestamp};
use predilect::store::{ENGINES, GraphStore, Outcome};

const USERS: [&str; 6] = ["alice", "ben", "chen", "frank", "zoë", "小雨"];

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("graph-data/tiny").join(name)
}

fn engine() -> Engine {
    let backend = (ENGINES[1].open)(Path::new(""), true).unwrap();
    let extractor = extract::by_name("lexicon", None).unwrap();
    Engine::new(GraphStore::new(backend, None).unwrap(), Some(extractor)).unwrap()
}

fn load(engine: &Engine, items: &[&str], events: &[&str]) {
    let rejects = tempfile::tempdir().unwrap();
    let params = LoadParams {
        items: items.iter().map(|name| data(name)).collect(),
        events: events.iter().map(|name| data(name)).collect(),
        mapping: Mapping::default(),
        max_errors: 0,
        rejects: rejects.path().to_owned(),
        ..LoadParams::default()
    };
    engine.load(&params, &mut |_| {}).unwrap();
}

fn events(engine: &Engine) -> Vec<Event> {
    let lines = std::fs::read_to_string(data("events.jsonl")).unwrap();
    let raw = lines.lines().map(|line| serde_json::from_str::<RawEvent>(line).unwrap());
    raw.map(|raw| raw.check(engine.schema()).unwrap()).collect()
}

fn user(name: &str) -> NodeKey {
    NodeKey::new(NodeKind::User, name).unwrap()
}

fn interests(engine: &Engine, name: &str, moment: &Moment) -> Vec<Interest> {
    engine.interests(&user(name), moment, Vec::new(), 1000).unwrap().1
}

#[test]
fn csv_and_json_lines_say_the_same() {
    let (one, other) = (engine(), engine());
    load(&one, &["items.jsonl"], &["events.csv"]);
    load(&other, &["items.jsonl"], &["events.jsonl"]);
    assert_eq!(one.stats().unwrap().content_hash, other.stats().unwrap().content_hash);
}

#[test]
fn events_that_trickle_in_make_the_graph_of_a_load() {
    let (whole, trickled) = (engine(), engine());
    load(&whole, &["items.jsonl"], &["events.csv"]);
    load(&trickled, &["items.jsonl"], &[]);
    let mut late = events(&trickled);
    late.reverse();
    for event in late {
        trickled.write_events(vec![event]).unwrap();
    }
    assert_eq!(whole.stats().unwrap().content_hash, trickled.stats().unwrap().content_hash);
    for name in USERS {
        let moment = Moment::default();
        let strengths = |engine| {
            let found = interests(engine, name, &moment);
            found
                .into_iter()
                .map(|i| (i.entity, i.strength, i.since, i.support))
                .collect::<Vec<_>>()
        };
        let (mut one, mut other) = (strengths(&whole), strengths(&trickled));
        one.sort_by(|a, b| a.0.cmp(&b.0));
        other.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(one, other, "{name}");
    }
}

#[test]
fn the_next_read_sees_the_write() {
    let engine = engine();
    load(&engine, &["items.jsonl"], &[]);
    for event in events(&engine) {
        let name = event.user.name.clone();
        let target = event.target.name.clone();
        let written = engine.write_events(vec![event]).unwrap();
        assert_eq!(written.outcomes, [Outcome::Applied]);
        let snapshot = engine.snapshot_with(written.sequence).unwrap();
        let history = engine.history(&snapshot, &user(&name), &Moment::default()).unwrap();
        let seen = history.acts.iter().any(|act| {
            snapshot.names().get(act.target).is_some_and(|name| name.key.name == target)
        });
        assert!(seen, "{name} {target}");
    }
    let later = engine.snapshot().sequence + 1;
    assert!(engine.snapshot_with(later).err().unwrap().to_string().contains("not of this store"));
}

#[test]
fn documents_that_come_through_the_engine_are_read_at_once() {
    let (whole, one_by_one) = (engine(), engine());
    load(&whole, &["items.jsonl"], &["events.csv"]);
    let lines = std::fs::read_to_string(data("items.jsonl")).unwrap();
    for line in lines.lines() {
        let raw: RawDocument = serde_json::from_str(line).unwrap();
        one_by_one.upsert(vec![raw.check().unwrap()]).unwrap();
    }
    one_by_one.write_events(events(&one_by_one)).unwrap();
    // Each new word of the catalogue puts the texts before it on the backlog.
    assert!(one_by_one.backlog().unwrap() > 0);
    load(&one_by_one, &[], &[]);
    assert_eq!(one_by_one.backlog().unwrap(), 0);
    assert_eq!(whole.stats().unwrap().content_hash, one_by_one.stats().unwrap().content_hash);
}

#[test]
fn what_is_taken_back_leaves_the_graph_that_never_had_it() {
    let engine = engine();
    load(&engine, &["items.jsonl"], &["events.csv"]);
    let before = engine.stats().unwrap().content_hash;
    let raw =
        r#"{"id":"brand-new","text":{"title":"Sony and hiking"},"attributes":{"brand":"Nova"}}"#;
    let (key, document) = serde_json::from_str::<RawDocument>(raw).unwrap().check().unwrap();
    engine.upsert(vec![(key.clone(), document)]).unwrap();
    assert_ne!(engine.stats().unwrap().content_hash, before);
    assert!(engine.retract_document(&key).unwrap());
    assert!(!engine.retract_document(&key).unwrap());
    assert_eq!(engine.stats().unwrap().content_hash, before);
    let first = events(&engine).remove(0);
    assert!(engine.retract_event(&first.event_id).unwrap());
    assert!(!engine.retract_event(&first.event_id).unwrap());
    assert_ne!(engine.stats().unwrap().content_hash, before);
    engine.write_events(vec![first]).unwrap();
    assert_eq!(engine.stats().unwrap().content_hash, before);
    assert_eq!(engine.verify().unwrap().count, 0);
}

#[test]
fn an_answer_as_of_a_time_is_that_of_a_store_that_ends_there() {
    let whole = engine();
    load(&whole, &["items.jsonl"], &["events.csv"]);
    let all = events(&whole);
    let cut = Timestamp::parse("2025-06-01T00:00:00Z").unwrap();
    let early = engine();
    load(&early, &["items.jsonl"], &[]);
    early.write_events(all.iter().filter(|event| event.at <= cut).cloned().collect()).unwrap();
    let moment = Moment { as_of: Some(cut), masked: BTreeSet::new() };
    let params = RecommendParams { method: String::new(), kinds: vec![NodeKind::Item], k: 10 };
    for name in USERS {
        if !all.iter().any(|event| event.at <= cut && event.user.name == name) {
            assert!(interests(&whole, name, &moment).is_empty());
            continue;
        }
        assert_eq!(
            serde_json::to_string(&interests(&whole, name, &moment)).unwrap(),
            serde_json::to_string(&interests(&early, name, &moment)).unwrap(),
        );
        let answers = |engine: &Engine| {
            let found = engine.recommend(&user(name), &moment, &params).unwrap().1;
            serde_json::to_string(&found).unwrap()
        };
        assert_eq!(answers(&whole), answers(&early), "{name}");
    }
}

#[test]
fn whoever_is_not_there_is_named() {
    let engine = engine();
    let unknown = engine.interests(&user("nobody"), &Moment::default(), Vec::new(), 1);
    assert!(unknown.err().unwrap().to_string().starts_with("unknown user `nobody`"));
    let item = NodeKey::new(NodeKind::Item, "nothing").unwrap();
    assert!(engine.node(&item).err().unwrap().to_string().contains("unknown item `nothing`"));
    assert!(engine.edges(&item, petgraph::Outgoing).is_err());
    assert_eq!(engine.verify().unwrap().count, 0);
}
