//! The report as a table for people: a row for each figure that there is.
use crate::parts::{AttackEnds, Hostile, Overload, Part, Parts};
use crate::report::Report;
use crate::times::Spread;
use crate::watch::{CpuPerThousand, DatabasePerTask, EnginePerTask};
use std::fmt;

/// Rows of two columns, added where there is something to say.
#[derive(Default)]
struct Rows(Vec<[String; 2]>);

impl Rows {
    fn add(&mut self, name: &str, value: impl Into<Option<String>>) {
        self.0.extend(value.into().map(|value| [name.to_owned(), value]));
    }
}

impl Report {
    /// The report as rows of two columns.
    pub fn rows(&self) -> Vec<[String; 2]> {
        let mut rows = Rows::default();
        rows.add("scenario", self.scenario.to_owned());
        if self.workflows > 0 {
            rows.add("executions started", format!("{} of {}", self.started, self.workflows));
            rows.add("executions read back", self.ends());
        }
        rows.add("tasks", format!("{} in {:.3} s", self.tasks, self.seconds));
        rows.add("tasks/s", format!("{:.1}", self.tasks_per_s));
        if self.workflows > 0 {
            rows.add("executions/s", format!("{:.1}", self.workflows_per_s));
        }
        rows.add("throughput lost", self.loss_percent.map(|loss| format!("{loss:.1} %")));
        self.add_times(&mut rows);
        self.add_cost(&mut rows);
        self.add_faults(&mut rows);
        rows.0
    }

    fn ends(&self) -> String {
        let some = match self.worked {
            worked if worked > self.verified => format!(" of {worked}, evenly chosen"),
            _ => String::new(),
        };
        let late = if self.timed_out { "; time limit reached" } else { "" };
        match (self.not_completed, self.wrong_output) {
            (0, 0) => format!("{}{some}, all right{late}", self.verified),
            (open, wrong) => format!(
                "{}{some}: {open} in a wrong status, {wrong} with a wrong output{late}",
                self.verified
            ),
        }
    }

    fn add_times(&self, rows: &mut Rows) {
        rows.add("step latency", shown(self.step_ms));
        rows.add("start to first task", shown(self.first_task_ms));
        rows.add("whole execution", shown(self.whole_ms));
        rows.add("timers late by", shown(self.late_ms));
        rows.add("timers early", self.late_ms.map(|_| self.early.to_string()));
        rows.add("timers due within", self.due_within_s.map(|seconds| format!("{seconds:.1} s")));
        rows.add("starts sent late by", shown(self.start_late_ms));
        rows.add("start call", shown(self.start_call_ms));
        rows.add("report call", shown(self.report_call_ms));
        rows.add("commit", shown(self.commit_ms));
        for (name, part) in
            ["first quarter", "last quarter"].into_iter().zip(self.quarters.iter().flatten())
        {
            rows.add(name, part_of_run(part));
        }
        if let Some(overload) = &self.overload {
            add_overload(rows, overload);
        }
        if let Some(hostile) = &self.hostile {
            add_hostile(rows, hostile);
        }
    }

    fn add_cost(&self, rows: &mut Rows) {
        let cost = &self.cost;
        let CpuPerThousand { client, server, postgres } = cost.cpu_seconds_per_1000_tasks;
        let seconds = |cpu: Option<f64>| cpu.map(|cpu| format!("{cpu:.3} s"));
        rows.add("CPU/1,000 tasks: client", seconds(client));
        rows.add("CPU/1,000 tasks: server", seconds(server));
        rows.add("CPU/1,000 tasks: PostgreSQL", seconds(postgres));
        rows.add("server's peak memory", cost.server_peak_mib.map(|mib| format!("{mib:.0} MiB")));
        if let Some(DatabasePerTask { transactions, statements, rows: written, wal_bytes }) =
            cost.database_per_task
        {
            let figure = |value: f64| format!("{value:.2}");
            rows.add("database: transactions/task", figure(transactions));
            rows.add("database: statements/task", statements.map(figure));
            rows.add("database: rows/task", figure(written));
            rows.add("database: WAL/task", format!("{wal_bytes:.0} bytes"));
        }
        rows.add(
            "database: HOT updates",
            cost.hot_updates_percent.map(|hot| format!("{hot:.1} %")),
        );
        rows.add("database: dead tuples", cost.dead_tuples.map(|dead| dead.to_string()));
        if let Some(EnginePerTask { commits, round_trips, rows: written, wal_bytes }) =
            cost.engine_per_task
        {
            let figure = |value: Option<f64>| value.map(|value| format!("{value:.2}"));
            rows.add("server: commits/task", figure(commits));
            rows.add("server: round trips/task", figure(round_trips));
            rows.add("server: rows/task", figure(written));
            rows.add("server: WAL/task", wal_bytes.map(|bytes| format!("{bytes:.0} bytes")));
        }
        let handed_over = cost.handed_over_percent;
        rows.add("server: tasks handed over", handed_over.map(|share| format!("{share:.1} %")));
    }

