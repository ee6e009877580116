//! What is shown is written down, once, and never more often than a cap allows.

use super::*;
use crate::event::{Event, RawEvent};
use crate::ingest::mutations;
use crate::recommend::{Cap, Policy};
use crate::schema::{NodeKind, Schema};
use crate::store::{GraphStore, Memory, read_served};

fn key(kind: NodeKind, name: &str) -> NodeKey {
    NodeKey::new(kind, name).unwrap()
}

fn day(day: i64) -> Timestamp {
    Timestamp::from_millis(day * DAY_MS).unwrap()
}

/// A store in which everybody viewed one of a few items; so the popular ones are the others.
fn fill(store: &GraphStore, n_users: usize, n_items: usize) {
    let mutation = |user: usize| {
        let (id, item) = (format!("e{user}"), format!("i{}", user % n_items));
        mutations::of_event(viewed(store.schema(), &id, user, &item, day(19_000)))
    };
    store.apply(&(0..n_users).map(mutation).collect::<Vec<_>>()).unwrap();
}

fn viewed(schema: &Schema, id: &str, user: usize, item: &str, at: Timestamp) -> Event {
    let raw = RawEvent {
        event_id: id.to_owned(),
        user: format!("u{user}"),
        target: item.to_owned(),
        action: "viewed".to_owned(),
        at: at.to_string(),
        ..RawEvent::default()
    };
    raw.check(schema).unwrap()
}

fn in_memory(n_users: usize, n_items: usize) -> Engine {
    let store = GraphStore::new(Box::new(Memory::default()), None).unwrap();
    fill(&store, n_users, n_items);
    Engine::new(store, None).unwrap()
}

fn request(k: usize, now: Timestamp) -> ServeRequest {
    ServeRequest {
        params: RecommendParams { method: "popular".to_owned(), kinds: vec![NodeKind::Item], k },
        session: Vec::new(),
        rules: RuleParams::default(),
        experiment: None,
        request_id: String::new(),
        preview: false,
        now,
    }
}

fn serve(engine: &Engine, user: usize, request: &ServeRequest) -> Served {
    let user = key(NodeKind::User, &format!("u{user}"));
    engine.serve(Some(&user), &Moment::default(), request).unwrap()
}

#[test]
fn nobody_is_shown_an_item_more_often_than_the_cap_in_a_month() {
    const USERS: usize = 10_000;
    let engine = in_memory(USERS, 12);
    let (times, window_days) = (2, 7);
    let cap = Some(Cap { times, window_days: window_days as f64 });
    // Of each user and item, the hours at which it was shown.
    let mut shown: HashMap<(usize, String), Vec<i64>> = HashMap::new();
    for visit in 0..12 {
        for user in 0..USERS {
            // Some come every day, some every third.
            let hour = visit * (24 + 48 * (user as i64 % 2)) + user as i64 % 24;
            let now = Timestamp::from_millis(19_000 * DAY_MS + hour * 3_600_000).unwrap();
            let rules = RuleParams { cap, ..RuleParams::default() };
            let served = serve(&engine, user, &ServeRequest { rules, ..request(4, now) });
            for placed in served.answer.results {
                shown.entry((user, placed.recommendation.item)).or_default().push(hour);
            }
        }
    }
    let mut full = 0;
    for hours in shown.values() {
        for (place, start) in hours.iter().enumerate() {
            let within = hours[place..].iter().take_while(|hour| *hour - start < 24 * window_days);
            let within = within.count();
            assert!(within <= times, "{hours:?}");
            full += usize::from(within == times);
        }
    }
    assert!(full > USERS, "the cap was reached only {full} times");
}

