//! Scripts inside definitions: JavaScript (INLINE, SWITCH, DO_WHILE, …) and jq
//! (JSON_JQ_TRANSFORM).
//!
//! A script sees its input and nothing else: no clock of ours, no files, no environment.
//! [`evaluate`] runs one in this process; [`EvaluatorPool`] runs them in child processes, which is
//! the only guard against what an engine cannot stop itself: a stack overflow, an endless jq loop.
mod child;
mod deadline;
mod engine;
mod fair;
mod frame;
mod javascript;
mod jq;
mod pool;

pub use child::serve;
pub use fair::{QueueLimits, ShareKey};
pub use pool::{Busy, EvaluatorPool, PoolEvent, PoolLimits, Replaced};

use crate::plain::Program;
use crate::raw::nesting;
use baton_common::limits::VALUE_DEPTH_MAX;
use baton_common::payload::Payload;
use serde::{Deserialize, Serialize};
use std::hash::{Hash, Hasher};

/// Deepest nesting of brackets in a jq program, levels: its parser recurses without a check.
const JQ_BRACKETS_DEPTH_MAX: usize = 256;
/// Stack of the thread that runs a script, bytes: room for values of the depth allowed here and
/// for a jq program of the size allowed. It is reserved, not used, until needed.
const THREAD_STACK_BYTES: usize = 64 * 1024 * 1024;

/// The language of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Language {
    /// ECMAScript 2023; `$` is the input, the value of the last expression is the result.
    JavaScript,
    /// jq; `.` is the input, the list of all results is the result.
    Jq,
}

/// A script and what it works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The language of `source`.
    pub language: Language,
    /// The program's text.
    pub source: String,
    /// The value the script sees.
    pub input: Payload,
}

impl Script {
    /// The result, where the script is a [plain](crate::plain) one and no engine is needed for it.
    pub fn plain_result(&self) -> Option<Payload> {
        match self.language {
            Language::JavaScript => Program::parse(&self.source)?.evaluate(&self.input),
            Language::Jq => None,
        }
    }

    /// Whether program and input are within their limits.
    fn check_size(&self, limits: &ScriptLimits) -> Result<(), ScriptError> {
        if self.source.len() > limits.source_bytes {
            return Err(ScriptError::limit("the program", limits.source_bytes, "bytes"));
        }
        if self.input.len_bytes() > limits.input_bytes {
            return Err(ScriptError::limit("the input", limits.input_bytes, "bytes"));
        }
        Ok(())
    }
}

impl Hash for Script {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.language.hash(state);
        self.source.hash(state);
        self.input.get().hash(state);
    }
}

/// What a script may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptLimits {
    /// Longest run, milliseconds. Default 4000, as in Conductor.
    pub time_ms: u64,
    /// Most memory of the engine, bytes. Default 128 MiB: a 10 MiB input as a tree, a few times.
    pub memory_bytes: usize,
    /// Largest stack of JavaScript calls, bytes. Default 1 MiB, some thousand calls deep.
    pub stack_bytes: usize,
    /// Largest result, bytes of JSON. Default 10 MiB, the largest output of a task.
    pub output_bytes: usize,
    /// Largest program, bytes. Default 256 KiB.
    pub source_bytes: usize,
    /// Largest input, bytes of JSON. Default 32 MiB: a loop's condition may see more than one
    /// task's input.
    pub input_bytes: usize,
    /// Longest message of an error that a script makes itself, bytes. Default 64 KiB.
    pub message_bytes: usize,
}

impl Default for ScriptLimits {
    fn default() -> Self {
        Self {
            time_ms: 4_000,
            memory_bytes: 128 * 1024 * 1024,
            stack_bytes: 1024 * 1024,
            output_bytes: baton_common::limits::TASK_PAYLOAD_BYTES_MAX,
            source_bytes: 256 * 1024,
            input_bytes: baton_common::limits::BODY_BYTES_MAX,
            message_bytes: 64 * 1024,
        }
    }
}

