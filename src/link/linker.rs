//! Which entity each mention of a text names.

use std::cell::OnceCell;
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
    /// Built when the first mention without an entity asks for it.
    table: OnceCell<AliasTable>,
    encoder: Option<(&'v GraphStore, &'v dyn Encode)>,
    /// The spellings of each type that was asked for.
    encoded: BTreeMap<String, Vec<Row>>,
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
        let table = OnceCell::new();
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
        let phrase = (mention.entity_type.clone(), normal_form(&mention.surface));
        let link = if !self.schema.names_entities(&mention.entity_type) {
            Link::Nil
        } else if let Some(place) = self.table().find(&mention.entity_type, &mention.surface) {
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
            .filter(|mention| self.table().find(&mention.entity_type, &mention.surface).is_none())
            .map(|mention| (mention.entity_type.clone(), normal_form(&mention.surface)));
        // All spellings of one form are encoded as one, so that they cannot part here.
        let phrases: Vec<(String, String)> = unknown
            .collect::<BTreeSet<_>>()
            .into_iter()
            .filter(|(entity_type, form)| self.has(entity_type) && encoder.reads(form))
            .collect();
        let forms: Vec<&str> = phrases.iter().map(|(_, form)| form.as_str()).collect();
        let vectors = encodings(store, encoder, &forms)?;
        for (phrase, vector) in phrases.into_iter().zip(vectors) {
            let names = !self.schema.by_encoding(&phrase.0);
            let terms = self.terms(&phrase.0, store, encoder)?;
            if let Some(found) =
                nearest((phrase.1.as_str(), vector.as_slice()), terms, names, encoder)
            {
                near.insert(phrase, found);
            }
        }
        Ok(near)
    }

    fn table(&self) -> &AliasTable {
        self.table.get_or_init(|| AliasTable::new(self.vocabulary))
    }

    fn has(&self, entity_type: &str) -> bool {
        self.table().forms(entity_type).next().is_some()
    }

    fn terms(
        &mut self,
        entity_type: &str,
        store: &GraphStore,
        encoder: &dyn Encode,
    ) -> Result<&[Row], LinkError> {
        if !self.encoded.contains_key(entity_type) {
            let scripts: BTreeSet<(usize, bool)> = self
                .table()
                .forms(entity_type)
                .map(|(place, form)| (place, is_latin(form)))
                .collect();
            let forms = self.table().forms(entity_type);
            let forms: Vec<_> = forms.filter(|(_, form)| encoder.reads(form)).collect();
            let phrases: Vec<&str> = forms.iter().map(|(_, form)| *form).collect();
            let vectors = encodings(store, encoder, &phrases)?;
            let row = |((place, form), vector): (&(usize, &str), Vec<f32>)| {
                let latin = is_latin(form);
                Row { place: *place, latin, both: scripts.contains(&(*place, !latin)), vector }
            };
            let rows = forms.iter().zip(vectors).map(row).collect();
            self.encoded.insert(entity_type.to_owned(), rows);
        }
        Ok(self.encoded.get(entity_type).map_or(&[], Vec::as_slice))
    }
}

/// A spelling of a term.
struct Row {
    /// The term's place in the vocabulary.
    place: usize,
    latin: bool,
    /// Is the term also written in the other script?
    both: bool,
    vector: Vec<f32>,
}

/// Type and normal form to the place of a term and the cosine.
type Nearest = BTreeMap<(String, String), (usize, f32)>;

/// The term that lies nearest above the cosine at which the encoder takes two for one; of equals the
/// first. Names are found by their letters, and by encoding only where letters say nothing: across
/// scripts, when the term has no spelling in the phrase's own.
fn nearest(
    (form, vector): (&str, &[f32]),
    rows: &[Row],
    names: bool,
    encoder: &dyn Encode,
) -> Option<(usize, f32)> {
    let latin = is_latin(form);
    let mut best: Option<(usize, f32, f32)> = None;
    for row in rows {
        let across = row.latin != latin;
        let Some(same) = encoder.same(across).filter(|_| !names || (across && !row.both)) else {
            continue;
        };
        let score = cosine(vector, &row.vector);
        let above = score - same;
        // Cosines across scripts are lower: what counts is how far each is above its own mark.
        if above >= 0.0 && best.is_none_or(|(.., kept)| above > kept) {
            best = Some((row.place, score, above));
        }
    }
    best.map(|(place, score, _)| (place, score))
}

/// Is every letter Latin?
pub(super) fn is_latin(text: &str) -> bool {
    text.chars().filter(|c| c.is_alphabetic()).all(|c| {
        c < '\u{250}'
            || ('\u{1e00}'..'\u{1f00}').contains(&c)
            || ('\u{ff21}'..='\u{ff5a}').contains(&c)
    })
}
