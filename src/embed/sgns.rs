//! Skip-grams with negative sampling over walks.
//!
//! A row per node predicts the nodes near it in a walk. Rows of both sides are parted into blocks; the
//! pairs of a stretch of walks are sorted by the blocks of their two ends, and in each round every block
//! of one side meets one of the other, so threads share no row and the order of steps is fixed. A few
//! pairs that follow each other share the nodes drawn to differ from, which then stay in the nearest
//! cache.
//!
//! # Source
//! Mikolov et al., "Distributed representations of words and phrases", NIPS 2013, section 2.2; blocks
//! after Zhu et al., "`GraphVite`", WWW 2019, section 3.2, and Lerer et al., "`PyTorch-BigGraph`", `SysML`
//! 2019, section 4.1; shared negatives after Ji et al., "Parallelizing `Word2Vec`", 2016.

use rand::{RngCore, SeedableRng};
use rand_xoshiro::SplitMix64;
use rayon::prelude::*;

use super::checkpoint::{Keeper, State};
use super::judge::{Judge, Tables};
use super::lanes::{Block, Isa, LANES, Work, blocks, blocks_mut, prefetch, run};
use super::layout::Layout;
use super::noise::Noise;
use super::prone::spread;
use super::sigmoid::Sigmoid;
use super::sparse::Neighbors;
use super::{Course, EmbedError, Params, Progress};
use crate::graph::CompactGraph;
use crate::traverse::{Budget, WalkParams, Walker};

/// Nodes that a pair is told apart from.
pub(super) const NEGATIVES: usize = 5;
/// Pairs that share them.
const GROUP: usize = 8;
/// Pairs between two gatherings, about.
const MAX_STRETCH: usize = 1 << 22;
const MIN_STRETCH: usize = 1 << 16;
/// Stretches that even a small graph's walks are parted into.
const STRETCHES: usize = 64;
/// Parts of a stretch, whose pairs are sorted side by side.
const PARTS: usize = 16;
/// Pairs that are asked for before they are needed.
const AHEAD: usize = 3;
/// The learning rate falls to this share of the first.
const LAST_RATE: f64 = 0.004;

/// Two nodes near each other: their places in their blocks.
pub(super) type Pair = (u32, u32);

