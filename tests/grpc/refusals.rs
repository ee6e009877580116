//! What is refused says which field, why, and in a form that programs read.

use predilect::engine::Moment;
use predilect::rpc::RpcError;
use predilect::rpc::proto::{
    ExplainInterestRequest, FindPathsRequest, GetInterestsRequest, GetNodeRequest,
    ListEdgesRequest, NodeKind, NodeRef, ReadOptions, RecommendRequest, SimilarNodesRequest,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::fixture::{Server, field, node, reason, time};

fn long() -> String {
    "x".repeat(513)
}

fn check(status: &Status, expected: &str) {
    assert_eq!(status.code(), Code::InvalidArgument, "{expected}: {status}");
    assert_eq!(field(status), expected, "{status}");
    assert!(!reason(status).is_empty());
    assert!(status.message().contains(expected), "{expected}: {}", status.message());
}

/// Read options, each with one bad value, and the field's name.
fn bad_reads() -> Vec<(&'static str, ReadOptions)> {
    let token = |token: &str| ReadOptions { at_least_as_fresh: token.to_owned(), ..reading() };
    let at = |seconds, nanos| ReadOptions {
        as_of: Some(prost_types::Timestamp { seconds, nanos }),
        ..reading()
    };
    let masking = |masked_event_ids| ReadOptions { masked_event_ids, ..reading() };
    vec![
        ("read.at_least_as_fresh", token("yesterday")),
        ("read.at_least_as_fresh", token("p12")),
        ("read.at_least_as_fresh", token(&long())),
        ("read.as_of", at(-1, 0)),
        ("read.as_of", at(253_402_300_800, 0)),
        ("read.as_of", at(i64::MIN, 0)),
        ("read.as_of", at(0, -1)),
        ("read.as_of", at(0, 1_000_000_000)),
        ("read.masked_event_ids", masking(vec!["a".to_owned(); 1_001])),
        ("read.masked_event_ids[1]", masking(vec!["a".to_owned(), String::new()])),
        ("read.masked_event_ids[0]", masking(vec![long()])),
    ]
}

fn reading() -> ReadOptions {
    ReadOptions::default()
}

/// Nodes, each with one bad value, and the field's name after that of the node.
fn bad_nodes() -> Vec<(&'static str, Option<NodeRef>)> {
    vec![
        ("", None),
        (".kind", Some(NodeRef { kind: 0, id: "a".to_owned() })),
        (".kind", Some(NodeRef { kind: 77, id: "a".to_owned() })),
        (".id", Some(node(NodeKind::Item, ""))),
        (".id", Some(node(NodeKind::Item, &long()))),
        (".id", Some(node(NodeKind::Item, "a\tb"))),
    ]
}

fn interests() -> GetInterestsRequest {
    GetInterestsRequest { user: "alice".to_owned(), ..GetInterestsRequest::default() }
}

#[test]
fn every_bad_field_of_get_interests_is_named() {
    let server = Server::tiny();
    let ask = |expected: &str, request: GetInterestsRequest| {
        check(&server.refused(server.interest().get_interests(request)), expected);
    };
    ask("user", GetInterestsRequest { user: String::new(), ..interests() });
    ask("user", GetInterestsRequest { user: long(), ..interests() });
    ask("page_size", GetInterestsRequest { page_size: -1, ..interests() });
    ask("page_size", GetInterestsRequest { page_size: i32::MIN, ..interests() });
    ask("view", GetInterestsRequest { view: 9, ..interests() });
    ask("page_token", GetInterestsRequest { page_token: "12".to_owned(), ..interests() });
    ask("page_token", GetInterestsRequest { page_token: "1.2".to_owned(), ..interests() });
    ask("page_token", GetInterestsRequest { page_token: long(), ..interests() });
    let types = |entity_types| GetInterestsRequest { entity_types, ..interests() };
    ask("entity_types", types(vec!["brand".to_owned(); 101]));
    ask("entity_types[0]", types(vec![String::new()]));
    ask("entity_types[1]", types(vec!["brand".to_owned(), long()]));
    for (expected, read) in bad_reads() {
        ask(expected, GetInterestsRequest { read: Some(read), ..interests() });
    }
}

#[test]
fn every_bad_field_of_explain_interest_is_named() {
    let server = Server::tiny();
    let ask = |expected: &str, user: &str, entity: &str, read: Option<ReadOptions>| {
        let (user, entity) = (user.to_owned(), entity.to_owned());
        let request = ExplainInterestRequest { user, entity, read };
        check(&server.refused(server.interest().explain_interest(request)), expected);
    };
    ask("user", "", "brand:sony", None);
    ask("entity", "alice", "", None);
    ask("entity", "alice", &long(), None);
    for (expected, read) in bad_reads() {
        ask(expected, "alice", "brand:sony", Some(read));
    }
}

#[test]
fn every_bad_field_of_recommend_is_named() {
    let server = Server::tiny();
    let good = || RecommendRequest { user: "alice".to_owned(), ..RecommendRequest::default() };
    let ask = |expected: &str, request: RecommendRequest| {
        let status = server.refused(server.recommend().recommend(request));
        assert_eq!((status.code(), field(&status).as_str()), (Code::InvalidArgument, expected));
    };
    ask("user", RecommendRequest { user: String::new(), ..good() });
    ask("page_size", RecommendRequest { page_size: -7, ..good() });
    ask("method", RecommendRequest { method: "magic".to_owned(), ..good() });
    ask("method", RecommendRequest { method: long(), ..good() });
    ask("kinds[1]", RecommendRequest { kinds: vec![NodeKind::Item.into(), 0], ..good() });
    ask("kinds[0]", RecommendRequest { kinds: vec![50], ..good() });
    for (expected, read) in bad_reads() {
        ask(expected, RecommendRequest { read: Some(read), ..good() });
    }
}

#[test]
fn an_unknown_recommender_lists_the_known() {
    let server = Server::tiny();
    let (user, method) = ("alice".to_owned(), "magic".to_owned());
    let request = RecommendRequest { user, method, ..RecommendRequest::default() };
    let status = server.refused(server.recommend().recommend(request));
    assert_eq!(reason(&status), "UNKNOWN_RECOMMENDER");
    assert!(status.get_details_error_info().unwrap().metadata["known"].contains("popular"));
}

#[test]
fn every_bad_field_of_the_graph_calls_is_named() {
    let server = Server::tiny();
    let good = || Some(node(NodeKind::Item, "qc-ultra"));
    for (after, bad) in bad_nodes() {
        let named = format!("node{after}");
        let request = SimilarNodesRequest { node: bad.clone(), ..Default::default() };
        check(&server.refused(server.recommend().similar_nodes(request)), &named);
        let request = GetNodeRequest { node: bad.clone(), read: None };
        check(&server.refused(server.graph().get_node(request)), &named);
        let request = ListEdgesRequest { node: bad.clone(), ..Default::default() };
        check(&server.refused(server.graph().list_edges(request)), &named);
        let request =
            FindPathsRequest { source: bad.clone(), target: good(), ..Default::default() };
        check(&server.refused(server.graph().find_paths(request)), &format!("source{after}"));
        let request = FindPathsRequest { source: good(), target: bad, ..Default::default() };
        check(&server.refused(server.graph().find_paths(request)), &format!("target{after}"));
    }
    let edges = || ListEdgesRequest { node: good(), ..Default::default() };
    let ask = |expected: &str, request: ListEdgesRequest| {
        check(&server.refused(server.graph().list_edges(request)), expected);
    };
    ask("direction", ListEdgesRequest { direction: 3, ..edges() });
    ask("relation", ListEdgesRequest { relation: "knows".to_owned(), ..edges() });
    ask("relation", ListEdgesRequest { relation: long(), ..edges() });
    ask("page_size", ListEdgesRequest { page_size: -1, ..edges() });
    ask("page_token", ListEdgesRequest { page_token: "garbage".to_owned(), ..edges() });
    let paths = || FindPathsRequest { source: good(), target: good(), ..Default::default() };
    let ask = |expected: &str, request: FindPathsRequest| {
        check(&server.refused(server.graph().find_paths(request)), expected);
    };
    ask("max_hops", FindPathsRequest { max_hops: -1, ..paths() });
    ask("max_hops", FindPathsRequest { max_hops: 9, ..paths() });
    ask("page_size", FindPathsRequest { page_size: -1, ..paths() });
    let similar = |page_size| SimilarNodesRequest { node: good(), page_size, ..Default::default() };
    check(&server.refused(server.recommend().similar_nodes(similar(-1))), "page_size");
}

#[test]
fn read_options_that_a_call_cannot_heed_are_refused() {
    let server = Server::tiny();
    let masked = ReadOptions { masked_event_ids: vec!["tiny-01".to_owned()], ..reading() };
    let past = ReadOptions { as_of: Some(time(1_738_368_000)), ..reading() };
    let good = || Some(node(NodeKind::Item, "qc-ultra"));
    for (expected, read) in [("read.masked_event_ids", &masked), ("read.as_of", &past)] {
        let request = GetNodeRequest { node: good(), read: Some(read.clone()) };
        check(&server.refused(server.graph().get_node(request)), expected);
        let read = Some(read.clone());
        let request = ListEdgesRequest { node: good(), read, ..Default::default() };
        check(&server.refused(server.graph().list_edges(request)), expected);
    }
    let request =
        SimilarNodesRequest { node: good(), read: Some(masked.clone()), ..Default::default() };
    let status = server.refused(server.recommend().similar_nodes(request));
    check(&status, "read.masked_event_ids");
    let read = Some(masked);
    let request = FindPathsRequest { source: good(), target: good(), read, ..Default::default() };
    check(&server.refused(server.graph().find_paths(request)), "read.masked_event_ids");
}

fn check_unknown(status: &Status, kind: &str, id: &str) {
    assert_eq!((status.code(), reason(status).as_str()), (Code::NotFound, "UNKNOWN_NODE"));
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert_eq!((metadata["kind"].as_str(), metadata["id"].as_str()), (kind, id));
}

#[test]
fn unknown_users_and_nodes_are_not_found() {
    let server = Server::tiny();
    let user = "nobody".to_owned();
    let request = GetInterestsRequest { user: user.clone(), ..interests() };
    check_unknown(&server.refused(server.interest().get_interests(request)), "user", "nobody");
    let explain = |user: &str, entity: &str| ExplainInterestRequest {
        user: user.to_owned(),
        entity: entity.to_owned(),
        read: None,
    };
    let status =
        server.refused(server.interest().explain_interest(explain("nobody", "brand:sony")));
    check_unknown(&status, "user", "nobody");
    let status = server.refused(server.interest().explain_interest(explain("alice", "brand:acme")));
    check_unknown(&status, "entity", "brand:acme");
    let status = server.refused(server.interest().explain_interest(explain("frank", "brand:sony")));
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "NO_INTEREST"));
    let nothing = || Some(node(NodeKind::Item, "nothing"));
    let request = SimilarNodesRequest { node: nothing(), ..Default::default() };
    check_unknown(&server.refused(server.recommend().similar_nodes(request)), "item", "nothing");
    let request = GetNodeRequest { node: nothing(), read: None };
    check_unknown(&server.refused(server.graph().get_node(request)), "item", "nothing");
    let request = ListEdgesRequest { node: nothing(), ..Default::default() };
    check_unknown(&server.refused(server.graph().list_edges(request)), "item", "nothing");
    let request = FindPathsRequest {
        source: Some(node(NodeKind::User, "alice")),
        target: nothing(),
        ..Default::default()
    };
    check_unknown(&server.refused(server.graph().find_paths(request)), "item", "nothing");
}

