//! Fine-tuning: the encoder and its heads learn from labelled texts.
//!
//! Several files with different labels train together: a batch comes from one file and is asked
//! for that file's types only, so what another file does not label is no negative. One step in
//! [`NAME_EVERY`] goes by the names of the types alone, which keeps names that were never trained
//! within reach. The same seed gives the same bytes at any number of threads: a batch is cut into
//! parts by its tokens, and the parts' gradients are added in order.

mod anchor;
mod network;
mod optimizer;
mod sample;
mod step;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use candle_core::Tensor;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::encoder::Encoder;
use super::head;
use super::labels::{Labels, readable};
use super::segment::Segment;
use super::weights::{Weights, base_files, compute, write_model};
use super::workers::Workers;
use crate::extract::ExtractError;
use crate::extract::label::Labelled;

use self::network::Network;
use self::optimizer::{Optimizer, Rates};
use self::sample::{Sample, Set};
use self::step::{Chance, Gradients, Names, Question};

/// One step in so many goes by names alone.
const NAME_EVERY: usize = 4;
/// Tokens of one part of a batch, about.
const PART_TOKENS: usize = 320;
/// Texts that are looked through at a time.
const GUESS_AT_ONCE: usize = 16;

/// How to train.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainParams {
    /// Times that every text is seen.
    pub epochs: usize,
    /// Texts of a step.
    pub batch: usize,
    /// Highest learning rate of the encoder; it rises over the first tenth and falls to 0.
    pub rate: f32,
    /// The same of the heads.
    pub head_rate: f32,
    /// Share of the numbers that dropout leaves out.
    pub dropout: f32,
    /// How strongly the encodings of texts and phrases are held where they were in the base; 0 lets
    /// them go.
    pub anchor: f32,
    /// Epochs without a better score on the development texts before training ends.
    pub patience: usize,
    /// Seed of all choices.
    pub seed: u64,
}

impl Default for TrainParams {
    fn default() -> Self {
        Self {
            epochs: 10,
            batch: 16,
            rate: 2e-4,
            head_rate: 1e-3,
            dropout: 0.1,
            anchor: 0.0,
            patience: 5,
            seed: 1,
        }
    }
}

/// Where training stands.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainProgress {
    /// A step is done: epoch, step of all, steps of all, loss per text.
    Step(usize, usize, usize, f64),
    /// An epoch is done: epoch, mean loss per text, strict F1 of entities and relations on the
    /// development texts (0 without any).
    Epoch(usize, f64, f64, f64),
    /// Labels that could not be learned from: they overlap others or are too long.
    LeftOut(usize),
}

/// A model in training.
pub struct Trainer {
    network: Network,
    encoder: Encoder,
    labels: Labels,
    workers: Workers,
    sets: Vec<Set>,
    dev: Vec<Set>,
    params: TrainParams,
    files: [Vec<u8>; 2],
}

/// Trains a model from `base` on `sets`, each the texts of one file, and keeps the epoch that is
/// best on `dev`, or the last without any.
///
/// # Errors
/// Those of the encoder, and failures of the machine.
pub fn train(
    base: &Path,
    sets: &[Vec<Labelled>],
    dev: &[Vec<Labelled>],
    params: &TrainParams,
    tell: &mut dyn FnMut(TrainProgress),
) -> Result<Trained, ExtractError> {
    Trainer::new(base, sets, dev, params)?.run(tell)
}

/// A trained model, ready to be written.
pub struct Trained {
    tensors: HashMap<String, Tensor>,
    labels: Labels,
    /// `config.json` and `tokenizer.json` of the base.
    files: [Vec<u8>; 2],
}

impl Trained {
    /// What the heads find.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Writes a model folder: f32 weights, or quantised ones.
    ///
    /// # Errors
    /// [`ExtractError::Io`] and [`ExtractError::Compute`].
    pub fn write(&self, folder: &Path, quantize: bool) -> Result<(), ExtractError> {
        write_model(folder, &self.files, &self.tensors, Some(&self.labels), quantize)
    }
}

