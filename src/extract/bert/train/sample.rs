//! Labelled texts become tokens, words and segments of known types.

use std::collections::BTreeSet;

use super::super::case::note_cases;
use super::super::encoder::Encoder;
use super::super::head::MAX_WIDTH;
use super::super::segment::{Allowed, Segment};
use super::super::tokens::{Token, Tokens};
use super::super::words::{Word, words};
use super::anchor::Anchor;
use crate::extract::ExtractError;
use crate::extract::label::Labelled;

/// A text made ready for training.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// Tokens between the two special ones.
    pub(super) tokens: Vec<Token>,
    /// First and last token of each word.
    pub(super) words: Vec<(usize, usize)>,
    /// Spans by position; `kind` counts the types of the set.
    pub(super) entities: Vec<Segment>,
    /// Head, tail and relation; the first two count `entities`, the last the relations of the set.
    pub(super) relations: Vec<(usize, usize, usize)>,
    pub(super) allowed: Allowed,
    /// Encodings that are to stay as they are.
    pub(super) anchor: Option<Anchor>,
}

/// A labelled file: its texts, and which of all types and relations it labels.
#[derive(Debug)]
pub(super) struct Set {
    /// Indices into the names of all sets.
    pub(super) types: Vec<usize>,
    pub(super) relations: Vec<usize>,
    pub(super) samples: Vec<Sample>,
    /// Labels that no sample could hold: over others, or too long.
    pub(super) left_out: usize,
}

/// Names in order of first appearance of each set, each once.
pub(super) fn names<'l>(
    sets: &'l [Vec<Labelled>],
    of: impl Fn(&'l Labelled) -> Vec<&'l str>,
) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for set in sets {
        let found: BTreeSet<&str> = set.iter().flat_map(&of).collect();
        let new: Vec<_> =
            found.into_iter().filter(|name| !names.iter().any(|known| known == name)).collect();
        names.extend(new.into_iter().map(str::to_owned));
    }
    names
}

/// The names of the types that a text is labelled with.
pub(super) fn types_of(labelled: &Labelled) -> Vec<&str> {
    labelled.entities.iter().map(|entity| entity.entity_type.as_str()).collect()
}

/// The names of the relations that a text is labelled with.
pub(super) fn relations_of(labelled: &Labelled) -> Vec<&str> {
    labelled.relations.iter().map(|relation| relation.relation.as_str()).collect()
}

impl Sample {
    /// The sample as it is labelled when only the types are asked for that `asked` says.
    pub(super) fn asked(&self, asked: &[bool]) -> Self {
        let place = |index: usize| {
            let before = self.entities[..index].iter().filter(|entity| asked[entity.kind]);
            asked[self.entities[index].kind].then(|| before.count())
        };
        let relations = self.relations.iter();
        let relations =
            relations.filter_map(|&(head, tail, kind)| Some((place(head)?, place(tail)?, kind)));
        let entities = self.entities.iter().filter(|entity| asked[entity.kind]).copied();
        Self { relations: relations.collect(), entities: entities.collect(), ..self.clone() }
    }
}

impl Set {
    /// Reads a labelled file with the encoder's tokens.
    ///
    /// `types` and `relations` are all known names; labels of others are left out.
    pub(super) fn new(
        encoder: &Encoder,
        labelled: &[Labelled],
        types: &[String],
        relations: &[String],
    ) -> Result<Self, ExtractError> {
        let used = |all: &[String], of: fn(&Labelled) -> Vec<&str>| -> Vec<usize> {
            let found: BTreeSet<&str> = labelled.iter().flat_map(of).collect();
            (0..all.len()).filter(|&index| found.contains(all[index].as_str())).collect()
        };
        let own_types = used(types, types_of);
        let own_relations = used(relations, relations_of);
        let texts: Vec<&str> = labelled.iter().map(|labelled| labelled.text.as_str()).collect();
        let tokens = encoder.tokenize(&texts)?;
        let mut set =
            Self { types: own_types, relations: own_relations, samples: Vec::new(), left_out: 0 };
        for (labelled, tokens) in labelled.iter().zip(tokens) {
            set.add(labelled, tokens, types, relations, encoder.windows().size);
        }
        Ok(set)
    }

