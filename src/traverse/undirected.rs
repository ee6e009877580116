//! A [`CompactGraph`] without directions, copied so that all neighbors of a node lie in one row: what
//! random walks go over, which look at little of a row and at many rows.

use petgraph::Direction;

use super::TraverseError;
use super::prefetch::prefetch;
use crate::graph::CompactGraph;
use crate::pages::with_room;

/// Neighbors of every node, by its out-edges and its in-edges.
#[derive(Clone, Debug)]
pub(super) struct Undirected {
    /// `[nodes + 1]`: where each node's row begins, and the end of the last.
    offsets: Vec<u32>,
    /// `[2 * edges]`: the other end of each edge, ascending in a row; as often as edges lead there.
    others: Vec<u32>,
}

impl Undirected {
    /// The rows of `graph`.
    ///
    /// # Errors
    /// [`TraverseError::TooManyEdges`].
    pub(super) fn new(graph: &CompactGraph) -> Result<Self, TraverseError> {
        let rows =
            [Direction::Outgoing, Direction::Incoming].map(|direction| graph.rows(direction));
        let (n_nodes, n_edges) = (graph.node_count(), graph.edge_count());
        let n_slots = n_edges * 2;
        if u32::try_from(n_slots).is_err() {
            return Err(TraverseError::TooManyEdges { found: n_edges });
        }
        let (mut offsets, mut others) = (with_room(n_nodes + 1), with_room(n_slots));
        offsets.push(0);
        for node in 0..n_nodes as u32 {
            let start = others.len();
            rows.iter().for_each(|rows| others.extend_from_slice(rows.of(node)));
            #[expect(
                clippy::stable_sort_primitive,
                reason = "it merges the runs that ascend already"
            )]
            others[start..].sort();
            offsets.push(others.len() as u32);
        }
        Ok(Self { offsets, others })
    }

    pub(super) fn node_count(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Twice the number of edges.
    pub(super) fn slot_count(&self) -> usize {
        self.others.len()
    }

    /// Where the row of a node begins, and the number of its edges.
    #[inline]
    pub(super) fn row(&self, node: u32) -> (u32, u32) {
        let (start, end) = (self.offsets[node as usize], self.offsets[node as usize + 1]);
        (start, end - start)
    }

    /// The number of edges of a node.
    #[inline]
    pub(super) fn degree(&self, node: u32) -> u32 {
        self.row(node).1
    }

    /// The neighbors of a node.
    #[inline]
    pub(super) fn neighbors(&self, node: u32) -> &[u32] {
        let (first, n) = self.row(node);
        self.slots(first, n)
    }

    /// Asks for where the row of a node is.
    #[inline]
    pub(super) fn prefetch_node(&self, node: u32) {
        prefetch(&self.offsets, node as usize);
    }

    /// The slot of the neighbor that `random` draws, all edges alike, and asks for it; the node has an
    /// edge.
    #[inline]
    pub(super) fn draw(&self, node: u32, random: u32) -> u32 {
        let (start, n) = self.row(node);
        // Lemire's reduction without its correction: off by less than n in 2^32.
        let slot = start + ((u64::from(random) * u64::from(n)) >> 32) as u32;
        self.prefetch_slot(slot);
        slot
    }

    /// Asks for what is in a slot.
    #[inline]
    pub(super) fn prefetch_slot(&self, slot: u32) {
        prefetch(&self.others, slot as usize);
    }

    /// The neighbor in a slot.
    #[inline]
    pub(super) fn at(&self, slot: u32) -> u32 {
        self.others[slot as usize]
    }

    /// The neighbors in `n` slots.
    #[inline]
    pub(super) fn slots(&self, first: u32, n: u32) -> &[u32] {
        &self.others[first as usize..][..n as usize]
    }

    /// Whether an edge joins the two nodes, either way; looks through the shorter row.
    pub(super) fn joins(&self, one: u32, other: u32) -> bool {
        let (node, sought) =
            if self.degree(one) <= self.degree(other) { (one, other) } else { (other, one) };
        self.neighbors(node).binary_search(&sought).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::EdgeData;
    use crate::schema::RelationId;

    #[test]
    fn rows_have_both_ends_of_every_edge() {
        let edge = |source, relation, target| {
            (source, target, EdgeData { relation: RelationId(relation), sum: 1.0, last_minutes: 0 })
        };
        // Parallel edges, one of them back, and a loop; 3 is alone.
        let edges = [edge(0, 0, 2), edge(0, 1, 1), edge(0, 1, 2), edge(2, 0, 0), edge(1, 0, 1)];
        let graph = Undirected::new(&CompactGraph::from_edges(4, edges).unwrap()).unwrap();
        let rows: Vec<&[u32]> = (0..4).map(|node| graph.neighbors(node)).collect();
        assert_eq!(rows, [&[1, 2, 2, 2][..], &[0, 1, 1], &[0, 0, 0], &[]]);
        assert_eq!((graph.node_count(), graph.slot_count(), graph.degree(0)), (4, 10, 4));
        let drawn = [0, u32::MAX / 4 + 1, u32::MAX].map(|random| graph.at(graph.draw(0, random)));
        assert_eq!(drawn, [1, 2, 2]);
        for (one, other, joined) in [(0, 2, true), (2, 0, true), (1, 1, true), (0, 0, false)] {
            assert_eq!(graph.joins(one, other), joined);
        }
        assert_eq!(Undirected::new(&CompactGraph::default()).unwrap().node_count(), 0);
    }
}
