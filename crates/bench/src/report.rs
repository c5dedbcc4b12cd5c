//! What a run found: a table for people, JSON for programs.
use crate::cpu::Sample;
use crate::tracker::Measured;
use crate::verify::Ends;
use crate::work::Run;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// What a run found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The scenario's name.
    pub scenario: &'static str,
    /// Executions asked for.
    pub workflows: u32,
    /// Executions whose start was answered.
    pub started: u32,
    /// Executions that ended as COMPLETED.
    pub completed: u32,
    /// Executions that ended otherwise, or not at all.
    pub not_completed: u32,
    /// Executions that completed with another output than they must have.
    pub wrong_output: u32,
    /// Whether the time limit ended the run.
    pub timed_out: bool,
    /// Results that the server took.
    pub tasks: u64,
    /// From the first start to the last result, seconds.
    pub seconds: f64,
    /// Executions per second.
    pub workflows_per_s: f64,
    /// Results per second.
    pub tasks_per_s: f64,
    /// Result sent → next step in the worker's hands; absent where no step follows another.
    pub step_ms: Option<Spread>,
    /// Start sent → first task in the worker's hands.
    pub first_task_ms: Option<Spread>,
    /// Start sent → last result answered.
    pub whole_ms: Option<Spread>,
    /// The calls that start.
    pub start_call_ms: Option<Spread>,
    /// The calls that report.
    pub report_call_ms: Option<Spread>,
    /// CPU seconds for 1,000 tasks.
    pub cpu_seconds_per_1000_tasks: CpuPerThousand,
    /// Largest memory of the server so far, MiB; absent without its process.
    pub server_peak_mib: Option<f64>,
    /// Tasks that were handed out more than once.
    pub polled_twice: u64,
    /// Calls that failed, those that succeeded when repeated included.
    pub errors: u64,
    /// The first of them.
    pub first_error: Option<String>,
    /// The first execution that did not end as it must.
    pub first_wrong: Option<String>,
}

/// CPU seconds for 1,000 tasks; absent where no process was named.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CpuPerThousand {
    /// The benchmark itself.
    pub client: Option<f64>,
    /// The server and its children.
    pub server: Option<f64>,
    /// PostgreSQL's processes.
    pub postgres: Option<f64>,
}

/// How times spread, ms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Half of them are at most this.
    pub p50: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Spread {
    /// The spread of `times`; `None` of none.
    pub fn of(mut times: Vec<Duration>) -> Option<Self> {
        let longest = *times.iter().max()?;
        times.sort_unstable();
        let sum: Duration = times.iter().sum();
        #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 tasks")]
        let mean = sum.as_secs_f64() * 1000.0 / times.len() as f64;
        Some(Self {
            count: times.len(),
            mean: rounded(mean),
            p50: ms(percentile(&times, 50)),
            p99: ms(percentile(&times, 99)),
            max: ms(longest),
        })
    }
}

/// The smallest time that at least `percent` of 100 do not exceed (nearest rank); zero of none.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

fn ms(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1000.0)
}

/// To three places: more is noise.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// The time that was measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) seconds: f64,
    pub(crate) before: Sample,
    pub(crate) after: Sample,
    pub(crate) server_peak_mib: Option<f64>,
    pub(crate) timed_out: bool,
}

impl Report {
    pub(crate) fn new(run: &Run, window: &Window, measured: Measured, ends: Ends) -> Self {
        let load = &run.load;
        #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 tasks")]
        let tasks = measured.tasks as f64;
        let Window { before, after, seconds, .. } = *window;
        let cpu = |is_known: bool, used: f64| {
            (is_known && tasks > 0.0).then(|| rounded(used / tasks * 1000.0))
        };
        Self {
            scenario: run.plan.name,
            workflows: run.plan.workflows,
            started: measured.started,
            completed: ends.completed,
            not_completed: ends.not_completed,
            wrong_output: ends.wrong,
            timed_out: window.timed_out,
            tasks: measured.tasks,
            seconds: rounded(seconds),
            workflows_per_s: rounded(f64::from(ends.completed) / seconds),
            tasks_per_s: rounded(tasks / seconds),
            step_ms: Spread::of(measured.step),
            first_task_ms: Spread::of(measured.first_task),
            whole_ms: Spread::of(measured.whole),
            start_call_ms: Spread::of(measured.start_call),
            report_call_ms: Spread::of(measured.report_call),
            cpu_seconds_per_1000_tasks: CpuPerThousand {
                client: cpu(cfg!(target_os = "linux"), after.client - before.client),
                server: cpu(!load.server_pid.is_empty(), after.server - before.server),
                postgres: cpu(!load.postgres_pid.is_empty(), after.postgres - before.postgres),
            },
            server_peak_mib: window.server_peak_mib.map(f64::round),
            polled_twice: measured.polled_twice,
            errors: measured.errors,
            first_error: measured.first_error,
            first_wrong: ends.first_wrong,
        }
    }

