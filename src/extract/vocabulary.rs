//! The terms a catalogue brings along: its categories, brands, people and tags.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::TypeName;

/// One entity of the catalogue and the ways it is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term {
    /// Id of the entity, as the graph names it.
    pub entity: String,
    /// Its type, such as `category` or `person`.
    pub entity_type: String,
    /// How it is written: the name and its aliases.
    pub surfaces: Vec<String>,
    /// Whether other wordings may name it: true for concepts ("Animation"), false for names.
    ///
    /// Concepts are also matched in the plural and by their encoding. Names ("Bruce Willis") never:
    /// two names with near encodings are still two people.
    pub by_encoding: bool,
}

/// A label that trained heads look for, and the type of the entities that it finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// Type of the entities, such as `person`.
    pub entity_type: String,
    /// What the heads are asked for, such as `musician`.
    pub label: TypeName,
}

/// Every term of a catalogue, in one order whatever the order they came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    terms: Vec<Term>,
    sought: Vec<Sought>,
    hash: [u8; 32],
}

impl Vocabulary {
    /// Sorts and merges `terms`.
    ///
    /// Terms of one entity and one type become one: their surfaces are united, and it is matched by
    /// encoding when any of them is. Surfaces are trimmed; those without a letter or digit and
    /// terms without a surface are left out, since nothing could match them.
    pub fn new(terms: Vec<Term>) -> Self {
        let mut merged: BTreeMap<(String, String), (Vec<String>, bool)> = BTreeMap::new();
        for term in terms {
            let entry = merged.entry((term.entity, term.entity_type)).or_default();
            let named = term.surfaces.iter().map(|surface| surface.trim());
            entry
                .0
                .extend(named.filter(|s| s.chars().any(char::is_alphanumeric)).map(str::to_owned));
            entry.1 |= term.by_encoding;
        }
        let terms: Vec<Term> = merged
            .into_iter()
            .map(|((entity, entity_type), (mut surfaces, by_encoding))| {
                surfaces.sort_unstable();
                surfaces.dedup();
                Term { entity, entity_type, surfaces, by_encoding }
            })
            .filter(|term| !term.surfaces.is_empty())
            .collect();
        let hash = hash(&terms, &[]);
        Self { terms, sought: Vec::new(), hash }
    }

    /// The terms of one type alone.
    #[must_use]
    pub fn of_type(&self, entity_type: &str) -> Self {
        Self::new(self.terms.iter().filter(|t| t.entity_type == entity_type).cloned().collect())
    }

    /// The same terms, and `sought` for heads that find what no term names.
    pub fn seeking(self, sought: Vec<Sought>) -> Self {
        let hash = hash(&self.terms, &sought);
        Self { sought, hash, ..self }
    }

    /// What heads are asked for.
    pub fn sought(&self) -> &[Sought] {
        &self.sought
    }

    /// blake3 of what heads are asked for.
    pub fn sought_hash(&self) -> [u8; 32] {
        hash(&[], &self.sought)
    }

    /// The terms, by entity and type.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// blake3 of the terms: equal for equal vocabularies, whatever the order they were given in.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }
}

/// Every string goes in with its length, so that no two vocabularies share the bytes.
fn hash(terms: &[Term], sought: &[Sought]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let mut put = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    for term in terms {
        put(&term.entity);
        put(&term.entity_type);
        put(if term.by_encoding { "concept" } else { "name" });
        put(&term.surfaces.len().to_string());
        term.surfaces.iter().for_each(|surface| put(surface));
    }
    for Sought { entity_type, label } in sought {
        put(entity_type);
        put(&label.name);
        put(label.description.as_deref().unwrap_or(""));
    }
    *hasher.finalize().as_bytes()
}

/// What was last derived from a vocabulary, kept until another vocabulary comes.
#[derive(Debug)]
pub(crate) struct Derived<T>(Mutex<Option<([u8; 32], Arc<T>)>>);

impl<T> Default for Derived<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Derived<T> {
    /// The value for `vocabulary`, built when the last one was for another.
    pub(crate) fn get<E>(
        &self,
        vocabulary: &Vocabulary,
        build: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((hash, value)) = slot.as_ref()
            && *hash == vocabulary.hash()
        {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(build()?);
        *slot = Some((vocabulary.hash(), Arc::clone(&value)));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(entity: &str, surfaces: &[&str]) -> Term {
        let surfaces = surfaces.iter().map(|&s| s.to_owned()).collect();
        let (entity, entity_type) = (entity.to_owned(), "tag".to_owned());
        Term { entity, entity_type, surfaces, by_encoding: true }
    }

    #[test]
    fn order_and_repeats_do_not_matter() {
        let one = Vocabulary::new(vec![term("a", &["x", "y"]), term("b", &["z"])]);
        let two = Vocabulary::new(vec![
            term("b", &[" z ", "z"]),
            term("a", &["y"]),
            term("a", &["x", "  ", "!"]),
            term("none", &[""]),
        ]);
        assert_eq!(one, two);
        assert_eq!(one.hash(), two.hash());
    }

    #[test]
    fn hash_keeps_borders() {
        let one = Vocabulary::new(vec![term("ab", &["c"])]);
        let two = Vocabulary::new(vec![term("a", &["bc"])]);
        assert_ne!(one.hash(), two.hash());
    }

    #[test]
    fn derives_once_per_vocabulary() {
        let derived = Derived::default();
        let (one, two) = (Vocabulary::new(vec![term("a", &["x"])]), Vocabulary::new(vec![]));
        assert_eq!(*derived.get(&one, || Ok::<_, ()>(1)).unwrap(), 1);
        assert_eq!(*derived.get(&one, || Ok::<_, ()>(2)).unwrap(), 1);
        assert_eq!(*derived.get(&two, || Ok::<_, ()>(3)).unwrap(), 3);
        assert_eq!(derived.get(&one, || Err(4)).unwrap_err(), 4);
    }
}
