//! The `bert` extractor: surfaces, and other wordings of concepts by their encoding.
//!
//! One pass of the encoder gives a state per token. A phrase that no surface covers is compared, by
//! the mean of its states in the text, with the encodings of the concepts; where that looks near,
//! the phrase is also encoded alone. The first number knows the sense in the text, the second is on
//! the scale of the concepts' own encodings, and both go into the confidence.

mod candidate;
mod encoder;
mod head;
mod labels;
mod kernel;
mod model;
mod ops;
mod phrase;
mod segment;
mod shipped;
mod tagger;
pub mod train;
mod vector;
mod weights;
mod window;
mod words;
mod workers;

pub mod import;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::{Device, Tensor};

pub use labels::{Labels, readable};
pub use encoder::{Encoder, EncoderParams};
pub use kernel::Precision;
pub use shipped::{SHIPPED, Shipped};
pub use weights::{ModelFiles, Weights};
pub use window::{Window, WindowParams, windows};

use self::candidate::{Candidate, Limits, candidates};
use self::encoder::{add, normalize};
use self::weights::compute;
use super::span::SpanWalk;
use super::surface::{Lexicon, Match, resolve};
use super::vocabulary::Derived;
use self::tagger::{Question, Tagger, WindowFound};
use self::words::{Word, words};
use super::{
    Encode, ExtractError, Extraction, Extractor, Mention, Method, RelationMention, TypeName,
    Vocabulary, check_lengths,
};

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

/// Finds terms as they are written and concepts in other words.
#[derive(Debug)]
pub struct Bert {
    encoder: Encoder,
    tagger: Option<Tagger>,
    lexicon: Lexicon,
    concepts: Derived<Concepts>,
    params: MatchParams,
    version: String,
}

/// The encodings of the terms that may be matched by encoding.
#[derive(Debug)]
struct Concepts {
    /// Index of the term of each row.
    terms: Vec<usize>,
    /// `[surfaces, hidden]` f32, row-major, each row of length 1.
    encodings: Vec<f32>,
}

/// A phrase and its nearest concept.
#[derive(Debug, Clone, Copy)]
struct Hit {
    start: usize,
    end: usize,
    /// Row of [`Concepts`].
    row: usize,
    /// Cosine in the text; later the confidence.
    score: f32,
}

/// The model that the program carries: all-MiniLM-L6-v2, `Q8_0`.
///
/// # Errors
/// Failures of the machine, such as no memory for threads.
pub fn shipped() -> Result<Bert, ExtractError> {
    Bert::new(Weights::parse(&shipped_files())?, EncoderParams::default(), MatchParams::default())
}

/// The bytes of the shipped English model.
pub fn shipped_files() -> ModelFiles<'static> {
    (SHIPPED[0].files)()
}

/// The model in a folder, or the shipped one of that name, or the shipped English one.
///
/// # Errors
/// Those of [`Weights::open`] and [`Encoder::with_params`].
pub fn open(model: Option<&Path>) -> Result<Bert, ExtractError> {
    let Some(model) = model else { return shipped() };
    match SHIPPED.iter().find(|row| model == Path::new(row.name) && !model.exists()) {
        Some(row) => {
            let weights = Weights::parse(&(row.files)())?;
            Bert::new(weights, EncoderParams::default(), MatchParams::default())
        }
        None => Bert::open(model),
    }
}

impl Bert {
    /// An extractor of these weights.
    ///
    /// # Errors
    /// Those of [`Encoder::with_params`].
    pub fn new(
        weights: Weights,
        encoder_params: EncoderParams,
        params: MatchParams,
    ) -> Result<Self, ExtractError> {
        let mut weights = weights;
        let tagger = weights.heads.take().map(|(labels, heads)| Tagger::new(labels, heads));
        let encoder = Encoder::with_params(weights, encoder_params)?;
        let weights = blake3::Hash::from_bytes(encoder.hash()).to_hex();
        let WindowParams { size, overlap } = encoder.windows();
        let MatchParams { min_context, min_confidence } = params;
        let lexicon = Lexicon::default();
        let version = format!(
            "bert/1 weights={} window={size}/{overlap} min={min_context}/{min_confidence} {}",
            &weights[..16],
            lexicon.version(),
        );
        Ok(Self { encoder, tagger, lexicon, concepts: Derived::default(), params, version })
    }

    /// The types that the model was trained on, in the order of training; none without heads.
    pub fn types(&self) -> Vec<TypeName> {
        let types = self.tagger.iter().flat_map(|tagger| &tagger.labels().types);
        types.map(|name| TypeName::new(name)).collect()
    }

