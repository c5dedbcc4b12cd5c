//! How a command fails: an exit code, the cause, and what to do about it.
use baton_client::ClientError;
use std::fmt;

/// The exit codes; scripts may rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The execution waited for did not end well.
    WorkflowFailed = 1,
    /// The execution waited for had not ended in time.
    TimedOut = 2,
    /// The thing named does not exist.
    NotFound = 3,
    /// The server refuses: the request, the state or the caller is wrong.
    Refused = 4,
    /// The server, or what this process needs, cannot be reached.
    Unavailable = 5,
    /// The command line is wrong (EX_USAGE).
    Usage = 64,
    /// A defect, here or there (EX_SOFTWARE).
    Defect = 70,
    /// The settings are wrong (EX_CONFIG).
    Config = 78,
}

impl Exit {
    /// Every code but 0, in order.
    pub(crate) const ALL: [Self; 8] = [
        Self::WorkflowFailed,
        Self::TimedOut,
        Self::NotFound,
        Self::Refused,
        Self::Unavailable,
        Self::Usage,
        Self::Defect,
        Self::Config,
    ];

    /// What it means, in a few words.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::WorkflowFailed => "workflow failed",
            Self::TimedOut => "timed out waiting",
            Self::NotFound => "not found",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Usage => "wrong command line",
            Self::Defect => "defect",
            Self::Config => "wrong settings",
        }
    }
}

/// The codes in one sentence, for the help.
pub(crate) fn exit_codes() -> String {
    let all = Exit::ALL.map(|exit| format!(", {} {}", exit as u8, exit.meaning()));
    format!("Exit codes: 0 ok{}", all.concat())
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What went wrong.
    pub(crate) cause: String,
    /// What the user can do.
    pub(crate) fix: Option<String>,
}

impl Failure {
    /// A failure that speaks for itself.
    pub(crate) fn new(exit: Exit, cause: impl Into<String>) -> Self {
        Self { exit, cause: cause.into(), fix: None }
    }

    /// Adds what the user can do.
    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "error: {}", self.cause)?;
        self.fix.iter().try_for_each(|fix| write!(formatter, "\n  fix: {fix}"))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let cause = error.to_string();
        match error {
            ClientError::NotFound { .. } => Self::new(Exit::NotFound, cause),
            ClientError::Conflict { .. } => Self::new(Exit::Refused, cause),
            ClientError::Invalid { faults, .. } => {
                let lines = faults.iter().map(|fault| {
                    let path = fault.path.as_deref().unwrap_or_default();
                    format!("\n  {path}: {}", fault.message.as_deref().unwrap_or_default())
                });
                Self::new(Exit::Refused, format!("{cause}{}", lines.collect::<String>()))
            }
            ClientError::Denied { .. } => {
                Self::new(Exit::Refused, cause).fix("give a token with --token or BATON_TOKEN")
            }
            ClientError::Unavailable { .. } => Self::new(Exit::Unavailable, cause)
                .fix("start a server with `baton server`, or name one with --server-url"),
            ClientError::Unexpected { .. } => Self::new(Exit::Defect, cause)
                .fix("check that --server-url names a Baton server; else report this"),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Unavailable, error.to_string())
    }
}
