//! What a user does next, from the order of what they did: self-attention over the sequence.
//!
//! Source: Kang & `McAuley`, "Self-attentive sequential recommendation", ICDM 2018. The loss is that of
//! Klenitskiy & Vasilev, "Turning dross into gold loss: is `BERT4Rec` really better than `SASRec`?",
//! `RecSys` 2023: cross entropy over all items, or over many that all rows share. Layers normalise what
//! goes into them (Xiong et al., "On layer normalization in the transformer architecture", ICML 2020);
//! none has offsets, and attention's weights are not dropped.

use std::sync::Arc;

use candle_core::{Result, Tensor, Var};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::super::dense::product;
use super::super::vector::add;
use super::super::{Dense, Entry, Knob, Model, ModelError, Params, Query, Training};
use super::attention::attention;
use super::ops::{Cells, gather, linear, normalized, with};
use super::softmax::{Candidates, Targets, surprise};
use super::{Schedule, count, drawn, dropped, failed, held_out, ndcg, number, train};

const NAME: &str = "sasrec";

pub(in crate::model) const ENTRY: Entry = Entry {
    name: NAME,
    about: "attention over the sequence of what a user did, a network",
    knobs: &[
        Knob { name: "dim", about: "length of the vectors", default: 64.0, grid: &[] },
        Knob { name: "layers", about: "layers of attention", default: 2.0, grid: &[] },
        Knob { name: "heads", about: "heads of a layer", default: 1.0, grid: &[] },
        Knob { name: "length", about: "last acts that count", default: 50.0, grid: &[] },
        Knob {
            name: "dropout",
            about: "share of numbers that training leaves out",
            default: 0.4,
            grid: &[],
        },
        Knob {
            name: "negatives",
            about: "items that a step sets against what came, drawn; 0 for all",
            default: 2_048.0,
            grid: &[],
        },
        Knob { name: "rate", about: "learning rate", default: 0.002, grid: &[] },
        Knob { name: "epochs", about: "passes at most", default: 50.0, grid: &[] },
    ],
    applies: |training| training.ordered && !training.interactions.is_empty(),
    costly: |_| true,
    fit,
};

/// Sequences of a step.
const BATCH: usize = 128;

/// Places that count when the training is measured.
const PLACES: usize = 10;

/// Deviation of the first vectors of items.
const SPREAD: f32 = 0.02;

/// Weights of a layer, `[out, in]`.
struct Layer {
    qkv: Var,
    mixed: Var,
    up: Var,
    down: Var,
}

/// The network.
struct Network {
    /// `[n_items, dim]`.
    items: Var,
    /// `[length, dim]`, the last is the latest.
    places: Var,
    layers: Vec<Layer>,
    heads: usize,
    dropout: f64,
}

/// Sequences, one after the other.
#[derive(Default)]
struct Sequences {
    items: Vec<u32>,
    places: Vec<u32>,
    offsets: Vec<usize>,
}

impl Sequences {
    /// Of these acts, oldest first, the last at the last place; who is masked leaves theirs empty.
    fn push(&mut self, items: impl ExactSizeIterator<Item = Option<u32>>, length: usize) {
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        let first = length - items.len();
        for (place, item) in items.enumerate() {
            if let Some(item) = item {
                self.items.push(item);
                self.places.push((first + place) as u32);
            }
        }
        self.offsets.push(self.items.len());
    }
}

impl Network {
    fn new(
        training: &Training,
        params: &Params,
        seed: u64,
    ) -> std::result::Result<Self, ModelError> {
        let whole = |name, least, most| count(NAME, params, name, least..=most);
        let (dim, heads) = (whole("dim", 16.0, 1024.0)?, whole("heads", 1.0, 16.0)?);
        if !dim.is_multiple_of(16 * heads) {
            return Err(ModelError::KnobStep {
                method: NAME,
                name: "dim",
                value: dim as f64,
                step: 16 * heads,
            });
        }
        let (n_layers, length) = (whole("layers", 1.0, 16.0)?, whole("length", 1.0, 1024.0)?);
        let dropout = number(NAME, params, "dropout", 0.0..=0.9)?;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut weight = |n_out: usize, n_in: usize| {
            drawn((n_out, n_in), (2.0 / (n_out + n_in) as f32).sqrt(), &mut random)
        };
        let layers = (0..n_layers).map(|_| {
            Ok(Layer {
                qkv: weight(3 * dim, dim)?,
                mixed: weight(dim, dim)?,
                up: weight(2 * dim, dim)?,
                down: weight(dim, 2 * dim)?,
            })
        });
        let layers = layers.collect::<Result<_>>().map_err(|error| failed(NAME, error))?;
        let mut table =
            |n: usize| drawn((n, dim), SPREAD, &mut random).map_err(|error| failed(NAME, error));
        let (items, places) = (table(training.interactions.n_items())?, table(length)?);
        Ok(Self { items, places, layers, heads, dropout })
    }

