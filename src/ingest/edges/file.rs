//! Rows of a file of edges. Ends are whole numbers or names; so is the relation; times are whole seconds
//! since 1970, or of a type that is a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use arrow_array::builder::{Float32Builder, Int64Builder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Float32Array, Int64Array, StringArray, UInt64Array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::super::IngestError;
use super::super::rows::{self, Format, InputParams, open, unreadable};
use super::nodes::Nodes;
use super::{Row, TakeRows};
use crate::schema::{NodeKind, RelationId, Schema, Timestamp};

const COLUMNS: [&str; 5] = ["src", "dst", "rel", "weight", "ts"];
pub(super) const BATCH_ROWS: usize = 1 << 14;

/// A file of edges.
pub(super) struct Edges<'a> {
    pub path: &'a Path,
    pub schema: &'a Schema,
    /// What values of `rel` mean that are no names of relations.
    pub names: &'a BTreeMap<String, String>,
}

/// A column of ids.
enum Ids {
    Numbers(UInt64Array),
    Names(StringArray),
}

/// Some rows of a file, column by column.
struct Batch {
    source: Ids,
    target: Ids,
    relation: Ids,
    weight: Float32Array,
    /// Milliseconds since 1970.
    at: Int64Array,
}

/// A relation and what it joins.
#[derive(Clone, Copy)]
struct Joins {
    relation: RelationId,
    source: NodeKind,
    target: NodeKind,
}

