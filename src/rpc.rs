//! Stands where the gRPC face will be: every call says that it is not built in.

use std::net::SocketAddr;
use std::sync::Arc;

use thiserror::Error;

use crate::engine::{Engine, Moment};
use crate::event::NodeKey;
use crate::interest::Interest;
use crate::recommend::{RecommendParams, Recommendation};
use crate::schema::Timestamp;
use crate::store::Stats;

/// Why a server could not answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RpcError {
    /// The face is not built in.
    #[error("this build has no gRPC face")]
    Missing,
}

/// How to serve.
#[derive(Clone, Debug)]
pub struct ServeParams {
    /// Where to listen.
    pub listen: SocketAddr,
}

impl Default for ServeParams {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 50051)) }
    }
}

/// Serves until a signal ends it.
///
/// # Errors
/// [`RpcError`].
pub fn serve(
    engine: Arc<Engine>,
    params: &ServeParams,
    ready: &mut dyn FnMut(SocketAddr),
) -> Result<(), RpcError> {
    let _ = (engine, params, ready);
    Err(RpcError::Missing)
}

/// Asks a server.
pub struct Client;

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// [`RpcError`].
    pub fn connect(_url: &str) -> Result<Self, RpcError> {
        Err(RpcError::Missing)
    }

    /// See [`Engine::interests`].
    ///
    /// # Errors
    /// [`RpcError`].
    pub fn interests(
        &self,
        _user: &NodeKey,
        _moment: &Moment,
        _types: Vec<String>,
        _k: usize,
    ) -> Result<(Timestamp, Vec<Interest>), RpcError> {
        Err(RpcError::Missing)
    }

    /// See [`Engine::recommend`].
    ///
    /// # Errors
    /// [`RpcError`].
    pub fn recommend(
        &self,
        _user: &NodeKey,
        _moment: &Moment,
        _params: &RecommendParams,
    ) -> Result<(Timestamp, Vec<Recommendation>), RpcError> {
        Err(RpcError::Missing)
    }

    /// See [`Engine::stats`].
    ///
    /// # Errors
    /// [`RpcError`].
    pub fn stats(&self) -> Result<Stats, RpcError> {
        Err(RpcError::Missing)
    }
}