    /// Whether every execution asked for completed with the right output, and no task came twice.
    pub fn is_sound(&self) -> bool {
        self.completed == self.workflows
            && self.wrong_output == 0
            && self.polled_twice == 0
            && !self.timed_out
    }

    /// The report as rows of two columns.
    pub fn rows(&self) -> Vec<[String; 2]> {
        let row = |name: &str, value: String| [name.to_owned(), value];
        let seconds = |cpu: Option<f64>| cpu.map_or("–".to_owned(), |cpu| format!("{cpu:.3} s"));
        let CpuPerThousand { client, server, postgres } = self.cpu_seconds_per_1000_tasks;
        let mut rows = vec![
            row("scenario", self.scenario.to_owned()),
            row("executions started", format!("{} of {}", self.started, self.workflows)),
            row("executions completed", self.ends()),
            row("tasks", format!("{} in {:.3} s", self.tasks, self.seconds)),
            row("tasks/s", format!("{:.1}", self.tasks_per_s)),
            row("executions/s", format!("{:.1}", self.workflows_per_s)),
            row("step latency", shown(self.step_ms)),
            row("start to first task", shown(self.first_task_ms)),
            row("whole execution", shown(self.whole_ms)),
            row("start call", shown(self.start_call_ms)),
            row("report call", shown(self.report_call_ms)),
            row("CPU/1,000 tasks: client", seconds(client)),
            row("CPU/1,000 tasks: server", seconds(server)),
            row("CPU/1,000 tasks: PostgreSQL", seconds(postgres)),
            row(
                "server's peak memory",
                self.server_peak_mib.map_or("–".to_owned(), |mib| format!("{mib:.0} MiB")),
            ),
            row("tasks handed out twice", self.polled_twice.to_string()),
            row("failed calls", self.errors.to_string()),
        ];
        rows.extend(self.first_error.as_ref().map(|error| row("first failed call", error.clone())));
        rows.extend(self.first_wrong.as_ref().map(|wrong| row("first wrong end", wrong.clone())));
        rows
    }

    fn ends(&self) -> String {
        let late = if self.timed_out { ", time limit reached" } else { "" };
        match (self.not_completed, self.wrong_output) {
            (0, 0) => format!("{}, all with the right output{late}", self.completed),
            (open, wrong) => format!(
                "{}, {open} not completed, {wrong} with a wrong output{late}",
                self.completed
            ),
        }
    }
}

fn shown(spread: Option<Spread>) -> String {
    let Some(Spread { p50, p99, max, .. }) = spread else { return "–".to_owned() };
    format!("p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.2} ms")
}

