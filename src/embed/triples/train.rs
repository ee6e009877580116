//! Training of rows for entities and relations.
//!
//! Each triple asks for its tail, and, by a relation of its own for the way back, for its head. The
//! answer is told from entities drawn by chance, which the questions of a batch share, by a softmax; where
//! there are no more entities than are drawn, from all. So a batch is three products of matrices. Steps
//! are those of Adagrad. What is added to a row comes in a fixed order, so threads change no byte.
//!
//! # Source
//! Lacroix, Usunier & Obozinski, "Canonical tensor decomposition for knowledge base completion", ICML
//! 2018, sections 3 (relations for the way back) and 4 (the nuclear 3-norm); Ruffinelli, Broscheit &
//! Gemulla, "You can teach an old dog new tricks!", ICLR 2020, for the losses; Jean et al., ACL 2015, for
//! the correction of a sampled softmax; Duchi, Hazan & Singer, JMLR 2011 (Adagrad).

use rand::{RngCore, SeedableRng};
use rand_xoshiro::SplitMix64;
use rayon::prelude::*;

use super::super::sgns::mixed;
use super::super::{Knob, Params, Progress};
use super::product::{Factor, product};
use super::{Factors, Triple, TripleSet};

pub(super) const EPOCHS: Knob = Knob {
    name: "epochs",
    about: "times that all triples are learnt",
    default: 30.0,
    range: (1.0, 10_000.0),
};
pub(super) const RATE: Knob =
    Knob { name: "rate", about: "learning rate", default: 0.1, range: (1e-6, 10.0) };
pub(super) const BATCH: Knob =
    Knob { name: "batch", about: "questions of a step", default: 1024.0, range: (1.0, 65_536.0) };
pub(super) const NEGATIVES: Knob = Knob {
    name: "negatives",
    about: "entities that a step's answers are told from",
    default: 1024.0,
    range: (1.0, 65_536.0),
};
const N3: Knob =
    Knob { name: "n3", about: "weight of the nuclear 3-norm", default: 0.0, range: (0.0, 10.0) };

/// What can be set about a model whose scores are sums of products.
pub(super) const OF_PRODUCTS: &[Knob] =
    &[EPOCHS, RATE, BATCH, NEGATIVES, Knob { default: 0.03, ..N3 }];

/// Added to what is divided by.
const TINY: f32 = 1e-9;
/// The least distance, so that there is a slope.
const NEAREST: f32 = 1e-4;
/// Blocks of rows that are changed side by side.
const BLOCKS: usize = 64;
/// Rows start as random as this.
const START: f32 = 0.1;

/// How a model makes a question of a head and a relation.
pub(super) trait Geometry: Sync {
    /// Whether the answer lies near the question, rather than along it.
    fn is_distance(&self) -> bool {
        false
    }

    /// Whether the two halves of a row are real and imaginary parts.
    fn is_complex(&self) -> bool {
        false
    }

    /// Numbers of a relation's row.
    fn relation_width(&self, dim: usize) -> usize {
        dim
    }

    /// The question, of as many numbers as the head.
    fn query(&self, head: &[f32], relation: &[f32], query: &mut [f32]);

    /// What a slope of the question is to head and relation, which are `at`.
    fn back(&self, at: [&[f32]; 2], slope: &[f32], head: &mut [f32], relation: &mut [f32]);
}

/// Rows, and the squares of what was added to them.
struct Rows {
    width: usize,
    values: Vec<f32>,
    squares: Vec<f32>,
}

impl Rows {
    fn new(n: usize, width: usize, scale: f32, seed: u64) -> Self {
        let mut values = vec![0.0; n * width];
        values.par_chunks_mut(width.max(1)).enumerate().for_each(|(row, values)| {
            let mut random = SplitMix64::seed_from_u64(mixed(seed, row as u64));
            for value in values {
                *value = ((random.next_u64() >> 40) as f32 / (1 << 23) as f32 - 1.0) * scale;
            }
        });
        Self { width, squares: vec![0.0; n * width], values }
    }

