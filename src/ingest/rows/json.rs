//! Rows of JSON: one object a line, empty lines passed over; and what a row's object must be.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::super::mapping::COLUMNS;
use super::source::Source;
use super::{At, IngestError, Mapping, Reject, Sink, number};
use crate::event::{RawDocument, RawEvent};

/// Values in one row: what is small as text is large once it is taken apart.
const MAX_VALUES: usize = 100_000;

/// Reads rows of one layout.
pub(super) type Rows = fn(Source, Sink<'_, Map<String, Value>>) -> Result<(), IngestError>;

pub(super) fn events(
    source: Source,
    rows: Rows,
    mapping: &Mapping,
    sink: Sink<'_, RawEvent>,
) -> Result<(), IngestError> {
    rows(source, &mut |at, object| {
        let read = object.and_then(|object| event(at, object, mapping));
        sink(at, read.map(|event| mapping.complete(event)))
    })
}

pub(super) fn documents(
    source: Source,
    rows: Rows,
    sink: Sink<'_, RawDocument>,
) -> Result<(), IngestError> {
    rows(source, &mut |at, object| {
        let read = object.and_then(|object| document(at, object));
        sink(at, read)
    })
}

/// Reads an object a line.
pub(super) fn lines(
    mut source: Source,
    sink: Sink<'_, Map<String, Value>>,
) -> Result<(), IngestError> {
    let newline = |byte| matches!(byte, b'\n' | b'\r');
    let mut row = Vec::new();
    while let Some(cut) = source.cut(&mut row, &mut { newline }, newline)? {
        let text = row.trim_ascii();
        if cut.is_long {
            let reason = source.too_long(&cut, "shorten it");
            sink(cut.at, Err(Reject::of_raw(cut.at, reason, text)))?;
        } else if !text.is_empty() {
            sink(cut.at, object(cut.at, text))?;
        }
    }
    Ok(())
}

/// Takes the object of a row apart.
pub(super) fn object(at: At, text: &[u8]) -> Result<Map<String, Value>, Reject> {
    let refuse = |reason: String| Reject::of_raw(at, reason, text);
    if std::str::from_utf8(text).is_err() {
        return Err(refuse("the line is not UTF-8; convert the file to UTF-8".to_owned()));
    }
    let mut left = MAX_VALUES;
    let mut parser = serde_json::Deserializer::from_slice(text);
    let object = Object(&mut left).deserialize(&mut parser);
    object.and_then(|object| parser.end().map(|()| object)).map_err(|error| {
        let (line, column, plain) = (error.line(), error.column(), plain(&error));
        let place = match line {
            1 => format!("column {column}"),
            _ => format!("column {column} of its line {line}"),
        };
        refuse(format!("not a JSON object at {place}: {plain}"))
    })
}

/// The message without serde's own place, which counts from the row and not from the file.
fn plain(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.split(" at line ").next().unwrap_or(&message).to_owned()
}

/// An object, no key of which is there twice; with how many values may still come.
struct Object<'a>(&'a mut usize);

