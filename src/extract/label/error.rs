//! What can be wrong with labelled text, and what to do about it.

use std::io;
use std::path::PathBuf;

use crate::event::EventError;
use crate::extract::ExtractError;

/// Why labelled text cannot be read, converted or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// A file or folder cannot be read or written.
    #[error("cannot access {path}: {source}; check the path")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line of a file is not what its format asks for.
    #[error("{path} line {line}: {problem}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: Problem,
    },
    /// No row of [`CONVERTERS`](super::CONVERTERS) has this name.
    #[error("unknown format `{name}`; known: {known}")]
    UnknownFormat {
        /// The name that was asked for.
        name: String,
        /// Every known name, joined by commas.
        known: String,
    },
    /// The values of a catalogue cannot be turned into an automaton.
    #[error(transparent)]
    Values(#[from] ExtractError),
}

/// What is wrong with one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The bytes are no text.
    #[error("not UTF-8; convert the file to UTF-8")]
    NotUtf8,
    /// JSON that cannot be parsed, or lacks what the format asks for.
    #[error("not the JSON of this format at column {column}: {reason}")]
    Json {
        /// Where, in bytes from 1.
        column: usize,
        /// What the parser said.
        reason: String,
    },
    /// The line is not made of the parts that the format asks for.
    #[error("expected {expected}")]
    Parts {
        /// What should stand there.
        expected: &'static str,
    },
    /// An entity whose offsets cover nothing, or something outside the text.
    #[error(
        "entity {start}..{end} does not lie in the text of {n_chars} characters; offsets count \
         characters, half open, the start before the end"
    )]
    Offsets {
        /// First character.
        start: usize,
        /// One past the last character.
        end: usize,
        /// Length of the text in characters.
        n_chars: usize,
    },
    /// A span of tokens that covers nothing, or something outside the sentence.
    #[error("tokens {start}..{end} do not lie in the sentence of {n_tokens} tokens")]
    TokenSpan {
        /// First token.
        start: usize,
        /// One past the last token.
        end: usize,
        /// Length of the sentence in tokens.
        n_tokens: usize,
    },
    /// A relation that starts or ends at no entity.
    #[error("a relation names entity {index} of {n_entities}; the first entity is 0")]
    NoSuchEntity {
        /// The index.
        index: usize,
        /// Entities of the text.
        n_entities: usize,
    },
    /// An entity or a relation without a type.
    #[error("{what} without a type; name one")]
    NoType {
        /// `an entity` or `a relation`.
        what: &'static str,
    },
    /// A tag that the scheme does not have.
    #[error("`{tag}` is no tag of this format; known: {known}")]
    Tag {
        /// The tag.
        tag: String,
        /// What a tag may be.
        known: &'static str,
    },
    /// Tokens and tags do not pair up.
    #[error("{n_tokens} tokens but {n_tags} tags; every token needs one")]
    Unpaired {
        /// How many tokens.
        n_tokens: usize,
        /// How many tags.
        n_tags: usize,
    },
    /// Offsets that lead to another surface than the one beside them.
    #[error("the text has {found:?} at {start}..{end}, the label says {expected:?}")]
    Surface {
        /// What the label says.
        expected: String,
        /// What the text has.
        found: String,
        /// First character.
        start: usize,
        /// One past the last character.
        end: usize,
    },
    /// Hand markup that is broken.
    #[error("column {column}: {reason}")]
    Markup {
        /// Where, in characters from 1.
        column: usize,
        /// What is wrong and what to do.
        reason: &'static str,
    },
    /// A relation of the hand markup between labels that the line does not have.
    #[error("column {column}: no entity has the label `{label}`; labels here: {known}")]
    UnknownMark {
        /// Where, in characters from 1.
        column: usize,
        /// The label.
        label: String,
        /// Every label of the line, joined by commas.
        known: String,
    },
    /// An item of a catalogue that is none.
    #[error(transparent)]
    Item(#[from] EventError),
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        let message = error.to_string();
        // Without serde's own place, which counts from the line and not from the file.
        let reason = message.split(" at line ").next().unwrap_or(&message).to_owned();
        Self::Json { column: error.column(), reason }
    }
}

/// A problem and its line, from 1, before the file is known.
#[derive(Debug)]
pub(super) struct Fault {
    pub line: usize,
    pub problem: Problem,
}
