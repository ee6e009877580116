//! Rows of a Parquet file. Columns may have any type that Arrow casts to what ours are.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::super::mapping::COLUMNS;
use super::{IngestError, Mapping, Sink, unreadable};
use crate::event::RawEvent;

const BATCH_ROWS: usize = 8192;

pub(super) fn events(
    path: &Path,
    mapping: &Mapping,
    sink: Sink<'_, RawEvent>,
) -> Result<(), IngestError> {
    let file =
        File::open(path).map_err(|source| IngestError::Io { path: path.to_owned(), source })?;
    let broken = |error: String| unreadable(path, format!("not a whole Parquet file: {error}"));
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|error| broken(error.to_string()))?;
    for needed in ["event_id", "user", "target", "action", "at"] {
        let there =
            mapping.foreign(needed).is_some_and(|name| builder.schema().index_of(name).is_ok());
        if !there && !mapping.provides(needed) {
            return Err(unreadable(
                path,
                format!("no column `{needed}`; add it, or give a --mapping"),
            ));
        }
    }
    for field in builder.schema().fields() {
        let known = mapping.ours(field.name()).is_some_and(|name| COLUMNS.contains(&name));
        if !known && !mapping.passes_over() {
            let known = COLUMNS.join(", ");
            let reason =
                format!("unknown column `{}`; known: {known}; or give a --mapping", field.name());
            return Err(unreadable(path, reason));
        }
    }
    let reader =
        builder.with_batch_size(BATCH_ROWS).build().map_err(|error| broken(error.to_string()))?;
    let mut row = 0;
    for batch in reader {
        let batch = batch.map_err(|error| broken(error.to_string()))?;
        let columns = Columns::of(path, &batch, mapping)?;
        for place in 0..batch.num_rows() {
            row += 1;
            sink(row, Ok(mapping.complete(columns.event(place))))?;
        }
    }
    Ok(())
}

/// The columns of one batch, in the order of [`COLUMNS`], as texts; `value` as numbers.
struct Columns(Vec<Option<ArrayRef>>);

impl Columns {
    fn of(path: &Path, batch: &RecordBatch, mapping: &Mapping) -> Result<Self, IngestError> {
        let mut columns = Vec::new();
        for name in COLUMNS {
            let foreign = mapping.foreign(name).and_then(|name| batch.column_by_name(name));
            columns.push(foreign.map(|array| typed(name, array)).transpose().map_err(|error| {
                unreadable(path, format!("column `{name}` has a type that does not fit: {error}"))
            })?);
        }
        Ok(Self(columns))
    }

    fn event(&self, row: usize) -> RawEvent {
        let text = |column: usize| {
            let array = self.0[column].as_ref()?;
            array.is_valid(row).then(|| array.as_string::<i32>().value(row).to_owned())
        };
        let value = self.0[6].as_ref().filter(|array| array.is_valid(row));
        RawEvent {
            event_id: text(0).unwrap_or_default(),
            user: text(1).unwrap_or_default(),
            target: text(2).unwrap_or_default(),
            target_kind: text(3),
            action: text(4).unwrap_or_default(),
            at: text(5).unwrap_or_default(),
            value: value.map(|array| array.as_primitive::<Float64Type>().value(row)),
            session: text(7),
            text: text(8),
        }
    }
}

pub(super) fn typed(name: &str, array: &ArrayRef) -> Result<ArrayRef, arrow_schema::ArrowError> {
    if name == "value" {
        return cast(array, &DataType::Float64);
    }
    let whole = match array.data_type() {
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
            let millis = cast(array, &DataType::Timestamp(TimeUnit::Millisecond, None))?;
            cast(&millis, &DataType::Int64)?
        }
        _ => array.clone(),
    };
    cast(&whole, &DataType::Utf8)
}
