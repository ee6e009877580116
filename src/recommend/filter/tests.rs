//! What filters let through, and where they are wrong.

use super::*;

/// A film.
struct Ring;

impl Facts for Ring {
    fn values(&self, field: &[String]) -> Vec<Cow<'_, str>> {
        let parts: Vec<&str> = field.iter().map(String::as_str).collect();
        let values: &[&str] = match parts.as_slice() {
            ["kind"] => &["item"],
            ["id"] => &["tt0298130"],
            ["label"] => &["The Ring (2002)"],
            ["genre"] => &["horror", "Horror", "mystery", "Film noir"],
            ["genre", "relation"] => &["is_a"],
            ["price"] => &["9.99"],
            _ => &[],
        };
        values.iter().map(|value| Cow::from(*value)).collect()
    }

    fn all(&self) -> Vec<Cow<'_, str>> {
        ["tt0298130", "The Ring (2002)", "horror"].map(Cow::from).to_vec()
    }
}

#[track_caller]
fn check(filter: &str, expected: bool) {
    assert_eq!(Filter::parse(filter).unwrap().matches(&Ring), expected, "{filter}");
}

#[track_caller]
fn refuses(filter: &str, expected: &str) {
    assert_eq!(Filter::parse(filter).unwrap_err().to_string(), expected, "{filter}");
}

#[test]
fn comparisons() {
    check("kind = item", true);
    check("kind=content", false);
    check("kind != content", true);
    check("genre = horror", true);
    check("genre = HORROR", true);
    check("genre != horror", false);
    check("genre != comedy", true);
    check("price < 10", true);
    check("price<9.99", false);
    check("price <= 9.990", true);
    check("price >= 9.99", true);
    check("price > 100", false);
    check("price > -5", true);
    check("price = 9.990", true);
    check("id > tt02", true);
    check("id = tt02*", true);
    check("id = *130", true);
    check("id = *98*", true);
    check("id = *99*", false);
    check("director = x", false);
    check("director != x", true);
}

#[test]
fn has_looks_for_whole_words() {
    check("label:ring", true);
    check("label:\"the ring\"", true);
    check("label:rin", false);
    check("label:2002", true);
    check("genre:noir", true);
    check("genre:*", true);
    check("director:*", false);
    check("genre.relation = is_a", true);
}

#[test]
fn words_alone_are_looked_for_everywhere() {
    check("ring", true);
    check("horror ring", true);
    check("ring comedy", false);
    check("'the ring'", true);
    check("-comedy", true);
}

#[test]
fn or_binds_tighter_than_and() {
    check("kind = content AND kind = item OR kind = item", false);
    check("kind = item OR kind = content AND kind = item", true);
    check("(kind = content AND kind = item) OR kind = item", true);
    check("kind = item genre = comedy OR genre = horror", true);
    check("NOT kind = content", true);
    check("NOT (genre:horror OR genre:comedy)", false);
    check("-genre:comedy -genre:western", true);
    check("NOT NOT genre:horror", true);
    check("", true);
    check("  ", true);
}

#[test]
fn quotes_keep_what_they_hold() {
    check(r#"genre = "Film noir""#, true);
    check(r"genre = 'Film noir'", true);
    check(r#"label = "The Ring (2002)""#, true);
    check(r#"label:"\"""#, false);
}

#[test]
fn a_bad_filter_is_refused_with_its_place() {
    refuses("kind = ", "at character 8: the end; give a field or a value here");
    refuses("(kind = item", "at character 13: a `(` that is not closed; close it with `)`");
    refuses("kind = item)", "at character 12: a `)` without its `(`; leave it out");
    refuses("kind ! item", "at character 6: `!` alone; write `!=` or NOT");
    refuses("label = \"ring", "at character 9: a quote that is not closed; close it");
    refuses("kind = item AND", "at character 16: the end; give a field or a value here");
    refuses("AND kind", "at character 1: this; give a field or a value here");
    refuses("= item", "at character 1: this; give a field or a value here");
    refuses("f(x)", "at character 2: a function; functions are not spoken; compare a field");
    let second = "at character 5: a second comparison; put a value with `:` in quotes";
    refuses("a=b:c", &second.replace('5', "4"));
    refuses("a=f(x,y)", "at character 6: `,`; functions are not spoken");
    refuses(&"(".repeat(100), "at character 65: too deep a nesting; write it flatter");
    refuses(&"x".repeat(5_000), "has 5000 bytes; the limit is 4096");
}

#[test]
fn no_text_ends_in_a_panic() {
    let marks =
        ["(", ")", "a", "AND", "OR", "NOT", "-", ".", ":", "=", "!=", "\"", "'", "é", "\\", " "];
    let mut state = 7_u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..12 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text.push_str(marks[(state >> 60) as usize]);
        }
        if let Ok(filter) = Filter::parse(&text) {
            filter.matches(&Ring);
        }
    }
}

#[test]
fn fields_are_told() {
    let filter = Filter::parse("Genre.Label = x OR NOT (price > 1 word)").unwrap();
    let fields: Vec<String> = filter.fields().iter().map(|parts| parts.join(".")).collect();
    assert_eq!(fields, ["genre.label", "price"]);
}
