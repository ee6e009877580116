//! Token ids become states, and texts become encodings.
//!
//! Texts of any lengths share a batch, row after row, so nothing is padded, and a text's numbers do
//! not depend on its company. Each worker runs whole batches: on short texts that is faster than
//! splitting every product, and the answer has the same bits for any number of workers. A worker is
//! a pool of one thread, which keeps candle's own threading out of what is done with the states.

use tokenizers::Tokenizer;

use super::super::ExtractError;
use super::super::normalize::is_han;
use super::kernel::Precision;
use super::labels::{parted, readable};
use super::model::{self, Checkpoint, Forward};
use super::tokens::{Token, Tokens, shortened, trim};
use super::weights::{Weights, compute};
use super::window::{Window, WindowParams, windows};
use super::workers::Workers;

/// Tokens of a batch, at most (a batch has at least one text).
const MAX_TOKENS: usize = 2048;
/// A tokenizer that has fewer Han characters was not made for Chinese (BERT-base uncased has 244).
const MIN_HAN_TOKENS: usize = 3000;

/// How an encoder runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncoderParams {
    /// How linear maps are computed. Default `F32`.
    pub precision: Precision,
    /// Workers, each a thread. Default: as many as rayon has threads (`RAYON_NUM_THREADS`).
    pub n_workers: usize,
    /// Texts of a batch, at most; at least 1. Default 32.
    pub batch: usize,
    /// Whether batches are made of texts of like length, the longest first, so that the workers end
    /// together; otherwise in the order they come. The answer is the same. Default true.
    pub by_length: bool,
}

impl Default for EncoderParams {
    fn default() -> Self {
        let n_workers = rayon::current_num_threads();
        Self { precision: Precision::default(), n_workers, batch: 32, by_length: true }
    }
}

/// A BERT encoder and its tokenizer.
pub struct Encoder {
    model: Box<dyn Forward>,
    kernel: &'static str,
    params: EncoderParams,
    tokenizer: Tokenizer,
    /// What stands before and after a text: `[CLS]` and `[SEP]`.
    special: (Token, Token),
    unknown: Option<u32>,
    /// What begins a word in a `SentencePiece` vocabulary, when it is a token of its own.
    space: Option<u32>,
    knows_han: bool,
    windows: WindowParams,
    hidden: usize,
    hash: [u8; 32],
    workers: Workers,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("hidden", &self.hidden).finish_non_exhaustive()
    }
}

impl Encoder {
    /// Builds the model with the default parameters.
    ///
    /// # Errors
    /// Those of [`with_params`](Self::with_params).
    pub fn new(weights: Weights) -> Result<Self, ExtractError> {
        Self::with_params(weights, EncoderParams::default())
    }

    /// Builds the model, packed for the best instruction set that this processor has.
    ///
    /// # Errors
    /// [`ExtractError::SpecialTokens`], [`ExtractError::Threads`], [`ExtractError::Compute`].
    pub fn with_params(weights: Weights, params: EncoderParams) -> Result<Self, ExtractError> {
        let Weights { config, tokenizer, tensors, hash, heads: _ } = weights;
        let precision = params.precision;
        let checkpoint = Checkpoint { tensors: &tensors, config: &config, precision };
        let (kernel, model) = model::best(&checkpoint).map_err(compute)?;
        let empty = tokenizer.encode("", true).map_err(tokenizing)?;
        let &[before, after] = empty.get_ids() else {
            return Err(ExtractError::SpecialTokens { found: empty.len() });
        };
        let vocabulary = tokenizer.get_vocab(false);
        let n_han = vocabulary.keys().filter(|token| {
            let mut characters = token.chars();
            characters.next().is_some_and(is_han) && characters.next().is_none()
        });
        let knows_han = n_han.count() >= MIN_HAN_TOKENS;
        let workers = Workers::new(params.n_workers)?;
        Ok(Self {
            special: (before.into(), after.into()),
            unknown: tokenizer.token_to_id("[UNK]").or_else(|| tokenizer.token_to_id("<unk>")),
            space: tokenizer.token_to_id("\u{2581}"),
            knows_han,
            windows: WindowParams::fitting(config.max_position_embeddings),
            hidden: config.hidden_size,
            model,
            kernel,
            params,
            tokenizer,
            hash,
            workers,
        })
    }

