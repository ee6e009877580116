//! What surfaces, encodings and heads find in a text, as one extraction.

use super::super::span::SpanWalk;
use super::super::surface::{Match, resolve};
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

/// What the heads found in a text: mentions by position, and the relations between them.
///
/// `entity_type` names a type by its index in the question.
pub(super) fn tagged(
    text: &str,
    found: WindowFound,
    question: &Question,
    entity_type: impl Fn(usize) -> String,
) -> Extraction {
    // Two windows may disagree about a span at their border: the surer one stays.
    let spans = resolve(
        found.mentions,
        |found| (found.start, found.end),
        |a, b| b.confidence.total_cmp(&a.confidence).then(a.start.cmp(&b.start)),
    );
    let place = |bytes: &std::ops::Range<usize>| {
        let at =
            spans.binary_search_by_key(&(bytes.start, bytes.end), |found| (found.start, found.end));
        at.ok()
    };
    let relations = found.relations.iter().filter_map(|(head, tail, kind, confidence)| {
        let relation = question.relations[*kind].clone();
        let (head, tail) = (place(head)?, place(tail)?);
        Some(RelationMention { head, tail, relation, confidence: *confidence })
    });
    let relations = relations.collect();
    let mut walk = SpanWalk::new(text);
    let mentions = spans.iter().map(|found| Mention {
        span: walk.span(found.start, found.end),
        surface: text[found.start..found.end].to_owned(),
        entity_type: entity_type(found.kind),
        entity: None,
        confidence: found.confidence,
        method: Method::Model,
    });
    Extraction { mentions: mentions.collect(), relations }
}

/// Terms that a text names and what the heads found in it, as mentions that do not overlap.
///
/// Terms go first, in the order of `named`: a span of the heads that gives way to one stands for it
/// in relations.
pub(super) fn collected(
    text: &str,
    vocabulary: &Vocabulary,
    named: impl Iterator<Item = Named>,
    tagged: Extraction,
) -> Extraction {
    let mut terms: Vec<Named> = Vec::new();
    for named in named {
        let at = terms.partition_point(|other| other.end <= named.start);
        if terms.get(at).is_none_or(|other| other.start >= named.end) {
            terms.insert(at, named);
        }
    }
    let mut walk = SpanWalk::new(text);
    let mut mentions: Vec<Mention> = (terms.iter())
        .map(|named| {
            let term = &vocabulary.terms()[named.term];
            Mention {
                span: walk.span(named.start, named.end),
                surface: text[named.start..named.end].to_owned(),
                entity_type: term.entity_type.clone(),
                entity: Some(term.entity.clone()),
                confidence: named.confidence,
                method: named.method,
            }
        })
        .collect();
    let overlapping = |mentions: &[Mention], mention: &Mention| {
        let at = mentions.partition_point(|other| other.span.byte_end <= mention.span.byte_start);
        mentions.get(at).filter(|other| other.span.overlaps(&mention.span)).map(|_| at)
    };
    let free = tagged.mentions.iter().filter(|mention| overlapping(&mentions, mention).is_none());
    let free: Vec<Mention> = free.cloned().collect();
    mentions.extend(free);
    mentions.sort_by_key(|mention| mention.span);
    let mut relations: Vec<RelationMention> = Vec::new();
    for RelationMention { head, tail, relation, confidence } in tagged.relations {
        let ends = [head, tail].map(|end| overlapping(&mentions, &tagged.mentions[end]));
        let [Some(head), Some(tail)] = ends else { continue };
        let same = |r: &RelationMention| (r.head, r.tail, &r.relation) == (head, tail, &relation);
        if head != tail && !relations.iter().any(same) {
            relations.push(RelationMention { head, tail, relation, confidence });
        }
    }
    Extraction { mentions, relations }
}
