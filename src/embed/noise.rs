//! Draws by weight in constant time.
//!
//! Walker, "An efficient method for generating discrete random variables with general distributions",
//! TOMS 1977; filled as in Vose, "A linear algorithm", IEEE TSE 1991.

use rand::RngCore;
use rand_xoshiro::SplitMix64;

/// A table to draw numbers from by weight.
pub(super) struct Noise {
    /// What a number's own share of its slot is, of 2³², and who has the rest.
    slots: Vec<(u32, u32)>,
}

impl Noise {
    /// A table of these weights, which are finite and not negative; all alike where all are 0.
    pub(super) fn new(weights: impl Iterator<Item = f64>) -> Self {
        let mut shares: Vec<f64> = weights.collect();
        let total: f64 = shares.iter().sum();
        let scale = if total > 0.0 { shares.len() as f64 / total } else { 0.0 };
        shares.iter_mut().for_each(|share| *share = if total > 0.0 { *share * scale } else { 1.0 });
        let mut slots: Vec<(u32, u32)> =
            (0..shares.len() as u32).map(|own| (u32::MAX, own)).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..shares.len()).partition(|slot| shares[*slot] < 1.0);
        while let (Some(&few), Some(&many)) = (small.last(), large.last()) {
            small.pop();
            slots[few] = ((shares[few] * 2.0_f64.powi(32)) as u32, many as u32);
            shares[many] -= 1.0 - shares[few];
            if shares[many] < 1.0 {
                large.pop();
                small.push(many);
            }
        }
        Self { slots }
    }

    /// A number by its weight.
    #[inline]
    pub(super) fn draw(&self, random: &mut SplitMix64) -> u32 {
        let drawn = random.next_u64();
        let slot = (((drawn >> 32) * self.slots.len() as u64) >> 32) as u32;
        let (share, other) = self.slots[slot as usize];
        if (drawn as u32) < share { slot } else { other }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn numbers_come_by_their_weight() {
        let weights = [1.0, 0.0, 3.0, 4.0];
        let noise = Noise::new(weights.into_iter());
        let mut random = SplitMix64::seed_from_u64(5);
        let mut counts = [0_u32; 4];
        for _ in 0..80_000 {
            counts[noise.draw(&mut random) as usize] += 1;
        }
        for (count, weight) in counts.iter().zip(weights) {
            assert!((f64::from(*count) - weight * 10_000.0).abs() < 400.0, "{counts:?}");
        }
    }

    #[test]
    fn without_weights_all_are_alike() {
        let noise = Noise::new([0.0, 0.0].into_iter());
        let mut random = SplitMix64::seed_from_u64(5);
        let ones: u32 = (0..1000).map(|_| noise.draw(&mut random)).sum();
        assert!((400..600).contains(&ones));
    }
}
