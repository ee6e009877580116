//! The trained heads at work: the states of a window become mentions and relations.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use candle_core::{Device, Result, Tensor};

use super::super::{ExtractError, TypeName};
use super::encoder::{Encoder, normalize};
use super::head::{self, Pair, RELATION_SIZE, TYPE_SIZE, WordStates};
use super::labels::Labels;
use super::segment::Segment;
use super::weights::compute;
use super::window::Window;
use super::words::Word;

/// Pairs of mentions of a window that are looked at, at most; the nearest go first.
const MAX_PAIRS: usize = 4000;

/// Added to the scores of types that were never trained. Beside types with examples they score too low:
/// a writer is taken for a person, which the model has seen more of.
///
/// # Source
/// Of 0, 1.5, 2.5, 3.5 and 4.5 the one with the best mean F1 over the types of the development texts of
/// `CrossNER` music and literature, for a model that was trained on neither.
const UNSEEN: f32 = 2.5;

/// The heads of a model.
#[derive(Debug)]
pub(super) struct Tagger {
    labels: Labels,
    parameters: HashMap<String, Tensor>,
}

/// What is looked for: types by their vectors, and the relations between them.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) types: Vec<String>,
    /// Those of the types that were never trained, by index.
    unseen: Vec<usize>,
    /// `[types, TYPE_SIZE]`.
    type_vectors: Tensor,
    /// Names of the relations that can hold between types asked for.
    pub(super) relations: Vec<String>,
    /// `[relations, RELATION_SIZE]` and `[relations]`.
    relation_vectors: (Tensor, Tensor),
    /// Type of the head, relation, type of the tail, by index.
    signatures: BTreeSet<(usize, usize, usize)>,
}

/// A span with its type and confidence, by bytes of the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: usize,
    pub(super) confidence: f32,
}

/// What a window says: mentions, and relations between two byte ranges.
#[derive(Debug, Default)]
pub(super) struct WindowFound {
    pub(super) mentions: Vec<Found>,
    /// Head, tail, relation and confidence.
    pub(super) relations: Vec<(Range<usize>, Range<usize>, usize, f32)>,
}

impl Tagger {
    pub(super) fn new(labels: Labels, parameters: HashMap<String, Tensor>) -> Self {
        Self { labels, parameters }
    }

    pub(super) fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Makes the vectors of `types`; those that were trained have an offset of their own.
    pub(super) fn question(
        &self,
        encoder: &Encoder,
        types: &[TypeName],
    ) -> std::result::Result<Question, ExtractError> {
        let known = |all: &[String], name: &str| all.iter().position(|other| other == name);
        let indices: Vec<Option<usize>> =
            types.iter().map(|name| known(&self.labels.types, &name.name)).collect();
        let place = |index: usize| indices.iter().position(|&other| other == Some(index));
        let mut relations: Vec<usize> = Vec::new();
        let mut signatures = BTreeSet::new();
        for &(head, relation, tail) in &self.labels.signatures {
            let (Some(head), Some(tail)) = (place(head), place(tail)) else { continue };
            let at = relations.iter().position(|&other| other == relation).unwrap_or_else(|| {
                relations.push(relation);
                relations.len() - 1
            });
            signatures.insert((head, at, tail));
        }
        // Of a type that was trained, the name has said enough.
        let described: Vec<TypeName> = (types.iter().zip(&indices))
            .map(|(name, index)| match index {
                Some(_) => TypeName::new(&name.name),
                None => name.clone(),
            })
            .collect();
        let names = Self::encodings(encoder, &described)?;
        let type_vectors = self.vectors("type", TYPE_SIZE, &names, &indices).map_err(compute)?;
        let unseen = (0..types.len()).filter(|&kind| indices[kind].is_none()).collect();
        let relation_names: Vec<TypeName> =
            (relations.iter()).map(|&index| TypeName::new(&self.labels.relations[index])).collect();
        let names = Self::encodings(encoder, &relation_names)?;
        let indices: Vec<Option<usize>> = relations.iter().copied().map(Some).collect();
        let vectors = self.vectors("relation", RELATION_SIZE, &names, &indices).map_err(compute)?;
        let thresholds = self.parameter("relation.threshold").and_then(|all| all.to_vec1::<f32>());
        let thresholds = thresholds.map_err(compute)?;
        let thresholds: Vec<f32> = relations.iter().map(|&index| thresholds[index]).collect();
        let thresholds = Tensor::new(thresholds, &Device::Cpu).map_err(compute)?;
        Ok(Question {
            types: types.iter().map(|name| name.name.clone()).collect(),
            unseen,
            type_vectors,
            relations: relation_names.into_iter().map(|name| name.name).collect(),
            relation_vectors: (vectors, thresholds),
            signatures,
        })
    }

    /// `[names, hidden]`: the encoding of each name, and of its description where there is one.
    fn encodings(
        encoder: &Encoder,
        names: &[TypeName],
    ) -> std::result::Result<Tensor, ExtractError> {
        let written: Vec<String> = names.iter().map(|name| encoder.name(&name.name)).collect();
        let written: Vec<&str> = written.iter().map(String::as_str).collect();
        let described: Vec<&str> =
            names.iter().map(|name| name.description.as_deref().unwrap_or("")).collect();
        let mut rows = encoder.encode(&written)?;
        for ((row, more), description) in
            rows.iter_mut().zip(encoder.encode(&described)?).zip(described)
        {
            if !description.is_empty() {
                row.iter_mut().zip(more).for_each(|(value, more)| *value += more);
                normalize(row);
            }
        }
        let shape = (rows.len(), encoder.hidden_size());
        Tensor::from_vec(rows.concat(), shape, &Device::Cpu).map_err(compute)
    }

