//! The two heads on top of the encoder: spans by the names of their types, and relations.
//!
//! The same code serves training and extraction: parameters come by name, from variables or from
//! a file. A type's vector is a projection of the encoding of its name, so that a type nobody has
//! labelled can be asked for; a type that was trained adds an offset of its own, which is worth
//! several points of F1 where there are examples.

use candle_core::{D, Device, Result, Tensor};

use super::ops::{gelu, linear, with};
use super::segment::{Potentials, Segment};

/// Numbers in a type's vector.
pub(super) const TYPE_SIZE: usize = 128;
/// Numbers in the vectors that pair the first with the last word of a span.
pub(super) const PAIR_SIZE: usize = 64;
/// Numbers in the state of a pair of spans, and in a relation's vector.
pub(super) const RELATION_SIZE: usize = 256;
/// Words of a span, at most.
pub(super) const MAX_WIDTH: usize = 32;
/// How far two spans lie apart, in words, by class: before and after.
const DISTANCES: [usize; 7] = [0, 1, 2, 4, 8, 16, 32];
/// Classes of distance: each of [`DISTANCES`] in both orders.
pub(super) const N_DISTANCES: usize = 2 * DISTANCES.len();

/// Gives a parameter by its name.
pub(super) type Parameters<'p> = &'p dyn Fn(&str) -> Result<Tensor>;

/// Name and shape of every parameter of the heads, for encoders with states of `hidden` numbers,
/// `n_types` known types and `n_relations` known relations.
pub(super) fn shapes(
    hidden: usize,
    n_types: usize,
    n_relations: usize,
) -> Vec<(&'static str, Vec<usize>)> {
    let mut shapes = Vec::new();
    let mut linear = |weight, bias, to: usize, from: usize| {
        shapes.push((weight, vec![to, from]));
        shapes.push((bias, vec![to]));
    };
    linear("span.start.weight", "span.start.bias", TYPE_SIZE, hidden);
    linear("span.inside.weight", "span.inside.bias", TYPE_SIZE, hidden);
    linear("span.end.weight", "span.end.bias", TYPE_SIZE, hidden);
    linear("span.query.weight", "span.query.bias", PAIR_SIZE, hidden);
    linear("span.key.weight", "span.key.bias", PAIR_SIZE, hidden);
    linear("type.name.weight", "type.name.bias", TYPE_SIZE, hidden);
    let ends = 2 * hidden + TYPE_SIZE;
    linear("relation.head.weight", "relation.head.bias", RELATION_SIZE, ends);
    linear("relation.tail.weight", "relation.tail.bias", RELATION_SIZE, ends);
    linear("relation.between.weight", "relation.between.bias", RELATION_SIZE, hidden);
    linear("relation.pair.weight", "relation.pair.bias", RELATION_SIZE, RELATION_SIZE);
    linear("relation.name.weight", "relation.name.bias", RELATION_SIZE, hidden);
    shapes.push(("span.width", vec![MAX_WIDTH]));
    shapes.push(("type.offset", vec![n_types, TYPE_SIZE]));
    shapes.push(("relation.distance", vec![N_DISTANCES, RELATION_SIZE]));
    shapes.push(("relation.offset", vec![n_relations, RELATION_SIZE]));
    shapes.push(("relation.threshold", vec![n_relations]));
    shapes
}

/// The states of the first and the last token of each word: `[words, hidden]`.
#[derive(Debug)]
pub(super) struct WordStates {
    pub(super) first: Tensor,
    pub(super) last: Tensor,
}

/// The tensors behind [`Potentials`], over all words of a batch.
#[derive(Debug)]
pub(super) struct SpanScores {
    /// `[words, types]` each: of a span's first word, of each of its words, of its last word.
    pub(super) by_type: [Tensor; 3],
    /// `[words, PAIR_SIZE]` each: query and key.
    pub(super) pair: [Tensor; 2],
    /// `[MAX_WIDTH]`.
    pub(super) width: Tensor,
}

/// Two spans in order, by index.
pub(super) type Pair = (usize, usize);

fn project(parameters: Parameters<'_>, name: &str, x: &Tensor) -> Result<Tensor> {
    linear(x, &parameters(&format!("{name}.weight"))?, &parameters(&format!("{name}.bias"))?)
}

/// The vectors of types or relations, `[n, size]`.
///
/// # Arguments
/// * `kind`: `type` or `relation`.
/// * `names`: `[n, hidden]`, the encodings of the names, of length 1.
/// * `offsets`: `[n, size]`, zero for names that were not trained.
pub(super) fn vectors(
    parameters: Parameters<'_>,
    kind: &str,
    names: &Tensor,
    offsets: &Tensor,
) -> Result<Tensor> {
    let hidden = names.dim(D::Minus1)? as f64;
    let size = offsets.dim(D::Minus1)? as f64;
    let named = project(parameters, &format!("{kind}.name"), &(names * hidden.sqrt())?)?;
    (named + offsets)? / size.sqrt()
}

