//! What arrives becomes changes of the graph. Pure: what the graph holds already is an argument.

use crate::event::{Document, Event, EventError, NodeKey, Value, entity_name};
use crate::link::Linked;
use crate::schema::{NodeKind, Schema, Timestamp};
use crate::store::{Evidence, ExtractionState, Fact, Mutation};

/// An event becomes the evidence of one edge from its user to its target.
pub fn of_event(event: Event) -> Mutation {
    Mutation::Add(fact_of_event(event))
}

/// The evidence of the edge from an event's user to its target.
pub fn fact_of_event(event: Event) -> Fact {
    let Event { event_id, user, target, action, at, strength, value, session, text } = event;
    let evidence = Evidence::Event { event_id, strength, value, session, text };
    Fact { source: user, relation: action, target, at, evidence }
}

/// A document becomes its node and one edge per attribute value; `known` are the facts that the
/// graph holds of it now, and what the new document no longer says is taken back.
///
/// # Errors
/// [`EventError::Name`] when an attribute's entity would have a name that is too long.
pub fn of_document(
    schema: &Schema,
    key: &NodeKey,
    document: Document,
    known: &[Fact],
) -> Result<Vec<Mutation>, EventError> {
    let mut said = Vec::new();
    // An entity's aliases are spellings of its own: they join it to nothing.
    let fields = document.attributes.iter().filter(|_| key.kind != NodeKind::Entity);
    for (field, values) in fields {
        let rule = schema.attribute(field);
        for value in values {
            let Value::Text(surface) = value else { continue };
            let name = entity_name(&rule.entity_type, surface);
            said.push(Fact {
                source: key.clone(),
                relation: rule.relation,
                target: NodeKey::new(NodeKind::Entity, name)?,
                at: Timestamp::MIN,
                evidence: Evidence::Attribute { field: field.clone(), surface: surface.clone() },
            });
        }
    }
    let textless = document.text.is_empty();
    let known = known.iter().filter(|fact| match fact.evidence {
        Evidence::Attribute { .. } => true,
        Evidence::Mention { .. } => textless,
        Evidence::Event { .. } | Evidence::Opinion { .. } | Evidence::Given { .. } => false,
    });
    let mut mutations = vec![Mutation::Describe(key.clone(), Some(document))];
    mutations.extend(replacing(known, said));
    if textless {
        mutations.push(Mutation::Extracted(key.clone(), None));
    }
    Ok(mutations)
}

/// What an extractor found in a document becomes the evidence of `mentions` edges; `known` are the
/// facts that the graph holds of it now. Mentions without an entity and those below the schema's threshold
/// are left out.
///
/// # Errors
/// [`EventError`] when a mention names an entity by a name that is none.
pub fn of_mentions<'a>(
    schema: &Schema,
    key: &NodeKey,
    mentions: impl Iterator<Item = (&'a str, &'a Linked)>,
    state: ExtractionState,
    known: &[Fact],
) -> Result<Vec<Mutation>, EventError> {
    let mut said = Vec::new();
    for (field, Linked { mention, link }) in mentions {
        let Some(entity) = &mention.entity else { continue };
        if mention.confidence < schema.extract.min_confidence {
            continue;
        }
        let span = mention.span;
        said.push(Fact {
            source: key.clone(),
            relation: schema.mentions(),
            target: NodeKey::new(NodeKind::Entity, entity.as_str())?,
            at: Timestamp::MIN,
            evidence: Evidence::Mention {
                field: field.to_owned(),
                bytes: (span.byte_start, span.byte_end),
                chars: (span.char_start, span.char_end),
                surface: mention.surface.clone(),
                confidence: mention.confidence,
                method: link.method(mention.method.name()),
            },
        });
    }
    let known = known.iter().filter(|fact| matches!(fact.evidence, Evidence::Mention { .. }));
    let mut mutations: Vec<_> = replacing(known, said).collect();
    mutations.push(Mutation::Extracted(key.clone(), Some(state)));
    Ok(mutations)
}

/// Takes back everything that came with a document; `known` are the facts of it.
pub fn of_retraction(key: &NodeKey, known: Vec<Fact>) -> Vec<Mutation> {
    let mut mutations: Vec<_> = known.into_iter().map(Mutation::Remove).collect();
    mutations.push(Mutation::Describe(key.clone(), None));
    mutations.push(Mutation::Extracted(key.clone(), None));
    mutations
}

/// What brings the facts `known` to what is `said`: the least that must go, then what is said.
pub(super) fn replacing<'a>(
    known: impl Iterator<Item = &'a Fact>,
    said: Vec<Fact>,
) -> impl Iterator<Item = Mutation> {
    let gone: Vec<_> = known.filter(|fact| !said.contains(fact)).cloned().collect();
    gone.into_iter().map(Mutation::Remove).chain(said.into_iter().map(Mutation::Add))
}
