//! The client's side of recommendations that are shown, and of what follows from many people's baskets.

use super::RpcError;
use super::client::{Client, MAX_ANSWER_BYTES};
use super::convert::{effect_from, moment_to, placed_from, serve_request_to};
use super::proto;
use super::proto::recommend_service_client::RecommendServiceClient;
use crate::engine::{Moment, ServeRequest};
use crate::recommend::{Effect, Placed};

/// What a server says to show.
#[derive(Clone, Debug, PartialEq)]
pub struct ServedAnswer {
    /// In the order to be shown.
    pub results: Vec<Placed>,
    /// What rules did.
    pub effects: Vec<Effect>,
    /// Names the answer in the server's log; empty for a preview.
    pub recommendation_id: String,
    /// The recommender.
    pub method: String,
    /// Who chose for places that explore.
    pub policy: String,
    /// The user's arm.
    pub arm: String,
}

impl Client {
    /// What to show a user, under rules: as [`crate::engine::Engine::serve`], at most 1,000.
    ///
    /// # Errors
    /// [`RpcError::Refused`], [`RpcError::Answer`].
    pub fn serve(
        &self,
        user: &str,
        moment: &Moment,
        request: &ServeRequest,
    ) -> Result<ServedAnswer, RpcError> {
        let request = serve_request_to(user, request, moment_to(moment, &self.token));
        let proto::RecommendResponse {
            results,
            recommendation_id,
            method,
            policy,
            arm,
            effects,
            ..
        } = self.wait(self.recommends().recommend(request))?;
        Ok(ServedAnswer {
            results: results.into_iter().map(placed_from).collect::<Result<_, _>>()?,
            effects: effects.into_iter().map(effect_from).collect(),
            recommendation_id,
            method,
            policy,
            arm,
        })
    }

    pub(super) fn recommends(&self) -> RecommendServiceClient<tonic::transport::Channel> {
        RecommendServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_ANSWER_BYTES)
    }
}
