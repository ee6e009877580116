//! The forward pass of BERT, for batches without padding.
//!
//! candle reads the checkpoint and trains; the numbers are computed here over weights that are packed
//! at load. Deviations from candle-transformers' `models/bert.rs`, which is the oracle in the tests:
//! texts of different lengths share a batch, row after row, so there is neither padding nor a mask;
//! the three projections of attention are one product, whose scale is folded in at load; what follows
//! a product is done while its rows are in the cache; GELU is a rational approximation of erf in f32.
//! There is no backward pass.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use candle_core::{Result, Storage, Tensor, bail};
use candle_transformers::models::bert::{Config, HiddenAct};

use super::case::CASES;
use super::encoder::add;
use super::kernel::{
    Activation, After, Apply, Attention, AttentionScratch, Isa, Linear, LinearScratch, Norm,
    Portable, Precision,
};
#[cfg(target_arch = "x86_64")]
use super::kernel::{Avx2, Avx512};
use super::tokens::Token;

/// Rows that are worked on at a time: what lies between two products stays in a core's own cache.
const ROWS_AT_ONCE: usize = 48;

/// A model that can be run.
pub(super) trait Forward: Send + Sync {
    /// The states of the last layer.
    ///
    /// `tokens` holds texts one after the other, `lengths` how many of them each has; none of them is
    /// padding. Returns `[tokens.len(), hidden]` f32, row-major.
    ///
    /// # Errors
    /// An id or a length that the model has no row for.
    fn forward(&self, tokens: &[Token], lengths: &[usize]) -> Result<Vec<f32>>;
}

/// A checked checkpoint, and how it is to be run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checkpoint<'a> {
    /// By candle's names, f32.
    pub(super) tensors: &'a HashMap<String, Tensor>,
    /// What `config.json` says.
    pub(super) config: &'a Config,
    /// Of the linear maps.
    pub(super) precision: Precision,
}

