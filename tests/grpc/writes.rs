//! What is written is there; what is refused says why and harms nothing else.

use std::sync::Arc;
use std::thread;

use predilect::event::{RawDocument, RawEvent};
use predilect::rpc::proto::{
    AttributeValue, AttributeValues, Document, Durability, Error, Event, GetInterestsRequest,
    GetNodeRequest, ListEdgesRequest, NodeKind, ReadOptions, UpsertNodesRequest,
    WriteEventsRequest, attribute_value, upsert_node_result, write_event_result,
};
use predilect::store::Outcome;
use tonic::Code;

use crate::fixture::{NEW_YEAR, Server, field, item, node, time, view};

fn fresh(token: &str) -> Option<ReadOptions> {
    Some(ReadOptions { at_least_as_fresh: token.to_owned(), ..ReadOptions::default() })
}

/// Targets of the edges of `user` in the state of `token`.
fn seen_by(server: &Server, user: &str, token: &str) -> Vec<String> {
    let request = ListEdgesRequest {
        node: Some(node(NodeKind::User, user)),
        page_size: 1_000,
        read: fresh(token),
        ..ListEdgesRequest::default()
    };
    let edges = server.ok(server.graph().list_edges(request)).edges;
    edges.into_iter().map(|edge| edge.target.unwrap().id).collect()
}

fn check_reads_see_writes(server: &Server) {
    for place in 0..100 {
        let (event_id, item) = (format!("row-{place}"), format!("row-item-{place}"));
        let events = vec![view(&event_id, "writer", &item)];
        let written = server
            .ok(server.ingest().write_events(WriteEventsRequest { events, ..Default::default() }));
        assert_eq!(seen_by(server, "writer", &written.written_at).len(), place + 1);
        let request = GetInterestsRequest {
            user: "writer".to_owned(),
            read: fresh(&written.written_at),
            ..GetInterestsRequest::default()
        };
        let answer = server.ok(server.interest().get_interests(request));
        assert!(answer.read_at >= written.written_at);
    }
}

#[test]
fn each_of_a_hundred_writes_is_in_the_next_read() {
    check_reads_see_writes(&Server::tiny());
}

#[test]
fn each_of_a_hundred_writes_is_in_the_next_read_on_disk() {
    check_reads_see_writes(&Server::on_disk());
}

#[test]
fn concurrent_writers_each_read_their_own_writes() {
    let server = Arc::new(Server::tiny());
    let write = |writer: usize| {
        let server = Arc::clone(&server);
        move || {
            for place in 0..20 {
                let user = format!("writer-{writer}");
                let event = view(&format!("{user}-{place}"), &user, &format!("item-{place}"));
                let request = WriteEventsRequest { events: vec![event], ..Default::default() };
                let written = server.ok(server.ingest().write_events(request));
                assert_eq!(seen_by(&server, &user, &written.written_at).len(), place + 1);
            }
        }
    };
    let writers: Vec<_> = (0..6).map(|writer| thread::spawn(write(writer))).collect();
    for writer in writers {
        writer.join().unwrap();
    }
    assert_eq!(server.engine.verify().unwrap(), predilect::store::Problems::default());
}

#[test]
fn a_write_may_ask_for_less_than_the_disk_and_for_nothing_unknown() {
    let server = Server::on_disk();
    let of = |durability, event_id: &str| WriteEventsRequest {
        events: vec![view(event_id, "nina", "qc-ultra")],
        durability,
    };
    for durability in [Durability::Unspecified, Durability::Sync, Durability::Os] {
        let event_id = format!("{durability:?}");
        let request = of(durability.into(), &event_id);
        let written = server.ok(server.ingest().write_events(request));
        assert_eq!(seen_by(&server, "nina", &written.written_at), ["qc-ultra"]);
    }
    let before = server.engine.stats().unwrap();
    let refused = server.refused(server.ingest().write_events(of(7, "none")));
    assert_eq!((refused.code(), field(&refused).as_str()), (Code::InvalidArgument, "durability"));
    assert_eq!(server.engine.stats().unwrap(), before);
}

