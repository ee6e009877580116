//! `predilect repair`: makes a damaged store whole from its evidence.

use std::io::Write;
use std::path::PathBuf;

use super::{ExitCode, Output, OutputArg, StoreArg, write_json};
use crate::store::{self, GraphStore, RepairReport};

/// Make a damaged store whole: rebuild what follows from evidence, move what cannot be read out of it
#[derive(clap::Args)]
#[command(after_help = "\
Take a copy of the store's folder first: where a backup is at hand, `predilect restore` loses less. A file
whose checksum fails cannot be read over; then only a backup helps.

Example:
  predilect repair --store graph --output json")]
pub(super) struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// File for records that cannot stay, in place of the store's own name with `.lost+found.jsonl`
    #[arg(long, value_name = "FILE")]
    lost_and_found: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let path = &self.store.store;
        let beside = match &self.lost_and_found {
            Some(file) => file.clone(),
            None => {
                let mut name = std::path::absolute(path)?.components().collect::<PathBuf>();
                name.as_mut_os_string().push(".lost+found.jsonl");
                name
            }
        };
        let store = GraphStore::open_with_losses(path)?;
        let report = store::repair(&store, &beside)?;
        match self.output.output {
            Output::Json => write_json(out, &report)?,
            Output::Text => tell(out, &report)?,
        }
        out.flush()?;
        let problems = report.problems;
        anyhow::ensure!(problems == 0, "{problems} problems are left; restore a backup");
        Ok(ExitCode::Done)
    }
}

fn tell(out: &mut dyn Write, report: &RepairReport) -> std::io::Result<()> {
    let RepairReport { evidence, rebuilt, removed, lost, lost_and_found, .. } = report;
    writeln!(out, "{evidence} pieces of evidence stand")?;
    writeln!(out, "{rebuilt} records rebuilt, {removed} removed, {lost} moved out")?;
    if let Some(path) = lost_and_found {
        writeln!(out, "what was moved out is in {}", path.display())?;
    }
    Ok(())
}
