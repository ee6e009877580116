//! Paths and evidence whose contributions add up to a score.
//!
//! A [`History`] is what a user did, as weights on nodes. Everything that an answer is made of is a
//! sum over its events, so every event has its exact part: a [`Contribution`]. A [`Connection`]
//! says in words and edges how the event's target leads to what was answered.

mod connection;
mod history;
mod route;
mod text_span;

use std::borrow::Cow;

use serde::Serialize;

use crate::schema::{NodeKind, Timestamp};

pub use connection::{Connection, Shared, connect};
pub use history::{Act, History};
pub use route::{Route, Step, Stop};
pub use text_span::TextSpan;

/// The part of a score that one event, or one source of a recommendation, brought.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contribution {
    /// What computed it: `interest`, or a recommender.
    pub source: Cow<'static, str>,
    /// The event; without one, it is everybody's doing and not this user's.
    #[serde(flatten)]
    pub event: Option<EventRef>,
    /// The part of the score. The contributions of an answer sum to its score.
    pub value: f64,
}

/// An event as answers name it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventRef {
    /// The sender's id.
    pub event_id: String,
    /// What the user did.
    pub action: String,
    /// To what.
    pub target: String,
    /// The target's kind.
    #[serde(skip)]
    pub target_kind: NodeKind,
    /// What people call the target.
    pub label: String,
    /// When.
    #[serde(serialize_with = "rfc_3339")]
    pub at: Timestamp,
    /// The value as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_value: Option<f64>,
}

/// Writes a time as RFC 3339.
///
/// # Errors
/// Those of the serializer.
pub fn rfc_3339<S: serde::Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}