    fn row(&self, at: u32) -> &[f32] {
        &self.values[at as usize * self.width..][..self.width]
    }

    /// Takes a step down the slopes, `[owners, width]`, of the rows that own them.
    fn step(&mut self, owners: &[u32], slopes: &[f32], rate: f32) {
        let width = self.width;
        let mut order: Vec<(u32, u32)> = owners.iter().copied().zip(0..).collect();
        order.sort_unstable();
        let block = (self.values.len() / width).div_ceil(BLOCKS);
        let blocks = self.values.par_chunks_mut(block * width);
        blocks.zip(self.squares.par_chunks_mut(block * width)).enumerate().for_each(
            |(at, (values, squares))| {
                let first = (at * block) as u32;
                let end = first + block as u32;
                let start = order.partition_point(|(owner, _)| *owner < first);
                let own = &order[start..];
                let own = &own[..own.partition_point(|(owner, _)| *owner < end)];
                let mut sum = vec![0.0; width];
                for group in own.chunk_by(|a, b| a.0 == b.0) {
                    sum.fill(0.0);
                    for (_, place) in group {
                        add(&mut sum, &slopes[*place as usize * width..][..width], 1.0);
                    }
                    let row = (group[0].0 - first) as usize * width;
                    let rows = values[row..][..width].iter_mut().zip(&mut squares[row..][..width]);
                    for ((value, square), slope) in rows.zip(&sum) {
                        *square += slope * slope;
                        *value -= rate * slope / (square.sqrt() + TINY);
                    }
                }
            },
        );
    }
}

/// `target += weight * other`.
fn add(target: &mut [f32], other: &[f32], weight: f32) {
    for (value, other) in target.iter_mut().zip(other) {
        *value += weight * other;
    }
}

/// The sum of products of two rows, eight sums side by side.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// Trains rows of entities and relations on the threads of the current pool.
pub(super) fn train(
    geometry: &'static dyn Geometry,
    set: &TripleSet,
    params: &Params,
    progress: &mut dyn FnMut(Progress),
) -> Factors {
    let TripleSet { n_entities, n_relations, triples } = *set;
    let both = |triple: &Triple| {
        let Triple { head, relation, tail } = *triple;
        [(head, relation, tail), (tail, relation + n_relations, head)]
    };
    let mut questions: Vec<(u32, u32, u32)> = triples.iter().flat_map(both).collect();
    let dim = params.dim;
    let width = geometry.relation_width(dim);
    // An angle may be any.
    let turn = if width == dim { START } else { std::f32::consts::PI };
    let mut trainer = Trainer {
        geometry,
        entities: Rows::new(n_entities as usize, dim, START, mixed(params.seed, 1)),
        relations: Rows::new(2 * n_relations as usize, width, turn, mixed(params.seed, 2)),
        n3: params.get("n3") as f32,
        rate: params.get("rate") as f32,
        n_negatives: params.count("negatives"),
        room: Room::default(),
    };
    let mut random = SplitMix64::seed_from_u64(mixed(params.seed, 3));
    let batch = params.count("batch");
    let of = params.count("epochs") * questions.len().div_ceil(batch);
    let mut done = 0;
    for _ in 0..params.count("epochs") {
        for last in (1..questions.len()).rev() {
            questions.swap(last, (random.next_u64() % (last as u64 + 1)) as usize);
        }
        for questions in questions.chunks(batch) {
            trainer.learn(questions, &mut random);
            done += 1;
            progress(Progress { done, of });
        }
    }
    let (entities, relations) = (trainer.entities.values, trainer.relations.values);
    Factors::new(geometry, dim, entities, relations, triples)
}

/// What a batch is learnt in, kept from one to the next.
#[derive(Default)]
struct Room {
    /// `[questions, dim]`.
    queries: Vec<f32>,
    query_slopes: Vec<f32>,
    /// `[negatives, dim]`.
    negatives: Vec<f32>,
    /// `[questions, negatives]`.
    weights: Vec<f32>,
    /// `[2 * questions + negatives, dim]`: of heads, tails and negatives.
    entity_slopes: Vec<f32>,
    /// `[questions, relation width]`.
    relation_slopes: Vec<f32>,
}

