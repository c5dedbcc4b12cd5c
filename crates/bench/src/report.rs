//! What a run found.
use crate::flood::Flooded;
use crate::hostile::Attacked;
use crate::parts::{Hostile, Overload, Part};
use crate::plan::Plan;
use crate::timeline::{Point, Timeline};
use crate::times::{Spread, rounded};
use crate::tracker::Measured;
use crate::verify::Ends;
use crate::watch::{Cost, Seen};
use serde::Serialize;
use std::time::Duration;

/// What a run found; figures are absent where the scenario has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The scenario's name.
    pub scenario: &'static str,
    /// Executions asked for.
    pub workflows: u32,
    /// Executions whose start was answered.
    pub started: u32,
    /// Executions all of whose tasks' results were taken.
    pub worked: u32,
    /// Executions that were read back: all, or every second, fourth, … of very many.
    pub verified: u32,
    /// Those of them that stand as they must: COMPLETED, or open where they are to wait.
    pub completed: u32,
    /// Those that stand otherwise.
    pub not_completed: u32,
    /// Those that completed with another output than they must have.
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
    /// Start intended → first task in the worker's hands.
    pub first_task_ms: Option<Spread>,
    /// Start intended → last result answered.
    pub whole_ms: Option<Spread>,
    /// Timer due → its task in the worker's hands.
    pub late_ms: Option<Spread>,
    /// Timers whose task came before they were due.
    pub early: u64,
    /// From the first due timer to the last, seconds.
    pub due_within_s: Option<f64>,
    /// Start intended → start sent: how far the benchmark itself was behind its rate.
    pub start_late_ms: Option<Spread>,
    /// The calls that start.
    pub start_call_ms: Option<Spread>,
    /// The calls that report.
    pub report_call_ms: Option<Spread>,
    /// One commit of the yardstick.
    pub commit_ms: Option<Spread>,
    /// What it cost.
    #[serde(flatten)]
    pub cost: Cost,
    /// How much lower the throughput is than without executions that wait, of 100.
    pub loss_percent: Option<f64>,
    /// The first and the last quarter of a long run.
    pub quarters: Option<[Part; 2]>,
    /// What became of the work under way while too much was started.
    pub overload: Option<Overload>,
    /// What became of the work under way beside hostile definitions, and of these.
    pub hostile: Option<Hostile>,
    /// Starts that an overloaded server refused, and that were sent again.
    pub refused_starts: u64,
    /// Tasks that were handed out more than once.
    pub polled_twice: u64,
    /// Calls that failed, those that succeeded when repeated included.
    pub errors: u64,
    /// The first of them.
    pub first_error: Option<String>,
    /// The first execution that did not end as it must.
    pub first_wrong: Option<String>,
    /// What `timeline` shows the latency of.
    pub latency_of: &'static str,
    /// The run over time.
    pub timeline: Vec<Point>,
}

/// The time that was measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Executions that were to be started.
    pub(crate) asked: u32,
    pub(crate) took: Duration,
    pub(crate) before: Seen,
    pub(crate) after: Seen,
    pub(crate) timed_out: bool,
}

impl Report {
    pub(crate) fn new(plan: &Plan, window: &Window, measured: &Measured) -> Self {
        let seconds = window.took.as_secs_f64();
        let is_paced = plan.pace.per_second.is_some();
        let quarters = measured.timeline.first_and_last_quarter();
        let is_long = plan.pace.stop_after.is_some();
        Self {
            scenario: plan.name,
            workflows: window.asked,
            started: measured.started,
            worked: measured.worked,
            timed_out: window.timed_out,
            workflows_per_s: rounded(f64::from(measured.worked) / seconds),
            step_ms: measured.step.spread(),
            first_task_ms: measured.first_task.spread(),
            whole_ms: measured.whole.spread(),
            late_ms: measured.late.spread(),
            early: measured.early,
            due_within_s: measured
                .due
                .filter(|_| measured.tasks > 0)
                .map(|(first, last)| rounded(last.saturating_sub(first).as_secs_f64())),
            start_late_ms: measured.start_late.spread().filter(|_| is_paced),
            start_call_ms: measured.start_call.spread(),
            report_call_ms: measured.report_call.spread(),
            quarters: quarters.filter(|_| is_long).map(|parts| parts.map(Part::from)),
            refused_starts: measured.refused,
            polled_twice: measured.polled_twice,
            errors: measured.errors,
            first_error: measured.first_error.clone(),
            latency_of: match (measured.step.spread(), measured.late.spread()) {
                (Some(_), _) => "step latency",
                (None, Some(_)) => "lateness",
                (None, None) => "whole execution",
            },
            timeline: measured.timeline.points(),
            ..Self::default()
        }
        .with_tasks(measured.tasks, window.took)
    }

    /// Adds how many tasks were done, and how fast.
    pub(crate) fn with_tasks(self, tasks: u64, took: Duration) -> Self {
        let seconds = took.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 tasks")]
        let tasks_per_s = rounded(tasks as f64 / seconds);
        Self { tasks, seconds: rounded(seconds), tasks_per_s, ..self }
    }

