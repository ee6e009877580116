//! A [`CompactGraph`] walked along its edges and against them, as slices: for inner loops that
//! `UndirectedAdaptor` would slow down.

use petgraph::Direction;

use crate::graph::{CompactGraph, Rows};
use crate::pages::with_room;

/// The rows of both directions.
#[derive(Clone, Debug)]
pub(super) struct BothWays<'g> {
    out: Rows<'g>,
    inward: Rows<'g>,
    nodes: Vec<Node>,
}

/// Where the rows of a node are: together, so that one look-up finds both.
#[derive(Clone, Copy, Debug)]
struct Node {
    out: u32,
    n_out: u32,
    inward: u32,
    n_in: u32,
}

impl<'g> BothWays<'g> {
    pub(super) fn new(graph: &'g CompactGraph) -> Self {
        let (out, inward) = (graph.rows(Direction::Outgoing), graph.rows(Direction::Incoming));
        let rows = out.offsets.windows(2).zip(inward.offsets.windows(2));
        let mut nodes = with_room(graph.node_count());
        nodes.extend(rows.map(|(out, inward)| Node {
            out: out[0],
            n_out: out[1] - out[0],
            inward: inward[0],
            n_in: inward[1] - inward[0],
        }));
        Self { out, inward, nodes }
    }

    pub(super) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The number of edges of a node.
    #[inline]
    pub(super) fn degree(&self, node: u32) -> usize {
        let Node { n_out, n_in, .. } = self.nodes[node as usize];
        n_out as usize + n_in as usize
    }

    /// The neighbors of a node, by its out-edges and then by its in-edges.
    #[inline]
    pub(super) fn neighbors(&self, node: u32) -> [&'g [u32]; 2] {
        let Node { out, n_out, inward, n_in } = self.nodes[node as usize];
        let row = |others: &'g [u32], start, n| &others[start as usize..][..n as usize];
        [row(self.out.others, out, n_out), row(self.inward.others, inward, n_in)]
    }

    /// The first `n` neighbors of a node by index, each once; `room` holds what cannot be read in place.
    pub(super) fn smallest<'r>(&self, node: u32, n: usize, room: &'r mut Vec<u32>) -> [&'r [u32]; 2]
    where
        'g: 'r,
    {
        let mut rows = self.neighbors(node);
        if self.out.by_node {
            rows = rows.map(|row| &row[..n.min(row.len())]);
            if let ([first, ..], [other, ..]) = (rows[0], rows[1])
                && other < first
            {
                rows.swap(0, 1);
            }
            let [low, high] = rows;
            if low.last().zip(high.first()).is_none_or(|(last, first)| last < first) {
                return [low, &high[..high.len().min(n - low.len())]];
            }
        }
        room.clear();
        rows.iter().for_each(|row| room.extend_from_slice(row));
        room.sort_unstable();
        room.dedup();
        room.truncate(n);
        [room, &[]]
    }
}
