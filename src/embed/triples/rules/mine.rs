//! Which cyclic rules there are, and how often each holds.

use std::collections::{BTreeMap, HashMap};

use rand::{RngCore, SeedableRng};
use rand_xoshiro::SplitMix64;
use rayon::prelude::*;

use super::super::{Query, Steps};
use super::{Body, MAX_STEPS, NONE, Rule, RuleParams, UNSEEN};

/// Steps from an entity that are looked at when paths are sought, at most.
const FAN: usize = 100;
/// Paths from an entity that count towards a confidence, at most.
const PATHS: usize = 1000;
/// Paths of four and of five steps that are looked at: of all triples together, and of one triple at
/// least and at most.
const ALL_LONG: usize = 8_000_000;
const LONG: (usize, usize) = (1000, 5000);
/// Entities whose triples one task looks at, and tasks that are added up at a time.
const PART: usize = 256;
const PARTS: usize = 32;
/// Rules that are counted at once, at most.
const COUNTED: usize = 4_000_000;

/// The cyclic rules of a graph, by head and then the surest first.
pub(super) fn mine(steps: &Steps, params: &RuleParams) -> Vec<Rule> {
    let mut heads: BTreeMap<Body, Vec<u32>> = BTreeMap::new();
    for (head, body) in candidates(steps, params) {
        heads.entry(body).or_default().push(head);
    }
    let bodies: Vec<(Body, Vec<u32>)> = heads.into_iter().collect();
    let starts = starts(steps, params.seed);
    let mut rules: Vec<Rule> = bodies
        .par_iter()
        .flat_map_iter(|(body, heads)| {
            let confidences = confidences(steps, *body, heads, &starts, params);
            let rule = |(head, confidence): (&u32, f64)| Rule {
                body: *body,
                head: *head,
                confidence: confidence as f32,
            };
            heads.iter().zip(confidences).map(rule).collect::<Vec<_>>()
        })
        .filter(|rule| f64::from(rule.confidence) >= params.least)
        .collect();
    rules.sort_by(|a, b| {
        a.head.cmp(&b.head).then(b.confidence.total_cmp(&a.confidence)).then(a.body.cmp(&b.body))
    });
    rules
}

/// Relation and body of the rules that prove most triples, ascending.
fn candidates(steps: &Steps, params: &RuleParams) -> Vec<(u32, Body)> {
    let n_triples: usize = (0..steps.n_entities() as u32).map(|from| steps.from(from).len()).sum();
    let long = (ALL_LONG / (n_triples / 2).max(1)).clamp(LONG.0, LONG.1);
    let parts: Vec<usize> = (0..steps.n_entities()).step_by(PART).collect();
    let mut counts: HashMap<(u32, Body), usize> = HashMap::new();
    for parts in parts.chunks(PARTS) {
        let counted: Vec<HashMap<(u32, Body), usize>> = parts
            .par_iter()
            .map(|first| {
                let mut counts = HashMap::new();
                for source in *first..(first + PART).min(steps.n_entities()) {
                    of_source(steps, source as u32, long, params.length, &mut counts);
                }
                counts
            })
            .collect();
        for (rule, n) in counted.into_iter().flatten() {
            *counts.entry(rule).or_default() += n;
        }
        // What was seen least is forgotten where there is no room for all.
        let mut least = 1;
        while counts.len() > COUNTED {
            counts.retain(|_, n| *n > least);
            least += 1;
        }
    }
    let mut kept: Vec<(u32, usize, Body)> = counts
        .into_iter()
        .filter(|(_, n)| *n >= params.support)
        .map(|((head, body), n)| (head, n, body))
        .collect();
    kept.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)).then(a.2.cmp(&b.2)));
    kept.chunk_by(|a, b| a.0 == b.0)
        .flat_map(|of| of.iter().take(params.most))
        .map(|(head, _, body)| (*head, *body))
        .collect()
}

/// Counts, for the triples of which `source` is the head, the bodies that join head and tail.
fn of_source(
    steps: &Steps,
    source: u32,
    long: usize,
    length: usize,
    counts: &mut HashMap<(u32, Body), usize>,
) {
    let n_relations = steps.n_steps() as u32 / 2;
    for group in steps.targets(source).chunk_by(|a, b| a.0 == b.0) {
        let target = group[0].0;
        let heads = || group.iter().map(|(_, step)| *step).filter(|step| *step < n_relations);
        if target == source || heads().next().is_none() {
            continue;
        }
        let mut bodies = joining(steps, [source, target], long, length);
        bodies.sort_unstable();
        bodies.dedup();
        for head in heads() {
            for body in bodies.iter().filter(|found| **found != body(&[head])) {
                *counts.entry((head, *body)).or_default() += 1;
            }
        }
    }
}

/// A path of two steps from an entity: where it ends, what is between, and the steps.
type Half = (u32, u32, u32, u32);

