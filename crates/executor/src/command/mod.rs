//! The COMMAND task: a program of this machine, chosen by the operator, fed by a definition.
//!
//! No shell is involved. Only programs that the operator lists can be run, none by default, and
//! only environment variables that the operator lists can be set: a variable such as `LD_PRELOAD`
//! would turn any program into any other. The program starts with an otherwise empty environment,
//! in a process group of its own and within the limits of [`ProcessLimits`].
//!
//! The group ends with its first process, with the attempt, at the time limit, and with the
//! executor: SIGTERM to all of it, and after a grace period SIGKILL; so do descendants that have left
//! the group (`setsid`), as long as their parents are there to be found by. A process that has left
//! both its group and its parent escapes; only the limits hold it then.
mod group;
mod guard;
mod guarding;
mod helper;
mod limits;
mod strays;
mod streams;

pub use helper::{Helper, serve_helper};
pub use limits::ProcessLimits;

use crate::{TaskContext, TaskOutcome, TaskType};
use async_trait::async_trait;
use baton_common::Payload;
use group::{Group, KILL_WAIT};
use guard::Guard;
use indexmap::IndexMap;
use rustix::process::Signal;
use serde::Deserialize;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use streams::{Captured, Streams};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until, timeout};

/// The name of this task type.
pub const TASK_TYPE: &str = "COMMAND";
/// How long processes that a command left behind may hold its output before they are ended. What
/// the command itself printed is read at once.
const OUTPUT_WAIT: Duration = Duration::from_secs(1);
/// Time beyond the grace period that a canceled attempt takes at most: to kill and to read.
const CLEAN_UP_MARGIN: Duration = KILL_WAIT.saturating_add(OUTPUT_WAIT);

/// What may be run and how much it may take.
#[derive(Clone, Debug)]
pub struct CommandConfig {
    /// Absolute paths of the programs allowed; a task names one by its path or its file name.
    pub programs: Vec<PathBuf>,
    /// Names of the environment variables that a task may set.
    pub env_names: Vec<String>,
    /// Longest run; the program and all it started are ended then.
    pub time_max: Duration,
    /// How long processes have between SIGTERM and SIGKILL. Short: they cannot clean up.
    pub grace: Duration,
    /// Most bytes of stdout; the program is ended above it.
    pub stdout_bytes_max: usize,
    /// What each process may take.
    pub limits: ProcessLimits,
    /// What starts the programs and guards them.
    pub helper: Helper,
}

/// The COMMAND task type.
#[derive(Debug)]
pub struct CommandTask {
    config: CommandConfig,
    guard: Guard,
}

#[derive(Deserialize)]
struct Input {
    command: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: IndexMap<String, String>,
}

/// A program under way, known to the guard.
struct Running<'task> {
    child: Child,
    group: Group,
    guard: &'task Guard,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.group.id() {
            self.guard.forget(id);
        }
    }
}

/// How a run ended.
enum End {
    Exited(ExitStatus),
    /// The time limit came first.
    Late,
    /// The attempt is of no use any more.
    Canceled,
    /// Something between us and the program failed.
    Fault(io::Error),
}

impl CommandTask {
    /// A task type that runs what `config` allows. Nothing is started yet.
    pub fn new(config: CommandConfig) -> Self {
        let guard = Guard::new(config.helper.clone(), config.grace);
        Self { config, guard }
    }

    /// The allowed program of this path or file name.
    fn program(&self, name: &str) -> Option<&Path> {
        let wanted = Path::new(name);
        let is_it = |allowed: &&PathBuf| {
            allowed.as_path() == wanted || allowed.file_name() == Some(wanted.as_os_str())
        };
        self.config.programs.iter().find(is_it).map(PathBuf::as_path)
    }

