//! `predilect validate`: what a load would say, without a store.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use super::load::{self, RowsArgs, name_rejects};
use super::progress::Told;
use super::{ExitCode, Interrupts, Output, OutputArg, write_json};
use crate::ingest::{self, LoadParams, Validated};

/// Check files as a load would, without a store
#[derive(clap::Args)]
#[command(after_help = "\
Refused rows go to the folder of --rejects with the reason beside them, as those of a load do, and
the exit code is the one that the load would give.

Example:
  predilect validate --items items.jsonl --events events.csv --max-errors 10 --output json")]
pub(super) struct Args {
    #[command(flatten)]
    rows: RowsArgs,
    /// Schema to check against, in place of the shipped one
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Folder for refused rows
    #[arg(long, default_value = "validate.rejects", value_name = "DIR")]
    rejects: PathBuf,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
        let params = LoadParams {
            rejects: self.rejects.clone(),
            interrupted: interrupts(),
            ..self.rows.params()?
        };
        let schema = load::schema(self.schema.as_deref())?;
        let mut told = Told::new(Arc::clone(&params.interrupted));
        let report = ingest::validate(schema.as_deref(), &params, &mut |at| told.step(at));
        told.clear();
        let report = report?;
        name_rejects(&report.rejects)?;
        match self.output.output {
            Output::Json => write_json(out, &report)?,
            Output::Text => {
                for (what, counts) in [("items", &report.items), ("events", &report.events)] {
                    let Validated { read, valid, repeated, rejected } = counts;
                    writeln!(
                        out,
                        "{what:<9} {read} read, {valid} valid, {repeated} repeated, {rejected} refused"
                    )?;
                }
            }
        }
        let rejected = report.items.rejected + report.events.rejected;
        Ok(if rejected > 0 { ExitCode::Rejects } else { ExitCode::Done })
    }
}
