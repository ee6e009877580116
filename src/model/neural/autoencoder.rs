//! All that a user did, through a few numbers and back: autoencoders, told apart by whether the numbers
//! are drawn.
//!
//! Source: Liang, Krishnan, Hoffman & Jebara, "Variational autoencoders for collaborative filtering",
//! WWW 2018: the multinomial likelihood (section 2.1.1), `mult_vae` with its divergence weighted and
//! annealed (2.2.2), and `dae` without it (2.2.3). Dropout of what goes in makes both denoise.

use candle_core::{DType, Device, Result, Tensor, Var};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::super::neighbors::distinct;
use super::super::{Entry, Knob, Model, ModelError, Params, Query, Training};
use super::ops::{Cells, gather, linear, with};
use super::softmax::{Targets, surprise};
use super::{Schedule, count, drawn, failed, held_out, ndcg, number, train};

const DIM: Knob = Knob { name: "dim", about: "numbers of a user", default: 200.0, grid: &[] };

const DROPOUT: Knob = Knob {
    name: "dropout",
    about: "share of a history that training leaves out",
    default: 0.5,
    grid: &[],
};

const RATE: Knob = Knob { name: "rate", about: "learning rate", default: 0.001, grid: &[] };

const EPOCHS: Knob = Knob { name: "epochs", about: "passes at most", default: 100.0, grid: &[] };

pub(in crate::model) const MULT_VAE: Entry = Entry {
    name: "mult_vae",
    about: "a history through few numbers, drawn, and back, a network",
    knobs: &[
        DIM,
        Knob { name: "hidden", about: "numbers of the layer between", default: 600.0, grid: &[] },
        Knob {
            name: "beta",
            about: "weight of the divergence, in the end",
            default: 0.2,
            grid: &[],
        },
        DROPOUT,
        RATE,
        EPOCHS,
    ],
    applies: |training| !training.interactions.is_empty(),
    costly: |_| true,
    fit: |training, params, seed| fit("mult_vae", training, params, seed),
};

pub(in crate::model) const DAE: Entry = Entry {
    name: "dae",
    about: "a history through few numbers and back, a network",
    knobs: &[
        DIM,
        Knob {
            name: "decay",
            about: "share of a weight that a step of rate 1 takes away",
            default: 0.01,
            grid: &[],
        },
        DROPOUT,
        RATE,
        EPOCHS,
    ],
    applies: |training| !training.interactions.is_empty(),
    costly: |_| true,
    fit: |training, params, seed| fit("dae", training, params, seed),
};

/// Histories of a step.
const BATCH: usize = 200;

/// Share of a held-out user's items that are to be found.
const HIDDEN_SHARE: f64 = 0.2;

/// Places that count when the training is measured.
const PLACES: usize = 20;

/// Epochs after which the divergence has its weight.
const ANNEALED: usize = 20;

/// Layers that are drawn: what the divergence is of.
struct Drawn {
    mean: Var,
    /// The logarithm of the variance.
    spread: Var,
    up: Var,
}

/// The network; weights `[out, in]` but for `inward`.
struct Network {
    /// `[n_items, hidden]`: what each item adds to the first layer.
    inward: Var,
    inward_bias: Var,
    /// The layers between first and last, where numbers are drawn.
    drawn: Option<Drawn>,
    /// `[n_items, width]`.
    outward: Var,
    outward_bias: Var,
}

