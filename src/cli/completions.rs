//! `predilect completions`: a script that completes commands in a shell.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, ExitCode};

/// Print a script that completes commands in a shell
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  predilect completions bash > /etc/bash_completion.d/predilect")]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Args {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        // The generator ends the program when its writer fails, so it writes to memory.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "predilect", &mut script);
        out.write_all(&script)?;
        Ok(ExitCode::Done)
    }
}
