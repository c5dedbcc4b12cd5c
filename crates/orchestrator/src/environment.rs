//! What an engine takes from the machine it runs on: time, randomness, threads. A simulation brings
//! its own, so that a seed decides all of them.
use baton_common::Payload;
use baton_decider::decide::agenda::SliceLimits;
use baton_expression::script::{Script, ScriptError, ShareKey};
use futures::future::BoxFuture;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Evaluates a script, blocking its thread until the result is there.
pub type Evaluate = Arc<dyn Fn(&Script) -> Result<Payload, ScriptError> + Send + Sync>;

/// Evaluates a script without blocking the thread that asks. The share says for whom: a flood of
/// scripts of one must not hold up those of others.
pub type RunScript =
    Arc<dyn Fn(ShareKey, Script) -> BoxFuture<'static, Result<Payload, ScriptError>> + Send + Sync>;

/// Where an engine's loop runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// On a thread of its own.
    Own,
    /// On the thread that starts it, which must be inside a [`tokio::task::LocalSet`].
    Callers,
}

/// Time, randomness and threads. A clone is another handle to the same sources.
#[derive(Clone)]
pub struct Environment {
    /// A clock that only advances, ms since any moment; no setting of the wall clock moves it.
    pub monotonic_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// 64 random bits for an id; no two calls agree, in this process or another.
    pub entropy: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Evaluates scripts.
    pub run_script: RunScript,
    /// Where the loop runs.
    pub threads: Threads,
    /// How much one decision does before it leaves the rest to the next one.
    pub slice: SliceLimits,
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Environment")
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl Environment {
    /// This machine. `evaluate` runs on a pool of blocking threads.
    pub fn machine(evaluate: Evaluate) -> Self {
        Self::on_machine(Arc::new(move |_, script| Box::pin(on_a_thread(evaluate.clone(), script))))
    }

    /// This machine, with another way to run scripts.
    pub fn on_machine(run_script: RunScript) -> Self {
        let (random, count) = (RandomState::new(), AtomicU64::new(0));
        Self {
            monotonic_ms: Arc::new(monotonic_ms),
            entropy: Arc::new(move || random.hash_one(count.fetch_add(1, Ordering::Relaxed))),
            run_script,
            threads: Threads::Own,
            slice: SliceLimits::DEFAULT,
        }
    }
}

async fn on_a_thread(evaluate: Evaluate, script: Script) -> Result<Payload, ScriptError> {
    // A decision must never wait for a result that does not come.
    let lost =
        |error: tokio::task::JoinError| Err(ScriptError::EngineLost { message: error.to_string() });
    tokio::task::spawn_blocking(move || evaluate(&script)).await.unwrap_or_else(lost)
}

/// Time since the machine started, with the time it was suspended.
pub(crate) fn monotonic_ms() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec.saturating_mul(1_000).saturating_add(now.tv_nsec / 1_000_000)
}
