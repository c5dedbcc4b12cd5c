//! Which polls wait for which queue, and which ready tasks this process knows of.
//!
//! A poll is promised each task at most once: tasks are assigned before the commit of their leases, and
//! leave for the poll after it or are taken back.
mod limits;
mod queue;

use super::handle::{EngineHandle, Handed, Offer, Receipt, WaitingPoll};
use crate::definitions::Catalog;
use crate::limits::{Bound, Window};
use baton_common::{ExecutionId, TaskId, Timestamp};
use baton_format::decode_window;
use baton_store::{
    InUse, LimitState, QueueDemand, ReadyKey, WindowWrite, limit_of_lane, queue_of_lane,
};
pub(in crate::engine) use limits::Known;
use limits::Limits;
use queue::{Queue, Rooms, Waiter};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// Most ready tasks remembered, of all queues together: some 60 bytes each. The others must be reserved
/// in the database.
const READY_MAX: usize = 500_000;
/// Most tasks asked of the database for one queue at once.
const DEMAND_MAX: u32 = 256;
/// Least tasks asked for at once, so that small polls do not cost a query each.
const DEMAND_MIN: u32 = 32;
/// Most queues remembered while no poll waits for them.
const QUEUES_MAX: usize = 100_000;

/// Waiting pollers and known ready tasks by queue.
#[derive(Default)]
pub(super) struct Dispatcher {
    queues: HashMap<String, Queue>,
    /// Ready tasks remembered in all queues.
    ready: usize,
    /// Queues whose waiters were assigned tasks in this batch.
    assigned: BTreeSet<String>,
    /// Queues with waiters that remembered tasks or the database may serve.
    unserved: BTreeSet<String>,
    /// What is known of the limits.
    limits: Limits,
    /// Queues with tasks under each limit.
    limited: HashMap<Arc<str>, BTreeSet<String>>,
    /// Limits that are full for their rate, and when they let more through.
    rated: HashMap<Arc<str>, Timestamp>,
}

impl Dispatcher {
    /// Adds a waiting poll.
    pub(super) fn register(&mut self, poll: WaitingPoll) {
        if self.queues.len() > QUEUES_MAX {
            self.forget_idle();
        }
        let is_new = !self.queues.contains_key(&poll.queue);
        if let Some(limit) = self.limits.of_queue(&poll.queue).filter(|_| is_new) {
            self.limited.entry(limit.clone()).or_default().insert(poll.queue.clone());
        }
        let queue = self.queues.entry(poll.queue.clone()).or_default();
        queue.may_have_more |= is_new;
        while queue.waiters.front().is_some_and(|waiter| waiter.reply.is_closed()) {
            queue.waiters.pop_front();
        }
        queue.waiters.push_back(Waiter {
            worker: poll.worker,
            count: poll.count.max(1),
            tasks: Vec::new(),
            claim: poll.claim,
            reply: poll.reply,
        });
        if queue.may_have_more || !queue.is_empty() {
            self.unserved.insert(poll.queue);
        }
    }

    fn forget_idle(&mut self) {
        self.queues.retain(|_, queue| {
            queue.waiters.retain(|waiter| !waiter.reply.is_closed());
            !queue.waiters.is_empty()
        });
        self.ready = self.queues.values().map(Queue::len).sum();
        let queues = &self.queues;
        self.limited.retain(|_, names| {
            names.retain(|name| queues.contains_key(name));
            !names.is_empty()
        });
    }

    #[expect(clippy::option_option, reason = "a poll may or may not name its worker")]
    /// Assigns a task to a poll that waits for this queue and has room; returns its worker. The poll
    /// gets the task once the batch is committed.
    pub(super) fn assign(
        &mut self,
        name: &str,
        execution: ExecutionId,
        seq: u32,
    ) -> Option<Option<Arc<str>>> {
        let name = queue_of_lane(name);
        let queue = self.queues.get_mut(name)?;
        let waiter = queue
            .waiters
            .iter_mut()
            .find(|waiter| waiter.tasks.len() < waiter.count && waiter.accepts())?;
        waiter.tasks.push((execution, seq));
        self.assigned.insert(name.to_owned());
        Some(waiter.worker.clone())
    }

