//! Rows of a Parquet file. Names may be texts or whole numbers, times also timestamps and dates, the value
//! any number; other types are refused with the whole file.

pub(super) mod guard;
mod index;
mod pages;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_cast::display::array_value_to_string;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use serde_json::{Map, Value};

use self::guard::guarded;
use super::super::mapping::COLUMNS;
use super::source::open_regular;
use super::{At, IngestError, Mapping, Reject, Sink, unreadable};
use crate::event::RawEvent;

pub(super) fn events(
    path: &Path,
    mapping: &Mapping,
    sink: Sink<'_, RawEvent>,
) -> Result<(), IngestError> {
    let broken = |why: String| unreadable(path, format!("not a whole Parquet file: {why}"));
    let file = open_regular(path)?;
    let found = guarded(|| index(&file)).map_err(broken)?;
    check_names(path, found.schema(), mapping)?;
    let (fields, places) = wanted(path, &found, mapping)?;
    let is_known = |name: &str| mapping.ours(name).is_some_and(|name| COLUMNS.contains(&name));
    let opened = guarded(|| reader(file, &found, fields, places, &is_known));
    let mut reader = opened.map_err(broken)?;
    let mut line = 0;
    loop {
        let batch = guarded(|| {
            let Some(batch) = reader.next() else { return Ok(None) };
            let batch = batch.map_err(|error| error.to_string())?;
            let columns = Columns::of(&batch, mapping).map_err(|error| error.to_string())?;
            Ok(Some((columns, batch.num_rows())))
        });
        let batch = batch.map_err(|why| broken(format!("after row {line}: {why}")))?;
        let Some((columns, n_rows)) = batch else { return Ok(()) };
        columns.events(n_rows, &mut line, mapping, sink)?;
    }
}

/// Reads rows of another origin, which come after `line` others, as those of a Parquet file.
#[cfg(feature = "sql")]
pub(super) fn events_of_batch(
    path: &Path,
    batch: &RecordBatch,
    line: &mut u64,
    mapping: &Mapping,
    sink: Sink<'_, RawEvent>,
) -> Result<(), IngestError> {
    let columns = Columns::of(batch, mapping);
    let columns =
        columns.map_err(|error| unreadable(path, format!("after row {line}: {error}")))?;
    columns.events(batch.num_rows(), line, mapping, sink)
}

/// Can rows of another origin with this schema be read?
#[cfg(feature = "sql")]
pub(super) fn check_schema(
    path: &Path,
    schema: &Schema,
    mapping: &Mapping,
) -> Result<(), IngestError> {
    check_names(path, schema, mapping)?;
    for field in schema.fields() {
        if let Some(name) = mapping.ours(field.name()).filter(|name| COLUMNS.contains(name)) {
            check_type(path, name, field, "cast it to")?;
        }
    }
    Ok(())
}

pub(super) fn index(file: &File) -> Result<ArrowReaderMetadata, String> {
    ArrowReaderMetadata::load(file, ArrowReaderOptions::new()).map_err(|error| error.to_string())
}

/// The fields as they are to be read, and the places of those that are known, if their types fit.
fn wanted(
    path: &Path,
    found: &ArrowReaderMetadata,
    mapping: &Mapping,
) -> Result<(Vec<FieldRef>, Vec<usize>), IngestError> {
    let mut fields = Vec::new();
    let mut places = Vec::new();
    for (place, field) in found.schema().fields().iter().enumerate() {
        let mut field = Arc::clone(field);
        let ours = COLUMNS.into_iter().find(|name| Some(*name) == mapping.ours(field.name()));
        if let Some(name) = ours {
            check_type(path, name, &field, "write it anew as")?;
            places.push(place);
            // Views share a text that comes many times, where copies would fill the memory.
            if is_text(field.data_type()) {
                field = Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View));
            }
        }
        fields.push(field);
    }
    Ok((fields, places))
}

/// Opens the columns at `places`, which are those that `is_wanted` says, as `fields` type them.
pub(super) fn reader(
    file: File,
    found: &ArrowReaderMetadata,
    fields: Vec<FieldRef>,
    places: Vec<usize>,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<ParquetRecordBatchReader, String> {
    let n_rows = index::batch_rows(&file, found.metadata(), is_wanted)?;
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
    let views = ArrowReaderMetadata::try_new(Arc::clone(found.metadata()), options);
    let views = views.map_err(|error| error.to_string())?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, views);
    let mask = ProjectionMask::roots(builder.parquet_schema(), places);
    let reader = builder.with_batch_size(n_rows).with_projection(mask).build();
    reader.map_err(|error| error.to_string())
}

fn check_names(path: &Path, schema: &Schema, mapping: &Mapping) -> Result<(), IngestError> {
    for needed in ["event_id", "user", "target", "action", "at"] {
        let there = mapping.foreign(needed).is_some_and(|name| schema.index_of(name).is_ok());
        if !there && !mapping.provides(needed) {
            let reason = format!("no column `{needed}`; add it, or give a --mapping");
            return Err(unreadable(path, reason));
        }
    }
    let mut names = Vec::new();
    for field in schema.fields() {
        let ours = mapping.ours(field.name());
        let known = ours.is_some_and(|name| COLUMNS.contains(&name));
        if !known && !mapping.passes_over() {
            let known = COLUMNS.join(", ");
            let reason =
                format!("unknown column `{}`; known: {known}; or give a --mapping", field.name());
            return Err(unreadable(path, reason));
        }
        if known && names.contains(&ours) {
            return Err(unreadable(path, format!("column `{}` is there twice", field.name())));
        }
        names.push(ours);
    }
    Ok(())
}

