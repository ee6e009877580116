//! Filters: which nodes an answer may hold, in the words of AIP-160.
//!
//! `kind = item AND (genre:horror OR genre = "Film noir") AND NOT price > 20`. A field is `kind`, `id`,
//! `label`, or a type of entity (`brand`, `genre`, `price`): its values are the entities of that type that
//! the node has, by name and by label. `brand.id`, `brand.label` and `brand.relation` are one of these
//! alone. Words without a field are looked for in all of them.
//!
//! `=` compares a whole value, where `*` at either end stands for anything; `:` looks for whole words in
//! it, and `field:*` asks whether there is any. `<` and its like compare numbers where both sides are
//! numbers, else texts. Of several values one must fit; `!=` wants that none is equal. Upper and lower
//! case are the same.

mod parse;

use std::borrow::Cow;

use thiserror::Error;

/// Why a filter cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterError {
    /// Something that the grammar does not have.
    #[error("at character {place}: {what}; {remedy}")]
    Syntax {
        /// The place of its first character, from 1.
        place: usize,
        /// What stands there.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Too long a filter.
    #[error("has {found} bytes; the limit is {limit}")]
    TooLong {
        /// Its length.
        found: usize,
        /// The longest.
        limit: usize,
    },
    /// A field that no node has.
    #[error("unknown field `{field}`; known: {known}")]
    UnknownField {
        /// As it was given.
        field: String,
        /// The known ones.
        known: String,
    },
}

impl FilterError {
    fn at(place: usize, what: &'static str, remedy: &'static str) -> Self {
        Self::Syntax { place, what, remedy }
    }
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Has,
}

#[derive(Clone, Debug, PartialEq)]
enum Expression {
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
    Restriction { field: Vec<String>, comparator: Comparator, value: String },
    Words(String),
}

/// What a filter asks of a node.
pub trait Facts {
    /// The values of a field, given by its dotted parts in lower case.
    fn values(&self, field: &[String]) -> Vec<Cow<'_, str>>;
    /// Every value of every field.
    fn all(&self) -> Vec<Cow<'_, str>>;
}

/// A filter that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter(Option<Expression>);

impl Filter {
    /// Reads a filter; an empty one lets everything through.
    ///
    /// # Errors
    /// [`FilterError::Syntax`] with the place, [`FilterError::TooLong`].
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut filter = Self(parse::parse(text)?);
        filter.0.iter_mut().for_each(Expression::lower);
        Ok(filter)
    }

    /// Does it let everything through?
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The fields that it compares, as dotted parts in lower case.
    pub fn fields(&self) -> Vec<&[String]> {
        let mut fields = Vec::new();
        self.0.iter().for_each(|expression| expression.fields(&mut fields));
        fields
    }

    /// Does it let a node with these facts through?
    pub fn matches(&self, facts: &dyn Facts) -> bool {
        self.0.as_ref().is_none_or(|expression| expression.matches(facts))
    }
}

impl Expression {
    /// Brings fields and values to lower case.
    fn lower(&mut self) {
        match self {
            Self::And(all) | Self::Or(all) => all.iter_mut().for_each(Self::lower),
            Self::Not(inner) => inner.lower(),
            Self::Restriction { field, value, .. } => {
                field.iter_mut().for_each(|part| *part = part.to_lowercase());
                *value = value.to_lowercase();
            }
            Self::Words(words) => *words = words.to_lowercase(),
        }
    }

    fn fields<'s>(&'s self, fields: &mut Vec<&'s [String]>) {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().for_each(|one| one.fields(fields)),
            Self::Not(inner) => inner.fields(fields),
            Self::Restriction { field, .. } => fields.push(field),
            Self::Words(_) => {}
        }
    }

    fn matches(&self, facts: &dyn Facts) -> bool {
        match self {
            Self::And(all) => all.iter().all(|one| one.matches(facts)),
            Self::Or(any) => any.iter().any(|one| one.matches(facts)),
            Self::Not(inner) => !inner.matches(facts),
            Self::Words(words) => facts.all().iter().any(|found| has(&found.to_lowercase(), words)),
            Self::Restriction { field, comparator, value } => {
                let values = facts.values(field);
                let mut found = values.iter().map(|found| found.to_lowercase());
                match comparator {
                    Comparator::NotEqual => !found.any(|found| equal(&found, value)),
                    comparator => found.any(|found| compare(*comparator, &found, value)),
                }
            }
        }
    }
}

fn compare(comparator: Comparator, found: &str, value: &str) -> bool {
    let order = match (number(found), number(value)) {
        (Some(found), Some(value)) => found.total_cmp(&value),
        _ => found.cmp(value),
    };
    match comparator {
        Comparator::Equal => equal(found, value),
        Comparator::NotEqual => !equal(found, value),
        Comparator::Less => order.is_lt(),
        Comparator::LessOrEqual => order.is_le(),
        Comparator::Greater => order.is_gt(),
        Comparator::GreaterOrEqual => order.is_ge(),
        Comparator::Has => has(found, value),
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Is it the same, with `*` at either end of `value` for anything?
fn equal(found: &str, value: &str) -> bool {
    if let (Some(found), Some(value)) = (number(found), number(value)) {
        return found == value;
    }
    let start = value.strip_suffix('*');
    let open = start.unwrap_or(value);
    match (open.strip_prefix('*'), start) {
        (Some(middle), Some(_)) => found.contains(middle),
        (Some(end), None) => found.ends_with(end),
        (None, Some(start)) => found.starts_with(start),
        (None, None) => found == value,
    }
}

/// Are these words in it, whole and in this order? `*` is in everything.
fn has(found: &str, words: &str) -> bool {
    if words == "*" || equal(found, words) {
        return true;
    }
    let edge = |mark: Option<char>| mark.is_none_or(|mark| !mark.is_alphanumeric());
    !words.is_empty()
        && found.match_indices(words).any(|(start, _)| {
            edge(found[..start].chars().next_back())
                && edge(found[start + words.len()..].chars().next())
        })
}

#[cfg(test)]
mod tests;
