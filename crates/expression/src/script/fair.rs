//! Who is next: scripts that wait are served in turn between namespaces, and within a namespace in
//! turn between executions, so that a flood of one delays the others by one script.
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// For whom a script runs. Scripts of one share are served in their order, shares take turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ShareKey {
    /// The namespace of the execution; 0 where there is only one.
    pub namespace: u64,
    /// The execution.
    pub execution: u128,
}

impl ShareKey {
    /// The share of an execution where there is only one namespace.
    pub const fn of_execution(execution: u128) -> Self {
        Self { namespace: 0, execution }
    }
}

/// What may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Most scripts that wait. A share of which none waits may go beyond it, up to twice as many in
    /// all, so that no flood shuts the others out.
    pub scripts_max: usize,
    /// Most bytes of programs and inputs that wait; goes beyond it likewise.
    pub bytes_max: usize,
    /// Most scripts of one share that wait.
    pub share_scripts_max: usize,
    /// Most bytes of one share that wait; its first script may be of any size.
    pub share_bytes_max: usize,
}

impl QueueLimits {
    /// Some minutes of work, in memory that a server can spare.
    pub const STANDARD: Self = Self {
        scripts_max: 10_000,
        bytes_max: 256 * 1024 * 1024,
        share_scripts_max: 1_000,
        share_bytes_max: 64 * 1024 * 1024,
    };
}

/// Values by key, of which one is first.
#[derive(Debug)]
struct Turns<K, V> {
    order: VecDeque<K>,
    by_key: HashMap<K, V>,
}

impl<K: Copy + Eq + Hash, V: Default> Turns<K, V> {
    fn new() -> Self {
        Self { order: VecDeque::new(), by_key: HashMap::new() }
    }

    /// The value of `key`, which comes last if it is new.
    fn entry(&mut self, key: K) -> &mut V {
        let order = &mut self.order;
        self.by_key.entry(key).or_insert_with(|| {
            order.push_back(key);
            V::default()
        })
    }

    /// The key has had its turn: it comes last now, or goes if nothing is left of it.
    fn had_turn(&mut self, key: K, is_over: bool) {
        if let Some(position) = self.order.iter().position(|other| *other == key) {
            self.order.remove(position);
        }
        if is_over {
            self.by_key.remove(&key);
        } else {
            self.order.push_back(key);
        }
    }
}

impl<K: Copy + Eq + Hash, V: Default> Default for Turns<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

/// What waits of one share.
#[derive(Debug)]
struct Waiting<T> {
    jobs: VecDeque<(T, usize)>,
    bytes: usize,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self { jobs: VecDeque::new(), bytes: 0 }
    }
}

/// Jobs that wait, and how many of each share run.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    limits: QueueLimits,
    namespaces: Turns<u64, Turns<u128, Waiting<T>>>,
    running: HashMap<ShareKey, usize>,
    running_in_namespace: HashMap<u64, usize>,
    length: usize,
    bytes: usize,
}

impl<T> FairQueue<T> {
    pub(super) fn new(limits: QueueLimits) -> Self {
        Self {
            limits,
            namespaces: Turns::new(),
            running: HashMap::new(),
            running_in_namespace: HashMap::new(),
            length: 0,
            bytes: 0,
        }
    }

    /// How many jobs wait.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Whether a job of so many bytes finds room.
    pub(super) fn admits(&self, share: ShareKey, bytes: usize) -> bool {
        let limits = self.limits;
        let namespace = self.namespaces.by_key.get(&share.namespace);
        let own = namespace.and_then(|shares| shares.by_key.get(&share.execution));
        let (length, total) = (self.length, self.bytes.saturating_add(bytes));
        match own {
            None => {
                let fits = self.length == 0 || total <= 2 * limits.bytes_max;
                length < 2 * limits.scripts_max && fits
            }
            Some(own) => {
                length < limits.scripts_max
                    && total <= limits.bytes_max
                    && own.jobs.len() < limits.share_scripts_max
                    && own.bytes.saturating_add(bytes) <= limits.share_bytes_max
            }
        }
    }

    /// Adds a job behind those of its share.
    pub(super) fn push(&mut self, share: ShareKey, bytes: usize, job: T) {
        let waiting = self.namespaces.entry(share.namespace).entry(share.execution);
        waiting.jobs.push_back((job, bytes));
        waiting.bytes += bytes;
        self.length += 1;
        self.bytes += bytes;
    }

    /// The next job, which counts as running until [`Self::finished`]. While others wait, no share
    /// and no namespace has more than half of the `slots`.
    pub(super) fn pop(&mut self, slots: usize) -> Option<(ShareKey, T)> {
        let share = self.next_share((slots / 2).max(1))?;
        let shares = self.namespaces.by_key.get_mut(&share.namespace)?;
        let waiting = shares.by_key.get_mut(&share.execution)?;
        let (job, bytes) = waiting.jobs.pop_front()?;
        waiting.bytes -= bytes;
        let is_over = waiting.jobs.is_empty();
        shares.had_turn(share.execution, is_over);
        let is_over = shares.order.is_empty();
        self.namespaces.had_turn(share.namespace, is_over);
        self.length -= 1;
        self.bytes -= bytes;
        *self.running.entry(share).or_default() += 1;
        *self.running_in_namespace.entry(share.namespace).or_default() += 1;
        Some((share, job))
    }

    /// A job of this share no longer runs.
    pub(super) fn finished(&mut self, share: ShareKey) {
        count_down(&mut self.running, share);
        count_down(&mut self.running_in_namespace, share.namespace);
    }