impl Network {
    fn new(n_items: usize, width: usize, hidden: Option<usize>, seed: u64) -> Result<Self> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut weight = |n_out: usize, n_in: usize| {
            drawn((n_out, n_in), (2.0 / (n_out + n_in) as f32).sqrt(), &mut random)
        };
        let first = hidden.unwrap_or(width);
        let drawn = hidden.map(|hidden| {
            Result::Ok(Drawn {
                mean: weight(width, hidden)?,
                spread: weight(width, hidden)?,
                up: weight(hidden, width)?,
            })
        });
        Ok(Self {
            drawn: drawn.transpose()?,
            inward: weight(n_items, first)?,
            inward_bias: zeros(first)?,
            outward: weight(n_items, first)?,
            outward_bias: zeros(n_items)?,
        })
    }

    fn variables(&self) -> Vec<Var> {
        let drawn = self.drawn.iter().flat_map(|of| [&of.mean, &of.spread, &of.up]);
        let outer = [&self.inward, &self.inward_bias, &self.outward, &self.outward_bias];
        outer.into_iter().chain(drawn).cloned().collect()
    }

    /// What the last layer makes of histories, `[n, width]`, and, where numbers are drawn, their
    /// divergence, summed. Without a generator nothing is drawn.
    fn coded(
        &self,
        histories: Cells,
        random: Option<&mut ChaCha8Rng>,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let inward = gather(&self.inward, histories)?;
        let first = inward.broadcast_add(&self.inward_bias)?.tanh()?;
        let Some(drawn) = &self.drawn else { return Ok((first, None)) };
        let mean = linear(&first, &drawn.mean)?;
        let Some(random) = random else {
            return Ok((linear(&mean, &drawn.up)?.tanh()?, None));
        };
        let spread = linear(&first, &drawn.spread)?;
        let noise: Vec<f32> =
            (0..mean.elem_count()).map(|_| StandardNormal.sample(random)).collect();
        let noise = Tensor::from_vec(noise, mean.shape(), mean.device())?;
        let code = (&mean + (noise * (&spread * 0.5)?.exp()?)?)?;
        // The divergence of a normal distribution from the standard one.
        let divergence = ((spread.exp()? + mean.sqr()?)? - (spread + 1.0)?)?.sum_all()? * 0.5;
        Ok((linear(&code, &drawn.up)?.tanh()?, Some(divergence?)))
    }

    /// The score of every item: `[n, n_items]`.
    fn scores(&self, coded: &Tensor) -> Result<Tensor> {
        linear(coded, &self.outward)?.broadcast_add(&self.outward_bias)
    }
}

fn zeros(n: usize) -> Result<Var> {
    Var::zeros(n, DType::F32, &Device::Cpu)
}

/// A history as it goes in: of length 1.
fn normed(items: &[u32]) -> impl Iterator<Item = (u32, f32)> {
    let weight = 1.0 / (items.len().max(1) as f32).sqrt();
    items.iter().map(move |item| (*item, weight))
}

/// What training is told.
struct Told {
    /// Distinct items of each user with any.
    rows: Vec<Vec<u32>>,
    /// Held-out users: what is told, and what is to be found.
    held_out: Vec<(Vec<u32>, Vec<u32>)>,
}

impl Told {
    fn of(training: &Training, seed: u64) -> Self {
        let interactions = &training.interactions;
        let items = |user: u32| distinct(interactions.of(user), training.target);
        let users: Vec<u32> =
            (0..interactions.n_users() as u32).filter(|user| items(*user).len() > 4).collect();
        let chosen = held_out(&users, seed);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(2);
        let mut told = Self { rows: Vec::new(), held_out: Vec::new() };
        for user in 0..interactions.n_users() as u32 {
            let mut items = items(user);
            if chosen.binary_search(&user).is_ok() {
                items.shuffle(&mut random);
                let n = items.len() - ((items.len() as f64 * HIDDEN_SHARE) as usize).max(1);
                let mut hidden = items.split_off(n);
                items.sort_unstable();
                hidden.sort_unstable();
                told.held_out.push((items.clone(), hidden));
            }
            if !items.is_empty() {
                told.rows.push(items);
            }
        }
        told
    }

