//! A sparse matrix by rows, and what recommenders do with it.

use std::ops::Range;

use rayon::prelude::*;

use super::sums::Sums;
use crate::embed::greatest::Greatest;

/// Rows of a product that are computed at once.
const STRIP: usize = 4096;

/// A sparse matrix of `f32` by rows, columns ascending within a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sparse {
    n_columns: usize,
    offsets: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl Sparse {
    /// The matrix of these rows, whose cells ascend by column without doubles.
    pub fn from_rows(n_columns: usize, rows: impl IntoIterator<Item = Vec<(u32, f32)>>) -> Self {
        let mut matrix = Self { n_columns, offsets: vec![0], ..Self::default() };
        for row in rows {
            matrix.columns.extend(row.iter().map(|cell| cell.0));
            matrix.values.extend(row.iter().map(|cell| cell.1));
            matrix.offsets.push(matrix.columns.len());
        }
        matrix
    }

    /// The matrix with these cells, in any order; cells named twice are added up.
    pub fn from_cells(n_rows: usize, n_columns: usize, mut cells: Vec<(u32, u32, f32)>) -> Self {
        cells.sort_by_key(|(row, column, _)| (*row, *column));
        let mut rows = vec![Vec::new(); n_rows];
        for (row, column, value) in cells {
            let row: &mut Vec<(u32, f32)> = &mut rows[row as usize];
            match row.last_mut() {
                Some(last) if last.0 == column => last.1 += value,
                _ => row.push((column, value)),
            }
        }
        Self::from_rows(n_columns, rows)
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Number of columns.
    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// Number of stored cells.
    pub fn n_cells(&self) -> usize {
        self.columns.len()
    }

    /// Columns and values of a row.
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let span = self.offsets[row]..self.offsets[row + 1];
        (&self.columns[span.clone()], &self.values[span])
    }

    /// The cells of a row.
    pub fn cells(&self, row: usize) -> impl Iterator<Item = (u32, f32)> + '_ {
        let (columns, values) = self.row(row);
        columns.iter().copied().zip(values.iter().copied())
    }

    /// The cell's value; 0 where none is stored.
    pub fn get(&self, row: usize, column: u32) -> f32 {
        let (columns, values) = self.row(row);
        columns.binary_search(&column).map_or(0.0, |at| values[at])
    }

    /// Rows become columns.
    pub fn transposed(&self) -> Self {
        let mut offsets = vec![0; self.n_columns + 1];
        for column in &self.columns {
            offsets[*column as usize + 1] += 1;
        }
        for column in 0..self.n_columns {
            offsets[column + 1] += offsets[column];
        }
        let mut next = offsets.clone();
        let mut columns = vec![0; self.columns.len()];
        let mut values = vec![0.0; self.columns.len()];
        for row in 0..self.n_rows() {
            for (column, value) in self.cells(row) {
                let at = &mut next[column as usize];
                (columns[*at], values[*at]) = (row as u32, value);
                *at += 1;
            }
        }
        Self { n_columns: self.n_rows(), offsets, columns, values }
    }

    /// The same cells with other values, from row, column and value.
    pub fn mapped(mut self, value: impl Fn(usize, u32, f32) -> f32) -> Self {
        for row in 0..self.n_rows() {
            for at in self.offsets[row]..self.offsets[row + 1] {
                self.values[at] = value(row, self.columns[at], self.values[at]);
            }
        }
        self
    }

    /// Sum of each row.
    pub fn row_sums(&self) -> Vec<f32> {
        (0..self.n_rows()).map(|row| self.row(row).1.iter().sum()).collect()
    }

    /// Sum of each column.
    pub fn column_sums(&self) -> Vec<f32> {
        let mut sums = vec![0.0; self.n_columns];
        for (column, value) in self.columns.iter().zip(&self.values) {
            sums[*column as usize] += value;
        }
        sums
    }

    /// `self · other`.
    ///
    /// # Complexity
    /// * Time: the number of multiplications.
    /// * Space: beside the product one dense row for each thread.
    pub fn product(&self, other: &Self) -> Self {
        // Not all rows at once: they lie in memory twice until they are joined.
        let strips = (0..self.n_rows()).step_by(STRIP).flat_map(|start| {
            let rows = start..self.n_rows().min(start + STRIP);
            self.product_rows(other, rows)
        });
        Self::from_rows(other.n_columns, strips)
    }

    /// The cells of some rows of `self · other`.
    fn product_rows(&self, other: &Self, rows: Range<usize>) -> Vec<Vec<(u32, f32)>> {
        rows.into_par_iter()
            .map_init(
                || (vec![0.0_f32; other.n_columns], vec![false; other.n_columns], Vec::new()),
                |(dense, touched, columns), row| {
                    for (middle, left) in self.cells(row) {
                        for (column, right) in other.cells(middle as usize) {
                            dense[column as usize] += left * right;
                            if !touched[column as usize] {
                                touched[column as usize] = true;
                                columns.push(column);
                            }
                        }
                    }
                    if columns.len() > other.n_columns / 16 {
                        columns.clear();
                        let all = (0..other.n_columns as u32).zip(&*touched);
                        columns.extend(all.filter(|(_, touched)| **touched).map(|cell| cell.0));
                    } else {
                        columns.sort_unstable();
                    }
                    let cells = columns.drain(..).map(|column| {
                        touched[column as usize] = false;
                        (column, std::mem::take(&mut dense[column as usize]))
                    });
                    cells.collect()
                },
            )
            .collect()
    }

    /// The value of all of a row's cells, where they have the same.
    fn same(&self, row: usize) -> Option<f32> {
        let values = self.row(row).1;
        let first = *values.first()?;
        values.iter().all(|value| *value == first).then_some(first)
    }

    /// Of each row of `self · other` the `k` cells with the greatest weights, but not the diagonal one;
    /// `weight` makes a cell's weight of its row, its column and its value. Of equals the lower column
    /// stays; cells that come out as zero are none.
    ///
    /// # Complexity
    /// * Time: the number of multiplications, and a look at each cell.
    /// * Space: one dense row for each thread.
    pub fn product_top<F>(&self, other: &Self, k: usize, weight: F) -> Self
    where
        F: Fn(usize, usize, f32) -> f32 + Sync,
    {
        // What users did mostly counts alike.
        let same: Vec<Option<f32>> = (0..other.n_rows()).map(|row| other.same(row)).collect();
        let rows: Vec<Vec<(u32, f32)>> = (0..self.n_rows())
            .into_par_iter()
            .map_init(
                || (Sums::new(other.n_columns), Greatest::new(k)),
                |(sums, greatest), row| {
                    let others = self.row(row).0.iter().map(|middle| *middle as usize);
                    sums.expect(others.map(|middle| other.row(middle).0.len()).sum());
                    for (middle, left) in self.cells(row) {
                        let row = other.row(middle as usize);
                        match same[middle as usize] {
                            Some(right) => sums.add_same(row.0, left * right),
                            None => sums.add(row, left),
                        }
                    }
                    let others = sums.drain().filter(|(column, _)| *column as usize != row);
                    greatest.put_all(
                        others.map(|(column, value)| (column, weight(row, column as usize, value))),
                    );
                    greatest.take_by_item().collect()
                },
            )
            .collect();
        Self::from_rows(other.n_columns, rows)
    }
}

