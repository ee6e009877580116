//! Rows of entities and relations, and the scores that they give.

use rayon::prelude::*;

use super::product::{Factor, product};
use super::train::{Geometry, distance, dot};
use super::{NEVER, Query, Scorer, Triple};

/// Share of a relation's triples that must join an entity with itself, so that such are answers.
const LOOPS: f64 = 1e-3;

/// A trained model: a row for each entity and, both ways, for each relation.
pub struct Factors {
    geometry: &'static dyn Geometry,
    dim: usize,
    /// `[entities, dim]`.
    entities: Vec<f32>,
    /// `[2 * relations, relation width]`: the relations, then the ways back.
    relations: Vec<f32>,
    /// The square of each entity's length.
    squares: Vec<f32>,
    /// Whether each relation joins entities with themselves.
    loops: Vec<bool>,
}

impl Factors {
    pub(super) fn new(
        geometry: &'static dyn Geometry,
        dim: usize,
        entities: Vec<f32>,
        relations: Vec<f32>,
        triples: &[Triple],
    ) -> Self {
        let squares = entities.par_chunks(dim).map(|row| dot(row, row)).collect();
        let n_steps = relations.len() / geometry.relation_width(dim);
        let mut counts = vec![(0_usize, 0_usize); n_steps / 2];
        for Triple { head, relation, tail } in triples {
            let (n_loops, n) = &mut counts[*relation as usize];
            *n += 1;
            *n_loops += usize::from(head == tail);
        }
        let loops = counts.iter().map(|(n_loops, n)| *n_loops as f64 > LOOPS * *n as f64).collect();
        Self { geometry, dim, entities, relations, squares, loops }
    }

    /// Numbers of an entity's row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Numbers of a relation's row.
    pub fn relation_width(&self) -> usize {
        self.geometry.relation_width(self.dim)
    }

    /// `[entities, dim]`.
    pub fn entities(&self) -> &[f32] {
        &self.entities
    }

    /// `[2 * relations, relation width]`: the relations, then the ways back.
    pub fn relations(&self) -> &[f32] {
        &self.relations
    }
}

impl Scorer for Factors {
    fn score(&self, queries: &[Query], scores: &mut [f32]) {
        let (dim, width) = (self.dim, self.relation_width());
        let n = self.squares.len();
        let mut rows = vec![0.0; queries.len() * dim];
        rows.par_chunks_mut(dim).zip(queries).for_each(|(row, query)| {
            let head = &self.entities[query.entity as usize * dim..][..dim];
            let relation = &self.relations[query.step as usize * width..][..width];
            self.geometry.query(head, relation, row);
        });
        product(scores, n, Factor::rows(&rows, dim), dim, Factor::turned(&self.entities, dim));
        if self.geometry.is_distance() {
            scores.par_chunks_mut(n).zip(rows.par_chunks(dim)).for_each(|(scores, row)| {
                let square = dot(row, row);
                for (score, other) in scores.iter_mut().zip(&self.squares) {
                    *score = -distance(square, *other, *score);
                }
            });
        }
        for (scores, query) in scores.chunks_mut(n).zip(queries) {
            if !self.loops[query.step as usize % self.loops.len()] {
                scores[query.entity as usize] = NEVER;
            }
        }
    }
}
