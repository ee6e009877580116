//! The encoder and its heads with a backward pass.
//!
//! The tokens of all texts of a batch stand in one matrix of rows, so nothing is padded. The way
//! back through the encoder is written out: candle's tape would add every gradient to a matrix of
//! zeros first, from one thread at a time. The heads are small and use the tape.

use std::collections::{BTreeMap, HashMap};

use candle_core::{Device, Result, Tensor, Var};
use candle_transformers::models::bert::Config;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::case::{CASES, Case};
use super::super::encoder::add;
use super::super::ops::{columns_summed, with};
use super::super::tokens::Token;
use super::super::vector::{self, Attention};
use super::super::weights::compute;
use super::super::workers::Workers;
use super::norm::Norm;
use super::rows::Rows;
use crate::extract::ExtractError;

/// Name of the table of word embeddings.
pub(super) const WORDS: &str = "embeddings.word_embeddings.weight";
const POSITIONS: &str = "embeddings.position_embeddings.weight";
const TOKEN_TYPES: &str = "embeddings.token_type_embeddings.weight";

/// Parameters by name, and what is known of their shapes.
pub(super) struct Network {
    /// All but the word embeddings.
    pub(super) variables: BTreeMap<String, Var>,
    /// `[tokens, hidden]`, row-major.
    pub(super) words: Vec<f32>,
    pub(super) config: Config,
}

/// Chooses the numbers that dropout leaves out; nothing when `share` is 0.
pub(super) struct Dropout {
    pub(super) share: f32,
    pub(super) rng: ChaCha8Rng,
}

impl Dropout {
    /// Leaves nothing out.
    pub(super) fn none() -> Self {
        Self { share: 0.0, rng: ChaCha8Rng::seed_from_u64(0) }
    }

    fn mask(&mut self, len: usize) -> Option<Vec<f32>> {
        if self.share <= 0.0 {
            return None;
        }
        let mut bytes = vec![0u8; len];
        self.rng.fill_bytes(&mut bytes);
        let (limit, kept) = ((self.share * 256.0) as u8, 1.0 / (1.0 - self.share));
        Some(bytes.into_iter().map(|byte| if byte < limit { 0.0 } else { kept }).collect())
    }
}

impl Network {
    /// A network of the tensors of an encoder and fresh heads.
    pub(super) fn new(mut tensors: HashMap<String, Tensor>, config: Config) -> Result<Self> {
        let Some(words) = tensors.remove(WORDS) else {
            candle_core::bail!("no tensor {WORDS}");
        };
        let mut variables = BTreeMap::new();
        for layer in 0..config.num_hidden_layers {
            for kind in ["weight", "bias"] {
                let part =
                    |name: &str| format!("encoder.layer.{layer}.attention.self.{name}.{kind}");
                let parts = ["query", "key", "value"].map(|name| tensors.remove(&part(name)));
                let [Some(query), Some(key), Some(value)] = parts else {
                    candle_core::bail!("no tensor {}", part("query"));
                };
                let joined = Tensor::cat(&[query, key, value], 0)?;
                variables.insert(part("joined"), Var::from_tensor(&joined)?);
            }
        }
        for (name, tensor) in tensors {
            variables.insert(name, Var::from_tensor(&tensor)?);
        }
        Ok(Self { variables, words: words.flatten_all()?.to_vec1()?, config })
    }

    /// Moves every parameter a share of the way to that of `other`.
    pub(super) fn approach(
        &mut self,
        other: &Self,
        share: f32,
        workers: &Workers,
    ) -> std::result::Result<(), ExtractError> {
        let mix = |own: &mut [f32], other: &[f32]| {
            own.iter_mut().zip(other).for_each(|(own, other)| *own += share * (other - *own));
        };
        let names: Vec<&String> = self.variables.keys().collect();
        workers.run(names.len(), |index| {
            let (own, other) = (&self.variables[names[index]], &other.variables[names[index]]);
            let approached = taken(own).and_then(|mut values| {
                with(other, |other| {
                    mix(&mut values, other);
                    Ok(())
                })?;
                own.set(&Tensor::from_vec(values, own.shape(), &Device::Cpu)?)
            });
            approached.map_err(compute)
        })?;
        mix(&mut self.words, &other.words);
        Ok(())
    }

