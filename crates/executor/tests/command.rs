//! COMMAND tasks with real programs: what they print, and that nothing of them survives.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests unwrap as tests do")]
mod support;

use baton_executor::command::{CommandConfig, CommandTask, Helper, ProcessLimits, TASK_TYPE};
use baton_executor::{Drained, Executor, Registry};
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{One, config, outcome_of, report_of, task};

const HELPER: &str = env!("CARGO_BIN_EXE_baton-command");
/// Longer than any of these tests.
const LONG: Duration = Duration::from_mins(2);
const SHORT: Duration = Duration::from_millis(300);

fn with(program: &str, time_max: Duration) -> CommandConfig {
    CommandConfig {
        programs: vec![Path::new("/bin").join(program)],
        env_names: vec!["GREETING".to_owned()],
        time_max,
        grace: SHORT,
        stdout_bytes_max: 100,
        limits: ProcessLimits::NONE,
        helper: Helper { program: HELPER.into(), arguments: Vec::new() },
    }
}

fn script(text: &str) -> Value {
    json!({ "command": "sh", "args": ["-c", text], "n": 7 })
}

/// Status, output and reason of `sh -c text`.
async fn sh(text: &str, time_max: Duration) -> (String, Value, String) {
    outcome_of(CommandTask::new(with("sh", time_max)), &script(text)).await
}

/// Status, output and reason of `sh -c text` under these limits.
async fn limited(text: &str, limits: ProcessLimits) -> (String, Value, String) {
    let config = CommandConfig { limits, ..with("sh", LONG) };
    outcome_of(CommandTask::new(config), &script(text)).await
}

/// A folder in which scripts note the ids of their processes.
struct Notes(tempfile::TempDir);

impl Notes {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The script with `$D` as this folder.
    fn script(&self, text: &str) -> String {
        text.replace("$D", self.0.path().to_str().unwrap())
    }

    /// The processes noted in `pids`, of which there must be `count`.
    fn pids(&self, count: usize) -> Vec<i32> {
        let text = std::fs::read_to_string(self.path("pids")).unwrap();
        let pids: Vec<i32> = text.lines().map(|line| line.trim().parse().unwrap()).collect();
        assert_eq!(pids.len(), count, "{text}");
        pids
    }

    fn assert_all_ended(&self, count: usize) {
        for pid in self.pids(count) {
            // The kernel takes a moment to carry out a signal on a busy machine.
            let until = std::time::Instant::now() + Duration::from_secs(5);
            while is_alive(pid) && std::time::Instant::now() < until {
                std::thread::yield_now();
            }
            assert!(!is_alive(pid), "process {pid} survives");
        }
    }

    /// A pipe at `ready` that a script writes to when it has come that far.
    fn ready(&self) -> tokio::task::JoinHandle<()> {
        let path = self.path("ready");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        tokio::task::spawn_blocking(move || drop(std::fs::read(path).unwrap()))
    }
}

/// Whether the process runs; a zombie, which waits to be reaped by its parent, does not.
fn is_alive(pid: i32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    !stat.rsplit(") ").next().unwrap().starts_with('Z')
}

/// A process, its child and its grandchild, all of which ignore SIGTERM, and all noted.
const STUBBORN: &str = "trap '' TERM; echo $$ >>$D/pids; \
    (sh -c 'echo $$ >>$D/pids; (sleep 600 & echo $! >>$D/pids; wait)' >/dev/null 2>&1) & \
    while [ $(wc -l <$D/pids) -lt 3 ]; do :; done; ";

#[tokio::test]
async fn the_input_is_on_stdin_and_an_object_on_stdout_is_the_output() {
    let (status, output, _) = sh("cat", LONG).await;
    assert_eq!((status.as_str(), output), ("COMPLETED", script("cat")));
    let (_, output, _) = sh("echo hi", LONG).await;
    assert_eq!(output, json!({ "stdout": "hi\n" }));
}

#[tokio::test]
async fn a_program_need_not_read_its_input() {
    let mut input = script("exec 0<&-; echo done");
    input["big"] = json!("x".repeat(900 << 10));
    let (_, output, _) = outcome_of(CommandTask::new(with("sh", LONG)), &input).await;
    assert_eq!(output, json!({ "stdout": "done\n" }));
}

