//! Who waits for which queue, and which ready tasks this node knows of.
use super::handle::{Claim, EngineHandle, Handed, Offer, Receipt, WaitingPoll};
use baton_common::{ExecutionId, TaskId};
use baton_store::{QueueDemand, ReadyKey};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Most ready tasks remembered, of all queues together: some 60 bytes each. The database has the rest,
/// and asking it for them costs each of them a reservation.
const READY_MAX: usize = 500_000;
/// Most tasks asked of the database for one queue at once.
const DEMAND_MAX: u32 = 256;
/// Least tasks asked for, so that small polls do not cost a query each.
const DEMAND_MIN: u32 = 32;
/// Most queues whose state is remembered without a waiter.
const QUEUES_MAX: usize = 100_000;

struct Waiter {
    worker: Option<Arc<str>>,
    count: usize,
    tasks: Vec<(ExecutionId, u32)>,
    claim: Claim,
    reply: oneshot::Sender<Offer>,
}

impl Waiter {
    /// Whether it can be given a task; from now on it waits for that.
    fn accepts(&self) -> bool {
        !self.reply.is_closed() && self.claim.take()
    }
}

/// What is known of one queue.
#[derive(Default)]
struct Queue {
    waiters: VecDeque<Waiter>,
    /// Ready tasks in the order they are handed out.
    ready: BTreeSet<Place>,
    /// Whether the database may have ready tasks that are not ready.
    may_have_more: bool,
}

/// A ready task's place: priority descending, then time, then id.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place(u8, baton_common::Timestamp, TaskId, u8);

/// Waiting pollers and known ready tasks by queue.
#[derive(Default)]
pub(super) struct Dispatcher {
    queues: HashMap<String, Queue>,
    /// Ready tasks that are ready in all of them.
    ready: usize,
    /// Queues whose waiters have been given something in this batch.
    assigned: BTreeSet<String>,
    /// Queues with waiters that may be assigned from ready tasks or the database.
    unserved: BTreeSet<String>,
}

impl Dispatcher {
    /// Adds a waiting poll.
    pub(super) fn register(&mut self, poll: WaitingPoll) {
        if self.queues.len() > QUEUES_MAX {
            self.forget_idle();
        }
        let is_new = !self.queues.contains_key(&poll.queue);
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
        if queue.may_have_more || !queue.ready.is_empty() {
            self.unserved.insert(poll.queue);
        }
    }

    fn forget_idle(&mut self) {
        self.queues.retain(|_, queue| {
            queue.waiters.retain(|waiter| !waiter.reply.is_closed());
            !queue.waiters.is_empty()
        });
        self.ready = self.queues.values().map(|queue| queue.ready.len()).sum();
    }

    #[expect(clippy::option_option, reason = "a poll may or may not name its worker")]
    /// The worker of a poll that waits for this queue, and has room: it gets the task if the batch
    /// commits.
    pub(super) fn assign(
        &mut self,
        name: &str,
        execution: ExecutionId,
        seq: u32,
    ) -> Option<Option<Arc<str>>> {
        let queue = self.queues.get_mut(name)?;
        let waiter = queue
            .waiters
            .iter_mut()
            .find(|waiter| waiter.tasks.len() < waiter.count && waiter.accepts())?;
        waiter.tasks.push((execution, seq));
        self.assigned.insert(name.to_owned());
        Some(waiter.worker.clone())
    }

    /// What is about these executions was not committed: nobody has got their tasks. Answers what
    /// they would have got.
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

    /// The batch is committed: answers the polls that were given something. Returns the tasks whose
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

    /// Remembers a task that became ready here while nobody waited for it.
    pub(super) fn add_ready(&mut self, key: &ReadyKey) {
        if self.queues.len() > QUEUES_MAX {
            self.forget_idle();
        }
        let queue = self.queues.entry(key.queue.clone()).or_default();
        if self.ready < READY_MAX {
            self.ready += usize::from(queue.ready.insert(place(key)));
        } else {
            queue.may_have_more = true;
        }
        if queue.waiters.iter().any(|waiter| !waiter.reply.is_closed()) {
            self.unserved.insert(key.queue.clone());
        }
    }

