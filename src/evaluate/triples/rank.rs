//! Filtered ranks of the right answers among all entities.
//!
//! For each triple both ends are asked for. Other answers that are known to be right, from any part of
//! the data, do not count; among entities of equal score the place is the mean one, so that a model
//! which says the same of all gains nothing.
//!
//! # Source
//! Bordes et al., "Translating embeddings for modeling multi-relational data", NIPS 2013, section 4.2
//! (filtered ranks); Sun et al., "A re-evaluation of knowledge graph completion methods", ACL 2020, and
//! Berrendorf et al., "On the ambiguity of rank-based evaluation of entity alignment or link prediction
//! methods", 2020 (the mean, "realistic", rank).

use rayon::prelude::*;

use crate::embed::triples::{Query, Scorer, Steps, Triple};

/// Questions that are scored together.
pub(super) const BATCH: usize = 128;

/// A question and its right answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// The question.
    pub query: Query,
    /// Its answer.
    pub answer: u32,
}

/// Both questions of each triple: for the tail, then for the head.
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
///
/// # Arguments
/// * `known`: all triples that hold, those of the cases among them.
pub fn ranks(scorer: &dyn Scorer, cases: &[Case], known: &Steps) -> Vec<f64> {
    let n = known.n_entities();
    let mut scores = vec![0.0; BATCH * n];
    let mut ranks = Vec::with_capacity(cases.len());
    for batch in cases.chunks(BATCH) {
        let queries: Vec<Query> = batch.iter().map(|case| case.query).collect();
        let scores = &mut scores[..batch.len() * n];
        scorer.score(&queries, scores);
        let rows = batch.par_iter().zip(scores.par_chunks_mut(n));
        ranks.par_extend(rows.map(|(case, row)| {
            let own = row[case.answer as usize];
            for (_, other) in known.along(case.query) {
                row[*other as usize] = f32::NAN;
            }
            place(own, row)
        }));
    }
    ranks
}

/// The place of a score among others: after those above it and amid its equals.
pub(super) fn place(own: f32, others: &[f32]) -> f64 {
    let above = others.iter().filter(|score| **score > own).count();
    let equal = others.iter().filter(|score| **score == own).count();
    1.0 + above as f64 + equal as f64 / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores every entity by its number, but never above a limit.
    struct ByNumber(f32);

    impl Scorer for ByNumber {
        fn score(&self, queries: &[Query], scores: &mut [f32]) {
            for row in scores.chunks_mut(scores.len() / queries.len()) {
                row.iter_mut().zip(0_u8..).for_each(|(score, at)| *score = self.0.min(at.into()));
            }
        }
    }

    #[test]
    fn known_answers_are_passed_over_and_ties_are_shared() {
        let triple = |head, tail| Triple { head, relation: 0, tail };
        let known = Steps::new(6, 1, &[triple(0, 2), triple(0, 4), triple(1, 3)]);
        // 5 and 3 are better tails than 2, since 4 is known; 1 to 5 are better heads than 0.
        let of = cases(&[triple(0, 2)], 1);
        assert_eq!(ranks(&ByNumber(9.0), &of, &known), [3.0, 6.0]);
        // All are alike: amid the other four, and amid the other five.
        assert_eq!(ranks(&ByNumber(0.0), &of, &known), [3.0, 3.5]);
    }
}