impl Edges<'_> {
    /// Reads every row, in order, many at a time.
    ///
    /// # Errors
    /// [`IngestError::Unreadable`] names the row that is wrong; those of `take`.
    pub fn each(&self, nodes: &mut Nodes, take: TakeRows<'_>) -> Result<(), IngestError> {
        match rows::format(self.path, &InputParams::default())? {
            Format::Parquet => self.parquet(nodes, take),
            Format::Csv => self.csv(nodes, take),
            _ => Err(self.wrong("edges come as .parquet or .csv (also .csv.gz, .csv.zst)")),
        }
    }

    fn wrong(&self, reason: impl Into<String>) -> IngestError {
        unreadable(self.path, reason)
    }

    fn parquet(&self, nodes: &mut Nodes, take: TakeRows<'_>) -> Result<(), IngestError> {
        let io = |source| IngestError::Io { path: self.path.to_owned(), source };
        let broken = |error: &dyn std::fmt::Display| {
            self.wrong(format!("not a whole Parquet file: {error}"))
        };
        let file = File::open(self.path).map_err(io)?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| broken(&e))?;
        let wanted = ProjectionMask::columns(builder.parquet_schema(), COLUMNS);
        let builder = builder.with_projection(wanted).with_batch_size(BATCH_ROWS);
        let mut first = 1;
        for batch in builder.build().map_err(|e| broken(&e))? {
            let batch = batch.map_err(|e| broken(&e))?;
            let column = |name: &str| {
                batch.column_by_name(name).ok_or_else(|| {
                    self.wrong(format!("no column `{name}`; needed: {}", COLUMNS.join(", ")))
                })
            };
            let rows = Batch {
                source: self.ids("src", column("src")?, first)?,
                target: self.ids("dst", column("dst")?, first)?,
                relation: self.ids("rel", column("rel")?, first)?,
                weight: self
                    .typed("weight", column("weight")?, &DataType::Float32, first)?
                    .as_primitive::<Float32Type>()
                    .clone(),
                at: self.times(column("ts")?, first)?,
            };
            self.take(&rows, first, nodes, take)?;
            first += batch.num_rows() as u64;
        }
        Ok(())
    }

    /// A column as another type; every row must have a value that fits.
    fn typed(
        &self,
        name: &str,
        column: &ArrayRef,
        to: &DataType,
        first: u64,
    ) -> Result<ArrayRef, IngestError> {
        let safe = CastOptions { safe: true, ..CastOptions::default() };
        let typed = cast_with_options(column, to, &safe)
            .map_err(|error| self.wrong(format!("column `{name}`: {error}")))?;
        if typed.null_count() == 0 {
            return Ok(typed);
        }
        let row = (first..).zip(0..typed.len()).find(|(_, row)| typed.is_null(*row));
        let row = row.map_or(first, |(row, _)| row);
        Err(self.wrong(format!("row {row}: `{name}` is missing, or nothing that fits {to}")))
    }

    fn ids(&self, name: &str, column: &ArrayRef, first: u64) -> Result<Ids, IngestError> {
        if column.data_type().is_integer() {
            let numbers = self.typed(name, column, &DataType::UInt64, first)?;
            return Ok(Ids::Numbers(numbers.as_primitive::<UInt64Type>().clone()));
        }
        let names = self.typed(name, column, &DataType::Utf8, first)?;
        Ok(Ids::Names(names.as_string::<i32>().clone()))
    }

    fn times(&self, column: &ArrayRef, first: u64) -> Result<Int64Array, IngestError> {
        if column.data_type().is_integer() {
            let seconds = self.typed("ts", column, &DataType::Int64, first)?;
            // What overflows is no time, and is refused with its row.
            let millis = |seconds: i64| seconds.saturating_mul(1000);
            return Ok(seconds.as_primitive::<Int64Type>().unary(millis));
        }
        let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
        let times = self.typed("ts", column, &millis, first)?;
        let times = self.typed("ts", &times, &DataType::Int64, first)?;
        Ok(times.as_primitive::<Int64Type>().clone())
    }

    fn csv(&self, nodes: &mut Nodes, take: TakeRows<'_>) -> Result<(), IngestError> {
        let mut reader = ::csv::Reader::from_reader(open(self.path)?);
        let broken = |error: ::csv::Error| self.wrong(error.to_string());
        let header = reader.headers().map_err(broken)?.clone();
        let mut places = [0; COLUMNS.len()];
        for (place, name) in places.iter_mut().zip(COLUMNS) {
            *place = header.iter().position(|found| found.trim() == name).ok_or_else(|| {
                self.wrong(format!("no column `{name}`; needed: {}", COLUMNS.join(", ")))
            })?;
        }
        let mut record = ::csv::StringRecord::new();
        let mut first = 1;
        loop {
            let mut ids: [StringBuilder; 3] = Default::default();
            let (mut weight, mut at) = (Float32Builder::new(), Int64Builder::new());
            let mut n_rows = 0;
            while n_rows < BATCH_ROWS && reader.read_record(&mut record).map_err(broken)? {
                let [src, dst, rel, weighs, ts] = places.map(|place| record[place].trim());
                for (column, text) in ids.iter_mut().zip([src, dst, rel]) {
                    column.append_value(text);
                }
                let row = first + n_rows as u64;
                let wrong = |name: &str, text: &str, wanted: &str| {
                    self.wrong(format!("row {row}: `{name}` is {text:?}; give {wanted}"))
                };
                weight
                    .append_value(weighs.parse().map_err(|_| wrong("weight", weighs, "a number"))?);
                let seconds: i64 =
                    ts.parse().map_err(|_| wrong("ts", ts, "whole seconds since 1970"))?;
                at.append_value(seconds.saturating_mul(1000));
                n_rows += 1;
            }
            let [source, target, relation] = ids.map(|mut column| Ids::Names(column.finish()));
            let rows = Batch { source, target, relation, weight: weight.finish(), at: at.finish() };
            self.take(&rows, first, nodes, take)?;
            first += n_rows as u64;
            if n_rows < BATCH_ROWS {
                return Ok(());
            }
        }
    }

    fn take(
        &self,
        batch: &Batch,
        first: u64,
        nodes: &mut Nodes,
        take: TakeRows<'_>,
    ) -> Result<(), IngestError> {
        let mut rows = Vec::with_capacity(batch.weight.len());
        let mut known: Option<(usize, Joins)> = None;
        for row in 0..batch.weight.len() {
            let wrong = |error: String| self.wrong(format!("row {}: {error}", first + row as u64));
            let joins = match known {
                Some((before, joins)) if batch.relation.same(before, row) => joins,
                _ => self.joins(&batch.relation.text(row)).map_err(wrong)?,
            };
            known = Some((row, joins));
            let weight = batch.weight.value(row);
            if !weight.is_finite() {
                return Err(wrong(format!("`weight` is {weight}; give a finite number")));
            }
            let at = Timestamp::from_millis(batch.at.value(row))
                .ok_or_else(|| wrong("`ts` lies outside the years 1970 to 9999".to_owned()))?;
            let mut end = |ids: &Ids, kind| {
                match ids {
                    Ids::Numbers(numbers) => nodes.numbered(kind, numbers.value(row)),
                    Ids::Names(names) => nodes.named(kind, names.value(row)),
                }
                .map_err(|error| wrong(error.to_string()))
            };
            let source = end(&batch.source, joins.source)?;
            let target = end(&batch.target, joins.target)?;
            rows.push(Row { source, target, relation: joins.relation, weight, at });
        }
        take(nodes, &rows)
    }

    /// The relation that a value of `rel` means.
    fn joins(&self, value: &str) -> Result<Joins, String> {
        let name = self.names.get(value).map_or(value, String::as_str);
        let action = self.schema.action(name).ok();
        let relation = action.or(self.schema.relation_named(name)).ok_or_else(|| {
            let known = self.schema.relations().iter().map(|relation| relation.name.as_str());
            let known = known.collect::<Vec<_>>().join(", ");
            format!("`rel` is `{value}`, which names no relation; say what it means, or give one of {known}")
        })?;
        let (source, target) = (relation.sources.first(), relation.targets.first());
        let kinds = source.zip(target).ok_or_else(|| format!("{name} joins no kinds of nodes"))?;
        Ok(Joins { relation: relation.id, source: *kinds.0, target: *kinds.1 })
    }
}

impl Ids {
    fn same(&self, one: usize, other: usize) -> bool {
        match self {
            Self::Numbers(numbers) => numbers.value(one) == numbers.value(other),
            Self::Names(names) => names.value(one) == names.value(other),
        }
    }

    fn text(&self, row: usize) -> String {
        match self {
            Self::Numbers(numbers) => numbers.value(row).to_string(),
            Self::Names(names) => names.value(row).to_owned(),
        }
    }
}
