//! Interests and why.

use super::{
    contribution_from, contribution_to, key_from, key_to, node_to, there, time_of, time_to,
};
use crate::engine::Moment;
use crate::explain::TextSpan;
use crate::extract::Span;
use crate::graph::NodeIndex;
use crate::interest::{Explanation, Interest, Reason, Stage};
use crate::rpc::{RpcError, proto};
use crate::schema::NodeKind;

/// What a question is about, fresh enough to have all that `token` stands for.
pub(in crate::rpc) fn moment_to(moment: &Moment, token: &str) -> proto::ReadOptions {
    proto::ReadOptions {
        at_least_as_fresh: token.to_owned(),
        as_of: moment.as_of.map(time_to),
        masked_event_ids: moment.masked.iter().cloned().collect(),
    }
}

/// An interest, with its contributions when `full`.
pub(in crate::rpc) fn interest_to(interest: &Interest, full: bool) -> proto::Interest {
    let contributions: &[Reason] = if full { &interest.contributions } else { &[] };
    proto::Interest {
        entity: Some(node_to(NodeKind::Entity, &interest.entity)),
        label: interest.label.clone(),
        entity_type: interest.entity_type.clone(),
        score: interest.score,
        strength: interest.strength,
        share: interest.share,
        short_share: interest.short_share,
        background: interest.background,
        lift: interest.lift,
        trend: interest.trend,
        stage: stage_to(interest.stage).into(),
        first_seen: Some(time_to(interest.since)),
        last_seen: Some(time_to(interest.last_seen)),
        support_events: interest.support as u64,
        contributions: contributions.iter().map(reason_to).collect(),
    }
}

/// An interest; its place in a snapshot does not cross the wire.
pub(in crate::rpc) fn interest_from(interest: proto::Interest) -> Result<Interest, RpcError> {
    let reasons = interest.contributions.into_iter().map(reason_from);
    Ok(Interest {
        node: NodeIndex::end(),
        entity: there(interest.entity, "interest.entity")?.id,
        label: interest.label,
        entity_type: interest.entity_type,
        score: interest.score,
        strength: interest.strength,
        share: interest.share,
        short_share: interest.short_share,
        background: interest.background,
        lift: interest.lift,
        trend: interest.trend,
        stage: stage_from(interest.stage)?,
        since: time_of(interest.first_seen, "interest.first_seen")?,
        last_seen: time_of(interest.last_seen, "interest.last_seen")?,
        support: interest.support_events as usize,
        contributions: reasons.collect::<Result<_, _>>()?,
    })
}

fn stage_to(stage: Stage) -> proto::Stage {
    match stage {
        Stage::New => proto::Stage::New,
        Stage::Rising => proto::Stage::Rising,
        Stage::Steady => proto::Stage::Steady,
        Stage::Fading => proto::Stage::Fading,
        Stage::Dormant => proto::Stage::Dormant,
    }
}

fn stage_from(number: i32) -> Result<Stage, RpcError> {
    match proto::Stage::try_from(number) {
        Ok(proto::Stage::New) => Ok(Stage::New),
        Ok(proto::Stage::Rising) => Ok(Stage::Rising),
        Ok(proto::Stage::Steady) => Ok(Stage::Steady),
        Ok(proto::Stage::Fading) => Ok(Stage::Fading),
        Ok(proto::Stage::Dormant) => Ok(Stage::Dormant),
        Ok(proto::Stage::Unspecified) | Err(_) => {
            Err(RpcError::Answer { field: "interest.stage", found: number.to_string() })
        }
    }
}

fn reason_to(reason: &Reason) -> proto::Reason {
    proto::Reason {
        contribution: Some(contribution_to(&reason.contribution)),
        strength: reason.strength,
        relation: reason.relation.clone().unwrap_or_default(),
    }
}

fn reason_from(reason: proto::Reason) -> Result<Reason, RpcError> {
    let proto::Reason { contribution, strength, relation } = reason;
    let contribution = contribution_from(there(contribution, "reason.contribution")?)?;
    let relation = Some(relation).filter(|relation| !relation.is_empty());
    Ok(Reason { contribution, strength, relation })
}

/// An interest in full, with its spans; tokens are left to the caller.
pub(in crate::rpc) fn explanation_to(explanation: Explanation) -> proto::ExplainInterestResponse {
    let Explanation { interest, evidence, evidence_capped } = explanation;
    proto::ExplainInterestResponse {
        interest: Some(interest_to(&interest, true)),
        evidence: evidence.into_iter().map(span_to).collect(),
        evidence_capped,
        read_at: String::new(),
        as_of: None,
    }
}

/// An interest in full, with its spans.
pub(in crate::rpc) fn explanation_from(
    answer: proto::ExplainInterestResponse,
) -> Result<Explanation, RpcError> {
    let spans = answer.evidence.into_iter().map(span_from);
    Ok(Explanation {
        interest: interest_from(there(answer.interest, "interest")?)?,
        evidence: spans.collect::<Result<_, _>>()?,
        evidence_capped: answer.evidence_capped,
    })
}

fn span_to(found: TextSpan) -> proto::TextSpan {
    let TextSpan { document, field, span, surface, confidence, method, event_id } = found;
    proto::TextSpan {
        doc: Some(key_to(&document)),
        field,
        byte_start: span.byte_start,
        byte_end: span.byte_end,
        char_start: span.char_start,
        char_end: span.char_end,
        surface,
        confidence,
        method,
        event_id: event_id.unwrap_or_default(),
    }
}

fn span_from(found: proto::TextSpan) -> Result<TextSpan, RpcError> {
    let proto::TextSpan { byte_start, byte_end, char_start, char_end, .. } = found;
    Ok(TextSpan {
        document: key_from(found.doc, "evidence.doc")?,
        field: found.field,
        span: Span { byte_start, byte_end, char_start, char_end },
        surface: found.surface,
        confidence: found.confidence,
        method: found.method,
        event_id: Some(found.event_id).filter(|id| !id.is_empty()),
    })
}
