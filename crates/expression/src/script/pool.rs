//! Scripts in child processes, a bounded number of them, each used again and again.
use super::child::EXIT_TIMED_OUT;
use super::deadline::Deadline;
use super::frame::{self, Answer, Request};
use super::{Script, ScriptError, ScriptLimits};
use baton_common::payload::Payload;
use std::io;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How long after a script's limit its child is killed, milliseconds: the child stops the script
/// itself; this covers its start and the way of a large input and result.
const KILL_GRACE_MS: u64 = 2_000;
/// Longest wait for a free child, milliseconds; then the pool is far behind.
const QUEUE_MS_MAX: u64 = 60_000;

/// Runs scripts in child processes of our own binary.
///
/// Children start when they are first needed, are kept for the next script, and end with the pool
/// or with this process. What a script does to its child never reaches this process.
#[derive(Debug)]
pub struct EvaluatorPool {
    program: PathBuf,
    args: Vec<String>,
    size: usize,
    limits: ScriptLimits,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Engine>,
    busy: usize,
}

impl EvaluatorPool {
    /// A pool of at most `size` children (at least one), each `program args…`, which must call
    /// [`serve`](super::serve) on its standard input and output. Starts none yet.
    pub fn new(program: PathBuf, args: Vec<String>, size: usize, limits: ScriptLimits) -> Self {
        let (state, freed) = (Mutex::default(), Condvar::new());
        Self { program, args, size: size.max(1), limits, state, freed }
    }

    /// Runs `script` in a child, waiting for a free one and for the result. Blocks; may be called
    /// from many threads.
    ///
    /// # Errors
    /// [`ScriptError::Failed`], [`ScriptError::TimedOut`], [`ScriptError::LimitExceeded`] as they
    /// say; [`ScriptError::EngineLost`] when the child crashed, could not be started, or none
    /// became free for a minute.
    pub fn evaluate(&self, script: &Script) -> Result<Payload, ScriptError> {
        if script.source.len() > self.limits.source_bytes {
            return Err(ScriptError::limit("the program", self.limits.source_bytes, "bytes"));
        }
        let request = Request::frame(script, &self.limits).map_err(lost)?;
        let slot = self.take_slot()?;
        let mut engine = self.engine().map_err(lost)?;
        let limit_ms = self.limits.time_ms;
        let answer =
            engine.ask(request, Deadline::after_ms(limit_ms.saturating_add(KILL_GRACE_MS)));
        match answer {
            Ok(answer) => {
                self.state().idle.push(engine);
                drop(slot);
                match answer {
                    Answer::Result(result) => Ok(result),
                    Answer::Error(error) => Err(error),
                }
            }
            Err(Silence::TimedOut) => Err(ScriptError::TimedOut { limit_ms }),
            Err(Silence::Ended) => Err(engine.why_ended(limit_ms)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_slot(&self) -> Result<Slot<'_>, ScriptError> {
        let deadline = Deadline::after_ms(QUEUE_MS_MAX);
        let mut state = self.state();
        while state.busy >= self.size {
            if deadline.has_passed() {
                return Err(lost("no evaluator became free"));
            }
            let waited = self.freed.wait_timeout(state, deadline.left());
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.busy += 1;
        Ok(Slot(self))
    }

    /// A child that lives: an idle one, or else a new one.
    fn engine(&self) -> io::Result<Engine> {
        loop {
            let idle = self.state().idle.pop();
            let Some(mut engine) = idle else { return Engine::start(&self.program, &self.args) };
            if engine.is_alive() {
                return Ok(engine);
            }
        }
    }
}

fn lost(error: impl std::fmt::Display) -> ScriptError {
    ScriptError::EngineLost { message: error.to_string() }
}

/// The right to use one child.
struct Slot<'p>(&'p EvaluatorPool);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.state().busy -= 1;
        self.0.freed.notify_one();
    }
}

/// Why no answer came.
enum Silence {
    TimedOut,
    Ended,
}

/// A child and the thread that talks to it. Dropping it kills the child.
#[derive(Debug)]
struct Engine {
    child: Child,
    requests: SyncSender<Vec<u8>>,
    answers: Receiver<Answer>,
}

impl Engine {
    fn start(program: &PathBuf, args: &[String]) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(args)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked for");
        };
        let (requests, to_send) = sync_channel(1);
        let (received, answers) = sync_channel(1);
        let engine = Self { child, requests, answers };
        std::thread::Builder::new()
            .name("evaluator".to_owned())
            .spawn(move || talk(&to_send, &received, stdin, stdout))?;
        Ok(engine)
    }

    fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn ask(&mut self, request: Vec<u8>, deadline: Deadline) -> Result<Answer, Silence> {
        self.requests.send(request).map_err(|_| Silence::Ended)?;
        self.answers.recv_timeout(deadline.left()).map_err(|error| match error {
            RecvTimeoutError::Timeout => Silence::TimedOut,
            RecvTimeoutError::Disconnected => Silence::Ended,
        })
    }

    /// What the end of the child says of its script.
    fn why_ended(mut self, limit_ms: u64) -> ScriptError {
        // Its output has ended, so it has exited or will not answer again.
        let _ = self.child.kill();
        match self.child.wait() {
            Ok(status) if status.code() == Some(EXIT_TIMED_OUT) => {
                ScriptError::TimedOut { limit_ms }
            }
            Ok(status) => lost(format!("the evaluator ended, out of stack or memory: {status}")),
            Err(error) => lost(error),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends requests and receives their answers until either side is gone.
fn talk(
    requests: &Receiver<Vec<u8>>,
    answers: &SyncSender<Answer>,
    mut stdin: ChildStdin,
    mut stdout: ChildStdout,
) {
    while let Ok(request) = requests.recv() {
        if frame::send(&mut stdin, &request).is_err() {
            return;
        }
        drop(request);
        let Ok(Some(content)) = frame::receive(&mut stdout) else { return };
        let Ok(answer) = serde_json::from_slice(&content) else { return };
        if answers.send(answer).is_err() {
            return;
        }
    }
}
