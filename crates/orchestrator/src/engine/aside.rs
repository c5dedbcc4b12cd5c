//! Executions that cannot be decided: their stored bytes cannot be read, or a decision about them
//! panicked. They are set aside, so that they disturb nobody else, and are tried again later: another
//! version of this program may know better.
use super::Engine;
use super::deciding::{Deciding, JobOutcome, unprepare};
use super::jobs::Job;
use crate::error::OrchestratorError;
use baton_common::ExecutionId;
use hashlink::LruCache;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long an execution is left alone before it is tried again.
const ASIDE_FOR: Duration = Duration::from_mins(1);
/// Most executions that are remembered as set aside; the oldest are tried again first.
const ASIDE_MAX: usize = 10_000;

/// The executions that are set aside, with the reason.
pub(super) struct Aside(LruCache<ExecutionId, (Instant, Arc<str>)>);

impl Default for Aside {
    fn default() -> Self {
        Self(LruCache::new(ASIDE_MAX))
    }
}

impl Aside {
    /// Leaves an execution alone for a while.
    pub(super) fn put(&mut self, id: ExecutionId, reason: &str) {
        self.0.insert(id, (Instant::now() + ASIDE_FOR, reason.into()));
    }

    /// Why an execution is set aside, if it is.
    pub(super) fn reason(&mut self, id: ExecutionId) -> Option<Arc<str>> {
        if self.0.is_empty() {
            return None;
        }
        let (until, reason) = self.0.peek(&id)?;
        if *until > Instant::now() {
            return Some(reason.clone());
        }
        self.0.remove(&id);
        None
    }

    /// Forgets those whose time is over.
    pub(super) fn forget_old(&mut self) {
        let now = Instant::now();
        self.0.retain(|_, (until, _)| *until > now);
    }

    /// How many are set aside.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Engine {
    /// Decides one job. A panic ends this decision and sets its execution aside; the batch continues.
    pub(super) fn decide_guarded(
        &mut self,
        batch: &mut Deciding,
        job: &mut Job,
        index: usize,
    ) -> JobOutcome {
        let target = job.target;
        if let Some(reason) = self.aside.reason(target) {
            return set_aside(target, &reason);
        }
        match catch_unwind(AssertUnwindSafe(|| self.decide_job(batch, job, index))) {
            Ok(step) => step,
            Err(panic) => {
                let reason = format!("a decision panicked: {}", said(&*panic));
                tracing::error!(workflow.id = %target, reason, "an execution is set aside");
                self.aside.put(target, &reason);
                if let Some(draft) = batch.drafts.get_mut(&target) {
                    unprepare(draft);
                }
                set_aside(target, &reason)
            }
        }
    }
}

fn set_aside(id: ExecutionId, reason: &str) -> JobOutcome {
    let message = format!("workflow {id} is set aside: {reason}");
    JobOutcome::Answered(Err(OrchestratorError::Corrupt(message)))
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
