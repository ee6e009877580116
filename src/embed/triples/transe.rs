//! `TransE`: a relation is a way to go; the tail lies near head plus relation.
//!
//! Bordes et al., "Translating embeddings for modeling multi-relational data", NIPS 2013; with the
//! Euclidean distance, and relations of their own for the way back (see [`super::train`]).

use super::super::Knob;
use super::train::Geometry;
use super::{Entry, Kind, train};

pub(super) const ENTRY: Entry = Entry {
    name: "transe",
    about: "head plus relation lies near the tail",
    knobs: &[Knob { default: 60.0, ..train::EPOCHS }, train::RATE, train::BATCH, train::NEGATIVES],
    choices: &[],
    kind: Kind::Rows(&TransE),
};

struct TransE;

impl Geometry for TransE {
    fn is_distance(&self) -> bool {
        true
    }

    fn query(&self, head: &[f32], relation: &[f32], query: &mut [f32]) {
        for ((query, head), relation) in query.iter_mut().zip(head).zip(relation) {
            *query = head + relation;
        }
    }

    fn back(&self, _: [&[f32]; 2], slope: &[f32], head: &mut [f32], relation: &mut [f32]) {
        head.copy_from_slice(slope);
        relation.copy_from_slice(slope);
    }
}
