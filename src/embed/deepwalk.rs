//! `DeepWalk`: nodes that uniform walks meet near each other lie near each other.
//!
//! Perozzi, Al-Rfou & Skiena, "`DeepWalk`: online learning of social representations", KDD 2014; by
//! negative sampling (see [`super::sgns`]) in place of their hierarchical softmax.

use super::prone::SPREAD;
use super::{Entry, Knob, sgns};

pub(super) const ENTRY: Entry = Entry {
    name: "deepwalk",
    about: "skip-grams of uniform walks",
    knobs: &[WALKS, LENGTH, WINDOW, EPOCHS, PATIENCE, RATE, SPREAD],
    train: sgns::train,
};

pub(super) const WALKS: Knob =
    Knob { name: "walks", about: "walks from each node", default: 10.0, range: (1.0, 10_000.0) };

pub(super) const LENGTH: Knob =
    Knob { name: "length", about: "nodes of a walk", default: 40.0, range: (2.0, 10_000.0) };

pub(super) const WINDOW: Knob = Knob {
    name: "window",
    about: "places of a walk that count as near, at most",
    default: 5.0,
    range: (1.0, 1000.0),
};

pub(super) const EPOCHS: Knob = Knob {
    name: "epochs",
    about: "times that all walks are learnt",
    default: 1.0,
    range: (1.0, 1000.0),
};

pub(super) const RATE: Knob =
    Knob { name: "rate", about: "learning rate at the start", default: 0.025, range: (1e-6, 1.0) };

pub(super) const PATIENCE: Knob = Knob {
    name: "patience",
    about: "epochs without a lower loss on fresh walks before training ends; 0 for all epochs",
    default: 0.0,
    range: (0.0, 1000.0),
};