#[tokio::test]
async fn a_failure_shows_the_end_of_stderr() {
    let (status, _, reason) = sh("echo oops >&2; exit 3", LONG).await;
    assert_eq!((status.as_str(), &*reason), ("FAILED", "`sh` ended with exit status: 3: oops"));
    let (_, _, reason) = sh("yes x | head -c 1000000 >&2; echo last >&2; exit 1", LONG).await;
    assert!(reason.len() < 500 && reason.ends_with("last"), "{reason}");
}

#[tokio::test]
async fn a_program_that_a_signal_ends_fails_with_the_signal_as_its_reason() {
    for (signal, shown) in
        [("SEGV", "11 (SIGSEGV)"), ("KILL", "9 (SIGKILL)"), ("TERM", "15 (SIGTERM)")]
    {
        let (status, _, reason) = sh(&format!("kill -{signal} $$"), LONG).await;
        let expected = format!("`sh` ended with signal: {shown}: ");
        assert_eq!((status.as_str(), reason), ("FAILED", expected));
    }
}

#[tokio::test]
async fn only_what_the_operator_lists_can_be_run_and_set() {
    for command in ["cat", "/usr/bin/env", "../bin/sh", "/tmp/sh", "sh; id", ""] {
        let sh = CommandTask::new(with("sh", LONG));
        let (status, _, reason) = outcome_of(sh, &json!({ "command": command })).await;
        assert_eq!(status, "FAILED_WITH_TERMINAL_ERROR");
        assert!(reason.ends_with("is not allowed on this worker"), "{command}");
    }
    let input = json!({ "command": "/bin/sh", "env": { "LD_PRELOAD": "x" } });
    let (_, _, reason) = outcome_of(CommandTask::new(with("sh", LONG)), &input).await;
    assert_eq!(reason, "the variable `LD_PRELOAD` is not allowed on this worker");
    let mut input = script("echo $GREETING $HOME $PWD_ $CARGO");
    input["env"] = json!({ "GREETING": "hello" });
    let (_, output, _) = outcome_of(CommandTask::new(with("sh", LONG)), &input).await;
    assert_eq!(output, json!({ "stdout": "hello\n" }));
}

#[tokio::test]
async fn a_program_that_cannot_be_started_fails_by_name() {
    let (status, _, reason) =
        outcome_of(CommandTask::new(with("no-such", LONG)), &json!({ "command": "no-such" })).await;
    assert_eq!(status, "FAILED");
    assert!(reason.contains("cannot start /bin/no-such: No such file or directory"), "{reason}");
}

#[tokio::test]
async fn output_has_a_limit_to_the_byte() {
    let (_, output, _) = sh("head -c 100 /dev/zero | tr '\\0' y", LONG).await;
    assert_eq!(output, json!({ "stdout": "y".repeat(100) }));
    for text in ["head -c 101 /dev/zero | tr '\\0' y", "exec yes"] {
        let (status, output, reason) = sh(text, LONG).await;
        assert_eq!((status.as_str(), output), ("FAILED", json!({})));
        assert_eq!(reason, "`sh`: stdout is larger than 100 bytes");
    }
}

#[tokio::test]
async fn a_run_has_a_time_limit() {
    let (_, _, reason) = sh("exec sleep 600", Duration::from_millis(20)).await;
    assert_eq!(reason, "`sh` ran longer than 0.02 s");
    let (status, _, _) = sh("sleep 0.05", Duration::from_secs(30)).await;
    assert_eq!(status, "COMPLETED");
    // Streams that are closed early do not make an end.
    let (_, _, reason) = sh("exec <&- >&- 2>&-; sleep 600", SHORT).await;
    assert_eq!(reason, "`sh` ran longer than 0.3 s");
}

/// Goal: no process survives the end of its command, whichever end it is, not even one that ignores
/// SIGTERM. Method: three generations that do, and each end.
#[tokio::test]
async fn no_generation_survives_whatever_the_end_of_its_command() {
    for (last, time_max, status) in [
        ("sleep 600", Duration::from_secs(3), "FAILED"),
        ("exit 0", LONG, "COMPLETED"),
        ("exit 3", LONG, "FAILED"),
        ("kill -KILL $$", LONG, "FAILED"),
        ("while :; do echo yyyyyyyyyyyyyyyyyyyy; done", LONG, "FAILED"),
    ] {
        let notes = Notes::new();
        let (ended, _, reason) = sh(&notes.script(&format!("{STUBBORN}{last}")), time_max).await;
        assert_eq!(ended, status, "{last}: {reason}");
        notes.assert_all_ended(3);
    }
}

