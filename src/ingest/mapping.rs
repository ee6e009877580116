//! A mapping shapes foreign columns: which column is the user, which action a file without one
//! means, in which unit its times are.
//!
//! ```toml
//! [columns]            # ours = theirs; columns that are not named here are passed over
//! user = "household_id"
//! target = "product_id"
//! at = "ts"
//!
//! [constants]          # for every row
//! action = "bought"
//!
//! [times]
//! at = "s"             # seconds since 1970 instead of milliseconds
//! ```
//!
//! Without a column for `event_id`, the id is made from user, target, action, time and value, so
//! that the same row twice is one event.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::IngestError;
use crate::event::RawEvent;

/// The columns of an event, in the order of the canonical files.
pub(super) const COLUMNS: [&str; 9] =
    ["event_id", "user", "target", "target_kind", "action", "at", "value", "session", "text"];

/// How the columns of foreign event files are read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    #[serde(default)]
    columns: BTreeMap<String, String>,
    #[serde(default)]
    constants: BTreeMap<String, String>,
    #[serde(default)]
    times: BTreeMap<String, String>,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// [`IngestError::Io`] and [`IngestError::Mapping`].
    pub fn read(path: &Path) -> Result<Self, IngestError> {
        let refuse = |reason| IngestError::Mapping { path: path.to_owned(), reason };
        let text = fs::read_to_string(path)
            .map_err(|source| IngestError::Io { path: path.to_owned(), source })?;
        let mapping: Self = toml::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        for name in mapping.columns.keys().chain(mapping.constants.keys()) {
            if !COLUMNS.contains(&name.as_str()) {
                return Err(refuse(format!(
                    "`{name}` is no column; known: {}",
                    COLUMNS.join(", ")
                )));
            }
        }
        if let Some(value) = mapping.constants.get("value")
            && !value.parse().is_ok_and(f64::is_finite)
        {
            return Err(refuse(format!("constants.value = {value:?}; give a finite number")));
        }
        match mapping
            .times
            .iter()
            .find(|(name, unit)| *name != "at" || !["s", "ms"].contains(&unit.as_str()))
        {
            Some((name, unit)) => {
                Err(refuse(format!("times.{name} = {unit:?}; known: at = \"s\" or \"ms\"")))
            }
            None => Ok(mapping),
        }
    }

    /// The foreign name of our column `name`.
    pub(super) fn foreign<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        match self.columns.get(name) {
            Some(foreign) => Some(foreign),
            None if self.columns.is_empty() => Some(name),
            None => None,
        }
    }

    /// Our name of the foreign column `foreign`; `None` when it is passed over.
    pub(super) fn ours<'a>(&'a self, foreign: &'a str) -> Option<&'a str> {
        match self.columns.iter().find(|(_, theirs)| *theirs == foreign) {
            Some((ours, _)) => Some(ours),
            None if self.columns.is_empty() => Some(foreign),
            None => None,
        }
    }

    /// May files have columns that we do not know?
    pub(super) fn passes_over(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Does every row get this column without the file having it?
    pub(super) fn provides(&self, name: &str) -> bool {
        self.constants.contains_key(name) || (name == "event_id" && self.passes_over())
    }

    /// Fills in what the mapping says of every row.
    pub(super) fn complete(&self, mut event: RawEvent) -> RawEvent {
        for (name, value) in &self.constants {
            match name.as_str() {
                "event_id" => event.event_id.clone_from(value),
                "user" => event.user.clone_from(value),
                "target" => event.target.clone_from(value),
                "target_kind" => event.target_kind = Some(value.clone()),
                "action" => event.action.clone_from(value),
                "at" => event.at.clone_from(value),
                "value" => event.value = value.parse().ok(),
                "session" => event.session = Some(value.clone()),
                _ => event.text = Some(value.clone()),
            }
        }
        if self.times.get("at").is_some_and(|unit| unit == "s")
            && let Ok(seconds) = event.at.parse::<i64>()
        {
            event.at = seconds.saturating_mul(1000).to_string();
        }
        if event.event_id.is_empty() && self.passes_over() {
            event.event_id = made_id(&event);
        }
        event
    }

    /// The same for a row of our columns that is refused, so that it can be loaded again without a mapping.
    pub(super) fn complete_row(&self, mut row: Map<String, Value>) -> Map<String, Value> {
        if !self.passes_over() && self.constants.is_empty() && self.times.is_empty() {
            return row;
        }
        let text = |name: &str| match row.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let known = RawEvent {
            event_id: text("event_id"),
            user: text("user"),
            target: text("target"),
            action: text("action"),
            at: text("at"),
            ..RawEvent::default()
        };
        let complete = self.complete(known);
        let made = [("event_id", complete.event_id), ("at", complete.at)];
        let constants = self.constants.iter().map(|(name, value)| (name.as_str(), value.clone()));
        for (name, value) in constants.chain(made.into_iter().filter(|(_, made)| !made.is_empty()))
        {
            row.insert(name.to_owned(), value.into());
        }
        row
    }
}

fn made_id(event: &RawEvent) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [&event.user, &event.target, &event.action, &event.at] {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part.as_bytes());
    }
    hasher.update(&event.value.unwrap_or(f64::MAX).to_be_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}
