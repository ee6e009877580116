//! Text becomes mentions and relations with spans.
//!
//! [`Extractor`] is the seam. `lexicon` finds the catalogue's own terms as they are written;
//! `bert` adds other wordings, by comparing the encodings of phrases and terms. Both read the
//! terms from a [`Vocabulary`], so a new brand or genre needs no training.

mod error;
mod span;
mod vocabulary;

mod normalize;
mod surface;

pub mod bert;
pub mod label;

use std::path::Path;

pub use error::ExtractError;
pub(crate) use normalize::{is_unspaced, normalize};
pub use span::Span;
pub use surface::Lexicon;
pub use vocabulary::{Sought, Term, Vocabulary};

/// How a mention was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// The text holds a surface of the term.
    Surface,
    /// The encoding of a phrase lies near the encoding of the term.
    Encoding,
    /// A trained head tagged the span.
    Model,
}

impl Method {
    /// The name that evidence keeps.
    pub fn name(self) -> &'static str {
        match self {
            Self::Surface => "surface",
            Self::Encoding => "encoding",
            Self::Model => "model",
        }
    }
}

/// A span of text naming an entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Mention {
    /// Where it stands.
    pub span: Span,
    /// The text of the span, as written.
    pub surface: String,
    /// Type of the entity.
    pub entity_type: String,
    /// Id of the vocabulary entry; `None` when unlinked (NIL).
    pub entity: Option<String>,
    /// Chance that the span names the entity, in [0, 1].
    pub confidence: f32,
    /// How it was found.
    pub method: Method,
}

/// A directed, typed pair of mentions of one text.
#[derive(Debug, Clone, PartialEq)]
pub struct RelationMention {
    /// Index of the head in [`Extraction::mentions`].
    pub head: usize,
    /// Index of the tail in [`Extraction::mentions`].
    pub tail: usize,
    /// Id of the relation.
    pub relation: String,
    /// Chance that the text states it, in [0, 1].
    pub confidence: f32,
}

/// A type of entity that is looked for, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TypeName {
    /// Its name, such as `brand`.
    pub name: String,
    /// What it is, in a few words; a model that never saw the type goes by both.
    pub description: Option<String>,
}

impl TypeName {
    /// A type without a description.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), description: None }
    }
}

/// What one text says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Extraction {
    /// Mentions by position; they do not overlap.
    pub mentions: Vec<Mention>,
    /// Relations between them; only trained heads find any.
    pub relations: Vec<RelationMention>,
}

/// Finds the mentions and relations of texts.
pub trait Extractor: Send + Sync {
    /// Name, hash of the weights and parameters: changes whenever results may change.
    fn version(&self) -> &str;

    /// One extraction per text, in order.
    ///
    /// The answer for a text depends on that text, `vocabulary` and [`version`](Self::version)
    /// alone: not on the other texts, their order or the number of threads.
    ///
    /// # Errors
    /// [`ExtractError::TextTooLong`] for a text of 4 GiB or more; otherwise what an extractor's own
    /// doc states. No text is an error because of its content.
    fn extract(
        &self,
        texts: &[&str],
        vocabulary: &Vocabulary,
    ) -> Result<Vec<Extraction>, ExtractError>;

    /// Does it find relations? Reviews are read by those that do, for the opinions in them.
    fn finds_relations(&self) -> bool {
        false
    }

    /// Itself, when it reads texts before it looks at the terms of this vocabulary: such readings
    /// can be kept.
    fn read_first(&self, _vocabulary: &Vocabulary) -> Option<&dyn ReadFirst> {
        None
    }

    /// Its encoder of phrases, when it has one.
    fn encoder(&self) -> Option<&dyn Encode> {
        None
    }
}

/// The two steps of an extractor whose model reads texts without the terms of a vocabulary.
///
/// `complete(texts, read(texts, vocabulary.sought()), vocabulary)` is `extract(texts, vocabulary)`.
/// What `read` answers for a text depends on that text, `sought` and [`Extractor::version`] alone, so
/// it is kept by these, and a new term has no text read again.
pub trait ReadFirst {
    /// What the model finds in each text, in order; every mention with `entity: None`.
    ///
    /// # Errors
    /// Those of [`Extractor::extract`].
    fn read(&self, texts: &[&str], sought: &[Sought]) -> Result<Vec<Extraction>, ExtractError>;

    /// The whole answer for each text, by what was read in it.
    ///
    /// # Errors
    /// Those of [`Extractor::extract`].
    fn complete(
        &self,
        texts: &[&str],
        readings: Vec<Extraction>,
        vocabulary: &Vocabulary,
    ) -> Result<Vec<Extraction>, ExtractError>;
}

/// Turns phrases into vectors whose cosine says how near their meanings are.
pub trait Encode: Send + Sync {
    /// Name and version of the model: changes whenever the encoding of a phrase may change.
    fn model(&self) -> &str;

    /// One encoding per phrase, in order: of one width, finite, of length 1.
    ///
    /// # Errors
    /// Those of [`Extractor::extract`].
    fn encode(&self, phrases: &[&str]) -> Result<Vec<Vec<f32>>, ExtractError>;

    /// The cosine from which two phrases are taken for names of one thing: of one script, or `across`
    /// two (Sony, 索尼). `None` where their encodings cannot be compared. It belongs to the model: what
    /// is near for one is far for another.
    fn same(&self, across: bool) -> Option<f32>;

    /// Does the model know the characters of a phrase? What it cannot read is alike to it.
    fn reads(&self, phrase: &str) -> bool;
}

/// Builds an extractor, from the model folder when one is given and the extractor has a model.
pub type BuildExtractor = fn(Option<&Path>) -> Result<Box<dyn Extractor>, ExtractError>;

/// One row of [`EXTRACTORS`].
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// What the user types.
    pub name: &'static str,
    /// One line for the help.
    pub about: &'static str,
    /// How to build it.
    pub build: BuildExtractor,
}

/// Every extractor, in the order the help lists them.
pub const EXTRACTORS: &[Entry] = &[
    Entry {
        name: "lexicon",
        about: "the catalogue's terms as they are written; no model",
        build: |_| Ok(Box::new(Lexicon::default())),
    },
    Entry {
        name: "bert",
        about: "the same, and other wordings of concepts by their encoding",
        build: |model| Ok(Box::new(bert::open(model)?)),
    },
];

/// Builds the extractor called `name`.
///
/// # Arguments
/// * `name`: a name of [`EXTRACTORS`].
/// * `model`: folder of the model to use in place of the shipped one; `lexicon` has none.
///
/// # Errors
/// [`ExtractError::UnknownExtractor`], and what loading the model may say.
pub fn by_name(name: &str, model: Option<&Path>) -> Result<Box<dyn Extractor>, ExtractError> {
    match EXTRACTORS.iter().find(|entry| entry.name == name) {
        Some(entry) => (entry.build)(model),
        None => Err(ExtractError::UnknownExtractor {
            name: name.to_owned(),
            known: EXTRACTORS.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "),
        }),
    }
}

/// Refuses texts whose offsets would not fit a [`Span`].
pub(crate) fn check_lengths(texts: &[&str]) -> Result<(), ExtractError> {
    match texts.iter().position(|text| u32::try_from(text.len()).is_err()) {
        Some(index) => Err(ExtractError::TextTooLong { index, bytes: texts[index].len() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
