//! How many tasks of each queue this process has handed out lately.
use crate::clock::Clock;
use baton_common::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What is counted together, ms.
const SLOT_MS: i64 = 10_000;
/// Slots of a minute.
const SLOTS: u8 = 6;
/// Most queues remembered; the tasks of further ones are not counted.
const QUEUES_MAX: usize = 20_000;

type Slots = [Slot; SLOTS as usize];

/// Counts by queue, each of the last minute.
pub(crate) struct HandedOut {
    clock: Arc<Clock>,
    queues: Mutex<HashMap<String, Slots>>,
}

/// The tasks of one stretch of time, which its number names.
#[derive(Clone, Copy, Default)]
struct Slot {
    number: i64,
    count: u32,
}

impl HandedOut {
    pub(crate) fn new(clock: Arc<Clock>) -> Self {
        Self { clock, queues: Mutex::default() }
    }

    /// Notes that so many tasks of a queue have been handed out.
    pub(crate) fn note(&self, queue: &str, count: usize) {
        let now = number(self.clock.now());
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if !queues.contains_key(queue) {
            if queues.len() >= QUEUES_MAX {
                queues.retain(|_, slots| last_minute(slots, now) > 0);
            }
            if queues.len() >= QUEUES_MAX {
                return;
            }
        }
        let slots = queues.entry(queue.to_owned()).or_default();
        let place = usize::try_from(now.rem_euclid(SLOTS.into())).unwrap_or(0);
        let slot = &mut slots[place];
        if slot.number != now {
            *slot = Slot { number: now, count: 0 };
        }
        slot.count = slot.count.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Tasks of a queue in the last minute, if there were any.
    pub(crate) fn of(&self, queue: &str) -> Option<u32> {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let count = last_minute(queues.get(queue)?, number(self.clock.now()));
        (count > 0).then_some(count)
    }
}

fn number(at: Timestamp) -> i64 {
    at.millis().div_euclid(SLOT_MS)
}

fn last_minute(slots: &Slots, now: i64) -> u32 {
    let recent = slots.iter().filter(|slot| now - slot.number < SLOTS.into());
    recent.map(|slot| slot.count).fold(0, u32::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(numbers: [i64; SLOTS as usize]) -> Slots {
        numbers.map(|number| Slot { number, count: 1 })
    }

    #[test]
    fn only_the_last_minute_counts() {
        assert_eq!(last_minute(&slots([12, 13, 14, 9, 10, 11]), 14), 6);
        assert_eq!(last_minute(&slots([12, 13, 14, 9, 10, 11]), 17), 3);
        assert_eq!(last_minute(&slots([12, 13, 14, 9, 10, 11]), 20), 0);
    }

    #[test]
    fn each_queue_is_counted_for_itself() {
        let clock = Arc::new(Clock::default());
        let handed_out = HandedOut::new(clock);
        handed_out.note("a", 2);
        handed_out.note("a", 3);
        assert_eq!((handed_out.of("a"), handed_out.of("b")), (Some(5), None));
    }
}
