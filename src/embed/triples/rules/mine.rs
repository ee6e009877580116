//! Which cyclic rules there are, and how often each holds.

use std::collections::HashMap;

use rand::{RngCore, SeedableRng};
use rand_xoshiro::SplitMix64;
use rayon::prelude::*;

use super::super::{Query, Steps};
use super::{Body, MAX_STEPS, NONE, Rule, RuleParams, UNSEEN};

/// Steps from an entity that are looked at when paths are sought, at most.
const FAN: usize = 100;
/// Paths from an entity that count towards a confidence, at most.
const PATHS: usize = 1000;
/// Entities whose triples one task looks at; fixed, so that threads change no sum.
const PART: usize = 512;

/// The cyclic rules of a graph, by head and then the surest first.
pub(super) fn mine(steps: &Steps, params: &RuleParams) -> Vec<Rule> {
    let mut heads: HashMap<Body, Vec<u32>> = HashMap::new();
    for (head, body) in candidates(steps, params) {
        heads.entry(body).or_default().push(head);
    }
    let mut bodies: Vec<(Body, Vec<u32>)> = heads.into_iter().collect();
    bodies.sort_unstable();
    let starts = starts(steps, params.seed);
    let mut rules: Vec<Rule> = bodies
        .par_iter()
        .flat_map_iter(|(body, heads)| {
            let confidences = confidences(steps, *body, heads, &starts, params);
            heads.iter().zip(confidences).map(|(head, confidence)| Rule {
                body: *body,
                head: *head,
                confidence: confidence as f32,
            })
        })
        .filter(|rule| f64::from(rule.confidence) >= params.least)
        .collect();
    rules.sort_by(|a, b| {
        a.head.cmp(&b.head).then(b.confidence.total_cmp(&a.confidence)).then(a.body.cmp(&b.body))
    });
    let mut n_of = vec![0; steps.n_steps()];
    rules.retain(|rule| {
        let n = &mut n_of[rule.head as usize];
        *n += 1;
        *n <= params.most
    });
    rules
}

/// Relation and body of each rule that proves enough triples, ascending.
fn candidates(steps: &Steps, params: &RuleParams) -> Vec<(u32, Body)> {
    let n_parts = steps.n_entities().div_ceil(PART);
    let counted: Vec<HashMap<(u32, Body), usize>> = (0..n_parts)
        .into_par_iter()
        .map(|part| {
            let mut counts = HashMap::new();
            let first = part * PART;
            for source in first..(first + PART).min(steps.n_entities()) {
                of_source(steps, source as u32, &mut counts);
            }
            counts
        })
        .collect();
    let mut counts: HashMap<(u32, Body), usize> = HashMap::new();
    for (rule, n) in counted.into_iter().flatten() {
        *counts.entry(rule).or_default() += n;
    }
    let enough = |(rule, n): ((u32, Body), usize)| (n >= params.support).then_some(rule);
    let mut kept: Vec<_> = counts.into_iter().filter_map(enough).collect();
    kept.sort_unstable();
    kept
}

/// Counts, for the triples of which `source` is the head, the bodies that join head and tail.
fn of_source(steps: &Steps, source: u32, counts: &mut HashMap<(u32, Body), usize>) {
    let n_relations = steps.n_steps() as u32 / 2;
    let targets = steps.targets(source);
    for group in targets.chunk_by(|a, b| a.0 == b.0) {
        let target = group[0].0;
        let heads = || group.iter().map(|(_, step)| *step).filter(|step| *step < n_relations);
        if target == source || heads().next().is_none() {
            continue;
        }
        let mut bodies = joining(steps, source, target);
        bodies.sort_unstable();
        bodies.dedup();
        for head in heads() {
            for body in bodies.iter().filter(|body| **body != body_of(&[head])) {
                *counts.entry((head, *body)).or_default() += 1;
            }
        }
    }
}

/// The steps of the paths that join two entities.
fn joining(steps: &Steps, source: u32, target: u32) -> Vec<Body> {
    let mut found: Vec<Body> =
        steps.between(source, target).iter().map(|(_, step)| body_of(&[*step])).collect();
    for (first, a) in thinned(steps.from(source)) {
        if a == source || a == target {
            continue;
        }
        found.extend(steps.between(a, target).iter().map(|(_, second)| body_of(&[first, *second])));
        for (last, b) in thinned(steps.from(target)) {
            if b == source || b == target || b == a {
                continue;
            }
            let last = steps.back(last);
            found.extend(steps.between(a, b).iter().map(|(_, second)| body_of(&[first, *second, last])));
        }
    }
    if MAX_STEPS < 4 { return found; }
    let mut halves = |from: u32, other: u32| {
        let mut ends = Vec::new();
        for (first, a) in thinned(steps.from(from)) {
            if a == from || a == other { continue; }
            for (second, b) in thinned(steps.from(a)) {
                if b != from && b != other && b != a { ends.push((b, a, first, second)); }
            }
        }
        ends.sort_unstable();
        ends
    };
    let (fore, back) = (halves(source, target), halves(target, source));
    let mut at = 0;
    let mut n = 0;
    for f in &fore {
        while at < back.len() && back[at].0 < f.0 { at += 1; }
        for b in back[at..].iter().take_while(|b| b.0 == f.0) {
            if b.1 != f.1 { n += 1; if n > 3000 { return found; } found.push(body_of(&[f.2, f.3, steps.back(b.3), steps.back(b.2)])); }
        }
    }
    if MAX_STEPS < 5 { return found; }
    let mut n = 0;
    for f in &fore {
        for (m, step) in steps.targets(f.0) {
            let start = back.partition_point(|b| b.0 < *m);
            for b in back[start..].iter().take_while(|b| b.0 == *m) {
                n += 1; if n > 5000 { return found; }
                if b.1 != f.1 && b.1 != f.0 && *m != f.1 { found.push(body_of(&[f.2, f.3, *step, steps.back(b.3), steps.back(b.2)])); }
            }
        }
    }
    found
}

fn body_of(steps: &[u32]) -> Body {
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
        let mut random = SplitMix64::seed_from_u64(seed ^ (step as u64) << 32);
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
    let mut cases = vec![0_usize; heads.len()];
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
            if held.is_empty() && params.partial {
                continue;
            }
            cases[at] += ends.len();
            hits[at] +=
                ends.iter().filter(|end| held.binary_search(&(*head, **end)).is_ok()).count();
        }
        if n_pairs >= params.samples {
            break;
        }
    }
    hits.iter().zip(cases).map(|(hits, cases)| *hits as f64 / (cases as f64 + UNSEEN)).collect()
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
