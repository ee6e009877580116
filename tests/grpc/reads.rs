//! Answers over the wire are the engine's, and add up.

use std::collections::{BTreeMap, BTreeSet};

use predilect::engine::Moment;
use predilect::event::NodeKey;
use predilect::explain::Route;
use predilect::recommend::{RECOMMENDERS, RecommendParams};
use predilect::rpc::proto::{
    Direction, ExplainInterestRequest, FindPathsRequest, GetInterestsRequest, GetNodeRequest,
    GetStatsRequest, Interest, InterestView, ListEdgesRequest, NodeKind, ReadOptions,
    RecommendRequest, SimilarNodesRequest,
};
use predilect::schema::{self, Timestamp};
use predilect::traverse::PathParams;

use crate::fixture::{Server, node, time};

fn interests_of(user: &str) -> GetInterestsRequest {
    GetInterestsRequest {
        user: user.to_owned(),
        page_size: 1_000,
        view: InterestView::Full.into(),
        ..GetInterestsRequest::default()
    }
}

fn interests(server: &Server, request: GetInterestsRequest) -> Vec<Interest> {
    server.ok(server.interest().get_interests(request)).interests
}

fn id(interest: &Interest) -> &str {
    &interest.entity.as_ref().unwrap().id
}

fn check_every_call_answers(server: &Server) {
    assert!(!interests(server, interests_of("alice")).is_empty());
    let request = ExplainInterestRequest {
        user: "alice".to_owned(),
        entity: "brand:sony".to_owned(),
        read: None,
    };
    let explained = server.ok(server.interest().explain_interest(request));
    assert_eq!(id(&explained.interest.unwrap()), "brand:sony");
    let request = RecommendRequest { user: "alice".to_owned(), ..RecommendRequest::default() };
    assert!(!server.ok(server.recommend().recommend(request)).results.is_empty());
    let headphones = Some(node(NodeKind::Item, "wh-1000xm5"));
    let request = SimilarNodesRequest { node: headphones.clone(), ..Default::default() };
    let similar = server.ok(server.recommend().similar_nodes(request)).results;
    assert_eq!(similar[0].node, Some(node(NodeKind::Item, "qc-ultra")));
    assert!(similar.windows(2).all(|pair| pair[0].score >= pair[1].score));
    let request = GetNodeRequest { node: headphones.clone(), read: None };
    let found = server.ok(server.graph().get_node(request));
    assert_eq!(found.label, "Sony WH-1000XM5 headphones");
    assert_eq!(found.document.unwrap().attributes.len(), 5);
    let request = ListEdgesRequest { node: headphones.clone(), ..Default::default() };
    assert!(!server.ok(server.graph().list_edges(request)).edges.is_empty());
    let request = FindPathsRequest {
        source: Some(node(NodeKind::User, "alice")),
        target: headphones,
        ..FindPathsRequest::default()
    };
    assert_eq!(server.ok(server.graph().find_paths(request)).paths.len(), 5);
    let stats = server.ok(server.admin().get_stats(GetStatsRequest {}));
    assert_eq!((stats.nodes["user"], stats.documents, stats.backlog), (6, 10, 0));
    assert_eq!(stats.events["viewed"], 7);
    assert_eq!(stats.content_hash.len(), 64);
}

#[test]
fn every_call_answers_in_memory() {
    check_every_call_answers(&Server::tiny());
}

#[test]
fn every_call_answers_on_disk() {
    check_every_call_answers(&Server::on_disk());
}

#[test]
fn contributions_sum_to_every_score() {
    let server = Server::tiny();
    for user in ["alice", "ben", "chen", "zoë", "小雨", "frank"] {
        for interest in interests(&server, interests_of(user)) {
            let reasons = &interest.contributions;
            let part = |reason: &predilect::rpc::proto::Reason| {
                reason.contribution.as_ref().unwrap().value
            };
            let score: f64 = reasons.iter().map(part).sum();
            let strength: f64 = reasons.iter().map(|reason| reason.strength).sum();
            assert!((score - interest.score).abs() < 1e-6, "{user}: {}", id(&interest));
            assert!((strength - interest.strength).abs() < 1e-6, "{user}: {}", id(&interest));
        }
        for method in RECOMMENDERS {
            let request = RecommendRequest {
                user: user.to_owned(),
                method: method.name.to_owned(),
                page_size: 1_000,
                ..RecommendRequest::default()
            };
            for result in server.ok(server.recommend().recommend(request)).results {
                let score: f64 = result.contributions.iter().map(|part| part.value).sum();
                assert!((score - result.score).abs() < 1e-6, "{user}: {result:?}");
            }
        }
    }
}

