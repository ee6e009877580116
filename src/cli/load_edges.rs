//! `predilect load-edges`: edges that another system has counted, into a store.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use super::load::parse_bytes;
use super::progress::Told;
use super::{ExitCode, Interrupts, Output, OutputArg, StoreArg, write_json};
use crate::ingest::{self, EdgeParams};
use crate::store::GraphStore;

/// Load edges that have a weight and a time and no events behind them
#[derive(clap::Args)]
#[command(after_help = "\
Files: .parquet, .csv, .csv.gz, .csv.zst with the columns src, dst, rel, weight and ts (seconds since
1970). Ends are numbers or names; which kinds of nodes they are follows from the relation. Of one edge
and time the row that weighs most stays. A store without edges takes all rows at once, packed.
The load is taken back with `predilect unload`; `predilect loads` lists it.

Example:
  predilect load-edges --store graph --edges edges.parquet --relation 0=viewed --relation 1=about")]
pub(super) struct Args {
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    edges: EdgesArg,
    /// Id of the load, by which it is resumed or taken back; made up when left out
    #[arg(long, value_name = "ID")]
    load_id: Option<String>,
    /// Go on with a load that was ended: the one of --load-id, or the last of these files
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    output: OutputArg,
}

/// Which edges to load
#[derive(clap::Args)]
pub(super) struct EdgesArg {
    /// Files of edges
    #[arg(long, num_args = 1.., required = true, value_name = "FILE")]
    edges: Vec<PathBuf>,
    /// What a value of `rel` means that is no name of a relation
    #[arg(long, value_name = "VALUE=NAME", value_parser = parse_relation)]
    relation: Vec<(String, String)>,
    /// Memory for the rows, such as 512MB; files are read more often where it does not hold them
    #[arg(long, default_value = "1GB", value_name = "BYTES", value_parser = parse_bytes)]
    max_memory: usize,
}

fn parse_relation(text: &str) -> Result<(String, String), String> {
    let (value, name) =
        text.split_once('=').ok_or("give VALUE=NAME, such as 0=viewed".to_owned())?;
    Ok((value.to_owned(), name.to_owned()))
}

impl EdgesArg {
    /// What was asked for; values of `rel` that nobody named mean what `known` says.
    pub fn params(&self, known: &[(&str, &str)]) -> EdgeParams {
        let known = known.iter().map(|(value, name)| ((*value).to_owned(), (*name).to_owned()));
        let mut relations: BTreeMap<_, _> = known.collect();
        relations.extend(self.relation.iter().cloned());
        EdgeParams {
            files: self.edges.clone(),
            relations,
            max_memory: self.max_memory,
            ..EdgeParams::default()
        }
    }
}

impl Args {
    pub fn run(&self, out: &mut dyn Write, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
        let store = GraphStore::open(&self.store.store, true, None)?;
        let mut told = Told::new(interrupts());
        let (id, resume) = (self.load_id.clone(), self.resume);
        let params = EdgeParams { id, resume, ..self.edges.params(&[]) };
        let report = ingest::load_edges(&store, &params, &mut |at| told.step(at));
        told.clear();
        let report = report?;
        match self.output.output {
            Output::Json => write_json(out, &report)?,
            Output::Text => writeln!(
                out,
                "load      {}{}\nedges     {} read, {} applied, {} unchanged, {} nodes{}\nsequence  {}",
                report.load_id,
                if report.resumed { ", resumed" } else { "" },
                report.read,
                report.applied,
                report.unchanged,
                report.nodes,
                if report.packed { ", packed" } else { "" },
                report.sequence
            )?,
        }
        Ok(ExitCode::Done)
    }
}
