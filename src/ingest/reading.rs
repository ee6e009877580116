//! Texts through an extractor: each text once, and what its model read in it kept by the store.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::IngestError;
use crate::extract::{
    Extraction, Extractor, Mention, Method, ReadFirst, RelationMention, Span, Vocabulary,
};
use crate::store::{Cached, CachedText, GraphStore};

/// Texts whose extraction one run remembers.
const REMEMBERED: usize = 65_536;

/// An extractor with one vocabulary, for one run over many texts.
pub(super) struct Reading<'a> {
    store: &'a GraphStore,
    extractor: &'a dyn Extractor,
    vocabulary: &'a Vocabulary,
    remembered: HashMap<[u8; 32], Extraction>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        store: &'a GraphStore,
        extractor: &'a dyn Extractor,
        vocabulary: &'a Vocabulary,
    ) -> Self {
        Self { store, extractor, vocabulary, remembered: HashMap::new() }
    }

    /// One extraction per text, in order.
    ///
    /// # Errors
    /// Those of the extractor, and of the store that keeps its readings.
    pub(super) fn extract(&mut self, texts: &[&str]) -> Result<Vec<Extraction>, IngestError> {
        let hash = |text: &&str| *blake3::hash(text.as_bytes()).as_bytes();
        let hashes: Vec<[u8; 32]> = texts.iter().map(hash).collect();
        let mut wanted: HashMap<[u8; 32], usize> = HashMap::new();
        let mut new = Vec::new();
        for (hash, text) in hashes.iter().zip(texts) {
            if !self.remembered.contains_key(hash) && !wanted.contains_key(hash) {
                wanted.insert(*hash, new.len());
                new.push(*text);
            }
        }
        let found = match self.extractor.read_first(self.vocabulary) {
            Some(first) => {
                let readings = self.readings(first, &new)?;
                first.complete(&new, readings, self.vocabulary)?
            }
            None => self.extractor.extract(&new, self.vocabulary)?,
        };
        let answer = |hash: &[u8; 32]| match (self.remembered.get(hash), wanted.get(hash)) {
            (Some(known), _) => known.clone(),
            (None, Some(&place)) => found.get(place).cloned().unwrap_or_default(),
            (None, None) => Extraction::default(),
        };
        let answers = hashes.iter().map(answer).collect();
        for (hash, place) in wanted {
            if self.remembered.len() < REMEMBERED {
                self.remembered.insert(hash, found.get(place).cloned().unwrap_or_default());
            }
        }
        Ok(answers)
    }

    /// What the model reads in each text; what it read before is looked up.
    fn readings(
        &self,
        first: &dyn ReadFirst,
        texts: &[&str],
    ) -> Result<Vec<Extraction>, IngestError> {
        let sought = blake3::Hash::from_bytes(self.vocabulary.sought_hash());
        let version = format!("{} {sought}", self.extractor.version());
        let place = |text: &&str| CachedText::new(Cached::Reading, text, &version);
        let places: Vec<CachedText> = texts.iter().map(place).collect();
        let kept = self.store.cached(&places)?;
        let mut found: Vec<Option<Extraction>> =
            kept.iter().zip(texts).map(|(bytes, text)| parse(bytes.as_deref()?, text)).collect();
        let missing: Vec<usize> = (0..texts.len()).filter(|&at| found[at].is_none()).collect();
        let unread: Vec<&str> = missing.iter().map(|&at| texts[at]).collect();
        if !unread.is_empty() {
            let read = first.read(&unread, self.vocabulary.sought())?;
            let bytes = read.iter().map(format);
            self.store.keep(missing.iter().map(|&at| places[at]).zip(bytes).collect())?;
            for (at, extraction) in missing.into_iter().zip(read) {
                found[at] = Some(extraction);
            }
        }
        Ok(found.into_iter().map(Option::unwrap_or_default).collect())
    }
}

/// Start and end.
type Range = (u32, u32);

/// An extraction without the text's own words.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Bytes, characters, type, confidence.
    mentions: Vec<(Range, Range, String, f32)>,
    /// Head, tail, relation, confidence.
    relations: Vec<(u32, u32, String, f32)>,
}

fn format(found: &Extraction) -> Vec<u8> {
    let mentions = found.mentions.iter().map(|mention| {
        let span = mention.span;
        let (bytes, chars) = ((span.byte_start, span.byte_end), (span.char_start, span.char_end));
        (bytes, chars, mention.entity_type.clone(), mention.confidence)
    });
    let relations = found.relations.iter().map(|relation| {
        let RelationMention { head, tail, relation, confidence } = relation;
        (*head as u32, *tail as u32, relation.clone(), *confidence)
    });
    let kept = Kept { mentions: mentions.collect(), relations: relations.collect() };
    postcard::to_stdvec(&kept).unwrap_or_default()
}

fn parse(bytes: &[u8], text: &str) -> Option<Extraction> {
    let kept: Kept = postcard::from_bytes(bytes).ok()?;
    let mention = |(bytes, chars, entity_type, confidence): (Range, Range, String, f32)| {
        let span =
            Span { byte_start: bytes.0, byte_end: bytes.1, char_start: chars.0, char_end: chars.1 };
        let surface = span.slice(text).to_owned();
        Mention { span, surface, entity_type, entity: None, confidence, method: Method::Model }
    };
    let relation = |(head, tail, relation, confidence): (u32, u32, String, f32)| RelationMention {
        head: head as usize,
        tail: tail as usize,
        relation,
        confidence,
    };
    Some(Extraction {
        mentions: kept.mentions.into_iter().map(mention).collect(),
        relations: kept.relations.into_iter().map(relation).collect(),
    })
}