    /// Adds a text, in pieces when it is longer than a window.
    fn add(
        &mut self,
        labelled: &Labelled,
        mut tokens: Tokens,
        types: &[String],
        relations: &[String],
        size: usize,
    ) {
        let all = words(&labelled.text, &tokens);
        note_cases(&labelled.text, &all, &mut tokens);
        let spans: Vec<Option<Segment>> = (labelled.entities.iter())
            .map(|entity| {
                let name = types.iter().position(|name| *name == entity.entity_type)?;
                let kind = self.types.iter().position(|&index| index == name)?;
                segment(&labelled.text, &all, entity.start, entity.end, kind)
            })
            .collect();
        let mut kept: Vec<Option<usize>> = vec![None; spans.len()];
        let mut order: Vec<usize> = (0..spans.len()).filter(|&at| spans[at].is_some()).collect();
        // The longer of two that overlap stays.
        order.sort_by_key(|&at| {
            spans[at].map(|span| (std::cmp::Reverse(span.last - span.first), span.first))
        });
        let mut taken = vec![false; all.len()];
        let mut chosen: Vec<(Segment, usize)> = Vec::new();
        for at in order {
            let Some(span) = spans[at] else { continue };
            let same = chosen
                .iter()
                .find(|(other, _)| (other.first, other.last) == (span.first, span.last));
            if let Some(&(_, index)) = same {
                kept[at] = Some(index);
            } else if !taken[span.first..=span.last].contains(&true) {
                taken[span.first..=span.last].fill(true);
                kept[at] = Some(chosen.len());
                chosen.push((span, chosen.len()));
            } else {
                self.left_out += 1;
            }
        }
        let relations: Vec<(usize, usize, usize)> = (labelled.relations.iter())
            .filter_map(|relation| {
                let name = relations.iter().position(|name| *name == relation.relation)?;
                let kind = self.relations.iter().position(|&index| index == name)?;
                Some((kept[relation.head]?, kept[relation.tail]?, kind))
            })
            .collect();
        let allowed = if labelled.complete { Allowed::Exactly } else { Allowed::AtLeast };
        let mut from = 0;
        while from < all.len() {
            let start = all[from].tokens.start;
            let fits =
                all[from..].iter().take_while(|word| word.tokens.end - start <= size).count();
            let to = from + fits.max(1);
            let inside: Vec<(Segment, usize)> = chosen
                .iter()
                .filter(|(span, _)| from <= span.first && span.last < to)
                .copied()
                .collect();
            let mut inside = inside;
            inside.sort_by_key(|(span, _)| span.first);
            let place = |index: usize| inside.iter().position(|&(_, other)| other == index);
            let end = all[to - 1].tokens.end.min(start + size);
            self.samples.push(Sample {
                tokens: tokens.read[start..end].to_vec(),
                words: (all[from..to].iter())
                    .map(|word| (word.tokens.start - start, word.tokens.end.min(end) - 1 - start))
                    .collect(),
                relations: (relations.iter())
                    .filter_map(|&(head, tail, kind)| Some((place(head)?, place(tail)?, kind)))
                    .collect(),
                entities: (inside.iter())
                    .map(|&(span, _)| Segment {
                        first: span.first - from,
                        last: span.last - from,
                        ..span
                    })
                    .collect(),
                allowed,
                anchor: None,
            });
            from = to;
        }
    }
}

/// The words that characters `start..end` touch, unless they are too many.
fn segment(text: &str, words: &[Word], start: usize, end: usize, kind: usize) -> Option<Segment> {
    let byte =
        |character: usize| text.char_indices().nth(character).map_or(text.len(), |(byte, _)| byte);
    let (from, to) = (byte(start), byte(end));
    let first = words.iter().position(|word| word.bytes.end > from)?;
    let last = words.iter().rposition(|word| word.bytes.start < to)?;
    (first <= last && last - first < MAX_WIDTH).then_some(Segment { first, last, kind })
}