    fn length(&self) -> usize {
        self.places.dims()[0]
    }

    fn variables(&self) -> Vec<Var> {
        let weights = self.layers.iter().flat_map(|of| [&of.qkv, &of.mixed, &of.up, &of.down]);
        weights.chain([&self.items, &self.places]).cloned().collect()
    }

    /// What each place of the sequences says of the next item: `[n, dim]`. In training, numbers are
    /// dropped.
    fn hidden(&self, of: &Sequences, mut random: Option<&mut ChaCha8Rng>) -> Result<Tensor> {
        let mut drop = |x: Tensor| match &mut random {
            Some(random) => dropped(&x, self.dropout, random),
            None => Ok(x),
        };
        let offsets: Arc<[usize]> = of.offsets.clone().into();
        let items = gather(&self.items, Cells::ones(of.items.iter().copied()))?;
        let scale = (items.dim(1)? as f64).sqrt();
        let places = gather(&self.places, Cells::ones(of.places.iter().copied()))?;
        let mut x = drop(((items * scale)? + places)?)?;
        for layer in &self.layers {
            let qkv = linear(&normalized(&x)?, &layer.qkv)?;
            let mixed = attention(&qkv, Arc::clone(&offsets), self.heads)?;
            x = (x + drop(linear(&mixed, &layer.mixed)?)?)?;
            let up = drop(linear(&normalized(&x)?, &layer.up)?.relu()?)?;
            x = (x + drop(linear(&up, &layer.down)?)?)?;
        }
        normalized(&x)
    }
}

/// What training is told.
struct Told {
    /// Items in order, each row at most one longer than sequences are.
    rows: Vec<Vec<u32>>,
    /// Histories and what came next, held out.
    held_out: Vec<(Vec<u32>, u32)>,
    /// How often each item is to be found, as a share.
    shares: Vec<f32>,
}

impl Told {
    fn of(training: &Training, length: usize, seed: u64) -> Self {
        let interactions = &training.interactions;
        let items = |user: u32| -> Vec<u32> {
            let acts = interactions.of(user).iter();
            acts.filter(|act| act.behavior == training.target).map(|act| act.item).collect()
        };
        let users: Vec<u32> =
            (0..interactions.n_users() as u32).filter(|user| items(*user).len() > 2).collect();
        let chosen = held_out(&users, seed);
        let mut told = Self {
            rows: Vec::new(),
            held_out: Vec::new(),
            shares: vec![0.0; interactions.n_items()],
        };
        for user in 0..interactions.n_users() as u32 {
            let mut items = items(user);
            if chosen.binary_search(&user).is_ok()
                && let Some(last) = items.pop()
            {
                let start = items.len().saturating_sub(length);
                told.held_out.push((items[start..].to_vec(), last));
            }
            // Windows from the end; each begins with the item that ends the one before.
            let mut end = items.len();
            while end > 1 {
                let start = (end - 1).saturating_sub(length);
                told.rows.push(items[start..end].to_vec());
                end = start + 1;
            }
        }
        let found = told.rows.iter().flat_map(|row| &row[1..]);
        found.for_each(|item| told.shares[*item as usize] += 1.0);
        let whole: f32 = told.shares.iter().sum();
        told.shares.iter_mut().for_each(|share| *share /= whole.max(1.0));
        told
    }

    /// How well the network finds what was held out, among all items: the mean `ndcg`.
    fn measure(&self, network: &Network) -> Result<Option<f64>> {
        if self.held_out.is_empty() {
            return Ok(None);
        }
        let mut sum = 0.0;
        for part in self.held_out.chunks(256) {
            let mut sequences = Sequences::default();
            for (history, _) in part {
                sequences.push(history.iter().map(|item| Some(*item)), network.length());
            }
            let hidden = network.hidden(&sequences, None)?;
            let last = sequences.offsets[1..].iter().map(|end| *end as u32 - 1);
            let last = gather(&hidden, Cells::ones(last))?;
            let scores = linear(&last, network.items.as_tensor())?;
            let n_items = scores.dim(1)?;
            with(&scores, |scores| {
                for (scores, (history, next)) in scores.chunks_exact(n_items).zip(part) {
                    let mut told = history.clone();
                    // What comes again is to be found again.
                    told.retain(|item| item != next);
                    told.sort_unstable();
                    sum += ndcg(scores, &told, &[*next], PLACES);
                }
                Ok(())
            })?;
        }
        Ok(Some(sum / self.held_out.len() as f64))
    }

