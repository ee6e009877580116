//! Merges, and entities that may be one.

use super::{there, time_of, time_to};
use crate::event::NodeKey;
use crate::link::{Duplicates, Pair, Rule, Side};
use crate::rpc::{RpcError, proto};
use crate::schema::NodeKind;
use crate::store::Merge;

/// A record of a merge.
pub(in crate::rpc) fn merge_to(merge: Merge) -> proto::Merge {
    let Merge { entity, into, at, by, reason } = merge;
    proto::Merge { entity: entity.name, into: into.name, at: Some(time_to(at)), by, reason }
}

/// A record of a merge.
pub(in crate::rpc) fn merge_from(merge: proto::Merge) -> Result<Merge, RpcError> {
    let proto::Merge { entity, into, at, by, reason } = merge;
    let key = |name| NodeKey { kind: NodeKind::Entity, name };
    let at = time_of(at, "merge.at")?;
    Ok(Merge { entity: key(entity), into: key(into), at, by, reason })
}

/// Pairs and merges.
pub(in crate::rpc) fn duplicates_to(found: Duplicates) -> proto::FindDuplicatesResponse {
    let Duplicates { pairs, capped, merged } = found;
    proto::FindDuplicatesResponse {
        pairs: pairs.into_iter().map(pair_to).collect(),
        capped,
        merged: merged.into_iter().map(merge_to).collect(),
    }
}

/// Pairs and merges.
pub(in crate::rpc) fn duplicates_from(
    answer: proto::FindDuplicatesResponse,
) -> Result<Duplicates, RpcError> {
    let proto::FindDuplicatesResponse { pairs, capped, merged } = answer;
    Ok(Duplicates {
        pairs: pairs.into_iter().map(pair_from).collect::<Result<_, _>>()?,
        capped,
        merged: merged.into_iter().map(merge_from).collect::<Result<_, _>>()?,
    })
}

fn pair_to(pair: Pair) -> proto::DuplicatePair {
    let Pair { entity_type, into, entity, score, rule, value } = pair;
    let rule = match rule {
        Rule::SameSpelling => proto::DuplicateRule::SameSpelling,
        Rule::OneLetter => proto::DuplicateRule::OneLetter,
        Rule::Words => proto::DuplicateRule::Words,
        Rule::Encoding => proto::DuplicateRule::Encoding,
    };
    let (into, entity) = (Some(side_to(into)), Some(side_to(entity)));
    proto::DuplicatePair { entity_type, into, entity, score, rule: rule.into(), value }
}

fn pair_from(pair: proto::DuplicatePair) -> Result<Pair, RpcError> {
    let proto::DuplicatePair { entity_type, into, entity, score, rule, value } = pair;
    let rule = match proto::DuplicateRule::try_from(rule) {
        Ok(proto::DuplicateRule::SameSpelling) => Rule::SameSpelling,
        Ok(proto::DuplicateRule::OneLetter) => Rule::OneLetter,
        Ok(proto::DuplicateRule::Words) => Rule::Words,
        Ok(proto::DuplicateRule::Encoding) => Rule::Encoding,
        Ok(proto::DuplicateRule::Unspecified) | Err(_) => {
            return Err(RpcError::Answer { field: "pair.rule", found: rule.to_string() });
        }
    };
    let into = side_from(there(into, "pair.into")?);
    let entity = side_from(there(entity, "pair.entity")?);
    Ok(Pair { entity_type, into, entity, score, rule, value })
}

fn side_to(side: Side) -> proto::DuplicateSide {
    let Side { entity, mentions, discovered } = side;
    proto::DuplicateSide { entity, mentions, discovered }
}

fn side_from(side: proto::DuplicateSide) -> Side {
    let proto::DuplicateSide { entity, mentions, discovered } = side;
    Side { entity, mentions, discovered }
}
