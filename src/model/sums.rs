//! Sums of sparse rows, of which only the touched places are looked at.

/// A row of sums, and which of them are not zero.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    values: Vec<f32>,
    /// Places that were zero when they were added to.
    touched: Vec<u32>,
    n_touched: usize,
    /// So many places are touched that a list of them costs more than a look at all.
    dense: bool,
}

impl Sums {
    /// Zeros.
    pub fn new(n: usize) -> Self {
        Self { values: vec![0.0; n], touched: Vec::new(), n_touched: 0, dense: false }
    }

    /// Prepares for about so many cells; sums are zeros before.
    pub fn expect(&mut self, n_cells: usize) {
        self.dense = n_cells > self.values.len() / 2;
    }

    /// Adds `scale` times the cells of a row.
    pub fn add(&mut self, (columns, values): (&[u32], &[f32]), scale: f32) {
        self.add_each(columns, values.iter().map(|value| scale * value));
    }

    /// Adds `amount` to all these places.
    pub fn add_same(&mut self, columns: &[u32], amount: f32) {
        self.add_each(columns, std::iter::repeat(amount));
    }

    #[inline]
    fn add_each(&mut self, columns: &[u32], amounts: impl Iterator<Item = f32>) {
        if self.dense {
            let values = self.values.as_mut_slice();
            for (column, amount) in columns.iter().zip(amounts) {
                values[*column as usize] += amount;
            }
            return;
        }
        let room = self.n_touched + columns.len();
        if self.touched.len() < room {
            self.touched.resize(room, 0);
        }
        let (values, touched) =
            (self.values.as_mut_slice(), &mut self.touched[self.n_touched..room]);
        let mut n = 0;
        for (column, amount) in columns.iter().zip(amounts) {
            let sum = &mut values[*column as usize];
            touched[n] = *column;
            n += usize::from(*sum == 0.0);
            *sum += amount;
        }
        self.n_touched += n;
    }

    /// Hands every sum that is not zero to `to`, in no order; leaves zeros.
    pub fn take(&mut self, mut to: impl FnMut(u32, f32)) {
        if self.dense {
            for (place, value) in (0..).zip(&mut self.values) {
                if *value != 0.0 {
                    to(place, std::mem::take(value));
                }
            }
            return;
        }
        for place in &self.touched[..self.n_touched] {
            // A place may be listed twice, where its sum was zero in between.
            let value = std::mem::take(&mut self.values[*place as usize]);
            if value != 0.0 {
                to(*place, value);
            }
        }
        self.n_touched = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_rows_whether_listed_or_not() {
        let mut sums = Sums::new(100);
        for n_cells in [5, 500, 5] {
            sums.expect(n_cells);
            sums.add((&[3, 90], &[1.0, 2.0]), 2.0);
            sums.add((&[3, 50], &[1.0, 1.5]), -2.0);
            sums.add((&[3], &[4.0]), 1.0);
            let mut found = Vec::new();
            sums.take(|place, value| found.push((place, value)));
            found.sort_unstable_by_key(|cell| cell.0);
            assert_eq!(found, [(3, 4.0), (50, -3.0), (90, 4.0)]);
            sums.take(|_, _| unreachable!());
        }
    }
}