#[test]
fn a_masked_event_takes_just_its_part_along() {
    let server = Server::tiny();
    let before = interests(&server, interests_of("alice"));
    let strongest = before.iter().find(|interest| id(interest) == "brand:sony").unwrap();
    for reason in &strongest.contributions {
        let event = reason.contribution.as_ref().unwrap().event.as_ref().unwrap();
        let read = ReadOptions {
            masked_event_ids: vec![event.event_id.clone()],
            ..ReadOptions::default()
        };
        let request = GetInterestsRequest { read: Some(read), ..interests_of("alice") };
        let after = interests(&server, request);
        let masked = after.iter().find(|interest| id(interest) == "brand:sony").unwrap();
        let expected = strongest.strength - reason.strength;
        assert!((masked.strength - expected).abs() < 1e-9, "{}", event.event_id);
        assert_eq!(masked.support_events, strongest.support_events - 1);
    }
}

#[test]
fn the_basic_view_leaves_the_contributions_out() {
    let server = Server::tiny();
    let full = interests(&server, interests_of("alice"));
    let request = GetInterestsRequest { view: 0, ..interests_of("alice") };
    let basic = interests(&server, request);
    let bare = |interest: &Interest| Interest { contributions: Vec::new(), ..interest.clone() };
    assert_eq!(basic, full.iter().map(bare).collect::<Vec<_>>());
    assert!(full.iter().all(|interest| !interest.contributions.is_empty()));
}

#[test]
fn pages_of_interests_are_the_whole() {
    let server = Server::tiny();
    let whole = interests(&server, interests_of("alice"));
    let mut pages = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = GetInterestsRequest { page_size: 3, page_token, ..interests_of("alice") };
        let answer = server.ok(server.interest().get_interests(request));
        assert!((1..=3).contains(&answer.interests.len()));
        pages.extend(answer.interests);
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(pages, whole);
    let default = GetInterestsRequest { page_size: 0, ..interests_of("alice") };
    assert_eq!(interests(&server, default), whole[..10.min(whole.len())]);
    let too_large = GetInterestsRequest { page_size: i32::MAX, ..interests_of("alice") };
    assert_eq!(interests(&server, too_large), whole);
}

#[test]
fn types_choose_among_interests() {
    let server = Server::tiny();
    let request =
        GetInterestsRequest { entity_types: vec!["brand".to_owned()], ..interests_of("alice") };
    let brands = interests(&server, request);
    assert!(!brands.is_empty() && brands.iter().all(|interest| interest.entity_type == "brand"));
}