    fn add_faults(&self, rows: &mut Rows) {
        if self.refused_starts > 0 {
            rows.add("starts refused, sent again", self.refused_starts.to_string());
        }
        if self.workflows > 0 {
            rows.add("tasks handed out twice", self.polled_twice.to_string());
            rows.add("failed calls", self.errors.to_string());
        }
        rows.add("first failed call", self.first_error.clone());
        rows.add("first wrong end", self.first_wrong.clone());
    }
}

fn add_parts(rows: &mut Rows, what: &str, parts: &Parts) {
    rows.add(&format!("before {what}"), part_of_run(&parts.before));
    rows.add(&format!("beside {what}"), part_of_run(&parts.beside));
    rows.add(&format!("after {what}"), part_of_run(&parts.after));
    rows.add(&format!("throughput kept beside {what}"), format!("{:.1} %", parts.kept_percent));
}

fn add_overload(rows: &mut Rows, overload: &Overload) {
    add_parts(rows, "the overload", &overload.parts);
    let Overload { parts, asked_per_s, taken, refused, failed } = overload;
    rows.add("overload: starts asked for", format!("{asked_per_s:.0} a second"));
    rows.add(
        "overload: starts",
        format!("{taken} taken, {refused} refused with Retry-After, {failed} failed"),
    );
    let back = parts.back_after_s.map(|seconds| format!("{seconds:.1} s after its end"));
    rows.add("back at nine tenths", back.unwrap_or_else(|| "not within the run".to_owned()));
}

fn add_hostile(rows: &mut Rows, hostile: &Hostile) {
    add_parts(rows, "the attacks", &hostile.parts);
    let first_task = &hostile.first_task;
    rows.add("first tasks before the attacks", part_of_run(&first_task.before));
    rows.add("first tasks beside the attacks", part_of_run(&first_task.beside));
    let times = |times: Option<f64>| {
        times.map_or_else(|| "not known".to_owned(), |times| format!("{times:.1} times"))
    };
    let verdict = if hostile.keeps_time { "below" } else { "not below" };
    rows.add(
        "p99 beside the attacks",
        format!(
            "{} its calm value, {verdict} ten; of first tasks {}",
            times(hostile.step_p99_times),
            times(hostile.first_task_p99_times)
        ),
    );
    for attack in &hostile.attacks {
        rows.add(&format!("attack {}", attack.name), ends_of(attack));
    }
    let ended =
        if hostile.has_all_ended() { "all, each with a reason, or refused" } else { "not all" };
    rows.add("attacks ended", ended.to_owned());
}

fn ends_of(attack: &AttackEnds) -> String {
    let AttackEnds { started, refused, failed, ends, without_reason, reasons, .. } = attack;
    let starts = [(started, "started"), (refused, "refused"), (failed, "starts failed")];
    let silent = [(without_reason, "without a reason")];
    let ends = ends.iter().map(|(status, count)| (count, status.as_str()));
    let counts = starts.into_iter().chain(ends).chain(silent).filter(|(count, _)| **count > 0);
    let counts: Vec<String> = counts.map(|(count, what)| format!("{count} {what}")).collect();
    let reason = reasons.first().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{}{reason}", counts.join(", "))
}

fn part_of_run(part: &Part) -> String {
    let Part { tasks_per_s, p50, p99, max, server_mib } = *part;
    let [p50, p99, max] = [p50, p99, max].map(Option::unwrap_or_default);
    let memory = server_mib.map(|mib| format!(", {mib:.0} MiB")).unwrap_or_default();
    format!("{tasks_per_s:.1} tasks/s, p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.2} ms{memory}")
}

