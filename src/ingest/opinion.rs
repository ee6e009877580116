//! What a review says becomes signed evidence. Pure: what the graph holds already is an argument.
//!
//! An opinion is a relation that the extractor found from an aspect to the words that judge it. It
//! becomes two pieces of evidence: from the user to the aspect, for or against it, fading as the
//! action of the schema does, and from the item to the aspect. Both stand at the review's own time,
//! carry the spans, and go when the review goes.

use std::collections::BTreeMap;

use super::mutations::replacing;
use crate::event::{EventError, NodeKey};
use crate::extract::RelationMention;
use crate::link::Linked;
use crate::schema::{NodeKind, Schema};
use crate::store::{Evidence, EvidenceId, ExtractionState, Fact, Mutation, Phrase};

/// What an extractor found in a review becomes evidence.
///
/// # Arguments
/// * `review`: the event's own fact.
/// * `mentions`, `relations`: of the event's text; relations number the mentions.
/// * `state`: what they were made from.
/// * `known`: the facts of opinions that the graph holds of the review now.
///
/// # Returns
/// Evidence that is no longer said is taken back. Relations of no polarity of the schema, aspects of
/// another type or without an entity, and opinions below `extract.min_confidence` are left out.
///
/// # Errors
/// [`EventError`] when an aspect names an entity by a name that is none.
pub fn of_opinions(
    schema: &Schema,
    review: &Fact,
    (mentions, relations): (&[Linked], &[RelationMention]),
    state: ExtractionState,
    known: &[Fact],
) -> Result<Vec<Mutation>, EventError> {
    let mut said: BTreeMap<EvidenceId, [Fact; 2]> = BTreeMap::new();
    let mut surest: BTreeMap<EvidenceId, f32> = BTreeMap::new();
    for relation in relations {
        let Some(facts) = opinion(schema, review, mentions, relation)? else { continue };
        let id = facts[0].evidence.id();
        // Of two polarities of one pair of phrases the surer counts.
        if surest.get(&id).is_none_or(|best| relation.confidence > *best) {
            surest.insert(id, relation.confidence);
            said.insert(id, facts);
        }
    }
    let said = said.into_values().flatten().collect();
    let mut mutations: Vec<_> = replacing(known.iter(), said).collect();
    mutations.push(Mutation::Read(review.evidence.id(), state));
    Ok(mutations)
}

/// The two facts of an opinion, or `None` when it is no opinion of a review.
fn opinion(
    schema: &Schema,
    review: &Fact,
    mentions: &[Linked],
    relation: &RelationMention,
) -> Result<Option<[Fact; 2]>, EventError> {
    let (Some(rules), Evidence::Event { event_id, .. }) = (&schema.reviews, &review.evidence)
    else {
        return Ok(None);
    };
    let (Some(head), Some(tail)) = (mentions.get(relation.head), mentions.get(relation.tail))
    else {
        return Ok(None);
    };
    let sure = relation.confidence >= schema.extract.min_confidence;
    let fits = head.mention.entity_type == rules.entity_type;
    let (Some(polarity), Some(aspect), true) =
        (rules.polarity.get(&relation.relation), &head.mention.entity, sure && fits)
    else {
        return Ok(None);
    };
    let confidence = relation.confidence.clamp(0.0, 1.0);
    let action = schema.relation(rules.action);
    let value = polarity * f64::from(confidence);
    // The schema was refused if the action's scale were not -1 to 1.
    let strength = action.and_then(|action| action.strength(Some(value)).ok()).unwrap_or(0.0);
    let target = NodeKey::new(NodeKind::Entity, aspect.as_str())?;
    let fact = |source: &NodeKey, relation_id, strength| Fact {
        source: source.clone(),
        relation: relation_id,
        target: target.clone(),
        at: review.at,
        evidence: Evidence::Opinion {
            event_id: event_id.clone(),
            strength,
            polarity: relation.relation.clone(),
            confidence,
            aspect: phrase(head),
            opinion: phrase(tail),
        },
    };
    Ok(Some([
        fact(&review.source, rules.action, strength),
        fact(&review.target, rules.relation, f64::from(confidence)),
    ]))
}

fn phrase(linked: &Linked) -> Phrase {
    let span = linked.mention.span;
    Phrase {
        bytes: (span.byte_start, span.byte_end),
        chars: (span.char_start, span.char_end),
        surface: linked.mention.surface.clone(),
    }
}
