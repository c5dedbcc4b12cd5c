//! A child process that evaluates scripts, as its parent sees it.
use super::child::EXIT_TIMED_OUT;
use super::deadline::Deadline;
use super::frame::{self, Answer, Request};
use super::{Script, ScriptError, ScriptLimits};
use std::io;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};

/// Longest wait until a child has its script, milliseconds: its start on a busy machine and the
/// way of a large input. It does not count towards the script's own time.
const BEGIN_MS_MAX: u64 = 30_000;
/// How long after a script's limit its child is killed, milliseconds: the child stops the script
/// itself; this covers the way of a large result.
const KILL_GRACE_MS: u64 = 2_000;
/// Room in an answer beside the result, bytes: an error's message and the envelope.
const ANSWER_EXTRA_BYTES: usize = 256 * 1024;

/// Why no answer came.
#[derive(Debug)]
pub(super) enum Silence {
    /// The child ended, or was too slow, before it had begun with the script.
    NotBegun(String),
    /// The script ran longer than it may.
    TimedOut,
    /// The child ended while the script ran.
    Ended,
}

/// A child and the thread that talks to it. Dropping it kills the child.
#[derive(Debug)]
pub(super) struct Engine {
    child: Child,
    requests: SyncSender<Vec<u8>>,
    answers: Receiver<Answer>,
    /// How many scripts it has been asked for.
    pub(super) evaluations: u64,
}

impl Engine {
    /// Starts a child that has nothing of this process but what it is sent.
    pub(super) fn start(
        program: &Path,
        args: &[String],
        limits: &ScriptLimits,
    ) -> io::Result<Self> {
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
        // A child sends two messages for a script, and is sent the next only then.
        let (received, answers) = sync_channel(2);
        let engine = Self { child, requests, answers, evaluations: 0 };
        let answer_bytes_max = limits.output_bytes.saturating_add(ANSWER_EXTRA_BYTES);
        std::thread::Builder::new()
            .name("evaluator".to_owned())
            .spawn(move || talk(&to_send, &received, (stdin, stdout), answer_bytes_max))?;
        Ok(engine)
    }

    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Memory of its own, bytes: without what it shares with other processes of its program.
    /// `None` where the system does not tell.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        let sizes = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).ok()?;
        let mut pages = sizes.split_whitespace().skip(1).map(str::parse::<u64>);
        let (resident, shared) = (pages.next()?.ok()?, pages.next()?.ok()?);
        let page_bytes = u64::try_from(rustix::param::page_size()).ok()?;
        resident.saturating_sub(shared).checked_mul(page_bytes)
    }

    /// Has `script` run; its time counts from the moment at which the child begins with it.
    pub(super) fn ask(
        &mut self,
        script: &Script,
        limits: &ScriptLimits,
    ) -> Result<Answer, Silence> {
        self.evaluations += 1;
        let not_begun = |what: &str| Silence::NotBegun(what.to_owned());
        let request = Request::frame(script, limits);
        let request = request.map_err(|error| Silence::NotBegun(error.to_string()))?;
        self.requests.send(request).map_err(|_| not_begun("the evaluator ended"))?;
        let begun = self.answers.recv_timeout(Deadline::after_ms(BEGIN_MS_MAX).left());
        match begun {
            Ok(Answer::Begun) => {}
            Ok(answer @ (Answer::Result(_) | Answer::Error(_))) => return Ok(answer),
            Err(RecvTimeoutError::Disconnected) => return Err(not_begun("the evaluator ended")),
            Err(RecvTimeoutError::Timeout) => {
                return Err(not_begun("the evaluator did not begin in time"));
            }
        }
        let deadline = Deadline::after_ms(limits.time_ms.saturating_add(KILL_GRACE_MS));
        self.answers.recv_timeout(deadline.left()).map_err(|error| match error {
            RecvTimeoutError::Timeout => Silence::TimedOut,
            RecvTimeoutError::Disconnected => Silence::Ended,
        })
    }

    /// What the end of the child says of the script that ran in it.
    pub(super) fn why_ended(mut self, limit_ms: u64) -> ScriptError {
        let lost = |message: String| ScriptError::EngineLost { message };
        // Its output has ended, so it has exited or will not answer again.
        let _ = self.child.kill();
        match self.child.wait() {
            Ok(status) if status.code() == Some(EXIT_TIMED_OUT) => {
                ScriptError::TimedOut { limit_ms }
            }
            Ok(status) => lost(format!("the evaluator ended, out of stack or memory: {status}")),
            Err(error) => lost(error.to_string()),
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
    (mut stdin, mut stdout): (ChildStdin, ChildStdout),
    answer_bytes_max: usize,
) {
    while let Ok(request) = requests.recv() {
        if frame::send(&mut stdin, &request).is_err() {
            return;
        }
        drop(request);
        loop {
            let Ok(Some(content)) = frame::receive(&mut stdout, answer_bytes_max) else { return };
            let Ok(answer) = serde_json::from_slice(&content) else { return };
            drop(content);
            let is_last = !matches!(answer, Answer::Begun);
            if answers.send(answer).is_err() {
                return;
            }
            if is_last {
                break;
            }
        }
    }
}