fn shown(spread: Option<Spread>) -> Option<String> {
    let Spread { p50, p99, max, .. } = spread?;
    Some(format!("p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.2} ms"))
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
    use crate::watch::Cost;
    use std::collections::BTreeMap;

    fn spread(count: u64, [mean, p50, p99, max]: [f64; 4]) -> Spread {
        Spread { count, mean, p50, p99, max }
    }

    fn report() -> Report {
        let cpu_seconds_per_1000_tasks =
            CpuPerThousand { client: Some(0.02), server: Some(0.015), postgres: None };
        let cost =
            Cost { cpu_seconds_per_1000_tasks, server_peak_mib: Some(31.0), ..Cost::default() };
        let [workflows, started, worked, verified, completed] = [10; 5];
        Report {
            scenario: "steps",
            workflows,
            started,
            worked,
            verified,
            completed,
            tasks: 30,
            seconds: 1.5,
            workflows_per_s: 6.667,
            tasks_per_s: 20.0,
            step_ms: Some(spread(20, [1.0, 0.9, 2.25, 3.0])),
            whole_ms: Some(spread(10, [5.0, 5.0, 6.0, 6.0])),
            cost,
            ..Report::default()
        }
    }

    #[test]
    fn the_table_shows_what_was_measured_and_nothing_else() {
        insta::assert_snapshot!(report(), @"
        scenario                 steps
        executions started       10 of 10
        executions read back     10, all right
        tasks                    30 in 1.500 s
        tasks/s                  20.0
        executions/s             6.7
        step latency             p50 0.90 ms, p99 2.25 ms, max 3.00 ms
        whole execution          p50 5.00 ms, p99 6.00 ms, max 6.00 ms
        CPU/1,000 tasks: client  0.020 s
        CPU/1,000 tasks: server  0.015 s
        server's peak memory     31 MiB
        tasks handed out twice   0
        failed calls             0
        ");
    }

    #[test]
    fn the_table_shows_what_was_watched() {
        let database_per_task = Some(DatabasePerTask {
            transactions: 0.21,
            statements: Some(0.3),
            rows: 2.67,
            wal_bytes: 1134.0,
        });
        let engine_per_task = Some(EnginePerTask {
            commits: Some(0.2),
            round_trips: Some(0.25),
            rows: Some(2.67),
            wal_bytes: None,
        });
        let cost = Cost {
            database_per_task,
            engine_per_task,
            dead_tuples: Some(77),
            hot_updates_percent: Some(99.5),
            handed_over_percent: Some(98.0),
            ..Cost::default()
        };
        let part = Part {
            tasks_per_s: 20.0,
            p50: Some(1.0),
            p99: Some(2.0),
            max: Some(2.5),
            server_mib: None,
        };
        let report = Report {
            cost,
            quarters: Some([part; 2]),
            late_ms: Some(spread(10, [1.0; 4])),
            due_within_s: Some(59.8),
            loss_percent: Some(1.25),
            refused_starts: 4,
            ..report()
        };
        insta::assert_snapshot!(report, @"
        scenario                     steps
        executions started           10 of 10
        executions read back         10, all right
        tasks                        30 in 1.500 s
        tasks/s                      20.0
        executions/s                 6.7
        throughput lost              1.2 %
        step latency                 p50 0.90 ms, p99 2.25 ms, max 3.00 ms
        whole execution              p50 5.00 ms, p99 6.00 ms, max 6.00 ms
        timers late by               p50 1.00 ms, p99 1.00 ms, max 1.00 ms
        timers early                 0
        timers due within            59.8 s
        first quarter                20.0 tasks/s, p50 1.00 ms, p99 2.00 ms, max 2.50 ms
        last quarter                 20.0 tasks/s, p50 1.00 ms, p99 2.00 ms, max 2.50 ms
        database: transactions/task  0.21
        database: statements/task    0.30
        database: rows/task          2.67
        database: WAL/task           1134 bytes
        database: HOT updates        99.5 %
        database: dead tuples        77
        server: commits/task         0.20
        server: round trips/task     0.25
        server: rows/task            2.67
        server: tasks handed over    98.0 %
        starts refused, sent again   4
        tasks handed out twice       0
        failed calls                 0
        ");
    }

    fn parts() -> Parts {
        let part = |tasks_per_s| Part {
            tasks_per_s,
            p50: Some(1.0),
            p99: Some(2.0),
            max: None,
            server_mib: None,
        };
        let [before, beside, after] = [100.0, 85.0, 99.0].map(part);
        Parts { before, beside, after, kept_percent: 85.0, back_after_s: None }
    }

    #[test]
    fn the_table_shows_how_attacks_ended() {
        let ends = BTreeMap::from([("COMPLETED".into(), 64), ("FAILED".into(), 1)]);
        let attacks = vec![
            AttackEnds {
                name: "starts-itself".into(),
                started: 1,
                ends,
                reasons: vec!["64 generations".into()],
                ..AttackEnds::default()
            },
            AttackEnds {
                name: "long-loop".into(),
                refused: 2,
                failed: 1,
                without_reason: 3,
                ..AttackEnds::default()
            },
        ];
        let mut parts = parts();
        parts.beside.server_mib = Some(91.7);
        let hostile = Hostile {
            parts,
            first_task: parts,
            step_p99_times: Some(1.25),
            first_task_p99_times: None,
            keeps_time: true,
            attacks,
        };
        let report = Report { hostile: Some(hostile), ..report() };
        let rows: Vec<_> = report.rows().into_iter().map(|row| row.join(": ")).collect();
        insta::assert_snapshot!(rows[8..18].join("\n"), @"
        before the attacks: 100.0 tasks/s, p50 1.00 ms, p99 2.00 ms, max 0.00 ms
        beside the attacks: 85.0 tasks/s, p50 1.00 ms, p99 2.00 ms, max 0.00 ms, 92 MiB
        after the attacks: 99.0 tasks/s, p50 1.00 ms, p99 2.00 ms, max 0.00 ms
        throughput kept beside the attacks: 85.0 %
        first tasks before the attacks: 100.0 tasks/s, p50 1.00 ms, p99 2.00 ms, max 0.00 ms
        first tasks beside the attacks: 85.0 tasks/s, p50 1.00 ms, p99 2.00 ms, max 0.00 ms, 92 MiB
        p99 beside the attacks: 1.2 times its calm value, below ten; of first tasks not known
        attack starts-itself: 1 started, 64 COMPLETED, 1 FAILED: 64 generations
        attack long-loop: 2 refused, 1 starts failed, 3 without a reason
        attacks ended: not all
        ");
    }

    #[test]
    fn the_table_shows_what_an_overload_did() {
        let overload =
            Overload { parts: parts(), asked_per_s: 5000.0, taken: 700, refused: 9300, failed: 0 };
        let report = Report { overload: Some(overload), ..report() };
        let rows: Vec<_> = report.rows().into_iter().map(|row| row.join(": ")).collect();
        insta::assert_snapshot!(rows[8..15].join("\n"), @"
        before the overload: 100.0 tasks/s, p50 1.00 ms, p99 2.00 ms, max 0.00 ms
        beside the overload: 85.0 tasks/s, p50 1.00 ms, p99 2.00 ms, max 0.00 ms
        after the overload: 99.0 tasks/s, p50 1.00 ms, p99 2.00 ms, max 0.00 ms
        throughput kept beside the overload: 85.0 %
        overload: starts asked for: 5000 a second
        overload: starts: 700 taken, 9300 refused with Retry-After, 0 failed
        back at nine tenths: not within the run
        ");
    }

    #[test]
    fn faults_are_named_in_the_table() {
        let report = Report {
            verified: 8,
            completed: 6,
            not_completed: 2,
            wrong_output: 1,
            timed_out: true,
            first_error: Some("POST /tasks: 500".into()),
            first_wrong: Some("e is RUNNING with {}".into()),
            ..report()
        };
        let rows = report.rows();
        let expected = "8 of 10, evenly chosen: 2 in a wrong status, 1 with a wrong output; \
            time limit reached";
        assert_eq!(rows[2][1], expected);
        assert_eq!(rows[rows.len() - 2][1], "POST /tasks: 500");
        assert_eq!(rows[rows.len() - 1][1], "e is RUNNING with {}");
    }
}