/// The `k` greatest of `cells`, ascending by column; of equals the lower column stays.
pub fn top(mut cells: Vec<(u32, f32)>, k: usize) -> Vec<(u32, f32)> {
    if k == 0 {
        return Vec::new();
    }
    if cells.len() > k {
        cells.select_nth_unstable_by(k - 1, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        cells.truncate(k);
        cells.sort_unstable_by_key(|cell| cell.0);
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_of_a_product_is_that_of_the_whole_product() {
        let cells = (0..30_u32).flat_map(|row| {
            (0..5_u32).map(move |at| (row, (row * 11 + at * at * 3) % 25, 1.0 + (row % 3) as f32))
        });
        let users = Sparse::from_cells(30, 25, cells.collect());
        let items = users.transposed();
        let weight =
            |row: usize, column: usize, value: f32| value / (1 + row % 4 + column % 3) as f32;
        for k in [0, 1, 4, 100] {
            let product = items.product(&users);
            let rows = (0..25).map(|row| {
                let others = product.cells(row).filter(|cell| cell.0 as usize != row);
                let weighed =
                    others.map(|(column, value)| (column, weight(row, column as usize, value)));
                top(weighed.collect(), k)
            });
            let whole = Sparse::from_rows(25, rows);
            assert_eq!(items.product_top(&users, k, weight), whole, "{k}");
        }
    }
}
