//! Rows of separated values. The header names the columns; each row must have as many fields.

use std::io::Read;
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};
use serde_json::{Map, Value};

use super::super::mapping::COLUMNS;
use super::{IngestError, Mapping, Reject, Sink, unreadable};
use crate::event::RawEvent;

pub(super) fn events(
    path: &Path,
    from: Box<dyn Read>,
    separator: u8,
    mapping: &Mapping,
    sink: Sink<'_, RawEvent>,
) -> Result<(), IngestError> {
    let mut reader = ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(from);
    let header = reader.byte_headers().map_err(|error| unreadable(path, error.to_string()))?;
    let columns = columns(path, header, mapping)?;
    let mut record = ByteRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_byte_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {
                let line = record.position().map_or(line, csv::Position::line);
                sink(line, event(&record, &columns, line).map(|event| mapping.complete(event)))?;
            }
            Err(error) => return Err(unreadable(path, format!("line {line}: {error}"))),
        }
    }
}

/// Our name of each column of the file; `None` for one that is passed over.
fn columns(
    path: &Path,
    header: &ByteRecord,
    mapping: &Mapping,
) -> Result<Vec<Option<&'static str>>, IngestError> {
    let mut columns = Vec::new();
    for (place, name) in header.iter().enumerate() {
        let name = String::from_utf8_lossy(name);
        let name = if place == 0 { name.trim_start_matches('\u{feff}') } else { &name };
        let ours = mapping.ours(name);
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
    record: &ByteRecord,
    columns: &[Option<&'static str>],
    line: u64,
) -> Result<RawEvent, Reject> {
    let raw = || record.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(",");
    if record.len() != columns.len() {
        let (found, expected) = (record.len(), columns.len());
        let reason = format!("the row has {found} fields, the header has {expected}");
        return Err(Reject { line, field: None, reason, row: None, raw: Some(raw()) });
    }
    let mut event = RawEvent::default();
    for (field, column) in record.iter().zip(columns) {
        let Some(column) = column else { continue };
        let refuse = |reason: &str| Reject {
            line,
            field: Some((*column).to_owned()),
            reason: format!("`{column}` {reason}"),
            row: Some(row(record, columns)),
            raw: None,
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
            "value" => match text.parse::<f64>() {
                Ok(value) => event.value = Some(value),
                Err(_) => return Err(refuse(&format!("is {text:?}; give a number"))),
            },
            "session" => event.session = optional(),
            _ => event.text = optional(),
        }
    }
    Ok(event)
}

/// The row as an object, for the file of rejects.
fn row(record: &ByteRecord, columns: &[Option<&'static str>]) -> Map<String, Value> {
    let fields = record.iter().zip(columns).filter(|(field, _)| !field.is_empty());
    fields
        .filter_map(|(field, column)| {
            let text = String::from_utf8_lossy(field).into_owned();
            Some(((*column)?.to_owned(), Value::from(text)))
        })
        .collect()
}
