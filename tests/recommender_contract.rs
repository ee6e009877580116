//! What must hold of recommendations and interests when the events change in a way whose effect is known.

use std::collections::{BTreeMap, BTreeSet};

use predilect::engine::{Baskets, Engine, Moment, ServeRequest, SessionEvent};
use predilect::event::{NodeKey, RawEvent};
use predilect::ingest::mutations;
use predilect::recommend::{
    Audience, BasketRuleParams, RECOMMENDERS, RecommendParams, Recommendation, RuleParams,
};
use predilect::schema::{NodeKind, Timestamp};
use predilect::store::{GraphStore, Memory};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const USERS: usize = 12;
const ITEMS: usize = 20;
const START: i64 = 1_700_000_000_000;

fn event(id: &str, user: usize, action: &str, target: (&str, &str), day: i64) -> RawEvent {
    RawEvent {
        event_id: id.to_owned(),
        user: format!("u{user}"),
        action: action.to_owned(),
        target: target.1.to_owned(),
        target_kind: Some(target.0.to_owned()),
        at: (START + day * 86_400_000).to_string(),
        ..RawEvent::default()
    }
}

/// Users view and buy items, and follow each other and brands.
fn events(seed: u64) -> Vec<RawEvent> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut events = Vec::new();
    for number in 0..150 {
        let (user, day) = (rng.random_range(0..USERS), rng.random_range(0..20));
        let action = ["viewed", "clicked", "bought"][rng.random_range(0..3)];
        let item = format!("i{}", rng.random_range(0..ITEMS));
        events.push(event(&format!("e{number}"), user, action, ("item", &item), day));
    }
    for user in 0..USERS {
        let friend = format!("u{}", (user + 1) % USERS);
        events.push(event(&format!("f{user}"), user, "followed", ("user", &friend), 3));
        let brand = format!("brand:b{}", user % 3);
        events.push(event(&format!("b{user}"), user, "followed", ("entity", &brand), 4));
    }
    events
}

/// An engine that was started on these events.
fn engine(events: &[RawEvent]) -> Engine {
    let store = GraphStore::new(Box::new(Memory::default()), None).unwrap();
    for event in events {
        let event = event.clone().check(store.schema()).unwrap();
        store.apply(&[mutations::of_event(event)]).unwrap();
    }
    Engine::new(store, None).unwrap()
}

fn key(kind: NodeKind, name: &str) -> NodeKey {
    NodeKey::new(kind, name).unwrap()
}

fn recommend(engine: &Engine, user: usize, method: &str) -> Vec<Recommendation> {
    let params = RecommendParams { method: method.to_owned(), kinds: vec![NodeKind::Item], k: 50 };
    let user = key(NodeKind::User, &format!("u{user}"));
    engine.recommend(&user, &Moment::default(), &params).unwrap().1
}

/// Strength of each interest of a user.
fn interests(engine: &Engine, user: usize) -> BTreeMap<String, f64> {
    let user = key(NodeKind::User, &format!("u{user}"));
    let found = engine.interests(&user, &Moment::default(), Vec::new(), 1_000).unwrap().1;
    found.into_iter().map(|interest| (interest.entity, interest.strength)).collect()
}

#[test]
fn what_is_consumed_is_recommended_no_more() {
    for seed in 0..3 {
        let before = events(seed);
        for entry in RECOMMENDERS {
            let answers = recommend(&engine(&before), 0, entry.name);
            for answer in answers.iter().take(3) {
                let consumed = event("new", 0, "bought", ("item", &answer.item), 21);
                let after = engine(&[before.clone(), vec![consumed]].concat());
                let again = recommend(&after, 0, entry.name);
                let gone = again.iter().all(|other| other.item != answer.item);
                assert!(gone, "{} still recommends {}", entry.name, answer.item);
            }
            assert!(!answers.is_empty(), "{}", entry.name);
        }
    }
}

#[test]
fn a_stronger_event_never_lowers_its_own_interest() {
    // Ascending by weight.
    let actions = ["viewed", "clicked", "searched", "followed"];
    for seed in 0..5 {
        let before = events(seed);
        let target = ("entity", "brand:b1");
        let mut last = interests(&engine(&before), 2).get("brand:b1").copied().unwrap_or(0.0);
        for action in actions {
            let stronger = event("new", 2, action, target, 20);
            let found = interests(&engine(&[before.clone(), vec![stronger]].concat()), 2);
            let strength = found["brand:b1"];
            assert!(strength >= last, "{action}: {strength} after {last}");
            last = strength;
        }
    }
}

