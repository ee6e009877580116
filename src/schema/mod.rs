//! Which kinds of node, relation and action exist, how each weighs and how each fades.
//!
//! The code branches on [`NodeKind`], an enum; everything else is data, read from
//! `schema/interest.toml` and named by [`RelationId`]. A store keeps the text it was made with.

mod parse;
mod time;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use parse::SchemaError;
pub use time::{DAY_MS, Timestamp, decay};

/// The schema that ships with the engine.
pub const DEFAULT: &str = include_str!("../../schema/interest.toml");

/// What a node is. The discriminants are written on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// Who acts.
    User = 0,
    /// What is offered: a product, a film, a place.
    Item = 1,
    /// A text of its own: an article, a post.
    Content = 2,
    /// What texts and catalogues name: a brand, a category, a person.
    Entity = 3,
    /// An idea above entities.
    Concept = 4,
}

impl NodeKind {
    /// Every kind, in the order of the discriminants.
    pub const ALL: [Self; 5] = [Self::User, Self::Item, Self::Content, Self::Entity, Self::Concept];

    /// The kind's name, in lower case.
    pub fn name(self) -> &'static str {
        ["user", "item", "content", "entity", "concept"][self as usize]
    }

    /// The kind of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A relation of the schema, as written on disk.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct RelationId(pub u16);

/// How an event's value scales its weight.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// The lowest value that may arrive.
    pub min: f64,
    /// The highest value that may arrive; it counts with the whole weight.
    pub max: f64,
    /// The value that says nothing; lower ones speak against.
    pub neutral: f64,
}

/// What a relation that users make by acting has beyond others.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// Other spellings that are read as this action.
    pub aliases: Vec<String>,
    /// 1 for, -1 against.
    pub sign: i8,
    /// How a value scales the weight; without it values change no weight.
    pub value: Option<Scale>,
}

/// One relation: how it is called, what it joins, how it weighs and fades.
#[derive(Clone, Debug, PartialEq)]
pub struct Relation {
    /// The id on disk.
    pub id: RelationId,
    /// The name in files, on the wire and in answers.
    pub name: String,
    /// Kinds that it may start from.
    pub sources: Vec<NodeKind>,
    /// Kinds that it may lead to.
    pub targets: Vec<NodeKind>,
    /// How strongly one piece of evidence speaks.
    pub weight: f64,
    /// Days after which it is worth half; `None` does not fade.
    pub half_life_days: Option<f64>,
    /// Does an interest in its source pass over to its target?
    pub carries_interest: bool,
    /// Set when users make it by acting.
    pub action: Option<Action>,
}

impl Relation {
    /// What one event with this `value` is worth at its own time: signed weight.
    ///
    /// # Errors
    /// [`SchemaError::Value`] when the value is not finite or outside the action's scale.
    pub fn strength(&self, value: Option<f64>) -> Result<f64, SchemaError> {
        let Some(action) = &self.action else { return Ok(self.weight) };
        let signed = self.weight * f64::from(action.sign);
        let (Some(value), scale) = (value, action.value) else { return Ok(signed) };
        let Scale { min, max, neutral } =
            scale.unwrap_or(Scale { min: f64::MIN, max: f64::MAX, neutral: 0.0 });
        if !(min..=max).contains(&value) {
            return Err(SchemaError::Value { value, action: self.name.clone(), min, max });
        }
        Ok(if scale.is_some() { signed * (value - neutral) / (max - neutral) } else { signed })
    }
}

/// Which edge a catalogue field becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeRule {
    /// The relation of the edge.
    pub relation: RelationId,
    /// The type of the entity that it leads to.
    pub entity_type: String,
}

/// A type of entity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntityType {
    /// What the type means, in words.
    pub description: String,
    /// May an entity of it be found by meaning, or by its letters alone?
    pub by_encoding: bool,
    /// Do its mentions name entities? Those of what is only said of others do not.
    #[serde(default = "parse::yes")]
    pub names_entities: bool,
    /// What trained heads are asked for to find entities of it; nothing: they do not look for it.
    #[serde(default)]
    pub labels: Vec<String>,
}

/// Half-lives and thresholds of the interests.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterestRules {
    /// Half-life of the short horizon, in days.
    pub short_half_life_days: f64,
    /// Half-life of the long horizon, in days.
    pub long_half_life_days: f64,
    /// Additive smoothing of everybody's shares, as strength spread over a type's entities.
    pub background_smoothing: f64,
    /// First seen at most so many days ago: new.
    pub new_days: f64,
    /// Last seen more than so many days ago: dormant.
    pub dormant_days: f64,
    /// Short over long share: rising from here up.
    pub rising_ratio: f64,
    /// Short over long share: fading from here down.
    pub fading_ratio: f64,
}

