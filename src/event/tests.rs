//! Every field that may be wrong is refused by name; good rows pass unchanged.

use super::*;
use crate::schema;

fn raw() -> RawEvent {
    RawEvent {
        event_id: "e1".to_owned(),
        user: "alice".to_owned(),
        target: "dune".to_owned(),
        action: "rated".to_owned(),
        at: "2025-03-01T10:00:00Z".to_owned(),
        value: Some(10.0),
        ..RawEvent::default()
    }
}

/// The event after `change` is refused at `field` with a message that has `says`.
fn check_refused(change: impl FnOnce(&mut RawEvent), field: &str, says: &str) {
    let schema = Schema::parse(schema::DEFAULT).unwrap();
    let mut event = raw();
    change(&mut event);
    let error = event.check(&schema).unwrap_err();
    assert_eq!(error.field(), field, "{error}");
    assert!(error.to_string().contains(says), "{error}");
}

fn check_document(line: &str) -> Result<(NodeKey, Document), EventError> {
    serde_json::from_str::<RawDocument>(line).unwrap().check()
}

#[test]
fn a_good_event_passes() {
    let schema = Schema::parse(schema::DEFAULT).unwrap();
    let event = raw().check(&schema).unwrap();
    assert_eq!(event.user, NodeKey { kind: NodeKind::User, name: "alice".to_owned() });
    assert_eq!(event.target.kind, NodeKind::Item);
    assert_eq!((event.strength, event.value), (4.0, Some(10.0)));
}

#[test]
fn bad_events_are_refused_by_field() {
    check_refused(|e| e.event_id.clear(), "event_id", "every event needs one");
    check_refused(|e| e.user.clear(), "user", "missing");
    check_refused(|e| e.target.clear(), "target", "missing");
    check_refused(|e| e.user = "x".repeat(513), "user", "longer than 512 bytes");
    check_refused(|e| e.target = "cafe\u{301}".to_owned(), "target", "normal form C");
    check_refused(|e| e.user = "a\u{0}b".to_owned(), "user", "control character");
    check_refused(|e| e.target_kind = Some("shop".to_owned()), "target_kind", "user, item");
    check_refused(|e| e.target_kind = Some("user".to_owned()), "target_kind", "item, content");
    check_refused(|e| e.action = "ate".to_owned(), "action", "known: viewed");
    check_refused(|e| e.at = "12000-01-01T00:00:00Z".to_owned(), "at", "1970 to 9999");
    check_refused(|e| e.at = "-5".to_owned(), "at", "1970 to 9999");
    check_refused(|e| e.at.clear(), "at", "RFC 3339");
    check_refused(|e| e.value = Some(f64::NAN), "value", "finite number");
    check_refused(|e| e.value = Some(11.0), "value", "outside 0..=10");
    check_refused(|e| e.session = Some("\u{7}".to_owned()), "session", "control character");
    check_refused(|e| e.text = Some("x".repeat(MAX_TEXT_BYTES + 1)), "text", "the limit is");
}

#[test]
fn the_limit_of_a_name_is_inclusive() {
    let name = "x".repeat(MAX_NAME_BYTES);
    assert!(NodeKey::new(NodeKind::User, name.clone()).is_ok());
    assert!(NodeKey::new(NodeKind::User, name + "x").is_err());
}

#[test]
fn spellings_of_an_entity_meet() {
    for surface in ["Sony", "SONY", "  sony ", "Ｓｏｎｙ"] {
        assert_eq!(entity_name("brand", surface), "brand:sony");
    }
    assert_eq!(entity_name("Brand", "索尼"), "brand:索尼");
    let key = NodeKey::new(NodeKind::Entity, "Genre:Science  Fiction").unwrap();
    assert_eq!((key.name.as_str(), key.entity_type()), ("genre:science fiction", "genre"));
}

#[test]
fn a_time_may_be_text_or_a_number() {
    for at in ["\"2025-03-01T10:00:00Z\"", "1740823200000", "\"1740823200000\""] {
        let line =
            format!(r#"{{"event_id":"e","user":"u","target":"t","action":"view","at":{at}}}"#);
        let schema = Schema::parse(schema::DEFAULT).unwrap();
        let event = serde_json::from_str::<RawEvent>(&line).unwrap().check(&schema).unwrap();
        assert_eq!(event.at.millis(), 1_740_823_200_000, "{at}");
    }
}

#[test]
fn a_document_keeps_texts_and_attributes() {
    let (key, document) = check_document(
        r#"{"id":"p1","text":{"title":"Walkman","note":"","other":null},
            "attributes":{"brand":"Sony","color":["black",""],"price":19.5,"new":true,"x":null},
            "published_at":"2020-01-01T00:00:00Z"}"#,
    )
    .unwrap();
    assert_eq!(key.kind, NodeKind::Item);
    assert_eq!(document.title(), Some("Walkman"));
    assert_eq!(document.text.len(), 1);
    assert_eq!(document.attributes["color"], [Value::Text("black".to_owned())]);
    assert_eq!(document.attributes["price"], [Value::Number(19.5)]);
    assert!(!document.attributes.contains_key("x"));
}

#[test]
fn bad_documents_are_refused_by_field() {
    for (line, field) in [
        (r#"{"text":{"title":"no id"}}"#, "id"),
        (r#"{"id":"p","kind":"user"}"#, "kind"),
        (r#"{"id":"p","published_at":"soon"}"#, "published_at"),
        (r#"{"id":"p","attributes":{"brand":{"a":1}}}"#, "attributes.brand"),
        (r#"{"id":"p","attributes":{"brand":"a\u0001"}}"#, "attributes.brand"),
    ] {
        assert_eq!(check_document(line).unwrap_err().field(), field, "{line}");
    }
    let long = format!(r#"{{"id":"p","attributes":{{"brand":"{}"}}}}"#, "x".repeat(600));
    assert!(check_document(&long).unwrap_err().to_string().contains("belongs under `text`"));
    assert!(serde_json::from_str::<RawDocument>(r#"{"id":"p","title":"x"}"#).is_err());
}
