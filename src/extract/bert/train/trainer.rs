//! The loop: epochs of batches, the score of each epoch, the best one written.

use std::collections::BTreeSet;
use std::time::Instant;

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::encoder::Encoder;
use super::super::head;
use super::super::labels::Labels;
use super::super::tokens::Token;
use super::super::weights::{compute, write_model};
use super::super::workers::Workers;
use super::anchor;
use super::calibrate::{Findings, calibrate};
use super::checkpoint::Checkpoint;
use super::fresh::{carry_over, fresh};
use super::network::Network;
use super::optimizer::{Optimizer, Rates};
use super::sample::{self, Sample, Set};
use super::step::{self, Chance, Gradients, Names, Question};
use super::{Base, EpochReport, TrainParams, TrainPlan, TrainProgress};
use crate::extract::ExtractError;
use crate::extract::label::Labelled;

/// Steps that training takes when nobody says how many, and the fewest and most epochs for them.
const STEPS: usize = 2500;
const EPOCHS: (usize, usize) = (4, 24);
/// The average reaches back over about one of so many parts of all steps.
const AVERAGED: usize = 12;
/// Tokens of one part of a batch, about.
const PART_TOKENS: usize = 320;
/// Texts that are looked through at a time.
const GUESS_AT_ONCE: usize = 16;

/// A model in training.
pub(super) struct Trainer<'p> {
    plan: &'p TrainPlan<'p>,
    files: [Vec<u8>; 2],
    /// Hash of the base.
    base: [u8; 32],
    encoder: Encoder,
    workers: Workers,
    network: Network,
    /// The mean of the latest states of `network`, which is what is measured and written: it lies
    /// nearer to the best than any of them (Polyak and Juditsky 1992).
    average: Network,
    labels: Labels,
    sets: Vec<Set>,
    dev: Vec<Set>,
}

impl<'p> Trainer<'p> {
    pub(super) fn new(base: Base, plan: &'p TrainPlan<'p>) -> Result<Self, ExtractError> {
        let Base { weights, files } = base;
        let types = sample::names(plan.sets, sample::types_of);
        let relations = sample::names(plan.sets, sample::relations_of);
        if types.is_empty() {
            return Err(ExtractError::NothingLabelled { what: "entity" });
        }
        let mut rng = ChaCha8Rng::seed_from_u64(plan.params.seed);
        let shapes = head::shapes(weights.config.hidden_size, types.len(), relations.len());
        let mut own = fresh(shapes, &mut rng).map_err(compute)?;
        if let Some((known, heads)) = &weights.heads {
            let tables = [
                ("type.offset", &types, &known.types),
                ("relation.offset", &relations, &known.relations),
                ("relation.threshold", &relations, &known.relations),
            ];
            carry_over(&mut own, heads, &tables).map_err(compute)?;
        }
        let base = weights.hash;
        let mut tensors = weights.tensors.clone();
        tensors.extend(own);
        let build = || Network::new(tensors.clone(), weights.config.clone()).map_err(compute);
        let (network, average) = (build()?, build()?);
        let encoder = Encoder::new(weights)?;
        let read = |sets: &[Vec<Labelled>]| -> Result<Vec<Set>, ExtractError> {
            sets.iter().map(|set| Set::new(&encoder, set, &types, &relations)).collect()
        };
        let (sets, dev) = (read(plan.sets)?, read(plan.dev)?);
        let labels = Labels {
            signatures: signatures(&sets),
            types,
            relations,
            temperature: 1.0,
            relation_threshold: 0.0,
        };
        Ok(Self {
            plan,
            files,
            base,
            encoder,
            workers: Workers::new(rayon::current_num_threads())?,
            network,
            average,
            labels,
            sets,
            dev,
        })
    }

