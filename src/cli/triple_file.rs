//! Files of triples, whose entities and relations are told by name.

use std::path::Path;

use anyhow::{bail, ensure};

use super::graph_file::{NameList, lines};
use crate::embed::triples::Triple;

/// Names of entities and relations, as they come in the files that are read.
#[derive(Default)]
pub(super) struct TripleNames {
    pub entities: NameList,
    pub relations: NameList,
}

impl TripleNames {
    /// Reads a text of head, relation and tail a line, by tabs or else by blanks, packed where it ends in
    /// .gz.
    pub fn read(&mut self, path: &Path) -> anyhow::Result<Vec<Triple>> {
        let mut triples = Vec::new();
        lines(path, |line| {
            let fields: Vec<&str> = if line.contains('\t') {
                line.split('\t').map(str::trim).collect()
            } else {
                line.split_whitespace().collect()
            };
            let [head, relation, tail] = fields[..] else {
                bail!("{} fields; give head, relation and tail, by tabs or blanks", fields.len());
            };
            ensure!(
                !head.is_empty() && !relation.is_empty() && !tail.is_empty(),
                "a field is empty; give head, relation and tail"
            );
            triples.push(Triple {
                head: self.entities.place(head)?,
                relation: self.relations.place(relation)?,
                tail: self.entities.place(tail)?,
            });
            Ok(())
        })?;
        ensure!(!triples.is_empty(), "{} has no triples", path.display());
        Ok(triples)
    }
}
