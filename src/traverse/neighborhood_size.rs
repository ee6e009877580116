//! How many nodes lie within a few steps, counted without being listed.

use super::both_ways::BothWays;
use super::{Budget, TraverseError};
use crate::graph::{CompactGraph, NodeIndex};

/// Counts nodes around others; keeps its memory, 17 bytes per node, from one to the next.
#[derive(Clone, Debug)]
pub struct NeighborhoodSizes<'g> {
    graph: BothWays<'g>,
    /// The last count that met each node; 0 for none.
    met: Vec<u8>,
    count: u8,
    near: Vec<u32>,
    next: Vec<u32>,
    room: Vec<u32>,
}

impl<'g> NeighborhoodSizes<'g> {
    /// Counts along the edges of `graph`, both ways.
    pub fn new(graph: &'g CompactGraph) -> Self {
        let graph = BothWays::new(graph);
        let (near, next, room) = (Vec::new(), Vec::new(), Vec::new());
        Self { met: vec![0; graph.node_count()], graph, count: 0, near, next, room }
    }

    /// The number of nodes within `hops` steps of `start`, itself not counted. Of the neighbors of a
    /// node the `fanout` with the smallest indices are looked at.
    ///
    /// The same as the nodes of [`k_hop`](super::k_hop) over `UndirectedAdaptor` but for the start, where
    /// `fanout` suffices for all.
    ///
    /// # Errors
    /// [`TraverseError::UnknownNode`] for `start`, [`TraverseError::Cancelled`].
    ///
    /// # Complexity
    /// * Time: **O(v)** for **v** edges looked at; **O(v log v)** where `fanout` cuts.
    ///
    /// # Example
    /// ```
    /// use predilect::graph::{CompactGraph, EdgeData};
    /// use predilect::schema::RelationId;
    /// use predilect::traverse::{Budget, NeighborhoodSizes};
    ///
    /// let viewed = EdgeData { relation: RelationId(0), sum: 1.0, last_minutes: 0 };
    /// let graph = CompactGraph::from_edges(4, [(0, 2, viewed), (1, 2, viewed), (1, 3, viewed)])?;
    /// let mut sizes = NeighborhoodSizes::new(&graph);
    /// assert_eq!(sizes.of(0.into(), 2, usize::MAX, &Budget::default())?, 2);
    /// assert_eq!(sizes.of(0.into(), 3, usize::MAX, &Budget::default())?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(
        &mut self,
        start: NodeIndex,
        hops: u8,
        fanout: usize,
        budget: &Budget,
    ) -> Result<usize, TraverseError> {
        let (index, bound) = (start.index(), self.graph.node_count());
        if index >= bound {
            return Err(TraverseError::UnknownNode { index, bound });
        }
        self.count = match self.count.checked_add(1) {
            Some(count) => count,
            None => {
                self.met.fill(0);
                1
            }
        };
        self.met[index] = self.count;
        let mut size = 0;
        self.near.clear();
        self.near.push(index as u32);
        for hop in 1..=hops {
            self.next.clear();
            for &node in &self.near {
                budget.check()?;
                let rows = if self.graph.degree(node) > fanout {
                    self.graph.smallest(node, fanout, &mut self.room)
                } else {
                    self.graph.neighbors(node)
                };
                for row in rows {
                    if hop == hops {
                        size += meet(&mut self.met, self.count, row);
                    } else {
                        let (met, count) = (&mut self.met, self.count);
                        let is_new = |other: &&u32| {
                            std::mem::replace(&mut met[**other as usize], count) != count
                        };
                        self.next.extend(row.iter().filter(is_new));
                    }
                }
            }
            size += self.next.len();
            std::mem::swap(&mut self.near, &mut self.next);
        }
        Ok(size)
    }
}

/// Notes that a count met these nodes; returns how many it had not met before.
fn meet(met: &mut [u8], count: u8, nodes: &[u32]) -> usize {
    let new = |&node: &u32| {
        let last = std::mem::replace(&mut met[node as usize], count);
        usize::from(last != count)
    };
    nodes.iter().map(new).sum()
}