impl Trainer {
    fn new(
        base: &Path,
        sets: &[Vec<Labelled>],
        dev: &[Vec<Labelled>],
        params: &TrainParams,
    ) -> Result<Self, ExtractError> {
        let weights = Weights::open(base)?;
        let types = sample::names(sets, sample::types_of);
        let relations = sample::names(sets, sample::relations_of);
        let hidden = weights.config.hidden_size;
        let mut tensors = weights.tensors.clone();
        let mut rng = ChaCha8Rng::seed_from_u64(params.seed);
        let shapes = head::shapes(hidden, types.len(), relations.len());
        tensors.extend(network::fresh(shapes, &mut rng).map_err(compute)?);
        let network = Network::new(tensors, weights.config.clone()).map_err(compute)?;
        let encoder = Encoder::new(weights)?;
        let read = |sets: &[Vec<Labelled>]| -> Result<Vec<Set>, ExtractError> {
            sets.iter().map(|set| Set::new(&encoder, set, &types, &relations)).collect()
        };
        let (sets, dev) = (read(sets)?, read(dev)?);
        let mut signatures = BTreeSet::new();
        for set in &sets {
            for sample in &set.samples {
                for &(head, tail, kind) in &sample.relations {
                    let of = |at: usize| set.types[sample.entities[at].kind];
                    signatures.insert((of(head), set.relations[kind], of(tail)));
                }
            }
        }
        let labels = Labels {
            types,
            relations,
            signatures: signatures.into_iter().collect(),
            temperature: 1.0,
            relation_threshold: 0.0,
        };
        let workers = Workers::new()?;
        let (params, files) = (params.clone(), base_files(base)?);
        Ok(Self { network, encoder, labels, workers, sets, dev, params, files })
    }

    fn run(mut self, tell: &mut dyn FnMut(TrainProgress)) -> Result<Trained, ExtractError> {
        let left_out = self.sets.iter().map(|set| set.left_out).sum();
        tell(TrainProgress::LeftOut(left_out));
        if self.params.anchor > 0.0 {
            self.cast_anchors()?;
        }
        let TrainParams { epochs, batch, rate, head_rate, dropout, anchor, patience, seed } =
            self.params;
        let per_epoch: usize = self.sets.iter().map(|set| set.samples.len().div_ceil(batch)).sum();
        let total = per_epoch * epochs;
        let mut optimizer = Optimizer::default();
        let mut best: Option<(f64, usize, Trained)> = None;
        let mut n_steps = 0;
        for epoch in 0..epochs {
            let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(1 + epoch as u64));
            let questions = self.questions(&self.sets)?;
            let mut sum = 0.0;
            for (set, texts) in self.batches(&mut rng) {
                let chance =
                    Chance { seed: rng.random(), dropout, anchor, by_name: rng.random_ratio(1, NAME_EVERY as u32) };
                let gradients = self.gradients(set, &questions[set], &texts, chance)?;
                if !gradients.loss.is_finite() {
                    return Err(ExtractError::Diverged { step: n_steps });
                }
                let share = schedule(n_steps, total);
                let rates = Rates { encoder: rate * share, heads: head_rate * share };
                optimizer.step(&mut self.network, &gradients, rates, &self.workers)?;
                n_steps += 1;
                sum += gradients.loss;
                tell(TrainProgress::Step(epoch + 1, n_steps, total, gradients.loss));
            }
            let score = self.score()?;
            tell(TrainProgress::Epoch(epoch + 1, sum / per_epoch as f64, score.0, score.1));
            let value = score.0 + score.1;
            if self.dev.is_empty() || best.as_ref().is_none_or(|(best, ..)| value > *best) {
                best = Some((value, epoch, self.trained()?));
            }
            if best.as_ref().is_some_and(|(_, at, _)| epoch - at >= patience) {
                break;
            }
        }
        match best {
            Some((.., trained)) => Ok(trained),
            None => self.trained(),
        }
    }

    /// Notes where the encodings of all samples are before training.
    fn cast_anchors(&mut self) -> Result<(), ExtractError> {
        let special = self.encoder.special();
        for set in &mut self.sets {
            let chunks: Vec<&[Sample]> = set.samples.chunks(anchor::AT_ONCE).collect();
            let found = self.workers.run(chunks.len(), |index| {
                let samples: Vec<&Sample> = chunks[index].iter().collect();
                let rng = ChaCha8Rng::seed_from_u64(self.params.seed.wrapping_add(index as u64));
                anchor::anchors(&self.network, &samples, special, rng).map_err(compute)
            })?;
            for (sample, anchor) in set.samples.iter_mut().zip(found.into_iter().flatten()) {
                sample.anchor = Some(anchor);
            }
        }
        Ok(())
    }

    /// The encodings of the names that each set labels.
    fn questions(&self, sets: &[Set]) -> Result<Vec<Question>, ExtractError> {
        let special = self.encoder.special();
        let names = |all: &[String], indices: &[usize]| -> Result<Names, ExtractError> {
            let texts: Vec<String> = indices.iter().map(|&index| readable(&all[index])).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let ids: Vec<Vec<u32>> =
                self.encoder.tokenize(&texts)?.into_iter().map(|tokens| tokens.ids).collect();
            let encodings = step::encode(&self.network, &ids, special).map_err(compute)?;
            Ok(Names { encodings, indices: indices.to_vec() })
        };
        sets.iter()
            .map(|set| {
                Ok(Question {
                    types: names(&self.labels.types, &set.types)?,
                    relations: names(&self.labels.relations, &set.relations)?,
                })
            })
            .collect()
    }

    /// The batches of an epoch: a set and some of its samples.
    fn batches(&self, rng: &mut ChaCha8Rng) -> Vec<(usize, Vec<usize>)> {
        let mut batches = Vec::new();
        for (index, set) in self.sets.iter().enumerate() {
            let mut order: Vec<usize> = (0..set.samples.len()).collect();
            order.shuffle(rng);
            batches.extend(order.chunks(self.params.batch).map(|texts| (index, texts.to_vec())));
        }
        batches.shuffle(rng);
        batches
    }

    fn gradients(
        &self,
        set: usize,
        question: &Question,
        texts: &[usize],
        chance: Chance,
    ) -> Result<Gradients, ExtractError> {
        let samples: Vec<&Sample> =
            texts.iter().map(|&text| &self.sets[set].samples[text]).collect();
        let parts = parts(&samples);
        let special = self.encoder.special();
        let found = self.workers.run(parts.len(), |index| {
            let chance = Chance { seed: chance.seed.wrapping_add(index as u64), ..chance };
            let part = &parts[index];
            step::gradients(&self.network, question, part, special, samples.len(), chance)
                .map_err(compute)
        })?;
        let mut sum = Gradients::default();
        found.into_iter().for_each(|gradients| sum.add(gradients));
        Ok(sum)
    }

    /// Strict F1 of entities and of relations on the development texts, over all sets.
    fn score(&self) -> Result<(f64, f64), ExtractError> {
        let questions = self.questions(&self.dev)?;
        let special = self.encoder.special();
        let mut entities = Count::default();
        let mut relations = Count::default();
        for (set, question) in self.dev.iter().zip(&questions) {
            let chunks: Vec<&[Sample]> = set.samples.chunks(GUESS_AT_ONCE).collect();
            let found = self.workers.run(chunks.len(), |index| {
                let samples: Vec<&Sample> = chunks[index].iter().collect();
                step::guesses(&self.network, question, &samples, special).map_err(compute)
            })?;
            for (sample, guess) in set.samples.iter().zip(found.into_iter().flatten()) {
                entities.add(&sample.entities, &guess.spans);
                let gold: Vec<(Segment, Segment, usize)> = (sample.relations.iter())
                    .map(|&(head, tail, kind)| (sample.entities[head], sample.entities[tail], kind))
                    .collect();
                let stated = guess.relations.iter().filter(|(.., score)| *score > 0.0);
                let found: Vec<(Segment, Segment, usize)> = stated
                    .map(|&(head, tail, kind, _)| (guess.spans[head], guess.spans[tail], kind))
                    .collect();
                relations.add(&gold, &found);
            }
        }
        Ok((entities.f1(), relations.f1()))
    }

    fn trained(&self) -> Result<Trained, ExtractError> {
        let tensors = self.network.tensors().map_err(compute)?.into_iter().collect();
        Ok(Trained { tensors, labels: self.labels.clone(), files: self.files.clone() })
    }
}

