//! A document: an item or an article with its text fields and catalogue attributes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::name::{self, NodeKey};
use super::{EventError, MAX_NAME_BYTES, MAX_TEXT_BYTES};
use crate::schema::{NodeKind, Timestamp};

/// The attribute of an entity's document that lists other ways in which the entity is written.
pub const ALIASES: &str = "aliases";

/// One value of an attribute. Texts become edges to entities; numbers and flags are kept as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// A word or a few, such as a brand.
    Text(String),
    /// A number, such as a price.
    Number(f64),
    /// Yes or no.
    Flag(bool),
}

/// A document as a row or a message has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawDocument {
    /// The catalogue's own id.
    #[serde(default)]
    pub id: String,
    /// `item` (also when absent), `content`, or `entity`, whose only attribute is `aliases`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Text fields by name, such as `title` and `description`.
    #[serde(default)]
    pub text: BTreeMap<String, Option<String>>,
    /// Attributes by name: a text, a number, true or false, null, or a list of these.
    #[serde(default)]
    pub attributes: BTreeMap<String, serde_json::Value>,
    /// RFC 3339 or milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<String>,
}

/// What the store keeps of a document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Text fields by name; none is empty.
    pub text: BTreeMap<String, String>,
    /// Attributes by name; none is an empty list.
    pub attributes: BTreeMap<String, Vec<Value>>,
    /// When it was published, if known.
    pub published_at: Option<Timestamp>,
}

impl Document {
    /// Other ways in which it is written: what an entity's document says in `aliases`.
    pub fn aliases(&self) -> impl Iterator<Item = &str> {
        self.attributes.get(ALIASES).into_iter().flatten().filter_map(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            Value::Number(_) | Value::Flag(_) => None,
        })
    }

    /// What people call it: its `title` or `name`, if it has one.
    pub fn title(&self) -> Option<&str> {
        ["title", "name"].iter().find_map(|field| self.text.get(*field)).map(String::as_str)
    }
}

impl RawDocument {
    /// Validates the document. Empty texts and null attributes count as absent.
    ///
    /// # Errors
    /// The first [`EventError`], in the order of the fields.
    pub fn check(self) -> Result<(NodeKey, Document), EventError> {
        let kind = match self.kind.as_deref().unwrap_or("item") {
            "item" | "" => NodeKind::Item,
            "content" => NodeKind::Content,
            "entity" => NodeKind::Entity,
            other => {
                return Err(EventError::Kind {
                    field: "kind",
                    found: other.to_owned(),
                    known: "item, content, entity".to_owned(),
                });
            }
        };
        let key = NodeKey::checked(kind, self.id, "id", "document")?;
        if kind == NodeKind::Entity && key.entity_type().is_empty() {
            let reason = "is no entity's; give `type:name`, such as `brand:sony`";
            return Err(EventError::Name { field: "id".to_owned(), reason });
        }
        let mut document = Document::default();
        for (field, text) in self.text {
            name::check(&field, "text")?;
            let Some(text) = text.filter(|text| !text.trim().is_empty()) else { continue };
            if text.len() > MAX_TEXT_BYTES {
                return Err(EventError::TooLong { field, found: text.len() });
            }
            document.text.insert(field, text);
        }
        for (field, value) in self.attributes {
            name::check(&field, "attributes")?;
            if kind == NodeKind::Entity && field != ALIASES {
                let reason = "is no attribute of an entity; an entity has `aliases`, and a `name` \
                              under `text`";
                return Err(EventError::Name { field: format!("attributes.{field}"), reason });
            }
            let values = values(&field, value)?;
            if !values.is_empty() {
                document.attributes.insert(field, values);
            }
        }
        if let Some(found) = self.published_at {
            let at = Timestamp::parse(&found)
                .ok_or(EventError::Time { field: "published_at", found })?;
            document.published_at = Some(at);
        }
        Ok((key, document))
    }
}

fn values(field: &str, value: serde_json::Value) -> Result<Vec<Value>, EventError> {
    let refuse = |reason| Err(EventError::Name { field: format!("attributes.{field}"), reason });
    let list = match value {
        serde_json::Value::Array(list) => list,
        one => vec![one],
    };
    let mut values = Vec::new();
    for value in list {
        values.push(match value {
            serde_json::Value::Null => continue,
            serde_json::Value::Bool(flag) => Value::Flag(flag),
            serde_json::Value::Number(number) => match number.as_f64().filter(|n| n.is_finite()) {
                Some(number) => Value::Number(number),
                None => return refuse("is not a finite number"),
            },
            serde_json::Value::String(text) if text.trim().is_empty() => continue,
            serde_json::Value::String(text) => {
                // The entity's name holds the folded field and text, and a colon between them.
                if name::entity_name(field, &text).len() > MAX_NAME_BYTES {
                    return refuse("is longer than 512 bytes; long text belongs under `text`");
                }
                if text.chars().any(char::is_control) {
                    return refuse("has a control character; remove it");
                }
                Value::Text(text)
            }
            _ => return refuse("must be a text, a number, true, false, null or a list of these"),
        });
    }
    Ok(values)
}
