//! What can go wrong in extraction, and what to do about it.

use std::error::Error;
use std::path::PathBuf;

/// Why an extractor could not be built or could not finish.
///
/// Errors of the tensor and tokenizer libraries are boxed, so that their types stay inside `bert`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// No row of [`EXTRACTORS`](super::EXTRACTORS) has this name.
    #[error("unknown extractor `{name}`; known: {known}")]
    UnknownExtractor {
        /// The name that was asked for.
        name: String,
        /// Every known name, joined by commas.
        known: String,
    },
    /// A folder of a model lacks a file.
    #[error(
        "model file {path} is missing; a model folder holds config.json, tokenizer.json and \
             model.gguf or model.safetensors"
    )]
    MissingFile {
        /// The file that was looked for.
        path: PathBuf,
    },
    /// A file is there but could not be read or written.
    #[error("cannot access {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `heads.json` is not what training writes.
    #[error("{path} does not describe the heads of a model: {source}")]
    Heads {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// `heads.json` contradicts itself.
    #[error("{path} cannot be used: {problem}; take it and the weights from one training")]
    HeadsValue {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// The model was not trained to find spans.
    #[error("the model has no heads; train it with `predilect train extractor`")]
    NoHeads,
    /// What an interrupted training left is of another training.
    #[error(
        "{folder} was left by a training with other texts, base or settings; repeat that command, \
         or remove the folder to start anew"
    )]
    OtherTraining {
        /// Where it is.
        folder: PathBuf,
    },
    /// There is nothing to train on.
    #[error("no {what} is labelled in the training files")]
    NothingLabelled {
        /// What is missing.
        what: &'static str,
    },
    /// Training went off: the loss is no number.
    #[error(
        "the loss of step {step} is not finite; lower the learning rate or check the base model"
    )]
    Diverged {
        /// Steps done before.
        step: usize,
    },
    /// `config.json` does not describe a BERT.
    #[error("{path} is not the configuration of a BERT model: {source}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// A number of `config.json` is outside what can be run.
    #[error("config.json has {field} = {found}, which must be {expected}")]
    ConfigValue {
        /// The field.
        field: &'static str,
        /// Its value.
        found: usize,
        /// What would be accepted.
        expected: &'static str,
    },
    /// `tokenizer.json` cannot be parsed.
    #[error("tokenizer {path} cannot be used: {source}")]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What the tokenizer library said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The tokenizer was made for another model.
    #[error("tokenizer has {found} tokens, config.json says {expected}; take both from one model")]
    VocabularySize {
        /// `vocab_size` of config.json.
        expected: usize,
        /// Tokens in tokenizer.json.
        found: usize,
    },
    /// The tokenizer does not put one token before and one after a text.
    #[error("tokenizer surrounds a text with {found} special tokens, a BERT has 2 ([CLS], [SEP])")]
    SpecialTokens {
        /// Tokens of the empty text.
        found: usize,
    },
    /// The weights cannot be parsed: cut short, or another format.
    #[error("weights {path} are damaged or cut short: {source}; copy the file again")]
    Weights {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The weights lack a tensor that config.json asks for.
    #[error("weights have no tensor `{name}`; are weights and config.json of one model?")]
    MissingTensor {
        /// Name of the tensor.
        name: String,
    },
    /// A tensor has another shape than config.json asks for.
    #[error("tensor `{name}` has shape {found:?}, config.json asks for {expected:?}")]
    WrongShape {
        /// Name of the tensor.
        name: String,
        /// Shape by config.json.
        expected: Vec<usize>,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// A tensor holds NaN or an infinity.
    #[error("tensor `{name}` holds NaN or infinity; the training run that wrote it diverged")]
    NotFiniteWeight {
        /// Name of the tensor.
        name: String,
    },
    /// The model answered with NaN or an infinity.
    #[error("the model gave NaN or infinity for a text of {n_tokens} tokens; check its weights")]
    NotFiniteOutput {
        /// Tokens of the window that failed.
        n_tokens: usize,
    },
    /// Spans are 32 bits wide.
    #[error("text {index} has {bytes} bytes, spans reach 4294967295; split it")]
    TextTooLong {
        /// Position in the batch.
        index: usize,
        /// Its length.
        bytes: usize,
    },
    /// The terms cannot be turned into an automaton.
    #[error("vocabulary of {n_terms} terms is too large to index: {source}")]
    VocabularyTooLarge {
        /// Number of terms.
        n_terms: usize,
        /// What the matcher said.
        source: aho_corasick::BuildError,
    },
    /// The tensor library refused an operation.
    #[error("tensor operation failed: {source}")]
    Compute {
        /// What it said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Worker threads could not be started.
    #[error("cannot start a worker thread: {source}; lower RAYON_NUM_THREADS or raise the limit")]
    Threads {
        /// What the system said.
        source: Box<dyn Error + Send + Sync>,
    },
}