#[test]
fn a_page_token_is_bound_to_the_other_arguments() {
    let server = Server::tiny();
    let edges = |id: &str, page_token: String| ListEdgesRequest {
        node: Some(node(NodeKind::Item, id)),
        page_size: 2,
        page_token,
        ..ListEdgesRequest::default()
    };
    let first = server.ok(server.graph().list_edges(edges("wh-1000xm5", String::new())));
    let token = first.next_page_token;
    assert!(!token.is_empty());
    let status = server.refused(server.graph().list_edges(edges("qc-ultra", token.clone())));
    check(&status, "page_token");
    assert_eq!(reason(&status), "OTHER_ARGUMENTS");
    let relation = "has_brand".to_owned();
    let request = ListEdgesRequest { relation, ..edges("wh-1000xm5", token.clone()) };
    check(&server.refused(server.graph().list_edges(request)), "page_token");
    // The size of a page may change on the way.
    let request = ListEdgesRequest { page_size: 5, ..edges("wh-1000xm5", token) };
    assert_eq!(server.ok(server.graph().list_edges(request)).edges.len(), 5);
    let first = server
        .ok(server.interest().get_interests(GetInterestsRequest { page_size: 1, ..interests() }));
    let request = GetInterestsRequest {
        user: "ben".to_owned(),
        page_token: first.next_page_token,
        ..interests()
    };
    check(&server.refused(server.interest().get_interests(request)), "page_token");
}

#[test]
fn a_token_that_the_store_never_gave_is_refused() {
    let server = Server::tiny();
    let read = ReadOptions { at_least_as_fresh: "p00000000ffffffff".to_owned(), ..reading() };
    let request = GetInterestsRequest { read: Some(read), ..interests() };
    let status = server.refused(server.interest().get_interests(request));
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(reason(&status), "TOKEN_OF_ANOTHER_STORE");
}

#[test]
fn the_client_tells_why_a_call_was_refused() {
    let server = Server::tiny();
    let error = server.client().interests("nobody", &Moment::default(), &[], 5).unwrap_err();
    let RpcError::Refused(refusal) = error else { panic!("{error}") };
    assert_eq!((refusal.code(), refusal.reason.as_str()), ("NOT_FOUND", "UNKNOWN_NODE"));
    assert!(refusal.to_string().contains("nobody"));
    let error = server.client().interests("", &Moment::default(), &[], 5).unwrap_err();
    let RpcError::Refused(refusal) = error else { panic!("{error}") };
    assert_eq!((refusal.code(), refusal.field.as_deref()), ("INVALID_ARGUMENT", Some("user")));
}
