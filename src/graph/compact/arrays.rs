//! The arrays of a [`CompactGraph`], as they are kept in a file.

use rayon::prelude::*;

use super::super::{Array, EdgeData};
use super::CompactGraph;

/// What a graph consists of; `A` is how its arrays are held.
#[derive(Clone, Debug)]
pub(crate) struct Arrays<U, E> {
    pub out_offsets: U,
    pub targets: U,
    pub data: E,
    pub in_offsets: U,
    pub sources: U,
    pub in_edges: U,
    pub by_node: bool,
}

impl CompactGraph {
    /// The arrays of the graph.
    pub(crate) fn arrays(&self) -> Arrays<&[u32], &[EdgeData]> {
        Arrays {
            out_offsets: &self.out_offsets,
            targets: &self.targets,
            data: &self.data,
            in_offsets: &self.in_offsets,
            sources: &self.sources,
            in_edges: &self.in_edges,
            by_node: self.by_node,
        }
    }

    /// The graph of these arrays, if they are of one size and lead nowhere else: then no reading of it
    /// goes beyond them. That the rows are in order is taken on trust.
    pub(crate) fn from_arrays(
        n_nodes: usize,
        arrays: Arrays<Array<u32>, Array<EdgeData>>,
    ) -> Option<Self> {
        let Arrays { out_offsets, targets, data, in_offsets, sources, in_edges, by_node } = arrays;
        let n_edges = data.len();
        let lengths = [targets.len(), sources.len(), in_edges.len()];
        let fits = n_edges < u32::MAX as usize
            && lengths == [n_edges; 3]
            && are_offsets(&out_offsets, n_nodes, n_edges)
            && are_offsets(&in_offsets, n_nodes, n_edges)
            && are_below(&targets, n_nodes)
            && are_below(&sources, n_nodes)
            && are_below(&in_edges, n_edges);
        fits.then_some(Self { out_offsets, targets, data, in_offsets, sources, in_edges, by_node })
    }
}

/// Are these where the rows of so many nodes begin, and the end of the last?
fn are_offsets(offsets: &[u32], n_nodes: usize, n_edges: usize) -> bool {
    offsets.len().checked_sub(1) == Some(n_nodes)
        && offsets.first() == Some(&0)
        && offsets.last().is_some_and(|last| *last as usize == n_edges)
        && offsets.is_sorted()
}

fn are_below(numbers: &[u32], bound: usize) -> bool {
    /// Numbers that a thread looks through at a time.
    const CHUNK: usize = 1 << 16;
    // Without a way out within a chunk, several are compared at once.
    let greatest = |chunk: &[u32]| chunk.iter().copied().max().is_none_or(|n| (n as usize) < bound);
    numbers.par_chunks(CHUNK).all(greatest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::RelationId;

    type Change = fn(&mut Arrays<Array<u32>, Array<EdgeData>>);

    fn owned(graph: &CompactGraph) -> Arrays<Array<u32>, Array<EdgeData>> {
        let of = |array: &[u32]| array.to_vec().into();
        let arrays = graph.arrays();
        Arrays {
            out_offsets: of(arrays.out_offsets),
            targets: of(arrays.targets),
            data: arrays.data.to_vec().into(),
            in_offsets: of(arrays.in_offsets),
            sources: of(arrays.sources),
            in_edges: of(arrays.in_edges),
            by_node: arrays.by_node,
        }
    }

    #[test]
    fn arrays_that_lead_beyond_the_graph_are_none() {
        let data = EdgeData { relation: RelationId(3), sum: 1.0, last_minutes: 7 };
        let edges = [(0, 2, data), (2, 1, data), (2, 2, data)];
        let graph = CompactGraph::from_edges(3, edges).unwrap();
        assert_eq!(CompactGraph::from_arrays(3, owned(&graph)).as_ref(), Some(&graph));
        assert_eq!(CompactGraph::from_arrays(2, owned(&graph)), None);
        assert_eq!(CompactGraph::from_arrays(usize::MAX - 1, owned(&graph)), None);
        let changes: [Change; 7] = [
            |arrays| arrays.out_offsets = vec![0, 1, 1, 4].into(),
            |arrays| arrays.out_offsets = vec![0, 2, 1, 3].into(),
            |arrays| arrays.in_offsets = vec![1, 1, 1, 3].into(),
            |arrays| arrays.targets = vec![2, 1, 3].into(),
            |arrays| arrays.sources = vec![2, 1].into(),
            |arrays| arrays.in_edges = vec![1, 0, u32::MAX].into(),
            |arrays| arrays.data = Array::default(),
        ];
        for change in changes {
            let mut arrays = owned(&graph);
            change(&mut arrays);
            assert_eq!(CompactGraph::from_arrays(3, arrays), None);
        }
    }
}