    /// Whose turn it is. Few shares can have all that is allowed, so few are passed over.
    fn next_share(&self, slots_max: usize) -> Option<ShareKey> {
        let of_namespace = |namespace: u64| {
            let shares = self.namespaces.by_key.get(&namespace)?;
            let keys = shares
                .order
                .iter()
                .map(move |execution| ShareKey { namespace, execution: *execution });
            Some(keys)
        };
        let has_slot =
            |share: &ShareKey| self.running.get(share).is_none_or(|running| *running < slots_max);
        let may_run = |namespace: &u64| {
            self.running_in_namespace.get(namespace).is_none_or(|running| *running < slots_max)
        };
        let order = || self.namespaces.order.iter().copied();
        let fair = order().filter(may_run).filter_map(of_namespace).flatten().find(has_slot);
        let alone = || order().filter_map(of_namespace).flatten().find(has_slot);
        fair.or_else(alone).or_else(|| order().filter_map(of_namespace).flatten().next())
    }
}

fn count_down<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K) {
    if let std::collections::hash_map::Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() = count.get().saturating_sub(1);
        if *count.get() == 0 {
            count.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(namespace: u64, execution: u128) -> ShareKey {
        ShareKey { namespace, execution }
    }

    fn queue(pushed: &[(u64, u128, usize)]) -> FairQueue<usize> {
        let mut queue = FairQueue::new(QueueLimits::STANDARD);
        for (namespace, execution, count) in pushed {
            for job in 0..*count {
                queue.push(key(*namespace, *execution), 1, job);
            }
        }
        queue
    }

    /// The executions in the order in which one slot serves them.
    fn served(queue: &mut FairQueue<usize>, count: usize) -> Vec<u128> {
        let next = || {
            let (share, _) = queue.pop(1)?;
            queue.finished(share);
            Some(share.execution)
        };
        std::iter::from_fn(next).take(count).collect()
    }

    #[test]
    fn executions_take_turns_and_each_keeps_its_order() {
        assert_eq!(
            served(&mut queue(&[(0, 1, 5), (0, 2, 2), (0, 3, 1)]), 9),
            [1, 2, 3, 1, 2, 1, 1, 1]
        );
        let mut queue = queue(&[(0, 1, 3)]);
        let jobs: Vec<_> = (0..3).filter_map(|_| queue.pop(1)).map(|(_, job)| job).collect();
        assert_eq!(jobs, [0, 1, 2]);
        assert!(queue.pop(1).is_none() && queue.len() == 0 && queue.bytes == 0);
    }

    #[test]
    fn namespaces_take_turns_before_their_executions_do() {
        let mut queue = queue(&[(0, 1, 2), (0, 2, 2), (0, 3, 2), (7, 4, 3)]);
        assert_eq!(served(&mut queue, 9), [1, 4, 2, 4, 3, 4, 1, 2, 3]);
    }

    #[test]
    fn one_that_comes_late_is_next_but_for_those_in_turn() {
        let mut queue = queue(&[(0, 1, 40)]);
        assert_eq!(served(&mut queue, 3), [1, 1, 1]);
        queue.push(key(0, 2), 1, 0);
        assert_eq!(served(&mut queue, 2), [1, 2]);
    }

    #[test]
    fn a_share_has_half_of_the_slots_while_others_wait_and_all_when_alone() {
        let mut queue = queue(&[(0, 1, 10), (0, 2, 6)]);
        let started = |queue: &mut FairQueue<usize>| queue.pop(4).unwrap().0.execution;
        let first: Vec<_> = (0..4).map(|_| started(&mut queue)).collect();
        assert_eq!(first, [1, 2, 1, 2]);
        // The second one's scripts are short: its slots never go to the first.
        for _ in 0..4 {
            queue.finished(key(0, 2));
            assert_eq!(started(&mut queue), 2);
        }
        queue.finished(key(0, 2));
        assert_eq!(started(&mut queue), 1);
        assert!(queue.running[&key(0, 1)] == 3);
    }

    #[test]
    fn a_namespace_has_half_of_the_slots_while_others_wait() {
        let mut queue = queue(&[(0, 1, 4), (0, 2, 4), (0, 3, 4), (7, 9, 4)]);
        let started: Vec<_> = (0..4).map(|_| queue.pop(4).unwrap().0.namespace).collect();
        assert_eq!(started, [0, 7, 0, 7]);
        queue.finished(key(7, 9));
        assert_eq!(queue.pop(4).unwrap().0.namespace, 7);
    }

    /// Each limit at its value and one beyond it.
    #[test]
    fn a_full_queue_still_takes_the_first_of_a_share() {
        let limits = QueueLimits {
            scripts_max: 4,
            bytes_max: 100,
            share_scripts_max: 3,
            share_bytes_max: 50,
        };
        let mut queue = FairQueue::new(limits);
        let (one, two) = (key(0, 1), key(0, 2));
        for _ in 0..3 {
            assert!(queue.admits(one, 10));
            queue.push(one, 10, 0);
        }
        assert!(!queue.admits(one, 10), "three of a share");
        assert!(queue.admits(two, 70) && queue.admits(two, 170) && !queue.admits(two, 171));
        queue.push(two, 50, 0);
        assert!(!queue.admits(two, 1), "bytes of a share, and four in all");
        for execution in 3..7 {
            assert!(queue.admits(key(0, execution), 1));
            queue.push(key(0, execution), 1, 0);
        }
        assert!(!queue.admits(key(0, 9), 1), "eight in all");
        let (share, _) = queue.pop(1).unwrap();
        queue.finished(share);
        assert!(queue.admits(key(0, 9), 1));
    }

    #[test]
    fn a_single_script_of_any_size_finds_room_in_an_empty_queue() {
        let limits = QueueLimits { bytes_max: 10, ..QueueLimits::STANDARD };
        assert!(FairQueue::<u8>::new(limits).admits(key(0, 1), 1_000));
    }
}