/// What of an extraction enters the graph.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtractRules {
    /// A mention below this confidence, in [0, 1], is left out.
    pub min_confidence: f32,
}

/// When a mention that the extractor did not link becomes an entity.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkRules {
    /// A mention of what no catalogue and no alias names makes a new entity from this confidence
    /// up, in [0, 1].
    pub min_new_confidence: f32,
}

impl Default for LinkRules {
    fn default() -> Self {
        Self { min_new_confidence: 0.6 }
    }
}

/// What the opinions of a review become.
#[derive(Clone, Debug, PartialEq)]
pub struct ReviewRules {
    /// From the user to what the opinion is about: an action whose value is the polarity.
    pub action: RelationId,
    /// From the item to what the opinion is about.
    pub relation: RelationId,
    /// The type of what opinions are about.
    pub entity_type: String,
    /// How much each polarity speaks for: 1 for, -1 against; by the extractor's relation.
    pub polarity: BTreeMap<String, f64>,
}

/// The whole schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// Ascending by id.
    relations: Vec<Relation>,
    attributes: BTreeMap<String, AttributeRule>,
    entity_types: BTreeMap<String, EntityType>,
    /// Half-lives and thresholds of the interests.
    pub interest: InterestRules,
    /// What of an extraction enters the graph.
    pub extract: ExtractRules,
    /// When a mention becomes an entity that nobody named before.
    pub link: LinkRules,
    /// What the opinions of a review become; without rules, reviews are not read.
    pub reviews: Option<ReviewRules>,
    has_attribute: RelationId,
    mentions: RelationId,
}

impl Schema {
    /// Every relation, ascending by id.
    pub fn relations(&self) -> &[Relation] {
        &self.relations
    }

    /// The relation with this id.
    pub fn relation(&self, id: RelationId) -> Option<&Relation> {
        let found = self.relations.binary_search_by_key(&id, |relation| relation.id).ok()?;
        self.relations.get(found)
    }

    /// The relation of this name.
    pub fn relation_named(&self, name: &str) -> Option<&Relation> {
        self.relations.iter().find(|relation| relation.name == name)
    }

    /// The name of a relation, or `?` for an id of another schema.
    pub fn relation_name(&self, id: RelationId) -> &str {
        self.relation(id).map_or("?", |relation| &relation.name)
    }

    /// The action of this name or alias.
    ///
    /// # Errors
    /// [`SchemaError::UnknownAction`], which lists the known ones.
    pub fn action(&self, name: &str) -> Result<&Relation, SchemaError> {
        self.actions()
            .find(|relation| {
                relation.name == name
                    || relation.action.iter().any(|a| a.aliases.iter().any(|alias| alias == name))
            })
            .ok_or_else(|| SchemaError::UnknownAction {
                name: name.to_owned(),
                known: self.actions().map(|relation| relation.name.clone()).collect(),
            })
    }

    /// Every action, ascending by id.
    pub fn actions(&self) -> impl Iterator<Item = &Relation> {
        self.relations.iter().filter(|relation| relation.action.is_some())
    }

    /// Which edge the catalogue field `name` becomes.
    pub fn attribute(&self, name: &str) -> AttributeRule {
        self.attributes.get(name).cloned().unwrap_or_else(|| AttributeRule {
            relation: self.has_attribute,
            entity_type: name.to_owned(),
        })
    }

    /// May an entity of this type be found by meaning?
    pub fn by_encoding(&self, entity_type: &str) -> bool {
        self.entity_types.get(entity_type).is_some_and(|found| found.by_encoding)
    }

    /// Do mentions of this type name entities?
    pub fn names_entities(&self, entity_type: &str) -> bool {
        self.entity_types.get(entity_type).is_none_or(|found| found.names_entities)
    }

    /// The types that the schema describes, with what each means.
    pub fn entity_types(&self) -> &BTreeMap<String, EntityType> {
        &self.entity_types
    }

    /// Does an interest in the source of this relation pass over to its target?
    pub fn carries_interest(&self, id: RelationId) -> bool {
        self.relation(id).is_none_or(|relation| relation.carries_interest)
    }

    /// The relation from a text's node to what the text names.
    pub fn mentions(&self) -> RelationId {
        self.mentions
    }
}

#[cfg(test)]
mod tests;
