//! A symmetric matrix of items by items, and the blocks of it that the fit of one item needs.

use super::{Dense, Sparse};

/// Cells of a row that is long.
const LONG: usize = 1024;

/// Items with the longest of the long rows whose cells among themselves lie dense: at most 256 MiB.
const LONGEST: usize = 8192;

/// Cells of a row that are looked through in the time of a search for one.
const SEARCH: usize = 64;

/// A symmetric sparse matrix whose cells are quickly found.
pub(super) struct Gram {
    cells: Sparse,
    diagonal: Vec<f32>,
    /// The place of each item by the length of its row, the longest first.
    ranks: Vec<u32>,
    /// The cells between the items of the longest rows, by rank.
    longest: Dense,
}

impl Gram {
    /// Of a symmetric matrix.
    pub fn new(cells: Sparse) -> Self {
        let n = cells.n_rows();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|item| std::cmp::Reverse(cells.row(*item).0.len()));
        let mut ranks = vec![0; n];
        for (rank, item) in (0..).zip(&order) {
            ranks[*item] = rank;
        }
        let n_long = order.partition_point(|item| cells.row(*item).0.len() > LONG);
        order.truncate(n_long.min(LONGEST));
        let mut longest = Dense::zeros(order.len(), order.len());
        for (rank, item) in order.iter().enumerate() {
            let row = longest.row_mut(rank);
            for (other, value) in cells.cells(*item) {
                if let Some(cell) = row.get_mut(ranks[other as usize] as usize) {
                    *cell = value;
                }
            }
        }
        let diagonal = (0..n).map(|item| cells.get(item, item as u32)).collect();
        Self { cells, diagonal, ranks, longest }
    }

    /// Number of items.
    pub fn n_items(&self) -> usize {
        self.diagonal.len()
    }

    /// The `n` others of the item's row, or all with 0, that alone would take most from its squared
    /// error with this penalty of the squares, the best first; of equals the lower column.
    pub fn nearest(&self, item: usize, n: usize, l2: f32) -> Vec<(u32, f32)> {
        let (columns, values) = self.cells.row(item);
        // A number that rises with the gain, and then as the place falls.
        let key = |(at, (column, value)): (u32, (&u32, &f32))| {
            let gain = value * value / (self.diagonal[*column as usize] + l2);
            u64::from(gain.to_bits()) << 32 | u64::from(u32::MAX - at)
        };
        let cells = (0..).zip(columns.iter().zip(values));
        let mut keys: Vec<u64> =
            cells.filter(|(_, cell)| *cell.0 as usize != item).map(key).collect();
        if keys.len() > n && n > 0 {
            keys.select_nth_unstable_by(n - 1, |a, b| b.cmp(a));
            keys.truncate(n);
        }
        keys.sort_unstable_by(|a, b| b.cmp(a));
        let cell = |key: u64| {
            let at = (u32::MAX - key as u32) as usize;
            (columns[at], values[at])
        };
        keys.into_iter().map(cell).collect()
    }

    /// The cells between these items, dense, row after row; `places` has a number for every item, all
    /// `u32::MAX` before and after.
    pub fn block(&self, items: &[u32], places: &mut [u32]) -> Vec<f32> {
        let n = items.len();
        let mut block = vec![0.0; n * n];
        // A cell is looked up in the shorter of its two rows.
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_unstable_by_key(|at| std::cmp::Reverse(self.ranks[items[*at] as usize]));
        for (at, item) in (0..).zip(items) {
            places[*item as usize] = at;
        }
        for (done, at) in order.iter().enumerate() {
            let rest = &order[done..];
            let mut set = |other: usize, value: f32| {
                block[at * n + other] = value;
                block[other * n + at] = value;
            };
            let item = items[*at] as usize;
            let rank = self.ranks[item] as usize;
            let (columns, values) = self.cells.row(item);
            if rank < self.longest.n_rows() {
                let row = self.longest.row(rank);
                for other in rest {
                    set(*other, row[self.ranks[items[*other] as usize] as usize]);
                }
            } else if columns.len() > rest.len() * SEARCH {
                for other in rest {
                    if let Ok(found) = columns.binary_search(&items[*other]) {
                        set(*other, values[found]);
                    }
                }
            } else {
                for (column, value) in columns.iter().zip(values) {
                    let place = places[*column as usize];
                    if place != u32::MAX {
                        set(place as usize, *value);
                    }
                }
            }
        }
        for item in items {
            places[*item as usize] = u32::MAX;
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_take_most_from_the_squared_error() {
        let cells = vec![(0, 0, 9.0), (0, 1, 2.0), (0, 2, 2.0), (0, 3, 2.0), (1, 1, 4.0)];
        let cells = cells.into_iter().chain([(2, 2, 2.0), (3, 3, 4.0)]).collect();
        let gram = Gram::new(Sparse::from_cells(4, 4, cells));
        assert_eq!(gram.nearest(0, 2, 1.0), [(2, 2.0), (1, 2.0)]);
        assert_eq!(gram.nearest(0, 0, 1.0), [(2, 2.0), (1, 2.0), (3, 2.0)]);
    }

    #[test]
    fn a_block_holds_the_cells_between_the_chosen() {
        // More rows than lie dense; the others' are looked through for many items, searched for few.
        let n = LONGEST as u32 + 2000;
        let near = |a: u32, b: u32| (a + b) % 16 < 2;
        let row = |item: u32| -> Vec<(u32, f32)> {
            let others = (0..n).filter(|other| near(item, *other));
            others.map(|other| (other, (item * other % 97) as f32)).collect()
        };
        let cells = Sparse::from_rows(n as usize, (0..n).map(row));
        let gram = Gram::new(cells.clone());
        let mut places = vec![u32::MAX; n as usize];
        let last = n - 1;
        let few = vec![last - 61, last];
        let some = vec![7, last - 5, 53, last, last - 61, 54, last - 1, last - 60];
        for items in [few, some, (0..n).step_by(7).collect()] {
            let block = gram.block(&items, &mut places);
            for (a, row) in items.iter().zip(block.chunks_exact(items.len())) {
                for (b, found) in items.iter().zip(row) {
                    assert_eq!(*found, cells.get(*a as usize, *b), "{a} {b}");
                }
            }
            assert!(places.iter().all(|place| *place == u32::MAX));
        }
    }
}
