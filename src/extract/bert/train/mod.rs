//! Fine-tuning: the encoder and its heads learn from labelled texts.
//!
//! Several files with different labels train together: a batch comes from one file and is asked
//! for that file's types only, so what another file does not label is no negative. A share of the
//! steps goes by the names of the types alone, and half of these ask for some of the types only: that
//! keeps types that were never trained within reach, and answers to what was not asked away. The same
//! seed gives the same bytes at any number of threads: a batch is cut into parts by its tokens, and
//! the parts' gradients are added in order.

mod anchor;
mod calibrate;
mod checkpoint;
mod fresh;
mod network;
mod norm;
mod optimizer;
mod rows;
mod sample;
mod step;
mod trainer;

use std::path::{Path, PathBuf};

use super::weights::{ModelFiles, Weights, base_files};
use crate::extract::ExtractError;
use crate::extract::label::Labelled;

use self::trainer::Trainer;

/// How to train.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainParams {
    /// Times that every text is seen. Default: as often as makes 2,500 steps, 4 times at least and
    /// 24 at most.
    pub epochs: Option<usize>,
    /// Texts of a step. Default 16.
    pub batch: usize,
    /// Highest learning rate of the encoder; it rises over the first tenth of the steps and falls
    /// to 0. Default 2e-4.
    pub rate: f32,
    /// The same of the heads. Default 1e-3.
    pub head_rate: f32,
    /// Share of the numbers that dropout leaves out. Default 0.1.
    pub dropout: f32,
    /// Share of the tokens that are hidden behind the unknown one. Default 0.1.
    pub hidden: f32,
    /// How strongly the encodings of texts and phrases are held where they were in the base.
    /// Default 0: they may go.
    pub anchor: f32,
    /// Share of the steps that go by the names of types and relations, without what was learned
    /// of each. Default 0.25.
    pub by_name: f32,
    /// Epochs without a better score on the development texts before training ends. Default 8.
    pub patience: usize,
    /// Seed of all choices. Default 1.
    pub seed: u64,
}

impl Default for TrainParams {
    fn default() -> Self {
        Self {
            epochs: None,
            batch: 16,
            rate: 2e-4,
            head_rate: 1e-3,
            dropout: 0.1,
            hidden: 0.1,
            anchor: 0.0,
            by_name: 0.25,
            patience: 8,
            seed: 1,
        }
    }
}

/// The model that training starts from.
#[derive(Debug)]
pub struct Base {
    weights: Weights,
    /// `config.json` and `tokenizer.json`.
    files: [Vec<u8>; 2],
}

impl Base {
    /// A model folder, with or without heads.
    ///
    /// # Errors
    /// Those of [`Weights::open`].
    pub fn open(folder: &Path) -> Result<Self, ExtractError> {
        Ok(Self { weights: Weights::open(folder)?, files: base_files(folder)? })
    }

    /// A model that the program carries.
    ///
    /// # Errors
    /// Those of [`Weights::parse`].
    pub fn shipped(files: &ModelFiles<'_>) -> Result<Self, ExtractError> {
        let copies = [files.config.to_vec(), files.tokenizer.to_vec()];
        Ok(Self { weights: Weights::parse(files)?, files: copies })
    }
}

/// Where training stands.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainProgress {
    /// The labels are read: texts, and labels left out since they overlap others or are too long.
    Ready(usize, usize),
    /// Training goes on after this many epochs.
    Resumed(usize),
    /// A step is done: steps so far, steps of all, loss per text.
    Step(usize, usize, f64),
    /// An epoch is done, and the model written if it is the best so far.
    Epoch(EpochReport),
}

/// What an epoch came to.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EpochReport {
    /// Counted from 1.
    pub epoch: usize,
    /// Mean loss per text.
    pub loss: f64,
    /// Strict F1 of entities on the development texts; 0 without any.
    pub entities_f1: f64,
    /// The same of relations.
    pub relations_f1: f64,
    /// Whether this is the best epoch so far.
    pub best: bool,
}

/// Trains a model from `base` on `sets`, each the texts of one file, and writes the epoch that is
/// best on `dev`, or the last without any, to `folder`.
///
/// Beside the model, `folder` holds `.training` until training ends: what [`resume`](TrainPlan) needs
/// to go on after an interruption.
///
/// # Errors
/// [`ExtractError::NothingLabelled`], [`ExtractError::Diverged`], [`ExtractError::OtherTraining`],
/// those of the encoder, and failures of the machine.
pub fn train(
    base: Base,
    plan: &TrainPlan<'_>,
    tell: &mut dyn FnMut(TrainProgress),
) -> Result<EpochReport, ExtractError> {
    Trainer::new(base, plan)?.run(tell)
}

/// What to train on, how, and where to.
#[derive(Debug, Clone)]
pub struct TrainPlan<'p> {
    /// The texts of each file.
    pub sets: &'p [Vec<Labelled>],
    /// Development texts, by file.
    pub dev: &'p [Vec<Labelled>],
    /// How.
    pub params: TrainParams,
    /// Folder of the model, written at the end of each best epoch.
    pub folder: PathBuf,
    /// Whether to quantise what is written.
    pub quantize: bool,
    /// Whether to go on from what an interrupted training left in the folder.
    pub resume: bool,
}

#[cfg(test)]
mod tests;
