//! Several models' scores, added up by weights that do best on triples laid aside.
//!
//! What a rule-based and an embedding model miss differs, so together they find more: Meilicke, Betz &
//! Stuckenschmidt, "Why a naive way to combine symbolic and latent knowledge base completion works
//! surprisingly well", AKBC 2021. Here scores are added as logarithms of chances, by weights of each
//! model, which are looked for one after the other on a grid.

use rayon::prelude::*;

use super::rank::{BATCH, Case, place};
use crate::embed::Params;
use crate::embed::triples::{Query, Reason, Scorer, Steps};

/// Entities of each model that are looked at while weights are chosen.
const FIRST: usize = 100;
/// Weights that are tried.
const WEIGHTS: &[f64] = &[0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0];
/// Times that every weight is looked at again.
const ROUNDS: usize = 3;
/// What a change of weight must gain.
const GAIN: f64 = 1e-4;

/// A model of a sum.
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// What it was fitted with.
    pub params: Params,
    /// The model.
    pub scorer: Box<dyn Scorer>,
    /// What its scores count.
    pub weight: f64,
}

/// Models added up.
pub struct Fusion {
    /// Those that count.
    pub members: Vec<Member>,
}

impl Scorer for Fusion {
    fn score(&self, queries: &[Query], scores: &mut [f32]) {
        let mut own = vec![0.0; scores.len()];
        scores.fill(0.0);
        for member in &self.members {
            member.scorer.log_score(queries, &mut own);
            let weight = member.weight as f32;
            scores.par_iter_mut().zip(&own).for_each(|(sum, score)| *sum += weight * score);
        }
    }

    fn explain(&self, query: Query, answer: u32) -> Vec<Reason> {
        self.members.iter().flat_map(|member| member.scorer.explain(query, answer)).collect()
    }
}

/// A question's answer and others that may be taken for it: `[members]` scores of each.
struct Lineup {
    answer: Vec<f32>,
    others: Vec<f32>,
}

/// Adds up models by the weights that give the best mean reciprocal rank.
///
/// # Arguments
/// * `members`: the models; the first is given weight 1 before any is looked at.
/// * `cases`: what the weights are chosen on, not seen by the models.
/// * `known`: the triples of training and of `cases`.
///
/// # Returns
/// The sum, without models of no weight.
pub fn fuse(mut members: Vec<Member>, cases: &[Case], known: &Steps) -> Fusion {
    let lineups = lineups(&members, cases, known);
    let mut weights = vec![0.0; members.len()];
    if let Some(first) = weights.first_mut() {
        *first = 1.0;
    }
    let mut best = reciprocal(&lineups, &weights);
    for _ in 0..ROUNDS {
        let before = best;
        for at in 0..weights.len() {
            for weight in WEIGHTS {
                let tried = std::mem::replace(&mut weights[at], *weight);
                let found = reciprocal(&lineups, &weights);
                // A model that helps no more is left out.
                if found > best + GAIN || (*weight == 0.0 && found >= best) {
                    best = found;
                } else {
                    weights[at] = tried;
                }
            }
        }
        if best <= before {
            break;
        }
    }
    for (member, weight) in members.iter_mut().zip(weights) {
        member.weight = weight;
    }
    members.retain(|member| member.weight > 0.0);
    Fusion { members }
}

/// Each case's answer and the entities that any model ranks high, but those known to be right.
fn lineups(members: &[Member], cases: &[Case], known: &Steps) -> Vec<Lineup> {
    let n = known.n_entities();
    let mut scores = vec![vec![0.0; BATCH * n]; members.len()];
    let mut lineups = Vec::with_capacity(cases.len());
    for batch in cases.chunks(BATCH) {
        let queries: Vec<Query> = batch.iter().map(|case| case.query).collect();
        for (member, scores) in members.iter().zip(&mut scores) {
            member.scorer.log_score(&queries, &mut scores[..batch.len() * n]);
        }
        lineups.par_extend(batch.par_iter().enumerate().map(|(at, case)| {
            let rows: Vec<&[f32]> = scores.iter().map(|scores| &scores[at * n..][..n]).collect();
            let mut entities: Vec<u32> = rows.iter().flat_map(|row| first(row)).collect();
            entities.sort_unstable();
            entities.dedup();
            let right = known.along(case.query);
            entities.retain(|entity| right.binary_search(&(case.query.step, *entity)).is_err());
            let of = |entity: u32| rows.iter().map(move |row| row[entity as usize]);
            Lineup {
                answer: of(case.answer).collect(),
                others: entities.into_iter().flat_map(of).collect(),
            }
        }));
    }
    lineups
}

/// The entities of the highest scores.
fn first(row: &[f32]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..row.len() as u32).collect();
    let by_score = |a: &u32, b: &u32| row[*b as usize].total_cmp(&row[*a as usize]).then(a.cmp(b));
    if order.len() > FIRST {
        order.select_nth_unstable_by(FIRST - 1, by_score);
        order.truncate(FIRST);
    }
    order
}

/// The mean reciprocal rank of the answers, by weights.
fn reciprocal(lineups: &[Lineup], weights: &[f64]) -> f64 {
    let sum = |scores: &[f32]| {
        let weighed = scores.iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
        weighed.map(|(score, weight)| *score * *weight as f32).fold(0.0, |sum, next| sum + next)
    };
    let of = |lineup: &Lineup| {
        let others: Vec<f32> = lineup.others.chunks(weights.len()).map(sum).collect();
        1.0 / place(sum(&lineup.answer), &others)
    };
    let found: Vec<f64> = lineups.par_iter().map(of).collect();
    found.iter().sum::<f64>() / found.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::triples::Triple;

    /// Knows the answers to questions by one relation, and gives everything else the same score.
    struct Knows(u32, Vec<Case>);

    impl Scorer for Knows {
        fn score(&self, queries: &[Query], scores: &mut [f32]) {
            scores.fill(0.0);
            let n = scores.len() / queries.len();
            for (row, query) in scores.chunks_mut(n).zip(queries) {
                for case in self.1.iter().filter(|case| case.query == *query) {
                    if query.step == self.0 {
                        row[case.answer as usize] = 1.0;
                    }
                }
            }
        }
    }

    /// Knows nothing.
    struct Fool;

    impl Scorer for Fool {
        fn score(&self, queries: &[Query], scores: &mut [f32]) {
            for row in scores.chunks_mut(scores.len() / queries.len()) {
                row.iter_mut().zip(0_u8..).for_each(|(score, at)| *score = f32::from(at % 7));
            }
        }
    }

    #[test]
    fn who_knows_has_weight_and_who_does_not_has_none() {
        let triples: Vec<Triple> = (0..20)
            .map(|at| Triple { head: at, relation: at % 2, tail: (at * 7 + 3) % 40 })
            .collect();
        let known = Steps::new(40, 2, &triples);
        let cases = super::super::cases(&triples, 2);
        let tails: Vec<Case> = cases.iter().copied().step_by(2).collect();
        let member = |name, scorer| {
            let params = Params { dim: 1, seed: 1, values: std::collections::BTreeMap::new() };
            Member { name, params, scorer, weight: 0.0 }
        };
        let knows = |step| Box::new(Knows(step, tails.clone()));
        let members =
            vec![member("even", knows(0)), member("fool", Box::new(Fool)), member("odd", knows(1))];
        let fusion = fuse(members, &tails, &known);
        let names: Vec<&str> = fusion.members.iter().map(|member| member.name).collect();
        assert_eq!(names, ["even", "odd"]);
        let ranks = super::super::ranks(&fusion, &tails, &known);
        assert_eq!(ranks, vec![1.0; 20]);
    }
}
