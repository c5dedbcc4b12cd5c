//! Decisions that wait for scripts, and the jobs that wait for those decisions.
//!
//! While a decision about an execution waits, other jobs about that execution wait behind it, so that
//! the decision can continue on the state it was made on. Scripts run on other threads; the decision
//! comes back as a request with their results.
use super::handle::{EngineRequest, WeakHandle};
use super::job::{Job, ReplyTo, Resumption, Waiting, What};
use crate::environment::RunScript;
use crate::error::OrchestratorError;
use baton_common::ExecutionId;
use baton_decider::command::Command;
use baton_expression::script::{ScriptError, ShareKey};
use baton_store::MessageId;
use std::collections::HashMap;

/// Most jobs that wait for one execution's script; what a patient caller can have in flight.
const JOBS_MAX: usize = 4_096;

/// The suspended decisions of the engine.
pub(super) struct Suspended {
    run_script: RunScript,
    handle: WeakHandle,
    /// By execution: the jobs that wait for its decision.
    by_id: HashMap<ExecutionId, Vec<Job>>,
}

impl Suspended {
    pub(super) fn new(run_script: RunScript, handle: WeakHandle) -> Self {
        Self { run_script, handle, by_id: HashMap::new() }
    }

    /// Whether a decision about the execution waits for a script.
    pub(super) fn contains(&self, id: ExecutionId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Keeps back the jobs that must wait for a suspended decision, and releases those whose decision
    /// comes back with this batch.
    pub(super) fn sort_out(&mut self, jobs: Vec<Job>) -> Vec<Job> {
        let mut now = Vec::with_capacity(jobs.len());
        for job in jobs {
            match (&job.what, self.by_id.get_mut(&job.target)) {
                (What::Resume(_), Some(_)) => {
                    let waiting = self.by_id.remove(&job.target).unwrap_or_default();
                    now.push(job);
                    now.extend(waiting);
                }
                (What::Lease(_), Some(_)) | (_, None) => now.push(job),
                // The suspended decision has about the same time or a later one; what is still due
                // after it is found again.
                (What::Command(Command::WakeUp), Some(_)) => {}
                (_, Some(waiting)) if waiting.len() < JOBS_MAX => waiting.push(job),
                // Messages and wake-ups that are dropped here are found again in the database.
                (_, Some(_)) => job.refuse(too_many_wait()),
            }
        }
        now
    }

    /// Evaluates a decision's scripts on other threads; then the decision comes back as a job.
    pub(super) fn suspend(&mut self, waiting: Waiting, reply: ReplyTo, message: Option<MessageId>) {
        let Waiting { target, decider, base, pinned, origin, .. } = waiting;
        self.by_id.entry(target).or_default();
        let (run_script, handle) = (self.run_script.clone(), self.handle.clone());
        let share = ShareKey::of_execution(target.uuid().as_u128());
        let scripts = decider.wanted().to_vec();
        tokio::spawn(async move {
            let mut evaluations = decider.evaluations().clone();
            let runs = scripts
                .into_iter()
                .map(|script| (script.clone(), tokio::spawn(run_script(share, script))));
            for (script, run) in runs.collect::<Vec<_>>() {
                // A decision must never wait for a result that does not come.
                let lost = |error: tokio::task::JoinError| {
                    Err(ScriptError::EngineLost { message: error.to_string() })
                };
                evaluations.insert(script, run.await.unwrap_or_else(lost));
            }
            let decider = Some(decider);
            let resumption =
                Resumption { decider, evaluations, decided: None, base, pinned, origin };
            let what = What::Resume(Box::new(resumption));
            let job = Job { message, ..Job::new(target, what, reply) };
            if let Some(handle) = handle.upgrade() {
                let _ = handle.send(EngineRequest::Job(Box::new(job))).await;
            }
        });
    }
}

fn too_many_wait() -> OrchestratorError {
    let cause = "the workflow waits for a script, and too many requests wait for the workflow";
    OrchestratorError::Unavailable(cause.into())
}