    fn start(&self, input: &Input) -> Result<Running<'_>, TaskOutcome> {
        let Some(program) = self.program(&input.command) else {
            let message = format!("the program `{}` is not allowed on this worker", input.command);
            return Err(TaskOutcome::failed_for_good(message));
        };
        if let Some(name) = input.env.keys().find(|name| !self.config.env_names.contains(name)) {
            let message = format!("the variable `{name}` is not allowed on this worker");
            return Err(TaskOutcome::failed_for_good(message));
        }
        let mut launcher = self.config.helper.launcher(self.config.limits, program);
        launcher.args(&input.args).envs(&input.env);
        self.spawn(launcher.into())
            .map_err(|error| TaskOutcome::failed(format!("`{}`: {error}", program.display())))
    }

    fn spawn(&self, mut command: Command) -> io::Result<Running<'_>> {
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let Some(group) = Group::of(&child) else {
            unreachable!("a child that was not waited for has an id");
        };
        let running = Running { child, group, guard: &self.guard };
        if let Some(id) = running.group.id() {
            self.guard.watch(id)?;
        }
        Ok(running)
    }

    /// Runs the program to its end, and ends what it leaves behind.
    async fn attend(&self, running: &mut Running<'_>, task: &TaskContext) -> (End, Captured) {
        let Some(mut streams) = Streams::take(&mut running.child) else {
            unreachable!("all three streams are piped");
        };
        let mut captured = Captured::default();
        let limit = self.config.stdout_bytes_max;
        let end = {
            let exchange = streams.exchange(task.input().get(), limit, &mut captured);
            tokio::pin!(exchange);
            match self.wait(&mut running.child, exchange.as_mut(), task).await {
                (End::Exited(status), is_read) => {
                    let settled = self.settle(running, exchange.as_mut(), is_read, task).await;
                    settled.map_or_else(End::Fault, |()| End::Exited(status))
                }
                (end @ (End::Late | End::Canceled | End::Fault(_)), _) => {
                    self.end(running).await;
                    end
                }
            }
        };
        (end, captured)
    }

    /// Waits for the first end there is; also tells whether the streams have been read to theirs.
    async fn wait(
        &self,
        child: &mut Child,
        mut exchange: Pin<&mut impl Future<Output = io::Result<()>>>,
        task: &TaskContext,
    ) -> (End, bool) {
        let deadline = Instant::now() + self.config.time_max;
        let mut is_read = false;
        loop {
            // In this order: a program that has ended by its deadline was not late.
            tokio::select! {
                biased;
                status = child.wait() => return (status.map_or_else(End::Fault, End::Exited), is_read),
                result = &mut exchange, if !is_read => match result {
                    Ok(()) => is_read = true,
                    Err(error) => return (End::Fault(error), false),
                },
                () = task.canceled() => return (End::Canceled, is_read),
                () = sleep_until(deadline) => return (End::Late, is_read),
            }
        }
    }

    /// Reads what a program that has ended left in its pipes, and ends the processes it left behind.
    async fn settle(
        &self,
        running: &mut Running<'_>,
        mut exchange: Pin<&mut impl Future<Output = io::Result<()>>>,
        is_read: bool,
        task: &TaskContext,
    ) -> io::Result<()> {
        let mut read =
            if is_read { Ok(Ok(())) } else { timeout(OUTPUT_WAIT, exchange.as_mut()).await };
        if self.end(running).await {
            task.log("the program left processes behind; they were ended");
        }
        if read.is_err() {
            read = timeout(OUTPUT_WAIT, exchange).await;
        }
        match read {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(error),
            Err(_) => task.log(
                "a process that has left the program's group still holds its output; \
                 what it prints from now on is not kept",
            ),
        }
        Ok(())
    }

    /// Ends the whole group; whether there was anything but a program that had ended.
    async fn end(&self, running: &mut Running<'_>) -> bool {
        let id = running.group.id();
        let left_behind = running.group.end(&mut running.child, self.config.grace).await;
        if let Some(id) = id {
            self.guard.forget(id);
        }
        left_behind
    }
}

#[async_trait]
impl TaskType for CommandTask {
    fn name(&self) -> &str {
        TASK_TYPE
    }

    fn clean_up_time(&self) -> Duration {
        self.config.grace + CLEAN_UP_MARGIN
    }

    async fn run(&self, task: TaskContext) -> TaskOutcome {
        let input: Input = match task.parse_input() {
            Ok(input) => input,
            Err(error) => return TaskOutcome::failed_for_good(format!("wrong input: {error}")),
        };
        let mut running = match self.start(&input) {
            Ok(running) => running,
            Err(outcome) => return outcome,
        };
        let (end, captured) = self.attend(&mut running, &task).await;
        let command = &input.command;
        match end {
            End::Exited(status) => self.outcome(command, status, &captured),
            End::Late => {
                let seconds = self.config.time_max.as_secs_f64();
                TaskOutcome::failed(format!("`{command}` ran longer than {seconds} s"))
            }
            End::Canceled => TaskOutcome::failed(format!("`{command}` was canceled")),
            End::Fault(error) => TaskOutcome::failed(format!("`{command}`: {error}")),
        }
    }
}

impl CommandTask {
    /// Success makes stdout the output; anything else fails with the end of stderr.
    fn outcome(&self, command: &str, status: ExitStatus, captured: &Captured) -> TaskOutcome {
        let output = output_of(&captured.stdout);
        if status.success() {
            return TaskOutcome::Completed { output };
        }
        let tail = String::from_utf8_lossy(&captured.stderr_tail);
        let limit = self.limit_behind(status).unwrap_or_default();
        let reason = format!("`{command}` ended with {status}{limit}: {}", tail.trim());
        TaskOutcome::Failed { reason, output }
    }

    /// The limit that made the system send the signal which ended the program.
    fn limit_behind(&self, status: ExitStatus) -> Option<String> {
        let (signal, limits) = (status.signal()?, &self.config.limits);
        if signal == Signal::XCPU.as_raw() {
            let seconds = limits.cpu_seconds?;
            return Some(format!(", more than {seconds} s of CPU time (command-cpu-seconds)"));
        }
        let bytes = limits.file_bytes.filter(|_| signal == Signal::XFSZ.as_raw())?;
        Some(format!(", a file of more than {bytes} bytes (command-file-bytes-max)"))
    }
}

/// A JSON object as it stands, any other text as `{"stdout": text}`.
fn output_of(stdout: &[u8]) -> Payload {
    let text = String::from_utf8_lossy(stdout);
    match Payload::parse(text.trim().to_owned()) {
        Ok(payload) if payload.is_object() => payload,
        _ => Payload::of(&serde_json::json!({ "stdout": text })).unwrap_or_default(),
    }
}
