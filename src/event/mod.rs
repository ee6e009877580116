//! What arrives: one behaviour of one user on one target, or one document; validated.
//!
//! A [`RawEvent`] and a [`RawDocument`] hold what a row or a message said. Checking them gives an
//! [`Event`] or a [`Document`], and nothing past this module meets an unchecked one.

mod document;
mod name;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::schema::{NodeKind, RelationId, Schema, SchemaError, Timestamp};

pub use document::{ALIASES, Document, RawDocument, Value};
pub use name::{MAX_NAME_BYTES, NodeKey, entity_name, folded};

/// The longest text of an event or of a document's field, in bytes.
pub const MAX_TEXT_BYTES: usize = 16 << 20;

/// Why a row or a message is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EventError {
    /// A field that must be there is not, or is empty.
    #[error("`{field}` is missing; every {what} needs one")]
    Missing {
        /// The field.
        field: &'static str,
        /// `event` or `document`.
        what: &'static str,
    },
    /// A name is not what a name may be.
    #[error("`{field}` {reason}")]
    Name {
        /// The field.
        field: String,
        /// What is wrong and what to do.
        reason: &'static str,
    },
    /// A time that cannot be read, or lies outside the years 1970 to 9999.
    #[error(
        "`{field}` is {found:?}; give RFC 3339 or milliseconds since 1970, in the years 1970 to 9999"
    )]
    Time {
        /// The field.
        field: &'static str,
        /// What was there.
        found: String,
    },
    /// A value that is not a finite number.
    #[error("`value` is {found}; give a finite number, or leave it out")]
    Number {
        /// What was there.
        found: String,
    },
    /// A kind of node that does not exist, or that this action does not reach.
    #[error("`{field}` is `{found}`; known here: {known}")]
    Kind {
        /// The field.
        field: &'static str,
        /// What was there.
        found: String,
        /// What may be there.
        known: String,
    },
    /// A text that is too long.
    #[error("`{field}` has {found} bytes; the limit is {MAX_TEXT_BYTES}")]
    TooLong {
        /// The field.
        field: String,
        /// Its length in bytes.
        found: usize,
    },
    /// What the schema refuses: an unknown action, a value off its scale.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl EventError {
    /// The field at fault, as files and messages name it.
    pub fn field(&self) -> &str {
        match self {
            Self::Missing { field, .. } | Self::Time { field, .. } | Self::Kind { field, .. } => {
                field
            }
            Self::Name { field, .. } | Self::TooLong { field, .. } => field,
            Self::Number { .. } | Self::Schema(SchemaError::Value { .. }) => "value",
            Self::Schema(_) => "action",
        }
    }
}

/// An event as a row or a message has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawEvent {
    /// The sender's own id of the event, which makes it idempotent.
    #[serde(default)]
    pub event_id: String,
    /// Who acted.
    #[serde(default)]
    pub user: String,
    /// On what.
    #[serde(default)]
    pub target: String,
    /// The target's kind; `item` when empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_kind: Option<String>,
    /// What the user did: an action of the schema or one of its aliases.
    #[serde(default)]
    pub action: String,
    /// When: RFC 3339 or milliseconds since 1970.
    #[serde(default, deserialize_with = "text_or_integer")]
    pub at: String,
    /// A mark, a quantity, a price: the schema says what it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The visit it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// What the user wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// One behaviour of one user on one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The sender's own id of the event.
    pub event_id: String,
    /// Who acted.
    pub user: NodeKey,
    /// On what.
    pub target: NodeKey,
    /// What the user did.
    pub action: RelationId,
    /// When.
    pub at: Timestamp,
    /// What it is worth at its own time: signed weight.
    pub strength: f64,
    /// The value as it came.
    pub value: Option<f64>,
    /// The visit it belongs to.
    pub session: Option<String>,
    /// What the user wrote.
    pub text: Option<String>,
}

impl RawEvent {
    /// Validates the event against `schema`.
    ///
    /// # Errors
    /// The first [`EventError`], in the order of the fields.
    pub fn check(self, schema: &Schema) -> Result<Event, EventError> {
        let event_id = name::checked(self.event_id, "event_id", "event")?;
        let user = NodeKey::checked(NodeKind::User, self.user, "user", "event")?;
        let kind = match self.target_kind.as_deref().filter(|kind| !kind.is_empty()) {
            Some(kind) => NodeKind::parse(kind).ok_or_else(|| EventError::Kind {
                field: "target_kind",
                found: kind.to_owned(),
                known: join(&NodeKind::ALL),
            })?,
            None => NodeKind::Item,
        };
        let target = NodeKey::checked(kind, self.target, "target", "event")?;
        let relation = schema.action(&self.action)?;
        if !relation.targets.contains(&kind) {
            return Err(EventError::Kind {
                field: "target_kind",
                found: kind.to_string(),
                known: join(&relation.targets),
            });
        }
        let at =
            Timestamp::parse(&self.at).ok_or(EventError::Time { field: "at", found: self.at })?;
        if let Some(value) = self.value.filter(|value| !value.is_finite()) {
            return Err(EventError::Number { found: value.to_string() });
        }
        let session = self.session.filter(|session| !session.is_empty());
        if let Some(session) = &session {
            name::check(session, "session")?;
        }
        let text = self.text.filter(|text| !text.is_empty());
        if let Some(found) = text.as_ref().map(String::len).filter(|&len| len > MAX_TEXT_BYTES) {
            return Err(EventError::TooLong { field: "text".to_owned(), found });
        }
        let strength = relation.strength(self.value)?;
        let (action, value) = (relation.id, self.value);
        Ok(Event { event_id, user, target, action, at, strength, value, session, text })
    }
}

fn join(kinds: &[NodeKind]) -> String {
    kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}

/// A time may stand as text or as a whole number of milliseconds.
fn text_or_integer<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Integer(i64),
        Text(String),
    }
    Ok(match Either::deserialize(from)? {
        Either::Integer(number) => number.to_string(),
        Either::Text(text) => text,
    })
}

#[cfg(test)]
mod tests;
