//! One batch: its loss and the gradient of every parameter.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::encoder::add;
use super::super::head::{self, Pair, SpanScores, WordStates};
use super::super::ops::with;
use super::super::segment::{Potentials, Segment};
use super::super::tokens::Token;
use super::anchor::{self, Anchor};
use super::network::{Dropout, Network};
use super::rows::Rows;
use super::sample::Sample;

/// Pairs of spans of a text that are looked at, at most.
const MAX_PAIRS: usize = 600;

/// Added to a score, low enough for a chance of 0, and no infinity, which times 0 is no number.
const NEVER: f32 = -1e4;

/// The encodings of the names that a batch is labelled with, and which of all they are.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// `[n, hidden]`, rows of length 1.
    pub(super) encodings: Tensor,
    /// Rows of the table of offsets.
    pub(super) indices: Vec<usize>,
}

impl Names {
    /// The vectors of the names; without offsets, by what they say alone.
    fn vectors(&self, network: &Network, kind: &str, by_name: bool) -> Result<Tensor> {
        let get = |name: &str| network.get(name);
        let indices: Vec<u32> = self.indices.iter().map(|&index| index as u32).collect();
        let indices = Tensor::from_vec(indices, self.indices.len(), &Device::Cpu)?;
        let mut offsets = get(&format!("{kind}.offset"))?.index_select(&indices, 0)?;
        if by_name {
            offsets = offsets.zeros_like()?;
        }
        head::vectors(&get, kind, &self.encodings, &offsets)
    }
}

/// What a batch is asked about.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) types: Names,
    pub(super) relations: Names,
}

/// Choices of one step that are not in the data.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance {
    pub(super) seed: u64,
    pub(super) dropout: f32,
    /// Share of the tokens that are hidden, and what stands in their place.
    pub(super) hidden: f32,
    pub(super) unknown: u32,
    /// Weight of the anchors.
    pub(super) anchor: f32,
    /// Whether types go by their names alone in this step, and perhaps some of them only.
    pub(super) by_name: bool,
}

/// Loss and gradients of some texts.
#[derive(Debug, Default)]
pub(super) struct Gradients {
    pub(super) loss: f64,
    pub(super) by_variable: BTreeMap<String, Vec<f32>>,
    /// By token: the gradient of its row of the word embeddings.
    pub(super) by_token: BTreeMap<u32, Vec<f32>>,
}

impl Gradients {
    /// Adds those of other texts.
    pub(super) fn add(&mut self, other: Gradients) {
        self.loss += other.loss;
        for (name, gradient) in other.by_variable {
            match self.by_variable.get_mut(&name) {
                Some(sum) => add(sum, &gradient),
                None => drop(self.by_variable.insert(name, gradient)),
            }
        }
        for (token, gradient) in other.by_token {
            match self.by_token.get_mut(&token) {
                Some(sum) => add(sum, &gradient),
                None => drop(self.by_token.insert(token, gradient)),
            }
        }
    }

    /// Length of all gradients as one vector.
    pub(super) fn norm(&self) -> f64 {
        let squares = |values: &Vec<f32>| values.iter().map(|v| f64::from(v * v)).sum::<f64>();
        let sum: f64 = self.by_variable.values().map(squares).sum::<f64>()
            + self.by_token.values().map(squares).sum::<f64>();
        sum.sqrt()
    }
}

/// The rows of some samples, and the rows of each word's first and last token.
struct Layout {
    rows: Rows,
    first: Vec<u32>,
    last: Vec<u32>,
    /// Where each sample's words begin, and their end.
    words: Vec<usize>,
}

impl Layout {
    fn new(samples: &[&Sample], special: (Token, Token)) -> Self {
        let mut layout =
            Self { rows: Rows::default(), first: Vec::new(), last: Vec::new(), words: vec![0] };
        for sample in samples {
            let start = layout.rows.tokens.len();
            layout.rows.push(&sample.tokens, special);
            for &(first, last) in &sample.words {
                layout.first.push((start + 1 + first) as u32);
                layout.last.push((start + 1 + last) as u32);
            }
            layout.words.push(layout.first.len());
        }
        layout
    }