/// Scores of every word for every type, of which `types` is `[n, TYPE_SIZE]`.
pub(super) fn span_scores(
    parameters: Parameters<'_>,
    words: &WordStates,
    types: &Tensor,
) -> Result<SpanScores> {
    let types = types.t()?;
    let scores = |name, states| project(parameters, name, states)?.matmul(&types);
    let scale = (PAIR_SIZE as f64).sqrt().recip();
    Ok(SpanScores {
        by_type: [
            scores("span.start", &words.first)?,
            scores("span.inside", &words.first)?,
            scores("span.end", &words.last)?,
        ],
        pair: [
            (project(parameters, "span.query", &words.first)? * scale)?,
            project(parameters, "span.key", &words.last)?,
        ],
        width: parameters("span.width")?,
    })
}

impl SpanScores {
    /// The potentials of the words `from..to`, as one text.
    pub(super) fn of(&self, from: usize, to: usize) -> Result<Potentials> {
        let part = |tensor: &Tensor| {
            let width = tensor.dim(1)?;
            with(tensor, |values| Ok(values[from * width..to * width].to_vec()))
        };
        let [start, inside, end] = &self.by_type;
        let [query, key] = &self.pair;
        Ok(Potentials {
            n_words: to - from,
            n_types: start.dim(1)?,
            start: part(start)?,
            inside: part(inside)?,
            end: part(end)?,
            query: part(query)?,
            key: part(key)?,
            width: self.width.to_vec1()?,
        })
    }
}

/// Scores of every pair for every relation, `[pairs, relations]`; above 0 means stated.
///
/// # Arguments
/// * `spans`: words of the batch and index of the type; `types` is `[n, TYPE_SIZE]`.
/// * `relations`: `[n, RELATION_SIZE]`; `thresholds`: `[n]`.
pub(super) fn relation_scores(
    parameters: Parameters<'_>,
    words: &WordStates,
    spans: &[Segment],
    pairs: &[Pair],
    types: &Tensor,
    (relations, thresholds): (&Tensor, &Tensor),
) -> Result<Tensor> {
    let rows = |tensor: &Tensor, of: &dyn Fn(&Segment) -> usize| {
        tensor.index_select(&indices(spans.iter().map(of))?, 0)
    };
    let parts = [
        rows(&words.first, &|span| span.first)?,
        rows(&words.last, &|span| span.last)?,
        rows(types, &|span| span.kind)?,
    ];
    let ends = Tensor::cat(&parts, 1)?;
    let heads = project(parameters, "relation.head", &ends)?
        .index_select(&indices(pairs.iter().map(|pair| pair.0))?, 0)?;
    let tails = project(parameters, "relation.tail", &ends)?
        .index_select(&indices(pairs.iter().map(|pair| pair.1))?, 0)?;
    let distances = pairs.iter().map(|&(head, tail)| distance(&spans[head], &spans[tail]));
    let apart = parameters("relation.distance")?.index_select(&indices(distances)?, 0)?;
    let between = project(parameters, "relation.between", &words.first)?;
    let between = most_between(&between, spans, pairs)?;
    let state = gelu(&((heads + tails)? + (apart + between)?)?)?;
    let state = (gelu(&project(parameters, "relation.pair", &state)?)? + state)?;
    state.matmul(&relations.t()?)?.broadcast_add(thresholds)
}

/// The largest number in each column over the words between the spans of a pair; 0 without any.
fn most_between(words: &Tensor, spans: &[Segment], pairs: &[Pair]) -> Result<Tensor> {
    let (n_words, size) = words.dims2()?;
    let mut at = vec![n_words as u32; pairs.len() * size];
    with(words, |values| {
        for (at, &(head, tail)) in at.chunks_exact_mut(size).zip(pairs) {
            let (a, b) = (&spans[head], &spans[tail]);
            let from = a.last.min(b.last) + 1;
            let to = a.first.max(b.first);
            for word in from..to {
                for (column, at) in at.iter_mut().enumerate() {
                    let best = *at as usize;
                    let value = values[word * size + column];
                    if best == n_words || value > values[best * size + column] {
                        *at = word as u32;
                    }
                }
            }
        }
        Ok(())
    })?;
    let none = Tensor::zeros((1, size), words.dtype(), &Device::Cpu)?;
    let at = Tensor::from_vec(at, (pairs.len(), size), &Device::Cpu)?;
    Tensor::cat(&[words, &none], 0)?.gather(&at, 0)
}

/// Class of the number of words between two spans, and which comes first.
fn distance(head: &Segment, tail: &Segment) -> usize {
    let apart = head.first.max(tail.first).saturating_sub(head.last.min(tail.last) + 1);
    let class = DISTANCES.iter().rposition(|&least| apart >= least).unwrap_or(0);
    if head.first <= tail.first { class } else { class + DISTANCES.len() }
}

fn indices(values: impl Iterator<Item = usize>) -> Result<Tensor> {
    let values: Vec<u32> = values.map(|value| value as u32).collect();
    let n = values.len();
    Tensor::from_vec(values, n, &Device::Cpu)
}