/// Any value, likewise.
struct Any<'a>(&'a mut usize);

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Map<String, Value>;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = from.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{key}` is there twice")));
            }
            let value = from.next_value_seed(Any(self.0))?;
            object.insert(key, value);
        }
        Ok(object)
    }
}

impl<'de> DeserializeSeed<'de> for Any<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        match self.0.checked_sub(1) {
            Some(left) => *self.0 = left,
            None => return Err(D::Error::custom(format!("more than {MAX_VALUES} values"))),
        }
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = from.next_element_seed(Any(self.0))? {
            list.push(value);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, from: A) -> Result<Value, A::Error> {
        Object(self.0).visit_map(from).map(Value::Object)
    }
}

/// The event that a row's object says.
fn event(at: At, object: Map<String, Value>, mapping: &Mapping) -> Result<RawEvent, Reject> {
    let mut row = Map::new();
    for (name, value) in object {
        match mapping.ours(&name) {
            Some("_reject") | None => {}
            // Foreign ids are often whole numbers.
            Some(name @ ("event_id" | "user" | "target" | "session"))
                if mapping.passes_over() && value.is_number() =>
            {
                drop(row.insert(name.to_owned(), value.to_string().into()));
            }
            Some(name) => drop(row.insert(name.to_owned(), value)),
        }
    }
    let mut event = RawEvent::default();
    for (name, value) in &row {
        let refuse =
            |reason: String| Reject::of_row(at, name, reason, mapping.complete_row(row.clone()));
        let text =
            || text(value).map_err(|found| refuse(format!("`{name}` is {found}; give a text")));
        match name.as_str() {
            "event_id" => event.event_id = text()?.unwrap_or_default(),
            "user" => event.user = text()?.unwrap_or_default(),
            "target" => event.target = text()?.unwrap_or_default(),
            "target_kind" => event.target_kind = text()?,
            "action" => event.action = text()?.unwrap_or_default(),
            "at" => event.at = time(value).map_err(|found| refuse(no_time("at", &found)))?,
            "value" => {
                event.value = value_of(value).map_err(|why| refuse(format!("`value` {why}")))?;
            }
            "session" => event.session = text()?,
            "text" => event.text = text()?,
            _ => {
                let known = COLUMNS.join(", ");
                return Err(refuse(format!("unknown field `{name}`; known: {known}")));
            }
        }
    }
    Ok(event)
}

/// The document that a row's object says.
fn document(at: At, mut row: Map<String, Value>) -> Result<RawDocument, Reject> {
    row.remove("_reject");
    let mut document = RawDocument::default();
    for (name, value) in &row {
        let refuse = |reason: String| Reject::of_row(at, name, reason, row.clone());
        let text =
            || text(value).map_err(|found| refuse(format!("`{name}` is {found}; give a text")));
        match (name.as_str(), value) {
            ("id", _) => document.id = text()?.unwrap_or_default(),
            ("kind", _) => document.kind = text()?,
            ("published_at", Value::Null) => {}
            ("published_at", _) => {
                let time = time(value).map_err(|found| refuse(no_time(name, &found)))?;
                document.published_at = Some(time);
            }
            ("text" | "attributes", Value::Null) => {}
            ("text", Value::Object(fields)) => {
                for (field, value) in fields {
                    let text = self::text(value).map_err(|found| {
                        refuse(format!("`text.{field}` is {found}; give a text"))
                    })?;
                    document.text.insert(field.clone(), text);
                }
            }
            ("attributes", Value::Object(fields)) => {
                document.attributes = fields.clone().into_iter().collect();
            }
            ("text" | "attributes", _) => {
                let found = found(value);
                return Err(refuse(format!(
                    "`{name}` is {found}; give an object of names and values"
                )));
            }
            _ => {
                let known = "id, kind, text, attributes, published_at";
                return Err(refuse(format!("unknown field `{name}`; known: {known}")));
            }
        }
    }
    Ok(document)
}

/// A text or nothing; else what was found.
fn text(value: &Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(found(value)),
    }
}

/// The text of a time, which may be a whole number.
fn time(value: &Value) -> Result<String, String> {
    match value {
        Value::Number(number) if number.is_i64() => Ok(number.to_string()),
        _ => text(value).map(Option::unwrap_or_default),
    }
}

fn no_time(name: &str, found: &str) -> String {
    format!("`{name}` is {found}; give RFC 3339 or whole milliseconds since 1970")
}

/// A number; a row that was refused is written with texts for numbers.
fn value_of(value: &Value) -> Result<Option<f64>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => number(text).map(Some),
        Value::Number(number) => Ok(number.as_f64()),
        _ => Err(format!("is {}; give a number", found(value))),
    }
}

/// The kind of value that was found, and itself where it is short.
fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