    /// The parameters by the names they have in a file.
    pub(super) fn tensors(&self) -> Result<HashMap<String, Tensor>> {
        let hidden = self.config.hidden_size;
        let shape = (self.words.len() / hidden, hidden);
        let words = Tensor::from_slice(&self.words, shape, &Device::Cpu)?;
        let mut tensors = HashMap::from([(WORDS.to_owned(), words)]);
        for (name, variable) in &self.variables {
            let tensor = variable.as_detached_tensor();
            if name.contains(".self.joined.") {
                for (part, parted) in ["query", "key", "value"].into_iter().zip(tensor.chunk(3, 0)?)
                {
                    // A tensor of its own: a view into the joined one cannot be quantised.
                    let own = Tensor::from_vec(taken(&parted)?, parted.shape(), &Device::Cpu)?;
                    tensors.insert(name.replace("joined", part), own);
                }
            } else {
                tensors.insert(name.clone(), tensor);
            }
        }
        Ok(tensors)
    }

    /// A parameter by its name.
    pub(super) fn get(&self, name: &str) -> Result<Tensor> {
        match self.variables.get(name) {
            Some(variable) => Ok(variable.as_tensor().clone()),
            None => candle_core::bail!("no parameter {name}"),
        }
    }

    fn norm(&self, name: &str) -> Result<Norm> {
        Ok(Norm {
            weight: self.get(&format!("{name}.weight"))?.to_vec1()?,
            bias: self.get(&format!("{name}.bias"))?.to_vec1()?,
            epsilon: self.config.layer_norm_eps as f32,
        })
    }

    fn dense(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let weight = self.get(&format!("{name}.weight"))?.detach();
        let bias = self.get(&format!("{name}.bias"))?.to_vec1::<f32>()?;
        let product = x.matmul(&weight.t()?)?;
        let mut values = taken(&product)?;
        for row in values.chunks_exact_mut(bias.len()) {
            add(row, &bias);
        }
        Tensor::from_vec(values, (x.dim(0)?, bias.len()), &Device::Cpu)
    }

    /// The states of the last layer, `[rows, hidden]`, and what the way back needs.
    pub(super) fn forward(&self, rows: &Rows, drop: &mut Dropout) -> Result<(Tensor, Passed)> {
        let hidden = self.config.hidden_size;
        let positions = self.get(POSITIONS)?.flatten_all()?.to_vec1::<f32>()?;
        let token_type = self.get(TOKEN_TYPES)?.get(0)?.to_vec1::<f32>()?;
        let cases = self.get(CASES)?.flatten_all()?.to_vec1::<f32>()?;
        let mut sum = Vec::with_capacity(rows.tokens.len() * hidden);
        for (place, &Token { id, case }) in rows.places().zip(&rows.tokens) {
            sum.extend_from_slice(&self.words[id as usize * hidden..][..hidden]);
            let row = sum.len() - hidden;
            add(&mut sum[row..], &positions[place * hidden..][..hidden]);
            add(&mut sum[row..], &token_type);
            if let Some(case) = case.row() {
                add(&mut sum[row..], &cases[case * hidden..][..hidden]);
            }
        }
        let mut first = self.norm("embeddings.LayerNorm")?.forward(&sum);
        let mask = drop.mask(first.len());
        thin(&mut first, mask.as_deref());
        let mut states = self.rows(first)?;
        let mut layers = Vec::new();
        for layer in 0..self.config.num_hidden_layers {
            let (next, passed) =
                self.forward_layer(&format!("encoder.layer.{layer}"), rows, states, drop)?;
            states = next;
            layers.push(passed);
        }
        Ok((states, Passed { sum, mask, layers }))
    }

