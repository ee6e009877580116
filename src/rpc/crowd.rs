//! The calls of `RecommendService` that are about candidates and about everybody.

use super::convert::{audience_to, basket_rule_to, placed_to, time_to, together_to, trend_to};
use super::proto;
use super::recommend::PAGE;
use super::request::{at_most, count, key, kind, moment, node, page, time_of_graph, token_of};
use super::status::Refusal;
use crate::engine::{Baskets, Engine};
use crate::event::{MAX_NAME_BYTES, NodeKey};
use crate::recommend::{BasketRuleParams, Placed, Recommendation};
use crate::schema::{DAY_MS, NodeKind};

/// The most candidates of a call.
const MAX_CANDIDATES: usize = 1_000;
/// The most items that something is to go with.
const MAX_ITEMS: usize = 20;
/// The users that a rule needs, unless the call says otherwise.
const MIN_USERS: usize = 2;
/// The days of a window, unless the call says otherwise.
const WINDOW_DAYS: f64 = 7.0;

fn nodes(found: Vec<proto::NodeRef>, max: usize, field: &str) -> Result<Vec<NodeKey>, Refusal> {
    count(found.len(), max, field)?;
    let one = |(place, found)| node(Some(found), &format!("{field}[{place}]"));
    found.into_iter().enumerate().map(one).collect()
}

pub(super) fn rank(
    engine: &Engine,
    query: proto::RankRequest,
) -> Result<proto::RankResponse, Refusal> {
    let proto::RankRequest { user, candidates, method, read } = query;
    let user = key(NodeKind::User, user, "user")?;
    let candidates = nodes(candidates, MAX_CANDIDATES, "candidates")?;
    at_most(&method, MAX_NAME_BYTES, "method")?;
    let moment = moment(engine, read)?;
    let (snapshot, ranked, missing_ids) = engine.rank(&user, &moment, &method, &candidates)?;
    let result = |recommendation: Recommendation| {
        let kind = snapshot.names().kind(recommendation.node);
        placed_to(kind, Placed::certain(recommendation))
    };
    Ok(proto::RankResponse {
        results: ranked.into_iter().map(result).collect(),
        missing_ids,
        read_at: token_of(snapshot.sequence),
        as_of: Some(time_to(snapshot.as_of)),
    })
}

pub(super) fn frequently_with(
    engine: &Engine,
    query: proto::FrequentlyWithRequest,
) -> Result<proto::FrequentlyWithResponse, Refusal> {
    let proto::FrequentlyWithRequest { items, min_users, page_size, read } = query;
    let items = nodes(items, MAX_ITEMS, "items")?;
    let k = page(page_size, PAGE)?;
    let min_users = if min_users == 0 { MIN_USERS } else { min_users as usize };
    let as_of = time_of_graph(engine, read)?;
    let (snapshot, found, missing_ids) = engine.frequently_with(&items, as_of, min_users, k)?;
    Ok(proto::FrequentlyWithResponse {
        results: found.into_iter().map(together_to).collect(),
        missing_ids,
        read_at: token_of(snapshot.sequence),
    })
}

pub(super) fn list_basket_rules(
    engine: &Engine,
    query: proto::ListBasketRulesRequest,
) -> Result<proto::ListBasketRulesResponse, Refusal> {
    let baskets = match &query.session_gap {
        None => Baskets::Users,
        Some(gap) => {
            let gap_ms = gap.seconds.saturating_mul(1_000) + i64::from(gap.nanos) / 1_000_000;
            if !(60_000..=365 * DAY_MS).contains(&gap_ms) {
                let message = format!("is {gap_ms} ms; give 1 minute to 365 days");
                return Err(Refusal::field("session_gap", "BAD_WINDOW", message));
            }
            Baskets::Sittings { gap_ms }
        }
    };
    let usual = BasketRuleParams::default();
    let params = BasketRuleParams {
        min_support: query.min_support.unwrap_or(usual.min_support),
        min_confidence: query.min_confidence.unwrap_or(usual.min_confidence),
        min_lift: query.min_lift.unwrap_or(usual.min_lift),
        max_items: match query.max_items {
            0 => usual.max_items,
            found => found as usize,
        },
        k: page(query.page_size, usual.k)?,
    };
    let as_of = time_of_graph(engine, query.read)?;
    let (snapshot, found) = engine.basket_rules(baskets, as_of, &params)?;
    Ok(proto::ListBasketRulesResponse {
        rules: found.rules.into_iter().map(basket_rule_to).collect(),
        baskets: found.baskets as u64,
        found: found.found as u64,
        read_at: token_of(snapshot.sequence),
    })
}

pub(super) fn trending(
    engine: &Engine,
    query: proto::TrendingRequest,
) -> Result<proto::TrendingResponse, Refusal> {
    let proto::TrendingRequest { window, kind: wanted, page_size, read } = query;
    let days = window.map_or(WINDOW_DAYS, |window| {
        (window.seconds as f64 + f64::from(window.nanos) / 1e9) / 86_400.0
    });
    if !(1.0 / 24.0..=3_650.0).contains(&days) {
        let message = format!("is {days} days; give 1 hour to 3650 days");
        return Err(Refusal::field("window", "BAD_WINDOW", message));
    }
    let wanted = if wanted == 0 { NodeKind::Item } else { kind(wanted, "kind")? };
    let k = page(page_size, PAGE)?;
    let as_of = time_of_graph(engine, read)?;
    let (snapshot, found) = engine.trending(wanted, as_of, days, k)?;
    Ok(proto::TrendingResponse {
        results: found.into_iter().map(trend_to).collect(),
        read_at: token_of(snapshot.sequence),
        as_of: Some(time_to(snapshot.clock)),
    })
}

pub(super) fn find_audience(
    engine: &Engine,
    query: proto::FindAudienceRequest,
) -> Result<proto::FindAudienceResponse, Refusal> {
    let proto::FindAudienceRequest { node: wanted, filter, page_size, read } = query;
    let wanted = node(wanted, "node")?;
    if wanted.kind == NodeKind::User {
        let message = "is a user; give an entity, a concept, an item or a content";
        return Err(Refusal::field("node.kind", "BAD_KIND", message));
    }
    let k = page(page_size, PAGE)?;
    let as_of = time_of_graph(engine, read)?;
    let (snapshot, found) = engine.audience(&wanted, &filter, as_of, k)?;
    let reach = found.reach as u64;
    Ok(proto::FindAudienceResponse {
        members: found.members.into_iter().map(audience_to).collect(),
        reach,
        read_at: token_of(snapshot.sequence),
    })
}