    pub(super) fn run(
        mut self,
        tell: &mut dyn FnMut(TrainProgress),
    ) -> Result<EpochReport, ExtractError> {
        let n_texts = self.sets.iter().map(|set| set.samples.len()).sum();
        let left_out = self.sets.iter().map(|set| set.left_out).sum();
        tell(TrainProgress::Ready(n_texts, left_out));
        let TrainParams { anchor, patience, .. } = self.plan.params;
        if anchor > 0.0 {
            self.cast_anchors()?;
        }
        let epochs = self.epochs();
        let mut optimizer = Optimizer::default();
        let checkpoint = Checkpoint::new(self.plan, &self.base)?;
        let mut best = None;
        let mut done = 0;
        if self.plan.resume
            && let Some(left) =
                checkpoint.load(&mut self.network, &mut self.average, &mut optimizer)?
        {
            done = left.epochs;
            best = left.best;
            tell(TrainProgress::Resumed(done));
        }
        for epoch in done..epochs {
            let loss = self.epoch(epoch, &mut optimizer, tell)?;
            let findings = self.findings()?;
            let (entities_f1, relations_f1) = findings.f1();
            let mut report =
                EpochReport { epoch: epoch + 1, loss, entities_f1, relations_f1, best: false };
            let value = |report: &EpochReport| report.entities_f1 + report.relations_f1;
            if self.dev.is_empty() || best.as_ref().is_none_or(|best| value(&report) > value(best))
            {
                report.best = true;
                let labels = calibrate(&self.labels, &findings, &self.workers)?;
                let tensors = self.average.tensors().map_err(compute)?;
                let TrainPlan { folder, quantize, .. } = self.plan;
                write_model(folder, &self.files, &tensors, Some(&labels), *quantize)?;
                best = Some(report);
            }
            tell(TrainProgress::Epoch(report));
            checkpoint.save(&self.network, &self.average, &optimizer, epoch + 1, best)?;
            if best.is_some_and(|best| report.epoch - best.epoch >= patience) {
                break;
            }
        }
        checkpoint.remove()?;
        best.ok_or(ExtractError::NothingLabelled { what: "epoch" })
    }

    fn steps_per_epoch(&self) -> usize {
        let batch = self.plan.params.batch;
        self.sets.iter().map(|set| set.samples.len().div_ceil(batch)).sum()
    }

    fn epochs(&self) -> usize {
        let (fewest, most) = EPOCHS;
        let fitting = STEPS / self.steps_per_epoch().max(1);
        self.plan.params.epochs.unwrap_or(fitting.clamp(fewest, most))
    }

