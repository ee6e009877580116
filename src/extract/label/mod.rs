//! Labelled text: what a model learns from and is measured against.
//!
//! One JSON object a line; what is not labelled may be left out, and other fields are passed over:
//!
//! ```json
//! {"text": "Sony makes it", "entities": [{"start": 0, "end": 4, "type": "brand"}], "relations": []}
//! ```
//!
//! [`CONVERTERS`] turns the formats that public data sets come in into it.

mod convert;
mod error;
mod file;

use serde::{Deserialize, Serialize};

pub use convert::{CONVERTERS, Converted, Converter, Dropped, Source, Summary, by_name};
pub use error::{LabelError, Problem};
pub use file::{read, write, write_to};

/// A text with what is to be found in it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Labelled {
    /// The text.
    pub text: String,
    /// The entities that it names; they may overlap.
    #[serde(default)]
    pub entities: Vec<LabelledEntity>,
    /// The relations between them that it states.
    #[serde(default)]
    pub relations: Vec<LabelledRelation>,
    /// `false`: what is not labelled may still be there, as in labels from a catalogue; so an
    /// unlabelled word is no evidence that nothing is named.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub complete: bool,
}

/// An entity of a text.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct LabelledEntity {
    /// First character (Unicode scalar value).
    pub start: usize,
    /// One past the last character.
    pub end: usize,
    /// Its type, such as `brand`.
    #[serde(rename = "type")]
    pub entity_type: String,
}

/// A directed relation between two entities of one text.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct LabelledRelation {
    /// Index of the head in [`Labelled::entities`].
    pub head: usize,
    /// Index of the tail in [`Labelled::entities`].
    pub tail: usize,
    /// Its type, such as `works for`.
    #[serde(rename = "type")]
    pub relation: String,
}

fn yes() -> bool {
    true
}

impl Default for Labelled {
    /// An empty text, completely labelled.
    fn default() -> Self {
        Self { text: String::new(), entities: Vec::new(), relations: Vec::new(), complete: true }
    }
}

impl Labelled {
    /// A text in which nothing is labelled yet.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// The index of the entity `start..end` (in characters) of this type, which is added when it is
    /// not there yet.
    pub fn add_entity(&mut self, start: usize, end: usize, entity_type: &str) -> usize {
        let new = LabelledEntity { start, end, entity_type: entity_type.to_owned() };
        let there = self.entities.iter().position(|entity| *entity == new);
        there.unwrap_or_else(|| {
            self.entities.push(new);
            self.entities.len() - 1
        })
    }

    /// Adds a relation between two entities; false when it is there already.
    pub fn add_relation(&mut self, head: usize, tail: usize, relation: &str) -> bool {
        let new = LabelledRelation { head, tail, relation: relation.to_owned() };
        let added = !self.relations.contains(&new);
        if added {
            self.relations.push(new);
        }
        added
    }

    /// The text that an entity covers; empty when its offsets lie outside.
    pub fn surface(&self, entity: &LabelledEntity) -> &str {
        let mut borders = self.text.char_indices().map(|(byte, _)| byte).chain([self.text.len()]);
        let start = borders.nth(entity.start);
        let length = entity.end.checked_sub(entity.start + 1);
        match (start, length.and_then(|length| borders.nth(length))) {
            (Some(start), Some(end)) => &self.text[start..end],
            _ => "",
        }
    }

    /// Whether every offset lies in the text, every index names an entity and every type is named.
    ///
    /// # Errors
    /// The first [`Problem`] of an entity, or else of a relation.
    pub fn check(&self) -> Result<(), Problem> {
        let n_chars = self.text.chars().count();
        for LabelledEntity { start, end, entity_type } in &self.entities {
            if start >= end || *end > n_chars {
                return Err(Problem::Offsets { start: *start, end: *end, n_chars });
            }
            if entity_type.trim().is_empty() {
                return Err(Problem::NoType { what: "an entity" });
            }
        }
        let n_entities = self.entities.len();
        for LabelledRelation { head, tail, relation } in &self.relations {
            if let Some(&index) = [head, tail].into_iter().find(|&&index| index >= n_entities) {
                return Err(Problem::NoSuchEntity { index, n_entities });
            }
            if relation.trim().is_empty() {
                return Err(Problem::NoType { what: "a relation" });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
