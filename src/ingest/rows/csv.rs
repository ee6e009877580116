//! Rows of separated values. The header names the columns; each row must have as many fields. A row ends
//! with LF, CRLF or CR outside of quotes.

use std::path::Path;

use serde_json::{Map, Value};

use super::super::mapping::COLUMNS;
use super::source::{Cut, Source};
use super::{IngestError, Mapping, Reject, Sink, number, unreadable};
use crate::event::RawEvent;

/// Columns that a header may name.
const MAX_COLUMNS: usize = 10_000;

pub(super) fn events(
    path: &Path,
    source: Source,
    separator: u8,
    mapping: &Mapping,
    sink: Sink<'_, RawEvent>,
) -> Result<(), IngestError> {
    let (mut rows, mut fields) = (Rows::new(source, separator), Fields::default());
    let columns = header(path, &mut rows, &mut fields, mapping)?;
    while let Some(cut) = rows.next()? {
        let read = rows
            .split(&cut, columns.len(), &mut fields)
            .and_then(|()| rows.check_count(&cut, &fields, columns.len()))
            .and_then(|()| event(&cut, &fields, &columns, mapping));
        sink(cut.at, read.map(|event| mapping.complete(event)))?;
    }
    Ok(())
}

/// Where a row stands, and whether its cells could be read.
#[cfg(feature = "sql")]
type ReadCells = (super::At, Result<(), Reject>);

/// Opens rows whose columns may have any names, which come beside them.
#[cfg(feature = "sql")]
pub(super) fn foreign(
    path: &Path,
    source: Source,
    separator: u8,
) -> Result<(Vec<String>, Rows), IngestError> {
    let mut rows = Rows::new(source, separator);
    let names = names(path, &mut rows, &mut Fields::default())?;
    Ok((names, rows))
}

/// Where in a row a byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a field's first byte.
    Start,
    Plain,
    Quoted,
    /// After a quote that closes the field, or is the first of two.
    Closed,
}

impl State {
    /// The state after `byte`; none when the row ends with it.
    fn next(self, byte: u8, separator: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Quoted, b'"') => Self::Closed,
            (Self::Quoted, _) => Self::Quoted,
            (_, b'\n' | b'\r') => return None,
            (Self::Start | Self::Closed, b'"') => Self::Quoted,
            (_, byte) if byte == separator => Self::Start,
            _ => Self::Plain,
        })
    }
}

pub(super) struct Rows {
    source: Source,
    separator: u8,
    row: Vec<u8>,
    state: State,
}

impl Rows {
    fn new(source: Source, separator: u8) -> Self {
        Self { source, separator, row: Vec::new(), state: State::Start }
    }

    /// The place of the next row, whose `n_columns` cells go to `fields`, as texts.
    #[cfg(feature = "sql")]
    pub fn next_cells(
        &mut self,
        n_columns: usize,
        fields: &mut Fields,
    ) -> Result<Option<ReadCells>, IngestError> {
        let Some(cut) = self.next()? else { return Ok(None) };
        let read = self
            .split(&cut, n_columns, fields)
            .and_then(|()| self.check_count(&cut, fields, n_columns))
            .and_then(|()| match std::str::from_utf8(&self.row) {
                Ok(_) => Ok(()),
                Err(_) => {
                    let reason = "the row is not UTF-8; convert the file to UTF-8";
                    Err(Reject::of_raw(cut.at, reason, &self.row))
                }
            });
        Ok(Some((cut.at, read)))
    }

    /// Cuts off the next row that is not empty.
    fn next(&mut self) -> Result<Option<Cut>, IngestError> {
        loop {
            let (mut state, separator) = (State::Start, self.separator);
            let mut ends = |byte| match state.next(byte, separator) {
                Some(next) => {
                    state = next;
                    false
                }
                None => true,
            };
            let newline = |byte| matches!(byte, b'\n' | b'\r');
            let Some(cut) = self.source.cut(&mut self.row, &mut ends, newline)? else {
                return Ok(None);
            };
            self.state = state;
            if cut.n_bytes > 0 {
                return Ok(Some(cut));
            }
        }
    }

    /// Takes the row apart; no more fields are kept than `most`.
    fn split(&self, cut: &Cut, most: usize, fields: &mut Fields) -> Result<(), Reject> {
        let refuse = |reason| Err(Reject::of_raw(cut.at, reason, &self.row));
        if cut.is_long {
            let hint =
                "close the quote that is open, or shorten it; reading went on at the next line";
            return refuse(self.source.too_long(cut, hint));
        }
        if self.state == State::Quoted && !cut.is_ended {
            return refuse("a quote in the row is never closed; close it, or double it".to_owned());
        }
        if let Some(place) = self.row.iter().position(|&byte| byte == 0) {
            let byte = cut.at.byte.unwrap_or_default() + place as u64;
            return refuse(format!("the row has a NUL byte, at byte {byte}; remove it"));
        }
        if let Err(field) = fields.split(&self.row, self.separator, most) {
            return refuse(format!(
                "field {field} goes on after its closing quote; double the quotes within it"
            ));
        }
        Ok(())
    }

    fn check_count(&self, cut: &Cut, fields: &Fields, n_columns: usize) -> Result<(), Reject> {
        let found = fields.count;
        if found == n_columns {
            return Ok(());
        }
        let reason = format!("the row has {found} fields, the header has {n_columns}");
        Err(Reject::of_raw(cut.at, reason, &self.row))
    }
}

