//! The greatest of many scores.

/// Gathers the `k` items with the greatest scores, of equals those with the lower numbers.
///
/// A full list is cut to its best half once it has twice `k` items; what does not reach the least of
/// them needs not be looked at any more. So a long run costs little more than a look at each score.
#[derive(Clone, Debug)]
pub(crate) struct Greatest {
    k: usize,
    keys: Vec<u64>,
    bar: f32,
}

impl Greatest {
    /// Of no items so far.
    pub fn new(k: usize) -> Self {
        let bar = if k == 0 { f32::INFINITY } else { f32::NEG_INFINITY };
        Self { k, keys: Vec::with_capacity(k.saturating_mul(2).min(1024)), bar }
    }

    /// Scores below this one are not among the greatest.
    #[inline]
    pub fn bar(&self) -> f32 {
        self.bar
    }

    /// Takes an item in; cheap where its score is below the bar.
    #[inline]
    pub fn put(&mut self, item: u32, score: f32) {
        if score < self.bar || self.k == 0 {
            return;
        }
        self.keys.push(key(item, score));
        if self.keys.len() / 2 >= self.k {
            self.cut();
        }
    }

    #[inline(never)]
    fn cut(&mut self) {
        let k = self.k;
        self.keys.select_nth_unstable_by(k - 1, |a, b| b.cmp(a));
        self.keys.truncate(k);
        self.bar = item_and_score(self.keys[k - 1]).1;
    }

    /// The items, the greatest score first, of equals the lower number; leaves none.
    pub fn take(&mut self) -> impl Iterator<Item = (u32, f32)> + '_ {
        self.keys.sort_unstable_by(|a, b| b.cmp(a));
        self.keys.truncate(self.k);
        self.bar = Self::new(self.k).bar;
        self.keys.drain(..).map(item_and_score)
    }
}

/// A number that is greater for greater scores, in the order of [`f32::total_cmp`], and for lower items.
fn key(item: u32, score: f32) -> u64 {
    let bits = score.to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(ordered) << 32 | u64::from(!item)
}

fn item_and_score(key: u64) -> (u32, f32) {
    let ordered = (key >> 32) as u32;
    let bits = if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered };
    (!(key as u32), f32::from_bits(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_come_first_and_ties_by_number() {
        let score = |at: u32| (at * 37 % 101) as f32 / 8.0 - 5.0;
        let mut sorted: Vec<(u32, f32)> = (0..500).map(|at| (at, score(at))).collect();
        sorted.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        for k in [1, 3, 10, 499, 500, 700] {
            let mut greatest = Greatest::new(k);
            for _ in 0..2 {
                for item in (0..500).map(|at| at * 7 % 500) {
                    greatest.put(item, score(item));
                }
                assert!(greatest.take().eq(sorted[..k.min(500)].iter().copied()), "{k}");
            }
        }
        let mut none = Greatest::new(0);
        none.put(1, 2.0);
        assert_eq!(none.take().count(), 0);
    }
}
