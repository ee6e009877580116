//! The logistic function, fast.

/// 1 / (1 + exp(-x)) by a table of steps of 1/128, at most 8 either way.
pub(super) struct Sigmoid(Vec<f32>);

impl Sigmoid {
    const MOST: f32 = 8.0;
    const STEPS: f32 = 128.0;

    /// The table.
    pub fn new() -> Self {
        let n = (2.0 * Self::MOST * Self::STEPS) as usize;
        let at = |step: usize| step as f32 / Self::STEPS - Self::MOST;
        Self((0..=n).map(|step| 1.0 / (1.0 + (-at(step)).exp())).collect())
    }

    /// The value at `x`, to the nearest step.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "it is compiled for each set of instructions")]
    pub fn of(&self, x: f32) -> f32 {
        let place = (x.clamp(-Self::MOST, Self::MOST) + Self::MOST) * Self::STEPS + 0.5;
        // What is not a number is taken for 0, and so stays as it is.
        self.0.get(place as usize).copied().unwrap_or(0.5)
    }
}