#[test]
fn the_order_of_events_of_one_time_does_not_matter() {
    let mut shuffled: Vec<RawEvent> = events(7);
    for event in &mut shuffled {
        event.at = START.to_string();
    }
    let answers = |events: &[RawEvent]| {
        let engine = engine(events);
        let mut all = Vec::new();
        for user in 0..USERS {
            for entry in RECOMMENDERS {
                all.push(serde_json::to_string(&recommend(&engine, user, entry.name)).unwrap());
            }
            all.push(format!("{:?}", interests(&engine, user)));
        }
        all
    };
    let first = answers(&shuffled);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..3 {
        shuffled.shuffle(&mut rng);
        assert_eq!(answers(&shuffled), first);
    }
}

#[test]
fn friends_recommend_what_those_did_whom_the_user_follows() {
    let events = [
        event("1", 0, "followed", ("user", "u1"), 0),
        event("2", 1, "viewed", ("item", "a"), 1),
        event("3", 1, "bought", ("item", "b"), 1),
        event("4", 2, "bought", ("item", "c"), 1),
    ];
    let found = recommend(&engine(&events), 0, "friends");
    let items: Vec<&str> = found.iter().map(|found| found.item.as_str()).collect();
    assert_eq!(items, ["b", "a"]);
    let weight = found[0].score + found[1].score;
    let event = found[0].contributions[0].event.as_ref().unwrap();
    assert_eq!((event.event_id.as_str(), event.action.as_str()), ("1", "followed"));
    // A following of weight 4, shared out among what the friend did.
    assert!((weight - 4.0).abs() < 1e-6, "{weight}");
    assert!(recommend(&engine(&events), 1, "friends").is_empty());
}

#[test]
fn candidates_are_ranked_as_the_recommender_scores_them() {
    let engine = engine(&events(1));
    let user = key(NodeKind::User, "u0");
    let answers = recommend(&engine, 0, "blend");
    let mut candidates: Vec<NodeKey> =
        answers.iter().rev().map(|found| key(NodeKind::Item, &found.item)).collect();
    candidates.extend([key(NodeKind::Item, "nowhere"), candidates[0].clone()]);
    let (_, ranked, missing) =
        engine.rank(&user, &Moment::default(), "blend", &candidates).unwrap();
    assert_eq!(ranked, answers);
    assert_eq!(missing, ["nowhere"]);
}

#[test]
fn what_users_have_together_is_counted() {
    let mut all = Vec::new();
    for user in 0..10 {
        let mut has = |item: &str| {
            let id = format!("{user}-{item}");
            all.push(event(&id, user, "bought", ("item", item), 0));
        };
        if user < 5 {
            has("tent");
        }
        if user < 4 {
            has("stove");
        }
        if user % 2 == 0 {
            has("book");
        }
    }
    let engine = engine(&all);
    let items = [key(NodeKind::Item, "tent"), key(NodeKind::Item, "boat")];
    let (_, found, missing) = engine.frequently_with(&items, None, 2, 10).unwrap();
    assert_eq!(missing, ["boat"]);
    let names: Vec<&str> = found.iter().map(|found| found.item.id.as_str()).collect();
    assert_eq!(names, ["stove", "book"]);
    assert_eq!(
        (found[0].users, found[0].of, found[0].with.as_slice()),
        (4, 5, &["tent".to_owned()][..])
    );
    // Users 5, 7 and 9 have nothing, so the graph does not have them.
    let n_users = 7.0;
    assert!((found[0].support - 4.0 / n_users).abs() < 1e-12, "{}", found[0].support);
    assert!((found[0].lift - 0.8 / (4.0 / n_users)).abs() < 1e-12);
}

