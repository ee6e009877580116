//! Filtered ranks of the right answers among all entities.
//!
//! For each triple both ends are asked for. Other answers that are known to be right, from any part of
//! the data, do not count; among entities of equal score the place is the mean one, so that a model
//! which says the same of all gains nothing.
//!
//! # Source
//! Bordes et al., "Translating embeddings for modeling multi-relational data", NIPS 2013, section 4.2
//! (filtered); Sun et al., "A re-evaluation of knowledge graph completion methods", ACL 2020, and
//! Berrendorf et al., 2020 (the realistic rank).

use rayon::prelude::*;

use crate::embed::triples::{Query, Scorer, Steps, Triple};

/// Questions that are scored together.
const BATCH: usize = 64;

/// A question and its right answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// The question.
    pub query: Query,
    /// Its answer.
    pub answer: u32,
}

/// Both questions of each triple: first for the tail, then for the head.
pub fn cases(triples: &[Triple], n_relations: u32) -> Vec<Case> {
    let both = |triple: &Triple| {
        let Triple { head, relation, tail } = *triple;
        [
            Case { query: Query { entity: head, step: relation }, answer: tail },
            Case { query: Query { entity: tail, step: relation + n_relations }, answer: head },
        ]
    };
    triples.iter().flat_map(both).collect()
}

/// The filtered rank of each case's answer; 1 is the best.
pub fn ranks(scorer: &dyn Scorer, cases: &[Case], known: &Steps) -> Vec<f64> {
    let n = known.n_entities();
    let mut scores = vec![0.0; BATCH * n];
    let mut ranks = Vec::with_capacity(cases.len());
    for batch in cases.chunks(BATCH) {
        let queries: Vec<Query> = batch.iter().map(|case| case.query).collect();
        let scores = &mut scores[..batch.len() * n];
        scorer.score(&queries, scores);
        ranks.par_extend(
            batch.par_iter().zip(scores.par_chunks_mut(n)).map(|(case, row)| rank(*case, row, known)),
        );
    }
    ranks
}

fn rank(case: Case, row: &mut [f32], known: &Steps) -> f64 {
    let own = row[case.answer as usize];
    for (_, other) in known.along(case.query) {
        row[*other as usize] = f32::NAN;
    }
    let above = row.iter().filter(|score| **score > own).count();
    let equal = row.iter().filter(|score| **score == own).count();
    1.0 + above as f64 + equal as f64 / 2.0
}