    /// Puts the unknown token in place of some, so that a text is not known by its words alone.
    fn hide(&mut self, chance: Chance, rng: &mut ChaCha8Rng) {
        for text in &self.rows.texts {
            let hidden = text.clone().skip(1).take(text.len() - 2);
            for row in hidden.filter(|_| rng.random::<f32>() < chance.hidden) {
                self.rows.tokens[row].id = chance.unknown;
            }
        }
    }

    fn states(&self, states: &Tensor) -> Result<WordStates> {
        let select = |rows: &[u32]| states.index_select(&Tensor::new(rows, &Device::Cpu)?, 0);
        Ok(WordStates { first: select(&self.first)?, last: select(&self.last)? })
    }

    /// Spans of sample `index` in words of the whole layout.
    fn shift(&self, index: usize, spans: &[Segment]) -> Vec<Segment> {
        let by = self.words[index];
        spans
            .iter()
            .map(|span| Segment { first: span.first + by, last: span.last + by, ..*span })
            .collect()
    }
}

/// Loss and gradients of `samples`, divided by `n_batch`, the texts of the whole batch.
pub(super) fn gradients(
    network: &Network,
    question: &Question,
    samples: &[&Sample],
    special: (Token, Token),
    n_batch: usize,
    chance: Chance,
) -> Result<Gradients> {
    let mut rng = ChaCha8Rng::seed_from_u64(chance.seed);
    let n_types = question.types.indices.len();
    let some_only = chance.by_name && n_types > 1 && rng.random();
    let asked: Vec<bool> = (0..n_types).map(|_| !some_only || rng.random()).collect();
    let asked_of: Vec<Sample> = samples.iter().map(|sample| sample.asked(&asked)).collect();
    let samples = &asked_of.iter().collect::<Vec<_>>()[..];
    let mut layout = Layout::new(samples, special);
    layout.hide(chance, &mut rng);
    let phrases: Vec<_> =
        samples.iter().flat_map(|sample| &sample.anchor).map(Anchor::phrase).collect();
    anchor::extend(&mut layout.rows, samples, &phrases, special);
    let mut drop = Dropout { share: chance.dropout, rng: ChaCha8Rng::seed_from_u64(rng.random()) };
    let (last, passed) = network.forward(&layout.rows, &mut drop)?;
    let last = Var::from_tensor(&last)?;
    let states = layout.states(last.as_tensor())?;
    let get = |name: &str| network.get(name);
    let types = question.types.vectors(network, "type", chance.by_name)?;
    let scores = head::span_scores(&get, &states, &types)?;
    let mut loss = 0.0;
    let mut parts: Vec<Potentials> = Vec::new();
    let mut spans: Vec<Segment> = Vec::new();
    let mut pairs: Vec<(Pair, Vec<usize>)> = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        let mut potentials = scores.of(layout.words[index], layout.words[index + 1])?;
        (0..n_types).filter(|&kind| !asked[kind]).for_each(|kind| potentials.add_to(kind, NEVER));
        let (own, gradient) = potentials.loss(&sample.entities, sample.allowed);
        loss += own;
        parts.push(gradient);
        if !question.relations.indices.is_empty() {
            let found: Vec<Segment> =
                potentials.decode(1.0).into_iter().map(|(segment, _)| segment).collect();
            let own = with_wrong(sample, &found);
            pairs.extend(pairs_of(sample, own.len(), spans.len(), &mut rng));
            spans.extend(layout.shift(index, &own));
        }
    }
    let mut surrogate = against(&scores, &parts)?;
    if !pairs.is_empty() {
        let relations = question.relations.vectors(network, "relation", chance.by_name)?;
        let thresholds = thresholds(network, &question.relations)?;
        let both: Vec<Pair> = pairs.iter().map(|(pair, _)| *pair).collect();
        let scores =
            head::relation_scores(&get, &states, &spans, &both, &types, (&relations, &thresholds))?;
        let (own, gradient) = binary(&scores, &pairs)?;
        loss += own;
        surrogate = (surrogate + (scores * gradient)?.sum_all()?)?;
    }
    let scale = 1.0 / n_batch as f64;
    let store = (surrogate * scale)?.backward()?;
    let mut gradients = Gradients { loss: loss * scale, ..Gradients::default() };
    for (name, variable) in &network.variables {
        if let Some(gradient) = store.get(variable) {
            let values = gradient.flatten_all()?.to_vec1()?;
            gradients.by_variable.insert(name.clone(), values);
        }
    }
    let Some(to_states) = store.get(last.as_tensor()) else { return Ok(gradients) };
    let mut to_states = with(to_states, |values| Ok(values.to_vec()))?;
    with(last.as_tensor(), |states| {
        let texts = &layout.rows.texts;
        for (index, anchor) in samples.iter().flat_map(|sample| &sample.anchor).enumerate() {
            let rows = (&texts[index], &texts[samples.len() + index]);
            let weight = chance.anchor / n_batch as f32;
            gradients.loss += anchor.pull(rows, (states, &mut to_states), weight);
        }
        Ok(())
    })?;
    let (by_name, to_words) = network.backward(&layout.rows, passed, to_states)?;
    gradients.by_variable.extend(by_name);
    let hidden = network.config.hidden_size;
    for (token, row) in layout.rows.tokens.iter().zip(to_words.chunks_exact(hidden)) {
        add(gradients.by_token.entry(token.id).or_insert_with(|| vec![0.0; hidden]), row);
    }
    Ok(gradients)
}

