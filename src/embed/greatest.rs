//! The greatest of many scores.

/// Gathers the `k` items with the greatest scores, of equals those with the lower numbers.
///
/// A full list is cut to its best quarter once it has four times `k` items; what does not reach the least
/// of them needs not be looked at any more. So a long run costs little more than a look at each score.
#[derive(Clone, Debug)]
pub(crate) struct Greatest {
    k: usize,
    /// The first `n` are gathered; the others are room.
    keys: Vec<u64>,
    n: usize,
    bar: f32,
}

impl Greatest {
    /// Of no items so far.
    pub fn new(k: usize) -> Self {
        let bar = if k == 0 { f32::INFINITY } else { f32::NEG_INFINITY };
        Self { k, keys: Vec::new(), n: 0, bar }
    }

    /// Scores below this one are not among the greatest.
    #[inline]
    pub fn bar(&self) -> f32 {
        self.bar
    }

    /// Takes an item in; cheap where its score is below the bar.
    #[inline]
    pub fn put(&mut self, item: u32, score: f32) {
        if score < self.bar {
            return;
        }
        self.put_all(std::iter::once((item, score)));
    }

    /// Takes items in with their scores; does not branch on a score, for where many reach the bar.
    #[inline]
    pub fn put_all(&mut self, items: impl Iterator<Item = (u32, f32)>) {
        let (mut n, mut bar) = (self.n, self.bar);
        for (item, score) in items {
            if n == self.keys.len() {
                n = self.make_room(n);
                bar = self.bar;
            }
            self.keys[n] = key(item, score);
            n += 1 - usize::from(score < bar);
        }
        self.n = n;
    }

    /// Makes room behind the first `n` keys, or cuts them; how many are left.
    #[inline(never)]
    fn make_room(&mut self, n: usize) -> usize {
        let most = self.k.saturating_mul(4).max(1);
        if n < most {
            self.keys.resize(most.min(n.max(512) * 2), 0);
            return n;
        }
        if let Some(least) = self.cut(n).last().copied() {
            self.bar = item_and_score(least).1;
        }
        self.k
    }

    /// The greatest of the first `n` keys, at most `k`; the last is the least of them where some are cut.
    fn cut(&mut self, n: usize) -> &mut [u64] {
        if n > self.k && self.k > 0 {
            self.keys[..n].select_nth_unstable_by(self.k - 1, |a, b| b.cmp(a));
        }
        &mut self.keys[..n.min(self.k)]
    }

    /// The items, the greatest score first, of equals the lower number; leaves none.
    pub fn take(&mut self) -> impl Iterator<Item = (u32, f32)> + '_ {
        self.take_sorted(|key| !*key)
    }

    /// The items, the lowest number first; leaves none.
    pub fn take_by_item(&mut self) -> impl Iterator<Item = (u32, f32)> + '_ {
        self.take_sorted(|key| item_and_score(*key).0)
    }

    fn take_sorted<K: Ord>(
        &mut self,
        by: impl Fn(&u64) -> K,
    ) -> impl Iterator<Item = (u32, f32)> + '_ {
        let n = std::mem::take(&mut self.n);
        self.bar = Self::new(self.k).bar;
        let kept = self.cut(n);
        kept.sort_unstable_by_key(by);
        kept.iter().map(|key| item_and_score(*key))
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
            let expected = &sorted[..k.min(500)];
            let shuffled = || (0..500).map(|at| at * 7 % 500).map(|item| (item, score(item)));
            shuffled().for_each(|(item, score)| greatest.put(item, score));
            assert!(greatest.take().eq(expected.iter().copied()), "{k}");
            greatest.put_all(shuffled());
            let by_item =
                (0..500).map(|item| (item, score(item))).filter(|it| expected.contains(it));
            assert!(greatest.take_by_item().eq(by_item), "{k}");
        }
        let mut none = Greatest::new(0);
        none.put(1, 2.0);
        none.put_all([(1, 2.0), (2, f32::INFINITY)].into_iter());
        assert_eq!(none.take().count(), 0);
    }
}