/// Every edge of the graph, walked from one end in pages of `page_size`.
fn walk(server: &Server, direction: Direction, page_size: i32) -> Vec<(String, String, String)> {
    let snapshot = server.engine.snapshot();
    let mut edges = Vec::new();
    for kind in schema::NodeKind::ALL {
        for index in snapshot.names().of_kind(kind) {
            let key = &snapshot.names().get(index).unwrap().key;
            let mut page_token = String::new();
            loop {
                let request = ListEdgesRequest {
                    node: Some(node(wire(kind), &key.name)),
                    direction: direction.into(),
                    page_size,
                    page_token,
                    ..ListEdgesRequest::default()
                };
                let answer = server.ok(server.graph().list_edges(request));
                assert!(answer.edges.len() <= page_size as usize);
                for edge in answer.edges {
                    let name = |end: Option<predilect::rpc::proto::NodeRef>| {
                        let end = end.unwrap();
                        format!("{} {}", end.kind, end.id)
                    };
                    edges.push((name(edge.source), edge.relation, name(edge.target)));
                }
                page_token = answer.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
        }
    }
    edges
}

fn wire(kind: schema::NodeKind) -> NodeKind {
    NodeKind::try_from(kind as i32 + 1).unwrap()
}

#[test]
fn pages_walk_every_edge_exactly_once() {
    let server = Server::tiny();
    let stats = server.engine.stats().unwrap();
    let total: u64 = stats.edges.values().sum();
    let mut walks = BTreeSet::new();
    for direction in [Direction::Outgoing, Direction::Incoming] {
        for page_size in [1, 3, 1_000] {
            let mut edges = walk(&server, direction, page_size);
            assert_eq!(edges.len() as u64, total);
            edges.sort();
            walks.insert(edges);
        }
    }
    assert_eq!(walks.len(), 1, "both directions and all sizes see the same edges");
    let unique: BTreeSet<_> = walks.first().unwrap().iter().collect();
    assert_eq!(unique.len() as u64, total);
}

#[test]
fn an_edge_tells_its_count_and_times() {
    let server = Server::tiny();
    let request = ListEdgesRequest {
        node: Some(node(NodeKind::User, "alice")),
        relation: "viewed".to_owned(),
        ..ListEdgesRequest::default()
    };
    let edges = server.ok(server.graph().list_edges(request)).edges;
    let targets: BTreeMap<String, _> =
        edges.into_iter().map(|edge| (edge.target.clone().unwrap().id, edge)).collect();
    assert_eq!(targets.len(), 3);
    let edge = &targets["wh-1000xm5"];
    assert_eq!((edge.count, edge.label.as_str()), (1, "Sony WH-1000XM5 headphones"));
    // 2025-01-11T18:03:10Z.
    assert_eq!(edge.first_seen, Some(time(1_736_618_590)));
    assert_eq!(edge.strength, 1.0);
}

#[test]
fn as_of_leaves_out_what_came_later() {
    let server = Server::tiny();
    // 2025-02-01: alice has searched and viewed, and bought nothing.
    let read = ReadOptions { as_of: Some(time(1_738_368_000)), ..ReadOptions::default() };
    let request = GetInterestsRequest { read: Some(read), ..interests_of("alice") };
    let answer = server.ok(server.interest().get_interests(request));
    assert_eq!(answer.as_of, Some(time(1_738_368_000)));
    let events: BTreeSet<String> = answer
        .interests
        .into_iter()
        .flat_map(|interest| interest.contributions)
        .map(|reason| reason.contribution.unwrap().event.unwrap().event_id)
        .collect();
    assert_eq!(events.into_iter().collect::<Vec<_>>(), ["tiny-01", "tiny-02", "tiny-03"]);
}

#[test]
fn spans_of_an_explanation_cut_the_entity_out_of_the_text() {
    let server = Server::tiny();
    let request = ExplainInterestRequest {
        user: "alice".to_owned(),
        entity: "brand:sony".to_owned(),
        read: None,
    };
    let answer = server.ok(server.interest().explain_interest(request));
    assert!(!answer.evidence.is_empty() && !answer.evidence_capped);
    for span in answer.evidence {
        let request = GetNodeRequest { node: span.doc, read: None };
        let text = &server.ok(server.graph().get_node(request)).document.unwrap().text[&span.field];
        assert_eq!(&text[span.byte_start as usize..span.byte_end as usize], span.surface);
        let (start, end) = (span.char_start as usize, span.char_end as usize);
        assert_eq!(text.chars().skip(start).take(end - start).collect::<String>(), span.surface);
        assert_eq!(span.surface.to_lowercase(), "sony");
        assert!((0.0..=1.0).contains(&span.confidence) && span.method == "surface");
    }
}

#[test]
fn the_client_answers_as_the_engine_does() {
    let server = Server::tiny();
    let client = server.client();
    let user = NodeKey::new(schema::NodeKind::User, "alice").unwrap();
    let masked = BTreeSet::from(["tiny-06".to_owned()]);
    let early = Timestamp::parse("2025-06-01T00:00:00Z");
    for moment in [Moment::default(), Moment { masked, as_of: early }] {
        let json = |value: &dyn erased::Json| value.json();
        let (_, there) = server.engine.interests(&user, &moment, Vec::new(), 25).unwrap();
        let here = client.interests("alice", &moment, &[], 25).unwrap();
        assert_eq!(json(&here), json(&there));
        let params =
            RecommendParams { method: String::new(), kinds: vec![schema::NodeKind::Item], k: 10 };
        let (_, there) = server.engine.recommend(&user, &moment, &params).unwrap();
        let here = client.recommend("alice", &moment, &params).unwrap();
        assert_eq!(json(&here), json(&there));
        let entity = NodeKey::new(schema::NodeKind::Entity, "brand:sony").unwrap();
        let (_, there) = server.engine.explain_interest(&user, &entity, &moment).unwrap();
        let here = client.explain("alice", "brand:sony", &moment).unwrap();
        assert_eq!(json(&here), json(&there));
        let item = NodeKey::new(schema::NodeKind::Item, "alpha-7-iv").unwrap();
        let params = PathParams::default();
        let snapshot = server.engine.snapshot_as_of(moment.as_of).unwrap();
        let there = server.engine.paths(&snapshot, (&user, &item), &params).unwrap();
        let there: Vec<_> =
            there.paths.iter().map(|path| Route::of(&snapshot, path).unwrap()).collect();
        let unmasked = Moment { as_of: moment.as_of, ..Moment::default() };
        let (here, capped) = client.paths(&user, &item, &unmasked, &params).unwrap();
        assert_eq!((json(&here), capped), (json(&there), false));
    }
    assert_eq!(client.stats().unwrap(), (server.engine.stats().unwrap(), 0));
}

mod erased {
    //! What is printed is what must be the same: places in a snapshot do not cross the wire.

    pub trait Json {
        fn json(&self) -> String;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> String {
            serde_json::to_string_pretty(self).unwrap()
        }
    }
}