/// Trains on walks over the edges of `graph`, both ways.
pub(super) fn train(
    graph: &CompactGraph,
    params: &Params,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<f32>, EmbedError> {
    train_by(graph, params, &Course::default(), progress)
}

/// As [`train`], on a course.
pub(super) fn train_by(
    graph: &CompactGraph,
    params: &Params,
    course: &Course<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<f32>, EmbedError> {
    let or_one = |value: f64| if value == 0.0 { 1.0 } else { value };
    let walker = Walker::new(
        graph,
        WalkParams {
            per_node: params.count("walks"),
            length: params.count("length"),
            p: or_one(params.get("p")),
            q: or_one(params.get("q")),
            seed: params.seed,
            budget: Budget::default(),
        },
    )?;
    let degrees = degrees(graph);
    let layout = Layout::new(&degrees);
    let width = params.dim.next_multiple_of(LANES);
    let mut trainer = Trainer::new(&layout, &degrees, width, params);
    if let Some(start) = course.start {
        trainer.start_from(start, &layout, params.dim);
    }
    let mut judge = Judge::new(params, &layout, &walker)?;
    let n_walks = walker.n_walks();
    let window = params.count("window");
    // A centre has as many places at each side as is drawn, half the window on average.
    let pairs_of_walk = params.count("length") * (window + 1);
    let total = n_walks * pairs_of_walk * params.count("epochs");
    let stretch = (total / STRETCHES).clamp(MIN_STRETCH, MAX_STRETCH) / pairs_of_walk;
    let stretch = stretch.max(PARTS);
    let steps_of_epoch = n_walks.div_ceil(stretch);
    let of = steps_of_epoch * params.count("epochs");
    let keeper = course.checkpoint.as_ref();
    let keeper = keeper.map(|to| Keeper::new(to, graph, params, course.start, of));
    let mut step = 0;
    if let Some(state) = keeper.as_ref().map(Keeper::found).transpose()?.flatten() {
        step = trainer.go_on(state, &mut judge);
    }
    while step < of {
        let first = step % steps_of_epoch * stretch;
        let walks = first..(first + stretch).min(n_walks);
        let part = walks.len().div_ceil(PARTS);
        let parts: Result<Vec<_>, EmbedError> = (0..PARTS)
            .into_par_iter()
            .map(|at| {
                let start = (walks.start + at * part).min(walks.end);
                let end = (start + part).min(walks.end);
                let mut rows = Vec::new();
                walker.extend(start..end, &mut rows)?;
                let seed = mixed(params.seed, (step * PARTS + at) as u64 + 1);
                Ok(pairs(&layout, &rows, params.count("length"), window, seed))
            })
            .collect();
        let share = step as f64 / of as f64;
        let rate = params.get("rate") * (1.0 - share).max(LAST_RATE);
        trainer.learn(&parts?, step, rate as f32);
        step += 1;
        if step.is_multiple_of(steps_of_epoch) && judge.ends(&trainer.tables()) {
            step = of;
        }
        progress(Progress { done: step, of });
        if let Some(keeper) = keeper.as_ref().filter(|keeper| step == of || keeper.is_due(step)) {
            keeper.keep(&trainer.state(step, &judge))?;
        }
    }
    if !judge.best.is_empty() {
        trainer.inputs = judge.best;
    }
    let terms = params.count("spread");
    if terms == 0 {
        return Ok(trainer.finish(&layout, &degrees, params.dim));
    }
    let rows = trainer.finish(&layout, &degrees, width);
    let rows = spread(&Neighbors::new(graph), &rows, terms, width, &mut || ());
    Ok(rows.par_chunks(width).flat_map_iter(|row| row[..params.dim].iter().copied()).collect())
}

/// Edges of every node, in and out.
pub(super) fn degrees(graph: &CompactGraph) -> Vec<u32> {
    use petgraph::Direction::{Incoming, Outgoing};
    let (out, inward) = (graph.rows(Outgoing), graph.rows(Incoming));
    let of = |offsets: &[u32], node: usize| offsets[node + 1] - offsets[node];
    (0..graph.node_count()).map(|node| of(out.offsets, node) + of(inward.offsets, node)).collect()
}

/// A seed for each of the things that one seed is for.
pub(super) fn mixed(seed: u64, what: u64) -> u64 {
    let seed =
        SplitMix64::seed_from_u64(seed).next_u64() ^ what.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    SplitMix64::seed_from_u64(seed).next_u64()
}

/// The pairs of some walks, by the blocks of both ends.
pub(super) fn pairs(
    layout: &Layout,
    walks: &[u32],
    length: usize,
    window: usize,
    seed: u64,
) -> Vec<Vec<Pair>> {
    let n_blocks = layout.n_blocks;
    let (bits, mask) = (n_blocks.trailing_zeros(), n_blocks as u32 - 1);
    let expected = walks.len() * (window + 1) / (n_blocks * n_blocks);
    let mut sorted: Vec<Vec<Pair>> =
        (0..n_blocks * n_blocks).map(|_| Vec::with_capacity(expected + expected / 4)).collect();
    let mut random = SplitMix64::seed_from_u64(seed);
    let mut slots = vec![0_u32; length];
    for walk in walks.chunks_exact(length) {
        for (slot, node) in slots.iter_mut().zip(walk) {
            *slot = layout.slots[*node as usize];
        }
        for (at, &center) in slots.iter().enumerate() {
            let reach = 1 + (((random.next_u64() >> 32) * window as u64) >> 32) as usize;
            let near = at.saturating_sub(reach)..(at + reach + 1).min(length);
            for (_, &context) in near.clone().zip(&slots[near]).filter(|(place, _)| *place != at) {
                let bucket = (context & mask) as usize * n_blocks + (center & mask) as usize;
                sorted[bucket].push((context >> bits, center >> bits));
            }
        }
    }
    sorted
}

/// Both tables as they are trained.
struct Trainer {
    width: usize,
    size: usize,
    seed: u64,
    /// `[blocks, size, width]`: what nodes are.
    inputs: Vec<f32>,
    /// `[blocks, size, width]`: what is near nodes.
    outputs: Vec<f32>,
    noise: Vec<Noise>,
    sigmoid: Sigmoid,
}

impl Trainer {
    fn new(layout: &Layout, degrees: &[u32], width: usize, params: &Params) -> Self {
        let Layout { n_blocks, size, .. } = *layout;
        let mut inputs = vec![0.0; n_blocks * size * width];
        inputs.par_chunks_mut(size * width).enumerate().for_each(|(block, rows)| {
            for (row, node) in rows.chunks_exact_mut(width).zip(layout.block(block)) {
                let mut random = SplitMix64::seed_from_u64(mixed(params.seed, !u64::from(node)));
                for value in &mut row[..params.dim] {
                    let unit = (random.next_u64() >> 40) as f32 / (1 << 24) as f32;
                    *value = (unit - 0.5) / params.dim as f32;
                }
            }
        });
        // A walk is at a node about as often as it has edges; and begins once at each.
        let total: f64 = degrees.iter().map(|degree| f64::from(*degree)).sum();
        let n = degrees.iter().filter(|degree| **degree > 0).count() as f64;
        let steps = params.get("length") - 1.0;
        let weight = |node: u32| match degrees[node as usize] {
            0 => 0.0,
            degree => (f64::from(degree) * steps * n / total + 1.0).powf(0.75),
        };
        let noise = (0..n_blocks).map(|block| Noise::new(layout.block(block).map(weight)));
        Self {
            width,
            size,
            seed: params.seed,
            inputs,
            outputs: vec![0.0; n_blocks * size * width],
            noise: noise.collect(),
            sigmoid: Sigmoid::new(),
        }
    }

    /// Puts rows `[nodes, dim]` in place of those drawn; those of zeros stay as they were drawn.
    fn start_from(&mut self, start: &[f32], layout: &Layout, dim: usize) {
        for (slot, row) in layout.slots.iter().zip(start.chunks_exact(dim)) {
            if row.iter().any(|value| *value != 0.0) {
                let at = layout.place(*slot) * self.width;
                self.inputs[at..at + dim].copy_from_slice(row);
            }
        }
    }

    fn tables(&self) -> Tables<'_> {
        let Self { width, inputs, outputs, noise, .. } = self;
        Tables { inputs, outputs, width: *width, noise }
    }

    /// All that the steps to come depend on.
    fn state(&self, step: usize, judge: &Judge) -> State {
        let Judge { least, waited, ref best, .. } = *judge;
        let tables = vec![self.inputs.clone(), self.outputs.clone(), best.clone()];
        State { step, least, waited, tables }
    }

    /// Takes up what was written down; says how many steps it had done.
    fn go_on(&mut self, state: State, judge: &mut Judge) -> usize {
        if let Ok([inputs, outputs, best]) = <[Vec<f32>; 3]>::try_from(state.tables) {
            (self.inputs, self.outputs, judge.best) = (inputs, outputs, best);
        }
        (judge.least, judge.waited) = (state.least, state.waited);
        state.step
    }

    /// Learns the pairs: in each round every block of one side meets one of the other.
    fn learn(&mut self, parts: &[Vec<Vec<Pair>>], step: usize, rate: f32) {
        let n_blocks = self.noise.len();
        let block = self.size * self.width;
        let (noise, sigmoid, seed, width) = (&self.noise, &self.sigmoid, self.seed, self.width);
        let mut outputs: Vec<_> = self.outputs.chunks_mut(block).enumerate().collect();
        for round in 0..n_blocks {
            self.inputs.par_chunks_mut(block).zip(&mut outputs).enumerate().for_each(
                |(own, (inputs, (other, outputs)))| {
                    let bucket = own * n_blocks + *other;
                    let place = (step * n_blocks + round) * n_blocks + own;
                    let random = SplitMix64::seed_from_u64(mixed(!seed, place as u64));
                    let pairs = parts.iter().map(|part| part[bucket].as_slice());
                    run(Meeting {
                        inputs,
                        outputs,
                        width,
                        pairs,
                        noise: &noise[*other],
                        sigmoid,
                        rate,
                        random,
                    });
                },
            );
            outputs.rotate_left(1);
        }
    }

    /// The rows of nodes in their order, `[nodes, dim]`; zeros for those without edges.
    fn finish(self, layout: &Layout, degrees: &[u32], dim: usize) -> Vec<f32> {
        let mut rows = vec![0.0; degrees.len() * dim];
        rows.par_chunks_mut(dim).enumerate().for_each(|(node, row)| {
            if degrees[node] > 0 {
                let start = layout.place(layout.slots[node]) * self.width;
                row.copy_from_slice(&self.inputs[start..start + dim]);
            }
        });
        rows
    }
}

/// All pairs between two blocks, one after the other.
struct Meeting<'a, P> {
    inputs: &'a mut [f32],
    outputs: &'a mut [f32],
    width: usize,
    pairs: P,
    noise: &'a Noise,
    sigmoid: &'a Sigmoid,
    rate: f32,
    random: SplitMix64,
}

