//! The one place of this crate that reads a clock.
use std::time::{Duration, Instant};

/// A moment after which work is stopped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

impl Deadline {
    /// The moment `ms` milliseconds from now.
    pub(super) fn after_ms(ms: u64) -> Self {
        // A limit beyond a day is none, and the addition cannot overflow.
        Self(Instant::now() + Duration::from_millis(ms.min(86_400_000)))
    }

    /// Time left; zero once the moment has passed.
    pub(super) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether the moment has passed.
    pub(super) fn has_passed(self) -> bool {
        self.left().is_zero()
    }
}

/// A moment from which time is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since(Instant);

impl Since {
    /// This moment.
    pub(super) fn now() -> Self {
        Self(Instant::now())
    }

    /// Time since then.
    pub(super) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
