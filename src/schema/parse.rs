//! Reads `interest.toml` and refuses what would not hold together.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use thiserror::Error;

use super::{
    Action, AttributeRule, EntityType, ExtractRules, InterestRules, LinkRules, NodeKind, Relation,
    RelationId, ReviewRules, Scale, Schema,
};

/// Why a schema, or something measured against it, is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The text is not TOML, or lacks a field or has one too many.
    #[error("the schema cannot be read: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A field holds what it may not.
    #[error("schema, {place}: {reason}")]
    Field {
        /// The table and field, as `actions.viewed.weight`.
        place: String,
        /// What is wrong and what would be right.
        reason: &'static str,
    },
    /// An action that the schema does not have.
    #[error("unknown action `{name}`; known: {}", known.join(", "))]
    UnknownAction {
        /// The name as it came.
        name: String,
        /// The schema's actions.
        known: Vec<String>,
    },
    /// A value outside its action's scale.
    #[error("value {value} of `{action}` is outside {min}..={max}; scale it, or edit the schema")]
    Value {
        /// The value as it came.
        value: f64,
        /// The action.
        action: String,
        /// The lowest value allowed.
        min: f64,
        /// The highest value allowed.
        max: f64,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    actions: BTreeMap<String, ActionTable>,
    relations: BTreeMap<String, RelationTable>,
    attributes: BTreeMap<String, AttributeTable>,
    entity_types: BTreeMap<String, EntityType>,
    interest: InterestRules,
    extract: ExtractRules,
    #[serde(default)]
    link: LinkRules,
    reviews: Option<ReviewTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionTable {
    id: u16,
    #[serde(default)]
    aliases: Vec<String>,
    targets: Vec<NodeKind>,
    weight: f64,
    sign: i8,
    half_life_days: f64,
    value: Option<Scale>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RelationTable {
    id: u16,
    sources: Vec<NodeKind>,
    targets: Vec<NodeKind>,
    weight: f64,
    #[serde(default = "yes")]
    carries_interest: bool,
}

pub(super) fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReviewTable {
    action: String,
    relation: String,
    entity_type: String,
    polarity: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AttributeTable {
    relation: String,
    entity_type: String,
}

fn ensure(good: bool, place: impl Into<String>, reason: &'static str) -> Result<(), SchemaError> {
    if good { Ok(()) } else { Err(SchemaError::Field { place: place.into(), reason }) }
}

fn positive(number: f64, place: String) -> Result<(), SchemaError> {
    ensure(number.is_finite() && number > 0.0, place, "must be a finite number above 0")
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// [`SchemaError::Syntax`] when it is not the TOML expected, [`SchemaError::Field`] when a
    /// field holds what it may not; both name the place.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let file: File = toml::from_str(text)?;
        ensure(file.version == 1, "version", "this build reads version 1")?;
        let mut relations = Vec::new();
        for (name, table) in file.actions {
            relations.push(action(name, table)?);
        }
        for (name, table) in file.relations {
            let place = format!("relations.{name}");
            positive(table.weight, format!("{place}.weight"))?;
            relations.push(Relation {
                id: RelationId(table.id),
                name,
                sources: table.sources,
                targets: table.targets,
                weight: table.weight,
                half_life_days: None,
                carries_interest: table.carries_interest,
                action: None,
            });
        }
        relations.sort_by_key(|relation| relation.id);
        check_names(&relations)?;
        let named = |name: &str, place: String| {
            relations
                .iter()
                .find(|relation| relation.name == name && relation.action.is_none())
                .map(|relation| relation.id)
                .ok_or(SchemaError::Field { place, reason: "names no relation of this schema" })
        };
        let mut attributes = BTreeMap::new();
        for (name, AttributeTable { relation, entity_type }) in file.attributes {
            let relation = named(&relation, format!("attributes.{name}.relation"))?;
            attributes.insert(name, AttributeRule { relation, entity_type });
        }
        check_rules(&file.interest, file.extract, file.link)?;
        let reviews = file.reviews.map(|table| review_rules(table, &relations)).transpose()?;
        Ok(Self {
            has_attribute: named("has_attribute", "relations.has_attribute".to_owned())?,
            mentions: named("mentions", "relations.mentions".to_owned())?,
            relations,
            attributes,
            entity_types: file.entity_types,
            interest: file.interest,
            extract: file.extract,
            link: file.link,
            reviews,
        })
    }
}

fn action(name: String, table: ActionTable) -> Result<Relation, SchemaError> {
    let place = format!("actions.{name}");
    positive(table.weight, format!("{place}.weight"))?;
    positive(table.half_life_days, format!("{place}.half_life_days"))?;
    ensure(matches!(table.sign, 1 | -1), format!("{place}.sign"), "must be 1 or -1")?;
    if let Some(Scale { min, max, neutral }) = table.value {
        let ordered = min.is_finite() && max.is_finite() && min <= neutral && neutral < max;
        ensure(ordered, format!("{place}.value"), "needs min <= neutral < max, all finite")?;
    }
    Ok(Relation {
        id: RelationId(table.id),
        name,
        sources: vec![NodeKind::User],
        targets: table.targets,
        weight: table.weight,
        half_life_days: Some(table.half_life_days),
        carries_interest: true,
        action: Some(Action { aliases: table.aliases, sign: table.sign, value: table.value }),
    })
}

fn check_names(relations: &[Relation]) -> Result<(), SchemaError> {
    for pair in relations.windows(2) {
        ensure(pair[0].id != pair[1].id, &pair[1].name, "has the id of another relation")?;
    }
    let mut seen = BTreeSet::new();
    for relation in relations {
        let aliases = relation.action.iter().flat_map(|action| &action.aliases);
        for name in aliases.chain([&relation.name]) {
            ensure(seen.insert(name), name, "is the name or the alias of two relations")?;
        }
        let joins = !relation.sources.is_empty() && !relation.targets.is_empty();
        ensure(joins, &relation.name, "must name the kinds that it joins")?;
    }
    Ok(())
}

fn review_rules(table: ReviewTable, relations: &[Relation]) -> Result<ReviewRules, SchemaError> {
    let named = |name: &str| relations.iter().find(|relation| relation.name == name);
    let scale = |relation: &&Relation| {
        let scale = relation.action.as_ref().and_then(|action| action.value);
        scale == Some(Scale { min: -1.0, max: 1.0, neutral: 0.0 })
            && relation.targets.contains(&NodeKind::Entity)
    };
    let field =
        |name: &str, reason| SchemaError::Field { place: format!("reviews.{name}"), reason };
    let action = named(&table.action).filter(scale).ok_or_else(|| {
        field("action", "must name an action on entities with values from -1 to 1 around 0")
    })?;
    let relation = named(&table.relation)
        .filter(|found| found.action.is_none() && found.targets.contains(&NodeKind::Entity))
        .ok_or_else(|| field("relation", "must name a relation to entities"))?;
    for (name, value) in &table.polarity {
        let inside = (-1.0..=1.0).contains(value);
        ensure(inside, format!("reviews.polarity.{name}"), "must be in -1..=1")?;
    }
    let (action, relation) = (action.id, relation.id);
    let (entity_type, polarity) = (table.entity_type, table.polarity);
    Ok(ReviewRules { action, relation, entity_type, polarity })
}

fn check_rules(
    interest: &InterestRules,
    extract: ExtractRules,
    link: LinkRules,
) -> Result<(), SchemaError> {
    for (name, number) in [
        ("short_half_life_days", interest.short_half_life_days),
        ("long_half_life_days", interest.long_half_life_days),
        ("background_smoothing", interest.background_smoothing),
        ("new_days", interest.new_days),
        ("dormant_days", interest.dormant_days),
        ("rising_ratio", interest.rising_ratio),
        ("fading_ratio", interest.fading_ratio),
    ] {
        positive(number, format!("interest.{name}"))?;
    }
    let ordered = interest.fading_ratio < interest.rising_ratio;
    ensure(ordered, "interest.fading_ratio", "must be below rising_ratio")?;
    let confidence = (0.0..=1.0).contains(&extract.min_confidence);
    ensure(confidence, "extract.min_confidence", "must be in 0..=1")?;
    let confidence = (0.0..=1.0).contains(&link.min_new_confidence);
    ensure(confidence, "link.min_new_confidence", "must be in 0..=1")
}
