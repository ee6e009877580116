//! Merging entities and lifting merges: what may be, and the record of it.

use super::LinkError;
use crate::event::NodeKey;
use crate::schema::NodeKind;
use crate::store::{Applied, GraphStore, Merge, Mutation, NodeId};

/// Has `merge.entity` read as `merge.into` from now on. Evidence stays where it is.
///
/// # Errors
/// [`LinkError::NotAnEntity`], [`LinkError::Itself`], [`LinkError::OtherType`],
/// [`LinkError::Unknown`]; [`LinkError::Merged`], [`LinkError::Chain`] and [`LinkError::Survivor`],
/// since a merge is one step: nobody is read as somebody who is read as a third.
pub fn merge(store: &GraphStore, merge: Merge) -> Result<Applied, LinkError> {
    let (entity, into) = (merge.entity.clone(), merge.into.clone());
    let view = store.view();
    for key in [&entity, &into] {
        if key.kind != NodeKind::Entity {
            return Err(LinkError::NotAnEntity { key: key.clone() });
        }
    }
    if entity == into {
        return Err(LinkError::Itself { key: entity });
    }
    if entity.entity_type() != into.entity_type() {
        return Err(LinkError::OtherType { entity, into });
    }
    for key in [&entity, &into] {
        if view.node(NodeId::of(key))?.is_none() {
            return Err(LinkError::Unknown { key: key.clone() });
        }
    }
    if let Some(known) = view.merge(NodeId::of(&entity))? {
        return Err(LinkError::Merged { entity, into: known.into });
    }
    if let Some(known) = view.merge(NodeId::of(&into))? {
        return Err(LinkError::Chain { into, survivor: known.into });
    }
    if let Some(other) = view.merges()?.records().iter().find(|other| other.into == entity) {
        return Err(LinkError::Survivor { entity, other: other.entity.clone() });
    }
    drop(view);
    Ok(store.apply(&[Mutation::Merge(merge)])?)
}

/// Has `entity` read as itself again; returns the record that was lifted.
///
/// # Errors
/// [`LinkError::NotMerged`].
pub fn unmerge(store: &GraphStore, entity: &NodeKey) -> Result<(Merge, Applied), LinkError> {
    let known = store.view().merge(NodeId::of(entity))?;
    let known = known.ok_or_else(|| LinkError::NotMerged { key: entity.clone() })?;
    Ok((known, store.apply(&[Mutation::Unmerge(entity.clone())])?))
}
