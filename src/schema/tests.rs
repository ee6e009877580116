//! The shipped schema holds together, and bad ones are refused by name.

use super::*;

fn default() -> Schema {
    Schema::parse(DEFAULT).unwrap()
}

/// The shipped schema with `old` replaced by `new` is refused with a message that has `says`.
fn check_refused(old: &str, new: &str, says: &str) {
    assert!(DEFAULT.contains(old), "nothing to replace: {old}");
    let error = Schema::parse(&DEFAULT.replacen(old, new, 1)).unwrap_err().to_string();
    assert!(error.contains(says), "{error}");
}

#[test]
fn the_shipped_schema_is_read() {
    let schema = default();
    assert_eq!(schema.actions().count(), 10);
    assert_eq!(schema.relation_name(schema.mentions()), "mentions");
    assert!(schema.relations().is_sorted_by_key(|relation| relation.id));
    for relation in schema.relations() {
        assert_eq!(schema.relation(relation.id), Some(relation));
        assert_eq!(schema.relation_named(&relation.name), Some(relation));
    }
}

#[test]
fn bad_schemas_are_refused_by_place() {
    check_refused("weight = 1.0", "weight = nan", "actions.viewed.weight");
    check_refused("weight = 1.0", "weight = -1.0", "actions.viewed.weight");
    check_refused("sign = 1", "sign = 2", "actions.viewed.sign");
    check_refused("half_life_days = 30", "half_life_days = 0", "actions.viewed.half_life_days");
    check_refused("neutral = 2", "neutral = 10", "actions.rated.value");
    check_refused("id = 2", "id = 1", "has the id of another relation");
    check_refused("\"click\"", "\"view\"", "view: is the name or the alias of two relations");
    check_refused("relation = \"has_brand\"", "relation = \"x\"", "attributes.brand.relation");
    check_refused("fading_ratio = 0.8", "fading_ratio = 3", "interest.fading_ratio");
    check_refused("min_confidence = 0.5", "min_confidence = 7", "extract.min_confidence");
    check_refused("min_new_confidence = 0.6", "min_new_confidence = 7", "link.min_new_confidence");
    check_refused("action = \"opined\"", "action = \"viewed\"", "reviews.action");
    check_refused("relation = \"has_aspect\"", "relation = \"x\"", "reviews.relation");
    check_refused("negative = -1.0", "negative = -2.0", "reviews.polarity.negative");
    check_refused("version = 1", "version = 2", "version");
    check_refused("[interest]", "[interest]\nhue = 3", "hue");
    check_refused("targets = [\"item\"]", "targets = [\"shop\"]", "shop");
    check_refused("[relations.mentions]", "[relations.names]", "relations.mentions");
}

#[test]
fn an_action_is_found_by_name_and_alias() {
    let schema = default();
    for name in ["bought", "buy", "purchase"] {
        assert_eq!(schema.action(name).unwrap().name, "bought");
    }
    let error = schema.action("ate").unwrap_err().to_string();
    assert!(error.starts_with("unknown action `ate`; known: viewed, clicked"), "{error}");
    assert!(schema.action("has_brand").is_err());
}

#[test]
fn a_value_scales_the_weight_of_a_rating() {
    let schema = default();
    let rated = schema.action("rated").unwrap();
    for (value, expected) in [(Some(10.0), 4.0), (Some(2.0), 0.0), (Some(6.0), 2.0), (None, 4.0)] {
        assert_eq!(rated.strength(value).unwrap(), expected);
    }
    assert!(rated.strength(Some(0.0)).unwrap() < 0.0);
    for value in [10.5, -1.0, f64::NAN, f64::INFINITY] {
        let error = rated.strength(Some(value)).unwrap_err().to_string();
        assert!(error.contains("outside 0..=10"), "{error}");
    }
}

#[test]
fn a_price_does_not_scale_the_weight_of_a_purchase() {
    let schema = default();
    let bought = schema.action("bought").unwrap();
    assert_eq!(bought.strength(Some(59.99)).unwrap(), bought.weight);
    assert!(bought.strength(Some(f64::NAN)).is_err());
    assert!(schema.action("dismissed").unwrap().strength(None).unwrap() < 0.0);
}

#[test]
fn an_unlisted_attribute_keeps_its_name_as_type() {
    let schema = default();
    let brand = schema.attribute("brand");
    assert_eq!(schema.relation_name(brand.relation), "has_brand");
    let color = schema.attribute("color");
    assert_eq!(
        (schema.relation_name(color.relation), &*color.entity_type),
        ("has_attribute", "color")
    );
    assert!(schema.by_encoding("genre") && !schema.by_encoding("person"));
    assert!(!schema.by_encoding("color"));
}

#[test]
fn kinds_are_named_both_ways() {
    for kind in NodeKind::ALL {
        assert_eq!(NodeKind::parse(kind.name()), Some(kind));
    }
    assert_eq!(NodeKind::parse("Item"), None);
}
