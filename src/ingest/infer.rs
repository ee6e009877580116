//! Guesses how foreign columns are to be read, from their names and first cells, and writes a mapping for
//! people to check: every line says why it is there.

mod names;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use self::names::{BOUGHT, MARKS, names_of};
use super::rows::{self, Sample};
use super::{IngestError, Mapping};
use crate::schema::{NodeKind, Relation, Schema, Timestamp};

/// Rows that are looked at.
const ROWS: usize = 1000;
/// A mapping that was guessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inferred {
    /// The mapping file's text, to be edited.
    pub text: String,
    /// Columns that every event needs and that were not found; without any the text loads as it is.
    pub missing: Vec<&'static str>,
}

/// Guesses the mapping of a file of events.
///
/// # Errors
/// Those of reading the file; [`IngestError::Unreadable`] when it has no rows.
pub fn infer(path: &Path, schema: &Schema) -> Result<Inferred, IngestError> {
    rows::check(path, &rows::InputParams::default())?;
    let sample = rows::sample(path, ROWS)?;
    if sample.n_rows == 0 {
        let reason = "has no row to guess from; give a file with a header and some rows".to_owned();
        return Err(IngestError::Unreadable { path: path.to_owned(), reason });
    }
    let mut guess = Guess { sample: &sample, schema, taken: BTreeSet::new(), text: String::new() };
    let n_rows = sample.n_rows;
    let name = path.file_name().unwrap_or_default().to_string_lossy().replace(char::is_control, "");
    let _ =
        writeln!(guess.text, "# Guessed from the first {n_rows} rows of {name}: check every line.");
    let missing = guess.write();
    debug_assert!(toml::from_str::<Mapping>(&guess.text).is_ok(), "{}", guess.text);
    Ok(Inferred { text: guess.text, missing })
}

struct Guess<'a> {
    sample: &'a Sample,
    schema: &'a Schema,
    /// Places of columns that have a meaning.
    taken: BTreeSet<usize>,
    text: String,
}

/// How times are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Times {
    Seconds,
    Readable,
}

impl Guess<'_> {
    /// Writes the mapping; what is missing from it.
    fn write(&mut self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        self.text.push_str("\n[columns]\n");
        for (ours, what) in [("user", "who acted"), ("target", "on what they acted")] {
            match self.named(ours, |_| true).or_else(|| self.alike(ours)) {
                Some(place) => self.line(ours, place, "by its name"),
                None => {
                    missing.push(ours);
                    self.not_found(ours, what);
                }
            }
        }
        if let Some(place) = self.named("target_kind", says_kinds) {
            self.line("target_kind", place, "kinds of nodes");
        }
        let times = self.at(&mut missing);
        let action = self.named("action", |cells| self.knows_some(cells));
        if let Some(place) = action {
            self.line("action", place, &self.known_actions(place));
        }
        let value = self.named("value", |cells| range(cells).is_some());
        if let Some(place) = value {
            let (min, max) = range(&self.sample.cells[place]).unwrap_or_default();
            self.line("value", place, &format!("numbers from {min} to {max}"));
        }
        for (ours, why) in [("session", "by its name"), ("text", "by its name")] {
            if let Some(place) = self.named(ours, |_| true) {
                self.line(ours, place, why);
            }
        }
        match self.named("event_id", is_unique) {
            Some(place) => self.line("event_id", place, "no two are the same"),
            None => self.text.push_str(
                "# event_id: no column has one; it is made from user, target, action, time and value\n",
            ),
        }
        let over = (0..self.sample.columns.len()).filter(|place| !self.taken.contains(place));
        let over: Vec<_> = over.map(|place| quoted(&self.sample.columns[place])).collect();
        if !over.is_empty() {
            let _ = writeln!(self.text, "# passed over: {}", over.join(", "));
        }
        if action.is_none() {
            self.constant_action(value);
        }
        if times == Some(Times::Seconds) {
            self.text.push_str("\n[times]\nat = \"s\"  # seconds since 1970\n");
        }
        missing
    }

    /// The surest column by its name whose cells pass.
    fn named(&self, ours: &str, passes: impl Fn(&[String]) -> bool) -> Option<usize> {
        names_of(ours).find_map(|name| {
            (0..self.sample.columns.len()).find(|place| {
                !self.taken.contains(place)
                    && plain(&self.sample.columns[*place]) == name
                    && passes(&self.sample.cells[*place])
            })
        })
    }

    /// A column whose name is of an id and has one of the column's names in it, such as `shop_user_id`.
    fn alike(&self, ours: &str) -> Option<usize> {
        (0..self.sample.columns.len()).find(|place| {
            let name = plain(&self.sample.columns[*place]);
            let has = |part: &str| part.len() > 3 && name.contains(part);
            !self.taken.contains(place)
                && (name.ends_with("id") || name.ends_with("key") || name.ends_with("code"))
                && names_of(ours).any(has)
        })
    }

    fn at(&mut self, missing: &mut Vec<&'static str>) -> Option<Times> {
        let by_shape = || {
            // Without a name that says so, only what looks like nothing else.
            let mut places = 0..self.sample.columns.len();
            places.find(|place| {
                !self.taken.contains(place) && times(&self.sample.cells[*place]).is_some()
            })
        };
        let found = self.named("at", |cells| times(cells).is_some()).or_else(by_shape);
        if let Some(place) = found {
            let times = times(&self.sample.cells[place]);
            let why = match times {
                Some(Times::Seconds) => "whole numbers, as seconds since 1970 are",
                _ => "times as RFC 3339, or milliseconds since 1970",
            };
            self.line("at", place, why);
            return times;
        }
        missing.push("at");
        if let Some(place) = self.named("at", |_| true) {
            let column = quoted(&self.sample.columns[place]);
            let cell = self.sample.cells[place].iter().find(|cell| !cell.is_empty());
            let _ = writeln!(
                self.text,
                "# at = {column}  # holds {}, which is neither RFC 3339 nor a number of seconds or \
                 milliseconds: convert it",
                quoted(cell.map_or("", String::as_str))
            );
            self.taken.insert(place);
        } else {
            self.not_found("at", "when it was");
        }
        None
    }

    fn knows_some(&self, cells: &[String]) -> bool {
        cells.iter().any(|cell| self.schema.action(cell).is_ok())
    }

    /// What the cells of an action are, and which the schema does not know.
    fn known_actions(&self, place: usize) -> String {
        let found: BTreeSet<&str> = self.sample.cells[place].iter().map(String::as_str).collect();
        let (known, unknown): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|name| self.schema.action(name).is_ok());
        let list = |names: &[&str]| names.iter().map(|n| quoted(n)).collect::<Vec<_>>().join(", ");
        let mut why = list(&known);
        if !unknown.is_empty() {
            let _ = write!(
                why,
                "; rows with {} will be refused: add them to the schema's aliases",
                list(&unknown)
            );
        }
        why
    }

    fn constant_action(&mut self, value: Option<usize>) {
        let is_of = |names: &str, place: usize| {
            let name = plain(&self.sample.columns[place]);
            names.split(' ').any(|known| known == name)
        };
        let mut places = 0..self.sample.columns.len();
        let (wanted, mut why) = if value.is_some_and(|place| is_of(MARKS, place)) {
            ("rated", "the value is a mark".to_owned())
        } else if places.any(|place| is_of(BOUGHT, place)) {
            ("bought", "the columns are those of a sale".to_owned())
        } else {
            ("viewed", "no column says what was done".to_owned())
        };
        let known = self.schema.action(wanted).ok().or_else(|| self.schema.actions().next());
        let Some(action) = known else { return };
        let scale = action.action.as_ref().and_then(|action| action.value);
        let found = value.and_then(|place| range(&self.sample.cells[place]));
        if let (Some(scale), Some((min, max))) = (scale, found) {
            let (low, high) = (scale.min, scale.max);
            if min < low || max > high {
                let _ =
                    write!(why, "; values off the schema's scale of {low} to {high} are refused");
            } else {
                let _ = write!(why, "; the schema's scale goes from {low} to {high}");
            }
        }
        let Relation { name, .. } = action;
        let _ = write!(self.text, "\n[constants]\naction = {}  # {why}\n", quoted(name));
    }

    fn line(&mut self, ours: &str, place: usize, why: &str) {
        self.taken.insert(place);
        let column = quoted(&self.sample.columns[place]);
        let _ = writeln!(self.text, "{ours} = {column}  # {why}");
    }

    fn not_found(&mut self, ours: &str, what: &str) {
        let _ =
            writeln!(self.text, "# {ours} = \"\"  # not found: name the column that says {what}");
    }
}

