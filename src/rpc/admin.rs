//! `AdminService`: what the server holds.

use tonic::{Request, Response, Status, async_trait};

use super::convert::stats_to;
use super::door::Door;
use super::proto;
use super::proto::admin_service_server::AdminService;
use super::request::token_of;
use super::status::Refusal;
use crate::engine::Engine;

/// Answers through the door.
pub(super) struct Admin(pub Door);

#[async_trait]
impl AdminService for Admin {
    async fn get_stats(
        &self,
        request: Request<proto::GetStatsRequest>,
    ) -> Result<Response<proto::GetStatsResponse>, Status> {
        self.0.call(request, |engine, _, _| get_stats(engine)).await
    }
}

fn get_stats(engine: &Engine) -> Result<proto::GetStatsResponse, Refusal> {
    let stats = engine.stats()?;
    let read_at = token_of(stats.sequence.min(engine.snapshot().sequence));
    let backlog = engine.backlog()?;
    Ok(stats_to(stats, backlog, read_at))
}
