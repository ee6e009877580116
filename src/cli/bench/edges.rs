//! Edge files of benchmarks: columns `src`, `dst`, `rel`, `weight` and `ts`, nodes numbered from 0.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type, UInt16Type, UInt32Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, RecordBatch};
use arrow_cast::cast;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Deserialize;

use crate::graph::{CompactGraph, EdgeData, NodeIndex};
use crate::schema::{RelationId, Timestamp};

/// The edges that a benchmark runs on
#[derive(clap::Args)]
pub(super) struct EdgesArg {
    /// File of edges, .parquet or .csv: src, dst, rel, weight, ts in seconds since 1970
    #[arg(long, value_name = "FILE")]
    edges: PathBuf,
    /// Threads that queries and walks are spread over; the graph is built by one
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
}

/// Edges in the order of their file.
pub(super) struct EdgeList {
    pub n_nodes: usize,
    pub edges: Vec<(u32, u32, EdgeData)>,
}

/// An edge of a CSV file.
#[derive(Deserialize)]
struct Row {
    src: u32,
    dst: u32,
    rel: u16,
    weight: f32,
    ts: i64,
}

impl EdgesArg {
    /// Reads the file.
    pub fn read(&self) -> anyhow::Result<EdgeList> {
        let path = &self.edges;
        let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
        let edges = match kind {
            "parquet" => parquet(path),
            "csv" => csv(path),
            _ => anyhow::bail!("{} is neither .parquet nor .csv", path.display()),
        };
        let edges = edges.with_context(|| format!("{} cannot be read", path.display()))?;
        ensure!(!edges.is_empty(), "{} has no edges", path.display());
        let last = edges.iter().map(|(source, target, _)| *source.max(target)).max();
        Ok(EdgeList { n_nodes: last.map_or(0, |last| last as usize + 1), edges })
    }

    /// Threads that were asked for.
    pub fn n_threads(&self) -> usize {
        usize::from(self.threads)
    }

    /// Reads the file and builds the graph.
    pub fn graph(&self) -> anyhow::Result<CompactGraph> {
        let EdgeList { n_nodes, edges } = self.read()?;
        Ok(CompactGraph::from_edges(n_nodes, edges)?)
    }
}

/// Reads node numbers, one a line.
pub(super) fn queries(path: &Path, graph: &CompactGraph) -> anyhow::Result<Vec<NodeIndex>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let mut nodes = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let at = || format!("{} line {line}", path.display());
        let node: u32 = text.trim().parse().with_context(at)?;
        let n_nodes = graph.node_count();
        ensure!((node as usize) < n_nodes, "{}: the graph has {n_nodes} nodes, from 0", at());
        nodes.push(NodeIndex::from(node));
    }
    ensure!(!nodes.is_empty(), "{} has no queries", path.display());
    Ok(nodes)
}

fn csv(path: &Path) -> anyhow::Result<Vec<(u32, u32, EdgeData)>> {
    let rows = ::csv::Reader::from_path(path)?.into_deserialize();
    rows.map(|row| {
        let Row { src, dst, rel, weight, ts } = row?;
        edge(src, dst, rel, weight, ts)
    })
    .collect()
}

fn parquet(path: &Path) -> anyhow::Result<Vec<(u32, u32, EdgeData)>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let mut edges = Vec::new();
    for batch in builder.build()? {
        let batch = batch?;
        let sources = column::<UInt32Type>(&batch, "src")?;
        let targets = column::<UInt32Type>(&batch, "dst")?;
        let relations = column::<UInt16Type>(&batch, "rel")?;
        let weights = column::<Float32Type>(&batch, "weight")?;
        let times = column::<Int64Type>(&batch, "ts")?;
        for row in 0..batch.num_rows() {
            let (source, target) = (sources.value(row), targets.value(row));
            let weight = weights.value(row);
            edges.push(edge(source, target, relations.value(row), weight, times.value(row))?);
        }
    }
    Ok(edges)
}

fn column<T: ArrowPrimitiveType>(
    batch: &RecordBatch,
    name: &str,
) -> anyhow::Result<PrimitiveArray<T>> {
    let found = batch.column_by_name(name).with_context(|| format!("no column `{name}`"))?;
    let typed: ArrayRef = cast(found, &T::DATA_TYPE).with_context(|| format!("column `{name}`"))?;
    let n_null = typed.null_count();
    ensure!(n_null == 0, "column `{name}` has {n_null} rows without a number that fits");
    Ok(typed.as_primitive::<T>().clone())
}

fn edge(
    source: u32,
    target: u32,
    relation: u16,
    weight: f32,
    seconds: i64,
) -> anyhow::Result<(u32, u32, EdgeData)> {
    let at = seconds.checked_mul(1000).and_then(Timestamp::from_millis);
    let at = at.with_context(|| format!("`ts` {seconds} is no time"))?;
    Ok((source, target, EdgeData::new(RelationId(relation), weight, at)))
}
