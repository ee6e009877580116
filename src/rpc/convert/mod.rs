//! Between domain types and messages, by hand and field by field, in both directions.

mod crowd;
mod event;
mod graph;
mod interest;
mod link;
mod recommend;

use std::borrow::Cow;

use super::proto;
use super::{RpcError, proto::NodeRef};
use crate::event::NodeKey;
use crate::explain::{Contribution, EventRef};
use crate::schema::{NodeKind, Timestamp};

pub(super) use crowd::{
    audience_from, audience_to, basket_rule_from, basket_rule_to, together_from, together_to,
    trend_from, trend_to,
};
pub(super) use event::{document_from, document_to, event_from, event_to};
pub(super) use graph::{edge_to, erased_from, erased_to, path_from, path_to, stats_from, stats_to};
pub(super) use interest::{
    explanation_from, explanation_to, interest_from, interest_to, moment_to,
};
pub(super) use link::{duplicates_from, duplicates_to, merge_from, merge_to};
pub(super) use recommend::{
    days_to, effect_from, effect_to, placed_from, placed_to, recommendation_from, serve_request_to,
};

/// The kind of this number.
pub(super) fn kind_from(number: i32) -> Option<NodeKind> {
    match proto::NodeKind::try_from(number).ok()? {
        proto::NodeKind::Unspecified => None,
        proto::NodeKind::User => Some(NodeKind::User),
        proto::NodeKind::Item => Some(NodeKind::Item),
        proto::NodeKind::Content => Some(NodeKind::Content),
        proto::NodeKind::Entity => Some(NodeKind::Entity),
        proto::NodeKind::Concept => Some(NodeKind::Concept),
    }
}

/// The number of a kind.
pub(super) fn kind_to(kind: NodeKind) -> i32 {
    let kind = match kind {
        NodeKind::User => proto::NodeKind::User,
        NodeKind::Item => proto::NodeKind::Item,
        NodeKind::Content => proto::NodeKind::Content,
        NodeKind::Entity => proto::NodeKind::Entity,
        NodeKind::Concept => proto::NodeKind::Concept,
    };
    kind.into()
}

/// A node by kind and name.
pub(super) fn node_to(kind: NodeKind, name: &str) -> NodeRef {
    NodeRef { kind: kind_to(kind), id: name.to_owned() }
}

/// A node by its key.
pub(super) fn key_to(key: &NodeKey) -> NodeRef {
    node_to(key.kind, &key.name)
}

/// The key of an answer's node.
pub(super) fn key_from(node: Option<NodeRef>, field: &'static str) -> Result<NodeKey, RpcError> {
    let NodeRef { kind, id } = there(node, field)?;
    let kind = kind_from(kind)
        .ok_or_else(|| RpcError::Answer { field, found: format!("of the kind {kind}") })?;
    Ok(NodeKey { kind, name: id })
}

/// A time in seconds and nanoseconds.
pub(super) fn time_to(at: Timestamp) -> prost_types::Timestamp {
    let millis = at.millis();
    let nanos = i32::try_from(millis.rem_euclid(1_000) * 1_000_000).unwrap_or(0);
    prost_types::Timestamp { seconds: millis.div_euclid(1_000), nanos }
}

/// A time in whole milliseconds; `None` outside the years 1970 to 9999 or of bad nanoseconds.
pub(super) fn time_from(at: &prost_types::Timestamp) -> Option<Timestamp> {
    if !(0..1_000_000_000).contains(&at.nanos) {
        return None;
    }
    let millis = at.seconds.checked_mul(1_000)?.checked_add(i64::from(at.nanos / 1_000_000))?;
    Timestamp::from_millis(millis)
}

/// The time of an answer.
fn time_of(at: Option<prost_types::Timestamp>, field: &'static str) -> Result<Timestamp, RpcError> {
    let at = there(at, field)?;
    time_from(&at).ok_or_else(|| RpcError::Answer { field, found: format!("{} s", at.seconds) })
}

/// A field that every answer has.
pub(super) fn there<T>(value: Option<T>, field: &'static str) -> Result<T, RpcError> {
    value.ok_or_else(|| RpcError::Answer { field, found: "missing".to_owned() })
}

/// The part of a score.
fn contribution_to(contribution: &Contribution) -> proto::Contribution {
    let Contribution { source, event, value } = contribution;
    let event = event.as_ref().map(|event| proto::EventRef {
        event_id: event.event_id.clone(),
        action: event.action.clone(),
        target: Some(node_to(event.target_kind, &event.target)),
        label: event.label.clone(),
        event_time: Some(time_to(event.at)),
        value: event.event_value,
    });
    proto::Contribution { source: source.to_string(), event, value: *value }
}

/// The part of a score.
fn contribution_from(contribution: proto::Contribution) -> Result<Contribution, RpcError> {
    let proto::Contribution { source, event, value } = contribution;
    let event = event.map(event_ref_from).transpose()?;
    Ok(Contribution { source: Cow::Owned(source), event, value })
}

fn event_ref_from(event: proto::EventRef) -> Result<EventRef, RpcError> {
    let proto::EventRef { event_id, action, target, label, event_time, value } = event;
    let NodeKey { kind: target_kind, name: target } = key_from(target, "event.target")?;
    let at = time_of(event_time, "event.event_time")?;
    Ok(EventRef { event_id, action, target, target_kind, label, at, event_value: value })
}