/// Right, found and labelled.
#[derive(Debug, Default)]
struct Count {
    right: usize,
    found: usize,
    labelled: usize,
}

impl Count {
    fn add<T: PartialEq>(&mut self, labelled: &[T], found: &[T]) {
        self.right += found.iter().filter(|found| labelled.contains(found)).count();
        self.found += found.len();
        self.labelled += labelled.len();
    }

    fn f1(&self) -> f64 {
        2.0 * self.right as f64 / ((self.found + self.labelled).max(1)) as f64
    }
}

/// Share of the highest learning rate at a step: up over the first tenth, then down to 0.
fn schedule(step: usize, total: usize) -> f32 {
    let warm = (total / 10).max(1);
    let up = (step + 1) as f32 / warm as f32;
    let down = (total - step) as f32 / (total - warm).max(1) as f32;
    up.min(down).min(1.0)
}

/// Parts of a batch with about as many tokens each, the longest texts dealt first.
fn parts<'s>(samples: &[&'s Sample]) -> Vec<Vec<&'s Sample>> {
    let n_tokens: usize = samples.iter().map(|sample| sample.ids.len() + 2).sum();
    let n = n_tokens.div_ceil(PART_TOKENS).max(2).min(samples.len());
    let mut order: Vec<&Sample> = samples.to_vec();
    order.sort_by_key(|sample| std::cmp::Reverse(sample.ids.len()));
    let mut parts = vec![Vec::new(); n];
    let mut loads = vec![0usize; n];
    for sample in order {
        let least = (0..n).min_by_key(|&part| loads[part]).unwrap_or(0);
        loads[least] += sample.ids.len() + 2;
        parts[least].push(sample);
    }
    parts
}