    /// What the heads find in texts: mentions of `types`, which may be types that the model never
    /// saw, and the relations that it knows between them.
    ///
    /// # Errors
    /// [`ExtractError::NoHeads`], [`ExtractError::TextTooLong`],
    /// [`ExtractError::NotFiniteOutput`], and failures of the machine.
    pub fn find(&self, texts: &[&str], types: &[TypeName]) -> Result<Vec<Extraction>, ExtractError> {
        check_lengths(texts)?;
        let tagger = self.tagger.as_ref().ok_or(ExtractError::NoHeads)?;
        let question = tagger.question(&self.encoder, types)?;
        let tokens = self.encoder.tokenize(texts)?;
        let words: Vec<Vec<Word>> =
            texts.iter().zip(&tokens).map(|(text, tokens)| words(text, tokens)).collect();
        let pieces = self.encoder.pieces(&tokens, false);
        let found = self.encoder.run(&tokens, &pieces, |index, states| {
            let (text, window) = &pieces[index];
            tagger.read(&question, &words[*text], window, states).map_err(compute)
        })?;
        let mut by_text: Vec<WindowFound> = texts.iter().map(|_| WindowFound::default()).collect();
        for ((text, _), found) in pieces.iter().zip(found) {
            by_text[*text].mentions.extend(found.mentions);
            by_text[*text].relations.extend(found.relations);
        }
        Ok(texts.iter().zip(by_text).map(|(text, found)| tagged(text, &question, found)).collect())
    }

    /// The model in `folder`, with the default parameters.
    ///
    /// # Errors
    /// Those of [`Weights::open`] and [`Encoder::new`].
    pub fn open(folder: &Path) -> Result<Self, ExtractError> {
        Self::new(Weights::open(folder)?, EncoderParams::default(), MatchParams::default())
    }

    /// The encoder, for the encodings of whole texts.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    fn concepts(&self, vocabulary: &Vocabulary) -> Result<Concepts, ExtractError> {
        let terms = vocabulary.terms().iter().enumerate().filter(|(_, term)| term.by_encoding);
        let rows = terms.flat_map(|(index, term)| term.surfaces.iter().map(move |s| (index, s)));
        let (terms, surfaces): (Vec<usize>, Vec<&str>) =
            rows.map(|(index, surface)| (index, surface.as_str())).unzip();
        Ok(Concepts { terms, encodings: self.encoder.encode(&surfaces)?.concat() })
    }

    /// For each text the phrases that are near a concept in their text, by position of the phrase.
    fn hits(
        &self,
        texts: &[&str],
        matches: &[Vec<Match>],
        concepts: &Concepts,
    ) -> Result<Vec<Vec<Hit>>, ExtractError> {
        let encoder = &self.encoder;
        let hidden = encoder.hidden_size();
        let columns =
            Tensor::from_slice(&concepts.encodings, (concepts.terms.len(), hidden), &Device::Cpu)
                .and_then(|rows| rows.t())
                .map_err(compute)?;
        let tokens = encoder.tokenize(texts)?;
        let limits = Limits {
            han: encoder.knows_han(),
            max_tokens: (encoder.windows().overlap / 2).max(1),
            is_unknown: &|id| encoder.is_unknown(id),
        };
        let phrases: Vec<Vec<Candidate>> = (texts.iter().zip(&tokens).zip(matches))
            .map(|((text, tokens), matches)| candidates(text, tokens, matches, &limits))
            .collect();
        let pieces = encoder.pieces(&tokens, false);
        let found = encoder.run(&tokens, &pieces, |index, states| {
            let (text, window) = &pieces[index];
            let own = owned(&phrases[*text], window);
            near(own, window, states, &columns, self.params.min_context).map_err(compute)
        })?;
        let mut hits = vec![Vec::new(); texts.len()];
        for ((text, _), found) in pieces.iter().zip(found) {
            hits[*text].extend(found);
        }
        Ok(hits)
    }

    /// Turns the cosines in `hits` into confidences and drops what is too low.
    fn judge(
        &self,
        texts: &[&str],
        hits: &mut [Vec<Hit>],
        concepts: &Concepts,
    ) -> Result<(), ExtractError> {
        let phrase = |text: &str, hit: &Hit| text[hit.start..hit.end].to_lowercase();
        let distinct: BTreeSet<String> = (texts.iter().zip(hits.iter()))
            .flat_map(|(text, hits)| hits.iter().map(move |hit| phrase(text, hit)))
            .collect();
        let distinct: Vec<&str> = distinct.iter().map(String::as_str).collect();
        let encodings = self.encoder.encode(&distinct)?;
        let by_phrase: BTreeMap<&str, Vec<f32>> = distinct.into_iter().zip(encodings).collect();
        let hidden = self.encoder.hidden_size();
        for (text, hits) in texts.iter().zip(hits) {
            for hit in hits.iter_mut() {
                let concept = &concepts.encodings[hit.row * hidden..(hit.row + 1) * hidden];
                let alone = by_phrase.get(phrase(text, hit).as_str()).map_or(0.0, |encoding| {
                    encoding.iter().zip(concept).map(|(a, b)| a * b).sum::<f32>()
                });
                hit.score = confidence(hit.score, alone);
            }
            hits.retain(|hit| hit.score >= self.params.min_confidence);
        }
        Ok(())
    }
}