#[tokio::test]
async fn processes_may_clean_up_within_the_grace_period() {
    let notes = Notes::new();
    let text = "trap 'echo cleaned >$D/cleaned; exit 0' TERM; echo $$ >$D/pids; \
        while :; do sleep 600 & wait; done";
    let config = CommandConfig { grace: LONG, ..with("sh", SHORT) };
    let (_, _, reason) = outcome_of(CommandTask::new(config), &script(&notes.script(text))).await;
    assert_eq!(reason, "`sh` ran longer than 0.3 s");
    assert_eq!(std::fs::read_to_string(notes.path("cleaned")).unwrap(), "cleaned\n");
    notes.assert_all_ended(1);
}

#[tokio::test]
async fn a_stopped_process_is_ended_too() {
    let notes = Notes::new();
    let text = notes.script("echo $$ >$D/pids; kill -STOP $$; sleep 600");
    let (_, _, reason) = sh(&text, SHORT).await;
    assert_eq!(reason, "`sh` ran longer than 0.3 s");
    notes.assert_all_ended(1);
}

/// Goal: a child that keeps the output open neither hangs the task nor survives it.
#[tokio::test]
async fn a_child_that_holds_the_output_is_ended_and_the_output_kept() {
    let notes = Notes::new();
    let text = notes.script("sleep 600 & echo $! >$D/pids; echo '{\"ok\":1}'");
    let result = report_of(CommandTask::new(with("sh", LONG)), &script(&text)).await;
    assert_eq!(result.output_data.to_value(), json!({ "ok": 1 }));
    let lines: Vec<&str> = result.logs.iter().filter_map(|line| line.log.as_deref()).collect();
    assert_eq!(lines, ["the program left processes behind; they were ended"]);
    notes.assert_all_ended(1);
}

/// Goal: a descendant that has left the group, in a session of its own, does not survive either.
#[tokio::test]
async fn a_session_of_its_own_does_not_save_a_descendant() {
    for last in ["sleep 600", "while :; do echo yyyyyyyyyyyyyyyyyyyy; done"] {
        let notes = Notes::new();
        let text = "setsid sh -c 'trap \"\" TERM; echo $$ >>$D/pids; sleep 600 & \
            echo $! >>$D/pids; wait' >/dev/null 2>&1 & \
            while [ $(cat $D/pids | wc -l) -lt 2 ]; do :; done; ";
        let text = notes.script(&format!("{text}{last}"));
        let (status, _, _) = sh(&text, Duration::from_secs(2)).await;
        assert_eq!(status, "FAILED");
        notes.assert_all_ended(2);
    }
}

/// Goal: a process that has left its group and its parent, which is out of reach, does not hang the
/// task either.
#[tokio::test]
async fn a_process_that_has_left_the_group_does_not_hang_the_task() {
    let notes = Notes::new();
    let text = "setsid sh -c 'echo $$ >$D/pids; exec sleep 600' & \
        while ! [ -s $D/pids ]; do :; done; echo '{\"ok\":1}'";
    let result = report_of(CommandTask::new(with("sh", LONG)), &script(&notes.script(text))).await;
    assert_eq!(result.output_data.to_value(), json!({ "ok": 1 }));
    let last = result.logs.last().unwrap().log.clone().unwrap();
    assert!(last.starts_with("a process that has left the program's group"), "{last}");
    let escaped = notes.pids(1)[0];
    assert!(is_alive(escaped));
    let killed = Command::new("kill").args(["-KILL", &escaped.to_string()]).status().unwrap();
    assert!(killed.success());
}

#[tokio::test]
async fn a_lost_lease_ends_every_process() {
    let notes = Notes::new();
    let ready = notes.ready();
    let text = notes.script(&format!("{STUBBORN} echo >$D/ready; sleep 600"));
    let (source, mut reported) = One::new(baton_common::api::Task {
        response_timeout_seconds: 1,
        ..task(TASK_TYPE, &script(&text))
    });
    let registry = Registry::new().with(CommandTask::new(with("sh", LONG)), 1);
    let executor = Executor::new(source.clone(), registry, config()).unwrap();
    let drained = executor
        .run(async {
            ready.await.unwrap();
            source.gone.notify_one();
        })
        .await;
    assert_eq!(drained.finished, 0);
    assert!(reported.try_recv().is_err());
    notes.assert_all_ended(3);
}