    /// Does one epoch; returns the mean loss per text.
    fn epoch(
        &mut self,
        epoch: usize,
        optimizer: &mut Optimizer,
        tell: &mut dyn FnMut(TrainProgress),
    ) -> Result<f64, ExtractError> {
        let TrainParams { rate, head_rate, dropout, hidden, anchor, by_name, seed, .. } =
            self.plan.params;
        let per_epoch = self.steps_per_epoch();
        let total = per_epoch * self.epochs();
        let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(1 + epoch as u64));
        let questions = self.questions(&self.network, &self.sets)?;
        let (hidden, unknown) = self.encoder.unknown().map_or((0.0, 0), |id| (hidden, id));
        let mut sum = 0.0;
        let mut told = Instant::now();
        for (step, (set, texts)) in self.batches(&mut rng).into_iter().enumerate() {
            let step = epoch * per_epoch + step;
            let by_name = rng.random::<f32>() < by_name;
            let seed = rng.random();
            let chance = Chance { seed, dropout, hidden, unknown, anchor, by_name };
            let gradients = self.gradients(set, &questions[set], &texts, chance)?;
            if !gradients.loss.is_finite() {
                return Err(ExtractError::Diverged { step });
            }
            let share = schedule(step, total);
            let rates = Rates { encoder: rate * share, heads: head_rate * share };
            optimizer.step(&mut self.network, &gradients, rates, &self.workers)?;
            let share = 1.0 / (1 + step.min(total / AVERAGED)) as f32;
            self.average.approach(&self.network, share, &self.workers)?;
            sum += gradients.loss;
            if told.elapsed().as_secs() >= 5 {
                told = Instant::now();
                tell(TrainProgress::Step(step + 1, total, gradients.loss));
            }
        }
        Ok(sum / per_epoch.max(1) as f64)
    }

    /// Notes where the encodings of all samples are before training.
    fn cast_anchors(&mut self) -> Result<(), ExtractError> {
        let special = self.encoder.special();
        for set in &mut self.sets {
            let chunks: Vec<&[Sample]> = set.samples.chunks(anchor::AT_ONCE).collect();
            let found = self.workers.run(chunks.len(), |index| {
                let samples: Vec<&Sample> = chunks[index].iter().collect();
                let seed = self.plan.params.seed.wrapping_add(index as u64);
                let rng = ChaCha8Rng::seed_from_u64(seed);
                anchor::anchors(&self.network, &samples, special, rng).map_err(compute)
            })?;
            for (sample, anchor) in set.samples.iter_mut().zip(found.into_iter().flatten()) {
                sample.anchor = Some(anchor);
            }
        }
        Ok(())
    }

    /// The encodings of the names that each set labels.
    fn questions(&self, network: &Network, sets: &[Set]) -> Result<Vec<Question>, ExtractError> {
        let special = self.encoder.special();
        let names = |all: &[String], indices: &[usize]| -> Result<Names, ExtractError> {
            let texts: Vec<String> =
                indices.iter().map(|&index| self.encoder.name(&all[index])).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let read: Vec<Vec<Token>> =
                self.encoder.tokenize(&texts)?.into_iter().map(|tokens| tokens.read).collect();
            let encodings = step::encode(network, &read, special).map_err(compute)?;
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
            let texts = order.chunks(self.plan.params.batch);
            batches.extend(texts.map(|texts| (index, texts.to_vec())));
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

    /// What the network finds in the development texts, beside what is labelled there.
    fn findings(&self) -> Result<Findings<'_>, ExtractError> {
        let questions = self.questions(&self.average, &self.dev)?;
        let special = self.encoder.special();
        let mut findings = Findings::default();
        for (set, question) in self.dev.iter().zip(&questions) {
            let chunks: Vec<&[Sample]> = set.samples.chunks(GUESS_AT_ONCE).collect();
            let found = self.workers.run(chunks.len(), |index| {
                let samples: Vec<&Sample> = chunks[index].iter().collect();
                step::guesses(&self.average, question, &samples, special).map_err(compute)
            })?;
            findings.0.extend(set.samples.iter().zip(found.into_iter().flatten()));
        }
        Ok(findings)
    }
}

/// The relations that sets state, and between which types.
fn signatures(sets: &[Set]) -> Vec<(usize, usize, usize)> {
    let mut signatures = BTreeSet::new();
    for set in sets {
        for sample in &set.samples {
            for &(head, tail, kind) in &sample.relations {
                let of = |at: usize| set.types[sample.entities[at].kind];
                signatures.insert((of(head), set.relations[kind], of(tail)));
            }
        }
    }
    signatures.into_iter().collect()
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
    let n_tokens: usize = samples.iter().map(|sample| sample.tokens.len() + 2).sum();
    let n = n_tokens.div_ceil(PART_TOKENS).max(2).min(samples.len());
    let mut order: Vec<&Sample> = samples.to_vec();
    order.sort_by_key(|sample| std::cmp::Reverse(sample.tokens.len()));
    let mut parts = vec![Vec::new(); n];
    let mut loads = vec![0usize; n];
    for sample in order {
        let least = (0..n).min_by_key(|&part| loads[part]).unwrap_or(0);
        loads[least] += sample.tokens.len() + 2;
        parts[least].push(sample);
    }
    parts
}
