//! What grows: decayed counts of events in a window against those in the window before.
//!
//! Both windows count alike: an event is worth `2^(-age / (window / 2))` by its age at the window's end. So
//! what comes evenly has a growth near 1. Both sides are smoothed by the same number of events, so that two
//! events after one are no doubling.

use serde::Serialize;

use super::Named;

/// Events added to both sides.
const SMOOTHING: f64 = 5.0;

/// What happened to a node in a window and in the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TrendCounts {
    /// Events of the window.
    pub events: usize,
    /// Events of the one before.
    pub events_before: usize,
    /// Those of the window, decayed.
    pub recent: f64,
    /// Those of the one before, decayed.
    pub before: f64,
}

impl TrendCounts {
    /// Adds an event of an age; one that is older than two windows changes nothing.
    pub fn add(&mut self, age_ms: i64, window_ms: i64) {
        let worth = |age_ms: i64| (-2.0 * age_ms as f64 / window_ms as f64).exp2();
        if age_ms < 0 {
        } else if age_ms < window_ms {
            self.events += 1;
            self.recent += worth(age_ms);
        } else if age_ms < 2 * window_ms {
            self.events_before += 1;
            self.before += worth(age_ms - window_ms);
        }
    }

    /// How many times as much it is as before, smoothed.
    pub fn growth(&self) -> f64 {
        (self.recent + SMOOTHING) / (self.before + SMOOTHING)
    }
}

/// What grows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trend {
    /// What it is.
    #[serde(flatten)]
    pub node: Named,
    /// How many times as much as before, smoothed.
    pub growth: f64,
    /// Why.
    #[serde(flatten)]
    pub counts: TrendCounts,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn counts(ages: &[i64]) -> TrendCounts {
        let mut counts = TrendCounts::default();
        ages.iter().for_each(|age| counts.add(age * DAY, 10 * DAY));
        counts
    }

    #[test]
    fn what_comes_evenly_does_not_grow() {
        let found = counts(&(0..40).collect::<Vec<_>>());
        assert_eq!((found.events, found.events_before), (10, 10));
        assert!((found.growth() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_comes_more_often_grows_and_few_events_say_little() {
        assert!(counts(&[0, 0, 0, 0, 0, 0, 0, 0, 12]).growth() > 2.0);
        assert!(counts(&[0, 0, 12]).growth() < 1.4);
        assert!(counts(&[12, 12, 12]).growth() < 1.0);
        // A half-life of five days: an event at the end of either window is worth 1.
        assert_eq!(counts(&[0, 5, 10, 15]).recent, 1.5);
        assert_eq!(counts(&[0, 5, 10, 15]).before, 1.5);
        assert_eq!(counts(&[-1, 20, 30]), TrendCounts::default());
    }
}