/// Packs a checkpoint for an instruction set; none where the processor lacks it.
type Build = fn(&Checkpoint<'_>) -> Option<Result<Box<dyn Forward>>>;

/// One row of [`KERNELS`].
pub(super) struct Kernel {
    /// The instruction set.
    pub(super) name: &'static str,
    /// How a model is built for it.
    pub(super) build: Build,
}

/// Every instruction set, the best first; the last one is always there.
pub(super) const KERNELS: &[Kernel] = &[
    #[cfg(target_arch = "x86_64")]
    Kernel { name: "avx512-vnni", build: build::<Avx512> },
    #[cfg(target_arch = "x86_64")]
    Kernel { name: "avx2-fma", build: build::<Avx2> },
    Kernel { name: "portable", build: build::<Portable> },
];

/// The name of the best instruction set of this processor, and the model packed for it.
pub(super) fn best(checkpoint: &Checkpoint<'_>) -> Result<(&'static str, Box<dyn Forward>)> {
    for kernel in KERNELS {
        if let Some(model) = (kernel.build)(checkpoint) {
            return Ok((kernel.name, model?));
        }
    }
    bail!("no kernel runs on this processor")
}

fn build<I: Isa>(checkpoint: &Checkpoint<'_>) -> Option<Result<Box<dyn Forward>>> {
    let isa = I::detect()?;
    Some(Model::new(isa, checkpoint).map(|model| Box::new(model) as Box<dyn Forward>))
}

/// The layers of an encoder, packed for one instruction set.
struct Model<I: Isa> {
    isa: I,
    words: Tensor,
    /// Position plus token type 0: `[positions, hidden]`.
    positions: Vec<f32>,
    /// `[Case::N, hidden]`.
    cases: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer<I>>,
    n_heads: usize,
    activation: Activation,
    /// Room of the forward passes that are not running.
    scratch: Mutex<Vec<Scratch<I>>>,
}

struct Layer<I: Isa> {
    /// Queries, keys and values.
    joined: Linear<I>,
    attention_output: Linear<I>,
    attention_norm: Norm,
    inner: Linear<I>,
    output: Linear<I>,
    norm: Norm,
}

/// Room that is used again and again.
struct Scratch<I: Isa> {
    /// `[tokens, 3, hidden]`.
    joined: Vec<f32>,
    /// `[tokens, hidden]`.
    attended: Vec<f32>,
    /// `[ROWS_AT_ONCE, inner]`.
    inner: Vec<f32>,
    attention: AttentionScratch,
    linear: LinearScratch<I>,
}

impl<I: Isa> Default for Scratch<I> {
    fn default() -> Self {
        let (attention, linear) = (AttentionScratch::default(), LinearScratch::default());
        let (joined, attended, inner) = (Vec::new(), Vec::new(), Vec::new());
        Self { joined, attended, inner, attention, linear }
    }
}

impl Checkpoint<'_> {
    fn get(&self, name: &str) -> Result<&Tensor> {
        match self.tensors.get(name) {
            Some(tensor) => Ok(tensor),
            None => bail!("no tensor {name}"),
        }
    }

    fn values(&self, name: &str) -> Result<Vec<f32>> {
        self.get(name)?.flatten_all()?.to_vec1()
    }

    fn norm(&self, name: &str) -> Result<Norm> {
        Ok(Norm {
            weight: self.values(&format!("{name}.weight"))?,
            bias: self.values(&format!("{name}.bias"))?,
            epsilon: self.config.layer_norm_eps as f32,
        })
    }

    fn linear<I: Isa>(&self, name: &str) -> Result<Linear<I>> {
        let weight = self.values(&format!("{name}.weight"))?;
        let bias = self.values(&format!("{name}.bias"))?;
        Ok(Linear::new(&weight, bias, self.precision))
    }

    /// Queries, keys and values of a layer as one map, with the scale of attention in the queries.
    fn joined<I: Isa>(&self, layer: &str) -> Result<Linear<I>> {
        let head = self.config.hidden_size / self.config.num_attention_heads;
        let scale = (1.0 / (head as f64).sqrt()) as f32;
        let join = |kind: &str| {
            let part = |name: &str| self.values(&format!("{layer}.attention.self.{name}.{kind}"));
            let mut joined = part("query")?;
            joined.iter_mut().for_each(|value| *value *= scale);
            joined.extend(part("key")?);
            joined.extend(part("value")?);
            Ok::<_, candle_core::Error>(joined)
        };
        Ok(Linear::new(&join("weight")?, join("bias")?, self.precision))
    }

    fn layer<I: Isa>(&self, layer: &str) -> Result<Layer<I>> {
        Ok(Layer {
            joined: self.joined(layer)?,
            attention_output: self.linear(&format!("{layer}.attention.output.dense"))?,
            attention_norm: self.norm(&format!("{layer}.attention.output.LayerNorm"))?,
            inner: self.linear(&format!("{layer}.intermediate.dense"))?,
            output: self.linear(&format!("{layer}.output.dense"))?,
            norm: self.norm(&format!("{layer}.output.LayerNorm"))?,
        })
    }
}

impl<I: Isa> Model<I> {
    fn new(isa: I, checkpoint: &Checkpoint<'_>) -> Result<Self> {
        let config = checkpoint.config;
        let types = checkpoint.get("embeddings.token_type_embeddings.weight")?.narrow(0, 0, 1)?;
        let positions = checkpoint.get("embeddings.position_embeddings.weight")?;
        let layers = (0..config.num_hidden_layers)
            .map(|index| checkpoint.layer(&format!("encoder.layer.{index}")));
        Ok(Self {
            isa,
            words: checkpoint.get("embeddings.word_embeddings.weight")?.contiguous()?,
            positions: positions.broadcast_add(&types)?.flatten_all()?.to_vec1()?,
            cases: checkpoint.values(CASES)?,
            norm: checkpoint.norm("embeddings.LayerNorm")?,
            layers: layers.collect::<Result<_>>()?,
            n_heads: config.num_attention_heads,
            activation: match config.hidden_act {
                HiddenAct::Gelu => Activation::Gelu,
                HiddenAct::GeluApproximate => Activation::GeluApproximate,
                HiddenAct::Relu => Activation::Relu,
            },
            scratch: Mutex::default(),
        })
    }