/// The score above which a relation is stated, with its sign turned, for each name.
fn thresholds(network: &Network, relations: &Names) -> Result<Tensor> {
    let indices: Vec<u32> = relations.indices.iter().map(|&index| index as u32).collect();
    let n = indices.len();
    network.get("relation.threshold")?.index_select(&Tensor::from_vec(indices, n, &Device::Cpu)?, 0)
}

/// The product of all potentials with their gradients: has the gradient of the loss.
fn against(scores: &SpanScores, gradients: &[Potentials]) -> Result<Tensor> {
    let join = |of: fn(&Potentials) -> &Vec<f32>, like: &Tensor| {
        let values: Vec<f32> = gradients.iter().flat_map(|part| of(part).iter().copied()).collect();
        (like * Tensor::from_vec(values, like.shape(), &Device::Cpu)?)?.sum_all()
    };
    let [start, inside, end] = &scores.by_type;
    let [query, key] = &scores.pair;
    let mut width = vec![0f32; scores.width.elem_count()];
    gradients.iter().for_each(|part| add(&mut width, &part.width));
    let width = Tensor::from_vec(width, scores.width.shape(), &Device::Cpu)?;
    let sums = [
        join(|part| &part.start, start)?,
        join(|part| &part.inside, inside)?,
        join(|part| &part.end, end)?,
        join(|part| &part.query, query)?,
        join(|part| &part.key, key)?,
        (&scores.width * width)?.sum_all()?,
    ];
    Tensor::stack(&sums, 0)?.sum_all()
}

/// The labelled spans and after them those that the heads found in error.
fn with_wrong(sample: &Sample, found: &[Segment]) -> Vec<Segment> {
    let wrong = found.iter().filter(|span| {
        !sample.entities.iter().any(|gold| (gold.first, gold.last) == (span.first, span.last))
    });
    sample.entities.iter().chain(wrong).copied().collect()
}

