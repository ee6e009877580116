//! Anchors: encodings that training is to leave where they were.
//!
//! The same encoder finds spans and says which texts and phrases mean the like. Left alone,
//! training on spans bends the second out of shape. So the mean state of each text, and of some
//! words of it in the text and by themselves, is held near what it was in the base: learning
//! without forgetting (Li and Hoiem 2016), with the cosine as the distance.

use std::ops::Range;

use candle_core::Result;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::super::encoder::{add, normalize};
use super::super::ops::with;
use super::super::tokens::Token;
use super::super::vector::dot;
use super::network::{Dropout, Network};
use super::rows::Rows;
use super::sample::Sample;

/// Words of a phrase, at most.
const MAX_WORDS: usize = 4;
/// Texts that are encoded at a time.
pub(super) const AT_ONCE: usize = 16;

/// Where the encodings of a sample were in the base; each of length 1.
#[derive(Debug, Clone)]
pub(super) struct Anchor {
    /// Tokens of a phrase of the sample.
    phrase: Range<usize>,
    whole: Vec<f32>,
    /// Of the phrase, in the text.
    inside: Vec<f32>,
    /// Of the phrase, by itself.
    alone: Vec<f32>,
}

/// The rows of samples and then of their phrases, each a text.
pub(super) fn extend(
    rows: &mut Rows,
    samples: &[&Sample],
    phrases: &[Range<usize>],
    special: (Token, Token),
) {
    for (sample, phrase) in samples.iter().zip(phrases) {
        let small = |token: &Token| Token::from(token.id);
        let phrase: Vec<Token> = sample.tokens[phrase.clone()].iter().map(small).collect();
        rows.push(&phrase, special);
    }
}

/// The anchors of samples, by the states of `base`.
pub(super) fn anchors(
    base: &Network,
    samples: &[&Sample],
    special: (Token, Token),
    mut rng: ChaCha8Rng,
) -> Result<Vec<Anchor>> {
    let phrases: Vec<Range<usize>> =
        samples.iter().map(|sample| phrase(sample, &mut rng)).collect();
    let mut rows = Rows::default();
    samples.iter().for_each(|sample| rows.push(&sample.tokens, special));
    extend(&mut rows, samples, &phrases, special);
    let hidden = base.config.hidden_size;
    let (states, _) = base.forward(&rows, &mut Dropout::none())?;
    with(&states, |states| {
        let mean = |rows: Range<usize>| {
            let mut mean = sum(states, rows, hidden);
            normalize(&mut mean);
            mean
        };
        let anchors = phrases.into_iter().enumerate().map(|(index, phrase)| Anchor {
            whole: mean(rows.texts[index].clone()),
            inside: mean(within(&rows.texts[index], &phrase)),
            alone: mean(rows.texts[samples.len() + index].clone()),
            phrase,
        });
        Ok(anchors.collect())
    })
}

impl Anchor {
    pub(super) fn phrase(&self) -> Range<usize> {
        self.phrase.clone()
    }

    /// The sum of 1 - cosine over the three means, times `weight`; adds its gradient to `to_states`.
    ///
    /// `text` and `alone` are the rows of the sample and of its phrase.
    pub(super) fn pull(
        &self,
        (text, alone): (&Range<usize>, &Range<usize>),
        (states, to_states): (&[f32], &mut [f32]),
        weight: f32,
    ) -> f64 {
        let hidden = self.whole.len();
        let means = [
            (text.clone(), &self.whole),
            (within(text, &self.phrase), &self.inside),
            (alone.clone(), &self.alone),
        ];
        let mut loss = 0.0;
        for (rows, target) in means {
            let mut mean = sum(states, rows.clone(), hidden);
            let length = dot(&mean, &mean).sqrt().max(f32::MIN_POSITIVE);
            mean.iter_mut().for_each(|value| *value /= length);
            let cosine = dot(&mean, target);
            loss += f64::from(weight * (1.0 - cosine));
            let scale = weight / length;
            let gradient: Vec<f32> = target
                .iter()
                .zip(&mean)
                .map(|(target, mean)| scale * (cosine * mean - target))
                .collect();
            for row in rows {
                add(&mut to_states[row * hidden..][..hidden], &gradient);
            }
        }
        loss
    }
}

/// The rows of a phrase in its text, after the special token.
fn within(text: &Range<usize>, phrase: &Range<usize>) -> Range<usize> {
    text.start + 1 + phrase.start..text.start + 1 + phrase.end
}

fn sum(states: &[f32], rows: Range<usize>, hidden: usize) -> Vec<f32> {
    let mut sum = vec![0f32; hidden];
    rows.for_each(|row| add(&mut sum, &states[row * hidden..][..hidden]));
    sum
}

/// The tokens of some words in a row: an entity, or any words.
fn phrase(sample: &Sample, rng: &mut ChaCha8Rng) -> Range<usize> {
    let n_words = sample.words.len();
    if n_words == 0 {
        return 0..sample.tokens.len();
    }
    let (first, last) = if sample.entities.is_empty() || rng.random_bool(0.5) {
        let first = rng.random_range(0..n_words);
        (first, (first + rng.random_range(0..MAX_WORDS)).min(n_words - 1))
    } else {
        let entity = sample.entities[rng.random_range(0..sample.entities.len())];
        (entity.first, entity.last)
    };
    sample.words[first].0..sample.words[last].1 + 1
}
