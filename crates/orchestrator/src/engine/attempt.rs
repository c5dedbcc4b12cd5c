//! One attempt to decide and commit a batch, and what the attempts before it have found out.
use super::job::{Job, What};
use crate::error::OrchestratorError;
use baton_common::ExecutionId;
use baton_decider::command::Command;
use baton_decider::decide::agenda::SliceLimits;
use baton_store::Conflict;
use std::collections::{HashMap, HashSet};
use tokio::time::Instant;

/// How often a batch is decided again when other processes commit first, before its callers are told
/// to retry.
const ATTEMPTS_MAX: usize = 8;

/// A batch that is to be decided.
pub(super) struct Attempt {
    pub(super) jobs: Vec<Job>,
    /// How much each decision may do.
    pub(super) slice: SliceLimits,
    pub(super) learned: Learned,
    /// When the engine took the batch up.
    pub(super) began: Instant,
    /// How many attempts were made before this one.
    pub(super) earlier: usize,
}

/// What earlier attempts at the same batch have found out.
#[derive(Default)]
pub(super) struct Learned {
    /// Executions whose state in memory is known to be out of date.
    pub(super) stale: HashSet<ExecutionId>,
    /// New executions whose idempotency key another execution owns, with that owner.
    pub(super) key_owners: HashMap<ExecutionId, ExecutionId>,
    /// How often other processes have taken the slots that the batch wanted.
    pub(super) limit_losses: usize,
}

/// Jobs that are not decided, and why.
pub(super) struct Refused {
    pub(super) jobs: Vec<Job>,
    pub(super) error: OrchestratorError,
}

impl Refused {
    /// Whether the database cannot be reached or is too slow, so that the same may work later.
    pub(super) fn is_temporary(&self) -> bool {
        let error = &self.error;
        matches!(error, OrchestratorError::Unavailable(_) | OrchestratorError::TimedOut(_))
    }
}

impl Attempt {
    /// The first attempt at these jobs.
    pub(super) fn first(jobs: Vec<Job>, slice: SliceLimits, began: Instant) -> Self {
        Self { jobs, slice, learned: Learned::default(), began, earlier: 0 }
    }

    /// The next attempt, after another process has committed first.
    ///
    /// # Errors
    /// [`Refused`] after too many attempts.
    pub(super) fn again(mut self, conflict: Conflict) -> Result<Self, Refused> {
        self.earlier += 1;
        self.drop_delivered(&conflict);
        let Conflict { versions, idempotency, limits, .. } = conflict;
        self.learned.limit_losses += usize::from(!limits.is_empty());
        self.learned.key_owners.extend(idempotency.iter().copied());
        self.learned.stale.extend(versions);
        let owners = idempotency.into_iter().collect();
        self.learned.stale.extend(redirect_to_owners(&mut self.jobs, &owners));
        self.reads_last();
        if self.earlier < ATTEMPTS_MAX {
            return Ok(self);
        }
        let error = OrchestratorError::Unavailable("too many others were faster".into());
        Err(Refused { jobs: self.jobs, error })
    }

    /// The batch in two halves. The database refuses the whole for what is in it: halving goes on until
    /// the job at fault is alone, so that the others do not suffer from it.
    pub(super) fn halves(mut jobs: Vec<Job>, slice: SliceLimits, began: Instant) -> [Self; 2] {
        jobs.sort_by_key(Job::is_read);
        let second = jobs.split_off(jobs.len() / 2);
        [jobs, second].map(|jobs| Self::first(jobs, slice, began))
    }

    /// Reads come last: they may be answered with an execution that this batch starts.
    fn reads_last(&mut self) {
        self.jobs.sort_by_key(Job::is_read);
    }

    /// Drops messages that another process has delivered: their receivers have changed since.
    fn drop_delivered(&mut self, conflict: &Conflict) {
        let delivered: HashSet<_> = conflict.delivered.iter().collect();
        let is_delivered = |job: &mut Job| job.message.is_some_and(|id| delivered.contains(&id));
        for job in self.jobs.extract_if(.., is_delivered) {
            self.learned.stale.insert(job.target);
        }
    }
}

impl Learned {
    /// The execution that owns the idempotency key of a new one, which cannot be started for that.
    pub(super) fn key_owner(&self, new: ExecutionId) -> Option<ExecutionId> {
        owner_of(&self.key_owners, new)
    }
}

/// Redirects starts whose idempotency key was taken to the execution that owns the key, and reads of
/// such starts with them. Returns the owners.
fn redirect_to_owners(
    jobs: &mut [Job],
    owners: &HashMap<ExecutionId, ExecutionId>,
) -> Vec<ExecutionId> {
    let mut found = Vec::new();
    for job in jobs.iter_mut().filter(|job| job.is_asked_start() || job.is_read()) {
        if let Some(owner) = owner_of(owners, job.target) {
            job.target = owner;
            job.what = What::Command(Command::Read);
            found.push(owner);
        }
    }
    found
}

/// The owner of a key that a new execution was refused. Another new execution of the same batch, which
/// took the key first, may have been refused as well, so the chain is followed to its end.
fn owner_of(owners: &HashMap<ExecutionId, ExecutionId>, new: ExecutionId) -> Option<ExecutionId> {
    let mut owner = *owners.get(&new)?;
    for _ in 0..owners.len() {
        let Some(next) = owners.get(&owner) else { break };
        owner = *next;
    }
    Some(owner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton_common::Timestamp;

    /// Goal: two starts of a batch with one key are both answered with its owner in the end. Method: the
    /// second loses the key to the first, which loses it to another process, in the same commit or in
    /// the next.
    #[test]
    fn starts_that_lost_their_key_in_turn_are_redirected_to_the_last_owner() {
        let id = |n: u64| ExecutionId::new(Timestamp::from_millis(1), n);
        let (first, second, other) = (id(1), id(2), id(3));
        let targets = |conflicts: &[&[(ExecutionId, ExecutionId)]]| {
            let read = |target| Job::new(target, What::Command(Command::Read), None);
            let mut jobs = [first, second].map(read);
            for conflict in conflicts {
                redirect_to_owners(&mut jobs, &conflict.iter().copied().collect());
            }
            jobs.map(|job| job.target)
        };
        assert_eq!(targets(&[&[(second, first), (first, other)]]), [other; 2]);
        assert_eq!(targets(&[&[(second, first)], &[(first, other)]]), [other; 2]);
        assert_eq!(targets(&[&[(second, first)]]), [first; 2]);
    }
}
