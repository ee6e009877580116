//! The catalogue's own words: every text attribute of every document, and the aliases of entities.

use std::collections::BTreeMap;

use crate::event::{Document, NodeKey, Value, entity_name};
use crate::extract::{Sought, Term, TypeName, Vocabulary};
use crate::schema::{EntityType, NodeKind, Schema};
use crate::store::{StoreError, View};

/// How often each spelling of each entity stands in the catalogue. Kept up with documents as they
/// come and go, so that a small write does not read the whole store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    entities: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Catalogue {
    /// The catalogue of a store, by a pass over its nodes.
    ///
    /// # Errors
    /// Those of reads.
    pub fn of(view: &View<'_>) -> Result<Self, StoreError> {
        let mut catalogue = Self::default();
        for item in view.nodes()? {
            let (_, node) = item?;
            if let Some(document) = node.document {
                catalogue.add(view.schema(), &node.key, &document);
            }
        }
        Ok(catalogue)
    }

    /// Adds the words of a document.
    pub fn add(&mut self, schema: &Schema, key: &NodeKey, document: &Document) {
        for (entity, surface) in words(schema, key, document) {
            *self.entities.entry(entity).or_default().entry(surface).or_default() += 1;
        }
    }

    /// Takes the words of a document away that were added before.
    pub fn remove(&mut self, schema: &Schema, key: &NodeKey, document: &Document) {
        for (entity, surface) in words(schema, key, document) {
            let Some(surfaces) = self.entities.get_mut(&entity) else { continue };
            if let Some(count) = surfaces.get_mut(&surface) {
                *count -= 1;
            }
            surfaces.retain(|_, count| *count > 0);
            if surfaces.is_empty() {
                self.entities.remove(&entity);
            }
        }
    }

    /// The terms to be found in texts.
    pub fn vocabulary(&self, schema: &Schema) -> Vocabulary {
        let term = |(entity, surfaces): (&String, &BTreeMap<String, u64>)| {
            let entity_type = entity.split_once(':').map_or("", |(entity_type, _)| entity_type);
            Term {
                entity: entity.clone(),
                entity_type: entity_type.to_owned(),
                surfaces: surfaces.keys().cloned().collect(),
                by_encoding: schema.by_encoding(entity_type),
            }
        };
        Vocabulary::new(self.entities.iter().map(term).collect())
            .seeking(sought(schema, |entity_type| !said_in_reviews(schema, entity_type)))
    }

    /// The terms that opinions may be about, and what else reviews are looked through for.
    pub fn aspects(&self, schema: &Schema) -> Vocabulary {
        let aspects = schema.reviews.as_ref().map_or("", |rules| &rules.entity_type);
        self.vocabulary(schema)
            .of_type(aspects)
            .seeking(sought(schema, |entity_type| said_in_reviews(schema, entity_type)))
    }
}

/// What heads are asked for to find entities of the types that `wanted` says.
fn sought(schema: &Schema, wanted: impl Fn(&str) -> bool) -> Vec<Sought> {
    let types = schema.entity_types().iter().filter(|(name, _)| wanted(name));
    let label = |(name, found): (&String, &EntityType), label: &String| Sought {
        entity_type: name.clone(),
        label: TypeName { name: label.clone(), description: Some(found.description.clone()) },
    };
    types.flat_map(|row| row.1.labels.iter().map(move |own| label(row, own))).collect()
}

/// Is a type one of aspects, or of what is said of them?
fn said_in_reviews(schema: &Schema, entity_type: &str) -> bool {
    let aspects = schema.reviews.as_ref().is_some_and(|rules| rules.entity_type == entity_type);
    aspects || !schema.names_entities(entity_type)
}

/// Every entity that a document names, with the spelling, as often as it does.
fn words(schema: &Schema, key: &NodeKey, document: &Document) -> Vec<(String, String)> {
    if key.kind == NodeKind::Entity {
        let names = document.title().into_iter().chain(document.aliases());
        return names.map(|name| (key.name.clone(), name.to_owned())).collect();
    }
    let mut words = Vec::new();
    for (field, values) in &document.attributes {
        let rule = schema.attribute(field);
        for value in values {
            if let Value::Text(surface) = value {
                words.push((entity_name(&rule.entity_type, surface), surface.clone()));
            }
        }
    }
    words
}
