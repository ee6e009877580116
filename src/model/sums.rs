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

    /// Every sum that is not zero, in no order. Once it is gone through, zeros are left.
    pub fn drain(&mut self) -> impl Iterator<Item = (u32, f32)> + '_ {
        if self.dense {
            self.list();
        }
        let values = self.values.as_mut_slice();
        let touched = &self.touched[..std::mem::take(&mut self.n_touched)];
        touched.iter().filter_map(move |place| {
            // A place may be listed twice, where its sum was zero in between.
            let value = std::mem::take(&mut values[*place as usize]);
            (value != 0.0).then_some((*place, value))
        })
    }

    /// Lists the places whose sum is not zero.
    fn list(&mut self) {
        if self.touched.len() < self.values.len() {
            self.touched.resize(self.values.len(), 0);
        }
        let touched = self.touched.as_mut_slice();
        let mut n = 0;
        for (place, value) in (0..).zip(&self.values) {
            touched[n] = place;
            n += usize::from(*value != 0.0);
        }
        self.n_touched = n;
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
            let mut found: Vec<(u32, f32)> = sums.drain().collect();
            found.sort_unstable_by_key(|cell| cell.0);
            assert_eq!(found, [(3, 4.0), (50, -3.0), (90, 4.0)]);
            assert_eq!(sums.drain().count(), 0);
        }
    }
}
