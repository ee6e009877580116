//! One item is shown to one user at most so many times in a while.

use super::{Asked, Built, Rule, RuleParams};
use crate::graph::NodeIndex;
use crate::recommend::RecommendError;
use crate::schema::DAY_MS;
use crate::snapshot::Snapshot;

/// The longest window in days: what was shown earlier is forgotten.
pub const MAX_WINDOW_DAYS: f64 = 30.0;

/// How often one item may be shown to one user.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cap {
    /// At most so many times, at least 1,
    pub times: usize,
    /// in any so many days, above 0 and at most [`MAX_WINDOW_DAYS`].
    pub window_days: f64,
}

pub(super) fn build(params: &RuleParams, _: &Snapshot) -> Built {
    let Some(cap) = params.cap else { return Ok(None) };
    if cap.times == 0 {
        let (field, expected) = ("cap.times", "a whole number from 1 up");
        return Err(RecommendError::Rule { field, found: 0.0, expected });
    }
    if !(cap.window_days > 0.0 && cap.window_days <= MAX_WINDOW_DAYS) {
        let (field, expected) = ("cap.window", "a time of more than 0 and at most 30 days");
        return Err(RecommendError::Rule { field, found: cap.window_days, expected });
    }
    Ok(Some(Box::new(cap)))
}

impl Rule for Cap {
    fn keeps(&self, asked: &Asked<'_>, node: NodeIndex) -> bool {
        let window_ms = (self.window_days * DAY_MS as f64).ceil() as i64;
        asked.shown.times(node, window_ms) < self.times
    }
}
