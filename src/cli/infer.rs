//! `predilect infer`: guesses a mapping for a file of events.

use std::io::Write;
use std::path::PathBuf;

use super::{ExitCode, load};
use crate::ingest;
use crate::schema::Schema;

/// Guess how the columns of a file of events are to be read, as a mapping to be checked and edited
#[derive(clap::Args)]
#[command(after_help = "\
Without a column for the user, the target or the time, the mapping has to be completed before it is
used, and the exit code is 1.

Example:
  predilect infer ratings.csv > ratings.toml
  predilect validate --events ratings.csv --mapping ratings.toml")]
pub(super) struct Args {
    /// The file: .csv .tsv .jsonl .ndjson, each also .gz or .zst, or .parquet
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Schema whose actions are known, in place of the shipped one
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let schema = load::schema(self.schema.as_deref())?;
        let schema = Schema::parse(schema.as_deref().unwrap_or(crate::schema::DEFAULT))?;
        let inferred = ingest::infer(&self.file, &schema)?;
        out.write_all(inferred.text.as_bytes())?;
        out.flush()?;
        anyhow::ensure!(
            inferred.missing.is_empty(),
            "no column was found for {}; complete the mapping before it is used",
            inferred.missing.join(", ")
        );
        Ok(ExitCode::Done)
    }
}