    /// What the first layer reads: `[tokens.len(), hidden]`.
    fn embed(&self, tokens: &[Token], lengths: &[usize]) -> Result<Vec<f32>> {
        let hidden = self.norm.bias.len();
        let (storage, layout) = self.words.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else { bail!("weights are kept in memory") };
        let words = &storage.as_slice::<f32>()?[layout.start_offset()..];
        if lengths.iter().sum::<usize>() != tokens.len() {
            bail!("the lengths of a batch do not add up to its tokens")
        }
        let mut states = Vec::with_capacity(tokens.len() * hidden);
        let places = lengths.iter().flat_map(|&length| 0..length);
        for (&Token { id, case }, place) in tokens.iter().zip(places) {
            let word = words.get(id as usize * hidden..).and_then(|rest| rest.get(..hidden));
            let position = self.positions.get(place * hidden..).and_then(|rest| rest.get(..hidden));
            let (Some(word), Some(position)) = (word, position) else {
                bail!("the model has no token {id} or no position {place}")
            };
            states.extend(word.iter().zip(position).map(|(word, position)| word + position));
            if let Some(row) = case.row() {
                let written = states.len() - hidden;
                add(&mut states[written..], &self.cases[row * hidden..][..hidden]);
            }
        }
        states.chunks_exact_mut(hidden).for_each(|row| self.norm.apply(row));
        Ok(states)
    }
}

impl<I: Isa> Forward for Model<I> {
    fn forward(&self, tokens: &[Token], lengths: &[usize]) -> Result<Vec<f32>> {
        let mut states = self.embed(tokens, lengths)?;
        let lock = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = lock().pop().unwrap_or_default();
        for layer in &self.layers {
            layer.attend(self.isa, &states, (lengths, self.n_heads), &mut scratch);
            layer.feed_forward(self.isa, &mut states, self.activation, &mut scratch);
        }
        lock().push(scratch);
        Ok(states)
    }
}

impl<I: Isa> Layer<I> {
    /// Leaves in `scratch.attended` what the tokens of each text see of each other.
    fn attend(
        &self,
        isa: I,
        states: &[f32],
        (lengths, n_heads): (&[usize], usize),
        scratch: &mut Scratch<I>,
    ) {
        let Scratch { joined, attended, attention, linear: room, .. } = scratch;
        let hidden = self.norm.bias.len();
        joined.resize(states.len() * 3, 0.0);
        attended.resize(states.len(), 0.0);
        let tiles = states.chunks(ROWS_AT_ONCE * hidden);
        for (input, to) in tiles.zip(joined.chunks_mut(ROWS_AT_ONCE * hidden * 3)) {
            let (linear, after, scratch) = (&self.joined, After::Write, &mut *room);
            isa.run(Apply { linear, input, after, to, scratch });
        }
        let (mut joined, mut to) = (&joined[..], &mut attended[..]);
        for &length in lengths.iter().filter(|&&length| length > 0) {
            let (text, rest) = joined.split_at(length * hidden * 3);
            let (own, others) = to.split_at_mut(length * hidden);
            let scratch = &mut *attention;
            isa.run(Attention { joined: text, n_heads, to: own, length, scratch });
            (joined, to) = (rest, others);
        }
    }

    /// The rest of the layer: from `scratch.attended` and the states to the next states.
    fn feed_forward(
        &self,
        isa: I,
        states: &mut [f32],
        activation: Activation,
        scratch: &mut Scratch<I>,
    ) {
        let Scratch { attended, inner, linear: room, .. } = scratch;
        let hidden = self.norm.bias.len();
        let tiles = attended.chunks(ROWS_AT_ONCE * hidden);
        for (attended, states) in tiles.zip(states.chunks_mut(ROWS_AT_ONCE * hidden)) {
            let mut apply = |linear: &Linear<I>, input: &[f32], after, to: &mut [f32]| {
                isa.run(Apply { linear, input, after, to, scratch: &mut *room });
            };
            inner.resize(states.len() / hidden * self.inner.n_outputs(), 0.0);
            apply(&self.attention_output, attended, After::AddNorm(&self.attention_norm), states);
            apply(&self.inner, states, After::Activate(activation), inner);
            apply(&self.output, inner, After::AddNorm(&self.norm), states);
        }
    }
}

#[cfg(test)]
mod tests;