    /// Sentence encodings: the mean of the token states, the two special ones included, at length 1.
    /// They do not know how words are written: SONY is Sony.
    ///
    /// A text longer than a window is read in overlapping windows; each token counts once, and the
    /// special tokens once per window.
    ///
    /// # Returns
    /// One `[hidden]` f32 vector per text, in order; 384 numbers for all-MiniLM-L6-v2.
    ///
    /// # Errors
    /// [`ExtractError::NotFiniteOutput`], and failures of the machine.
    pub fn encode(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, ExtractError> {
        let tokens = self.tokenize(texts)?;
        let pieces = self.pieces(&tokens, true);
        let sums = self.run(&tokens, &pieces, |index, states| {
            let window = &pieces[index].1;
            let n_rows = window.end - window.start + 2;
            let mut sum = vec![0f32; self.hidden];
            let own = window.own_start + 1 - window.start..window.own_end + 1 - window.start;
            for row in [0].into_iter().chain(own).chain([n_rows - 1]) {
                add(&mut sum, &states[row * self.hidden..(row + 1) * self.hidden]);
            }
            Ok(sum)
        })?;
        let mut encodings = vec![vec![0f32; self.hidden]; texts.len()];
        for (&(text, _), sum) in pieces.iter().zip(&sums) {
            add(&mut encodings[text], sum);
        }
        encodings.iter_mut().for_each(|encoding| normalize(encoding));
        Ok(encodings)
    }

    /// Tokens that [`encode`](Self::encode) runs for `texts`, the special ones included.
    ///
    /// # Errors
    /// Failures of the machine.
    pub fn n_tokens(&self, texts: &[&str]) -> Result<usize, ExtractError> {
        let pieces = self.pieces(&self.tokenize(texts)?, true);
        Ok(pieces.iter().map(|(_, window)| window.end - window.start + 2).sum())
    }

    /// Numbers in an encoding.
    pub fn hidden_size(&self) -> usize {
        self.hidden
    }

    /// blake3 over configuration, tokenizer and weights.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// How it runs.
    pub fn params(&self) -> EncoderParams {
        self.params
    }

    /// The instruction set that the model is packed for.
    pub fn kernel(&self) -> &'static str {
        self.kernel
    }

    /// How long texts are cut.
    pub fn windows(&self) -> WindowParams {
        self.windows
    }

    /// What stands before and after a text.
    pub(super) fn special(&self) -> (Token, Token) {
        self.special
    }

    /// Whether the tokenizer has the characters to read Chinese.
    pub(super) fn knows_han(&self) -> bool {
        self.knows_han
    }

    /// The token that stands for words that the model does not know.
    pub(super) fn unknown(&self) -> Option<u32> {
        self.unknown
    }

    /// Whether a token stands for a word that the model does not know.
    pub(super) fn is_unknown(&self, id: u32) -> bool {
        self.unknown == Some(id)
    }

    /// How the name of a type is read: [`readable`], with words that the model does not know parted
    /// into words that it does: "musicalartist" becomes "musical artist".
    pub(super) fn name(&self, name: &str) -> String {
        let known = |word: &str| {
            let is_token = |token: &str| self.tokenizer.token_to_id(token).is_some();
            is_token(word) || is_token(&format!("\u{2581}{word}"))
        };
        let words = readable(name);
        let parted = words.split(' ').map(|word| {
            let parts = if known(word) { None } else { parted(word, &known) };
            parts.unwrap_or_else(|| word.to_owned())
        });
        parted.collect::<Vec<_>>().join(" ")
    }

    /// The tokens of each text, all in small letters: see [`note_cases`](super::case::note_cases).
    pub(super) fn tokenize(&self, texts: &[&str]) -> Result<Vec<Tokens>, ExtractError> {
        self.parallel(texts.len(), |index| {
            let encoding = self.tokenizer.encode(texts[index], false).map_err(tokenizing)?;
            let ids = encoding.get_ids();
            let offsets = ids.iter().zip(encoding.get_offsets()).map(|(&id, &range)| {
                let (start, end) = trim(texts[index], range);
                if self.space == Some(id) { (start, start) } else { (start, end) }
            });
            let offsets = offsets.collect();
            let mut tokens = Tokens { read: ids.iter().map(|&id| id.into()).collect(), offsets };
            if let Some(unknown) = self.unknown {
                tokens = shortened(texts[index], tokens, unknown);
            }
            Ok(tokens)
        })
    }

