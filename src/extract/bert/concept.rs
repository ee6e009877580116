//! Concepts in other words: phrases whose encoding lies near that of a term.
//!
//! A phrase that no surface covers is compared, by the mean of its states in the text, with the
//! encodings of the concepts; where that looks near, the phrase is also encoded alone. The first
//! number knows the sense in the text, the second is on the scale of the concepts' own encodings,
//! and both go into the confidence.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{Device, Tensor};

use super::super::surface::{Match, resolve};
use super::super::{ExtractError, Method, Vocabulary};
use super::candidate::{Candidate, Limits, candidates};
use super::collected::Named;
use super::encoder::{Encoder, add, normalize};
use super::tokens::Tokens;
use super::weights::compute;
use super::window::Window;

/// Phrases that are compared with the concepts at a time.
const PHRASES_AT_ONCE: usize = 256;

/// When a phrase is taken for a concept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatchParams {
    /// Cosine of the phrase in its text, below which it is not looked at again. Default 0.36,
    /// set by hand: it leaves a handful of phrases per text to encode alone.
    pub min_context: f32,
    /// Confidence of a mention, at least. Default 0.75; see [`confidence`] for what it is worth.
    pub min_confidence: f32,
}

impl Default for MatchParams {
    fn default() -> Self {
        Self { min_context: 0.36, min_confidence: 0.75 }
    }
}

/// Chance that a phrase names a concept, by two cosines to the encoding of the concept.
///
/// # Arguments
/// * `context`: of the mean state of the phrase's tokens in the text.
/// * `alone`: of the encoding of the phrase by itself.
///
/// # Source
/// Logistic regression, fitted on the leads of 600 film articles against 41 genres: 495 distinct
/// pairs of a phrase that no genre's surface covers and its nearest genre, each counted once. The
/// 215 with the highest cosines were read by one person, and 87 named the genre ("espionage", Spy;
/// not "families", Family); the other 280 were taken as naming none without being read.
/// On 600 other articles 131 phrases in 20 distinct pairs reached 0.75; by reading, 115 of them and
/// 16 of the pairs named the genre, and the genre field of the film agreed with 67. What is wrong is
/// mostly a word of the same stem ("music", Musical).
pub fn confidence(context: f32, alone: f32) -> f32 {
    1.0 / (1.0 + (9.6448 - 3.4636 * context - 11.4331 * alone).exp())
}

/// The encodings of the terms that may be matched by encoding.
#[derive(Debug, Default)]
pub(super) struct Concepts {
    /// Index of the term of each row.
    terms: Vec<usize>,
    /// `[surfaces, hidden]` f32, row-major, each row of length 1.
    encodings: Vec<f32>,
}

/// A phrase and its nearest concept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    start: usize,
    end: usize,
    /// Row of [`Concepts`].
    row: usize,
    /// Cosine in the text; later the confidence.
    score: f32,
}