fn check_type(path: &Path, name: &str, field: &Field, change: &str) -> Result<(), IngestError> {
    let found = field.data_type();
    let (fits, wanted) = match name {
        "value" => (found.is_numeric(), "a number type"),
        "at" => (
            is_text(found) || found.is_integer() || is_time(found),
            "a timestamp, a date, a text, or whole milliseconds",
        ),
        _ => (is_text(found) || found.is_integer(), "a text or a whole number type"),
    };
    // A column of nothing but nulls may have no type.
    if fits || *found == DataType::Null {
        return Ok(());
    }
    let column = field.name();
    let reason = format!("column `{column}` has the type {found}; {change} {wanted}");
    Err(unreadable(path, reason))
}

fn is_text(found: &DataType) -> bool {
    match found {
        DataType::Dictionary(_, values) => is_text(values),
        _ => matches!(found, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    }
}

fn is_time(found: &DataType) -> bool {
    matches!(found, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
}

/// One column as it is, and as texts, or as numbers for `value`.
struct Column {
    found: ArrayRef,
    typed: ArrayRef,
}

/// The columns of one batch, in the order of [`COLUMNS`].
struct Columns([Option<Column>; COLUMNS.len()]);

impl Columns {
    fn of(batch: &RecordBatch, mapping: &Mapping) -> Result<Self, ArrowError> {
        let mut columns = [const { None }; COLUMNS.len()];
        for (name, column) in COLUMNS.into_iter().zip(&mut columns) {
            let foreign = mapping.foreign(name).and_then(|name| batch.column_by_name(name));
            if let Some(found) = foreign.filter(|found| *found.data_type() != DataType::Null) {
                *column = Some(Column { found: Arc::clone(found), typed: typed(name, found)? });
            }
        }
        Ok(Self(columns))
    }

    /// Does the column have a value there that did not fit?
    fn lost(&self, row: usize) -> Option<(&'static str, String)> {
        COLUMNS.into_iter().zip(&self.0).find_map(|(name, column)| {
            let Column { found, typed } = column.as_ref()?;
            (found.is_valid(row) && typed.is_null(row)).then(|| (name, shown(found, row)))
        })
    }

    fn text(&self, column: usize, row: usize) -> Option<String> {
        let array = &self.0[column].as_ref()?.typed;
        array.is_valid(row).then(|| array.as_string_view().value(row).to_owned())
    }

    /// Tells the events of all rows, which come after `line` others.
    fn events(
        &self,
        n_rows: usize,
        line: &mut u64,
        mapping: &Mapping,
        sink: Sink<'_, RawEvent>,
    ) -> Result<(), IngestError> {
        for place in 0..n_rows {
            *line += 1;
            let at = At { line: *line, byte: None };
            let event = self.event(at, place, mapping);
            sink(at, event.map(|event| mapping.complete(event)))?;
        }
        Ok(())
    }

    fn event(&self, at: At, row: usize, mapping: &Mapping) -> Result<RawEvent, Reject> {
        let refuse = |name: &str, reason: String| {
            Err(Reject::of_row(at, name, reason, mapping.complete_row(self.row(row))))
        };
        if let Some((name, found)) = self.lost(row) {
            return refuse(name, format!("`{name}` is {found}, which is out of range"));
        }
        let text = |column| self.text(column, row);
        let value = self.0[6].as_ref().filter(|column| column.typed.is_valid(row));
        let value = value.map(|column| column.typed.as_primitive::<Float64Type>().value(row));
        if let Some(value) = value.filter(|value| !value.is_finite()) {
            return refuse(
                "value",
                format!("`value` is {value}; give a finite number, or leave it out"),
            );
        }
        Ok(RawEvent {
            event_id: text(0).unwrap_or_default(),
            user: text(1).unwrap_or_default(),
            target: text(2).unwrap_or_default(),
            target_kind: text(3),
            action: text(4).unwrap_or_default(),
            at: text(5).unwrap_or_default(),
            value,
            session: text(7),
            text: text(8),
        })
    }

    /// The row as an object, for the file of rejects.
    fn row(&self, row: usize) -> Map<String, Value> {
        let mut object = Map::new();
        for (name, column) in COLUMNS.into_iter().zip(&self.0) {
            let Some(Column { found, typed }) = column else { continue };
            if found.is_null(row) {
                continue;
            }
            let text = match typed.as_string_view_opt().filter(|texts| texts.is_valid(row)) {
                Some(texts) => texts.value(row).to_owned(),
                None => shown(found, row),
            };
            object.insert(name.to_owned(), text.into());
        }
        object
    }
}

/// A cell as people write it.
fn shown(array: &ArrayRef, row: usize) -> String {
    array_value_to_string(array, row).unwrap_or_else(|error| error.to_string())
}

/// The column as views of texts, or as numbers; what does not fit becomes null.
pub(super) fn typed(name: &str, array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if name == "value" {
        return cast(array, &DataType::Float64);
    }
    let whole = match array.data_type() {
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
            let millis = cast(array, &DataType::Timestamp(TimeUnit::Millisecond, None))?;
            cast(&millis, &DataType::Int64)?
        }
        _ => Arc::clone(array),
    };
    cast(&whole, &DataType::Utf8View)
}