    /// The mean loss of some rows.
    fn loss(
        &self,
        network: &Network,
        rows: &[usize],
        n_negatives: usize,
        random: &mut ChaCha8Rng,
    ) -> Result<Tensor> {
        let mut sequences = Sequences::default();
        let mut next = Vec::new();
        for row in rows.iter().map(|row| &self.rows[*row]) {
            let history = &row[..row.len() - 1];
            sequences.push(history.iter().map(|item| Some(*item)), network.length());
            next.extend(&row[1..]);
        }
        let hidden = network.hidden(&sequences, Some(&mut *random))?;
        let n = next.len() as f64;
        let n_items = self.shares.len();
        if n_negatives == 0 || n_negatives * 2 >= n_items {
            let targets = Targets { cells: Cells::ones(next), unlike: Vec::new() };
            return surprise(&linear(&hidden, &network.items)?, targets)? / n;
        }
        let drawn = Candidates::drawn(&next, n_negatives, &self.shares, random);
        let items = gather(&network.items, Cells::ones(drawn.items))?;
        surprise(&linear(&hidden, &items)?, drawn.targets)? / n
    }
}

fn fit(
    training: &Training,
    params: &Params,
    seed: u64,
) -> std::result::Result<Box<dyn Model>, ModelError> {
    let lacking = |needs| ModelError::Lacking { method: NAME, needs };
    if !training.ordered {
        return Err(lacking("acts in the order of time; give sequences"));
    }
    let network = Network::new(training, params, seed)?;
    let n_negatives = count(NAME, params, "negatives", 0.0..=1e7)?;
    let schedule = Schedule {
        method: NAME,
        epochs: count(NAME, params, "epochs", 1.0..=1e5)?,
        batch: BATCH,
        rate: number(NAME, params, "rate", 1e-7..=1.0)? as f32,
        decay: 0.0,
        seed,
    };
    let told = Told::of(training, network.length(), seed);
    if told.rows.is_empty() {
        return Err(lacking("somebody who did two things of the behaviour to predict"));
    }
    train(
        &network.variables(),
        told.rows.len(),
        &schedule,
        |rows, random| told.loss(&network, rows, n_negatives, random),
        || told.measure(&network),
    )?;
    let items = with(&network.items, |values| {
        let n = training.interactions.n_items();
        Ok(Dense::from_values(n, values.len() / n.max(1), values.to_vec()))
    });
    let items = centred(items.map_err(|error| failed(NAME, error))?);
    Ok(Box::new(SasRec { network, items, target: training.target }))
}

/// The rows less their mean: likelihoods know no zero, and so the mean item's score is it.
fn centred(mut rows: Dense) -> Dense {
    let mut mean = vec![0.0; rows.n_columns()];
    let share = 1.0 / rows.n_rows().max(1) as f32;
    (0..rows.n_rows()).for_each(|row| add(&mut mean, rows.row(row), share));
    (0..rows.n_rows()).for_each(|row| add(rows.row_mut(row), &mean, -1.0));
    rows
}

struct SasRec {
    network: Network,
    /// The network's vectors of items, less their mean.
    items: Dense,
    target: u8,
}

impl SasRec {
    /// What a history says of the next item; `None` where it says nothing.
    fn said(&self, query: &Query<'_>) -> Result<Option<Vec<f32>>> {
        let acts: Vec<_> = query.acts.iter().filter(|act| act.behavior == self.target).collect();
        let last = &acts[acts.len().saturating_sub(self.network.length())..];
        let mut sequences = Sequences::default();
        let masked = last.iter().map(|act| (act.value != 0.0).then_some(act.item));
        sequences.push(masked, self.network.length());
        let Some(end) = sequences.items.len().checked_sub(1) else { return Ok(None) };
        let hidden = self.network.hidden(&sequences, None)?;
        let dim = self.items.n_columns();
        with(&hidden, |hidden| Ok(Some(hidden[end * dim..].to_vec())))
    }
}

impl Model for SasRec {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        let Ok(Some(said)) = self.said(query) else { return };
        let sizes = [self.items.n_rows(), self.items.n_columns(), 1];
        let own = product((self.items.values(), false), (&said, false), sizes);
        scores.iter_mut().zip(own).for_each(|(score, value)| *score += value);
    }
}
