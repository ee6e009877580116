//! What surfaces, encodings and heads find in a text, as one extraction.

use super::super::span::SpanWalk;
use super::super::surface::Match;
use super::super::{Extraction, Mention, Method, RelationMention, Vocabulary};
use super::tagger::{Question, WindowFound};

/// A place where a term is named.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Index of the term.
    pub(super) term: usize,
    pub(super) confidence: f32,
    pub(super) method: Method,
}

impl Match {
    /// What it names.
    pub(super) fn named(&self) -> Named {
        let Self { start, end, term, confidence } = *self;
        Named { start, end, term, confidence, method: Method::Surface }
    }
}

/// A mention before its span is counted in characters.
#[derive(Debug)]
struct Place {
    start: usize,
    end: usize,
    entity_type: String,
    entity: Option<String>,
    confidence: f32,
    method: Method,
}

/// Mentions that do not overlap: what came first stays.
#[derive(Debug, Default)]
pub(super) struct Collected(Vec<Place>);

impl Collected {
    /// Adds what terms are named.
    pub(super) fn add_terms(&mut self, vocabulary: &Vocabulary, named: impl Iterator<Item = Named>) {
        self.add(named.map(|named| {
            let term = &vocabulary.terms()[named.term];
            Place {
                start: named.start,
                end: named.end,
                entity_type: term.entity_type.clone(),
                entity: Some(term.entity.clone()),
                confidence: named.confidence,
                method: named.method,
            }
        }));
    }

    /// Adds what the heads found, the surest first; `entity_type` names a type by its index.
    pub(super) fn add_tagged(&mut self, found: &WindowFound, entity_type: impl Fn(usize) -> String) {
        let mut order: Vec<_> = found.mentions.iter().collect();
        order.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then(a.start.cmp(&b.start)));
        for found in order {
            self.add(std::iter::once(Place {
                start: found.start,
                end: found.end,
                entity_type: entity_type(found.kind),
                entity: None,
                confidence: found.confidence,
                method: Method::Model,
            }));
        }
    }

    fn add(&mut self, places: impl Iterator<Item = Place>) {
        for place in places {
            let at = self.0.partition_point(|other| other.end <= place.start);
            if self.0.get(at).is_none_or(|other| other.start >= place.end) {
                self.0.insert(at, place);
            }
        }
    }

    /// The mentions by position, and the relations of `found` between them: a span of the heads that
    /// gave way to a term stands for that term.
    pub(super) fn into_extraction(
        self,
        text: &str,
        found: &WindowFound,
        question: Option<&Question>,
    ) -> Extraction {
        let mut relations: Vec<RelationMention> = Vec::new();
        for (head, tail, kind, confidence) in &found.relations {
            let (Some(head), Some(tail)) = (self.place(head.start, head.end), self.place(tail.start, tail.end)) else {
                continue;
            };
            let Some(question) = question.filter(|_| head != tail) else { continue };
            let relation = question.relations[*kind].clone();
            let known = relations.iter().any(|r| (r.head, r.tail, &r.relation) == (head, tail, &relation));
            if !known {
                relations.push(RelationMention { head, tail, relation, confidence: *confidence });
            }
        }
        relations.sort_by(|a, b| (a.head, a.tail, &a.relation).cmp(&(b.head, b.tail, &b.relation)));
        let mut walk = SpanWalk::new(text);
        let mentions = self.0.into_iter().map(|place| Mention {
            span: walk.span(place.start, place.end),
            surface: text[place.start..place.end].to_owned(),
            entity_type: place.entity_type,
            entity: place.entity,
            confidence: place.confidence,
            method: place.method,
        });
        Extraction { mentions: mentions.collect(), relations }
    }

    /// The first mention that shares a byte with `start..end`.
    fn place(&self, start: usize, end: usize) -> Option<usize> {
        let at = self.0.partition_point(|place| place.end <= start);
        self.0.get(at).filter(|place| place.start < end).map(|_| at)
    }
}
