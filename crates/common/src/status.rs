//! What an execution and a task can be.
use serde::{Deserialize, Serialize};
use std::fmt;

/// The state of an execution, with Conductor's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WorkflowStatus {
    /// Going on.
    Running,
    /// Ended well.
    Completed,
    /// Ended by a failed task or a TERMINATE task.
    Failed,
    /// Ended by a deadline.
    TimedOut,
    /// Ended by a person or a TERMINATE task.
    Terminated,
    /// Held: results are kept, nothing new is scheduled.
    Paused,
}

impl WorkflowStatus {
    /// Whether nothing will happen any more unless somebody restarts it.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Running | Self::Paused => false,
            Self::Completed | Self::Failed | Self::TimedOut | Self::Terminated => true,
        }
    }

    /// Whether it is open or ended well.
    pub const fn is_successful(self) -> bool {
        match self {
            Self::Running | Self::Paused | Self::Completed => true,
            Self::Failed | Self::TimedOut | Self::Terminated => false,
        }
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Terminated => "TERMINATED",
            Self::Paused => "PAUSED",
        }
    }

    /// Every status, in the order of their codes.
    pub const ALL: [Self; 6] = [
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::TimedOut,
        Self::Terminated,
        Self::Paused,
    ];

    /// The small number that stores keep; never renumbered.
    pub const fn code(self) -> i16 {
        match self {
            Self::Running => 0,
            Self::Completed => 1,
            Self::Failed => 2,
            Self::TimedOut => 3,
            Self::Terminated => 4,
            Self::Paused => 5,
        }
    }

    /// The status with this number.
    pub fn from_code(code: i16) -> Option<Self> {
        usize::try_from(code).ok().and_then(|index| Self::ALL.get(index).copied())
    }

    /// The status with this name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

impl fmt::Display for WorkflowStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The state of a task, with Conductor's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskStatus {
    /// Waits for a worker.
    Scheduled,
    /// A worker or the engine has it.
    InProgress,
    /// Ended well.
    Completed,
    /// Failed, and was optional.
    CompletedWithErrors,
    /// Failed; another attempt may follow.
    Failed,
    /// Failed for good.
    FailedWithTerminalError,
    /// Missed a deadline; another attempt may follow.
    TimedOut,
    /// Ended because the execution ended, or by its worker.
    Canceled,
    /// Passed over by request.
    Skipped,
}

impl TaskStatus {
    /// Whether the task has ended.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Scheduled | Self::InProgress => false,
            Self::Completed
            | Self::CompletedWithErrors
            | Self::Failed
            | Self::FailedWithTerminalError
            | Self::TimedOut
            | Self::Canceled
            | Self::Skipped => true,
        }
    }

    /// Whether the task is open or ended well enough to go on from.
    pub const fn is_successful(self) -> bool {
        match self {
            Self::Scheduled
            | Self::InProgress
            | Self::Completed
            | Self::CompletedWithErrors
            | Self::Skipped => true,
            Self::Failed | Self::FailedWithTerminalError | Self::TimedOut | Self::Canceled => false,
        }
    }

    /// Whether the engine may try again by itself.
    pub const fn is_retriable(self) -> bool {
        match self {
            Self::Scheduled
            | Self::InProgress
            | Self::Completed
            | Self::CompletedWithErrors
            | Self::Failed
            | Self::TimedOut => true,
            Self::FailedWithTerminalError | Self::Canceled | Self::Skipped => false,
        }
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "SCHEDULED",
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::CompletedWithErrors => "COMPLETED_WITH_ERRORS",
            Self::Failed => "FAILED",
            Self::FailedWithTerminalError => "FAILED_WITH_TERMINAL_ERROR",
            Self::TimedOut => "TIMED_OUT",
            Self::Canceled => "CANCELED",
            Self::Skipped => "SKIPPED",
        }
    }

    /// Every status.
    pub const ALL: [Self; 9] = [
        Self::Scheduled,
        Self::InProgress,
        Self::Completed,
        Self::CompletedWithErrors,
        Self::Failed,
        Self::FailedWithTerminalError,
        Self::TimedOut,
        Self::Canceled,
        Self::Skipped,
    ];

    /// The status with this name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
