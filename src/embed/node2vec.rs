//! node2vec: as `DeepWalk`, with walks that rather stay near or rather go far.
//!
//! Grover & Leskovec, "node2vec: scalable feature learning for networks", KDD 2016.

use super::deepwalk::{EPOCHS, LENGTH, PATIENCE, RATE, WALKS, WINDOW};
use super::prone::SPREAD;
use super::{Entry, Knob, sgns};

pub(super) const ENTRY: Entry = Entry {
    name: "node2vec",
    about: "skip-grams of walks that weigh going back by 1/p and going far by 1/q",
    knobs: &[
        WALKS,
        LENGTH,
        WINDOW,
        EPOCHS,
        PATIENCE,
        RATE,
        SPREAD,
        Knob {
            name: "p",
            about: "how unlikely a walk is to go back",
            default: 0.25,
            range: (1e-3, 1e3),
        },
        Knob {
            name: "q",
            about: "how unlikely a walk is to go far",
            default: 0.25,
            range: (1e-3, 1e3),
        },
    ],
    train: sgns::train,
};
