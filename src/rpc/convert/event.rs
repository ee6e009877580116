//! Events and documents.

use std::collections::BTreeMap;

use super::{kind_to, time_to};
use crate::event::{Document, EventError, NodeKey, RawDocument, RawEvent, Value};
use crate::rpc::proto::{self, attribute_value};
use crate::rpc::request;
use crate::rpc::status::Refusal;
use crate::schema::{NodeKind, Timestamp};

/// An event as it arrived, still to be checked against the schema.
pub(in crate::rpc) fn event_from(event: proto::Event) -> Result<RawEvent, Refusal> {
    let proto::Event { event_id, user, target, action, event_time, value, session, text } = event;
    let target = target.ok_or_else(|| {
        Refusal::field("target", "MISSING_FIELD", "is missing; every event needs one")
    })?;
    let kind = request::kind(target.kind, "target.kind")?;
    let at = request::time(event_time, "event_time")?.ok_or_else(|| {
        Refusal::field("event_time", "MISSING_FIELD", "is missing; every event needs one")
    })?;
    Ok(RawEvent {
        event_id,
        user,
        target: target.id,
        target_kind: Some(kind.name().to_owned()),
        action,
        at: at.millis().to_string(),
        value,
        session: Some(session),
        text: Some(text),
    })
}

/// An event as a client has it.
pub(in crate::rpc) fn event_to(event: RawEvent) -> Result<proto::Event, EventError> {
    let RawEvent { event_id, user, target, target_kind, action, at, value, session, text } = event;
    let kind = match target_kind.filter(|kind| !kind.is_empty()) {
        None => NodeKind::Item,
        Some(kind) => NodeKind::parse(&kind).ok_or_else(|| EventError::Kind {
            field: "target_kind",
            found: kind,
            known: NodeKind::ALL.map(NodeKind::name).join(", "),
        })?,
    };
    let time = Timestamp::parse(&at).ok_or(EventError::Time { field: "at", found: at })?;
    Ok(proto::Event {
        event_id,
        user,
        target: Some(proto::NodeRef { kind: kind_to(kind), id: target }),
        action,
        event_time: Some(time_to(time)),
        value,
        session: session.unwrap_or_default(),
        text: text.unwrap_or_default(),
    })
}

/// A document as it arrived, still to be checked.
pub(in crate::rpc) fn document_from(document: proto::Document) -> Result<RawDocument, Refusal> {
    let proto::Document { node, text, attributes, published_at } = document;
    let node = node.ok_or_else(|| {
        Refusal::field("node", "MISSING_FIELD", "is missing; every document needs one")
    })?;
    let kind = request::kind(node.kind, "node.kind")?;
    let published_at = request::time(published_at, "published_at")?;
    let mut values = BTreeMap::new();
    for (name, list) in attributes {
        let list: Result<Vec<_>, Refusal> =
            list.values.into_iter().map(|value| value_from(&name, value)).collect();
        values.insert(name, serde_json::Value::Array(list?));
    }
    Ok(RawDocument {
        id: node.id,
        kind: Some(kind.name().to_owned()),
        text: text.into_iter().map(|(field, text)| (field, Some(text))).collect(),
        attributes: values,
        published_at: published_at.map(|at| at.millis().to_string()),
    })
}

fn value_from(name: &str, value: proto::AttributeValue) -> Result<serde_json::Value, Refusal> {
    use serde_json::Value as Json;
    let refuse = |reason: &str, message: &str| {
        Refusal::field(&format!("attributes.{name}"), reason, message)
    };
    match value.value {
        Some(attribute_value::Value::Text(text)) => Ok(Json::String(text)),
        Some(attribute_value::Value::Flag(flag)) => Ok(Json::Bool(flag)),
        Some(attribute_value::Value::Number(number)) => serde_json::Number::from_f64(number)
            .map(Json::Number)
            .ok_or_else(|| refuse("BAD_NUMBER", "is not a finite number; leave it out")),
        None => Err(refuse("MISSING_FIELD", "has an empty value; leave it out")),
    }
}

/// A document of the store.
pub(in crate::rpc) fn document_to(key: &NodeKey, document: Document) -> proto::Document {
    let Document { text, attributes, published_at } = document;
    let values = |values: Vec<Value>| proto::AttributeValues {
        values: values.into_iter().map(value_to).collect(),
    };
    proto::Document {
        node: Some(super::key_to(key)),
        text: text.into_iter().collect(),
        attributes: attributes.into_iter().map(|(name, list)| (name, values(list))).collect(),
        published_at: published_at.map(time_to),
    }
}

fn value_to(value: Value) -> proto::AttributeValue {
    let value = match value {
        Value::Text(text) => attribute_value::Value::Text(text),
        Value::Number(number) => attribute_value::Value::Number(number),
        Value::Flag(flag) => attribute_value::Value::Flag(flag),
    };
    proto::AttributeValue { value: Some(value) }
}
