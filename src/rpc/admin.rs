//! `AdminService`: what the server holds, and what it is to forget.

use tonic::{Request, Response, Status, async_trait};

use super::convert::{erased_to, stats_to};
use super::door::Door;
use super::proto;
use super::proto::admin_service_server::AdminService;
use super::request::{key, token_of};
use super::status::Refusal;
use crate::engine::Engine;
use crate::schema::NodeKind;

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

    async fn erase_user(
        &self,
        request: Request<proto::EraseUserRequest>,
    ) -> Result<Response<proto::EraseUserResponse>, Status> {
        self.0.call(request, |engine, query, _| erase_user(engine, query)).await
    }
}

fn get_stats(engine: &Engine) -> Result<proto::GetStatsResponse, Refusal> {
    let stats = engine.stats()?;
    let read_at = token_of(stats.sequence.min(engine.snapshot().sequence));
    let backlog = engine.backlog()?;
    Ok(stats_to(stats, backlog, read_at))
}

fn erase_user(
    engine: &Engine,
    query: proto::EraseUserRequest,
) -> Result<proto::EraseUserResponse, Refusal> {
    let user = key(NodeKind::User, query.user, "user")?;
    let erased =
        if query.force { engine.erase_user(&user)? } else { engine.count_of_user(&user)? };
    Ok(erased_to(erased))
}
