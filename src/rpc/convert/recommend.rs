//! Recommendations and their reasons.

use super::{
    contribution_from, contribution_to, key_from, key_to, kind_to, node_to, there, time_to,
};
use crate::engine::{ServeRequest, SessionEvent};
use crate::graph::NodeIndex;
use crate::recommend::{Arm, Because, Cap, Effect, Moved, Placed, Recommendation};
use crate::rpc::{RpcError, proto};
use crate::schema::NodeKind;

/// A recommended node of this kind.
pub(in crate::rpc) fn placed_to(kind: NodeKind, placed: Placed) -> proto::Recommendation {
    let Placed { recommendation, propensity, explored, instead_of: _, moved } = placed;
    let Recommendation { node: _, item, label, score, contributions, because } = recommendation;
    let moved_to =
        |Moved { rule, from, to }| proto::Moved { rule, from: from as u32, to: to as u32 };
    proto::Recommendation {
        node: Some(node_to(kind, &item)),
        label,
        score,
        contributions: contributions.iter().map(contribution_to).collect(),
        because: because.into_iter().map(because_to).collect(),
        propensity,
        explored,
        moved: moved.into_iter().map(moved_to).collect(),
    }
}

/// A recommended node; places in a snapshot do not cross the wire.
pub(in crate::rpc) fn placed_from(found: proto::Recommendation) -> Result<Placed, RpcError> {
    let proto::Recommendation { propensity, explored, moved, .. } = found;
    let moved_from = |proto::Moved { rule, from, to }: &proto::Moved| Moved {
        rule: rule.clone(),
        from: *from as usize,
        to: *to as usize,
    };
    let moved = moved.iter().map(moved_from).collect();
    let rest = proto::Recommendation { moved: Vec::new(), ..found };
    let recommendation = recommendation_from(rest)?;
    Ok(Placed { recommendation, propensity, explored, instead_of: None, moved })
}

/// A recommended node; its place in a snapshot does not cross the wire.
pub(in crate::rpc) fn recommendation_from(
    found: proto::Recommendation,
) -> Result<Recommendation, RpcError> {
    let proto::Recommendation { node, label, score, contributions, because, .. } = found;
    Ok(Recommendation {
        node: NodeIndex::end(),
        item: there(node, "result.node")?.id,
        label,
        score,
        contributions: contributions
            .into_iter()
            .map(contribution_from)
            .collect::<Result<_, _>>()?,
        because: because.into_iter().map(because_from).collect::<Result<_, _>>()?,
    })
}

/// What a rule did.
pub(in crate::rpc) fn effect_to(effect: Effect) -> proto::RuleEffect {
    let Effect { rule, ignored, dropped } = effect;
    proto::RuleEffect { rule, ignored: ignored as u64, dropped: dropped as u64 }
}

/// What a rule did.
pub(in crate::rpc) fn effect_from(effect: proto::RuleEffect) -> Effect {
    let proto::RuleEffect { rule, ignored, dropped } = effect;
    Effect { rule, ignored: ignored as usize, dropped: dropped as usize }
}

/// What a request asks for, as a message.
pub(in crate::rpc) fn serve_request_to(
    user: Option<&str>,
    request: &ServeRequest,
    read: proto::ReadOptions,
) -> proto::RecommendRequest {
    let ServeRequest { params, session, rules, experiment, request_id, preview, now: _ } =
        request.clone();
    let session_to = |SessionEvent { target, action, at }: SessionEvent| proto::SessionEvent {
        target: Some(key_to(&target)),
        action,
        event_time: at.map(time_to),
    };
    let arm_to = |Arm { name, share, method }| proto::Arm { name, share, method };
    proto::RecommendRequest {
        user: user.unwrap_or_default().to_owned(),
        page_size: i32::try_from(params.k).unwrap_or(i32::MAX),
        method: params.method,
        kinds: params.kinds.into_iter().map(kind_to).collect(),
        read: Some(read),
        filter: rules.filter,
        keep_seen: rules.keep_seen,
        diversity: rules.diversity,
        exploration: rules.exploration,
        exploration_policy: rules.policy.name().to_owned(),
        seed: rules.seed,
        request_id,
        cap: rules.cap.map(cap_to),
        source_domain: rules.source,
        target_domain: rules.target,
        preview,
        experiment: experiment.map(|(name, arms)| proto::Experiment {
            name,
            arms: arms.into_iter().map(arm_to).collect(),
        }),
        session: session.into_iter().map(session_to).collect(),
    }
}

/// A time in days.
pub(in crate::rpc) fn days_to(days: f64) -> prost_types::Duration {
    let seconds = days * 86_400.0;
    let nanos = ((seconds - seconds.floor()) * 1e9) as i32;
    prost_types::Duration { seconds: seconds.floor() as i64, nanos }
}

fn cap_to(cap: Cap) -> proto::FrequencyCap {
    let Cap { times, window_days } = cap;
    let window = Some(days_to(window_days));
    proto::FrequencyCap { times: u32::try_from(times).unwrap_or(u32::MAX), window }
}

fn because_to(because: Because) -> proto::Because {
    let Because { target, target_kind, label, users, shared } = because;
    let target = Some(node_to(target_kind, &target));
    proto::Because { target, label, users: users as u64, shared }
}

fn because_from(because: proto::Because) -> Result<Because, RpcError> {
    let proto::Because { target, label, users, shared } = because;
    let target = key_from(target, "because.target")?;
    Ok(Because {
        target: target.name,
        target_kind: target.kind,
        label,
        users: users as usize,
        shared,
    })
}