    /// Takes assigned tasks back whose leases were not committed; returns them.
    pub(super) fn unassign(
        &mut self,
        is_lost: impl Fn(ExecutionId) -> bool,
    ) -> Vec<(ExecutionId, u32)> {
        let mut lost = Vec::new();
        for name in &self.assigned {
            let Some(queue) = self.queues.get_mut(name) else { continue };
            for waiter in &mut queue.waiters {
                lost.extend(waiter.tasks.extract_if(.., |(id, _)| is_lost(*id)));
                if waiter.tasks.is_empty() {
                    waiter.claim.release();
                }
            }
        }
        lost
    }

    /// Answers the polls that were assigned tasks, once the batch is committed. Returns the tasks whose
    /// poll is gone.
    pub(super) fn deliver(
        &mut self,
        show: impl Fn(ExecutionId, u32) -> Option<Handed>,
        engine: Option<&EngineHandle>,
    ) -> Vec<(TaskId, u32)> {
        let mut lost = Vec::new();
        for name in std::mem::take(&mut self.assigned) {
            let Some(queue) = self.queues.get_mut(&name) else { continue };
            let mut waiting = VecDeque::with_capacity(queue.waiters.len());
            for waiter in queue.waiters.drain(..) {
                if waiter.tasks.is_empty() {
                    waiting.push_back(waiter);
                    continue;
                }
                let tasks: Vec<Handed> =
                    waiter.tasks.iter().filter_map(|(id, seq)| show(*id, *seq)).collect();
                let leases = tasks.iter().map(|handed| (handed.task.task_id, handed.poll_count));
                let receipt = Receipt { tasks: leases.collect(), engine: engine.cloned() };
                if let Err(mut offer) = waiter.reply.send(Offer { tasks, receipt }) {
                    lost.extend(offer.receipt.take_tasks());
                }
            }
            queue.waiters = waiting;
        }
        lost
    }

    /// Remembers a ready task that no poll waits for.
    pub(super) fn add_ready(&mut self, key: &ReadyKey) {
        if self.queues.len() > QUEUES_MAX {
            self.forget_idle();
        }
        let limit = match limit_of_lane(&key.queue) {
            Some(limit) => Some(limit.into()),
            None => self.limits.of_queue(&key.queue).cloned(),
        };
        self.remember(key, limit.as_ref());
    }

    /// Remembers a ready task, of which it may be known what limits it.
    fn remember(&mut self, key: &ReadyKey, limit: Option<&Arc<str>>) {
        let name = queue_of_lane(&key.queue);
        if let Some(limit) = limit {
            self.limited.entry(limit.clone()).or_default().insert(name.to_owned());
        }
        let queue = self.queues.entry(name.to_owned()).or_default();
        if self.ready < READY_MAX {
            self.ready += usize::from(queue.add(key, limit));
        } else {
            queue.may_have_more = true;
        }
        if queue.waiters.iter().any(|waiter| !waiter.reply.is_closed()) {
            self.unserved.insert(name.to_owned());
        }
    }

    /// Other processes may have put tasks into these queues.
    pub(super) fn may_have_more(&mut self, names: &[String]) {
        for name in names.iter().map(|name| queue_of_lane(name)) {
            if let Some(queue) = self.queues.get_mut(name) {
                queue.may_have_more = true;
                if !queue.waiters.is_empty() {
                    self.unserved.insert(name.to_owned());
                }
            }
        }
    }

    /// Any queue may have tasks that this process does not know of.
    pub(super) fn all_may_have_more(&mut self) {
        for (name, queue) in &mut self.queues {
            queue.waiters.retain(|waiter| !waiter.reply.is_closed());
            queue.may_have_more = true;
            if !queue.waiters.is_empty() {
                self.unserved.insert(name.clone());
            }
        }
        self.doubt_full_limits();
    }

