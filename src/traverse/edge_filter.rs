//! Tells of most pairs of nodes that no edge joins them, by one look at memory where a search in a row
//! takes many: a Bloom filter whose bits of a pair lie in one word.
//!
//! Source: Putze, Sanders & Singler, "Cache-, hash- and space-efficient Bloom filters", WEA 2007, section
//! 3, with a word for their block.

use super::prefetch::prefetch;
use super::undirected::Undirected;
use crate::pages::filled;

/// Edges for each word: more take less memory and let more pairs pass that no edge joins.
const EDGES_PER_WORD: usize = 5;

/// The pairs that edges join, and some others.
#[derive(Clone, Debug)]
pub(super) struct EdgeFilter {
    words: Vec<u64>,
}

/// Where the bits of a pair are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits {
    word: usize,
    mask: u64,
}

impl EdgeFilter {
    /// The edges of `graph`; 1.6 bytes for each.
    pub(super) fn new(graph: &Undirected) -> Self {
        let nodes = 0..graph.node_count() as u32;
        let n_edges = graph.slot_count() / 2;
        let mut filter = Self { words: filled(n_edges.div_ceil(EDGES_PER_WORD).max(1), 0) };
        for node in nodes {
            for &other in graph.neighbors(node).iter().filter(|other| **other >= node) {
                let Bits { word, mask } = filter.bits(node, other);
                filter.words[word] |= mask;
            }
        }
        filter
    }

    /// Where the bits of two nodes are, in either order.
    #[inline]
    pub(super) fn bits(&self, one: u32, other: u32) -> Bits {
        let pair = (u64::from(one.min(other)) << 32) | u64::from(one.max(other));
        // The end of SplitMix64's mix.
        let mixed = (pair ^ (pair >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mixed = mixed ^ (mixed >> 31);
        let word = ((mixed >> 32) * self.words.len() as u64) >> 32;
        let mask = (0..4).fold(0, |mask, i| mask | 1 << ((mixed >> (6 * i)) & 63));
        Bits { word: word as usize, mask }
    }

    /// Asks for the bits.
    #[inline]
    pub(super) fn prefetch(&self, bits: Bits) {
        prefetch(&self.words, bits.word);
    }

    /// False only where no edge joins the two.
    #[inline]
    pub(super) fn may_join(&self, Bits { word, mask }: Bits) -> bool {
        self.words[word] & mask == mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{CompactGraph, EdgeData};
    use crate::schema::RelationId;

    #[test]
    fn every_edge_passes_and_few_others() {
        let data = EdgeData { relation: RelationId(0), sum: 1.0, last_minutes: 0 };
        let edges = (0..10_000).map(|i| (i, (i * 7919 + 1) % 10_000, data));
        let graph = Undirected::new(&CompactGraph::from_edges(10_000, edges).unwrap()).unwrap();
        let filter = EdgeFilter::new(&graph);
        let mut n_passed = 0;
        for node in 0..10_000 {
            for &other in graph.neighbors(node) {
                assert!(filter.may_join(filter.bits(node, other)));
                assert!(filter.may_join(filter.bits(other, node)));
            }
            let other = (node * 31 + 17) % 10_000;
            if !graph.joins(node, other) {
                n_passed += usize::from(filter.may_join(filter.bits(node, other)));
            }
        }
        assert!(n_passed < 400, "{n_passed}");
    }

    #[test]
    fn a_graph_without_edges_joins_nothing() {
        let graph = Undirected::new(&CompactGraph::default()).unwrap();
        let filter = EdgeFilter::new(&graph);
        assert!(!filter.may_join(filter.bits(0, 1)));
    }
}