    fn rows(&self, values: Vec<f32>) -> Result<Tensor> {
        let hidden = self.config.hidden_size;
        let n = values.len() / hidden;
        Tensor::from_vec(values, (n, hidden), &Device::Cpu)
    }

    fn forward_layer(
        &self,
        layer: &str,
        rows: &Rows,
        input: Tensor,
        drop: &mut Dropout,
    ) -> Result<(Tensor, PassedLayer)> {
        let hidden = self.config.hidden_size;
        let residual = |x: &Tensor, mask: Option<&[f32]>, beside: &Tensor| -> Result<Vec<f32>> {
            let mut sum = taken(x)?;
            thin(&mut sum, mask);
            with(beside, |beside| {
                add(&mut sum, beside);
                Ok(())
            })?;
            Ok(sum)
        };
        let joined = self.dense(&format!("{layer}.attention.self.joined"), &input)?;
        let mut attended = vec![0f32; rows.tokens.len() * hidden];
        with(&joined, |joined| {
            self.each_head(rows, |mut head| head.forward(joined, &mut attended));
            Ok(())
        })?;
        let attended = self.rows(attended)?;
        let output = self.dense(&format!("{layer}.attention.output.dense"), &attended)?;
        let attention_mask = drop.mask(output.elem_count());
        let attention_sum = residual(&output, attention_mask.as_deref(), &input)?;
        let norm = self.norm(&format!("{layer}.attention.output.LayerNorm"))?;
        let middle = self.rows(norm.forward(&attention_sum))?;
        let inner = self.dense(&format!("{layer}.intermediate.dense"), &middle)?;
        let mut active = with(&inner, |inner| Ok(inner.to_vec()))?;
        vector::gelu(&mut active);
        let active = Tensor::from_vec(active, inner.shape(), &Device::Cpu)?;
        let output = self.dense(&format!("{layer}.output.dense"), &active)?;
        let mask = drop.mask(output.elem_count());
        let sum = residual(&output, mask.as_deref(), &middle)?;
        let states = self.rows(self.norm(&format!("{layer}.output.LayerNorm"))?.forward(&sum))?;
        let passed = PassedLayer {
            input,
            joined,
            attended,
            attention_mask,
            attention_sum,
            middle,
            inner,
            active,
            mask,
            sum,
        };
        Ok((states, passed))
    }

    fn each_head(&self, rows: &Rows, mut visit: impl FnMut(Attention)) {
        let n_heads = self.config.num_attention_heads;
        for text in &rows.texts {
            for head in 0..n_heads {
                visit(Attention::new(text.clone(), head, n_heads, self.config.hidden_size));
            }
        }
    }

    /// The gradients of all parameters of the encoder, by name, and of the rows of the word
    /// embeddings, `[rows, hidden]`.
    pub(super) fn backward(
        &self,
        rows: &Rows,
        passed: Passed,
        to_states: Vec<f32>,
    ) -> Result<(ByName, Vec<f32>)> {
        let mut gradients = ByName::new();
        let mut to_states = to_states;
        for (layer, passed) in passed.layers.into_iter().enumerate().rev() {
            let layer = format!("encoder.layer.{layer}");
            to_states = self.backward_layer(&layer, rows, &passed, &to_states, &mut gradients)?;
        }
        thin(&mut to_states, passed.mask.as_deref());
        let name = "embeddings.LayerNorm";
        let to_sum = self.norm(name)?.backward(name, &passed.sum, &to_states, &mut gradients);
        let hidden = self.config.hidden_size;
        let mut to_positions = vec![0f32; self.config.max_position_embeddings * hidden];
        let mut to_types = vec![0f32; self.config.type_vocab_size * hidden];
        let mut to_cases = vec![0f32; Case::N * hidden];
        let places = rows.places().zip(&rows.tokens);
        for ((place, token), row) in places.zip(to_sum.chunks_exact(hidden)) {
            add(&mut to_positions[place * hidden..][..hidden], row);
            add(&mut to_types[..hidden], row);
            if let Some(case) = token.case.row() {
                add(&mut to_cases[case * hidden..][..hidden], row);
            }
        }
        gradients.insert(CASES.to_owned(), to_cases);
        gradients.insert(POSITIONS.to_owned(), to_positions);
        gradients.insert(TOKEN_TYPES.to_owned(), to_types);
        Ok((gradients, to_sum))
    }