/// The table, one row a line.
impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows();
        let width = rows.iter().map(|[name, _]| name.chars().count()).max().unwrap_or(0);
        for (index, [name, value]) in rows.iter().enumerate() {
            let end = if index + 1 == rows.len() { "" } else { "\n" };
            write!(formatter, "{name:width$}  {value}{end}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(ms: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        ms.into_iter().map(Duration::from_millis).collect()
    }

    fn spread(count: usize, [mean, p50, p99, max]: [f64; 4]) -> Spread {
        Spread { count, mean, p50, p99, max }
    }

    #[test]
    fn percentiles_are_times_that_occurred() {
        assert_eq!(Spread::of(Vec::new()), None);
        assert_eq!(Spread::of(times([7])), Some(spread(1, [7.0, 7.0, 7.0, 7.0])));
        assert_eq!(Spread::of(times([3, 1])), Some(spread(2, [2.0, 1.0, 3.0, 3.0])));
        assert_eq!(Spread::of(times([9, 1, 2])), Some(spread(3, [4.0, 2.0, 9.0, 9.0])));
        let hundred = Spread::of(times((1..=100).rev()));
        assert_eq!(hundred, Some(spread(100, [50.5, 50.0, 99.0, 100.0])));
        let thousand = Spread::of(times(1..=1000));
        assert_eq!(thousand, Some(spread(1000, [500.5, 500.0, 990.0, 1000.0])));
    }

    #[test]
    fn times_are_rounded_to_microseconds() {
        let times = vec![Duration::from_nanos(1_234_567)];
        assert_eq!(Spread::of(times), Some(spread(1, [1.235, 1.235, 1.235, 1.235])));
    }

    fn report() -> Report {
        Report {
            scenario: "steps",
            workflows: 10,
            started: 10,
            completed: 10,
            not_completed: 0,
            wrong_output: 0,
            timed_out: false,
            tasks: 30,
            seconds: 1.5,
            workflows_per_s: 6.667,
            tasks_per_s: 20.0,
            step_ms: Some(spread(20, [1.0, 0.9, 2.25, 3.0])),
            first_task_ms: None,
            whole_ms: Some(spread(10, [5.0, 5.0, 6.0, 6.0])),
            start_call_ms: None,
            report_call_ms: None,
            cpu_seconds_per_1000_tasks: CpuPerThousand {
                client: Some(0.02),
                server: Some(0.015),
                postgres: None,
            },
            server_peak_mib: Some(31.0),
            polled_twice: 0,
            errors: 0,
            first_error: None,
            first_wrong: None,
        }
    }

    #[test]
    fn the_table_shows_what_was_measured() {
        insta::assert_snapshot!(report(), @"
        scenario                     steps
        executions started           10 of 10
        executions completed         10, all with the right output
        tasks                        30 in 1.500 s
        tasks/s                      20.0
        executions/s                 6.7
        step latency                 p50 0.90 ms, p99 2.25 ms, max 3.00 ms
        start to first task          –
        whole execution              p50 5.00 ms, p99 6.00 ms, max 6.00 ms
        start call                   –
        report call                  –
        CPU/1,000 tasks: client      0.020 s
        CPU/1,000 tasks: server      0.015 s
        CPU/1,000 tasks: PostgreSQL  –
        server's peak memory         31 MiB
        tasks handed out twice       0
        failed calls                 0
        ");
    }

    #[test]
    fn a_run_is_sound_when_everything_ended_as_it_must() {
        assert!(report().is_sound());
        let failed = Report { errors: 3, ..report() };
        assert!(failed.is_sound(), "calls that were repeated do no harm");
        for unsound in [
            Report { completed: 9, not_completed: 1, ..report() },
            Report { wrong_output: 1, ..report() },
            Report { polled_twice: 1, ..report() },
            Report { timed_out: true, ..report() },
        ] {
            assert!(!unsound.is_sound(), "{unsound:?}");
        }
    }

    #[test]
    fn faults_are_named_in_the_table() {
        let report = Report {
            completed: 8,
            not_completed: 2,
            wrong_output: 1,
            timed_out: true,
            first_error: Some("POST /tasks: 500".into()),
            first_wrong: Some("e is RUNNING with {}".into()),
            ..report()
        };
        let rows = report.rows();
        let expected = "8, 2 not completed, 1 with a wrong output, time limit reached";
        assert_eq!(rows[2][1], expected);
        assert_eq!(rows[rows.len() - 2][1], "POST /tasks: 500");
        assert_eq!(rows[rows.len() - 1][1], "e is RUNNING with {}");
    }

    #[test]
    fn json_has_every_figure_under_its_name() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["tasksPerS"], 20.0);
        assert_eq!(json["stepMs"]["p99"], 2.25);
        assert_eq!(json["cpuSecondsPer1000Tasks"]["postgres"], serde_json::Value::Null);
        assert_eq!(json["serverPeakMib"], 31.0);
    }
}
