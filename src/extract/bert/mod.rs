//! The `bert` extractor: surfaces, other wordings of concepts by their encoding, and what trained
//! heads find that no catalogue names.
//!
//! One pass of the encoder gives a state per token. `concept` compares phrases with the catalogue's
//! concepts by them; `tagger` makes them into spans of the types that are asked for and relations
//! between the spans; `collected` puts all together. `train` is where the heads come from.

mod candidate;
mod case;
mod collected;
mod concept;
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
mod tokens;
pub mod train;
mod vector;
mod weights;
mod window;
mod words;
mod workers;

pub mod import;

use std::path::Path;

pub use concept::{MatchParams, confidence};
pub use encoder::{Encoder, EncoderParams};
pub use kernel::Precision;
pub use labels::{Labels, readable};
pub use shipped::{SHIPPED, Shipped};
pub use weights::{ModelFiles, Weights};
pub use window::{Window, WindowParams, windows};

use self::case::note_cases;
use self::collected::{collected, tagged};
use self::concept::{Concepts, Hit};
use self::tagger::{Question, Tagger, WindowFound};
use self::weights::compute;
use self::words::words;
use super::surface::{Lexicon, Match};
use super::vocabulary::Derived;
use super::{
    Encode, ExtractError, Extraction, Extractor, ReadFirst, Sought, TypeName, Vocabulary,
    check_lengths,
};

/// Finds terms as they are written and concepts in other words.
#[derive(Debug)]
pub struct Bert {
    encoder: Encoder,
    tagger: Option<Tagger>,
    lexicon: Lexicon,
    concepts: Derived<Concepts>,
    questions: Derived<Option<Question>>,
    params: MatchParams,
    version: String,
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
        Ok(Self {
            encoder,
            tagger,
            lexicon,
            concepts: Derived::default(),
            questions: Derived::default(),
            params,
            version,
        })
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
    pub fn find(
        &self,
        texts: &[&str],
        types: &[TypeName],
    ) -> Result<Vec<Extraction>, ExtractError> {
        if self.tagger.is_none() {
            return Err(ExtractError::NoHeads);
        }
        let sought =
            |label: &TypeName| Sought { entity_type: label.name.clone(), label: label.clone() };
        self.read(texts, &types.iter().map(sought).collect::<Vec<_>>())
    }

    fn question(&self, types: &[TypeName]) -> Result<Option<Question>, ExtractError> {
        self.tagger.as_ref().map(|tagger| tagger.question(&self.encoder, types)).transpose()
    }

    fn matches(
        &self,
        texts: &[&str],
        vocabulary: &Vocabulary,
    ) -> Result<Vec<Vec<Match>>, ExtractError> {
        let matcher = self.lexicon.matcher(vocabulary)?;
        self.encoder.parallel(texts.len(), |index| Ok(matcher.find(texts[index])))
    }

    /// One pass of the encoder over `texts`: the concepts that phrases name, and what the heads find.
    fn pass(
        &self,
        texts: &[&str],
        matches: &[Vec<Match>],
        concepts: &Concepts,
        question: Option<&Question>,
    ) -> Result<(Vec<Vec<Hit>>, Vec<WindowFound>), ExtractError> {
        let mut hits = vec![Vec::new(); texts.len()];
        let mut tagged: Vec<WindowFound> = texts.iter().map(|_| WindowFound::default()).collect();
        let question = self.tagger.as_ref().zip(question.filter(|q| !q.types.is_empty()));
        if question.is_none() && concepts.is_empty() {
            return Ok((hits, tagged));
        }
        let encoder = &self.encoder;
        let mut tokens = encoder.tokenize(texts)?;
        let phrases = concepts.phrases(encoder, texts, &tokens, matches);
        let words =
            encoder.parallel(texts.len(), |index| Ok(words(texts[index], &tokens[index])))?;
        for ((text, words), tokens) in texts.iter().zip(&words).zip(&mut tokens) {
            note_cases(text, words, tokens);
        }
        let pieces = encoder.pieces(&tokens, false);
        let min_context = self.params.min_context;
        let found = encoder.run(&tokens, &pieces, |index, states| {
            let (text, window) = &pieces[index];
            let near = concepts.near(&phrases[*text], window, states, min_context)?;
            let tagged = match question {
                Some((tagger, question)) => {
                    tagger.read(question, &words[*text], window, states).map_err(compute)?
                }
                None => WindowFound::default(),
            };
            Ok((near, tagged))
        })?;
        for ((text, _), (near, window)) in pieces.iter().zip(found) {
            hits[*text].extend(near);
            tagged[*text].mentions.extend(window.mentions);
            tagged[*text].relations.extend(window.relations);
        }
        concepts.judge(encoder, texts, &mut hits, self.params.min_confidence)?;
        Ok((hits, tagged))
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
}

impl Extractor for Bert {
    fn version(&self) -> &str {
        &self.version
    }

