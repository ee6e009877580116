//! Nodes parted into blocks, so that threads own disjoint rows.

/// The most blocks of a side, and so the most threads that have work; a power of two.
const MAX_BLOCKS: usize = 16;
/// Nodes that a block has at least, so that there is something to draw from.
const MIN_BLOCK: usize = 128;

/// Which block a node belongs to, and where in it; blocks have alike many nodes and edges.
pub(super) struct Layout {
    /// A power of two.
    pub n_blocks: usize,
    /// Rows of a block.
    pub size: usize,
    /// Place times blocks, plus block, of each node.
    pub slots: Vec<u32>,
    /// Nodes by slot.
    nodes: Vec<u32>,
}

impl Layout {
    /// Blocks of nodes with so many edges each.
    pub fn new(degrees: &[u32]) -> Self {
        let n = degrees.len();
        let n_blocks = (n / MIN_BLOCK).clamp(1, MAX_BLOCKS).next_power_of_two().min(MAX_BLOCKS);
        let mut nodes: Vec<u32> = (0..n as u32).collect();
        nodes.sort_by_key(|node| (std::cmp::Reverse(degrees[*node as usize]), *node));
        // Dealt out there and back, so that no block always gets the larger of two.
        for (round, hand) in nodes.chunks_mut(n_blocks).enumerate() {
            if round % 2 == 1 && hand.len() == n_blocks {
                hand.reverse();
            }
        }
        let mut slots = vec![0; n];
        for (slot, node) in nodes.iter().enumerate() {
            slots[*node as usize] = slot as u32;
        }
        Self { n_blocks, size: n.div_ceil(n_blocks), slots, nodes }
    }

    /// The block of a node, and its row there.
    pub fn block_and_row(&self, node: u32) -> (usize, usize) {
        let slot = self.slots[node as usize] as usize;
        (slot % self.n_blocks, slot / self.n_blocks)
    }

    /// The place of a slot's row among those of all blocks.
    pub fn place(&self, slot: u32) -> usize {
        let slot = slot as usize;
        slot % self.n_blocks * self.size + slot / self.n_blocks
    }

    /// Nodes of a block, by place.
    pub fn block(&self, block: usize) -> impl Iterator<Item = u32> + '_ {
        self.nodes.iter().skip(block).step_by(self.n_blocks).copied()
    }
}