    /// Queues with polls that wait, and how many.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (&str, usize)> {
        let waiting = self.queues.iter().filter(|(_, queue)| !queue.waiters.is_empty());
        waiting.map(|(name, queue)| (name.as_str(), queue.waiters.len()))
    }

    /// A remembered task of this queue was not ready any more: its waiters need another one.
    pub(super) fn was_not_ready(&mut self, name: &str) {
        let name = queue_of_lane(name);
        if self.queues.get(name).is_some_and(|queue| queue.wanted() > 0) {
            self.unserved.insert(name.to_owned());
        }
    }

    /// Whether remembered tasks can be leased to waiting polls at once.
    pub(super) fn can_serve_polls(&self) -> bool {
        let is_ready = |queue: &Queue| queue.has_some(&self.limits) && queue.wanted() > 0;
        self.unserved.iter().any(|name| self.queues.get(name).is_some_and(is_ready))
    }

    /// Takes out remembered tasks for waiting polls, to be leased in the next batch.
    pub(super) fn tasks_for_polls(&mut self) -> Vec<ReadyKey> {
        let mut claims = Vec::new();
        let mut rooms = Rooms::new(&self.limits);
        for name in &self.unserved {
            let Some(queue) = self.queues.get_mut(name) else { continue };
            let keys = queue.take(name, queue.wanted(), &mut rooms);
            self.ready -= keys.len();
            claims.extend(keys);
        }
        self.wait_for_rates();
        self.unserved.retain(|name| {
            self.queues.get(name).is_some_and(|queue| queue.may_have_more && queue.wanted() > 0)
        });
        claims
    }

    /// The tasks to reserve in the database for waiting polls.
    pub(super) fn demands(&mut self) -> Vec<QueueDemand> {
        let mut demands = Vec::new();
        for name in std::mem::take(&mut self.unserved) {
            let Some(queue) = self.queues.get_mut(&name) else { continue };
            let wanted = u32::try_from(queue.wanted()).unwrap_or(DEMAND_MAX);
            let is_short = queue.must_merge || !queue.has_some(&self.limits);
            let limit = self.limits.of_queue(&name);
            let room = limit.map_or(u64::MAX, |limit| self.limits.room(limit));
            if queue.may_have_more && wanted > 0 && is_short && room > 0 {
                queue.must_merge = false;
                let count = match limit {
                    // Tasks that cannot have a slot are left to other processes.
                    Some(_) => {
                        wanted.min(u32::try_from(room).unwrap_or(DEMAND_MAX)).min(DEMAND_MAX)
                    }
                    None => wanted.clamp(DEMAND_MIN, DEMAND_MAX),
                };
                demands.push(QueueDemand { queue: name, count });
            }
        }
        demands
    }

    /// Adds the tasks that were reserved for these demands.
    pub(super) fn add_reserved(&mut self, demands: &[QueueDemand], keys: Vec<ReadyKey>) {
        let mut counts: HashMap<String, u32> = HashMap::new();
        for key in keys {
            *counts.entry(queue_of_lane(&key.queue).to_owned()).or_default() += 1;
            self.add_ready(&key);
        }
        for demand in demands {
            let found = counts.get(&demand.queue).copied().unwrap_or(0);
            if let Some(queue) = self.queues.get_mut(&demand.queue) {
                queue.may_have_more = found >= demand.count;
            }
        }
    }

    /// Follows the limits that the definitions set now.
    pub(super) fn follow(&mut self, catalog: &Catalog) {
        if !self.limits.follow(catalog) {
            return;
        }
        for (name, queue) in &mut self.queues {
            if let Some(limit) = self.limits.of_queue(name) {
                self.limited.entry(limit.clone()).or_default().insert(name.clone());
                queue.limit_all(name, limit);
            }
            if !queue.waiters.is_empty() && !queue.is_empty() {
                self.unserved.insert(name.clone());
            }
        }
    }

    /// Remembers a ready task for which there is no slot.
    pub(super) fn wait_for_slot(&mut self, key: &ReadyKey, limit: &Arc<str>) {
        self.remember(key, Some(limit));
        self.wait_for_rate(limit);
        if self.limits.room(limit) > 0 {
            self.serve(limit);
        }
    }

    /// Notes the rates for which polls wait.
    fn wait_for_rates(&mut self) {
        let mut full = BTreeSet::new();
        for name in &self.unserved {
            let Some(queue) = self.queues.get(name).filter(|queue| queue.wanted() > 0) else {
                continue;
            };
            let limits = queue.waits().chain(self.limits.of_queue(name));
            full.extend(limits.filter(|limit| self.limits.room(limit) == 0).cloned());
        }
        for limit in &full {
            self.wait_for_rate(limit);
        }
    }

    /// Notes when a limit that is full for its rate lets more through.
    fn wait_for_rate(&mut self, limit: &Arc<str>) {
        if let Some(at) = self.limits.next_room(limit) {
            self.rated.insert(limit.clone(), at);
        }
    }

    /// What this process knows of a limit.
    pub(super) fn known(&mut self, bound: &Bound) -> &Known {
        self.limits.of(bound)
    }

    /// The time is this: rates may let more through.
    pub(super) fn pass(&mut self, now: Timestamp) {
        self.limits.pass(now);
        let is_over = |limit: &&Arc<str>| self.rated.get(*limit).is_some_and(|at| *at <= now);
        let due: Vec<Arc<str>> = self.rated.keys().filter(is_over).cloned().collect();
        for limit in due {
            self.rated.remove(&limit);
            self.serve(&limit);
        }
    }

    /// When the next rate lets more through for which a task waits.
    pub(super) fn next_room(&self) -> Option<Timestamp> {
        self.rated.values().min().copied()
    }

    /// These windows were written.
    pub(super) fn wrote(&mut self, windows: &[WindowWrite]) {
        for write in windows {
            let window = Window::of(decode_window(&write.body).unwrap_or_default());
            self.limits.wrote(&write.limit, write.expected_version + 1, window);
        }
    }

    /// Whether another task of the queue waits for a slot of this limit and comes first.
    pub(super) fn has_before(&self, key: &ReadyKey, limit: &str) -> bool {
        self.queues.get(queue_of_lane(&key.queue)).is_some_and(|queue| queue.has_before(limit, key))
    }

    /// So many slots are held now. Returns the limits with free slots that nobody waits for here.
    pub(super) fn learn(&mut self, in_use: &InUse) -> Vec<String> {
        let mut left = Vec::new();
        for (limit, count) in in_use {
            self.limits.learn(limit, *count);
            // Only slots that are free by their number are news: time comes to others by itself.
            if self.limits.room(limit) > 0 && !self.serve(limit) {
                left.push(limit.clone());
            }
        }
        left
    }

    /// A limit has room: the polls of its queues can have tasks. Whether a known task waits for it, and a
    /// poll for the task.
    fn serve(&mut self, limit: &str) -> bool {
        let mut is_waited_for = false;
        for name in self.limited.get(limit).into_iter().flatten() {
            let Some(queue) = self.queues.get(name).filter(|queue| queue.wanted() > 0) else {
                continue;
            };
            is_waited_for |= queue.waits_for(limit);
            if queue.may_have_more || !queue.is_empty() {
                self.unserved.insert(name.clone());
            }
        }
        is_waited_for
    }

    /// What the database knows of limits, against which a commit has failed.
    pub(super) fn correct(&mut self, states: &[LimitState]) {
        for state in states {
            self.limits.take_in(state);
        }
    }

    /// What is known of these limits may be wrong.
    pub(super) fn doubt<'l>(&mut self, limits: impl IntoIterator<Item = &'l str>) {
        limits.into_iter().for_each(|limit| self.limits.doubt(limit));
    }

    /// Another process has freed a slot that it cannot use.
    pub(super) fn has_room(&mut self, limit: &str) {
        for name in self.limited.get(limit).into_iter().flatten() {
            if let Some(queue) = self.queues.get_mut(name) {
                queue.may_have_more = true;
            }
        }
        self.limits.doubt(limit);
    }

    /// Limits to be read, each with how often it was learned.
    pub(super) fn take_doubted(&mut self) -> Vec<(String, u64)> {
        self.limits.take_doubted()
    }

    /// Takes in what was read of limits.
    pub(super) fn answer(&mut self, states: &[(LimitState, u64)]) {
        for (state, version) in states {
            if self.limits.answer(state, *version) && self.limits.room(&state.limit) > 0 {
                self.serve(&state.limit);
            }
        }
    }

    /// A second has passed: limits that keep polls waiting are read again, and queues under a limit ask
    /// the database for tasks that are older than those known here.
    fn doubt_full_limits(&mut self) {
        for (limit, names) in &self.limited {
            let mut keeps_waiting = false;
            for name in names {
                let Some(queue) = self.queues.get_mut(name).filter(|q| q.wanted() > 0) else {
                    continue;
                };
                queue.must_merge = true;
                keeps_waiting = true;
            }
            if keeps_waiting && self.limits.room(limit) == 0 {
                self.limits.doubt(limit);
            }
        }
    }
}
