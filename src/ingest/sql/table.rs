//! A file as a table: its columns, and its rows as often as the query asks for them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::ReaderBuilder;
use datafusion::arrow::json::reader::{Decoder, infer_json_schema_from_iterator};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result as QueryResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use serde_json::{Map, Value};

use super::super::IngestError;
use super::super::load::weigh;
use super::super::reject::Reject;
use super::super::rows::{Format, InputParams, foreign, format, unreadable};

/// Rows to a batch, at most.
const BATCH_ROWS: usize = 8192;
/// Bytes of text from which a batch is full.
const BATCH_BYTES: usize = 16 << 20;
/// Bytes of the longest row; a column of a batch holds no more than 2 GiB.
const MAX_ROW_BYTES: usize = 1 << 30;
/// Batches that are read ahead.
const AHEAD: usize = 2;

/// A file of events.
pub(super) struct Table {
    file: Arc<File>,
    schema: SchemaRef,
}

struct File {
    path: PathBuf,
    input: InputParams,
    format: Format,
    /// Did a scan begin? The first one tells the rows that are refused.
    is_scanned: AtomicBool,
    refused: Mutex<Vec<Reject>>,
    failure: Mutex<Option<IngestError>>,
}

impl Table {
    /// The file at `path`, whose columns are found out: those of JSON by reading all of it.
    ///
    /// # Errors
    /// Those of the file as a whole; [`IngestError::Unreadable`] for a column that is there twice, or one of
    /// JSON that has values of different kinds.
    pub fn open(path: &Path, input: &InputParams) -> Result<Self, IngestError> {
        let max_row_bytes = input.max_row_bytes.min(MAX_ROW_BYTES);
        let input = InputParams { max_row_bytes, ..input.clone() };
        let format = format(path, &input)?;
        let schema = match format {
            Format::Csv | Format::Tsv => {
                let names = foreign::names(path, &input, separator(format))?;
                let fields = names.into_iter().map(|name| Field::new(name, DataType::Utf8, true));
                Arc::new(Schema::new(fields.collect::<Vec<_>>()))
            }
            Format::JsonLines | Format::Json => schema_of_json(path, &input)?,
            Format::Parquet => foreign::schema(path)?,
        };
        let mut names: Vec<_> = schema.fields().iter().map(|field| field.name()).collect();
        names.sort_unstable();
        let mut neighbors = names.iter().zip(names.iter().skip(1));
        if let Some((twice, _)) = neighbors.find(|(one, other)| one == other) {
            return Err(unreadable(path, format!("column `{twice}` is there twice")));
        }
        let file = File {
            path: path.to_owned(),
            input,
            format,
            is_scanned: AtomicBool::new(false),
            refused: Mutex::default(),
            failure: Mutex::default(),
        };
        Ok(Self { file: Arc::new(file), schema })
    }

    /// The rows that were refused since this was asked last, in the order of the file.
    pub fn take_refused(&self) -> Vec<Reject> {
        let mut refused = self.file.refused.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *refused)
    }

    /// What ended the reading of the file, if anything did; it is told once.
    pub fn failure(&self) -> Option<IngestError> {
        self.file.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn separator(format: Format) -> u8 {
    if format == Format::Tsv { b'\t' } else { b',' }
}

/// The columns that the objects of a file have.
fn schema_of_json(path: &Path, input: &InputParams) -> Result<SchemaRef, IngestError> {
    let (send, receive) = sync_channel(AHEAD);
    thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut chunk = Vec::new();
            foreign::objects(path, input, &mut |_, row| {
                // Rows that cannot be read are told when the table is.
                chunk.extend(row.ok().map(typed));
                if chunk.len() == BATCH_ROWS {
                    send.send(std::mem::take(&mut chunk)).map_err(|_| IngestError::Interrupted)?;
                }
                Ok(())
            })?;
            send.send(chunk).map_err(|_| IngestError::Interrupted)
        });
        let found = infer_json_schema_from_iterator(receive.into_iter().flatten().map(Ok));
        let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match found {
            Ok(schema) => read.map(|()| Arc::new(schema)),
            Err(error) => Err(unreadable(path, format!("its rows are not of one kind: {error}"))),
        }
    })
}

