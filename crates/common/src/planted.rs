//! Faults planted on purpose, to prove that the simulator sees them.
//!
//! Each is one condition in the engine, the decider or the store in memory: [`is`] says whether it
//! is active. Without the feature `planted-faults` it is `false` at compile time, and nothing of a
//! fault is left in the program. With it, [`plant`] chooses one for the current thread.

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// A fault that can be planted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Planted { $($(#[$doc])* $name,)+ }

        impl Planted {
            /// Every fault.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The name, as the table of found faults has it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }
        }
    };
}

faults! {
    /// The store writes an execution whatever its version is.
    DropTheFence,
    /// The store lets two executions have one idempotency key.
    IgnoreTheKey,
    /// The store keeps messages that were delivered.
    KeepDelivered,
    /// The last message of a commit is not written.
    ForgetAMessage,
    /// A row is written without its wake-up time.
    LoseAWakeUp,
    /// The rows of tasks that are no longer ready stay.
    KeepReadyRows,
    /// The journal lacks the last of several changes.
    LoseAChange,
    /// Callers are answered before the commit.
    AnswerBeforeCommit,
    /// A decision that changed nothing on a state that may be old counts as valid.
    TrustAnOldState,
    /// What was decided for a batch that lost a race is kept in memory.
    KeepALostDraft,
    /// A ready task is leased without checking whether it is still ready.
    LeaseTwice,
    /// A task that its poll never got is not put back into the queue.
    LoseAReturnedTask,
    /// The end of a lease is not noticed.
    SkipLeaseExpiry,
    /// Deadlines count as passed one second early.
    TimersRunEarly,
    /// A report on an ended task is applied.
    AcceptALateReport,
    /// A failed task gets two new attempts.
    DoubleTheRetry,
    /// A failed task gets one attempt more than its limit.
    OneRetryTooMany,
    /// A new attempt does not wait for its delay.
    DropTheBackoff,
    /// A JOIN ends when all but one of its steps have ended.
    CountAJoinWrong,
    /// A loop skips an iteration.
    WrongIteration,
    /// Children are not told that their parent has ended.
    ForgetTheChildren,
    /// A SWITCH takes the default branch.
    WrongBranch,
    /// A failed optional task fails its execution.
    ForgetOptional,
    /// SET_VARIABLE sets nothing.
    LoseAVariable,
    /// A paused execution goes on.
    IgnoreThePause,
    /// The failure workflow is not started.
    ForgetTheFailureWorkflow,
    /// A child that a step asks for is started twice.
    StartAChildTwice,
    /// More slots are taken than a limit has.
    IgnoreTheLimit,
    /// A slot stays held when its task leaves its worker.
    KeepASlot,
}

#[cfg(feature = "planted-faults")]
mod chosen {
    use super::Planted;
    use std::cell::Cell;

    std::thread_local! {
        static CHOSEN: Cell<Option<Planted>> = const { Cell::new(None) };
    }

    /// Plants a fault for this thread, or none.
    pub fn plant(fault: Option<Planted>) {
        CHOSEN.set(fault);
    }

    /// Whether this fault is planted.
    pub fn is(fault: Planted) -> bool {
        CHOSEN.get() == Some(fault)
    }
}

#[cfg(feature = "planted-faults")]
pub use chosen::{is, plant};

/// Whether this fault is planted; never, without the feature.
#[cfg(not(feature = "planted-faults"))]
pub const fn is(_: Planted) -> bool {
    false
}
