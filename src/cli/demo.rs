//! `predilect demo`: the whole job on real data.

use std::io::Write;

use super::ExitCode;

/// See the whole job done on real data, in under a minute
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect demo")]
pub(super) struct Args {}

impl Args {
    pub fn run(&self, _out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        Ok(ExitCode::Done)
    }
}
