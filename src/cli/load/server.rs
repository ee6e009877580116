//! `predilect load --server`: the same files to a server.

use std::io::Write;
use std::sync::Arc;

use super::{Args, name_rejects, tell_counts};
use crate::cli::progress::Told;
use crate::cli::{ExitCode, Output, note, write_json};
use crate::ingest::{self, IngestError, LoadParams};
use crate::rpc::{Client, Sender};

impl Args {
    /// Refuses what asks for a load by its id: a server keeps none.
    pub(super) fn is_without_id(&self) -> bool {
        let flag = match (&self.load_id, self.resume) {
            (Some(_), _) => "--load-id",
            (None, true) => "--resume",
            (None, false) => return true,
        };
        note(&format!(
            "error: {flag} is for --store, since a server keeps no ids of loads; leave it out and run \
             the same command again: what is sent again changes nothing twice"
        ));
        false
    }

    /// Sends the files to the server at `url`.
    pub(super) fn send(
        &self,
        url: &str,
        params: &LoadParams,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        params.check()?;
        let interrupted = Arc::clone(&params.interrupted);
        let mut sender = Sender::new(Client::connect(url)?, Arc::clone(&interrupted), note);
        let mut told = Told::new(interrupted);
        let report = ingest::send(params, &mut sender, &mut |at| told.step(at));
        told.clear();
        let report = match report {
            Err(IngestError::Interrupted) => {
                note(
                    "interrupted; what was acknowledged is on the server's disk, and the same \
                     command again sends the rest: what is sent again changes nothing twice",
                );
                return Ok(ExitCode::Interrupted);
            }
            report => report?,
        };
        name_rejects(&report.rejects)?;
        match self.output.output {
            Output::Json => write_json(out, &report)?,
            Output::Text => tell_counts(out, &report.items, &report.events)?,
        }
        let rejected = report.items.rejected + report.events.rejected;
        Ok(if rejected > 0 { ExitCode::Rejects } else { ExitCode::Done })
    }
}