/// The row with numbers that no integer type holds as texts, lest they be rounded.
fn typed(mut row: Map<String, Value>) -> Value {
    for value in row.values_mut() {
        if let Value::Number(number) = value
            && number.is_u64()
            && !number.is_i64()
        {
            *value = Value::String(number.to_string());
        }
    }
    Value::Object(row)
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Table").field(&self.file.path).finish()
    }
}

#[async_trait]
impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> QueryResult<Arc<dyn ExecutionPlan>> {
        let mut columns: Vec<usize> = (0..self.schema.fields().len()).collect();
        if let Some(wanted) = projection {
            columns.retain(|column| wanted.contains(column));
        }
        let schema = Arc::new(self.schema.project(&columns)?);
        // In the order of the file here, and in the one that was asked for afterwards.
        let place = |column| columns.iter().position(|known| known == column);
        let order = projection.map(|wanted| wanted.iter().filter_map(place).collect::<Vec<_>>());
        let is_told = !self.file.is_scanned.swap(true, Ordering::Relaxed);
        let scan = Scan { file: Arc::clone(&self.file), schema, columns, is_told };
        let schema = Arc::clone(&scan.schema);
        let plan = StreamingTableExec::try_new(
            schema,
            vec![Arc::new(scan)],
            order.as_ref(),
            [],
            false,
            limit,
        )?;
        Ok(Arc::new(plan))
    }
}

/// Some columns of a file, from its first row to its last.
struct Scan {
    file: Arc<File>,
    schema: SchemaRef,
    /// Their places in the file, ascending.
    columns: Vec<usize>,
    is_told: bool,
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scan").field(&self.file.path).field(&self.columns).finish()
    }
}

/// What comes of reading a file.
enum Piece {
    Rows(RecordBatch),
    Refused(Reject),
}

impl PartitionStream for Scan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (send, pieces) = sync_channel(AHEAD);
        let (file, schema) = (Arc::clone(&self.file), Arc::clone(&self.schema));
        let columns = self.columns.clone();
        let reader = thread::spawn(move || file.read(&schema, &columns, &send));
        let batches = Batches {
            file: Arc::clone(&self.file),
            is_told: self.is_told,
            pieces,
            reader: Some(reader),
        };
        let stream = futures::stream::iter(batches);
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream))
    }
}

/// The batches of a file as they are read.
struct Batches {
    file: Arc<File>,
    is_told: bool,
    pieces: Receiver<Piece>,
    reader: Option<JoinHandle<Result<(), IngestError>>>,
}

impl Iterator for Batches {
    type Item = QueryResult<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.pieces.recv() {
                Ok(Piece::Rows(batch)) => return Some(Ok(batch)),
                Ok(Piece::Refused(reject)) if self.is_told => {
                    let refused = self.file.refused.lock();
                    refused.unwrap_or_else(PoisonError::into_inner).push(reject);
                }
                Ok(Piece::Refused(_)) => {}
                // The reader has ended.
                Err(_) => {
                    let read = self.reader.take()?.join();
                    let read = read.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                    return read.err().map(|error| {
                        let told = DataFusionError::Execution(error.to_string());
                        let failure = self.file.failure.lock();
                        *failure.unwrap_or_else(PoisonError::into_inner) = Some(error);
                        Err(told)
                    });
                }
            }
        }
    }
}

impl File {
    /// Sends the rows of some columns; an error when nobody takes them any longer, too.
    fn read(
        &self,
        schema: &SchemaRef,
        columns: &[usize],
        send: &SyncSender<Piece>,
    ) -> Result<(), IngestError> {
        let put = |piece| send.send(piece).map_err(|_| IngestError::Interrupted);
        match self.format {
            Format::Csv | Format::Tsv => self.cells(schema, columns, &put),
            Format::JsonLines | Format::Json => self.objects(schema, &put),
            Format::Parquet => {
                foreign::batches(&self.path, columns, &mut |batch| put(Piece::Rows(batch)))
            }
        }
    }