    /// The windows of all texts, each with the index of its text; `empty`: also of empty texts.
    pub(super) fn pieces(&self, tokens: &[Tokens], empty: bool) -> Vec<(usize, Window)> {
        let none = Window { start: 0, end: 0, own_start: 0, own_end: 0 };
        let mut pieces = Vec::new();
        for (index, text) in tokens.iter().enumerate() {
            let plan = windows(text.read.len(), self.windows);
            if plan.is_empty() && empty {
                pieces.push((index, none));
            }
            pieces.extend(plan.into_iter().map(|window| (index, window)));
        }
        pieces
    }

    /// Runs the model over `pieces` and reduces the states of each to what is wanted of it.
    ///
    /// `reduce` gets the index of a piece and its states: `[end - start + 2, hidden]` f32,
    /// row-major, the special tokens first and last. The states of one batch per worker are in
    /// memory at a time. The answers are in order of `pieces`.
    pub(super) fn run<T: Send>(
        &self,
        tokens: &[Tokens],
        pieces: &[(usize, Window)],
        reduce: impl Fn(usize, &[f32]) -> Result<T, ExtractError> + Sync,
    ) -> Result<Vec<T>, ExtractError> {
        let batches = batches(pieces, self.params);
        let answers = self.parallel(batches.len(), |index| {
            let batch = &batches[index];
            let windows: Vec<&[Token]> = batch
                .iter()
                .map(|&piece| {
                    let (text, window) = &pieces[piece];
                    &tokens[*text].read[window.start..window.end]
                })
                .collect();
            let states = self.forward(&windows)?;
            let mut rest = &states[..];
            let mut answers = Vec::with_capacity(batch.len());
            for (&piece, window) in batch.iter().zip(&windows) {
                let n_tokens = window.len() + 2;
                let (own, others) = rest.split_at(n_tokens * self.hidden);
                if !own.iter().all(|value| value.is_finite()) {
                    return Err(ExtractError::NotFiniteOutput { n_tokens });
                }
                answers.push((piece, reduce(piece, own)?));
                rest = others;
            }
            Ok(answers)
        })?;
        let mut answers: Vec<(usize, T)> = answers.into_iter().flat_map(|b: Vec<_>| b).collect();
        answers.sort_unstable_by_key(|&(piece, _)| piece);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    /// The states of `windows` one after the other: `[tokens, hidden]` f32, row-major, with the
    /// special tokens first and last of each.
    fn forward(&self, windows: &[&[Token]]) -> Result<Vec<f32>, ExtractError> {
        let lengths: Vec<usize> = windows.iter().map(|window| window.len() + 2).collect();
        let mut tokens = Vec::with_capacity(lengths.iter().sum());
        for window in windows {
            tokens.push(self.special.0);
            tokens.extend_from_slice(window);
            tokens.push(self.special.1);
        }
        self.model.forward(&tokens, &lengths).map_err(compute)
    }

    /// Does jobs `0..n_jobs` on the workers; the answers are in order.
    pub(super) fn parallel<T: Send>(
        &self,
        n_jobs: usize,
        job: impl Fn(usize) -> Result<T, ExtractError> + Sync,
    ) -> Result<Vec<T>, ExtractError> {
        self.workers.run(n_jobs, job)
    }
}

/// Groups pieces into batches, in order or by length.
fn batches(pieces: &[(usize, Window)], params: EncoderParams) -> Vec<Vec<usize>> {
    let length = |piece: usize| pieces[piece].1.end - pieces[piece].1.start + 2;
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    if params.by_length {
        order.sort_by_key(|&piece| std::cmp::Reverse(length(piece)));
    }
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut n_tokens = 0;
    for piece in order {
        n_tokens += length(piece);
        match batches.last_mut() {
            Some(batch) if batch.len() < params.batch && n_tokens <= MAX_TOKENS => {
                batch.push(piece);
            }
            _ => {
                n_tokens = length(piece);
                batches.push(vec![piece]);
            }
        }
    }
    batches
}

fn tokenizing(source: tokenizers::Error) -> ExtractError {
    ExtractError::Compute { source }
}

/// Adds `row` to `sum`.
pub(super) fn add(sum: &mut [f32], row: &[f32]) {
    sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
}

/// Scales to length 1; a vector of zeros stays.
pub(super) fn normalize(vector: &mut [f32]) {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    }
}