    fn parameter(&self, name: &str) -> Result<Tensor> {
        match self.parameters.get(name) {
            Some(tensor) => Ok(tensor.clone()),
            None => candle_core::bail!("no parameter {name}"),
        }
    }

    fn vectors(
        &self,
        kind: &str,
        size: usize,
        names: &Tensor,
        indices: &[Option<usize>],
    ) -> Result<Tensor> {
        let table = self.parameter(&format!("{kind}.offset"))?.flatten_all()?.to_vec1::<f32>()?;
        let mut offsets = vec![0f32; indices.len() * size];
        for (row, index) in offsets.chunks_exact_mut(size).zip(indices) {
            if let Some(index) = index {
                row.copy_from_slice(&table[index * size..][..size]);
            }
        }
        let offsets = Tensor::from_vec(offsets, (indices.len(), size), &Device::Cpu)?;
        if indices.is_empty() {
            return Ok(offsets);
        }
        head::vectors(&|name| self.parameter(name), kind, names, &offsets)
    }

    /// What the words of a window name, of what begins among the words that the window owns.
    ///
    /// `words` are those of the whole text; `states` is `[tokens + 2, hidden]`, row-major.
    pub(super) fn read(
        &self,
        question: &Question,
        words: &[Word],
        window: &Window,
        states: &[f32],
    ) -> Result<WindowFound> {
        let from = words.partition_point(|word| word.tokens.start < window.start);
        let to = words.partition_point(|word| word.tokens.end <= window.end);
        let words = &words[from.min(to)..to];
        if words.is_empty() || question.types.is_empty() {
            return Ok(WindowFound::default());
        }
        let hidden = states.len() / (window.end - window.start + 2);
        let rows = |token: &dyn Fn(&Word) -> usize| {
            let mut values = Vec::with_capacity(words.len() * hidden);
            for word in words {
                values.extend_from_slice(
                    &states[(token(word) + 1 - window.start) * hidden..][..hidden],
                );
            }
            Tensor::from_vec(values, (words.len(), hidden), &Device::Cpu)
        };
        let states = WordStates {
            first: rows(&|word| word.tokens.start)?,
            last: rows(&|word| word.tokens.end - 1)?,
        };
        let get = |name: &str| self.parameter(name);
        let scores = head::span_scores(&get, &states, &question.type_vectors)?;
        let mut potentials = scores.of(0, words.len())?;
        for &kind in &question.unseen {
            potentials.add_to(kind, UNSEEN);
        }
        let spans = potentials.decode(self.labels.temperature);
        let owns = |segment: &Segment| {
            let token = words[segment.first].tokens.start;
            (window.own_start..window.own_end).contains(&token)
        };
        let bytes = |span: &Segment| words[span.first].bytes.start..words[span.last].bytes.end;
        let mentions =
            spans.iter().filter(|(segment, _)| owns(segment)).map(|(segment, confidence)| {
                let Range { start, end } = bytes(segment);
                Found { start, end, kind: segment.kind, confidence: *confidence }
            });
        let mut found = WindowFound { mentions: mentions.collect(), relations: Vec::new() };
        let segments: Vec<Segment> = spans.iter().map(|(segment, _)| *segment).collect();
        let pairs = pairs(question, &segments, owns);
        if pairs.is_empty() {
            return Ok(found);
        }
        let (vectors, thresholds) = &question.relation_vectors;
        let types = &question.type_vectors;
        let both = (vectors, thresholds);
        let scores = head::relation_scores(&get, &states, &segments, &pairs, types, both)?;
        for (&(head, tail), scores) in pairs.iter().zip(scores.to_vec2::<f32>()?) {
            for (kind, score) in scores.into_iter().enumerate() {
                let signature = (segments[head].kind, kind, segments[tail].kind);
                if score > self.labels.relation_threshold
                    && question.signatures.contains(&signature)
                {
                    let chance = 1.0 / (1.0 + (-score / self.labels.temperature).exp());
                    found.relations.push((
                        bytes(&segments[head]),
                        bytes(&segments[tail]),
                        kind,
                        chance,
                    ));
                }
            }
        }
        Ok(found)
    }
}

/// Pairs of spans whose types some relation joins, the first of which the window owns.
fn pairs(question: &Question, spans: &[Segment], owns: impl Fn(&Segment) -> bool) -> Vec<Pair> {
    let types: BTreeSet<(usize, usize)> =
        question.signatures.iter().map(|&(head, _, tail)| (head, tail)).collect();
    let mut pairs: Vec<Pair> = (0..spans.len())
        .flat_map(|head| (0..spans.len()).map(move |tail| (head, tail)))
        .filter(|&(head, tail)| head != tail && owns(&spans[head.min(tail)]))
        .filter(|&(head, tail)| types.contains(&(spans[head].kind, spans[tail].kind)))
        .collect();
    pairs.sort_by_key(|&(head, tail)| (head.abs_diff(tail), head, tail));
    pairs.truncate(MAX_PAIRS);
    pairs
}