    fn cells(
        &self,
        schema: &SchemaRef,
        columns: &[usize],
        put: Put<'_>,
    ) -> Result<(), IngestError> {
        let mut texts: Vec<StringBuilder> = columns.iter().map(|_| StringBuilder::new()).collect();
        let (mut n_rows, mut n_bytes) = (0, 0);
        let flush = |texts: &mut Vec<StringBuilder>, n_rows: usize| {
            let arrays = texts.iter_mut().map(|texts| Arc::new(texts.finish()) as ArrayRef);
            let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
            let batch =
                RecordBatch::try_new_with_options(Arc::clone(schema), arrays.collect(), &options);
            put(Piece::Rows(batch.map_err(|error| self.unlike(&error))?))
        };
        let separator = separator(self.format);
        foreign::cells(&self.path, &self.input, separator, &mut |_, row| {
            let cells = match row {
                Ok(cells) => cells,
                Err(reject) => return put(Piece::Refused(reject)),
            };
            let mut wanted = columns.iter().zip(&mut texts).peekable();
            for (place, cell) in cells.iter().enumerate() {
                if let Some((_, texts)) = wanted.next_if(|(wanted, _)| **wanted == place) {
                    // Cells are UTF-8: their row was checked.
                    let text = std::str::from_utf8(cell).ok().filter(|text| !text.is_empty());
                    texts.append_option(text);
                    n_bytes += cell.len();
                }
            }
            n_rows += 1;
            if n_rows == BATCH_ROWS || n_bytes >= BATCH_BYTES {
                flush(&mut texts, std::mem::take(&mut n_rows))?;
                n_bytes = 0;
            }
            Ok(())
        })?;
        if n_rows > 0 { flush(&mut texts, n_rows) } else { Ok(()) }
    }

    fn objects(&self, schema: &SchemaRef, put: Put<'_>) -> Result<(), IngestError> {
        let decoder = ReaderBuilder::new(Arc::clone(schema)).with_coerce_primitive(true);
        let mut decoder = decoder.build_decoder().map_err(|error| self.unlike(&error))?;
        let (mut rows, mut n_bytes) = (Vec::new(), 0);
        let flush = |decoder: &mut Decoder, rows: &mut Vec<Value>| {
            let n_rows = rows.len();
            if schema.fields().is_empty() {
                rows.clear();
                let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
                let batch =
                    RecordBatch::try_new_with_options(Arc::clone(schema), Vec::new(), &options);
                return put(Piece::Rows(batch.map_err(|error| self.unlike(&error))?));
            }
            let batch = decoder.serialize(rows).and_then(|()| decoder.flush());
            rows.clear();
            batch
                .map_err(|error| self.unlike(&error))?
                .map_or(Ok(()), |batch| put(Piece::Rows(batch)))
        };
        foreign::objects(&self.path, &self.input, &mut |_, row| {
            match row {
                Ok(row) => {
                    let row = typed(row);
                    n_bytes += weigh(&row);
                    rows.push(row);
                }
                Err(reject) => return put(Piece::Refused(reject)),
            }
            if rows.len() == BATCH_ROWS || n_bytes >= BATCH_BYTES {
                n_bytes = 0;
                flush(&mut decoder, &mut rows)?;
            }
            Ok(())
        })?;
        if rows.is_empty() { Ok(()) } else { flush(&mut decoder, &mut rows) }
    }

    fn unlike(&self, error: &ArrowError) -> IngestError {
        unreadable(&self.path, format!("its rows are not of one kind: {error}"))
    }
}

/// Puts a piece on its way.
type Put<'a> = &'a dyn Fn(Piece) -> Result<(), IngestError>;
