//! Files of bare edges, triples and labels, whose nodes are told by name.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_cast::cast;
use arrow_schema::DataType;
use clap::ValueEnum;
use flate2::read::MultiGzDecoder;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::graph::{CompactGraph, EdgeData};
use crate::schema::RelationId;

/// What a line of an edge file says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum EdgeFormat {
    /// Two nodes.
    #[default]
    Pairs,
    /// A node, then its neighbors.
    Adjacency,
    /// Head, relation and tail, by tabs.
    Triples,
}

/// Names in the order in which they come first.
#[derive(Default)]
pub(super) struct NameList {
    pub names: Vec<String>,
    places: HashMap<String, u32>,
}

impl NameList {
    /// The place of a name, which is added where it is new.
    pub fn place(&mut self, name: &str) -> anyhow::Result<u32> {
        if let Some(place) = self.places.get(name) {
            return Ok(*place);
        }
        let place = u32::try_from(self.names.len()).context("more nodes than a graph may have")?;
        self.names.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        Ok(place)
    }
}

/// A graph and the names of its nodes.
pub(super) struct NamedGraph {
    pub names: Vec<String>,
    pub graph: CompactGraph,
}

/// Reads edges: .parquet with the columns src and dst, else text, packed where it ends in .gz.
pub(super) fn edges(files: &[PathBuf], format: EdgeFormat) -> anyhow::Result<NamedGraph> {
    let mut names = NameList::default();
    let mut relations = NameList::default();
    let mut edges: Vec<(u32, u32, EdgeData)> = Vec::new();
    let mut edge = |source, target, relation| -> anyhow::Result<()> {
        let relation = u16::try_from(relation).context("more than 65,536 relations")?;
        let data = EdgeData { relation: RelationId(relation), sum: 1.0, last_minutes: 0 };
        edges.push((source, target, data));
        Ok(())
    };
    for path in files {
        if path.extension().is_some_and(|kind| kind == "parquet") {
            parquet(path, |source, target| edge(names.place(source)?, names.place(target)?, 0))
                .with_context(|| format!("{} cannot be read", path.display()))?;
            continue;
        }
        lines(path, |line| {
            let fields: Vec<&str> = match format {
                EdgeFormat::Triples => line.split('\t').map(str::trim).collect(),
                _ => line.split_whitespace().collect(),
            };
            match (format, fields.as_slice()) {
                (EdgeFormat::Pairs, [source, target]) => {
                    edge(names.place(source)?, names.place(target)?, 0)
                }
                (EdgeFormat::Adjacency, [source, targets @ ..]) => {
                    let source = names.place(source)?;
                    targets.iter().try_for_each(|target| edge(source, names.place(target)?, 0))
                }
                (EdgeFormat::Triples, [head, relation, tail]) => {
                    let relation = relations.place(relation)?;
                    edge(names.place(head)?, names.place(tail)?, relation)
                }
                (_, fields) => bail!(
                    "{} fields; say with --format whether lines are pairs, adjacency or triples",
                    fields.len()
                ),
            }
        })?;
    }
    // An edge that is said twice counts once.
    edges.sort_unstable_by_key(|(source, target, data)| (*source, data.relation.0, *target));
    edges.dedup_by_key(|(source, target, data)| (*source, data.relation.0, *target));
    let graph = CompactGraph::from_edges(names.names.len(), edges)?;
    Ok(NamedGraph { names: names.names, graph })
}

/// Reads labels: a node and its labels a line.
pub(super) fn labels(path: &Path) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let mut read = Vec::new();
    lines(path, |line| {
        let mut fields = line.split_whitespace().map(str::to_owned);
        let node = fields.next().context("no node")?;
        let labels: Vec<String> = fields.collect();
        ensure!(!labels.is_empty(), "`{node}` has no label; leave the line out");
        read.push((node, labels));
        Ok(())
    })?;
    Ok(read)
}

/// Goes over the lines of a text that are not blank; an error names file and line.
pub(super) fn lines(
    path: &Path,
    mut take: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let failed = || format!("{} cannot be read", path.display());
    let file = File::open(path).with_context(failed)?;
    let is_packed = path.extension().is_some_and(|kind| kind == "gz");
    let bytes: Box<dyn Read> =
        if is_packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    for (number, line) in (1..).zip(BufReader::new(bytes).lines()) {
        let line = line.with_context(failed)?;
        let line = line.trim_end_matches(['\r', '\n']);
        if !line.trim().is_empty() {
            take(line).with_context(|| format!("{} line {number}", path.display()))?;
        }
    }
    Ok(())
}

fn parquet(
    path: &Path,
    mut take: impl FnMut(&str, &str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for batch in ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.build()? {
        let batch = batch?;
        let column = |name: &str| {
            let found =
                batch.column_by_name(name).with_context(|| format!("no column `{name}`"))?;
            let texts = cast(found, &DataType::Utf8).with_context(|| format!("column `{name}`"))?;
            ensure!(texts.null_count() == 0, "column `{name}` has rows without a node");
            Ok(texts)
        };
        let (sources, targets) = (column("src")?, column("dst")?);
        let (sources, targets) = (sources.as_string::<i32>(), targets.as_string::<i32>());
        for row in 0..batch.num_rows() {
            take(sources.value(row), targets.value(row))?;
        }
    }
    Ok(())
}
