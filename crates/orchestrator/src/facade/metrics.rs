//! What the engine tells about itself.
use super::Orchestrator;
use super::limits::def_of_queue;
use super::tasks::whole_queues;
use crate::limits::Bound;
use baton_store::QueueSize;
use baton_telemetry::EngineMetrics;
use std::cmp::Reverse;
use std::time::Duration;

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
        self.show_limits(sizes.as_deref()).await;
        self.show_queues(whole_queues(sizes.unwrap_or_default()));
    }

    /// Shows how many slots limits have and how many are held, and how many tasks wait for one.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus knows only floating point")]
    async fn show_limits(&self, sizes: Option<&[QueueSize]>) {
        let bounds = self.inner.definitions.catalog().bounds_by_name();
        let names = names_of(&bounds);
        let read = tokio::time::timeout(SAMPLE_MAX, self.inner.store.limits(&names));
        let states = match sizes {
            Some(_) if !bounds.is_empty() => read.await.ok().and_then(Result::ok),
            Some(_) | None => None,
        };
        let (mut slots, mut in_use, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        for ((name, bound), state) in bounds.iter().zip(states.unwrap_or_default()) {
            slots.extend(bound.most.map(|most| (name.clone(), most as f64)));
            in_use.extend(bound.most.map(|_| (name.clone(), state.in_use as f64)));
            let ready = ready_under(name, sizes.unwrap_or_default());
            waiting.push((name.clone(), ready as f64));
        }
        let metrics = self.metrics();
        metrics.limit_slots.set(slots, |a, b| a + b);
        metrics.limit_in_use.set(in_use, |a, b| a + b);
        metrics.limit_waiting.set(waiting, |a, b| a + b);
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

fn names_of(bounds: &[(String, Bound)]) -> Vec<String> {
    bounds.iter().map(|(_, bound)| bound.limit.to_string()).collect()
}

/// Ready tasks of a definition.
fn ready_under(name: &str, sizes: &[QueueSize]) -> u64 {
    let own = sizes.iter().filter(|size| def_of_queue(&size.queue) == name);
    own.map(|size| size.ready).sum()
}
