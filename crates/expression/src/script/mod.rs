//! Scripts inside definitions: JavaScript (INLINE, SWITCH, DO_WHILE, …) and jq
//! (JSON_JQ_TRANSFORM).
//!
//! A script sees its input and nothing else: no clock of ours, no files, no environment.
//! [`evaluate`] runs one in this process; [`EvaluatorPool`] runs them in child processes, which is
//! the only guard against what an engine cannot stop itself: a stack overflow, an endless jq loop.
mod assignment;
mod child;
mod deadline;
mod engine;
mod error;
mod fair;
mod frame;
mod javascript;
mod jq;
mod limits;
mod pool;

pub use child::serve;
pub use error::ScriptError;
pub use fair::{QueueLimits, ShareKey};
pub use limits::ScriptLimits;
pub use pool::{Busy, EvaluatorPool, PoolEvent, PoolLimits, Replaced};

use crate::plain::Program;
use crate::raw::nesting;
use baton_common::limits::VALUE_DEPTH_MAX;
use baton_common::payload::Payload;
use serde::{Deserialize, Serialize};
use std::hash::{Hash, Hasher};

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
