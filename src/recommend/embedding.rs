//! Items whose rows of the graph's embedding lie near those of the history, by cosine.
//!
//! The rows are those that `predilect train embedding --store` kept last, or else are learnt at the first
//! question (see [`crate::snapshot::Embedded`]). What the user touched that came after the training has a
//! row from its neighbours.
//!
//! Source: Grover & Leskovec, "node2vec", KDD 2016, section 1, for rows as features of similarity; the sum
//! over the history is that of `item_item`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{RecommendError, Recommender, Scores, from_neighbors};
use crate::explain::History;
use crate::graph::NodeIndex;
use crate::schema::NodeKind;
use crate::snapshot::{Embedded, NodeRow, Ranked, Snapshot};

pub(super) const NAME: &str = "embedding";

/// Neighbours of a kind that are kept for a node.
const NEIGHBORS: usize = 200;

/// Items near those of the history in the graph's embedding.
pub struct Embedding;

impl Recommender for Embedding {
    fn score(&self, snapshot: &Snapshot, history: &History) -> Result<Scores, RecommendError> {
        let embedded = snapshot.embedded()?;
        let mut near: BTreeMap<NodeIndex, Cow<'_, [(NodeIndex, f64)]>> = BTreeMap::new();
        for target in history.seen() {
            let Some(row) = embedded.row(snapshot, target) else { continue };
            let found = if row.inductive {
                // Its neighbours may be newer than the base: no answer to be kept.
                Cow::Owned(nearest(embedded, snapshot, target, &row)?.into_vec())
            } else {
                let compute = || nearest(embedded, snapshot, target, &row);
                Cow::Borrowed(snapshot.nearest::<RecommendError>(NAME, target, compute)?)
            };
            near.insert(target, found);
        }
        from_neighbors(snapshot, history, NAME, |target| Ok(near.get(&target).map_or(&[], |n| n)))
    }
}

/// The items and contents nearest to a node's row, best first.
fn nearest(
    embedded: &Embedded,
    snapshot: &Snapshot,
    node: NodeIndex,
    row: &NodeRow<'_>,
) -> Result<Ranked, RecommendError> {
    let mut found = Vec::new();
    for kind in [NodeKind::Item, NodeKind::Content] {
        found.extend(embedded.near(snapshot, &row.values, (kind, node), NEIGHBORS)?);
    }
    found.retain(|(_, cosine)| *cosine > 0.0);
    found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    Ok(found.into_boxed_slice())
}