struct Trainer {
    geometry: &'static dyn Geometry,
    entities: Rows,
    relations: Rows,
    n3: f32,
    rate: f32,
    n_negatives: usize,
    room: Room,
}

/// Questions, head, relation and answer, and the entities that their answers are told from.
struct Batch<'a> {
    questions: &'a [(u32, u32, u32)],
    negatives: Vec<u32>,
}

impl Trainer {
    /// Takes a step for some questions.
    fn learn(&mut self, questions: &[(u32, u32, u32)], random: &mut SplitMix64) {
        let n_entities = self.entities.values.len() / self.entities.width;
        let negatives: Vec<u32> = if n_entities <= self.n_negatives {
            (0..n_entities as u32).collect()
        } else {
            (0..self.n_negatives).map(|_| (random.next_u64() % n_entities as u64) as u32).collect()
        };
        let batch = Batch { questions, negatives };
        self.ask(&batch);
        // As if all entities had been told from.
        let shift = (n_entities as f32 / batch.negatives.len() as f32).ln();
        let own = self.weigh(&batch, shift);
        self.go_back(&batch, &own);
        let heads = questions.iter().map(|(head, ..)| *head);
        let tails = questions.iter().map(|(.., tail)| *tail);
        let owners: Vec<u32> = heads.chain(tails).chain(batch.negatives).collect();
        self.entities.step(&owners, &self.room.entity_slopes, self.rate);
        let owners: Vec<u32> = questions.iter().map(|(_, step, _)| *step).collect();
        self.relations.step(&owners, &self.room.relation_slopes, self.rate);
    }

    /// Fills in questions and negatives, and the products of both.
    fn ask(&mut self, batch: &Batch) {
        let (n, k, dim) = (batch.questions.len(), batch.negatives.len(), self.entities.width);
        let (room, entities, relations) = (&mut self.room, &self.entities, &self.relations);
        room.queries.resize(n * dim, 0.0);
        room.query_slopes.resize(n * dim, 0.0);
        room.negatives.resize(k * dim, 0.0);
        room.weights.resize(n * k, 0.0);
        room.entity_slopes.resize((2 * n + k) * dim, 0.0);
        room.relation_slopes.resize(n * relations.width, 0.0);
        let geometry = self.geometry;
        room.queries.par_chunks_mut(dim).zip(batch.questions).for_each(|(query, question)| {
            geometry.query(entities.row(question.0), relations.row(question.1), query);
        });
        room.negatives.par_chunks_mut(dim).zip(&batch.negatives).for_each(|(row, negative)| {
            row.copy_from_slice(entities.row(*negative));
        });
        let queries = Factor::rows(&room.queries, dim);
        product(&mut room.weights, k, queries, dim, Factor::turned(&room.negatives, dim));
    }

    /// Turns products into the weights of the negatives' rows in the loss's slope.
    ///
    /// # Returns
    /// The weights of the answers' rows.
    fn weigh(&mut self, batch: &Batch, shift: f32) -> Vec<f32> {
        let (k, dim) = (batch.negatives.len(), self.entities.width);
        let (room, entities) = (&mut self.room, &self.entities);
        let is_distance = self.geometry.is_distance();
        let squares: Vec<f32> = room.negatives.par_chunks(dim).map(|row| dot(row, row)).collect();
        let rows = room.weights.par_chunks_mut(k).zip(room.queries.par_chunks(dim));
        rows.zip(batch.questions)
            .map(|((weights, query), (_, _, answer))| {
                let row = entities.row(*answer);
                let mut own = dot(query, row);
                if is_distance {
                    let square = dot(query, query);
                    own = -distance(square, dot(row, row), own);
                    for (weight, other) in weights.iter_mut().zip(&squares) {
                        *weight = -distance(square, *other, *weight);
                    }
                }
                softmax(weights, own, shift, &batch.negatives, *answer, is_distance)
            })
            .collect()
    }

