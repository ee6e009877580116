//! Sets of items that many baskets hold, found without looking at sets that few do.
//!
//! Baskets are folded into a tree of prefixes, with the items that most baskets hold near its root. The sets that
//! hold an item follow from the paths above it, which are a smaller tree; and so on.
//!
//! # Source
//! Han, Pei & Yin, "Mining frequent patterns without candidate generation", SIGMOD 2000, section 3.

use std::collections::{BTreeMap, HashMap};

/// Items in ascending order, and how many baskets hold all of them.
pub(super) type Frequent = (Vec<u32>, usize);

/// The sets of at most `max_items` items that at least `min_count` baskets hold, ascending by items; `None`
/// when there are more than `max_sets`.
///
/// # Arguments
/// * `baskets`: each holds an item once.
///
/// # Complexity
/// * Time: **O(b + s p)** for **b** items in baskets, **s** sets and **p** nodes of the paths above an item.
pub(super) fn frequent_sets(
    baskets: &[Vec<u32>],
    min_count: usize,
    max_items: usize,
    max_sets: usize,
) -> Option<Vec<Frequent>> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    baskets.iter().flatten().for_each(|item| *counts.entry(*item).or_default() += 1);
    let min_count = min_count.max(1);
    let mut items: Vec<(u32, usize)> =
        counts.into_iter().filter(|(_, count)| *count >= min_count).collect();
    items.sort_by_key(|(item, count)| (std::cmp::Reverse(*count), *item));
    let ranks: HashMap<u32, u32> = items.iter().map(|(item, _)| *item).zip(0..).collect();
    let mut tree = Tree::default();
    for basket in baskets {
        let mut path: Vec<u32> =
            basket.iter().filter_map(|item| ranks.get(item)).copied().collect();
        path.sort_unstable();
        tree.add(&path, 1);
    }
    let mut found = Found { min_count, max_items, max_sets, sets: Vec::new() };
    found.grow(&tree, &mut Vec::new())?;
    let by_item = |(ranks, count): Frequent| {
        let mut set: Vec<u32> = ranks.iter().map(|rank| items[*rank as usize].0).collect();
        set.sort_unstable();
        (set, count)
    };
    let mut sets: Vec<Frequent> = found.sets.into_iter().map(by_item).collect();
    sets.sort_unstable();
    Some(sets)
}

/// A place of the tree: how many baskets come by it, and from where.
struct Node {
    rank: u32,
    count: usize,
    parent: usize,
}

/// Baskets by their prefixes.
#[derive(Default)]
struct Tree {
    nodes: Vec<Node>,
    children: HashMap<(usize, u32), usize>,
    /// The nodes of each item.
    of_rank: BTreeMap<u32, Vec<usize>>,
}

impl Tree {
    /// What the nodes below the root have for a parent.
    const ROOT: usize = usize::MAX;

    /// Adds so many baskets of these items, ascending by rank.
    fn add(&mut self, path: &[u32], count: usize) {
        let mut parent = Self::ROOT;
        for rank in path {
            let next = self.nodes.len();
            let node = *self.children.entry((parent, *rank)).or_insert(next);
            if node == next {
                self.nodes.push(Node { rank: *rank, count: 0, parent });
                self.of_rank.entry(*rank).or_default().push(node);
            }
            self.nodes[node].count += count;
            parent = node;
        }
    }

    /// The items above a node, ascending by rank.
    fn above(&self, node: usize) -> Vec<u32> {
        let mut path = Vec::new();
        let mut parent = self.nodes[node].parent;
        while let Some(node) = self.nodes.get(parent) {
            path.push(node.rank);
            parent = node.parent;
        }
        path.reverse();
        path
    }
}

/// The sets so far, by rank.
struct Found {
    min_count: usize,
    max_items: usize,
    max_sets: usize,
    sets: Vec<Frequent>,
}

