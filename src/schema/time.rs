//! Points in time, and how what happened fades.
//!
//! Decay has a closed form and is evaluated when read: something worth `s` at `t0` is worth
//! `s * 2^(-(t - t0) / h)` at `t` for a half-life `h`. "Now" is always an argument.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};

/// Milliseconds in a day.
pub const DAY_MS: i64 = 86_400_000;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, up to the end of the year 9999.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const MIN: Self = Self(0);
    /// 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// The time by the clock of this machine. Only who writes down when a decision was made asks it:
    /// everything else gets "now" as an argument.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).ok().and_then(Self::from_millis).unwrap_or(Self::MAX)
    }

    /// The time `millis` milliseconds after 1970, or `None` outside the years 1970 to 9999.
    pub fn from_millis(millis: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&millis).then_some(Self(millis))
    }

    /// Milliseconds since 1970.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 (`2013-04-03T22:45:07Z`) or whole milliseconds since 1970 (`1365029107000`).
    ///
    /// Returns `None` for anything else and for a time outside the years 1970 to 9999.
    pub fn parse(text: &str) -> Option<Self> {
        let millis = match text.parse::<i64>() {
            Ok(millis) => millis,
            Err(_) => DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis(),
        };
        Self::from_millis(millis)
    }

    /// Milliseconds from `earlier` to `self`; zero when `earlier` is the later one.
    pub fn since(self, earlier: Self) -> i64 {
        (self.0 - earlier.0).max(0)
    }

    /// This time less `days`, not before [`Timestamp::MIN`].
    pub fn minus_days(self, days: f64) -> Self {
        Self((self.0 - (days * DAY_MS as f64) as i64).max(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp_millis(self.0) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            None => write!(f, "{} ms", self.0),
        }
    }
}

/// What is left of 1 after `age_ms` milliseconds under a half-life in days; 1 when nothing fades.
pub fn decay(age_ms: i64, half_life_days: Option<f64>) -> f64 {
    match half_life_days {
        Some(days) => (-(age_ms as f64) / (days * DAY_MS as f64)).exp2(),
        None => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<i64>) {
        assert_eq!(Timestamp::parse(text).map(Timestamp::millis), expected, "{text}");
    }

    #[test]
    fn reads_rfc_3339_and_milliseconds() {
        check("1970-01-01T00:00:00Z", Some(0));
        check("2013-04-03T22:45:07Z", Some(1_365_029_107_000));
        check("2013-04-04T00:45:07.250+02:00", Some(1_365_029_107_250));
        check("1365029107000", Some(1_365_029_107_000));
        check("9999-12-31T23:59:59.999Z", Some(Timestamp::MAX.millis()));
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in
            ["", " ", "yesterday", "2013-04-03", "-1", "1969-12-31T23:59:59Z", "1e12", "NaN"]
        {
            check(text, None);
        }
        check("253402300800000", None);
        check("+12000-01-01T00:00:00Z", None);
        check("9223372036854775807", None);
    }

    #[test]
    fn shows_what_it_reads() {
        for text in ["2013-04-03T22:45:07Z", "2013-04-03T22:45:07.250Z"] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn half_is_left_after_a_half_life() {
        assert_eq!(decay(30 * DAY_MS, Some(30.0)), 0.5);
        assert_eq!(decay(60 * DAY_MS, Some(30.0)), 0.25);
        assert_eq!(decay(60 * DAY_MS, None), 1.0);
        assert!(decay(Timestamp::MAX.millis(), Some(1.0)) >= 0.0);
    }
}