    /// # Errors
    /// [`ExtractError::NotFiniteOutput`] when the model is broken, and failures of the machine.
    fn extract(
        &self,
        texts: &[&str],
        vocabulary: &Vocabulary,
    ) -> Result<Vec<Extraction>, ExtractError> {
        check_lengths(texts)?;
        let matches = self.matches(texts, vocabulary)?;
        let concepts =
            self.concepts.get(vocabulary, || Concepts::new(&self.encoder, vocabulary))?;
        let question =
            self.questions.get(vocabulary, || self.question(&labels(vocabulary.sought())))?;
        let (hits, found) = self.pass(texts, &matches, &concepts, (*question).as_ref())?;
        let tagged = by_text(texts, found, (*question).as_ref(), vocabulary.sought());
        let answers = texts.iter().zip(matches).zip(hits).zip(tagged);
        Ok(answers
            .map(|(((text, matches), hits), tagged)| {
                let surfaces = matches.iter().map(Match::named);
                let named = surfaces.chain(hits.iter().map(|hit| hit.named(&concepts)));
                collected(text, vocabulary, named, tagged)
            })
            .collect())
    }

    fn finds_relations(&self) -> bool {
        self.tagger.as_ref().is_some_and(|tagger| !tagger.labels().relations.is_empty())
    }

    /// Only where no term is matched by encoding: such terms need the states of the text.
    fn read_first(&self, vocabulary: &Vocabulary) -> Option<&dyn ReadFirst> {
        let by_encoding = vocabulary.terms().iter().any(|term| term.by_encoding);
        (self.tagger.is_some() && !by_encoding).then_some(self)
    }

    fn encoder(&self) -> Option<&dyn Encode> {
        Some(self)
    }
}

impl ReadFirst for Bert {
    fn read(&self, texts: &[&str], sought: &[Sought]) -> Result<Vec<Extraction>, ExtractError> {
        check_lengths(texts)?;
        let question = self.question(&labels(sought))?;
        let matches = vec![Vec::new(); texts.len()];
        let (_, found) = self.pass(texts, &matches, &Concepts::default(), question.as_ref())?;
        Ok(by_text(texts, found, question.as_ref(), sought))
    }

    fn complete(
        &self,
        texts: &[&str],
        readings: Vec<Extraction>,
        vocabulary: &Vocabulary,
    ) -> Result<Vec<Extraction>, ExtractError> {
        check_lengths(texts)?;
        let matches = self.matches(texts, vocabulary)?;
        let answers = texts.iter().zip(matches).zip(readings);
        Ok(answers
            .map(|((text, matches), tagged)| {
                collected(text, vocabulary, matches.iter().map(Match::named), tagged)
            })
            .collect())
    }
}

/// What the heads found in each text, by the entity types of `sought`.
fn by_text(
    texts: &[&str],
    found: Vec<WindowFound>,
    question: Option<&Question>,
    sought: &[Sought],
) -> Vec<Extraction> {
    let Some(question) = question else { return vec![Extraction::default(); texts.len()] };
    let of = |kind: usize| sought[kind].entity_type.clone();
    texts.iter().zip(found).map(|(text, found)| tagged(text, found, question, of)).collect()
}

fn labels(sought: &[Sought]) -> Vec<TypeName> {
    sought.iter().map(|sought| sought.label.clone()).collect()
}

#[cfg(test)]
mod tests;