impl Found {
    /// Adds the sets of a tree's items, each with `suffix`; `None` when there are too many.
    fn grow(&mut self, tree: &Tree, suffix: &mut Vec<u32>) -> Option<()> {
        for (rank, nodes) in tree.of_rank.iter().rev() {
            let count: usize = nodes.iter().map(|node| tree.nodes[*node].count).sum();
            if count < self.min_count {
                continue;
            }
            suffix.push(*rank);
            self.sets.push((suffix.clone(), count));
            if self.sets.len() > self.max_sets {
                return None;
            }
            if suffix.len() < self.max_items {
                self.grow(&self.conditional(tree, nodes), suffix)?;
            }
            suffix.pop();
        }
        Some(())
    }

    /// What is above some nodes, as baskets; without items that too few hold.
    fn conditional(&self, tree: &Tree, nodes: &[usize]) -> Tree {
        let paths: Vec<(Vec<u32>, usize)> =
            nodes.iter().map(|node| (tree.above(*node), tree.nodes[*node].count)).collect();
        let mut counts: HashMap<u32, usize> = HashMap::new();
        for (path, count) in &paths {
            path.iter().for_each(|rank| *counts.entry(*rank).or_default() += count);
        }
        let mut next = Tree::default();
        for (mut path, count) in paths {
            path.retain(|rank| counts[rank] >= self.min_count);
            next.add(&path, count);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Every set of at most so many of the items 0 to `n`, counted basket by basket.
    fn by_looking(baskets: &[Vec<u32>], n: u32, min_count: usize, most: usize) -> Vec<Frequent> {
        let mut sets: Vec<Frequent> = Vec::new();
        for mask in 1..1_u32 << n {
            let set: Vec<u32> = (0..n).filter(|item| mask >> item & 1 == 1).collect();
            let holds = |basket: &&Vec<u32>| set.iter().all(|item| basket.contains(item));
            let count = baskets.iter().filter(holds).count();
            if set.len() <= most && count >= min_count {
                sets.push((set, count));
            }
        }
        sets.sort_unstable();
        sets
    }

    /// Han, Pei & Yin 2000, table 1 and example 1: letters by their number in the alphabet.
    #[test]
    fn the_worked_example() {
        let baskets: Vec<Vec<u32>> = ["facdgimp", "abcflmo", "bfhjo", "bcksp", "afcelpmn"]
            .iter()
            .map(|basket| basket.bytes().map(u32::from).collect())
            .collect();
        let sets = frequent_sets(&baskets, 3, 9, 1_000).unwrap();
        let of = |text: &str| {
            let mut set: Vec<u32> = text.bytes().map(u32::from).collect();
            set.sort_unstable();
            sets.iter().find(|(found, _)| *found == set).map(|(_, count)| *count)
        };
        assert_eq!((of("f"), of("c"), of("b"), of("p")), (Some(4), Some(4), Some(3), Some(3)));
        // The patterns with p and with m of table 2.
        assert_eq!((of("cp"), of("fcam"), of("fp"), of("am")), (Some(3), Some(3), None, Some(3)));
        assert_eq!(sets.len(), 18);
    }

    #[test]
    fn what_is_found_is_what_looking_finds() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        for round in 0..40 {
            let share = 0.15 + 0.01 * f64::from(round);
            let baskets: Vec<Vec<u32>> =
                (0..40).map(|_| (0..8).filter(|_| rng.random::<f64>() < share).collect()).collect();
            for (min_count, most) in [(1, 8), (3, 8), (4, 2), (2, 3), (41, 8)] {
                let found = frequent_sets(&baskets, min_count, most, usize::MAX).unwrap();
                assert_eq!(found, by_looking(&baskets, 8, min_count, most), "round {round}");
            }
        }
    }

    #[test]
    fn too_many_sets_are_told() {
        let baskets = vec![(0..12).collect::<Vec<u32>>(); 2];
        assert_eq!(frequent_sets(&baskets, 1, 12, 4_095).map(|sets| sets.len()), Some(4_095));
        assert_eq!(frequent_sets(&baskets, 1, 12, 4_094), None);
        assert_eq!(frequent_sets(&[], 1, 3, 9), Some(Vec::new()));
    }
}
