//! Rows with the columns that their file gives them, for who shapes them before they are read.

use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader};
use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use serde_json::{Map, Value};

use super::super::{IngestError, Mapping};
use super::csv::Fields;
use super::parquet::guard::guarded;
use super::source::{Source, open_regular};
use super::{At, Format, InputParams, Reject, Sink, array, csv, json, parquet, unreadable};
use crate::event::RawEvent;

/// Takes the cells of a row, or hears why the row was refused.
pub(in super::super) type CellSink<'a> =
    &'a mut dyn FnMut(At, Result<&Fields, Reject>) -> Result<(), IngestError>;

/// The names of the columns of separated values.
///
/// # Errors
/// [`IngestError::Unreadable`] for a header that cannot be read.
pub(in super::super) fn names(
    path: &Path,
    input: &InputParams,
    separator: u8,
) -> Result<Vec<String>, IngestError> {
    Ok(csv::foreign(path, Source::open(path, input)?, separator)?.0)
}

/// Reads the cells of every row of separated values. All of them are UTF-8.
///
/// # Errors
/// Those of the file as a whole, and of `sink`.
pub(in super::super) fn cells(
    path: &Path,
    input: &InputParams,
    separator: u8,
    sink: CellSink<'_>,
) -> Result<(), IngestError> {
    let (names, mut rows) = csv::foreign(path, Source::open(path, input)?, separator)?;
    let mut fields = Fields::default();
    while let Some((at, read)) = rows.next_cells(names.len(), &mut fields)? {
        sink(at, read.map(|()| &fields))?;
    }
    Ok(())
}

/// Reads every object of a file of JSON.
///
/// # Errors
/// Those of the file as a whole, and of `sink`.
pub(in super::super) fn objects(
    path: &Path,
    input: &InputParams,
    sink: Sink<'_, Map<String, Value>>,
) -> Result<(), IngestError> {
    let source = Source::open(path, input)?;
    match super::format(path, input)? {
        Format::Json => array::elements(source, sink),
        _ => json::lines(source, sink),
    }
}

/// The columns of a Parquet file.
///
/// # Errors
/// [`IngestError::Unreadable`] when it is none, or damaged.
pub(in super::super) fn schema(path: &Path) -> Result<SchemaRef, IngestError> {
    let file = open_regular(path)?;
    let index = guarded(|| parquet::index(&file)).map_err(|why| broken(path, &why))?;
    Ok(Arc::clone(index.schema()))
}

/// Reads the columns of a Parquet file at `places`, which ascend, many rows at a time.
///
/// # Errors
/// [`IngestError::Unreadable`] when it is damaged; those of `take`.
pub(in super::super) fn batches(
    path: &Path,
    places: &[usize],
    take: &mut dyn FnMut(RecordBatch) -> Result<(), IngestError>,
) -> Result<(), IngestError> {
    let file = open_regular(path)?;
    let index = guarded(|| parquet::index(&file)).map_err(|why| broken(path, &why))?;
    let names: Vec<&str> =
        places.iter().map(|&place| index.schema().field(place).name().as_str()).collect();
    let is_wanted = |name: &str| names.contains(&name);
    let opened = guarded(|| open(file, &index, places, &is_wanted));
    let mut reader = opened.map_err(|why| broken(path, &why))?;
    let mut n_rows = 0;
    loop {
        let batch = guarded(|| reader.next().transpose().map_err(|error| error.to_string()));
        let batch = batch.map_err(|why| broken(path, &format!("after row {n_rows}: {why}")))?;
        let Some(batch) = batch else { return Ok(()) };
        n_rows += batch.num_rows();
        take(batch)?;
    }
}

fn open(
    file: std::fs::File,
    index: &ArrowReaderMetadata,
    places: &[usize],
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<ParquetRecordBatchReader, String> {
    let fields = index.schema().fields().iter().cloned().collect();
    parquet::reader(file, index, fields, places.to_vec(), is_wanted)
}

fn broken(path: &Path, why: &str) -> IngestError {
    unreadable(path, format!("not a whole Parquet file: {why}"))
}

/// Can rows of this schema be read as events?
///
/// # Errors
/// [`IngestError::Unreadable`] when a column is missing, unknown, or of another type.
pub(in super::super) fn check(
    path: &Path,
    schema: &Schema,
    mapping: &Mapping,
) -> Result<(), IngestError> {
    parquet::check_schema(path, schema, mapping)
}

/// Reads rows that `check` let pass as events; `line` of them came before.
///
/// # Errors
/// Those of `sink`.
pub(in super::super) fn events(
    path: &Path,
    batch: &RecordBatch,
    line: &mut u64,
    mapping: &Mapping,
    sink: Sink<'_, RawEvent>,
) -> Result<(), IngestError> {
    parquet::events_of_batch(path, batch, line, mapping, sink)
}