    fn backward_layer(
        &self,
        layer: &str,
        rows: &Rows,
        passed: &PassedLayer,
        to_states: &[f32],
        gradients: &mut ByName,
    ) -> Result<Vec<f32>> {
        let name = format!("{layer}.output.LayerNorm");
        let mut to_middle = self.norm(&name)?.backward(&name, &passed.sum, to_states, gradients);
        let mut to_output = to_middle.clone();
        thin(&mut to_output, passed.mask.as_deref());
        let name = format!("{layer}.output.dense");
        let mut to_inner = self.back(&name, &passed.active, to_output, gradients)?;
        with(&passed.inner, |inner| {
            vector::gelu_backward(&mut to_inner, inner);
            Ok(())
        })?;
        let name = format!("{layer}.intermediate.dense");
        add(&mut to_middle, &self.back(&name, &passed.middle, to_inner, gradients)?);
        let name = format!("{layer}.attention.output.LayerNorm");
        let norm = self.norm(&name)?;
        let mut to_input = norm.backward(&name, &passed.attention_sum, &to_middle, gradients);
        let mut to_output = to_input.clone();
        thin(&mut to_output, passed.attention_mask.as_deref());
        let name = format!("{layer}.attention.output.dense");
        let to_attended = self.back(&name, &passed.attended, to_output, gradients)?;
        let mut to_joined = vec![0f32; 3 * to_attended.len()];
        with(&passed.joined, |joined| {
            self.each_head(rows, |mut head| head.backward(joined, &to_attended, &mut to_joined));
            Ok(())
        })?;
        let name = format!("{layer}.attention.self.joined");
        add(&mut to_input, &self.back(&name, &passed.input, to_joined, gradients)?);
        Ok(to_input)
    }

    /// Passes a gradient back through a linear layer to its input `x`.
    fn back(
        &self,
        name: &str,
        x: &Tensor,
        to_out: Vec<f32>,
        gradients: &mut ByName,
    ) -> Result<Vec<f32>> {
        let weight = self.get(&format!("{name}.weight"))?.detach();
        let n_out = weight.dim(0)?;
        gradients.insert(format!("{name}.bias"), columns_summed(&to_out, n_out));
        let to_out = Tensor::from_vec(to_out, (x.dim(0)?, n_out), &Device::Cpu)?;
        gradients.insert(format!("{name}.weight"), taken(&to_out.t()?.matmul(x)?)?);
        taken(&to_out.matmul(&weight)?)
    }
}

/// Gradients by the name of the parameter, flat.
pub(super) type ByName = BTreeMap<String, Vec<f32>>;

/// What a pass forward leaves for the way back.
pub(super) struct Passed {
    /// The embeddings before their normalisation.
    sum: Vec<f32>,
    mask: Option<Vec<f32>>,
    layers: Vec<PassedLayer>,
}

struct PassedLayer {
    input: Tensor,
    joined: Tensor,
    attended: Tensor,
    attention_mask: Option<Vec<f32>>,
    attention_sum: Vec<f32>,
    middle: Tensor,
    inner: Tensor,
    active: Tensor,
    mask: Option<Vec<f32>>,
    sum: Vec<f32>,
}

/// Multiplies by a mask of dropout.
fn thin(values: &mut [f32], mask: Option<&[f32]>) {
    if let Some(mask) = mask {
        values.iter_mut().zip(mask).for_each(|(value, mask)| *value *= mask);
    }
}

/// The numbers of a tensor, flat.
fn taken(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}
