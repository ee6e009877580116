//! Recommendations under rules over the wire, and questions about everybody.

use predilect::rpc::proto::{
    Arm, Experiment, FindAudienceRequest, FrequencyCap, FrequentlyWithRequest, NodeKind,
    RankRequest, RecommendRequest, RecommendResponse, SessionEvent, SimilarNode,
    SimilarNodesRequest, TrendingRequest,
};
use tonic::Code;

use crate::fixture::{Server, field, node, reason};

fn ask(user: &str) -> RecommendRequest {
    RecommendRequest { user: user.to_owned(), ..RecommendRequest::default() }
}

fn items(answer: &RecommendResponse) -> Vec<String> {
    answer.results.iter().map(|found| found.node.clone().unwrap().id).collect()
}

#[test]
fn an_answer_tells_its_policy_its_id_and_what_rules_did() {
    let server = Server::on_disk();
    let request = RecommendRequest {
        exploration: 0.5,
        diversity: 0.3,
        seed: 3,
        request_id: "r1".to_owned(),
        filter: "NOT brand = bose".to_owned(),
        experiment: Some(Experiment {
            name: "spring".to_owned(),
            arms: vec![Arm { name: "a".to_owned(), share: 1.0, method: "popular".to_owned() }],
        }),
        ..ask("chen")
    };
    let answer = server.ok(server.recommend().recommend(request.clone()));
    assert_eq!((answer.method.as_str(), answer.policy.as_str()), ("popular", "epsilon_greedy"));
    assert_eq!((answer.arm.as_str(), answer.recommendation_id.len()), ("spring/a", 32));
    let rules: Vec<&str> = answer.effects.iter().map(|effect| effect.rule.as_str()).collect();
    assert_eq!(rules, ["seen", "filter", "diversity", "exploration"]);
    assert!(answer.results.iter().all(|found| found.propensity > 0.0 && found.propensity <= 1.0));
    assert!(answer.results.len() > 1);
    assert!(!items(&answer).contains(&"qc-ultra".to_owned()));
    assert_eq!(server.ok(server.recommend().recommend(request.clone())), answer);
    let preview = RecommendRequest { preview: true, ..request };
    let preview = server.ok(server.recommend().recommend(preview));
    assert_eq!((preview.results, preview.recommendation_id), (answer.results, String::new()));
}

#[test]
fn a_cap_holds_over_calls() {
    let server = Server::on_disk();
    let window = Some(prost_types::Duration { seconds: 86_400, nanos: 0 });
    let cap = Some(FrequencyCap { times: 1, window });
    let request = RecommendRequest { page_size: 2, cap, ..ask("alice") };
    let first = items(&server.ok(server.recommend().recommend(request.clone())));
    let second = items(&server.ok(server.recommend().recommend(request)));
    assert!(first.len() == 2 && second.iter().all(|item| !first.contains(item)));
}

#[test]
fn bad_rules_are_refused_by_their_field() {
    let server = Server::tiny();
    let refused = |request: RecommendRequest, expected: &str| {
        let status = server.refused(server.recommend().recommend(request));
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert_eq!(field(&status), expected, "{status}");
        assert!(!reason(&status).is_empty());
    };
    refused(RecommendRequest { filter: "brand =".to_owned(), ..ask("alice") }, "filter");
    refused(RecommendRequest { source_domain: "(".to_owned(), ..ask("alice") }, "source_domain");
    refused(RecommendRequest { diversity: f64::NAN, ..ask("alice") }, "diversity");
    refused(RecommendRequest { exploration: -0.1, ..ask("alice") }, "exploration");
    let policy = "oracle".to_owned();
    let request = RecommendRequest { exploration_policy: policy, ..ask("alice") };
    refused(request, "exploration_policy");
    let cap = Some(FrequencyCap { times: 1, window: None });
    refused(RecommendRequest { cap, ..ask("alice") }, "cap.window");
    let experiment = |name: &str, arms| Some(Experiment { name: name.to_owned(), arms });
    let request = RecommendRequest { experiment: experiment("x", Vec::new()), ..ask("alice") };
    refused(request, "experiment.arms");
    let arm = Arm { name: "a".to_owned(), share: 2.0, method: String::new() };
    let request = RecommendRequest { experiment: experiment("x", vec![arm]), ..ask("alice") };
    refused(request, "experiment.arms");
    let request = RankRequest { user: "alice".to_owned(), ..RankRequest::default() };
    let status = server.refused(server.recommend().rank(request));
    assert_eq!(field(&status), "candidates");
    let request =
        FindAudienceRequest { node: Some(node(NodeKind::User, "ben")), ..Default::default() };
    let status = server.refused(server.recommend().find_audience(request));
    assert_eq!(field(&status), "node.kind");
    let window = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let status = server
        .refused(server.recommend().trending(TrendingRequest { window, ..Default::default() }));
    assert_eq!(field(&status), "window");
}