    /// Other processes may have put tasks into these queues.
    pub(super) fn may_have_more(&mut self, names: &[String]) {
        for name in names {
            if let Some(queue) = self.queues.get_mut(name) {
                queue.may_have_more = true;
                if !queue.waiters.is_empty() {
                    self.unserved.insert(name.clone());
                }
            }
        }
    }

    /// Any queue may have tasks that this node does not know of.
    pub(super) fn all_may_have_more(&mut self) {
        for (name, queue) in &mut self.queues {
            queue.waiters.retain(|waiter| !waiter.reply.is_closed());
            queue.may_have_more = true;
            if !queue.waiters.is_empty() {
                self.unserved.insert(name.clone());
            }
        }
    }

    /// Queues with polls that wait, and how many.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (&str, usize)> {
        let waiting = self.queues.iter().filter(|(_, queue)| !queue.waiters.is_empty());
        waiting.map(|(name, queue)| (name.as_str(), queue.waiters.len()))
    }

    /// A known task of this queue was not to be had: its waiters look on.
    pub(super) fn was_not_ready(&mut self, name: &str) {
        if self.queues.get(name).is_some_and(|queue| queue.wanted() > 0) {
            self.unserved.insert(name.to_owned());
        }
    }

    /// Whether known tasks can be claimed for waiting polls at once.
    pub(super) fn can_serve_polls(&self) -> bool {
        let is_ready = |queue: &Queue| !queue.ready.is_empty() && queue.wanted() > 0;
        self.unserved.iter().any(|name| self.queues.get(name).is_some_and(is_ready))
    }

    /// Held tasks for waiting polls, to be leased in the next batch.
    pub(super) fn tasks_for_polls(&mut self) -> Vec<ReadyKey> {
        let mut claims = Vec::new();
        for name in &self.unserved {
            let Some(queue) = self.queues.get_mut(name) else { continue };
            let mut wanted = queue.wanted();
            while wanted > 0
                && let Some(place) = queue.ready.pop_first()
            {
                wanted -= 1;
                self.ready -= 1;
                claims.push(key(name, &place));
            }
        }
        self.unserved.retain(|name| {
            self.queues.get(name).is_some_and(|queue| queue.may_have_more && queue.wanted() > 0)
        });
        claims
    }

    /// What must be asked of the database for waiting polls.
    pub(super) fn demands(&mut self) -> Vec<QueueDemand> {
        let mut demands = Vec::new();
        for name in std::mem::take(&mut self.unserved) {
            let Some(queue) = self.queues.get_mut(&name) else { continue };
            let wanted = u32::try_from(queue.wanted()).unwrap_or(DEMAND_MAX);
            if queue.may_have_more && wanted > 0 && queue.ready.is_empty() {
                let count = wanted.clamp(DEMAND_MIN, DEMAND_MAX);
                demands.push(QueueDemand { queue: name, count });
            }
        }
        demands
    }

    /// What the database had for these demands.
    pub(super) fn add_reserved(&mut self, demands: &[QueueDemand], keys: Vec<ReadyKey>) {
        let mut counts: HashMap<String, u32> = HashMap::new();
        for key in keys {
            *counts.entry(key.queue.clone()).or_default() += 1;
            self.add_ready(&key);
        }
        for demand in demands {
            let found = counts.get(&demand.queue).copied().unwrap_or(0);
            if let Some(queue) = self.queues.get_mut(&demand.queue) {
                queue.may_have_more = found >= demand.count;
            }
        }
    }
}

impl Queue {
    /// How many more tasks its live polls would take.
    fn wanted(&self) -> usize {
        let live = self.waiters.iter().filter(|waiter| !waiter.reply.is_closed());
        live.map(|waiter| waiter.count.saturating_sub(waiter.tasks.len())).sum()
    }
}

fn place(key: &ReadyKey) -> Place {
    Place(99_u8.saturating_sub(key.priority), key.ready_at, key.task, key.priority)
}

fn key(queue: &str, place: &Place) -> ReadyKey {
    ReadyKey { queue: queue.to_owned(), priority: place.3, ready_at: place.1, task: place.2 }
}
