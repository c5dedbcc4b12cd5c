//! What the engine tells about itself.
use super::Orchestrator;
use crate::environment::RunScript;
use baton_common::Timestamp;
use baton_expression::script::Language;
use baton_store::QueueSize;
use baton_telemetry::{Counter, EngineMetrics, Histogram};
use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// Least time between two looks at the queues, ms: however often metrics are read, the database is
/// asked once in this time.
const SAMPLE_MS_MIN: i64 = 1_000;
/// How long the database may take to tell the time before it is shown as down: metrics must be read in
/// time also then.
const SIGN_OF_LIFE_MAX: Duration = Duration::from_millis(800);
/// Longest wait for the sizes of queues before metrics are shown without them.
const SAMPLE_MAX: Duration = Duration::from_secs(3);

/// What the engine has done since its process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineCounts {
    /// Transactions committed.
    pub commits: u64,
    /// Executions written in them.
    pub writes: u64,
    /// Tasks handed to a waiting poll in the commit that made them.
    pub handed_over: u64,
    /// Tasks that became ready while nobody waited for them.
    pub queued: u64,
    /// Batches decided again because others were faster.
    pub conflicts: u64,
}

/// When the queues were last looked at, ms since 1970; never for 0.
#[derive(Debug, Default)]
pub(crate) struct LastSample(AtomicI64);

impl LastSample {
    /// Whether it is time for another look, which is the caller's to take then.
    fn is_over(&self, now: Timestamp) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        let is_over = now.millis().saturating_sub(last) >= SAMPLE_MS_MIN;
        let take = || {
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            self.0.compare_exchange(last, now.millis(), success, failure).is_ok()
        };
        is_over && take()
    }
}

impl Orchestrator {
    /// What the engine has done so far.
    pub fn counts(&self) -> EngineCounts {
        let metrics = self.metrics();
        EngineCounts {
            commits: metrics.commits.get(),
            writes: metrics.commit_batch.sum(),
            handed_over: metrics.tasks_handed_over.get(),
            queued: metrics.tasks_queued.get(),
            conflicts: metrics.conflicts.get(),
        }
    }

    /// What the engine records of itself.
    pub fn metrics(&self) -> &EngineMetrics {
        &self.inner.metrics
    }

    /// Brings up to date what is looked up rather than counted: the depth and age of the queues and
    /// whatever the store learns when it is asked for the time. Forgets them when the database does
    /// not answer in time: no value is better than an old one.
    pub async fn sample(&self) {
        if !self.inner.sampled.is_over(self.inner.clock.now()) {
            return;
        }
        let is_up = tokio::time::timeout(SIGN_OF_LIFE_MAX, self.inner.store.now()).await;
        let is_up = matches!(is_up, Ok(Ok(_)));
        self.metrics().database_up.set(i64::from(is_up));
        let look = tokio::time::timeout(SAMPLE_MAX, self.inner.store.queue_sizes());
        let sizes = if is_up { look.await.ok().and_then(Result::ok) } else { None };
        if sizes.is_none() {
            tracing::warn!(is_up, "the queues could not be counted");
        }
        self.show_queues(sizes.unwrap_or_default());
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus knows only floating point")]
    fn show_queues(&self, mut sizes: Vec<QueueSize>) {
        let now = self.inner.clock.now();
        sizes.sort_unstable_by(|a, b| {
            (Reverse(a.ready), &a.queue).cmp(&(Reverse(b.ready), &b.queue))
        });
        let age = |size: &QueueSize| now.millis_since(size.oldest).max(0) as f64 / 1_000.0;
        let ages: Vec<_> = sizes.iter().map(|size| (size.queue.clone(), age(size))).collect();
        let depths = sizes.into_iter().map(|size| (size.queue, size.ready as f64));
        self.metrics().queue_depth.set(depths, |a, b| a + b);
        self.metrics().queue_oldest_age.set(ages, f64::max);
    }
}

/// The same evaluation, counted and timed.
pub(super) fn measured(run_script: RunScript, metrics: &EngineMetrics) -> RunScript {
    let javascript = metrics.scripts("javascript");
    let jq = metrics.scripts("jq");
    Arc::new(move |share, script| {
        let (outcomes, duration): &([Counter; 2], Histogram) = match script.language {
            Language::JavaScript => &javascript,
            Language::Jq => &jq,
        };
        let (outcomes, duration) = (outcomes.clone(), duration.clone());
        let run = run_script(share, script);
        Box::pin(async move {
            let began = Instant::now();
            let result = run.await;
            duration.observe(began.elapsed());
            outcomes[usize::from(result.is_ok())].inc();
            result
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However many ask at once, one looks, and the next only after a second.
    #[test]
    fn the_queues_are_counted_once_in_a_second() {
        let last = LastSample::default();
        let at = Timestamp::from_millis;
        assert!(last.is_over(at(5_000)));
        assert!(!last.is_over(at(5_000)) && !last.is_over(at(5_999)));
        assert!(last.is_over(at(6_000)));
    }
}
