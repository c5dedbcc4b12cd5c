//! A mean of what was seen last.

/// How much of a mean is what was seen last.
const WEIGHT: f32 = 0.125;

/// Follows what it sees; 0 before that.
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