/// A name in lower case without what is no letter or digit; what follows a colon is a type.
fn plain(name: &str) -> String {
    let name = name.split(':').next().unwrap_or(name);
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// A text as TOML and JSON write it.
fn quoted(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    // The one control character that TOML has escaped and JSON has not.
    quoted.replace('\u{7f}', "\\u007f")
}

/// How the cells say times, if nearly all of them do.
fn times(cells: &[String]) -> Option<Times> {
    let (mut n_seconds, mut n_readable, mut n) = (0, 0, 0);
    for cell in cells.iter().filter(|cell| !cell.is_empty()) {
        n += 1;
        match cell.parse::<i64>() {
            // From 1973 on in seconds, to 5138; in milliseconds as far. Nine digits are few ids of today.
            Ok(100_000_000..100_000_000_000) => n_seconds += 1,
            Ok(100_000_000_000..100_000_000_000_000) => n_readable += 1,
            Ok(_) => {}
            Err(_) => n_readable += usize::from(Timestamp::parse(cell).is_some()),
        }
    }
    let most = |of: usize| of > 0 && 20 * of >= 19 * n;
    match (most(n_seconds), most(n_readable)) {
        (true, _) => Some(Times::Seconds),
        (_, true) => Some(Times::Readable),
        _ => None,
    }
}

/// The least and the greatest, if the cells are numbers.
fn range(cells: &[String]) -> Option<(f64, f64)> {
    let mut numbers = cells.iter().filter(|cell| !cell.is_empty()).map(|cell| cell.parse::<f64>());
    let first = numbers.next()?.ok()?;
    numbers.try_fold((first, first), |(min, max), number| {
        let number = number.ok().filter(|number| number.is_finite())?;
        Some((min.min(number), max.max(number)))
    })
}

/// Are they kinds of nodes, or nothing?
fn says_kinds(cells: &[String]) -> bool {
    let mut said = cells.iter().filter(|cell| !cell.is_empty()).peekable();
    said.peek().is_some() && said.all(|cell| NodeKind::parse(cell).is_some())
}

fn is_unique(cells: &[String]) -> bool {
    let mut seen = BTreeSet::new();
    cells.iter().all(|cell| !cell.is_empty() && seen.insert(cell))
}

#[cfg(test)]
mod tests;
