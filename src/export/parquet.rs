//! Parquet: a table of nodes for each kind, a table of edges for each relation.
//!
//! Every node has its id and a dense index among those of its kind, so that a table of edges is a
//! sparse matrix as it stands. Texts and attributes of a document are JSON objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{
    Float64Builder, Int64Builder, StringBuilder, TimestampMillisecondBuilder, UInt32Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::folder::{Folder, Sink};
use super::rows::{EdgeRow, EvidenceRow, Graph, NodeRow, attributes, time};
use super::{ExportError, ExportParams};
use crate::schema::{NodeKind, RelationId, Timestamp};
use crate::store::Evidence;

/// Rows that are kept in memory for one table.
const CHUNK: usize = 16_384;

/// Writes `nodes/<kind>.parquet`, `edges/<relation>.parquet`, and `evidence.parquet` when asked.
pub(super) fn write(
    graph: &Graph<'_>,
    folder: &mut Folder,
    params: &ExportParams,
) -> Result<(), ExportError> {
    let mut nodes: BTreeMap<NodeKind, Table<NodeColumns>> = BTreeMap::new();
    graph.nodes(|row| {
        let kind = row.key.kind;
        let table = open(&mut nodes, kind, folder, &format!("nodes/{kind}.parquet"))?;
        table.columns.push(&row);
        table.count()
    })?;
    nodes.into_values().try_for_each(|table| table.close(folder))?;
    let mut edges: BTreeMap<RelationId, Table<EdgeColumns>> = BTreeMap::new();
    graph.edges(|row| {
        let name = graph.snapshot().schema().relation_name(row.relation);
        let table = open(&mut edges, row.relation, folder, &format!("edges/{name}.parquet"))?;
        table.columns.push(&row, name);
        table.count()
    })?;
    edges.into_values().try_for_each(|table| table.close(folder))?;
    if params.evidence {
        let mut table = Table::<EvidenceColumns>::new(folder.sink("evidence.parquet")?)?;
        graph.evidence(|row| {
            let name = graph.snapshot().schema().relation_name(row.relation);
            table.columns.push(&row, name);
            table.count()
        })?;
        table.close(folder)?;
    }
    Ok(())
}

fn open<'t, K: Ord, C: Columns>(
    tables: &'t mut BTreeMap<K, Table<C>>,
    key: K,
    folder: &Folder,
    name: &str,
) -> Result<&'t mut Table<C>, ExportError> {
    Ok(match tables.entry(key) {
        std::collections::btree_map::Entry::Occupied(open) => open.into_mut(),
        std::collections::btree_map::Entry::Vacant(free) => {
            free.insert(Table::new(folder.sink(name)?)?)
        }
    })
}

/// Columns that fill with rows.
trait Columns: Default {
    /// Names and types.
    fn fields() -> Vec<Field>;
    /// What has been filled in; the columns are then empty.
    fn finish(&mut self) -> Vec<ArrayRef>;
}

/// A file in the making.
struct Table<C> {
    writer: ArrowWriter<Sink>,
    path: std::path::PathBuf,
    schema: SchemaRef,
    columns: C,
    waiting: usize,
    rows: u64,
}

impl<C: Columns> Table<C> {
    fn new(sink: Sink) -> Result<Self, ExportError> {
        let path = sink.path.clone();
        let schema = Arc::new(Schema::new(C::fields()));
        let level = ZstdLevel::try_new(3).map_err(|error| refused(&path, &error))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_created_by("predilect".to_owned())
            .build();
        let writer = ArrowWriter::try_new(sink, Arc::clone(&schema), Some(properties))
            .map_err(|error| refused(&path, &error))?;
        Ok(Self { writer, path, schema, columns: C::default(), waiting: 0, rows: 0 })
    }

    /// Counts the row that was just pushed.
    fn count(&mut self) -> Result<(), ExportError> {
        self.waiting += 1;
        if self.waiting < CHUNK { Ok(()) } else { self.put() }
    }

