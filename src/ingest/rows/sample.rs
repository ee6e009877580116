//! The first rows of a file, whatever its columns are called.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatchReader};
use csv::{ByteRecord, ReaderBuilder};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};

use super::{Format, IngestError, format, open, unreadable};

/// Columns of a file with the texts of their first cells; an absent cell is empty.
pub(in super::super) struct Sample {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The cells of each column, one a row.
    pub cells: Vec<Vec<String>>,
    /// How many rows.
    pub n_rows: usize,
}

impl Sample {
    fn of(columns: Vec<String>) -> Self {
        let cells = columns.iter().map(|_| Vec::new()).collect();
        Self { columns, cells, n_rows: 0 }
    }
}

/// Reads the first `n_rows` rows of a file of events, and of those what can be read.
pub(in super::super) fn sample(path: &Path, n_rows: usize) -> Result<Sample, IngestError> {
    match format(path)? {
        Format::Separated(separator) => separated(path, separator, n_rows),
        Format::JsonLines => json(path, n_rows),
        Format::Parquet => parquet(path, n_rows),
    }
}

fn separated(path: &Path, separator: u8, n_rows: usize) -> Result<Sample, IngestError> {
    let from = open(path)?;
    let mut reader = ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(from);
    let refused = |error: csv::Error| unreadable(path, error.to_string());
    let header = reader.byte_headers().map_err(refused)?;
    let text = |cell: &[u8]| String::from_utf8_lossy(cell).into_owned();
    let mut columns: Vec<String> = header.iter().map(text).collect();
    if let Some(first) = columns.first_mut() {
        *first = first.trim_start_matches('\u{feff}').to_owned();
    }
    let mut sample = Sample::of(columns);
    let mut record = ByteRecord::new();
    while sample.n_rows < n_rows && reader.read_byte_record(&mut record).map_err(refused)? {
        if record.len() != sample.columns.len() {
            continue;
        }
        for (cells, cell) in sample.cells.iter_mut().zip(&record) {
            cells.push(text(cell));
        }
        sample.n_rows += 1;
    }
    Ok(sample)
}

fn json(path: &Path, n_rows: usize) -> Result<Sample, IngestError> {
    let mut sample = Sample::of(Vec::new());
    for line in BufReader::new(open(path)?).split(b'\n') {
        if sample.n_rows == n_rows {
            break;
        }
        let line = line.map_err(|source| IngestError::Io { path: path.to_owned(), source })?;
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line);
        let Ok(row) = serde_json::from_slice::<Map<String, Value>>(line) else { continue };
        for (name, value) in row {
            let place = sample.columns.iter().position(|known| *known == name);
            let place = place.unwrap_or_else(|| {
                sample.columns.push(name);
                sample.cells.push(vec![String::new(); sample.n_rows]);
                sample.columns.len() - 1
            });
            sample.cells[place].push(match value {
                Value::Null => String::new(),
                Value::String(text) => text,
                other => other.to_string(),
            });
        }
        sample.n_rows += 1;
        for cells in &mut sample.cells {
            cells.resize(sample.n_rows, String::new());
        }
    }
    Ok(sample)
}

fn parquet(path: &Path, n_rows: usize) -> Result<Sample, IngestError> {
    let file =
        File::open(path).map_err(|source| IngestError::Io { path: path.to_owned(), source })?;
    let broken = |error: String| unreadable(path, format!("not a whole Parquet file: {error}"));
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| builder.with_limit(n_rows).build())
        .map_err(|error| broken(error.to_string()))?;
    let names = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mut sample = Sample::of(names);
    for batch in reader {
        let batch = batch.map_err(|error| broken(error.to_string()))?;
        for (cells, column) in sample.cells.iter_mut().zip(batch.columns()) {
            let texts = super::parquet::typed("", column).ok();
            for row in 0..batch.num_rows() {
                let text = texts.as_ref().filter(|texts| texts.is_valid(row));
                let text = text.map(|texts| texts.as_string::<i32>().value(row).to_owned());
                cells.push(text.unwrap_or_default());
            }
        }
        sample.n_rows += batch.num_rows();
    }
    Ok(sample)
}
