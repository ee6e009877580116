//! `cluener`: JSON lines of texts; spans by type and surface, in characters, ends included.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Converted, Dropped, Fault, Labelled, Problem, each_json};
use crate::extract::label::LabelledEntity;

#[derive(Deserialize)]
struct Row {
    text: String,
    #[serde(default)]
    label: BTreeMap<String, BTreeMap<String, Vec<(usize, usize)>>>,
}

pub(super) fn parse(text: &str) -> Result<Converted, Fault> {
    each_json(text, labelled)
}

fn labelled(row: Row, _: &mut Dropped) -> Result<Labelled, Problem> {
    let mut labelled = Labelled::new(row.text);
    for (entity_type, surfaces) in row.label {
        for (surface, spans) in surfaces {
            for (start, last) in spans {
                let end = last.saturating_add(1);
                let entity = LabelledEntity { start, end, entity_type: entity_type.clone() };
                let found = labelled.surface(&entity);
                if found != surface {
                    let found = found.to_owned();
                    return Err(Problem::Surface { expected: surface, found, start, end });
                }
                labelled.add_entity(start, end, &entity_type);
            }
        }
    }
    labelled.entities.sort_by_key(|entity| (entity.start, entity.end));
    labelled.check().map(|()| labelled)
}
