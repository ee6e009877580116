//! `InterestService`: what users care about, and why.

use tonic::{Request, Response, Status, async_trait};

use super::convert::{explanation_to, interest_to, time_to};
use super::door::Door;
use super::proto::interest_service_server::InterestService;
use super::proto::{self, InterestView};
use super::request::{
    self, arguments, bad_page_token, key, moment, page, page_token, position, token_of,
};
use super::status::Refusal;
use crate::engine::Engine;
use crate::schema::NodeKind;

/// The interests of a page, unless the call says otherwise.
const PAGE: usize = 10;

/// Answers through the door.
pub(super) struct Interests(pub Door);

#[async_trait]
impl InterestService for Interests {
    async fn get_interests(
        &self,
        request: Request<proto::GetInterestsRequest>,
    ) -> Result<Response<proto::GetInterestsResponse>, Status> {
        self.0.call(request, |engine, query, _| get_interests(engine, query)).await
    }

    async fn explain_interest(
        &self,
        request: Request<proto::ExplainInterestRequest>,
    ) -> Result<Response<proto::ExplainInterestResponse>, Status> {
        self.0.call(request, |engine, query, _| explain_interest(engine, query)).await
    }
}

fn get_interests(
    engine: &Engine,
    mut query: proto::GetInterestsRequest,
) -> Result<proto::GetInterestsResponse, Refusal> {
    let size = page(std::mem::take(&mut query.page_size), PAGE)?;
    let token = std::mem::take(&mut query.page_token);
    let arguments = arguments("GetInterests", &query);
    let proto::GetInterestsRequest { user, entity_types, view, read, .. } = query;
    let user = key(NodeKind::User, user, "user")?;
    request::entity_types(&entity_types)?;
    let view = InterestView::try_from(view).map_err(|_| {
        Refusal::field("view", "BAD_VIEW", format!("is {view}; give one of BASIC, FULL"))
    })?;
    let start = match position(&token, &arguments)? {
        None => 0,
        Some(start) => usize::from_str_radix(&start, 16).map_err(|_| bad_page_token())?,
    };
    let moment = moment(engine, read)?;
    let end = start.saturating_add(size);
    // One more than asked for tells whether there is a next page.
    let k = end.saturating_add(1);
    let (snapshot, interests) = engine.interests(&user, &moment, entity_types, k)?;
    let more = interests.len() > end;
    let found = interests.iter().skip(start).take(size);
    Ok(proto::GetInterestsResponse {
        interests: found.map(|found| interest_to(found, view == InterestView::Full)).collect(),
        next_page_token: if more {
            page_token(&format!("{end:x}"), &arguments)
        } else {
            String::new()
        },
        read_at: token_of(snapshot.sequence),
        as_of: Some(time_to(snapshot.as_of)),
    })
}

fn explain_interest(
    engine: &Engine,
    query: proto::ExplainInterestRequest,
) -> Result<proto::ExplainInterestResponse, Refusal> {
    let proto::ExplainInterestRequest { user, entity, read } = query;
    let user = key(NodeKind::User, user, "user")?;
    let entity = key(NodeKind::Entity, entity, "entity")?;
    let moment = moment(engine, read)?;
    let (snapshot, explanation) = engine.explain_interest(&user, &entity, &moment)?;
    Ok(proto::ExplainInterestResponse {
        read_at: token_of(snapshot.sequence),
        as_of: Some(time_to(snapshot.as_of)),
        ..explanation_to(explanation)
    })
}
