//! Which entity each mention of a text names.

use std::collections::{BTreeMap, BTreeSet};

use super::alias::{AliasTable, normal_form};
use super::encoding::cosine;
use super::{LinkError, encodings};
use crate::event::{MAX_NAME_BYTES, entity_name};
use crate::extract::{Encode, Extraction, Mention, Vocabulary};
use crate::schema::Schema;
use crate::store::GraphStore;

/// How a mention came by its entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Link {
    /// The extractor named it.
    Extractor,
    /// A term or an alias of its type is written so.
    Alias,
    /// The encoding of a term lies near enough.
    Encoding,
    /// Nothing known is meant: it is an entity of its own.
    New,
    /// It has none.
    Nil,
}

impl Link {
    /// How evidence names a mention found by `method` and linked so.
    pub fn method(self, method: &str) -> String {
        match self {
            Self::Extractor | Self::Nil => method.to_owned(),
            Self::Alias => format!("{method}:alias"),
            Self::Encoding => format!("{method}:encoding"),
            Self::New => format!("{method}:new"),
        }
    }
}

/// A mention with what it names.
#[derive(Clone, Debug, PartialEq)]
pub struct Linked {
    /// The mention; `entity` is `None` where it names nothing that the graph should know.
    pub mention: Mention,
    /// How it came by its entity.
    pub link: Link,
}

/// Links mentions by one vocabulary.
pub struct Linker<'v> {
    schema: &'v Schema,
    vocabulary: &'v Vocabulary,
    table: AliasTable,
    encoder: Option<(&'v GraphStore, &'v dyn Encode)>,
    /// By type: places of terms, and the encoding of each of their spellings.
    encoded: BTreeMap<String, Vec<(usize, Vec<f32>)>>,
}

impl<'v> Linker<'v> {
    /// A linker to the terms of `vocabulary` and, with an encoder, to what is near them; `store`
    /// keeps the encodings.
    pub fn new(
        schema: &'v Schema,
        vocabulary: &'v Vocabulary,
        store: &'v GraphStore,
        encoder: Option<&'v dyn Encode>,
    ) -> Self {
        let encoder = encoder.map(|encoder| (store, encoder));
        let table = AliasTable::new(vocabulary);
        Self { schema, vocabulary, table, encoder, encoded: BTreeMap::new() }
    }

    /// The mentions of each extraction with what they name, in order.
    ///
    /// # Errors
    /// Those of the encoder, and of the store that keeps the encodings.
    pub fn link(&mut self, found: &[Extraction]) -> Result<Vec<Vec<Linked>>, LinkError> {
        let near = self.near(found)?;
        let linked = |mention: &Mention| self.linked(mention.clone(), &near);
        Ok(found.iter().map(|found| found.mentions.iter().map(linked).collect()).collect())
    }

    fn linked(&self, mut mention: Mention, near: &Nearest) -> Linked {
        let term = |place: usize| self.vocabulary.terms()[place].entity.clone();
        if mention.entity.is_some() {
            return Linked { mention, link: Link::Extractor };
        }
        let phrase = (mention.entity_type.clone(), mention.surface.clone());
        let link = if !self.schema.names_entities(&mention.entity_type) {
            Link::Nil
        } else if let Some(place) = self.table.find(&mention.entity_type, &mention.surface) {
            mention.entity = Some(term(place));
            Link::Alias
        } else if let Some((place, score)) = near.get(&phrase) {
            mention.entity = Some(term(*place));
            // Two chances: that the span is a mention, and that it means the term.
            mention.confidence *= score.clamp(0.0, 1.0);
            Link::Encoding
        } else {
            mention.entity = self.new_entity(&mention);
            if mention.entity.is_some() { Link::New } else { Link::Nil }
        };
        Linked { mention, link }
    }

    /// The name of an entity of the mention's own.
    fn new_entity(&self, mention: &Mention) -> Option<String> {
        let form = normal_form(&mention.surface);
        let sure = mention.confidence >= self.schema.link.min_new_confidence;
        let name = entity_name(&mention.entity_type, &form);
        let good = sure && !form.is_empty() && !mention.entity_type.is_empty();
        (good && name.len() <= MAX_NAME_BYTES).then_some(name)
    }

    /// The nearest term of each phrase that no spelling names, where it is near enough.
    fn near(&mut self, found: &[Extraction]) -> Result<Nearest, LinkError> {
        let mut near = Nearest::new();
        let Some((store, encoder)) = self.encoder else { return Ok(near) };
        let mentions = found.iter().flat_map(|found| &found.mentions).filter(|mention| {
            mention.entity.is_none() && self.schema.names_entities(&mention.entity_type)
        });
        let unknown = mentions
            .filter(|mention| self.table.find(&mention.entity_type, &mention.surface).is_none())
            .map(|mention| (mention.entity_type.as_str(), mention.surface.as_str()));
        let phrases: Vec<(&str, &str)> =
            unknown.collect::<BTreeSet<_>>().into_iter().filter(|(t, _)| self.has(t)).collect();
        let surfaces: Vec<&str> = phrases.iter().map(|(_, surface)| *surface).collect();
        let vectors = encodings(store, encoder, &surfaces)?;
        for ((entity_type, surface), vector) in phrases.into_iter().zip(vectors) {
            let terms = self.terms(entity_type, store, encoder)?;
            if let Some((place, score)) = nearest(&vector, terms, encoder.same())
                && self.may_mean(entity_type, surface, place)
            {
                near.insert((entity_type.to_owned(), surface.to_owned()), (place, score));
            }
        }
        Ok(near)
    }

    fn has(&self, entity_type: &str) -> bool {
        self.table.spellings(entity_type).next().is_some()
    }

    fn terms(
        &mut self,
        entity_type: &str,
        store: &GraphStore,
        encoder: &dyn Encode,
    ) -> Result<&[(usize, Vec<f32>)], LinkError> {
        if !self.encoded.contains_key(entity_type) {
            let (places, surfaces): (Vec<usize>, Vec<&str>) =
                self.table.spellings(entity_type).unzip();
            let vectors = encodings(store, encoder, &surfaces)?;
            let rows = places.into_iter().zip(vectors).collect();
            self.encoded.insert(entity_type.to_owned(), rows);
        }
        Ok(self.encoded.get(entity_type).map_or(&[], Vec::as_slice))
    }

    /// Names are found by their letters, and letters say nothing across scripts.
    fn may_mean(&self, entity_type: &str, surface: &str, place: usize) -> bool {
        let surfaces = &self.vocabulary.terms()[place].surfaces;
        self.schema.by_encoding(entity_type)
            || surfaces.iter().all(|known| is_latin(known) != is_latin(surface))
    }
}

/// Type and surface to the place of a term and the cosine.
type Nearest = BTreeMap<(String, String), (usize, f32)>;

/// The term nearest to `vector`, when it is at least as near as `same`; of equals the first.
fn nearest(vector: &[f32], terms: &[(usize, Vec<f32>)], same: f32) -> Option<(usize, f32)> {
    let scored = terms.iter().map(|(place, term)| (*place, cosine(vector, term)));
    let best = scored.reduce(|best, next| {
        if next.1.total_cmp(&best.1).then(best.0.cmp(&next.0)).is_gt() { next } else { best }
    });
    best.filter(|(_, score)| *score >= same)
}

/// Is every letter Latin?
pub(super) fn is_latin(text: &str) -> bool {
    text.chars().filter(|c| c.is_alphabetic()).all(|c| {
        c < '\u{250}'
            || ('\u{1e00}'..'\u{1f00}').contains(&c)
            || ('\u{ff21}'..='\u{ff5a}').contains(&c)
    })
}
