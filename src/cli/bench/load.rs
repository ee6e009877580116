//! `predilect bench load`: how fast edges get into a store, on disk and closed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::json;

use super::super::load_edges::EdgesArg;
use super::super::{ExitCode, OutputArg};
use super::Stopwatch;
use super::graph::Measured;
use crate::ingest;
use crate::store::GraphStore;

/// What the numbers in the edge files of benchmarks mean.
const RELATIONS: [(&str, &str); 2] = [("0", "viewed"), ("1", "about")];

/// Load edges into a new store, both directions, until it is on disk and closed
#[derive(clap::Args)]
#[command(after_help = "\
In the edge files of benchmarks rel 0 is a user's view of an item, 1 an entity that an item is about.

Example:
  predilect bench load --edges edges.parquet --store graph --output json")]
pub(super) struct Args {
    #[command(flatten)]
    edges: EdgesArg,
    /// Folder of the store, which must not be there yet
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// Threads; the rows are sorted and written by one, the engine below may use another
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let path = &self.store;
        ensure!(!path.exists(), "{} is there already; give a new folder", path.display());
        let watch = Stopwatch::start();
        let store = GraphStore::open(path, true, None)?;
        let report = ingest::load_edges(&store, &self.edges.params(&RELATIONS), &mut |_| {})?;
        drop(store);
        let time = watch.stop();
        // Read back from disk.
        let store = GraphStore::open(path, false, None)?;
        let mut check = 0;
        for edge in store.view().edges()? {
            edge?;
            check += 1;
        }
        let n = report.read as usize;
        let n_bytes = folder_bytes(path)?;
        let more = json!({
            "bytes_per_edge": n_bytes as f64 / n as f64,
            "nodes": report.nodes,
            "packed": report.packed,
            "threads": self.threads,
        });
        let result = Measured { task: "load", unit: "edges", n, check, more };
        result.tell(time, &self.output, out)
    }
}

fn folder_bytes(path: &Path) -> anyhow::Result<u64> {
    let told = || format!("{} cannot be read", path.display());
    let mut total = 0;
    for entry in fs::read_dir(path).with_context(told)? {
        let entry = entry.with_context(told)?;
        let found = entry.metadata().with_context(told)?;
        total += if found.is_dir() { folder_bytes(&entry.path())? } else { found.len() };
    }
    Ok(total)
}