    /// Turns weights into slopes of all rows.
    fn go_back(&mut self, batch: &Batch, own: &[f32]) {
        let (n, k, dim) = (batch.questions.len(), batch.negatives.len(), self.entities.width);
        let (room, entities, relations) = (&mut self.room, &self.entities, &self.relations);
        let (geometry, n3) = (self.geometry, self.n3);
        let is_distance = geometry.is_distance();
        let (heads, rest) = room.entity_slopes.split_at_mut(n * dim);
        let (tails, negatives) = rest.split_at_mut(n * dim);
        let weights = Factor::rows(&room.weights, k);
        product(&mut room.query_slopes, dim, weights, k, Factor::rows(&room.negatives, dim));
        let (weights, queries) =
            (Factor::turned(&room.weights, k), Factor::rows(&room.queries, dim));
        product(negatives, dim, weights, n, queries);
        if is_distance {
            let mut sums = vec![0.0; k];
            room.weights.chunks(k).for_each(|weights| add(&mut sums, weights, 1.0));
            let rows = room.negatives.par_chunks(dim).zip(sums);
            let slopes = negatives.par_chunks_mut(dim).zip(rows);
            slopes.for_each(|(slope, (row, sum))| add(slope, row, -sum));
        }
        let ends = heads.par_chunks_mut(dim).zip(tails.par_chunks_mut(dim));
        let slopes = ends.zip(room.relation_slopes.par_chunks_mut(relations.width));
        let slopes = slopes.zip(room.query_slopes.par_chunks_mut(dim));
        let rows = room.queries.par_chunks(dim).zip(room.weights.par_chunks(k));
        let rows = rows.zip(batch.questions.par_iter().zip(own));
        slopes.zip(rows).for_each(|((((head, tail), relation), slope), places)| {
            let ((query, weights), (question, own)) = places;
            let (from, step) = (entities.row(question.0), relations.row(question.1));
            let to = entities.row(question.2);
            add(slope, to, *own);
            tail.fill(0.0);
            add(tail, query, *own);
            if is_distance {
                add(slope, query, -weights.iter().sum::<f32>() - own);
                add(tail, to, -own);
            }
            geometry.back([from, step], slope, head, relation);
            if n3 > 0.0 {
                for (slope, row) in [(head, from), (tail, to), (relation, step)] {
                    pull(slope, row, n3, geometry.is_complex());
                }
            }
        });
    }
}

/// How far two rows are apart, by their squares and their product.
pub(super) fn distance(a: f32, b: f32, product: f32) -> f32 {
    (a + b - 2.0 * product).max(0.0).sqrt().max(NEAREST)
}

/// Turns scores into the weights of their rows in the loss's slope: chances, divided by the distance
/// where scores are distances.
///
/// # Returns
/// The weight of the answer's row.
fn softmax(
    scores: &mut [f32],
    own: f32,
    shift: f32,
    negatives: &[u32],
    answer: u32,
    is_distance: bool,
) -> f32 {
    let most = scores.iter().fold(own - shift, |most, score| most.max(*score));
    let own_chance = (own - shift - most).exp();
    let mut sum = own_chance;
    for (score, negative) in scores.iter_mut().zip(negatives) {
        let chance = if *negative == answer { 0.0 } else { (*score - most).exp() };
        sum += chance;
        *score = if is_distance { -chance / *score } else { chance };
    }
    scores.iter_mut().for_each(|score| *score /= sum);
    let own_weight = own_chance / sum - 1.0;
    if is_distance { -own_weight / own } else { own_weight }
}

/// Adds the slope of the nuclear 3-norm.
fn pull(slope: &mut [f32], row: &[f32], weight: f32, is_complex: bool) {
    if !is_complex {
        for (slope, value) in slope.iter_mut().zip(row) {
            *slope += 3.0 * weight * value.abs() * value;
        }
        return;
    }
    let half = row.len() / 2;
    for at in 0..half {
        let size = (row[at] * row[at] + row[half + at] * row[half + at]).sqrt();
        slope[at] += 3.0 * weight * size * row[at];
        slope[half + at] += 3.0 * weight * size * row[half + at];
    }
}