    /// How well the network finds what was held out, among all items: the mean `ndcg`.
    fn measure(&self, network: &Network) -> Result<Option<f64>> {
        if self.held_out.is_empty() {
            return Ok(None);
        }
        let mut sum = 0.0;
        for part in self.held_out.chunks(BATCH) {
            let histories = Cells::new(part.iter().map(|(items, _)| normed(items)));
            let scores = network.scores(&network.coded(histories, None)?.0)?;
            let n_items = scores.dim(1)?;
            with(&scores, |scores| {
                for (scores, (told, hidden)) in scores.chunks_exact(n_items).zip(part) {
                    sum += ndcg(scores, told, hidden, PLACES);
                }
                Ok(())
            })?;
        }
        Ok(Some(sum / self.held_out.len() as f64))
    }

    /// The mean loss of some rows, whose histories lose the share `dropout`; the divergence counts
    /// `beta`.
    fn loss(
        &self,
        network: &Network,
        rows: &[usize],
        (dropout, beta): (f64, f64),
        random: &mut ChaCha8Rng,
    ) -> Result<Tensor> {
        let rows = || rows.iter().map(|row| &self.rows[*row]);
        let scale = (1.0 / (1.0 - dropout)) as f32;
        let kept: Vec<Vec<(u32, f32)>> = rows()
            .map(|row| {
                let kept = normed(row).filter(|_| !random.random_bool(dropout));
                kept.map(|(item, weight)| (item, weight * scale)).collect()
            })
            .collect();
        let (coded, divergence) = network.coded(Cells::new(kept), Some(random))?;
        let cells = Cells::new(rows().map(|row| row.iter().map(|item| (*item, 1.0))));
        let targets = Targets { cells, unlike: Vec::new() };
        let mut loss = surprise(&network.scores(&coded)?, targets)?;
        if let Some(divergence) = divergence {
            loss = (loss + (divergence * beta)?)?;
        }
        loss / rows().len() as f64
    }
}

fn fit(
    method: &'static str,
    training: &Training,
    params: &Params,
    seed: u64,
) -> std::result::Result<Box<dyn Model>, ModelError> {
    let variational = method == MULT_VAE.name;
    let whole = |name| count(method, params, name, 1.0..=1e5);
    let n_items = training.interactions.n_items();
    let (width, hidden) = (whole("dim")?, variational.then(|| whole("hidden")).transpose()?);
    let beta = if variational { number(method, params, "beta", 0.0..=1e3)? } else { 0.0 };
    let dropout = number(method, params, "dropout", 0.0..=0.9)?;
    let schedule = Schedule {
        method,
        epochs: whole("epochs")?,
        batch: BATCH,
        rate: number(method, params, "rate", 1e-7..=1.0)? as f32,
        decay: if variational { 0.0 } else { number(method, params, "decay", 0.0..=1e3)? as f32 },
        seed,
    };
    let network =
        Network::new(n_items, width, hidden, seed).map_err(|error| failed(method, error))?;
    let told = Told::of(training, seed);
    if told.rows.is_empty() {
        let needs = "somebody who did something of the behaviour to predict";
        return Err(ModelError::Lacking { method, needs });
    }
    let annealed = (told.rows.len().div_ceil(BATCH) * ANNEALED) as f64;
    let mut n_steps = 0.0;
    train(
        &network.variables(),
        told.rows.len(),
        &schedule,
        |rows, random| {
            n_steps += 1.0;
            let beta = beta * f64::min(n_steps / annealed, 1.0);
            told.loss(&network, rows, (dropout, beta), random)
        },
        || told.measure(&network),
    )?;
    Ok(Box::new(Autoencoder { network, target: training.target }))
}

struct Autoencoder {
    network: Network,
    target: u8,
}

impl Model for Autoencoder {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        let history = distinct(query.acts, self.target);
        let coded = self.network.coded(Cells::new([normed(&history)]), None);
        let own = coded.and_then(|(coded, _)| self.network.scores(&coded));
        // The shapes fit, as they did in training.
        let _ = own.and_then(|own| {
            with(&own, |own| {
                // Likelihoods know no zero; here it is the mean item's, as in methods that add up.
                let mean = own.iter().sum::<f32>() / own.len().max(1) as f32;
                scores.iter_mut().zip(own).for_each(|(score, value)| *score += value - mean);
                Ok(())
            })
        });
    }
}
