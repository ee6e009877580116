//! Which entity of a type is written so: the catalogue's spellings and the aliases that users gave.

use std::collections::BTreeMap;

use crate::event::folded;
use crate::extract::{Vocabulary, normalize};

/// What two spellings of one name share: case, width, diacritics, hyphens and spacing fall away.
///
/// `SONY`, `Sony` and `ＳＯＮＹ` are one; so are `Coca-Cola` and `coca cola`. Empty for what holds no
/// letter and no digit.
pub fn normal_form(surface: &str) -> String {
    let form = folded(&normalize(surface));
    if form.chars().any(char::is_alphanumeric) { form } else { String::new() }
}

/// Entities by type and spelling.
#[derive(Debug, Default)]
pub struct AliasTable {
    /// Type and normal form to the terms written so, and how each is written, ascending.
    terms: BTreeMap<String, BTreeMap<String, Vec<(usize, String)>>>,
}

impl AliasTable {
    /// The table of every surface of `vocabulary`.
    pub fn new(vocabulary: &Vocabulary) -> Self {
        let mut table = Self::default();
        for (index, term) in vocabulary.terms().iter().enumerate() {
            let of_type = table.terms.entry(term.entity_type.clone()).or_default();
            for surface in &term.surfaces {
                let form = normal_form(surface);
                if !form.is_empty() {
                    of_type.entry(form).or_default().push((index, surface.clone()));
                }
            }
        }
        table
    }

    /// The place in the vocabulary of the term of a type that is written so.
    ///
    /// Of several the one that is written just so in every letter, else the first by entity.
    pub fn find(&self, entity_type: &str, surface: &str) -> Option<usize> {
        let written = self.terms.get(entity_type)?.get(&normal_form(surface))?;
        let exact = written.iter().find(|(_, spelled)| spelled == surface);
        exact.or(written.first()).map(|(term, _)| *term)
    }

    /// Every normal form of a type with the place of its term, ascending; a form of several terms
    /// with each.
    pub fn forms(&self, entity_type: &str) -> impl Iterator<Item = (usize, &str)> {
        let forms = self.terms.get(entity_type).into_iter().flatten();
        forms.flat_map(|(form, terms)| terms.iter().map(move |(term, _)| (*term, form.as_str())))
    }
}