fn results(server: &Server, events: Vec<Event>) -> Vec<write_event_result::Result> {
    let answer = server
        .ok(server.ingest().write_events(WriteEventsRequest { events, ..Default::default() }));
    answer.results.into_iter().map(|result| result.result.unwrap()).collect()
}

#[test]
fn valid_events_are_written_though_others_are_refused() {
    let server = Server::tiny();
    let bad = Event { action: "teleported".to_owned(), ..view("b", "nina", "qc-ultra") };
    let events = vec![
        view("a", "nina", "qc-ultra"),
        bad,
        view("c", "nina", "wh-1000xm5"),
        view("a", "nina", "qc-ultra"),
        view("a", "nina", "alpha-7-iv"),
    ];
    let results = results(&server, events);
    assert!(matches!(results[0], write_event_result::Result::Ok(_)));
    let write_event_result::Result::Error(error) = &results[1] else { panic!("{results:?}") };
    assert_eq!((error.code, error.reason.as_str()), (3, "UNKNOWN_ACTION"));
    assert_eq!(error.field, "action");
    assert!(error.message.contains("viewed"), "{}", error.message);
    assert!(matches!(results[2], write_event_result::Result::Ok(_)));
    assert!(matches!(results[3], write_event_result::Result::Duplicate(_)));
    let write_event_result::Result::Error(error) = &results[4] else { panic!("{results:?}") };
    assert_eq!((error.code, error.reason.as_str()), (6, "EVENT_CONFLICT"));
    let mut seen = seen_by(&server, "nina", "");
    seen.sort();
    assert_eq!(seen, ["qc-ultra", "wh-1000xm5"]);
}

#[test]
fn events_that_are_there_are_duplicates_and_change_nothing() {
    let server = Server::tiny();
    let events = || vec![view("a", "nina", "qc-ultra"), view("b", "nina", "qc-ultra")];
    results(&server, events());
    let before = server.engine.stats().unwrap();
    let again = results(&server, events());
    assert!(again.iter().all(|r| matches!(r, write_event_result::Result::Duplicate(_))));
    assert_eq!(server.engine.stats().unwrap(), before);
}