#[test]
fn what_grows_is_told_by_counts() {
    let mut all = Vec::new();
    for number in 0..30 {
        let user = number % USERS;
        let day = number as i64 % 20;
        all.push(event(&format!("s{number}"), user, "viewed", ("item", "steady"), day));
        let late = 15 + day % 5;
        all.push(event(&format!("n{number}"), user, "viewed", ("item", "new"), late));
    }
    all.push(event("last", 0, "viewed", ("item", "steady"), 20));
    let engine = engine(&all);
    let (_, found) = engine.trending(NodeKind::Item, None, 7.0, 10).unwrap();
    assert_eq!((found[0].node.id.as_str(), found[0].counts.events), ("new", 30));
    assert_eq!(found[0].counts.events_before, 0);
    assert!(found[0].growth > 3.0 && found[1].growth < 1.5, "{found:?}");
    let counted = all.iter().filter(|event| {
        let at: i64 = event.at.parse().unwrap();
        event.target == "steady" && START + 20 * 86_400_000 - at < 7 * 86_400_000
    });
    assert_eq!(found[1].counts.events, counted.count());
}

fn audience(engine: &Engine, node: &NodeKey, filter: &str) -> Audience {
    engine.audience(node, filter, None, 100).unwrap().1
}

#[test]
fn an_audience_is_a_sum_of_what_its_members_did() {
    let engine = engine(&events(2));
    let brand = audience(&engine, &key(NodeKind::Entity, "brand:b1"), "");
    assert_eq!(brand.reach, USERS / 3);
    let item = key(NodeKind::Item, "i3");
    let found = audience(&engine, &item, "");
    assert!(found.reach > 0);
    assert!(found.members.is_sorted_by(|a, b| a.strength >= b.strength));
    let snapshot = engine.snapshot();
    for member in brand.members.iter().chain(&found.members) {
        let sum: f64 = member.parts.iter().map(|part| part.value).sum();
        assert!((sum - member.strength).abs() < 1e-9);
    }
    for member in &found.members {
        let history =
            engine.history(&snapshot, &key(NodeKind::User, &member.user), &Moment::default());
        let knows = history.unwrap().seen().contains(&snapshot.find(&item).unwrap());
        assert!(!knows, "{} knows it", member.user);
    }
    let fans = audience(&engine, &item, "brand = b1");
    assert!(fans.reach < found.reach);
    let error = engine.audience(&item, "brand =", None, 1).err().unwrap().to_string();
    assert!(error.starts_with("filter: at character 8"), "{error}");
}

/// A rule as looking at every basket finds it: antecedent, consequent, baskets of both and of the first.
type Looked = (Vec<String>, String, usize, usize);

/// The rules of at most three items that at least `least` baskets hold.
fn by_looking(baskets: &[BTreeSet<String>], least: usize) -> BTreeSet<Looked> {
    let items: Vec<String> = (0..ITEMS).map(|item| format!("i{item}")).collect();
    let holding = |held: &[&String]| {
        baskets.iter().filter(|basket| held.iter().all(|item| basket.contains(*item))).count()
    };
    let mut rules = BTreeSet::new();
    for consequent in &items {
        for first in items.iter().filter(|item| *item != consequent) {
            let others = items.iter().filter(|item| *item > first && *item != consequent);
            for second in others.map(Some).chain([None]) {
                let antecedent: Vec<&String> =
                    [Some(first), second].into_iter().flatten().collect();
                let both: Vec<&String> = antecedent.iter().copied().chain([consequent]).collect();
                let (count, of) = (holding(&both), holding(&antecedent));
                if count >= least {
                    let names = antecedent.into_iter().cloned().collect();
                    rules.insert((names, consequent.clone(), count, of));
                }
            }
        }
    }
    rules
}

