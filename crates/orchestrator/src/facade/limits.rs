//! Queues and limits, for people.
use super::tasks::whole_queues;
use super::{Answer, Orchestrator};
use crate::limits::{Bound, Window, task_def_of};
use baton_common::Timestamp;
use baton_common::api::{LimitUse, QueueState};
use baton_format::decode_window;
use baton_store::{LimitState, limit_of_lane, queue_of_lane};
use std::collections::{BTreeMap, BTreeSet};

/// Most holders of a limit that are named.
const HOLDERS_MAX: u32 = 5;

impl Orchestrator {
    /// What is left of limits, in their order. Holders of full ones are named.
    pub(crate) async fn uses(&self, bounds: &[Bound]) -> Answer<Vec<LimitUse>> {
        if bounds.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = bounds.iter().map(|bound| bound.limit.to_string()).collect();
        let states = self.inner.store.limits(&names).await?;
        let now = self.inner.clock.now();
        let mut uses = Vec::with_capacity(bounds.len());
        for (bound, state) in bounds.iter().zip(&states) {
            let mut limit = use_of(bound, state, now);
            if limit.is_full() {
                let holders = self.inner.store.slot_holders(&bound.limit, HOLDERS_MAX);
                limit.held_by = holders.await?;
            }
            uses.push(limit);
        }
        Ok(uses)
    }

    /// Every queue that has ready tasks or a limit, by name.
    ///
    /// # Errors
    /// Unavailable.
    pub async fn queues(&self) -> Answer<Vec<QueueState>> {
        let catalog = self.inner.definitions.refresh().await?;
        let sizes = self.inner.store.queue_sizes().await?;
        let mut bounds: Vec<Bound> = catalog.bounds.values().cloned().collect();
        bounds.sort_by(|one, other| one.limit.cmp(&other.limit));
        let uses = self.uses(&bounds).await?;
        // The definitions whose tasks a queue has: those of its lanes, or the one of its own type.
        let mut defs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for size in &sizes {
            let names = defs.entry(queue_of_lane(&size.queue).to_owned()).or_default();
            names.insert(def_of_queue(&size.queue).to_owned());
        }
        for limit in uses.iter().filter(|limit| limit.in_use > 0) {
            let is_listed = defs.values().any(|names| names.contains(&*limit.name));
            if !is_listed {
                defs.entry(limit.name.to_string()).or_default().insert(limit.name.to_string());
            }
        }
        let mut whole: BTreeMap<String, QueueState> = BTreeMap::new();
        for size in whole_queues(sizes) {
            let (queue, oldest) = (size.queue, Some(size.oldest));
            let state = QueueState {
                queue: queue.clone(),
                ready: size.ready,
                oldest_ready_time: oldest,
                limits: Vec::new(),
            };
            whole.insert(queue, state);
        }
        for (queue, names) in defs {
            let of_queue = uses.iter().filter(|limit| names.contains(&*limit.name)).cloned();
            let state = whole.entry(queue.clone()).or_default();
            state.queue = queue;
            state.limits = of_queue.collect();
        }
        Ok(whole.into_values().collect())
    }
}

/// The definition that limits the tasks of a queue or lane: the lane's, or the one of the queue's type.
pub(super) fn def_of_queue(queue: &str) -> &str {
    let of_lane = limit_of_lane(queue).and_then(task_def_of);
    let of_type = queue.rsplit_once(':').map_or(queue, |(_, task_type)| task_type);
    of_lane.unwrap_or(of_type)
}

fn use_of(bound: &Bound, state: &LimitState, now: Timestamp) -> LimitUse {
    let window = Window::of(decode_window(&state.window).unwrap_or_default());
    LimitUse {
        name: task_def_of(&bound.limit).unwrap_or(&bound.limit).into(),
        concurrent: bound.most,
        in_use: state.in_use,
        held_by: Vec::new(),
        rate: bound.rate.map(|rate| rate.most),
        rate_seconds: bound.rate.map(|rate| rate.per_ms / 1_000),
        next_time: bound.rate.and_then(|rate| window.next_room(rate, now)),
    }
}
