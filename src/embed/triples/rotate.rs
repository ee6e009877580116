//! `RotatE`: a relation turns each complex number of the head by an angle; the tail lies near.
//!
//! Sun et al., "`RotatE`: knowledge graph embedding by relational rotation in complex space", ICLR 2019;
//! with the Euclidean distance, a softmax over the entities to tell apart in place of weighed logistic
//! losses, and relations of their own for the way back.

use super::super::Knob;
use super::train::Geometry;
use super::{Entry, Kind, train};

pub(super) const ENTRY: Entry = Entry {
    name: "rotate",
    about: "the head, turned by the relation's angles, lies near the tail",
    knobs: &[Knob { default: 60.0, ..train::EPOCHS }, train::RATE, train::BATCH, train::NEGATIVES],
    choices: &[],
    kind: Kind::Rows(&RotatE),
};

struct RotatE;

impl Geometry for RotatE {
    fn is_distance(&self) -> bool {
        true
    }

    fn is_complex(&self) -> bool {
        true
    }

    fn relation_width(&self, dim: usize) -> usize {
        dim / 2
    }

    fn query(&self, head: &[f32], relation: &[f32], query: &mut [f32]) {
        let half = head.len() / 2;
        for (at, angle) in relation.iter().enumerate() {
            let (sin, cos) = angle.sin_cos();
            query[at] = head[at] * cos - head[half + at] * sin;
            query[half + at] = head[at] * sin + head[half + at] * cos;
        }
    }

    fn back(&self, at: [&[f32]; 2], slope: &[f32], head: &mut [f32], relation: &mut [f32]) {
        let half = slope.len() / 2;
        for (place, angle) in at[1].iter().enumerate() {
            let (sin, cos) = angle.sin_cos();
            let (a, b) = (at[0][place], at[0][half + place]);
            let (re, im) = (slope[place], slope[half + place]);
            head[place] = re * cos + im * sin;
            head[half + place] = im * cos - re * sin;
            relation[place] = im * (a * cos - b * sin) - re * (a * sin + b * cos);
        }
    }
}
