//! JavaScript by QuickJS: a fresh engine for every script, so none sees what another left.
mod input;
mod result;
mod stop;

use super::deadline::Deadline;
use super::error::ScriptError;
use super::limits::ScriptLimits;
use baton_common::payload::Payload;
use result::Writer;
use rquickjs::context::EvalOptions;
use rquickjs::{CatchResultExt, CaughtError, Context, Ctx, Exception, Runtime, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stop::Stop;

/// The name the engine knows the script by; it stands in the stacks of its errors.
const FILE: &str = "inline";

/// The JSON of the value of the script's last expression.
pub(super) fn evaluate(
    source: &str,
    input: &Payload,
    limits: &ScriptLimits,
) -> Result<String, ScriptError> {
    run(limits, |ctx| {
        let helpers = input::helpers(ctx)?;
        let value = input::value(ctx, &helpers, source, input.get())?;
        ctx.globals().set("$", value)?;
        let result: Value<'_> = ctx.eval_with_options(source, options())?;
        Writer::new(&helpers, input.get(), limits.output_bytes).write(&result)
    })
    .map_err(|fault| fault.in_words(source, limits))
}

/// What is wrong with the syntax of `source`: it is parsed as a whole before its first statement,
/// a throw, would run.
pub(super) fn syntax_error(source: &str, limits: &ScriptLimits) -> Option<String> {
    let guarded = format!("throw 0;{source}");
    let run = run(limits, |ctx| Ok(ctx.eval_with_options::<(), _>(guarded.as_str(), options())?));
    match run {
        Ok(()) => None,
        Err(fault @ Fault::Thrown { .. }) => {
            let Fault::Thrown { ref text, .. } = fault else { return None };
            (text != "0").then(|| fault.in_words(source, limits).to_string())
        }
        Err(fault @ (Fault::TimedOut | Fault::Memory | Fault::Limit(_) | Fault::Engine(_))) => {
            Some(fault.in_words(source, limits).to_string())
        }
    }
}

fn options() -> EvalOptions {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(FILE.to_owned());
    options
}

/// Why the engine gave no result.
#[derive(Debug)]
enum Fault {
    /// An exception left the script.
    Thrown {
        text: String,
        position: Option<Position>,
    },
    TimedOut,
    Memory,
    /// The result is too large or too deep.
    Limit(ScriptError),
    /// The engine could not do its work.
    Engine(String),
}

/// Where an exception was raised, both counted from 1.
#[derive(Clone, Copy, Debug)]
struct Position {
    line: usize,
    column: usize,
}

/// Runs `work` in a fresh engine under `limits`.
fn run<T>(
    limits: &ScriptLimits,
    work: impl FnOnce(&Ctx<'_>) -> Result<T, Stop>,
) -> Result<T, Fault> {
    let engine = |error: rquickjs::Error| Fault::Engine(error.to_string());
    let runtime = Runtime::new().map_err(engine)?;
    runtime.set_memory_limit(limits.memory_bytes);
    runtime.set_max_stack_size(limits.stack_bytes);
    let was_stopped = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&was_stopped);
    let deadline = Deadline::after_ms(limits.time_ms);
    runtime.set_interrupt_handler(Some(Box::new(move || {
        let stop = deadline.has_passed();
        stopped.fetch_or(stop, Ordering::Relaxed);
        stop
    })));
    let context = Context::full(&runtime).map_err(engine)?;
    let result = context.with(|ctx| {
        work(&ctx).map_err(|stop| match stop {
            Stop::Limit(error) => Fault::Limit(error),
            Stop::Engine(_) if was_stopped.load(Ordering::Relaxed) => Fault::TimedOut,
            Stop::Engine(error) => caught(&ctx, error),
        })
    });
    // Where no memory is left for an error, the engine throws null.
    // Its memory can be measured only here, where the context is no longer locked.
    match result {
        Err(Fault::Thrown { text, .. }) if text == "null" && is_full(&runtime, limits) => {
            Err(Fault::Memory)
        }
        other => other,
    }
}

fn caught(ctx: &Ctx<'_>, error: rquickjs::Error) -> Fault {
    match Err::<(), _>(error).catch(ctx) {
        Ok(()) => Fault::Engine("nothing was thrown".to_owned()),
        Err(CaughtError::Exception(exception)) => thrown_error(&exception),
        Err(CaughtError::Value(value)) => {
            let text = value.get::<rquickjs::convert::Coerced<String>>();
            let text = text.map_or_else(|_| "an unprintable value".to_owned(), |text| text.0);
            Fault::Thrown { text, position: Some(Position { line: 1, column: 0 }) }
        }
        Err(CaughtError::Error(rquickjs::Error::Allocation)) => Fault::Memory,
        Err(CaughtError::Error(error)) => Fault::Engine(error.to_string()),
    }
}

/// Whether the engine uses most of the memory it may have.
fn is_full(runtime: &Runtime, limits: &ScriptLimits) -> bool {
    let used = usize::try_from(runtime.memory_usage().malloc_size).unwrap_or(0);
    used > limits.memory_bytes / 2
}

fn thrown_error(exception: &Exception<'_>) -> Fault {
    let name = exception.as_object().get::<_, rquickjs::convert::Coerced<String>>("name");
    let name = name.map_or_else(|_| "Error".to_owned(), |name| name.0);
    let message = exception.message().unwrap_or_default();
    if name == "InternalError" && message == "out of memory" {
        return Fault::Memory;
    }
    let text = match (name.as_str(), message.as_str()) {
        (name, "") => name.to_owned(),
        (name, message) => format!("{name}: {}", in_graal_words(message)),
    };
    let position = exception.stack().as_deref().and_then(position);
    Fault::Thrown { text, position }
}

/// The engine's most common messages begin with a capital in Conductor's engine.
fn in_graal_words(message: &str) -> String {
    match message.strip_prefix("cannot ") {
        Some(rest) => format!("Cannot {rest}"),
        None => message.to_owned(),
    }
}

/// The position of the innermost call in a stack's text: `… inline:line:column`.
fn position(stack: &str) -> Option<Position> {
    let (_, after) = stack.split_once("inline:")?;
    let mut numbers = after.split(|c: char| !c.is_ascii_digit());
    let line = numbers.next()?.parse().ok()?;
    let column = numbers.next().and_then(|column| column.parse().ok()).unwrap_or(0);
    Some(Position { line, column })
}

impl Fault {
    /// The error in Conductor's words. An error the script made itself names no line there.
    fn in_words(self, source: &str, limits: &ScriptLimits) -> ScriptError {
        match self {
            Self::Limit(error) => error,
            Self::TimedOut => ScriptError::TimedOut { limit_ms: limits.time_ms },
            Self::Memory => ScriptError::limit("the memory used", limits.memory_bytes, "bytes"),
            Self::Engine(message) => ScriptError::EngineLost { message },
            Self::Thrown { text, position } => {
                let line = position.filter(|position| !is_constructor_call(source, *position));
                let line = line.map(|position| format!(" at line {}", position.line));
                let line = line.unwrap_or_default();
                let message = format!("Error evaluating the script `{text}`{line}");
                ScriptError::Failed { message }
            }
        }
    }
}

/// Whether `position` is inside `new …Error(` of the script.
fn is_constructor_call(source: &str, position: Position) -> bool {
    let Some(line) = source.lines().nth(position.line.saturating_sub(1)) else { return false };
    let at = position.column.saturating_sub(1);
    line.match_indices("Error").any(|(found, word)| {
        let is_call = line[found + word.len()..].trim_start().starts_with('(');
        let name = line[..found].trim_end_matches(|c: char| c.is_alphanumeric() || c == '_');
        let start = name.trim_end().strip_suffix("new").map_or(name, str::trim_end).len();
        let chars = |bytes: usize| line[..bytes].chars().count();
        // The engine points at the name or at the blank before it.
        let call = chars(start).saturating_sub(1)..=chars(found + word.len()) + 1;
        is_call && call.contains(&at)
    })
}