    /// Adds what it cost.
    pub(crate) fn with(self, cost: Cost) -> Self {
        Self { cost, ..self }
    }

    /// The run of middle throughput, or one that did not go right; `None` of none.
    pub(crate) fn middle_of(mut runs: Vec<Self>) -> Option<Self> {
        if let Some(wrong) = runs.iter().position(|run| !run.is_sound()) {
            return Some(runs.swap_remove(wrong));
        }
        runs.sort_by(|a, b| a.tasks_per_s.total_cmp(&b.tasks_per_s));
        let middle = runs.len() / 2;
        (!runs.is_empty()).then(|| runs.swap_remove(middle))
    }

    /// Adds how much slower this run was than `before`.
    pub(crate) fn compared_with(self, before: &Self) -> Self {
        let loss = 100.0 * (1.0 - self.tasks_per_s / before.tasks_per_s);
        Self { loss_percent: loss.is_finite().then(|| rounded(loss)), ..self }
    }

    /// Adds what a flood did.
    pub(crate) fn flooded(self, timeline: &Timeline, flooded: &Flooded) -> Self {
        Self { overload: Overload::new(timeline, flooded), quarters: None, ..self }
    }

    /// Adds what hostile definitions did.
    pub(crate) fn attacked(self, measured: &Measured, attacked: Attacked) -> Self {
        let Attacked { began, ended, attacks, .. } = attacked;
        Self { hostile: Hostile::new(measured, (began, ended), attacks), ..self }
    }

    /// Adds how the executions stand.
    pub(crate) fn verified(&mut self, ends: Ends) {
        self.verified = ends.verified;
        self.completed = ends.completed;
        self.not_completed = ends.not_completed;
        self.wrong_output = ends.wrong;
        self.first_wrong = ends.first_wrong;
    }

    /// Whether every execution asked for was worked, all that were read back completed with the right
    /// output, no task came twice, and no timer early;
    /// and every hostile execution was refused, or ended and says why.
    pub fn is_sound(&self) -> bool {
        self.started == self.workflows
            && self.worked == self.workflows
            && self.completed == self.verified
            && (self.verified > 0 || self.workflows == 0)
            && self.wrong_output == 0
            && self.polled_twice == 0
            && self.early == 0
            && self.overload.is_none_or(|overload| overload.failed == 0)
            && self.hostile.as_ref().is_none_or(Hostile::has_all_ended)
            && !self.timed_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let counts = [10; 5];
        let [workflows, started, worked, verified, completed] = counts;
        Report { workflows, started, worked, verified, completed, ..Report::default() }
    }

    #[test]
    fn a_run_is_sound_when_everything_ended_as_it_must() {
        assert!(report().is_sound());
        let failed = Report { errors: 3, refused_starts: 2, ..report() };
        assert!(failed.is_sound(), "calls that were repeated do no harm");
        assert!(Report { verified: 5, completed: 5, ..report() }.is_sound(), "some of very many");
        for unsound in [
            Report { started: 9, ..report() },
            Report { worked: 9, ..report() },
            Report { completed: 9, not_completed: 1, ..report() },
            Report { verified: 0, completed: 0, ..report() },
            Report { wrong_output: 1, ..report() },
            Report { polled_twice: 1, ..report() },
            Report { early: 1, ..report() },
            Report { timed_out: true, ..report() },
        ] {
            assert!(!unsound.is_sound(), "{unsound:?}");
        }
    }

    #[test]
    fn a_loss_is_told_in_percent() {
        let with = |tasks_per_s| Report { tasks_per_s, ..report() };
        assert_eq!(with(75.0).compared_with(&with(100.0)).loss_percent, Some(25.0));
        assert_eq!(with(1.0).compared_with(&with(0.0)).loss_percent, None);
    }

    #[test]
    fn the_run_of_middle_throughput_counts_unless_one_went_wrong() {
        let with = |tasks_per_s, lost: u32| Report { tasks_per_s, worked: 10 - lost, ..report() };
        let middle = |runs| Report::middle_of(runs).map(|run| run.tasks_per_s);
        assert_eq!(middle(vec![with(3.0, 0), with(1.0, 0), with(2.0, 0)]), Some(2.0));
        assert_eq!(middle(vec![with(3.0, 1), with(1.0, 0), with(2.0, 0)]), Some(3.0));
        assert_eq!(middle(Vec::new()), None);
    }

    #[test]
    fn json_has_every_figure_under_its_name() {
        let json = serde_json::to_value(Report { tasks_per_s: 20.0, ..report() }).unwrap();
        assert_eq!((&json["tasksPerS"], &json["wrongOutput"]), (&20.0.into(), &0.into()));
        for name in ["stepMs", "cpuSecondsPer1000Tasks", "serverPeakMib", "databasePerTask"] {
            assert!(json.get(name).is_some(), "{name}");
        }
    }
}
