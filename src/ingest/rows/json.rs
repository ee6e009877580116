//! Rows of JSON lines: one object a line, empty lines passed over.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{IngestError, Mapping, Reject, Sink};
use crate::event::{RawDocument, RawEvent};

pub(super) fn events(
    path: &Path,
    from: Box<dyn Read>,
    mapping: &Mapping,
    sink: Sink<'_, RawEvent>,
) -> Result<(), IngestError> {
    lines(path, from, &mut |line, object| {
        let read = object.and_then(|object| {
            let mut ours = Map::new();
            for (name, value) in object {
                match mapping.ours(&name) {
                    Some("_reject") | None => {}
                    Some(name) => drop(ours.insert(name.to_owned(), value)),
                }
            }
            // A row that was refused is written with texts for numbers.
            if let Some(value) = ours.get_mut("value")
                && let Some(number) = value.as_str().and_then(|text| text.parse::<f64>().ok())
            {
                *value = Value::from(number);
            }
            for name in ["event_id", "user", "target", "session"] {
                // Foreign ids are often whole numbers.
                if let Some(id @ Value::Number(_)) = ours.get_mut(name)
                    && mapping.passes_over()
                {
                    *id = Value::from(id.to_string());
                }
            }
            typed(line, ours)
        });
        sink(line, read.map(|event| mapping.complete(event)))
    })
}

pub(super) fn documents(
    path: &Path,
    from: Box<dyn Read>,
    sink: Sink<'_, RawDocument>,
) -> Result<(), IngestError> {
    lines(path, from, &mut |line, object| {
        let read = object.and_then(|mut object| {
            object.remove("_reject");
            typed(line, object)
        });
        sink(line, read)
    })
}

fn lines(
    path: &Path,
    from: Box<dyn Read>,
    sink: Sink<'_, Map<String, Value>>,
) -> Result<(), IngestError> {
    let mut reader = BufReader::new(from);
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let read = reader
            .read_until(b'\n', &mut bytes)
            .map_err(|source| IngestError::Io { path: path.to_owned(), source })?;
        if read == 0 {
            break;
        }
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").filter(|_| line == 1).unwrap_or(&bytes);
        let text = text.trim_ascii();
        if !text.is_empty() {
            sink(line, object(line, text))?;
        }
    }
    Ok(())
}

fn object(line: u64, text: &[u8]) -> Result<Map<String, Value>, Reject> {
    let refuse = |reason| Reject {
        line,
        field: None,
        reason,
        row: None,
        raw: Some(String::from_utf8_lossy(text).into_owned()),
    };
    if std::str::from_utf8(text).is_err() {
        return Err(refuse("the line is not UTF-8; convert the file to UTF-8".to_owned()));
    }
    serde_json::from_slice(text).map_err(|error| {
        refuse(format!("not a JSON object at column {}: {}", error.column(), plain(&error)))
    })
}

fn typed<T: DeserializeOwned>(line: u64, object: Map<String, Value>) -> Result<T, Reject> {
    serde_json::from_value(Value::Object(object.clone())).map_err(|error| Reject {
        line,
        field: None,
        reason: plain(&error),
        row: Some(object),
        raw: None,
    })
}

/// The message without serde's own place, which counts from the line and not from the file.
fn plain(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.split(" at line ").next().unwrap_or(&message).to_owned()
}
