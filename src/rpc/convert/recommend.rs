//! Recommendations and their reasons.

use super::{contribution_from, contribution_to, key_from, node_to, there};
use crate::graph::NodeIndex;
use crate::recommend::{Because, Recommendation};
use crate::rpc::{RpcError, proto};
use crate::schema::NodeKind;

/// A recommended node of this kind.
pub(in crate::rpc) fn recommendation_to(
    kind: NodeKind,
    found: Recommendation,
) -> proto::Recommendation {
    let Recommendation { node: _, item, label, score, contributions, because } = found;
    proto::Recommendation {
        node: Some(node_to(kind, &item)),
        label,
        score,
        contributions: contributions.iter().map(contribution_to).collect(),
        because: because.into_iter().map(because_to).collect(),
    }
}

/// A recommended node; its place in a snapshot does not cross the wire.
pub(in crate::rpc) fn recommendation_from(
    found: proto::Recommendation,
) -> Result<Recommendation, RpcError> {
    let proto::Recommendation { node, label, score, contributions, because } = found;
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
