//! The child's side of a pool.
use super::deadline::Deadline;
use super::frame::{self, Answer, Request};
use super::{Language, Script, ScriptError, ScriptLimits, THREAD_STACK_BYTES, evaluate_here, jq};
use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};
use std::io::{self, Read, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// The child's exit code when a script ran out of time and could not be stopped otherwise.
pub(super) const EXIT_TIMED_OUT: i32 = 75;
/// How long after its limit JavaScript, which stops itself, is given up, milliseconds.
const JAVASCRIPT_GRACE_MS: u64 = 500;
/// Address space beside the script's memory, bytes: stacks, buffers of a frame, the allocator's
/// reserve.
const ADDRESS_SPACE_EXTRA_BYTES: u64 = 256 * 1024 * 1024;

/// The niceness of the process: a third of a processor's time where others want it too. A script that
/// does not end takes all it can get until its time is over, and requests must not wait for that.
const NICENESS: i32 = 5;

/// Runs the scripts that arrive on `input` one after the other and writes the answers to
/// `output`; ends with `input`, which is when the pool or its process is gone.
///
/// The process must have no other purpose: a script that cannot be stopped ends it, and its
/// address space is limited.
///
/// # Errors
/// What reading or writing gave; the script at hand is lost then.
pub fn serve(
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
) -> io::Result<()> {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = setpriority_process(None, NICENESS);
    let thread = std::thread::Builder::new()
        .stack_size(THREAD_STACK_BYTES)
        .spawn(move || answer_all(input, output))?;
    thread.join().unwrap_or_else(|_| Err(io::Error::other("the engine failed inside")))
}

fn answer_all(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut programs = jq::Programs::default();
    let watch = Watch::start()?;
    let size_at_start = address_space_bytes();
    let begun = frame::to_frame(&Answer::Begun)?;
    while let Some(content) = frame::receive(&mut input, frame::FRAME_BYTES_MAX)? {
        let Request { language, source, input, limits } = serde_json::from_slice(&content)?;
        drop(content);
        limit_memory(size_at_start, &limits);
        frame::send(&mut output, &begun)?;
        watch.set(Some(Deadline::after_ms(match language {
            Language::JavaScript => limits.time_ms.saturating_add(JAVASCRIPT_GRACE_MS),
            Language::Jq => limits.time_ms,
        })));
        let script = Script { language, source, input };
        let result = evaluate_here(&script, &limits, &mut programs);
        watch.set(None);
        let answer = match result {
            Ok(result) => Answer::Result(result),
            Err(error) => Answer::Error(error),
        };
        let answer = frame::to_frame(&answer).or_else(|_| {
            frame::to_frame(&Answer::Error(ScriptError::EngineLost {
                message: "the result cannot be sent".to_owned(),
            }))
        })?;
        frame::send(&mut output, &answer)?;
    }
    Ok(())
}

/// A system that does not know its size or this limit is left without it.
fn limit_memory(size_at_start: Option<u64>, limits: &ScriptLimits) {
    let Some(size) = size_at_start else { return };
    let memory = u64::try_from(limits.memory_bytes).unwrap_or(u64::MAX);
    let wanted = size.saturating_add(memory).saturating_add(ADDRESS_SPACE_EXTRA_BYTES);
    let maximum = getrlimit(Resource::As).maximum;
    let current = Some(maximum.map_or(wanted, |maximum| maximum.min(wanted)));
    let _ = setrlimit(Resource::As, Rlimit { current, maximum });
}

/// Address space this process has taken, bytes.
fn address_space_bytes() -> Option<u64> {
    let sizes = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = sizes.split_whitespace().next()?.parse().ok()?;
    let page_bytes = u64::try_from(rustix::param::page_size()).ok()?;
    pages.checked_mul(page_bytes)
}

/// Ends the process when a deadline passes.
struct Watch(Arc<(Mutex<Option<Deadline>>, Condvar)>);

impl Watch {
    fn start() -> io::Result<Self> {
        let shared = Arc::new((Mutex::new(None), Condvar::new()));
        let watched = Arc::clone(&shared);
        std::thread::Builder::new().spawn(move || watch(&watched.0, &watched.1))?;
        Ok(Self(shared))
    }

    fn set(&self, deadline: Option<Deadline>) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
        self.0.1.notify_one();
    }
}

fn watch(deadline: &Mutex<Option<Deadline>>, changed: &Condvar) {
    let mut current = deadline.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        current = match *current {
            None => changed.wait(current).unwrap_or_else(PoisonError::into_inner),
            Some(deadline) if deadline.has_passed() => std::process::exit(EXIT_TIMED_OUT),
            Some(deadline) => {
                let waited = changed.wait_timeout(current, deadline.left());
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}
