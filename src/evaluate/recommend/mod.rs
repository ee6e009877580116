//! How good recommendations are, by the protocols that published tables use.
//!
//! A protocol's files become a [`Task`]: what to fit to, and cases that say what each user did next.
//! [`evaluate`] ranks for each case and measures; [`tune`] chooses parameters on a part of what there
//! is to fit to, never on the cases; [`best`] adds the best methods up.

mod best;
mod clicks;
mod cross_domain;
mod files;
mod friends;
mod histories;
mod items;
mod metric;
mod protocol;
mod rank;
mod task;
mod temporal;
mod tune;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::model::ModelError;

pub use best::{best, best_among};
pub use clicks::{CLICK_METHODS, ClickMetrics, Clicks, RANK_METHODS};
pub use cross_domain::CrossDomain;
pub use files::Ids;
pub use metric::{Cold, Metrics, Summary};
pub use protocol::{Behaviors, Layout, LeaveOneOut, Split};
pub use rank::{evaluate, explained, measure, rank};
pub use task::{Case, Holdout, Pool, Task};
pub use temporal::Temporal;
pub use tune::{Tuned, tune};

/// Why recommendations cannot be evaluated.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// A file that cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line that is not as the protocol's files are.
    #[error("{path}, line {line}: {reason}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what is expected.
        reason: String,
    },
    /// Nothing to measure.
    #[error("{path} holds no case to test; {remedy}")]
    NoCases {
        /// The file.
        path: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// Friendships among nobody who is known.
    #[error(
        "no line of {path} names two users of the other files; give lines of a user and a friend by the same ids"
    )]
    NoFriends {
        /// The file.
        path: PathBuf,
    },
    /// Items to rank among are drawn where a share of each user's items is to be found.
    #[error(
        "negatives cannot be drawn for {path}, which tells what to rank; leave `--negatives` out"
    )]
    Drawn {
        /// The file.
        path: PathBuf,
    },
    /// The behaviour to predict is not among those given.
    #[error("no file of the behaviour `{name}` is given; given: {known}")]
    NoBehavior {
        /// The behaviour to predict.
        name: String,
        /// Those given.
        known: String,
    },
    /// A method that cannot be fitted.
    #[error(transparent)]
    Model(#[from] ModelError),
}