    fn put(&mut self) -> Result<(), ExportError> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), self.columns.finish())
            .map_err(|error| refused(&self.path, &error))?;
        self.rows += batch.num_rows() as u64;
        self.waiting = 0;
        self.writer.write(&batch).map_err(|error| refused(&self.path, &error))
    }

    fn close(mut self, folder: &mut Folder) -> Result<(), ExportError> {
        self.put()?;
        let sink = self.writer.into_inner().map_err(|error| refused(&self.path, &error))?;
        folder.close(sink, self.rows)
    }
}

fn refused(path: &std::path::Path, error: &dyn std::error::Error) -> ExportError {
    ExportError::Format { path: path.to_owned(), message: error.to_string() }
}

fn millis() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, false)
}

fn optional(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

#[derive(Default)]
struct NodeColumns {
    id: StringBuilder,
    index: Int64Builder,
    label: StringBuilder,
    node_type: StringBuilder,
    text: StringBuilder,
    attributes: StringBuilder,
    published_at: TimestampMillisecondBuilder,
}

impl NodeColumns {
    fn push(&mut self, row: &NodeRow<'_>) {
        self.id.append_value(&row.key.name);
        self.index.append_value(row.index);
        self.label.append_value(row.label);
        let is_entity = row.key.kind == NodeKind::Entity;
        self.node_type.append_option(is_entity.then(|| row.key.entity_type()));
        let document = row.document.as_ref();
        self.text.append_option(document.map(|d| serde_json::json!(d.text).to_string()));
        self.attributes.append_option(document.map(|d| attributes(d).to_string()));
        let published_at = document.and_then(|document| document.published_at);
        self.published_at.append_option(published_at.map(Timestamp::millis));
    }
}

impl Columns for NodeColumns {
    fn fields() -> Vec<Field> {
        vec![
            field("id", DataType::Utf8),
            field("index", DataType::Int64),
            field("label", DataType::Utf8),
            optional("type", DataType::Utf8),
            optional("text", DataType::Utf8),
            optional("attributes", DataType::Utf8),
            optional("published_at", millis()),
        ]
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.id.finish()),
            Arc::new(self.index.finish()),
            Arc::new(self.label.finish()),
            Arc::new(self.node_type.finish()),
            Arc::new(self.text.finish()),
            Arc::new(self.attributes.finish()),
            Arc::new(self.published_at.finish().with_timezone("UTC")),
        ]
    }
}

#[derive(Default)]
struct EdgeColumns {
    source: StringBuilder,
    target: StringBuilder,
    source_kind: StringBuilder,
    target_kind: StringBuilder,
    source_index: Int64Builder,
    target_index: Int64Builder,
    relation: StringBuilder,
    count: UInt32Builder,
    first: TimestampMillisecondBuilder,
    last: TimestampMillisecondBuilder,
    strength: Float64Builder,
    worth: Float64Builder,
}

impl EdgeColumns {
    fn push(&mut self, row: &EdgeRow<'_>, relation: &str) {
        self.source.append_value(&row.source.name);
        self.target.append_value(&row.target.name);
        self.source_kind.append_value(row.source.kind.name());
        self.target_kind.append_value(row.target.kind.name());
        self.source_index.append_value(row.source_index);
        self.target_index.append_value(row.target_index);
        self.relation.append_value(relation);
        self.count.append_value(row.edge.count);
        self.first.append_option(time(row.edge.first, row.timed));
        self.last.append_option(time(row.edge.last, row.timed));
        self.strength.append_value(row.edge.sum);
        self.worth.append_value(row.worth);
    }
}

