//! Names of nodes: what may be one, and how an entity's name is made from what people write.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::EventError;
use crate::schema::NodeKind;

/// The longest name, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 512;

/// A node as people and the wire name it: a kind, and a name unique in that kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeKey {
    /// What it is.
    pub kind: NodeKind,
    /// 1 to 512 bytes of UTF-8 in NFC without control characters.
    pub name: String,
}

impl NodeKey {
    /// A key with a checked name; an entity's name is folded (see [`entity_name`]).
    ///
    /// # Errors
    /// [`EventError::Name`] with the field `id`.
    pub fn new(kind: NodeKind, name: impl Into<String>) -> Result<Self, EventError> {
        Self::checked(kind, name.into(), "id", "node")
    }

    pub(super) fn checked(
        kind: NodeKind,
        name: String,
        field: &'static str,
        what: &'static str,
    ) -> Result<Self, EventError> {
        let name = checked(name, field, what)?;
        let name = if kind == NodeKind::Entity { folded(&name) } else { name };
        if name.is_empty() {
            return Err(EventError::Missing { field, what });
        }
        Ok(Self { kind, name })
    }

    /// An entity's type: what stands before the first colon of its name.
    pub fn entity_type(&self) -> &str {
        self.name.split_once(':').map_or("", |(entity_type, _)| entity_type)
    }
}

impl fmt::Display for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind, self.name)
    }
}

/// What two spellings of one name share: NFKC, lower case, single spaces.
pub fn folded(text: &str) -> String {
    let lower = text.nfkc().flat_map(char::to_lowercase).nfc().collect::<String>();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The name of the entity of this type that is written so: `brand:sony` for `Sony` and `SONY`.
pub fn entity_name(entity_type: &str, surface: &str) -> String {
    format!("{}:{}", folded(entity_type), folded(surface))
}

pub(super) fn checked(
    name: String,
    field: &'static str,
    what: &'static str,
) -> Result<String, EventError> {
    if name.is_empty() {
        return Err(EventError::Missing { field, what });
    }
    check(&name, field)?;
    Ok(name)
}

pub(super) fn check(name: &str, field: &str) -> Result<(), EventError> {
    let reason = if name.len() > MAX_NAME_BYTES {
        "is longer than 512 bytes; use a shorter id"
    } else if !is_nfc(name) {
        "is not in Unicode normal form C; normalise it before it is sent"
    } else if name.chars().any(char::is_control) {
        "has a control character; remove it"
    } else {
        return Ok(());
    };
    Err(EventError::Name { field: field.to_owned(), reason })
}