/// The steps of the paths of up to so many steps that join two entities; of those of four and of five
/// steps `long` at most.
fn joining(steps: &Steps, ends: [u32; 2], long: usize, length: usize) -> Vec<Body> {
    let [source, target] = ends;
    let mut found: Vec<Body> =
        steps.between(source, target).iter().map(|(_, step)| body(&[*step])).collect();
    for (first, a) in thinned(steps.from(source)).filter(|(_, a)| !ends.contains(a)) {
        if length >= 2 {
            found.extend(steps.between(a, target).iter().map(|(_, last)| body(&[first, *last])));
        }
        if length < 3 {
            continue;
        }
        for (last, b) in thinned(steps.from(target)) {
            if b != a && !ends.contains(&b) {
                let last = steps.back(last);
                let middle = steps.between(a, b).iter();
                found.extend(middle.map(|(_, second)| body(&[first, *second, last])));
            }
        }
    }
    if length < 4 {
        return found;
    }
    let (fore, back) = (halves(steps, source, target), halves(steps, target, source));
    let at = |middle: u32| {
        let start = back.partition_point(|half| half.0 < middle);
        back[start..].iter().take_while(move |half| half.0 == middle)
    };
    let whole = |fore: &Half, between: &[u32], back: &Half| {
        let mut all = [NONE; MAX_STEPS];
        let middle = 2 + between.len();
        (all[0], all[1]) = (fore.2, fore.3);
        all[2..middle].copy_from_slice(between);
        (all[middle], all[middle + 1]) = (steps.back(back.3), steps.back(back.2));
        all
    };
    let of_four = scattered(&fore).flat_map(|fore| {
        let others = at(fore.0).filter(|back| back.1 != fore.1);
        others.map(move |back| whole(fore, &[], back))
    });
    found.extend(of_four.take(long));
    if length < 5 {
        return found;
    }
    let of_five = scattered(&fore).flat_map(|fore| {
        steps.targets(fore.0).iter().filter(|(other, _)| *other != fore.1).flat_map(
            move |(other, step)| {
                let others = at(*other).filter(|back| back.1 != fore.1 && back.1 != fore.0);
                others.map(move |back| whole(fore, &[*step], back))
            },
        )
    });
    found.extend(of_five.take(long));
    found
}

/// The paths of two steps from an entity that do not meet another, ascending by their ends.
fn halves(steps: &Steps, from: u32, other: u32) -> Vec<Half> {
    let is_new = move |entity: u32| entity != from && entity != other;
    let mut halves = Vec::new();
    for (first, a) in thinned(steps.from(from)).filter(|(_, a)| is_new(*a)) {
        let ends = thinned(steps.from(a)).filter(|(_, b)| is_new(*b) && *b != a);
        halves.extend(ends.map(|(second, b)| (b, a, first, second)));
    }
    halves.sort_unstable();
    halves
}

/// All of these, in an order whose beginning is spread over them.
fn scattered(all: &[Half]) -> impl Iterator<Item = &Half> {
    const STRIDE: usize = 16;
    (0..STRIDE).flat_map(|first| all.iter().skip(first).step_by(STRIDE))
}

/// A body of these steps.
pub(super) fn body(steps: &[u32]) -> Body {
    let mut body = [NONE; MAX_STEPS];
    body[..steps.len()].copy_from_slice(steps);
    body
}

/// At most [`FAN`] of these, evenly spread.
fn thinned(all: &[(u32, u32)]) -> impl Iterator<Item = (u32, u32)> + '_ {
    let n = all.len().min(FAN);
    (0..n).map(move |at| all[at * all.len() / n])
}

/// For each step, the entities that it can be taken from, shuffled.
fn starts(steps: &Steps, seed: u64) -> Vec<Vec<u32>> {
    let mut starts = vec![Vec::new(); steps.n_steps()];
    for entity in 0..steps.n_entities() as u32 {
        for group in steps.from(entity).chunk_by(|a, b| a.0 == b.0) {
            starts[group[0].0 as usize].push(entity);
        }
    }
    starts.par_iter_mut().enumerate().for_each(|(step, entities)| {
        let mut random = SplitMix64::seed_from_u64(seed ^ ((step as u64) << 32));
        for last in (1..entities.len()).rev() {
            let other = (random.next_u64() % (last as u64 + 1)) as usize;
            entities.swap(last, other);
        }
    });
    starts
}

/// The share of the pairs joined by `body` that each of `heads` joins too.
fn confidences(
    steps: &Steps,
    body: Body,
    heads: &[u32],
    starts: &[Vec<u32>],
    params: &RuleParams,
) -> Vec<f64> {
    let mut hits = vec![0_usize; heads.len()];
    let mut ends = Vec::new();
    let mut n_pairs = 0;
    for source in &starts[body[0] as usize] {
        ends.clear();
        let mut budget = PATHS;
        walk(steps, &body, &mut [*source; MAX_STEPS + 1], 0, &mut budget, &mut ends);
        ends.sort_unstable();
        ends.dedup();
        n_pairs += ends.len();
        for (at, head) in heads.iter().enumerate() {
            let held = steps.along(Query { entity: *source, step: *head });
            hits[at] +=
                ends.iter().filter(|end| held.binary_search(&(*head, **end)).is_ok()).count();
        }
        if n_pairs >= params.samples {
            break;
        }
    }
    hits.into_iter().map(|n_hits| n_hits as f64 / (n_pairs as f64 + UNSEEN)).collect()
}

/// The ends of the paths along a body whose entities all differ, as many as the budget allows.
fn walk(
    steps: &Steps,
    body: &Body,
    path: &mut [u32; MAX_STEPS + 1],
    depth: usize,
    budget: &mut usize,
    ends: &mut Vec<u32>,
) {
    if depth == MAX_STEPS || body[depth] == NONE {
        ends.push(path[depth]);
        return;
    }
    for (_, target) in steps.along(Query { entity: path[depth], step: body[depth] }) {
        if path[..=depth].contains(target) {
            continue;
        }
        if *budget == 0 {
            return;
        }
        *budget -= 1;
        path[depth + 1] = *target;
        walk(steps, body, path, depth + 1, budget, ends);
    }
}