#[test]
fn calls_at_the_same_time_do_not_pass_the_cap_together() {
    let engine = in_memory(40, 20);
    let rules =
        RuleParams { cap: Some(Cap { times: 1, window_days: 30.0 }), ..RuleParams::default() };
    let request = ServeRequest { rules, ..request(3, day(19_001)) };
    let answers = std::thread::scope(|scope| {
        let ask = || {
            let answers = (0..5).map(|_| serve(&engine, 1, &request).answer.results);
            answers.flatten().map(|placed| placed.recommendation.item).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let mut distinct = answers.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), answers.len());
    assert_eq!(answers.len(), 19, "everything but what the user has seen");
}

#[test]
fn an_answer_is_written_down_as_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let store = GraphStore::open(&folder.path().join("store"), true, None).unwrap();
    fill(&store, 60, 20);
    let engine = Engine::new(store, None).unwrap();
    let rules = RuleParams { exploration: 0.5, seed: 3, ..RuleParams::default() };
    let asked = ServeRequest { rules, request_id: "r".to_owned(), ..request(5, day(19_001)) };
    let first = serve(&engine, 1, &asked);
    let preview = serve(&engine, 1, &ServeRequest { preview: true, ..asked.clone() });
    assert_eq!(preview.answer, first.answer, "the same request draws the same");
    assert_eq!(preview.recommendation_id, "");
    let past = Moment { as_of: Some(day(19_000)), ..Moment::default() };
    let past = engine.serve(Some(&key(NodeKind::User, "u1")), &past, &asked).unwrap();
    assert_eq!(past.recommendation_id, "");
    let mut records = Vec::new();
    read_served(&folder.path().join("store"), |record| records.push(record)).unwrap();
    let [record] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!(record.id, first.recommendation_id);
    assert_eq!((record.user.as_str(), record.policy.as_str()), ("u1", "epsilon_greedy"));
    assert_eq!((record.at, record.snapshot), (day(19_001), first.snapshot.sequence));
    let results = &first.answer.results;
    assert_eq!(record.items.len(), 5);
    for (item, placed) in record.items.iter().zip(results) {
        assert_eq!(item.id, placed.recommendation.item);
        assert_eq!(item.propensity, placed.propensity);
        assert_eq!(item.instead_of.is_some(), placed.explored);
    }
}

#[test]
fn a_request_that_comes_again_counts_once() {
    let engine = in_memory(40, 20);
    let rules =
        RuleParams { cap: Some(Cap { times: 1, window_days: 1.0 }), ..RuleParams::default() };
    let asked = ServeRequest { rules, request_id: "r".to_owned(), ..request(5, day(19_001)) };
    let first = serve(&engine, 1, &asked);
    assert_eq!(serve(&engine, 1, &asked).answer, first.answer);
    let other = ServeRequest { request_id: "s".to_owned(), ..asked };
    let other = serve(&engine, 1, &other);
    let shown = |served: &Served, item: &str| {
        served.answer.results.iter().any(|placed| placed.recommendation.item == item)
    };
    assert_eq!(other.answer.results.len(), 5);
    assert!(other.answer.results.iter().all(|placed| !shown(&first, &placed.recommendation.item)));
}

#[test]
fn thompson_learns_from_what_was_shown_and_acted_on() {
    let engine = in_memory(400, 10);
    let rules = RuleParams { exploration: 1.0, policy: Policy::Thompson, ..RuleParams::default() };
    let asked = |seed| ServeRequest {
        rules: RuleParams { seed, ..rules.clone() },
        ..request(1, day(19_001))
    };
    // Everybody who is shown i7 views it.
    let mut events = Vec::new();
    for user in 0..200 {
        let shown = serve(&engine, user, &request(10, day(19_001)));
        if shown.answer.results.iter().any(|placed| placed.recommendation.item == "i7") {
            let id = format!("again{user}");
            events.push(viewed(engine.schema(), &id, user, "i7", day(19_002)));
        }
    }
    assert!(events.len() > 150);
    engine.write_events(events).unwrap();
    let mut drawn = 0;
    for seed in 0..100 {
        let served = serve(&engine, 388, &asked(seed));
        let first = &served.answer.results[0];
        assert!(first.propensity > 0.0 && first.propensity <= 1.0);
        drawn += usize::from(first.recommendation.item == "i7");
    }
    assert!(drawn > 80, "{drawn}");
}

#[test]
fn arms_name_the_recommender() {
    let engine = in_memory(200, 20);
    let arm = |name: &str, method: &str| Arm {
        name: name.to_owned(),
        share: 0.5,
        method: method.to_owned(),
    };
    let arms = vec![arm("a", "popular"), arm("b", "ppr")];
    let asked =
        ServeRequest { experiment: Some(("spring".to_owned(), arms)), ..request(2, day(19_001)) };
    let mut found = std::collections::BTreeMap::new();
    for user in 0..200 {
        let served = serve(&engine, user, &asked);
        *found.entry((served.arm, served.method)).or_insert(0) += 1;
    }
    let names: Vec<_> = found.keys().map(|(arm, method)| format!("{arm} {method}")).collect();
    assert_eq!(names, ["spring/a popular", "spring/b ppr"]);
    assert!(found.values().all(|n| *n > 70));
}
