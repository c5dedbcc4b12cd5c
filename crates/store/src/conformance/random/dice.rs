//! A small random source, so that a seed means the same everywhere and for ever.

/// **Source**: SplitMix64; Steele, Lea, Flood, "Fast splittable pseudorandom number generators".
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`, which is not zero.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.bits() % end
    }

    pub(super) fn small(&mut self, end: u16) -> i64 {
        i64::try_from(self.below(u64::from(end))).unwrap()
    }

    /// True once in `chances`.
    pub(super) fn once_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()].clone()
    }

    /// One of them, three times of four.
    pub(super) fn maybe<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() || self.once_in(4) { None } else { Some(self.pick(from)) }
    }

    /// Up to `most` of them, perhaps none, perhaps one twice.
    pub(super) fn some<T: Clone>(&mut self, most: u64, from: &[T]) -> Vec<T> {
        if from.is_empty() {
            return Vec::new();
        }
        (0..self.below(most + 1)).map(|_| self.pick(from)).collect()
    }
}