#[test]
fn questions_about_everybody_are_answered() {
    let server = Server::tiny();
    let candidates = vec![node(NodeKind::Item, "boots-quest-4"), node(NodeKind::Item, "x")];
    let request = RankRequest { user: "alice".to_owned(), candidates, ..Default::default() };
    let found = server.ok(server.recommend().rank(request));
    assert_eq!((found.results.len(), found.missing_ids), (1, vec!["x".to_owned()]));
    let items = vec![node(NodeKind::Item, "云尚2")];
    let request = FrequentlyWithRequest { items, min_users: 1, ..Default::default() };
    let found = server.ok(server.recommend().frequently_with(request));
    assert!(found.results.iter().all(|found| found.users >= 1 && found.confidence <= 1.0));
    assert!(!found.results.is_empty());
    let found = server.ok(server.recommend().trending(TrendingRequest::default()));
    assert_eq!(found.results[0].node, Some(node(NodeKind::Item, "boots-quest-4")));
    let sony = Some(node(NodeKind::Entity, "brand:sony"));
    let request = FindAudienceRequest { node: sony, ..Default::default() };
    let found = server.ok(server.recommend().find_audience(request));
    assert_eq!(found.reach, found.members.len() as u64);
    assert!(found.members.iter().any(|member| member.user == "zoë"));
}

#[test]
fn a_session_is_answered_over_the_wire_as_without() {
    let server = Server::tiny();
    let event = |id: &str| SessionEvent {
        target: Some(node(NodeKind::Item, id)),
        ..SessionEvent::default()
    };
    let request = RecommendRequest {
        session: vec![event("wh-1000xm5"), event("nothing")],
        method: "item_item".to_owned(),
        ..RecommendRequest::default()
    };
    let found = server.ok(server.recommend().recommend(request.clone()));
    assert_eq!((found.missing_ids, found.fallback.as_str()), (vec!["nothing".to_owned()], ""));
    assert_eq!(found.results[0].because[0].target, Some(node(NodeKind::Item, "wh-1000xm5")));
    assert_eq!(found.recommendation_id.len(), 32);
    let found = server.ok(server.recommend().recommend(ask("nobody")));
    assert_eq!((found.fallback.as_str(), found.method.as_str()), ("UNKNOWN_USER", "popular"));
    assert!(!found.results.is_empty());
    let refused = |request: RecommendRequest, expected: &str| {
        let status = server.refused(server.recommend().recommend(request));
        assert_eq!((status.code(), field(&status).as_str()), (Code::InvalidArgument, expected));
    };
    refused(RecommendRequest::default(), "user");
    let mut bad = request.clone();
    bad.session[1].action = "flown".to_owned();
    refused(bad, "session[1].action");
    let mut bad = request.clone();
    bad.session[0].target = None;
    refused(bad, "session[0].target");
    let window = Some(prost_types::Duration { seconds: 86_400, nanos: 0 });
    refused(RecommendRequest { cap: Some(FrequencyCap { times: 1, window }), ..request }, "cap");
}

#[test]
fn nodes_are_alike_by_their_rows_too() {
    let server = Server::tiny();
    let request = |method: &str| SimilarNodesRequest {
        node: Some(node(NodeKind::Item, "wh-1000xm5")),
        method: method.to_owned(),
        ..SimilarNodesRequest::default()
    };
    let found = server.ok(server.recommend().similar_nodes(request("embedding"))).results;
    assert!(!found.is_empty() && found.iter().all(|near| near.score <= 1.000_001));
    let kinds = |near: &SimilarNode| near.node.clone().unwrap().kind();
    assert!(found.iter().all(|near| kinds(near) == NodeKind::Item));
    let status = server.refused(server.recommend().similar_nodes(request("telepathy")));
    assert_eq!(field(&status), "method");
}