impl Concepts {
    /// Encodes the terms of `vocabulary` that may be matched by encoding.
    pub(super) fn new(encoder: &Encoder, vocabulary: &Vocabulary) -> Result<Self, ExtractError> {
        let terms = vocabulary.terms().iter().enumerate().filter(|(_, term)| term.by_encoding);
        let rows = terms.flat_map(|(index, term)| term.surfaces.iter().map(move |s| (index, s)));
        let (terms, surfaces): (Vec<usize>, Vec<&str>) =
            rows.map(|(index, surface)| (index, surface.as_str())).unzip();
        Ok(Self { terms, encodings: encoder.encode(&surfaces)?.concat() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The phrases of each text that may name a concept; none without concepts.
    pub(super) fn phrases(
        &self,
        encoder: &Encoder,
        texts: &[&str],
        tokens: &[Tokens],
        matches: &[Vec<Match>],
    ) -> Vec<Vec<Candidate>> {
        if self.is_empty() {
            return vec![Vec::new(); texts.len()];
        }
        let limits = Limits {
            han: encoder.knows_han(),
            max_tokens: (encoder.windows().overlap / 2).max(1),
            is_unknown: &|id| encoder.is_unknown(id),
        };
        (texts.iter().zip(tokens).zip(matches))
            .map(|((text, tokens), matches)| candidates(text, tokens, matches, &limits))
            .collect()
    }

    /// The nearest concept of each phrase that the window owns, where the cosine is at least
    /// `min_context`.
    ///
    /// `states` is `[tokens + 2, hidden]`, row-major.
    pub(super) fn near(
        &self,
        phrases: &[Candidate],
        window: &Window,
        states: &[f32],
        min_context: f32,
    ) -> Result<Vec<Hit>, ExtractError> {
        let own = owned(phrases, window);
        if own.is_empty() {
            return Ok(Vec::new());
        }
        let hidden = self.encodings.len() / self.terms.len();
        Tensor::from_slice(&self.encodings, (self.terms.len(), hidden), &Device::Cpu)
            .and_then(|rows| near(own, window, states, &rows.t()?, min_context))
            .map_err(compute)
    }

    /// Turns the cosines in `hits` into confidences and drops what is too low.
    /// What is left of a text is by position and overlaps nothing else.
    pub(super) fn judge(
        &self,
        encoder: &Encoder,
        texts: &[&str],
        hits: &mut [Vec<Hit>],
        min_confidence: f32,
    ) -> Result<(), ExtractError> {
        let phrase = |text: &str, hit: &Hit| text[hit.start..hit.end].to_lowercase();
        let distinct: BTreeSet<String> = (texts.iter().zip(hits.iter()))
            .flat_map(|(text, hits)| hits.iter().map(move |hit| phrase(text, hit)))
            .collect();
        let distinct: Vec<&str> = distinct.iter().map(String::as_str).collect();
        let encodings = encoder.encode(&distinct)?;
        let by_phrase: BTreeMap<&str, Vec<f32>> = distinct.into_iter().zip(encodings).collect();
        let hidden = encoder.hidden_size();
        for (text, hits) in texts.iter().zip(hits) {
            for hit in hits.iter_mut() {
                let concept = &self.encodings[hit.row * hidden..(hit.row + 1) * hidden];
                let alone = by_phrase.get(phrase(text, hit).as_str()).map_or(0.0, |encoding| {
                    encoding.iter().zip(concept).map(|(a, b)| a * b).sum::<f32>()
                });
                hit.score = confidence(hit.score, alone);
            }
            hits.retain(|hit| hit.score >= min_confidence);
            *hits = resolve(std::mem::take(hits), |hit| (hit.start, hit.end), Hit::compare);
        }
        Ok(())
    }
}

impl Hit {
    /// What it names.
    pub(super) fn named(&self, concepts: &Concepts) -> Named {
        let (start, end, term) = (self.start, self.end, concepts.terms[self.row]);
        Named { start, end, term, confidence: self.score, method: Method::Encoding }
    }

    /// Higher confidence first, then the longer, the earlier, the lower term.
    fn compare(&self, other: &Self) -> std::cmp::Ordering {
        (other.score.total_cmp(&self.score))
            .then((other.end - other.start).cmp(&(self.end - self.start)))
            .then(self.start.cmp(&other.start))
            .then(self.row.cmp(&other.row))
    }
}

/// The phrases whose first token the window owns; all of their tokens are in the window.
fn owned<'c>(phrases: &'c [Candidate], window: &Window) -> &'c [Candidate] {
    let from = phrases.partition_point(|phrase| phrase.first_token < window.own_start);
    let to = phrases.partition_point(|phrase| phrase.first_token < window.own_end);
    &phrases[from..to]
}

/// The nearest concept of each phrase whose cosine is at least `min_context`.
///
/// `states` is `[tokens + 2, hidden]`, row-major; `columns` is `[hidden, concepts]`.
fn near(
    phrases: &[Candidate],
    window: &Window,
    states: &[f32],
    columns: &Tensor,
    min_context: f32,
) -> candle_core::Result<Vec<Hit>> {
    let (hidden, n_concepts) = columns.dims2()?;
    let mut hits = Vec::new();
    for phrases in phrases.chunks(PHRASES_AT_ONCE) {
        let mut means = vec![0f32; phrases.len() * hidden];
        for (mean, phrase) in means.chunks_exact_mut(hidden).zip(phrases) {
            let tokens = phrase.first_token..phrase.end_token.min(window.end);
            for row in tokens.map(|token| token + 1 - window.start) {
                add(mean, &states[row * hidden..(row + 1) * hidden]);
            }
            normalize(mean);
        }
        let means = Tensor::from_vec(means, (phrases.len(), hidden), &Device::Cpu)?;
        let cosines = means.matmul(columns)?.flatten_all()?.to_vec1::<f32>()?;
        for (phrase, cosines) in phrases.iter().zip(cosines.chunks_exact(n_concepts)) {
            let best = cosines.iter().enumerate().rev().max_by(|a, b| a.1.total_cmp(b.1));
            if let Some((row, &score)) = best.filter(|&(_, &score)| score >= min_context) {
                hits.push(Hit { start: phrase.start, end: phrase.end, row, score });
            }
        }
    }
    Ok(hits)
}
