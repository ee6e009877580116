//! The gRPC face: one file per service of `proto/`, and a client that speaks to it.
//!
//! A call is checked field by field (`request`), goes through the one door to the blocking world
//! below (`door`), and its answer is translated by hand (`convert`). What goes wrong becomes a
//! status in one place (`status`).

mod admin;
mod client;
mod convert;
mod crowd;
mod door;
mod graph;
mod ingest;
mod interest;
mod recommend;
mod request;
mod send;
mod server;
mod serving;
mod status;

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

pub use client::{Client, DocumentsWritten, EventsWritten};
pub use send::Sender;
pub use server::{ServeParams, Stop, serve};
pub use serving::{ServedAnswer, SimilarNode};
pub use status::Refusal;

/// The messages, servers and clients made from `proto/`.
#[allow(missing_docs, rustdoc::all, clippy::all, clippy::pedantic)]
pub mod proto {
    tonic::include_proto!("predilect.v1");

    /// Every file of `proto/`, for reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/predilect.v1.bin"));
}

/// Why a server could not serve, or a client got no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RpcError {
    /// Threads or timers could not be had.
    #[error("cannot start the runtime: {source}")]
    Runtime {
        /// The system's answer.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}{}", bind_remedy(source))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// The server ended before it was told to.
    #[error("the server failed: {source}")]
    Serve {
        /// What the transport said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No address of a server.
    #[error("{url:?} is no address of a server: {reason}; give one like http://127.0.0.1:7433")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// Nobody answers there.
    #[error("no server answers at {url}: {reason}; start one with `predilect serve`")]
    Connect {
        /// The address.
        url: String,
        /// What the transport said.
        reason: String,
    },
    /// The server refused the call.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The server takes no more rows.
    #[error(
        "{items} items and {events} events were acknowledged, then: {source}; once the server \
         answers, run the same command again: what is sent again changes nothing twice"
    )]
    Unsent {
        /// Items that the server has.
        items: u64,
        /// Events that the server has.
        events: u64,
        /// Why it takes no more.
        source: Box<RpcError>,
    },
    /// The answer lacks what every answer has: the server is of another version.
    #[error("the answer's `{field}` is {found}; use a client and a server of one version")]
    Answer {
        /// The field.
        field: &'static str,
        /// What was there.
        found: String,
    },
}

fn bind_remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => "; stop who listens there, or choose another port",
        io::ErrorKind::PermissionDenied => "; choose a port from 1024 up",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
