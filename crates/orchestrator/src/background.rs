//! What a process does beside the engine's loop: finds timers, messages and tasks that other processes
//! left behind, receives their notifications, records polls, and keeps its clock right.
//!
//! Promises that each of these is tried every round whatever becomes of the others, and that a loop
//! that fails is started again.
use crate::clock::Clock;
use crate::definitions::Definitions;
use crate::engine::{DEFINITIONS_CHANGED, EngineHandle, EngineRequest};
use crate::health::Loop;
use crate::journal;
use crate::polls::Polls;
use crate::supervision::{LoopEnd, Supervisor};
use baton_store::{Store, StoreError, StoredMessage};
use baton_telemetry::EngineMetrics;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

type Notifications = broadcast::Receiver<Arc<[String]>>;

/// How often the database is asked for wake-ups, messages and queues left by others, ms.
const TICK_MS: u64 = 1_000;
/// Wake-ups are fetched when they are nearer than this, ms: a little more than two ticks.
const LOOK_AHEAD_MS: i64 = 2_500;
/// Most wake-ups taken in one round: 20,000 timers a second, in a few MB of memory.
const WAKE_UPS_MAX: u32 = 50_000;
/// Messages older than this have lost their sender, ms.
const MESSAGE_AGE_MS: i64 = 5_000;
/// Most messages taken in one round.
const MESSAGES_MAX: u32 = 4_096;
/// Ticks between two readings of the database's clock and writings of polls.
const SLOW_TICKS: u64 = 10;

/// What the background loops work on.
pub(crate) struct Upkeep {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) polls: Arc<Polls>,
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) engine: EngineHandle,
    pub(crate) metrics: EngineMetrics,
    pub(crate) supervisor: Supervisor,
}

/// Starts the loops; they stop when the last handle to `upkeep` is gone.
pub(crate) fn spawn(upkeep: &Arc<Upkeep>) {
    let (weak, supervisor) = (Arc::downgrade(upkeep), upkeep.supervisor.clone());
    tokio::spawn(async move {
        supervisor.keep_running(Loop::Ticks, || tick(weak.clone())).await;
    });
    let (weak, supervisor) = (Arc::downgrade(upkeep), upkeep.supervisor.clone());
    // Subscribed here, so that no notification is missed before the loop first runs.
    let mut first = Some(upkeep.store.notifications());
    tokio::spawn(async move {
        let start = || {
            let notifications = first.take().or_else(|| subscribe(&weak));
            receive(notifications, weak.clone())
        };
        supervisor.keep_running(Loop::Notifications, start).await;
    });
}

async fn tick(weak: Weak<Upkeep>) -> LoopEnd {
    let mut interval = tokio::time::interval(Duration::from_millis(TICK_MS));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for count in 0_u64.. {
        interval.tick().await;
        let Some(upkeep) = weak.upgrade() else { return LoopEnd::Stopped };
        upkeep.round(count.is_multiple_of(SLOW_TICKS)).await;
        upkeep.supervisor.pulse.round_ended();
    }
    LoopEnd::Failed
}

impl Upkeep {
    /// One round. A step that fails does not keep the others from being made.
    async fn round(&self, is_slow: bool) {
        if is_slow {
            logged("setting the clock", self.clock.adjust(&*self.store).await);
            logged("recording polls", self.record_polls().await);
        }
        logged("reading wake-ups", self.find_wake_ups().await);
        logged("reading undelivered messages", self.find_undelivered().await);
        let _ = self.engine.send(EngineRequest::Tick).await;
    }

    async fn record_polls(&self) -> Result<(), StoreError> {
        let polls = self.polls.take_changes();
        if polls.is_empty() { Ok(()) } else { self.store.record_polls(&polls).await }
    }

    async fn find_wake_ups(&self) -> Result<(), StoreError> {
        let until = self.clock.now().plus_millis(LOOK_AHEAD_MS);
        let wake_ups = self.store.due_wake_ups(until, WAKE_UPS_MAX).await?;
        if !wake_ups.is_empty() {
            let _ = self.engine.send(EngineRequest::WakeUps(wake_ups)).await;
        }
        Ok(())
    }

    /// Sends messages to the engine whose sender has not delivered them. Those that this version cannot
    /// read stay in the database and are counted.
    async fn find_undelivered(&self) -> Result<(), StoreError> {
        let old = self.clock.now().plus_millis(-MESSAGE_AGE_MS);
        let found = self.store.undelivered(old, MESSAGES_MAX).await?;
        let count = found.len();
        let is_readable = |message: &StoredMessage| journal::decode_message(message).is_ok();
        let messages: Vec<StoredMessage> = found.into_iter().filter(is_readable).collect();
        let unreadable = count - messages.len();
        self.metrics.messages_unreadable.set(i64::try_from(unreadable).unwrap_or(i64::MAX));
        if !messages.is_empty() {
            let _ = self.engine.send(EngineRequest::Undelivered(messages)).await;
        }
        Ok(())
    }
}

fn logged(step: &str, result: Result<(), StoreError>) {
    if let Err(error) = result {
        tracing::warn!(step, %error, "a background step failed");
    }
}

fn subscribe(weak: &Weak<Upkeep>) -> Option<Notifications> {
    weak.upgrade().map(|upkeep| upkeep.store.notifications())
}

async fn receive(notifications: Option<Notifications>, weak: Weak<Upkeep>) -> LoopEnd {
    let Some(mut notifications) = notifications else { return LoopEnd::Stopped };
    loop {
        let received = notifications.recv().await;
        let Some(upkeep) = weak.upgrade() else { return LoopEnd::Stopped };
        let request = match received {
            Ok(names) if names.iter().any(|name| name == DEFINITIONS_CHANGED) => {
                logged("reading definitions", upkeep.definitions.refresh().await.map(drop));
                EngineRequest::Notified(names)
            }
            Ok(names) => EngineRequest::Notified(names),
            Err(RecvError::Lagged(_)) => EngineRequest::Tick,
            Err(RecvError::Closed) => return LoopEnd::Failed,
        };
        if upkeep.engine.send(request).await.is_err() {
            return LoopEnd::Stopped;
        }
    }
}