/// The fields of one row, without their quotes.
#[derive(Default)]
pub(in super::super) struct Fields {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// How many there are; no more are kept than there are columns.
    count: usize,
}

impl Fields {
    /// Takes a row apart, or tells the number of the field that is quoted wrongly.
    fn split(&mut self, row: &[u8], separator: u8, most: usize) -> Result<(), usize> {
        self.bytes.clear();
        self.ends.clear();
        self.count = 0;
        let mut rest = row;
        loop {
            self.count += 1;
            if rest.first() == Some(&b'"') {
                rest = &rest[1..];
                while let Some(quote) = rest.iter().position(|&byte| byte == b'"') {
                    let doubled = rest.get(quote + 1) == Some(&b'"');
                    self.bytes.extend_from_slice(&rest[..quote + usize::from(doubled)]);
                    rest = &rest[quote + 1 + usize::from(doubled)..];
                    if !doubled {
                        break;
                    }
                }
                if rest.first().is_some_and(|&byte| byte != separator) {
                    return Err(self.count);
                }
            } else {
                let end = rest.iter().position(|&byte| byte == separator).unwrap_or(rest.len());
                self.bytes.extend_from_slice(&rest[..end]);
                rest = &rest[end..];
            }
            if self.count <= most {
                self.ends.push(self.bytes.len());
            }
            match rest.split_first() {
                Some((_, after)) => rest = after,
                None => return Ok(()),
            }
        }
    }

    /// What each holds.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }
}

/// The names of the columns.
fn names(path: &Path, rows: &mut Rows, fields: &mut Fields) -> Result<Vec<String>, IngestError> {
    let Some(cut) = rows.next()? else {
        return Err(unreadable(path, "is empty; its first line must name the columns"));
    };
    if rows.row.starts_with(b"{") || rows.row.starts_with(b"[") {
        return Err(unreadable(path, "looks like JSON; rename it to .jsonl or .json"));
    }
    rows.split(&cut, MAX_COLUMNS, fields).map_err(|reject| {
        unreadable(path, format!("the header cannot be read: {}", reject.reason))
    })?;
    if fields.count > MAX_COLUMNS {
        let reason = format!("the header has {} columns; the limit is {MAX_COLUMNS}", fields.count);
        return Err(unreadable(path, reason));
    }
    Ok(fields.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

/// Our name of each column of the file; `None` for one that is passed over.
fn header(
    path: &Path,
    rows: &mut Rows,
    fields: &mut Fields,
    mapping: &Mapping,
) -> Result<Vec<Option<&'static str>>, IngestError> {
    let mut columns = Vec::new();
    for name in names(path, rows, fields)? {
        let ours = mapping.ours(&name);
        let known = COLUMNS.into_iter().find(|known| Some(*known) == ours);
        if known.is_none() && !mapping.passes_over() {
            let known = COLUMNS.join(", ");
            let reason = format!("unknown column `{name}`; known: {known}; or give a --mapping");
            return Err(unreadable(path, reason));
        }
        if known.is_some() && columns.contains(&known) {
            return Err(unreadable(path, format!("column `{name}` is there twice")));
        }
        columns.push(known);
    }
    for needed in ["event_id", "user", "target", "action", "at"] {
        if !columns.contains(&Some(needed)) && !mapping.provides(needed) {
            let foreign = mapping.foreign(needed).unwrap_or(needed);
            let reason =
                format!("the header has no column `{foreign}`; add it, or give a --mapping");
            return Err(unreadable(path, reason));
        }
    }
    Ok(columns)
}

fn event(
    cut: &Cut,
    fields: &Fields,
    columns: &[Option<&'static str>],
    mapping: &Mapping,
) -> Result<RawEvent, Reject> {
    let mut event = RawEvent::default();
    for (field, column) in fields.iter().zip(columns) {
        let Some(column) = column else { continue };
        let refuse = |reason: &str| {
            let row = mapping.complete_row(row(fields, columns));
            Reject::of_row(cut.at, column, format!("`{column}` {reason}"), row)
        };
        let text = std::str::from_utf8(field)
            .map_err(|_| refuse("is not UTF-8; convert the file to UTF-8"))?;
        let optional = || (!text.is_empty()).then(|| text.to_owned());
        match *column {
            "event_id" => event.event_id = text.to_owned(),
            "user" => event.user = text.to_owned(),
            "target" => event.target = text.to_owned(),
            "target_kind" => event.target_kind = optional(),
            "action" => event.action = text.to_owned(),
            "at" => event.at = text.to_owned(),
            "value" if text.is_empty() => {}
            "value" => event.value = Some(number(text).map_err(|reason| refuse(&reason))?),
            "session" => event.session = optional(),
            _ => event.text = optional(),
        }
    }
    Ok(event)
}

/// The row as an object, for the file of rejects.
fn row(fields: &Fields, columns: &[Option<&'static str>]) -> Map<String, Value> {
    let fields = fields.iter().zip(columns).filter(|(field, _)| !field.is_empty());
    fields
        .filter_map(|(field, column)| {
            let text = String::from_utf8_lossy(field).into_owned();
            Some(((*column)?.to_owned(), Value::from(text)))
        })
        .collect()
}