impl<'a, P: Iterator<Item = &'a [Pair]>> Work for Meeting<'_, P> {
    type Out = ();

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "it is compiled for each set of instructions")]
    fn run<I: Isa>(self, isa: I) {
        let Self { inputs, outputs, width, pairs, noise, sigmoid, rate, mut random } = self;
        // `[width / LANES, NEGATIVES]`: the drawn rows, side by side.
        let mut drawn = vec![[0.0_f32; LANES]; width / LANES * NEGATIVES];
        for part in pairs {
            for (first, group) in part.chunks(GROUP).enumerate().map(|(at, of)| (at * GROUP, of)) {
                let negatives: [u32; NEGATIVES] = std::array::from_fn(|_| noise.draw(&mut random));
                let mut rates = [rate; NEGATIVES];
                for (at, negative) in negatives.iter().enumerate() {
                    // A row has one copy: one that is met in the group is not told apart from it.
                    if negatives[..at].contains(negative)
                        || group.iter().any(|(_, center)| center == negative)
                    {
                        rates[at] = 0.0;
                    }
                    let row = &outputs[*negative as usize * width..][..width];
                    for (block, to) in blocks(row).iter().zip(drawn.chunks_exact_mut(NEGATIVES)) {
                        to[at] = *block;
                    }
                }
                for (at, &(context, center)) in group.iter().enumerate() {
                    if let Some(&(context, center)) = part.get(first + at + AHEAD) {
                        prefetch(&inputs[context as usize * width..][..width]);
                        prefetch(&outputs[center as usize * width..][..width]);
                    }
                    let input = blocks_mut(&mut inputs[context as usize * width..][..width]);
                    let output = blocks_mut(&mut outputs[center as usize * width..][..width]);
                    step(isa, input, output, &mut drawn, (rate, rates), sigmoid);
                }
                for (at, negative) in negatives.iter().enumerate() {
                    if rates[at] > 0.0 {
                        let row = &mut outputs[*negative as usize * width..][..width];
                        let from = drawn.chunks_exact(NEGATIVES);
                        blocks_mut(row).iter_mut().zip(from).for_each(|(to, from)| *to = from[at]);
                    }
                }
            }
        }
    }
}

