//! `predilect serve`: answers over gRPC.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use super::load::ExtractorArgs;
use super::progress::listen;
use super::{ExitCode, StoreArg, keep_snapshot, note};
use crate::engine::Engine;
use crate::rpc::{self, ServeParams};

/// Answer over gRPC until a signal ends it
#[derive(clap::Args)]
#[command(after_help = "\
PREDILECT_LOG says how much is told on stderr: error, warn, info, debug.

Example:
  predilect serve --store graph --listen 127.0.0.1:7433
  grpcurl -plaintext 127.0.0.1:7433 list")]
pub(super) struct Args {
    #[command(flatten)]
    store: StoreArg,
    /// Address and port; port 0 takes a free one, and stderr tells which
    #[arg(long, default_value = "127.0.0.1:7433", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    #[command(flatten)]
    extractor: ExtractorArgs,
}

impl Args {
    pub fn run(&self, _out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        listen("warn");
        let extractor = self.extractor.build()?;
        let engine = Arc::new(Engine::open(&self.store.store, false, None, extractor)?);
        let params = ServeParams { listen: self.listen, ..ServeParams::default() };
        keep_snapshot(&engine);
        rpc::serve(Arc::clone(&engine), &params, &mut |at| note(&format!("listening on {at}")))?;
        keep_snapshot(&engine);
        Ok(ExitCode::Done)
    }
}
