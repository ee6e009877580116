//! `predilect backup` and `predilect restore`: copies of a store that stand on their own.

use std::io::Write;
use std::path::PathBuf;

use super::{ExitCode, Output, OutputArg, StoreArg, write_json};
use crate::store::{self, BackupManifest, GraphStore};

/// Copy a store to a new folder, and read the copy back
#[derive(clap::Args)]
#[command(after_help = "\
The copy shares no file with the store, and its manifest.json holds a checksum of every file. A server
that has the store open must be stopped first.

Example:
  predilect backup --store graph --dest backups/2026-01-31")]
pub(super) struct BackupArgs {
    #[command(flatten)]
    store: StoreArg,
    /// Folder of the copy, which must not be there
    #[arg(long, value_name = "DIR")]
    dest: PathBuf,
    #[command(flatten)]
    output: OutputArg,
}

impl BackupArgs {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let store = GraphStore::open(&self.store.store, false, None)?;
        let manifest = store::backup(&store, &self.dest)?;
        tell(out, &self.output, &manifest, &format!("{}", self.dest.display()))
    }
}

/// Make a backup a store again, in a new folder
#[derive(clap::Args)]
#[command(after_help = "\
Every file is checked against the backup's manifest.json, and the graph against its content hash, before
the store gets its name. The backup stays as it is.

Example:
  predilect restore --backup backups/2026-01-31 --store graph-restored")]
pub(super) struct RestoreArgs {
    /// Folder that `predilect backup` wrote
    #[arg(long, value_name = "DIR")]
    backup: PathBuf,
    /// Folder of the store, which must not be there
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    #[command(flatten)]
    output: OutputArg,
}

impl RestoreArgs {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let manifest = store::restore(&self.backup, &self.store)?;
        tell(out, &self.output, &manifest, &format!("{}", self.store.display()))
    }
}

fn tell(
    out: &mut dyn Write,
    output: &OutputArg,
    manifest: &BackupManifest,
    dest: &str,
) -> anyhow::Result<ExitCode> {
    match output.output {
        Output::Json => write_json(out, manifest)?,
        Output::Text => {
            let BackupManifest { nodes, edges, events, content_hash, files, .. } = manifest;
            let (n, bytes) = (files.len(), manifest.bytes());
            writeln!(out, "{dest}: {nodes} nodes, {edges} edges, {events} events")?;
            writeln!(out, "{n} files, {bytes} bytes; content hash {content_hash}")?;
        }
    }
    Ok(ExitCode::Done)
}
