//! The COMMAND task: a program of this machine, chosen by the operator, fed by a definition.
//!
//! No shell is involved. Only programs that the operator lists can be run, none by default, and
//! only environment variables that the operator lists can be set: a variable such as `LD_PRELOAD`
//! would turn any program into any other. The program starts with an otherwise empty environment.
use crate::{TaskContext, TaskOutcome, TaskType};
use async_trait::async_trait;
use baton_common::Payload;
use indexmap::IndexMap;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// The name of this task type.
pub const TASK_TYPE: &str = "COMMAND";
/// How much of the end of stderr a reason shows, bytes.
const STDERR_TAIL_BYTES: usize = 400;
/// Bytes read from a pipe at once.
const READ_BYTES: usize = 8 * 1024;

/// What may be run and how much it may take.
#[derive(Clone, Debug)]
pub struct CommandConfig {
    /// Absolute paths of the programs allowed; a task names one by its path or its file name.
    pub programs: Vec<PathBuf>,
    /// Names of the environment variables that a task may set.
    pub env_names: Vec<String>,
    /// Longest run; the program is killed then.
    pub time_max: Duration,
    /// Most bytes of stdout; the program is killed above it.
    pub stdout_bytes_max: usize,
}

/// The COMMAND task type.
#[derive(Debug)]
pub struct CommandTask {
    config: CommandConfig,
}

#[derive(Deserialize)]
struct Input {
    command: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: IndexMap<String, String>,
}

/// What a program left behind.
struct Finished {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr_tail: Vec<u8>,
}

impl CommandTask {
    /// A task type that runs what `config` allows.
    pub fn new(config: CommandConfig) -> Self {
        Self { config }
    }

    /// The allowed program of this path or file name.
    fn program(&self, name: &str) -> Option<&Path> {
        let wanted = Path::new(name);
        let is_it = |allowed: &&PathBuf| {
            allowed.as_path() == wanted || allowed.file_name() == Some(wanted.as_os_str())
        };
        self.config.programs.iter().find(is_it).map(PathBuf::as_path)
    }

    fn start(&self, input: &Input) -> Result<Child, TaskOutcome> {
        let Some(program) = self.program(&input.command) else {
            let message = format!("the program `{}` is not allowed on this worker", input.command);
            return Err(TaskOutcome::failed_for_good(message));
        };
        if let Some(name) = input.env.keys().find(|name| !self.config.env_names.contains(name)) {
            let message = format!("the variable `{name}` is not allowed on this worker");
            return Err(TaskOutcome::failed_for_good(message));
        }
        Command::new(program)
            .args(&input.args)
            .env_clear()
            .envs(&input.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| TaskOutcome::failed(format!("`{}`: {error}", program.display())))
    }

    async fn finish(&self, mut child: Child, stdin: &str) -> std::io::Result<Finished> {
        let (Some(mut to_program), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            unreachable!("all three streams are piped");
        };
        let write = async move {
            // A program that does not read its input is no fault.
            drop(to_program.write_all(stdin.as_bytes()).await);
            Ok(())
        };
        let limit = self.config.stdout_bytes_max;
        // The first error drops, and so kills, the child.
        let ((), stdout, stderr_tail) =
            tokio::try_join!(write, read_within(stdout, limit), tail(stderr))?;
        Ok(Finished { status: child.wait().await?, stdout, stderr_tail })
    }
}

#[async_trait]
impl TaskType for CommandTask {
    fn name(&self) -> &str {
        TASK_TYPE
    }

    async fn run(&self, task: TaskContext) -> TaskOutcome {
        let input: Input = match task.parse_input() {
            Ok(input) => input,
            Err(error) => return TaskOutcome::failed_for_good(format!("wrong input: {error}")),
        };
        let child = match self.start(&input) {
            Ok(child) => child,
            Err(outcome) => return outcome,
        };
        let run = self.finish(child, task.input().get());
        match tokio::time::timeout(self.config.time_max, run).await {
            Ok(Ok(finished)) => outcome(&input.command, &finished),
            Ok(Err(error)) => TaskOutcome::failed(format!("`{}`: {error}", input.command)),
            Err(_) => {
                let seconds = self.config.time_max.as_secs_f64();
                TaskOutcome::failed(format!("`{}` ran longer than {seconds} s", input.command))
            }
        }
    }
}

/// Success makes stdout the output; anything else fails with the end of stderr.
fn outcome(command: &str, finished: &Finished) -> TaskOutcome {
    let output = output_of(&finished.stdout);
    if finished.status.success() {
        return TaskOutcome::Completed { output };
    }
    let tail = String::from_utf8_lossy(&finished.stderr_tail);
    let reason = format!("`{command}` ended with {}: {}", finished.status, tail.trim());
    TaskOutcome::Failed { reason, output }
}

