//! What goes together, what grows, and who would care.

use super::node_to;
use crate::recommend::{AudienceMember, AudiencePart, Named, Together, Trend, TrendCounts};
use crate::rpc::proto;

/// Something that goes with others.
pub(in crate::rpc) fn together_to(found: Together) -> proto::Together {
    let Together { item, with, users, of, support, confidence, lift, careful_lift } = found;
    let Named { kind, id, label } = item;
    proto::Together {
        node: Some(node_to(kind, &id)),
        label,
        with,
        users: users as u64,
        of: of as u64,
        support,
        confidence,
        lift,
        careful_lift,
    }
}

/// Something that grows.
pub(in crate::rpc) fn trend_to(found: Trend) -> proto::Trend {
    let Trend { node: Named { kind, id, label }, growth, counts } = found;
    let TrendCounts { events, events_before, recent, before } = counts;
    proto::Trend {
        node: Some(node_to(kind, &id)),
        label,
        growth,
        events: events as u64,
        events_before: events_before as u64,
        recent,
        before,
    }
}

/// A user who would care.
pub(in crate::rpc) fn audience_to(found: AudienceMember) -> proto::AudienceMember {
    let AudienceMember { user, strength, parts } = found;
    let part = |AudiencePart { target: Named { kind, id, label }, value }| proto::AudiencePart {
        node: Some(node_to(kind, &id)),
        label,
        value,
    };
    proto::AudienceMember { user, strength, parts: parts.into_iter().map(part).collect() }
}
