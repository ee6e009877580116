//! What goes together, what grows, and who would care.

use super::{key_from, node_to, there};
use crate::recommend::{
    Audience, AudienceMember, AudiencePart, BasketRule, Named, Together, Trend, TrendCounts,
};
use crate::rpc::{RpcError, proto};

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

fn named_from(
    node: Option<proto::NodeRef>,
    label: String,
    field: &'static str,
) -> Result<Named, RpcError> {
    let key = key_from(node, field)?;
    Ok(Named { kind: key.kind, id: key.name, label })
}

/// Something that goes with others.
pub(in crate::rpc) fn together_from(found: proto::Together) -> Result<Together, RpcError> {
    let proto::Together { node, label, with, users, of, support, confidence, lift, careful_lift } =
        found;
    Ok(Together {
        item: named_from(node, label, "result.node")?,
        with,
        users: users as usize,
        of: of as usize,
        support,
        confidence,
        lift,
        careful_lift,
    })
}

fn named_node_to(Named { kind, id, label }: Named) -> proto::NamedNode {
    proto::NamedNode { node: Some(node_to(kind, &id)), label }
}

/// That something follows from something.
pub(in crate::rpc) fn basket_rule_to(rule: BasketRule) -> proto::BasketRule {
    let BasketRule { antecedent, consequent, count, of, support, confidence, lift, careful_lift } =
        rule;
    proto::BasketRule {
        antecedent: antecedent.into_iter().map(named_node_to).collect(),
        consequent: Some(named_node_to(consequent)),
        count: count as u64,
        of: of as u64,
        support,
        confidence,
        lift,
        careful_lift,
    }
}

/// That something follows from something.
pub(in crate::rpc) fn basket_rule_from(rule: proto::BasketRule) -> Result<BasketRule, RpcError> {
    let named = |proto::NamedNode { node, label }| named_from(node, label, "rule.node");
    Ok(BasketRule {
        antecedent: rule.antecedent.into_iter().map(named).collect::<Result<_, _>>()?,
        consequent: named(there(rule.consequent, "rule.consequent")?)?,
        count: rule.count as usize,
        of: rule.of as usize,
        support: rule.support,
        confidence: rule.confidence,
        lift: rule.lift,
        careful_lift: rule.careful_lift,
    })
}

/// Something that grows.
pub(in crate::rpc) fn trend_from(found: proto::Trend) -> Result<Trend, RpcError> {
    let proto::Trend { node, label, growth, events, events_before, recent, before } = found;
    let (events, events_before) = (events as usize, events_before as usize);
    let counts = TrendCounts { events, events_before, recent, before };
    Ok(Trend { node: named_from(node, label, "result.node")?, growth, counts })
}

/// Users who would care.
pub(in crate::rpc) fn audience_from(
    found: proto::FindAudienceResponse,
) -> Result<Audience, RpcError> {
    let part = |proto::AudiencePart { node, label, value }| {
        Ok(AudiencePart { target: named_from(node, label, "part.node")?, value })
    };
    let member = |proto::AudienceMember { user, strength, parts }| {
        let parts = parts.into_iter().map(part).collect::<Result<_, RpcError>>()?;
        Ok(AudienceMember { user, strength, parts })
    };
    let members = found.members.into_iter().map(member).collect::<Result<_, RpcError>>()?;
    Ok(Audience { reach: found.reach as usize, members })
}
