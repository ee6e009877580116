//! `ComplEx`: as `DistMult`, of complex numbers, the tail conjugated, so that order matters.
//!
//! Trouillon et al., "Complex embeddings for simple link prediction", ICML 2016; trained as in Lacroix,
//! Usunier & Obozinski, "Canonical tensor decomposition for knowledge base completion", ICML 2018:
//! relations of their own for the way back and the nuclear 3-norm.

use super::train::Geometry;
use super::{Entry, Kind, train};

pub(super) const ENTRY: Entry = Entry {
    name: "complex",
    about: "products of complex head, relation and conjugate tail, summed",
    knobs: train::OF_PRODUCTS,
    choices: &[("n3", 0.1)],
    kind: Kind::Rows(&ComplEx),
};

struct ComplEx;

impl Geometry for ComplEx {
    fn is_complex(&self) -> bool {
        true
    }

    fn query(&self, head: &[f32], relation: &[f32], query: &mut [f32]) {
        let half = head.len() / 2;
        let (query_re, query_im) = query.split_at_mut(half);
        for at in 0..half {
            let (a, b, c, d) = (head[at], head[half + at], relation[at], relation[half + at]);
            query_re[at] = a * c - b * d;
            query_im[at] = a * d + b * c;
        }
    }

    fn back(&self, at: [&[f32]; 2], slope: &[f32], head: &mut [f32], relation: &mut [f32]) {
        let half = slope.len() / 2;
        for place in 0..half {
            let (re, im) = (slope[place], slope[half + place]);
            let (a, b) = (at[0][place], at[0][half + place]);
            let (c, d) = (at[1][place], at[1][half + place]);
            head[place] = re * c + im * d;
            head[half + place] = im * c - re * d;
            relation[place] = re * a + im * b;
            relation[half + place] = im * a - re * b;
        }
    }
}
