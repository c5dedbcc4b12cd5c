//! What a loop keeps of its iterations.
use baton_common::Payload;
use imbl::OrdMap;

/// The outputs of each iteration's steps, by the iteration's number, and their size.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Iterations {
    by_number: OrdMap<u32, Payload>,
    bytes: usize,
}

impl Iterations {
    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Payload)> {
        self.by_number.iter().map(|(number, outputs)| (*number, outputs))
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Payload> {
        self.by_number.get(&number)
    }

    /// The sum of the outputs, bytes.
    pub(crate) fn len_bytes(&self) -> usize {
        self.bytes
    }

    /// Sets the outputs of an iteration.
    pub(crate) fn insert(&mut self, number: u32, outputs: Payload) {
        self.bytes += outputs.len_bytes();
        let old = self.by_number.insert(number, outputs);
        self.bytes -= old.map_or(0, |old| old.len_bytes());
    }

    /// Drops those up to an iteration, itself included.
    pub(crate) fn forget_until(&mut self, last: u32) {
        while let Some((oldest, outputs)) = self.by_number.get_min().cloned()
            && oldest <= last
        {
            self.bytes -= outputs.len_bytes();
            self.by_number.remove(&oldest);
        }
    }

    /// Those before an iteration.
    pub(crate) fn before(&self, number: u32) -> Self {
        self.by_number.split(&number).0.into_iter().collect()
    }
}

impl FromIterator<(u32, Payload)> for Iterations {
    fn from_iter<I: IntoIterator<Item = (u32, Payload)>>(all: I) -> Self {
        let mut iterations = Self::default();
        all.into_iter().for_each(|(number, outputs)| iterations.insert(number, outputs));
        iterations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_that_of_what_is_kept() {
        let sizes = |iterations: &Iterations| {
            let sum: usize = iterations.iter().map(|(_, outputs)| outputs.len_bytes()).sum();
            assert_eq!(iterations.len_bytes(), sum);
            sum
        };
        let output = |text: &str| Payload::parse(format!("{{\"a\":\"{text}\"}}")).unwrap();
        let mut iterations: Iterations = (1..=9).map(|n| (n, output("xx"))).collect();
        assert_eq!(sizes(&iterations), 9 * 10);
        iterations.insert(9, output(""));
        assert_eq!(sizes(&iterations), 8 * 10 + 8);
        iterations.forget_until(3);
        assert_eq!(sizes(&iterations), 5 * 10 + 8);
        assert_eq!(sizes(&iterations.before(6)), 2 * 10);
        iterations.forget_until(9);
        assert_eq!(sizes(&iterations), 0);
    }
}
