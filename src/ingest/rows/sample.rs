//! The first rows of a file, whatever its columns are called.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatchReader};
use csv::{ByteRecord, ReaderBuilder};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};

use super::json::{self, Rows};
use super::{Format, IngestError, InputParams, Source, array, format, open, unreadable};

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

    /// One more row, whatever its columns.
    fn add(&mut self, row: Map<String, Value>) {
        for (name, value) in row {
            let place = self.columns.iter().position(|known| *known == name);
            let place = place.unwrap_or_else(|| {
                self.columns.push(name);
                self.cells.push(vec![String::new(); self.n_rows]);
                self.columns.len() - 1
            });
            self.cells[place].push(match value {
                Value::Null => String::new(),
                Value::String(text) => text,
                other => other.to_string(),
            });
        }
        self.n_rows += 1;
        for cells in &mut self.cells {
            cells.resize(self.n_rows, String::new());
        }
    }
}

/// Reads the first `n_rows` rows of a file of events, and of those what can be read.
pub(in super::super) fn sample(path: &Path, n_rows: usize) -> Result<Sample, IngestError> {
    match format(path, &InputParams::default())? {
        Format::Csv => separated(path, b',', n_rows),
        Format::Tsv => separated(path, b'\t', n_rows),
        Format::JsonLines => json(path, json::lines, n_rows),
        Format::Json => json(path, array::elements, n_rows),
        Format::Parquet => parquet(path, n_rows),
    }
}

fn separated(path: &Path, separator: u8, n_rows: usize) -> Result<Sample, IngestError> {
    let from = open(path)?;
    let mut reader = ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(from);
    let refused = |error: csv::Error| unreadable(path, error.to_string());
    let header = reader.byte_headers().map_err(refused)?;
    let text = |cell: &[u8]| String::from_utf8_lossy(cell).into_owned();
    let columns: Vec<String> = header.iter().map(text).collect();
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

fn json(path: &Path, rows: Rows, n_rows: usize) -> Result<Sample, IngestError> {
    let mut sample = Sample::of(Vec::new());
    let source = Source::open(path, &InputParams::default())?;
    let read = rows(source, &mut |_, row| {
        if let Ok(row) = row {
            sample.add(row);
        }
        // There is no need to read on.
        if sample.n_rows < n_rows { Ok(()) } else { Err(IngestError::Interrupted) }
    });
    match read {
        Err(error) if sample.n_rows < n_rows => Err(error),
        _ => Ok(sample),
    }
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
