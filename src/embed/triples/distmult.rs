//! `DistMult`: a triple's score is the sum of products of three numbers, one of each member.
//!
//! Yang et al., "Embedding entities and relations for learning and inference in knowledge bases",
//! ICLR 2015; with relations of their own for the way back, so that a relation need not be symmetric.

use super::train::Geometry;
use super::{Entry, Kind, train};

pub(super) const ENTRY: Entry = Entry {
    name: "distmult",
    about: "products of head, relation and tail, summed",
    knobs: train::OF_PRODUCTS,
    choices: &[("n3", 0.1)],
    kind: Kind::Rows(&DistMult),
};

struct DistMult;

impl Geometry for DistMult {
    fn query(&self, head: &[f32], relation: &[f32], query: &mut [f32]) {
        for ((query, head), relation) in query.iter_mut().zip(head).zip(relation) {
            *query = head * relation;
        }
    }

    fn back(&self, at: [&[f32]; 2], slope: &[f32], head: &mut [f32], relation: &mut [f32]) {
        for (place, slope) in slope.iter().enumerate() {
            head[place] = slope * at[1][place];
            relation[place] = slope * at[0][place];
        }
    }
}