/// Why a script gave no result. The text of each is fit to be a task's reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ScriptError {
    /// The script is wrong or ended in an error: running it again gives the same.
    #[error("{message}")]
    Failed {
        /// The reason in Conductor's words where they are known.
        message: String,
    },
    /// The script ran too long and was stopped.
    #[error("Error evaluating the script `timed out after {limit_ms} ms`")]
    TimedOut {
        /// The limit it met, milliseconds.
        limit_ms: u64,
    },
    /// The script needed more than it may have.
    #[error("Error evaluating the script `{what} exceeds the limit of {limit} {unit}`")]
    LimitExceeded {
        /// What was too large.
        what: String,
        /// The most that is allowed.
        limit: u64,
        /// Of what the limit counts.
        unit: String,
    },
    /// The engine itself ended or could not be started; trying again may help.
    #[error("Error evaluating the script `{message}`")]
    EngineLost {
        /// How it was lost.
        message: String,
    },
}

impl ScriptError {
    fn limit(what: &str, limit: usize, unit: &str) -> Self {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        Self::LimitExceeded { what: what.to_owned(), limit, unit: unit.to_owned() }
    }

    /// The same error, unless its message is over the limit.
    fn bounded(self, limits: &ScriptLimits) -> Self {
        match &self {
            Self::Failed { message } if message.len() > limits.message_bytes => {
                Self::limit("the error's message", limits.message_bytes, "bytes")
            }
            Self::Failed { .. }
            | Self::TimedOut { .. }
            | Self::LimitExceeded { .. }
            | Self::EngineLost { .. } => self,
        }
    }
}

/// Runs `script` in this process, on a thread of its own.
///
/// JavaScript keeps to all limits. A jq program is not interrupted between two results and can
/// overflow the stack, which ends the process: run jq of unknown authors by [`EvaluatorPool`].
///
/// # Errors
/// [`ScriptError::Failed`], [`ScriptError::TimedOut`], [`ScriptError::LimitExceeded`] as they say;
/// [`ScriptError::EngineLost`] when the engine panicked or no thread could be started.
pub fn evaluate(script: &Script, limits: &ScriptLimits) -> Result<Payload, ScriptError> {
    on_large_stack(|| evaluate_here(script, limits, &mut jq::Programs::default()))?
}

fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, ScriptError> {
    let lost = |message: String| ScriptError::EngineLost { message };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(THREAD_STACK_BYTES)
            .spawn_scoped(scope, work)
            .map_err(|error| lost(format!("no thread for the engine: {error}")))?;
        thread.join().map_err(|_| lost("the engine failed inside".to_owned()))
    })
}

/// Runs `script` on this thread, whose stack must be large.
fn evaluate_here(
    script: &Script,
    limits: &ScriptLimits,
    programs: &mut jq::Programs,
) -> Result<Payload, ScriptError> {
    script.check_size(limits)?;
    if nesting(script.input.get()) > VALUE_DEPTH_MAX {
        return Err(ScriptError::limit("the input's nesting", VALUE_DEPTH_MAX, "levels"));
    }
    let result = match script.language {
        Language::JavaScript => javascript::evaluate(&script.source, &script.input, limits),
        Language::Jq => programs.evaluate(&script.source, &script.input, limits),
    };
    let json = result.map_err(|error| error.bounded(limits))?;
    Payload::parse(json).map_err(|error| ScriptError::EngineLost {
        message: format!("the engine's result is no JSON: {error}"),
    })
}

/// What is wrong with the syntax of `source`, found without running it; `None` when nothing is.
pub fn syntax_error(language: Language, source: &str) -> Option<String> {
    let limits = ScriptLimits::default();
    if source.len() > limits.source_bytes {
        return Some(ScriptError::limit("the program", limits.source_bytes, "bytes").to_string());
    }
    let check = || match language {
        Language::JavaScript => javascript::syntax_error(source, &limits),
        Language::Jq => jq::syntax_error(source),
    };
    on_large_stack(check).unwrap_or_else(|error| Some(error.to_string()))
}

#[cfg(test)]
mod tests;
