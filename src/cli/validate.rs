//! `predilect validate`: what a load would say, without a store.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use super::load::{self, InputArgs, name_rejects, parse_bytes, parse_class};
use super::progress::Told;
use super::{ExitCode, Interrupts, Output, OutputArg, write_json};
use crate::ingest::{self, LoadParams, Mapping, RejectClass, Validated};

/// Check files as a load would, without a store
#[derive(clap::Args)]
#[command(after_help = "\
Refused rows go to the folder of --rejects with the reason beside them, as those of a load do, and
the exit code is the one that the load would give.

Example:
  predilect validate --items items.jsonl --events events.csv --max-errors 10 --output json")]
pub(super) struct Args {
    /// Files of items and articles, as JSON lines
    #[arg(long, num_args = 1.., value_name = "FILE", required_unless_present = "events")]
    items: Vec<PathBuf>,
    /// Files of events
    #[arg(long, num_args = 1.., value_name = "FILE")]
    events: Vec<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
    /// How the columns of event files are called
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// Schema to check against, in place of the shipped one
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// How many rows may be refused
    #[arg(long, default_value_t = 100, value_name = "N")]
    max_errors: u64,
    /// How many rows of a class may be refused: syntax, field, duplicate; may be given again
    #[arg(long, value_name = "CLASS=N", value_parser = parse_class)]
    max_errors_of: Vec<(RejectClass, u64)>,
    /// Threads that check rows, in place of one per core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    jobs: Option<u16>,
    /// Memory to sort in, such as 512MB
    #[arg(long, default_value = "1GB", value_name = "BYTES", value_parser = parse_bytes)]
    max_memory: usize,
    /// Folder for refused rows
    #[arg(long, default_value = "validate.rejects", value_name = "DIR")]
    rejects: PathBuf,
    #[command(flatten)]
    output: OutputArg,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
        let params = LoadParams {
            items: ingest::expand(&self.items)?,
            events: ingest::expand(&self.events)?,
            input: self.input.params(),
            mapping: self.mapping.as_deref().map(Mapping::read).transpose()?.unwrap_or_default(),
            max_errors: self.max_errors,
            max_errors_of: self.max_errors_of.iter().copied().collect(),
            rejects: self.rejects.clone(),
            max_memory: self.max_memory,
            jobs: self.jobs.map_or(LoadParams::default().jobs, usize::from),
            interrupted: interrupts(),
            ..LoadParams::default()
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