/// One pair: the input moves towards its output and away from what was drawn, and they likewise.
#[inline(always)]
#[allow(clippy::inline_always, reason = "it is compiled for each set of instructions")]
fn step<I: Isa>(
    isa: I,
    input: &mut [Block],
    output: &mut [Block],
    drawn: &mut [Block],
    (rate, rates): (f32, [f32; NEGATIVES]),
    sigmoid: &Sigmoid,
) {
    let mut near = isa.splat(0.0);
    let mut far = [isa.splat(0.0); NEGATIVES];
    let (drawn, _) = drawn.as_chunks_mut::<NEGATIVES>();
    for ((input, output), drawn) in input.iter().zip(output.iter()).zip(drawn.iter()) {
        let value = isa.load(input);
        near = isa.fma(value, isa.load(output), near);
        for (sum, drawn) in far.iter_mut().zip(drawn) {
            *sum = isa.fma(value, isa.load(drawn), *sum);
        }
    }
    let pull = isa.splat((1.0 - sigmoid.of(isa.sum(near))) * rate);
    let mut push = far;
    for ((push, sum), rate) in push.iter_mut().zip(far).zip(rates) {
        *push = isa.splat(-sigmoid.of(isa.sum(sum)) * rate);
    }
    for ((input, output), drawn) in input.iter_mut().zip(output.iter_mut()).zip(drawn.iter_mut()) {
        let value = isa.load(input);
        let other = isa.load(output);
        let mut moved = isa.fma(pull, other, value);
        isa.store(isa.fma(pull, value, other), output);
        for (push, drawn) in push.iter().zip(drawn) {
            let other = isa.load(drawn);
            moved = isa.fma(*push, other, moved);
            isa.store(isa.fma(*push, value, other), drawn);
        }
        isa.store(moved, input);
    }
}
