//! A moving average.

/// The share of the newest value in the average.
const WEIGHT: f32 = 0.125;

/// An exponential moving average, which begins at 0.
#[derive(Clone, Copy, Default)]
pub(super) struct Mean(f32);

impl Mean {
    pub(super) fn see(&mut self, value: f32) {
        self.0 += (value - self.0) * WEIGHT;
    }

    pub(super) fn is_above(self, limit: f32) -> bool {
        self.0 > limit
    }
}

/// A number of things, 65,535 at most.
pub(super) fn count(number: usize) -> f32 {
    f32::from(u16::try_from(number).unwrap_or(u16::MAX))
}