/// Pairs of `n_spans` spans with the relations of each; all that are stated, and not too many.
fn pairs_of(
    sample: &Sample,
    n_spans: usize,
    shift: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<(Pair, Vec<usize>)> {
    let n_labelled = sample.entities.len();
    let n_all = n_spans * n_spans.saturating_sub(1);
    let share = MAX_PAIRS as f64 / n_all.max(MAX_PAIRS) as f64;
    let mut pairs = Vec::new();
    for head in 0..n_spans {
        for tail in (0..n_spans).filter(|&tail| tail != head) {
            if head >= n_labelled && tail >= n_labelled {
                continue;
            }
            let stated: Vec<usize> = (sample.relations.iter())
                .filter(|&&(h, t, _)| (h, t) == (head, tail))
                .map(|&(_, _, kind)| kind)
                .collect();
            if !stated.is_empty() || share >= 1.0 || rng.random_bool(share) {
                pairs.push(((head + shift, tail + shift), stated));
            }
        }
    }
    pairs
}

/// Binary cross-entropy over all pairs and relations, and its gradient by the scores.
fn binary(scores: &Tensor, pairs: &[(Pair, Vec<usize>)]) -> Result<(f64, Tensor)> {
    let n_relations = scores.dim(1)?;
    let mut gradient = vec![0f32; pairs.len() * n_relations];
    let mut loss = 0.0;
    with(scores, |scores| {
        for (at, gradient) in gradient.iter_mut().enumerate() {
            let stated = pairs[at / n_relations].1.contains(&(at % n_relations));
            let score = f64::from(scores[at]);
            let chance = 1.0 / (1.0 + (-score).exp());
            loss +=
                score.max(0.0) - score * f64::from(u8::from(stated)) + (-score.abs()).exp().ln_1p();
            *gradient = (chance - f64::from(u8::from(stated))) as f32;
        }
        Ok(())
    })?;
    Ok((loss, Tensor::from_vec(gradient, scores.shape(), &Device::Cpu)?))
}

/// What the network finds in a sample.
#[derive(Debug)]
pub(super) struct Guess {
    pub(super) potentials: Potentials,
    pub(super) spans: Vec<Segment>,
    /// Head, tail, relation and score.
    pub(super) relations: Vec<(usize, usize, usize, f32)>,
}

/// What the network finds in `samples`.
pub(super) fn guesses(
    network: &Network,
    question: &Question,
    samples: &[&Sample],
    special: (Token, Token),
) -> Result<Vec<Guess>> {
    let layout = Layout::new(samples, special);
    let states = layout.states(&network.forward(&layout.rows, &mut Dropout::none())?.0)?;
    let get = |name: &str| Ok(network.get(name)?.detach());
    let types = question.types.vectors(network, "type", false)?.detach();
    let scores = head::span_scores(&get, &states, &types)?;
    let mut guesses = Vec::new();
    for index in 0..samples.len() {
        let potentials = scores.of(layout.words[index], layout.words[index + 1])?;
        let spans: Vec<Segment> =
            potentials.decode(1.0).into_iter().map(|(segment, _)| segment).collect();
        let mut found = Vec::new();
        if !question.relations.indices.is_empty() && spans.len() > 1 {
            let pairs: Vec<Pair> = (0..spans.len())
                .flat_map(|head| (0..spans.len()).map(move |tail| (head, tail)))
                .filter(|(head, tail)| head != tail)
                .collect();
            let relations = question.relations.vectors(network, "relation", false)?.detach();
            let thresholds = thresholds(network, &question.relations)?.detach();
            let spans = layout.shift(index, &spans);
            let both = (&relations, &thresholds);
            let scores = head::relation_scores(&get, &states, &spans, &pairs, &types, both)?;
            for (&(head, tail), scores) in pairs.iter().zip(scores.to_vec2::<f32>()?) {
                let scored = scores.into_iter().enumerate();
                found.extend(scored.map(|(kind, score)| (head, tail, kind, score)));
            }
        }
        guesses.push(Guess { potentials, spans, relations: found });
    }
    Ok(guesses)
}

/// The encodings of names: the mean of their states at length 1, `[n, hidden]`.
pub(super) fn encode(
    network: &Network,
    names: &[Vec<Token>],
    special: (Token, Token),
) -> Result<Tensor> {
    let hidden = network.config.hidden_size;
    if names.is_empty() {
        return Tensor::zeros((0, hidden), DType::F32, &Device::Cpu);
    }
    let mut rows = Rows::default();
    names.iter().for_each(|name| rows.push(name, special));
    let states = network.forward(&rows, &mut Dropout::none())?.0;
    let means = rows.texts.iter().map(|text| {
        let mean = states.narrow(0, text.start, text.len())?.sum(0)?;
        let length = mean.sqr()?.sum_all()?.to_scalar::<f32>()?.sqrt();
        mean / f64::from(length.max(f32::MIN_POSITIVE))
    });
    Tensor::stack(&means.collect::<Result<Vec<_>>>()?, 0)
}
