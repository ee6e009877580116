//! `predilect export`: a store as files that an analyst can open.

use std::io::Write;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;

use super::{ExitCode, Output, OutputArg, StoreArg, parse_time, write_json};
use crate::export::{self, ExportParams, FORMATS};
use crate::schema::Timestamp;
use crate::store::GraphStore;

/// Write the graph as files that an analyst can open
#[derive(clap::Args)]
#[command(after_help = "\
An export that is there is replaced as a whole; another folder that is not empty is left alone
unless --force is given, and then only files of the same names are replaced.

Example:
  predilect export --store graph --format parquet --dest export
  predilect export --store graph --format graphml --dest export-gephi")]
pub(super) struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// Parquet for pandas, `DuckDB` and Spark; GraphML for networkx, Gephi and igraph
    #[arg(long, value_name = "NAME", value_parser = names(), default_value = FORMATS[0].name)]
    format: String,
    /// Folder to write to
    #[arg(long, value_name = "DIR")]
    dest: PathBuf,
    /// Leave out what happened later
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    as_of: Option<Timestamp>,
    /// Also write why each edge exists (Parquet)
    #[arg(long)]
    evidence: bool,
    /// Write into a folder that holds other things
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    output: OutputArg,
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(FORMATS.iter().map(|format| format.name).collect::<Vec<_>>())
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let store = GraphStore::open(&self.store.store, false, None)?;
        let params = ExportParams { as_of: self.as_of, evidence: self.evidence, force: self.force };
        let manifest = export::write(&store.view(), &self.format, &self.dest, &params)?;
        match self.output.output {
            Output::Json => write_json(out, &manifest)?,
            Output::Text => {
                for file in &manifest.files {
                    let path = self.dest.join(&file.path);
                    writeln!(out, "{} ({} rows, {} bytes)", path.display(), file.rows, file.bytes)?;
                }
            }
        }
        Ok(ExitCode::Done)
    }
}
