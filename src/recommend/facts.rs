//! What filters may ask of a node of a snapshot.

use std::borrow::Cow;
use std::collections::BTreeSet;

use petgraph::Outgoing;

use super::filter::{Facts, Filter, FilterError};
use crate::graph::NodeIndex;
use crate::schema::NodeKind;
use crate::snapshot::Snapshot;

/// The fields that every node has.
const FIELDS: [&str; 3] = ["kind", "id", "label"];
/// What of an entity can be asked for by itself.
const OF_ENTITY: [&str; 3] = ["id", "label", "relation"];

/// A node and what its edges to entities say.
pub(super) struct NodeFacts<'s> {
    snapshot: &'s Snapshot,
    node: NodeIndex,
}

impl<'s> NodeFacts<'s> {
    pub fn new(snapshot: &'s Snapshot, node: NodeIndex) -> Self {
        Self { snapshot, node }
    }

    /// The entities of a type, or of all types: name, label and relation of each.
    fn entities(&self, entity_type: Option<&str>) -> Vec<(&'s str, &'s str, &'s str)> {
        let (names, schema) = (self.snapshot.names(), self.snapshot.schema());
        let entities = self.snapshot.neighbors(self.node, Outgoing, NodeKind::Entity);
        entities
            .filter_map(|(entity, edge)| {
                let found = names.get(entity)?;
                let (type_name, name) = found.key.name.split_once(':')?;
                let wanted = entity_type.is_none_or(|wanted| wanted == type_name);
                wanted.then(|| (name, found.label.as_str(), schema.relation_name(edge.relation)))
            })
            .collect()
    }
}

impl Facts for NodeFacts<'_> {
    fn values(&self, field: &[String]) -> Vec<Cow<'_, str>> {
        let names = self.snapshot.names();
        let parts: Vec<&str> = field.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["kind"] => vec![names.kind(self.node).name().into()],
            ["id"] => {
                names.get(self.node).map(|name| name.key.name.as_str().into()).into_iter().collect()
            }
            ["label"] => vec![names.label(self.node).into()],
            [entity_type] => {
                let both =
                    |(id, label, _): (&'_ str, &'_ str, _)| [id.to_owned(), label.to_owned()];
                self.entities(Some(entity_type)).into_iter().flat_map(both).map(Cow::from).collect()
            }
            [entity_type, part] => {
                let part = |(id, label, relation)| match *part {
                    "id" => id,
                    "label" => label,
                    _ => relation,
                };
                self.entities(Some(entity_type)).into_iter().map(part).map(Cow::from).collect()
            }
            _ => Vec::new(),
        }
    }

    fn all(&self) -> Vec<Cow<'_, str>> {
        let own = [["id".to_owned()], ["label".to_owned()]];
        let mut all: Vec<_> = own.iter().flat_map(|field| self.values(field)).collect();
        for (id, label, _) in self.entities(None) {
            all.extend([id.into(), label.into()]);
        }
        all
    }
}

/// A filter for nodes of a snapshot: as [`Filter::parse`], and every field is one that some node has.
///
/// # Errors
/// [`FilterError`].
pub fn filter_of(snapshot: &Snapshot, text: &str) -> Result<Filter, FilterError> {
    let filter = Filter::parse(text)?;
    for field in filter.fields() {
        let of_entity = |part: &String| OF_ENTITY.contains(&part.as_str());
        let known = match field {
            [name] => FIELDS.contains(&name.as_str()) || is_type(snapshot, name),
            [name, part] => of_entity(part) && is_type(snapshot, name),
            _ => false,
        };
        if !known {
            return Err(FilterError::UnknownField {
                field: field.join("."),
                known: known_fields(snapshot).join(", "),
            });
        }
    }
    Ok(filter)
}

/// Is it a type of the schema, or of an entity that there is?
fn is_type(snapshot: &Snapshot, name: &str) -> bool {
    snapshot.schema().entity_types().contains_key(name) || types(snapshot).contains(name)
}

fn types(snapshot: &Snapshot) -> BTreeSet<&str> {
    let names = snapshot.names();
    (0..petgraph::visit::NodeCount::node_count(&snapshot.graph()))
        .map(NodeIndex::new)
        .filter(|node| names.kind(*node) == NodeKind::Entity)
        .map(|node| names.entity_type(node))
        .collect()
}

fn known_fields(snapshot: &Snapshot) -> Vec<&str> {
    let mut known = FIELDS.to_vec();
    let declared = snapshot.schema().entity_types().keys().map(String::as_str);
    known.extend(declared.chain(types(snapshot)).collect::<BTreeSet<_>>());
    known
}