#[tokio::test]
async fn a_drain_ends_every_process_before_the_task_is_handed_back() {
    let notes = Notes::new();
    let ready = notes.ready();
    let text = notes.script(&format!("{STUBBORN} echo >$D/ready; sleep 600"));
    let (source, mut reported) = One::new(task(TASK_TYPE, &script(&text)));
    let registry = Registry::new().with(CommandTask::new(with("sh", LONG)), 1);
    let executor = Executor::new(source, registry, config()).unwrap();
    let drained = executor.run(async { ready.await.unwrap() }).await;
    assert_eq!(drained, Drained { finished: 0, handed_back: 1 });
    assert!(reported.try_recv().is_err());
    notes.assert_all_ended(3);
}

/// Goal: an executor that is killed takes its commands along. Method: the guard alone, with the end
/// of its standard input as the executor's death.
#[test]
fn the_guard_ends_the_groups_of_an_executor_that_has_died() {
    let spawn =
        |text: &str| Command::new("/bin/sh").args(["-c", text]).process_group(0).spawn().unwrap();
    let stubborn = "trap '' TERM; while :; do sleep 600; done";
    let (mut guarded, mut forgotten) = (spawn(stubborn), spawn("exec sleep 600"));
    let mut guard = Command::new(HELPER)
        .args(["guard", "50"])
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut stdin = guard.stdin.take().unwrap();
    let (first, second) = (guarded.id(), forgotten.id());
    writeln!(stdin, "+{first}\n+{second}\n-{second}").unwrap();
    drop(stdin);
    assert!(guard.wait().unwrap().success());
    assert!(!guarded.wait().unwrap().success());
    assert!(is_alive(i32::try_from(second).unwrap()));
    forgotten.kill().unwrap();
    forgotten.wait().unwrap();
}

#[tokio::test]
async fn limits_are_in_force_from_the_first_instruction() {
    let limits = ProcessLimits {
        cpu_seconds: Some(7),
        memory_bytes: Some(512 << 20),
        open_files: Some(33),
        processes: Some(1_000_000),
        file_bytes: Some(1 << 20),
    };
    let text = "ulimit -t; ulimit -v; ulimit -n; ulimit -f; ulimit -c";
    let (_, output, _) = limited(text, limits).await;
    // The shell counts kibibytes, and blocks of 512 bytes.
    assert_eq!(output, json!({ "stdout": "7\n524288\n33\n2048\n0\n" }));
}

#[tokio::test]
async fn a_limit_that_ends_a_program_is_named() {
    let limits = ProcessLimits { cpu_seconds: Some(1), ..ProcessLimits::NONE };
    let (_, _, reason) = limited("while :; do :; done", limits).await;
    assert_eq!(
        reason,
        "`sh` ended with signal: 24 (SIGXCPU), more than 1 s of CPU time (command-cpu-seconds): "
    );
    let notes = Notes::new();
    let limits = ProcessLimits { file_bytes: Some(1000), ..ProcessLimits::NONE };
    let (_, _, reason) =
        limited(&notes.script("exec head -c 1001 /dev/zero >$D/file"), limits).await;
    let expected = "signal: 25 (SIGXFSZ), a file of more than 1000 bytes (command-file-bytes-max)";
    assert!(reason.contains(expected), "{reason}");
    let (status, _, _) =
        limited(&notes.script("exec head -c 1000 /dev/zero >$D/file"), limits).await;
    assert_eq!(status, "COMPLETED");
}

#[tokio::test]
async fn memory_beyond_its_limit_is_refused_to_the_program() {
    let limits = ProcessLimits { memory_bytes: Some(64 << 20), ..ProcessLimits::NONE };
    let text = "x=$(head -c 100000000 /dev/zero | tr '\\0' y); echo ${#x}";
    let (status, _, reason) = limited(text, limits).await;
    assert_eq!(status, "FAILED", "{reason}");
}

/// Goal: a command that has ended keeps nobody waiting. Method: a grace period far beyond the test.
#[tokio::test]
async fn a_command_that_leaves_nothing_behind_is_not_waited_for() {
    let began = Instant::now();
    let config = CommandConfig { grace: LONG, ..with("sh", LONG) };
    let (status, _, _) = outcome_of(CommandTask::new(config), &script("echo hi")).await;
    assert_eq!(status, "COMPLETED");
    assert!(began.elapsed() < LONG / 4);
}