impl Extractor for Bert {
    fn version(&self) -> &str {
        &self.version
    }

    fn encoder(&self) -> Option<&dyn Encode> {
        Some(self)
    }

    /// # Errors
    /// [`ExtractError::NotFiniteOutput`] when the model is broken, and failures of the machine.
    fn extract(
        &self,
        texts: &[&str],
        vocabulary: &Vocabulary,
    ) -> Result<Vec<Extraction>, ExtractError> {
        check_lengths(texts)?;
        let matcher = self.lexicon.matcher(vocabulary)?;
        let matches = self.encoder.parallel(texts.len(), |index| Ok(matcher.find(texts[index])))?;
        let concepts = self.concepts.get(vocabulary, || self.concepts(vocabulary))?;
        let mut hits = vec![Vec::new(); texts.len()];
        if !concepts.terms.is_empty() {
            hits = self.hits(texts, &matches, &concepts)?;
            self.judge(texts, &mut hits, &concepts)?;
        }
        let answers = texts.iter().zip(matches).zip(hits);
        Ok(answers
            .map(|((text, matches), hits)| {
                let hits = resolve(hits, |hit| (hit.start, hit.end), Hit::compare);
                extraction(text, vocabulary, &matches, &hits, &concepts)
            })
            .collect())
    }
}

impl Hit {
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

/// Mentions of the heads by position, and the relations between those that stay.
fn tagged(text: &str, question: &Question, found: WindowFound) -> Extraction {
    let mentions = resolve(found.mentions, |found| (found.start, found.end), |a, b| {
        b.confidence.total_cmp(&a.confidence).then(a.start.cmp(&b.start))
    });
    let place = |bytes: &std::ops::Range<usize>| {
        mentions.iter().position(|found| (found.start..found.end) == *bytes)
    };
    let relations = found.relations.iter().filter_map(|(head, tail, kind, confidence)| {
        Some(RelationMention {
            head: place(head)?,
            tail: place(tail)?,
            relation: question.relations[*kind].clone(),
            confidence: *confidence,
        })
    });
    let relations = relations.collect();
    let mut walk = SpanWalk::new(text);
    let mentions = mentions.iter().map(|found| Mention {
        span: walk.span(found.start, found.end),
        surface: text[found.start..found.end].to_owned(),
        entity_type: question.types[found.kind].clone(),
        entity: None,
        confidence: found.confidence,
        method: Method::Model,
    });
    Extraction { mentions: mentions.collect(), relations }
}

/// Mentions by position, from surfaces and from encodings, which do not overlap one another.
fn extraction(
    text: &str,
    vocabulary: &Vocabulary,
    matches: &[Match],
    hits: &[Hit],
    concepts: &Concepts,
) -> Extraction {
    let surfaces = matches.iter().map(|m| (m.start, m.end, m.term, m.confidence, Method::Surface));
    let encodings =
        hits.iter().map(|h| (h.start, h.end, concepts.terms[h.row], h.score, Method::Encoding));
    let mut found: Vec<_> = surfaces.chain(encodings).collect();
    found.sort_by_key(|&(start, ..)| start);
    let mut walk = SpanWalk::new(text);
    let mentions = found.into_iter().map(|(start, end, term, confidence, method)| {
        let term = &vocabulary.terms()[term];
        Mention {
            span: walk.span(start, end),
            surface: text[start..end].to_owned(),
            entity_type: term.entity_type.clone(),
            entity: Some(term.entity.clone()),
            confidence,
            method,
        }
    });
    Extraction { mentions: mentions.collect(), relations: Vec::new() }
}

#[cfg(test)]
mod tests;
