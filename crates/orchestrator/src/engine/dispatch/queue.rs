//! One queue: the polls that wait for it, and its known ready tasks in lanes by what limits them.
use super::limits::Limits;
use crate::engine::handle::{Claim, Offer};
use baton_common::{ExecutionId, TaskId, Timestamp};
use baton_store::ReadyKey;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::oneshot;

/// A waiting poll.
pub(super) struct Waiter {
    pub(super) worker: Option<Arc<str>>,
    pub(super) count: usize,
    pub(super) tasks: Vec<(ExecutionId, u32)>,
    pub(super) claim: Claim,
    pub(super) reply: oneshot::Sender<Offer>,
}

impl Waiter {
    /// Whether the poll can be assigned a task; if so, it waits for the commit of the lease.
    pub(super) fn accepts(&self) -> bool {
        !self.reply.is_closed() && self.claim.take()
    }
}

/// A ready task's place: priority descending, then time, then id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u8, Timestamp, TaskId, u8);

impl Place {
    pub(super) fn of(key: &ReadyKey) -> Self {
        Self(99_u8.saturating_sub(key.priority), key.ready_at, key.task, key.priority)
    }

    fn key(&self, queue: String) -> ReadyKey {
        ReadyKey { queue, priority: self.3, ready_at: self.1, task: self.2 }
    }
}

/// What limits a lane's tasks; `None` for those of no known limit.
type Lane = Option<Arc<str>>;

/// What is known of one queue.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) waiters: VecDeque<Waiter>,
    /// Ready tasks of no known limit, in the order they are handed out.
    ready: BTreeSet<Place>,
    /// Ready tasks that need a slot, by its limit.
    limited: BTreeMap<Arc<str>, BTreeSet<Place>>,
    /// The limits of those, and their queues as the database names them.
    lanes: HashMap<TaskId, (Arc<str>, String)>,
    /// The lane that was served last: the next one comes first, so that they take turns.
    served: Lane,
    /// Whether the database may have ready tasks that are not known here.
    pub(super) may_have_more: bool,
    /// Whether the database is asked although tasks are known: other processes may have older ones.
    pub(super) must_merge: bool,
}

/// How many slots are left to hand out.
pub(super) struct Rooms<'a> {
    limits: &'a Limits,
    taken: HashMap<Arc<str>, u64>,
}

impl<'a> Rooms<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self { limits, taken: HashMap::new() }
    }

    fn is_left(&self, limit: &str) -> bool {
        self.limits.room(limit) > self.taken.get(limit).copied().unwrap_or(0)
    }

    fn take(&mut self, limit: &Arc<str>) {
        *self.taken.entry(limit.clone()).or_default() += 1;
    }
}

impl Queue {
    /// How many more tasks its live polls would take.
    pub(super) fn wanted(&self) -> usize {
        let live = self.waiters.iter().filter(|waiter| !waiter.reply.is_closed());
        live.map(|waiter| waiter.count.saturating_sub(waiter.tasks.len())).sum()
    }

    /// How many ready tasks are known.
    pub(super) fn len(&self) -> usize {
        self.ready.len() + self.lanes.len()
    }

    /// Whether no ready task is known.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a known task may be handed out.
    pub(super) fn has_some(&self, limits: &Limits) -> bool {
        !self.ready.is_empty() || self.limited.keys().any(|limit| limits.room(limit) > 0)
    }

    /// Whether known tasks wait for a slot of this limit.
    pub(super) fn waits_for(&self, limit: &str) -> bool {
        self.limited.contains_key(limit)
    }

    /// The limits that known tasks wait for.
    pub(super) fn waits(&self) -> impl Iterator<Item = &Arc<str>> {
        self.limited.keys()
    }

    /// Whether a task that waits for a slot of this limit comes before this one.
    pub(super) fn has_before(&self, limit: &str, key: &ReadyKey) -> bool {
        let first = self.limited.get(limit).and_then(BTreeSet::first);
        first.is_some_and(|first| *first < Place::of(key))
    }

    /// Remembers a ready task; false when it was known. One that is known to be limited stays so.
    pub(super) fn add(&mut self, key: &ReadyKey, lane: Option<&Arc<str>>) -> bool {
        let place = Place::of(key);
        match (lane, self.lanes.contains_key(&place.2)) {
            (None, true) => false,
            (None, false) => self.ready.insert(place),
            (Some(limit), _) => {
                let was_ready = self.ready.remove(&place);
                self.lanes.insert(place.2, (limit.clone(), key.queue.clone()));
                self.limited.entry(limit.clone()).or_default().insert(place) && !was_ready
            }
        }
    }

    /// All of its tasks are under this limit from now on.
    pub(super) fn limit_all(&mut self, name: &str, limit: &Arc<str>) {
        for place in std::mem::take(&mut self.ready) {
            self.add(&place.key(name.to_owned()), Some(limit));
        }
    }

    /// Takes out up to `wanted` tasks for which there is room. The most urgent come first; among
    /// lanes whose first tasks are equally urgent, each has its turn.
    pub(super) fn take(
        &mut self,
        name: &str,
        wanted: usize,
        rooms: &mut Rooms<'_>,
    ) -> Vec<ReadyKey> {
        let mut taken = Vec::new();
        if self.limited.is_empty() {
            while taken.len() < wanted
                && let Some(place) = self.ready.pop_first()
            {
                taken.push(place.key(name.to_owned()));
            }
            return taken;
        }
        let mut lanes = self.lanes_with_room(rooms);
        while taken.len() < wanted
            && let Some(lane) = self.next_lane(&mut lanes, rooms)
        {
            taken.extend(self.pop(name, &lane, rooms));
            self.served = lane;
        }
        taken
    }

    /// The lanes that have tasks and room, beginning after the one that was served last.
    fn lanes_with_room(&self, rooms: &Rooms<'_>) -> VecDeque<Lane> {
        let plain = (!self.ready.is_empty()).then_some(None);
        let limited = self.limited.keys().filter(|limit| rooms.is_left(limit)).cloned().map(Some);
        let mut lanes: VecDeque<Lane> = plain.into_iter().chain(limited).collect();
        let before = lanes.iter().take_while(|lane| **lane <= self.served).count();
        lanes.rotate_left(before);
        lanes
    }

    /// The first of the lanes with the most urgent task; it goes to the end.
    fn next_lane(&self, lanes: &mut VecDeque<Lane>, rooms: &Rooms<'_>) -> Option<Lane> {
        lanes.retain(|lane| {
            let has_room = lane.as_ref().is_none_or(|limit| rooms.is_left(limit));
            has_room && self.first(lane).is_some()
        });
        let urgency = |lane: &Lane| self.first(lane).map(|place| place.0);
        let place = (0..lanes.len()).min_by_key(|place| urgency(&lanes[*place]))?;
        let lane = lanes.remove(place)?;
        lanes.push_back(lane.clone());
        Some(lane)
    }

    fn first(&self, lane: &Lane) -> Option<&Place> {
        match lane {
            None => self.ready.first(),
            Some(limit) => self.limited.get(limit)?.first(),
        }
    }

    fn pop(&mut self, name: &str, lane: &Lane, rooms: &mut Rooms<'_>) -> Option<ReadyKey> {
        let Some(limit) = lane else {
            return self.ready.pop_first().map(|place| place.key(name.to_owned()));
        };
        let places = self.limited.get_mut(limit)?;
        let place = places.pop_first()?;
        if places.is_empty() {
            self.limited.remove(limit);
        }
        rooms.take(limit);
        let (_, queue) = self.lanes.remove(&place.2)?;
        Some(place.key(queue))
    }
}
