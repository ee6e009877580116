//! A [`CompactGraph`] walked along its edges and against them, as slices: for inner loops that
//! `UndirectedAdaptor` would slow down.

use petgraph::Direction;

use super::prefetch::prefetch;
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

/// Where the other end of an edge stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    slot: u32,
    inward: bool,
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

    /// Asks for where the rows of a node are.
    #[inline]
    pub(super) fn prefetch_node(&self, node: u32) {
        prefetch(&self.nodes, node as usize);
    }

    /// Where the neighbor stands that `random` draws, all edges alike, and asks for it; none for a node
    /// without edges.
    #[inline]
    pub(super) fn draw(&self, node: u32, random: u32) -> Option<Place> {
        let Node { out, n_out, inward, n_in } = self.nodes[node as usize];
        let n = u64::from(n_out) + u64::from(n_in);
        if n == 0 {
            return None;
        }
        // Lemire's reduction without its correction: off by less than n in 2^32.
        let rank = ((u64::from(random) * n) >> 32) as u32;
        let is_inward = rank >= n_out;
        let from = if is_inward { inward.wrapping_sub(n_out) } else { out };
        let place = Place { slot: from.wrapping_add(rank), inward: is_inward };
        prefetch(self.others(is_inward), place.slot as usize);
        Some(place)
    }

    #[inline]
    fn others(&self, inward: bool) -> &'g [u32] {
        if inward { self.inward.others } else { self.out.others }
    }

    /// The neighbor at a place.
    #[inline]
    pub(super) fn at(&self, place: Place) -> u32 {
        self.others(place.inward)[place.slot as usize]
    }

    /// Whether an edge joins the two nodes, either way; looks through the shorter row.
    pub(super) fn joins(&self, one: u32, other: u32) -> bool {
        let (node, sought) =
            if self.degree(one) <= self.degree(other) { (one, other) } else { (other, one) };
        self.neighbors(node).into_iter().any(|row| {
            if self.out.by_node {
                row.binary_search(&sought).is_ok()
            } else {
                row.contains(&sought)
            }
        })
    }
}