#[test]
fn rules_are_those_of_looking_at_every_basket() {
    const GAP_DAYS: i64 = 2;
    for seed in 0..4 {
        let events = events(seed);
        let mut acts: BTreeMap<&str, Vec<(i64, &str)>> = BTreeMap::new();
        for event in events.iter().filter(|event| event.target_kind.as_deref() == Some("item")) {
            acts.entry(&event.user).or_default().push((event.at.parse().unwrap(), &event.target));
        }
        let (mut of_users, mut of_sittings) = (Vec::new(), Vec::new());
        for acts in acts.values_mut() {
            acts.sort_unstable();
            of_users.push(acts.iter().map(|(_, item)| (*item).to_owned()).collect());
            let mut last = None;
            for (at, item) in acts {
                if last.is_none_or(|last| *at - last > GAP_DAYS * 86_400_000) {
                    of_sittings.push(BTreeSet::new());
                }
                of_sittings.last_mut().unwrap().insert((*item).to_owned());
                last = Some(*at);
            }
        }
        let engine = engine(&events);
        let gap_ms = GAP_DAYS * 86_400_000;
        for (asked, baskets, least) in
            [(Baskets::Users, of_users, 4), (Baskets::Sittings { gap_ms }, of_sittings, 2)]
        {
            let n = baskets.len() as f64;
            let params = BasketRuleParams {
                min_support: (least as f64 - 0.5) / n,
                min_confidence: 0.0,
                min_lift: 0.0,
                max_items: 3,
                k: usize::MAX,
            };
            let found = engine.basket_rules(asked, None, &params).unwrap().1;
            let expected = by_looking(&baskets, least);
            assert_eq!((found.baskets, found.found), (baskets.len(), expected.len()), "{asked:?}");
            assert!(found.rules.len() > 20, "{} rules of {asked:?}", found.rules.len());
            let share = |item: &String| {
                baskets.iter().filter(|basket| basket.contains(item)).count() as f64 / n
            };
            let mut told = BTreeSet::new();
            for rule in &found.rules {
                let names = rule.antecedent.iter().map(|node| node.id.clone()).collect();
                told.insert((names, rule.consequent.id.clone(), rule.count, rule.of));
                let confidence = rule.count as f64 / rule.of as f64;
                assert!((rule.support - rule.count as f64 / n).abs() < 1e-12);
                assert!((rule.confidence - confidence).abs() < 1e-12);
                assert!((rule.lift - confidence / share(&rule.consequent.id)).abs() < 1e-9);
            }
            assert_eq!(told, expected, "{asked:?}");
            let best = found.rules.windows(2).all(|two| two[0].careful_lift >= two[1].careful_lift);
            assert!(best, "{asked:?}");
            // Bounds leave out what is below them, and nothing else.
            let (min_confidence, min_lift) = (0.5, 1.5);
            let bound = BasketRuleParams { min_confidence, min_lift, ..params };
            let some = engine.basket_rules(asked, None, &bound).unwrap().1.rules;
            let kept = found
                .rules
                .iter()
                .filter(|rule| rule.confidence >= min_confidence && rule.lift >= min_lift);
            assert!(some.iter().eq(kept), "{asked:?}");
        }
    }
}

#[test]
fn whoever_has_a_session_is_answered_by_its_items() {
    let engine = engine(&events(0));
    let target = |item: &str| SessionEvent {
        target: key(NodeKind::Item, item),
        action: String::new(),
        at: None,
    };
    // Who the user follows is no matter of a session.
    for entry in RECOMMENDERS.iter().filter(|entry| entry.name != "friends") {
        let request = ServeRequest {
            params: RecommendParams {
                method: entry.name.to_owned(),
                kinds: vec![NodeKind::Item],
                k: 50,
            },
            session: vec![target("i3"), target("i7")],
            rules: RuleParams::default(),
            experiment: None,
            request_id: String::new(),
            preview: true,
            now: Timestamp::MAX,
        };
        let served = engine.serve(None, &Moment::default(), &request).unwrap();
        assert_eq!((served.method.as_str(), served.fallback), (entry.name, None));
        let results = served.answer.results;
        assert!(!results.is_empty(), "{}", entry.name);
        for placed in results {
            let found = placed.recommendation;
            assert!(!["i3", "i7"].contains(&found.item.as_str()), "{}", entry.name);
            let sum: f64 = found.contributions.iter().map(|part| part.value).sum();
            assert!((sum - found.score).abs() < 1e-9 * found.score.max(1.0), "{}", entry.name);
            let names = found.contributions.iter().filter_map(|part| part.event.as_ref());
            for event in names {
                assert!(["session#1", "session#2"].contains(&event.event_id.as_str()));
            }
            let is_named =
                found.because.iter().all(|why| ["i3", "i7"].contains(&why.target.as_str()));
            assert!(is_named && (entry.name == "popular" || !found.contributions.is_empty()));
        }
    }
}