impl Columns for EdgeColumns {
    fn fields() -> Vec<Field> {
        vec![
            field("source", DataType::Utf8),
            field("target", DataType::Utf8),
            field("source_kind", DataType::Utf8),
            field("target_kind", DataType::Utf8),
            field("source_index", DataType::Int64),
            field("target_index", DataType::Int64),
            field("relation", DataType::Utf8),
            field("count", DataType::UInt32),
            optional("first", millis()),
            optional("last", millis()),
            field("strength", DataType::Float64),
            field("worth", DataType::Float64),
        ]
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.source.finish()),
            Arc::new(self.target.finish()),
            Arc::new(self.source_kind.finish()),
            Arc::new(self.target_kind.finish()),
            Arc::new(self.source_index.finish()),
            Arc::new(self.target_index.finish()),
            Arc::new(self.relation.finish()),
            Arc::new(self.count.finish()),
            Arc::new(self.first.finish().with_timezone("UTC")),
            Arc::new(self.last.finish().with_timezone("UTC")),
            Arc::new(self.strength.finish()),
            Arc::new(self.worth.finish()),
        ]
    }
}

#[derive(Default)]
struct EvidenceColumns {
    source: StringBuilder,
    relation: StringBuilder,
    target: StringBuilder,
    at: TimestampMillisecondBuilder,
    strength: Float64Builder,
    why: StringBuilder,
    detail: StringBuilder,
}

impl EvidenceColumns {
    fn push(&mut self, row: &EvidenceRow<'_>, relation: &str) {
        self.source.append_value(&row.source.name);
        self.relation.append_value(relation);
        self.target.append_value(&row.target.name);
        let (why, timed, detail) = match &row.evidence {
            Evidence::Event { event_id, value, session, text, .. } => {
                let detail = [
                    ("event_id", Some(event_id.clone().into())),
                    ("value", value.map(Into::into)),
                    ("session", session.clone().map(Into::into)),
                    ("text", text.clone().map(Into::into)),
                ];
                ("event", true, object(detail))
            }
            Evidence::Attribute { field, surface } => {
                let (field, surface) = (field.clone().into(), surface.clone().into());
                ("attribute", false, object([("field", Some(field)), ("surface", Some(surface))]))
            }
            Evidence::Opinion { event_id, polarity, aspect, opinion, .. } => {
                let detail = [
                    ("event_id", Some(event_id.clone().into())),
                    ("polarity", Some(polarity.clone().into())),
                    ("byte_start", Some(aspect.bytes.0.into())),
                    ("byte_end", Some(aspect.bytes.1.into())),
                    ("surface", Some(aspect.surface.clone().into())),
                    ("opinion", Some(opinion.surface.clone().into())),
                ];
                ("opinion", true, object(detail))
            }
            Evidence::Mention { field, bytes, surface, method, .. } => {
                let detail = [
                    ("field", Some(field.clone().into())),
                    ("byte_start", Some(bytes.0.into())),
                    ("byte_end", Some(bytes.1.into())),
                    ("surface", Some(surface.clone().into())),
                    ("method", Some(method.clone().into())),
                ];
                ("mention", false, object(detail))
            }
            Evidence::Given { .. } => ("given", true, object([])),
        };
        self.at.append_option(time(row.stamp.at, timed));
        self.strength.append_value(row.evidence.strength());
        self.why.append_value(why);
        self.detail.append_value(detail);
    }
}

/// A JSON object of what is there.
fn object<const N: usize>(fields: [(&str, Option<serde_json::Value>); N]) -> String {
    let there = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    serde_json::Value::Object(there.collect()).to_string()
}

impl Columns for EvidenceColumns {
    fn fields() -> Vec<Field> {
        vec![
            field("source", DataType::Utf8),
            field("relation", DataType::Utf8),
            field("target", DataType::Utf8),
            optional("at", millis()),
            field("strength", DataType::Float64),
            field("why", DataType::Utf8),
            field("detail", DataType::Utf8),
        ]
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.source.finish()),
            Arc::new(self.relation.finish()),
            Arc::new(self.target.finish()),
            Arc::new(self.at.finish().with_timezone("UTC")),
            Arc::new(self.strength.finish()),
            Arc::new(self.why.finish()),
            Arc::new(self.detail.finish()),
        ]
    }
}
