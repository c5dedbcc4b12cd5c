//! What a process does beside the engine's loop: looks for what other processes left behind, hears
//! their notifications, writes poll records, and keeps its clock right.
use crate::clock::Clock;
use crate::engine::{EngineHandle, EngineRequest};
use crate::health::Pulse;
use crate::polls::Polls;
use baton_store::Store;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often the database is asked for wake-ups, messages and queues left by others, ms.
const TICK_MS: u64 = 1_000;
/// Wake-ups are fetched when they are nearer than this, ms: a little more than two ticks.
const LOOK_AHEAD_MS: i64 = 2_500;
/// Most wake-ups taken in one look: 20,000 timers a second, in a few MB of memory.
const WAKE_UPS_MAX: u32 = 50_000;
/// Messages older than this have lost their sender, ms.
const MESSAGE_AGE_MS: i64 = 5_000;
/// Most messages taken in one look.
const MESSAGES_MAX: u32 = 4_096;
/// Ticks between two readings of the database's clock and writings of polls.
const SLOW_TICKS: u64 = 10;

/// What the background loops work on.
pub(crate) struct Upkeep {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) polls: Arc<Polls>,
    pub(crate) engine: EngineHandle,
    pub(crate) pulse: Arc<Pulse>,
}

/// Starts the loops; they end when the last handle to `inner` is gone.
pub(crate) fn spawn(inner: &Arc<Upkeep>) {
    let weak = Arc::downgrade(inner);
    tokio::spawn(tick(weak));
    let notifications = inner.store.notifications();
    tokio::spawn(hear(notifications, Arc::downgrade(inner)));
}

async fn tick(weak: Weak<Upkeep>) {
    let mut interval = tokio::time::interval(Duration::from_millis(TICK_MS));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for count in 0_u64.. {
        interval.tick().await;
        let Some(inner) = weak.upgrade() else { return };
        if let Err(error) = look(&inner, count.is_multiple_of(SLOW_TICKS)).await {
            tracing::warn!(%error, "the database could not be looked into");
        }
        inner.pulse.round_ended();
    }
}

async fn look(inner: &Upkeep, is_slow: bool) -> Result<(), baton_store::StoreError> {
    if is_slow {
        inner.clock.adjust(&*inner.store).await?;
        let polls = inner.polls.take_changes();
        if !polls.is_empty() {
            inner.store.record_polls(&polls).await?;
        }
    }
    let now = inner.clock.now();
    let wake_ups = inner.store.due_wake_ups(now.plus_millis(LOOK_AHEAD_MS), WAKE_UPS_MAX).await?;
    if !wake_ups.is_empty() {
        let _ = inner.engine.send(EngineRequest::WakeUps(wake_ups)).await;
    }
    let old = now.plus_millis(-MESSAGE_AGE_MS);
    let messages = inner.store.undelivered(old, MESSAGES_MAX).await?;
    if !messages.is_empty() {
        let _ = inner.engine.send(EngineRequest::Undelivered(messages)).await;
    }
    let _ = inner.engine.send(EngineRequest::Tick).await;
    Ok(())
}

async fn hear(
    mut notifications: tokio::sync::broadcast::Receiver<Arc<[String]>>,
    weak: Weak<Upkeep>,
) {
    use tokio::sync::broadcast::error::RecvError;
    loop {
        let request = match notifications.recv().await {
            Ok(queues) => EngineRequest::Notified(queues),
            Err(RecvError::Lagged(_)) => EngineRequest::Tick,
            Err(RecvError::Closed) => return,
        };
        let Some(inner) = weak.upgrade() else { return };
        if inner.engine.send(request).await.is_err() {
            return;
        }
    }
}