/// A JSON object as it stands, any other text as `{"stdout": text}`.
fn output_of(stdout: &[u8]) -> Payload {
    let text = String::from_utf8_lossy(stdout);
    match Payload::parse(text.trim().to_owned()) {
        Ok(payload) if payload.is_object() => payload,
        _ => Payload::of(&serde_json::json!({ "stdout": text })).unwrap_or_default(),
    }
}

async fn read_within(mut from: impl AsyncRead + Unpin, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut part = vec![0; READ_BYTES];
    loop {
        let length = from.read(&mut part).await?;
        if length == 0 {
            return Ok(all);
        }
        if all.len() + length > limit {
            return Err(std::io::Error::other(format!("stdout is larger than {limit} bytes")));
        }
        all.extend_from_slice(&part[..length]);
    }
}

async fn tail(mut from: impl AsyncRead + Unpin) -> std::io::Result<Vec<u8>> {
    let mut end: Vec<u8> = Vec::new();
    let mut part = vec![0; READ_BYTES];
    loop {
        let length = from.read(&mut part).await?;
        if length == 0 {
            return Ok(end);
        }
        end.extend_from_slice(&part[..length]);
        let surplus = end.len().saturating_sub(STDERR_TAIL_BYTES);
        end.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton_common::api::Task;
    use baton_common::{ExecutionId, Timestamp};
    use std::sync::Arc;
    use tokio_util::sync::CancellationToken;

    /// Runs `sh -c script` with the limits of these tests.
    async fn sh(script: &str, time_max: Duration) -> TaskOutcome {
        run("sh", &serde_json::json!({ "command": "sh", "args": ["-c", script], "n": 7 }), time_max)
            .await
    }

    async fn run(program: &str, input: &serde_json::Value, time_max: Duration) -> TaskOutcome {
        let config = CommandConfig {
            programs: vec![Path::new("/bin").join(program)],
            env_names: vec!["GREETING".to_owned()],
            time_max,
            stdout_bytes_max: 100,
        };
        let id = ExecutionId::new(Timestamp::from_millis(1_795_329_039_876), 1).task(1);
        let input_data = Payload::of(input).unwrap();
        let task = Task { input_data, ..Task::scheduled(id, TASK_TYPE.into()) };
        let context = TaskContext::new(Arc::new(task), CancellationToken::new());
        CommandTask::new(config).run(context).await
    }

    const LONG: Duration = Duration::from_secs(30);

    fn reason(outcome: &TaskOutcome) -> String {
        match outcome {
            TaskOutcome::Failed { reason, .. } | TaskOutcome::FailedForGood { reason, .. } => {
                reason.clone()
            }
            TaskOutcome::Completed { .. } | TaskOutcome::InProgress { .. } => panic!("{outcome:?}"),
        }
    }

    #[tokio::test]
    async fn the_input_is_on_stdin_and_an_object_on_stdout_is_the_output() {
        let input = serde_json::json!({ "command": "sh", "args": ["-c", "cat"], "n": 7 });
        let outcome = run("sh", &input, LONG).await;
        assert_eq!(outcome, TaskOutcome::completed(Payload::of(&input).unwrap()));
    }

    #[tokio::test]
    async fn other_text_is_kept_as_stdout() {
        let expected = Payload::parse(r#"{"stdout":"hi\n"}"#.to_owned()).unwrap();
        assert_eq!(sh("echo hi", LONG).await, TaskOutcome::completed(expected));
    }

    #[tokio::test]
    async fn a_failure_shows_the_end_of_stderr() {
        let reason = reason(&sh("echo oops >&2; exit 3", LONG).await);
        assert_eq!(reason, "`sh` ended with exit status: 3: oops");
    }

    #[tokio::test]
    async fn time_and_output_have_limits() {
        let slow = reason(&sh("exec sleep 60", Duration::from_millis(20)).await);
        assert_eq!(slow, "`sh` ran longer than 0.02 s");
        let loud = reason(&sh("while :; do echo yyyyyyyyyyyyyyyy; done", LONG).await);
        assert!(loud.contains("stdout is larger than 100 bytes"), "{loud}");
    }

    #[tokio::test]
    async fn only_what_the_operator_lists_can_be_run_and_set() {
        for command in ["cat", "/usr/bin/env", "../bin/sh", "/tmp/sh"] {
            let outcome = run("sh", &serde_json::json!({ "command": command }), LONG).await;
            assert!(reason(&outcome).ends_with("is not allowed on this worker"), "{command}");
        }
        let input = serde_json::json!({ "command": "/bin/sh", "env": { "LD_PRELOAD": "x" } });
        let refused = reason(&run("sh", &input, LONG).await);
        assert_eq!(refused, "the variable `LD_PRELOAD` is not allowed on this worker");
        let input = serde_json::json!({ "command": "sh", "args": ["-c", "echo $GREETING"],
            "env": { "GREETING": "hello" } });
        let expected = Payload::parse(r#"{"stdout":"hello\n"}"#.to_owned()).unwrap();
        assert_eq!(run("sh", &input, LONG).await, TaskOutcome::completed(expected));
    }
}