/// Changes a good event, and gives the field that is then at fault.
type Spoil = (&'static str, fn(&mut Event));

#[test]
fn every_bad_field_of_an_event_is_named() {
    let cases: &[Spoil] = &[
        ("event_id", |event| event.event_id.clear()),
        ("event_id", |event| event.event_id = "x".repeat(513)),
        ("user", |event| event.user.clear()),
        ("user", |event| event.user = "x".repeat(513)),
        ("user", |event| event.user = "zoe\u{308}".to_owned()),
        ("user", |event| event.user = "a\nb".to_owned()),
        ("target", |event| event.target = None),
        ("target.id", |event| event.target.as_mut().unwrap().id.clear()),
        ("target.id", |event| event.target.as_mut().unwrap().id = "x".repeat(513)),
        ("target.kind", |event| event.target.as_mut().unwrap().kind = 0),
        ("target.kind", |event| event.target.as_mut().unwrap().kind = 99),
        ("target.kind", |event| event.target.as_mut().unwrap().kind = NodeKind::User.into()),
        ("action", |event| event.action.clear()),
        ("event_time", |event| event.event_time = None),
        ("event_time", |event| event.event_time = Some(time(-1))),
        ("event_time", |event| event.event_time = Some(time(i64::MAX))),
        ("event_time", |event| event.event_time.as_mut().unwrap().nanos = -1),
        ("event_time", |event| event.event_time.as_mut().unwrap().nanos = 1_000_000_000),
        ("value", |event| event.value = Some(f64::NAN)),
        ("value", |event| event.value = Some(f64::INFINITY)),
        ("value", |event| (event.action, event.value) = ("rated".to_owned(), Some(11.0))),
        ("session", |event| event.session = "x".repeat(513)),
    ];
    let server = Server::tiny();
    let before = server.engine.stats().unwrap();
    let spoilt = |(_, spoil): &Spoil| {
        let mut event = view("spoilt", "nina", "qc-ultra");
        spoil(&mut event);
        event
    };
    let results = results(&server, cases.iter().map(spoilt).collect());
    for ((field, _), result) in cases.iter().zip(results) {
        let write_event_result::Result::Error(error) = result else { panic!("{field} passed") };
        assert_eq!((error.field.as_str(), error.code), (*field, 3), "{error:?}");
        assert!(error.message.contains(field) || *field == "action", "{error:?}");
        assert!(!error.reason.is_empty());
    }
    assert_eq!(server.engine.stats().unwrap(), before);
}

#[test]
fn a_batch_of_none_or_too_many_is_refused() {
    let server = Server::tiny();
    for n_events in [0, 10_001] {
        let event = |place| view(&format!("{place}"), "nina", "qc-ultra");
        let request =
            WriteEventsRequest { events: (0..n_events).map(event).collect(), ..Default::default() };
        let status = server.refused(server.ingest().write_events(request));
        assert_eq!((status.code(), field(&status).as_str()), (Code::InvalidArgument, "events"));
    }
    for n_documents in [0, 1_001] {
        let documents = vec![item("i", "t"); n_documents];
        let status = server.refused(server.ingest().upsert_nodes(UpsertNodesRequest { documents }));
        assert_eq!((status.code(), field(&status).as_str()), (Code::InvalidArgument, "documents"));
    }
}

#[test]
fn ten_thousand_events_go_in_one_call() {
    let server = Server::tiny();
    let event = |place| view(&format!("many-{place}"), "nina", &format!("item-{}", place % 50));
    let results = results(&server, (0..10_000).map(event).collect());
    assert_eq!(results.len(), 10_000);
    assert!(results.iter().all(|r| matches!(r, write_event_result::Result::Ok(_))));
    assert_eq!(seen_by(&server, "nina", "").len(), 50);
}

fn attribute(value: attribute_value::Value) -> AttributeValues {
    AttributeValues { values: vec![AttributeValue { value: Some(value) }] }
}

fn documents(server: &Server, documents: Vec<Document>) -> (Vec<Option<Error>>, String) {
    let answer = server.ok(server.ingest().upsert_nodes(UpsertNodesRequest { documents }));
    let error = |result| match result {
        upsert_node_result::Result::Ok(_) => None,
        upsert_node_result::Result::Error(error) => Some(error),
    };
    let results = answer.results.into_iter().map(|result| error(result.result.unwrap())).collect();
    (results, answer.written_at)
}

#[test]
fn a_document_comes_back_as_it_went() {
    let server = Server::tiny();
    let document = Document {
        attributes: [
            ("brand".to_owned(), attribute(attribute_value::Value::Text("Sony".to_owned()))),
            ("price".to_owned(), attribute(attribute_value::Value::Number(19.5))),
            ("wireless".to_owned(), attribute(attribute_value::Value::Flag(true))),
        ]
        .into(),
        published_at: Some(time(NEW_YEAR)),
        ..item("linkbuds", "Sony LinkBuds headphones")
    };
    let (errors, token) = documents(&server, vec![document.clone()]);
    assert_eq!(errors, [None]);
    let request = GetNodeRequest { node: document.node.clone(), read: fresh(&token) };
    let answer = server.ok(server.graph().get_node(request));
    assert_eq!(answer.label, "Sony LinkBuds headphones");
    assert_eq!(answer.document, Some(document));
    // The brand by its attribute, and by the title's mention of it and of the category.
    let request = ListEdgesRequest {
        node: answer.node,
        relation: "mentions".to_owned(),
        ..ListEdgesRequest::default()
    };
    let edges = server.ok(server.graph().list_edges(request)).edges;
    assert!(edges.iter().any(|edge| edge.target.as_ref().unwrap().id == "brand:sony"));
    assert!(edges.iter().all(|edge| edge.first_seen.is_none() && edge.count > 0));
}

#[test]
fn every_bad_field_of_a_document_is_named_and_the_good_one_is_written() {
    type Spoil = (&'static str, fn(&mut Document));
    let cases: &[Spoil] = &[
        ("node", |document| document.node = None),
        ("node.id", |document| document.node.as_mut().unwrap().id.clear()),
        ("node.kind", |document| document.node.as_mut().unwrap().kind = 0),
        ("node.kind", |document| document.node.as_mut().unwrap().kind = NodeKind::User.into()),
        ("published_at", |document| document.published_at = Some(time(-5))),
        ("attributes.price", |document| {
            let nan = attribute(attribute_value::Value::Number(f64::NAN));
            document.attributes.insert("price".to_owned(), nan);
        }),
        ("attributes.brand", |document| {
            let long = attribute(attribute_value::Value::Text("x".repeat(600)));
            document.attributes.insert("brand".to_owned(), long);
        }),
        ("attributes.brand", |document| {
            let none = AttributeValues { values: vec![AttributeValue { value: None }] };
            document.attributes.insert("brand".to_owned(), none);
        }),
    ];
    let server = Server::tiny();
    let mut sent: Vec<Document> = Vec::new();
    for (_, spoil) in cases {
        let mut document = item("spoilt", "A title");
        spoil(&mut document);
        sent.push(document);
    }
    sent.push(item("good", "A title"));
    let (mut errors, _) = documents(&server, sent);
    assert_eq!(errors.pop(), Some(None));
    for ((field, _), error) in cases.iter().zip(errors) {
        let error = error.unwrap_or_else(|| panic!("{field} passed"));
        assert_eq!((error.field.as_str(), error.code), (*field, 3), "{error:?}");
    }
    let good = GetNodeRequest { node: Some(node(NodeKind::Item, "good")), read: None };
    assert_eq!(server.ok(server.graph().get_node(good)).label, "A title");
    let spoilt = GetNodeRequest { node: Some(node(NodeKind::Item, "spoilt")), read: None };
    assert_eq!(server.refused(server.graph().get_node(spoilt)).code(), Code::NotFound);
}

#[test]
fn the_client_writes_and_then_reads_its_write() {
    let server = Server::tiny();
    let mut client = server.client();
    let event = |event_id: &str, at: &str| RawEvent {
        event_id: event_id.to_owned(),
        user: "nina".to_owned(),
        target: "qc-ultra".to_owned(),
        action: "viewed".to_owned(),
        at: at.to_owned(),
        ..RawEvent::default()
    };
    let good = "2026-01-01T00:00:00Z";
    let events = vec![
        event("a", good),
        event("b", "yesterday"),
        event("a", good),
        event("a", "1767225601000"),
    ];
    let written = client.write_events(events).unwrap();
    assert_eq!(written.outcomes[0], Ok(Outcome::Applied));
    let refusal = written.outcomes[1].as_ref().unwrap_err();
    assert_eq!((refusal.code(), refusal.field.as_deref()), ("INVALID_ARGUMENT", Some("at")));
    assert_eq!(written.outcomes[2..], [Ok(Outcome::Unchanged), Ok(Outcome::Conflict)]);
    let moment = predilect::engine::Moment::default();
    assert!(!client.interests("nina", &moment, &[], 10).unwrap().is_empty());
}

#[test]
fn the_client_writes_documents_and_hears_how_many_changed() {
    let server = Server::tiny();
    let mut client = server.client();
    let document = |id: &str, title: &str| {
        let text = [("title".to_owned(), Some(title.to_owned()))].into();
        RawDocument { id: id.to_owned(), text, ..RawDocument::default() }.check().unwrap()
    };
    let mut unnamed = document("x", "x");
    unnamed.0.name.clear();
    let written =
        client.upsert(vec![document("new", "New"), unnamed, document("newer", "Newer")]).unwrap();
    assert_eq!(written.changed, 2);
    assert_eq!((&written.outcomes[0], &written.outcomes[2]), (&Ok(()), &Ok(())));
    let refusal = written.outcomes[1].as_ref().unwrap_err();
    assert_eq!(refusal.field.as_deref(), Some("node.id"));
    let again = client.upsert(vec![document("new", "New"), document("newer", "Newest")]).unwrap();
    assert_eq!(again.changed, 1);
    let request = GetNodeRequest {
        node: Some(node(NodeKind::Item, "newer")),
        read: fresh(&again.written_at),
    };
    assert_eq!(
        server.ok(server.graph().get_node(request)).document.unwrap().text["title"],
        "Newest"
    );
}
