//! Runs in parts: a long one by its quarters, and those that something disturbs in their second third.
use crate::flood::Flooded;
use crate::timeline::{Point, Timeline};
use crate::times::rounded;
use crate::tracker::Measured;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Instant;

/// How many times its calm value the p99 of a step may come to beside hostile definitions.
const P99_TIMES_MAX: f64 = 10.0;

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Results per second.
    pub tasks_per_s: f64,
    /// Half of the latencies are at most this, ms.
    pub p50: Option<f64>,
    /// 99 of 100 are at most this, ms.
    pub p99: Option<f64>,
    /// The longest, ms.
    pub max: Option<f64>,
    /// The largest memory of the server that was seen, looking once a second, MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_mib: Option<f64>,
}

impl From<Point> for Part {
    fn from(point: Point) -> Self {
        let Point { tasks_per_s, p50, p99, max, server_mib, .. } = point;
        Self { tasks_per_s, p50, p99, max, server_mib }
    }
}

/// A run in three parts, the second of which is disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Parts {
    /// Before it.
    pub before: Part,
    /// Beside it.
    pub beside: Part,
    /// After it.
    pub after: Part,
    /// Results beside it, of 100 before it.
    pub kept_percent: f64,
    /// From its end until nine tenths of the results before it came again, seconds; absent when they
    /// did not.
    pub back_after_s: Option<f64>,
}

impl Parts {
    /// `None` when the run was too short to tell.
    fn new(timeline: &Timeline, (began, ended): (Instant, Instant)) -> Option<Self> {
        let lasted = ended - began;
        let before = timeline.between(began.checked_sub(lasted / 2)?, began)?;
        let beside = timeline.between(began, ended)?;
        let after = timeline.between(ended, ended + lasted * 3 / 4)?;
        let back = timeline.is_back(ended, 0.9 * before.tasks_per_s);
        Some(Self {
            before: before.into(),
            beside: beside.into(),
            after: after.into(),
            kept_percent: rounded(100.0 * beside.tasks_per_s / before.tasks_per_s),
            back_after_s: back.map(|back| rounded((back - ended).as_secs_f64())),
        })
    }

    /// How many times its value before is the p99 beside it.
    pub fn p99_times(&self) -> Option<f64> {
        Some(rounded(self.beside.p99? / self.before.p99?))
    }
}

/// What became of the work under way while too much was started.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overload {
    /// The work under way.
    #[serde(flatten)]
    pub parts: Parts,
    /// Starts asked for in a second.
    pub asked_per_s: f64,
    /// Starts that the server took.
    pub taken: u64,
    /// Starts that it refused with 429 or 503 and a `Retry-After`.
    pub refused: u64,
    /// Starts that failed otherwise.
    pub failed: u64,
}

impl Overload {
    /// `None` when the run was too short to tell.
    pub(crate) fn new(timeline: &Timeline, flooded: &Flooded) -> Option<Self> {
        let Flooded { began, ended, starts } = *flooded;
        #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 starts")]
        let asked = (starts.taken + starts.refused + starts.failed) as f64;
        Some(Self {
            parts: Parts::new(timeline, (began, ended))?,
            asked_per_s: rounded(asked / (ended - began).as_secs_f64()),
            taken: starts.taken,
            refused: starts.refused,
            failed: starts.failed,
        })
    }
}

/// What became of the work under way beside hostile definitions, and of these.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hostile {
    /// The steps.
    #[serde(flatten)]
    pub parts: Parts,
    /// The first tasks, from the moment at which their execution was to be started.
    pub first_task: Parts,
    /// How many times its calm value the p99 of a step came to.
    pub step_p99_times: Option<f64>,
    /// The same of first tasks.
    pub first_task_p99_times: Option<f64>,
    /// Whether the steps kept their time: a p99 below ten times its calm value.
    pub keeps_time: bool,
    /// Each attack.
    pub attacks: Vec<AttackEnds>,
}

impl Hostile {
    /// `None` when the run was too short to tell.
    pub(crate) fn new(
        measured: &Measured,
        when: (Instant, Instant),
        attacks: Vec<AttackEnds>,
    ) -> Option<Self> {
        let parts = Parts::new(&measured.timeline, when)?;
        let first_task = Parts::new(&measured.first_tasks, when)?;
        let step_p99_times = parts.p99_times();
        Some(Self {
            parts,
            first_task,
            step_p99_times,
            first_task_p99_times: first_task.p99_times(),
            keeps_time: step_p99_times.is_some_and(|times| times < P99_TIMES_MAX),
            attacks,
        })
    }

    /// Whether every hostile start was refused, or all that came of it ended and says why.
    pub fn has_all_ended(&self) -> bool {
        self.attacks.iter().all(AttackEnds::has_ended)
    }
}

/// How an attack ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttackEnds {
    /// Which it was.
    pub name: String,
    /// Starts that the server took.
    pub started: u64,
    /// Starts that it refused for their content, or as too many.
    pub refused: u64,
    /// Starts that failed otherwise, or were not answered in time.
    pub failed: u64,
    /// Executions that came of them, their offspring counted, by status.
    pub ends: BTreeMap<String, u64>,
    /// Those that are still open.
    pub open: u64,
    /// Those of some hundred in each status that did not complete and do not say why.
    pub without_reason: u64,
    /// What refusals and such executions say, or some of it.
    pub reasons: Vec<String>,
}

impl AttackEnds {
    fn has_ended(&self) -> bool {
        let executions: u64 = self.ends.values().sum();
        self.failed == 0
            && self.open == 0
            && self.without_reason == 0
            && executions >= self.started
            && self.started + self.refused > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> AttackEnds {
        let ends = BTreeMap::from([("COMPLETED".to_owned(), 64), ("FAILED".to_owned(), 1)]);
        AttackEnds { started: 1, ends, ..AttackEnds::default() }
    }

    #[test]
    fn an_attack_has_ended_when_nothing_is_open_or_silent() {
        assert!(ends().has_ended());
        let refused = AttackEnds { refused: 3, ..AttackEnds::default() };
        assert!(refused.has_ended(), "nothing came of it");
        for other in [
            AttackEnds { open: 1, ..ends() },
            AttackEnds { without_reason: 1, ..ends() },
            AttackEnds { failed: 1, ..ends() },
            AttackEnds { started: 66, ..ends() },
            AttackEnds::default(),
        ] {
            assert!(!other.has_ended(), "{other:?}");
        }
    }

    #[test]
    fn a_ratio_needs_both_values() {
        let part = |p99| Part { tasks_per_s: 1.0, p50: None, p99, max: None, server_mib: None };
        let parts = |before, beside| {
            let [before, beside, after] = [before, beside, None].map(part);
            Parts { before, beside, after, kept_percent: 100.0, back_after_s: None }
        };
        assert_eq!(parts(Some(2.0), Some(15.0)).p99_times(), Some(7.5));
        assert_eq!(parts(None, Some(15.0)).p99_times(), None);
        assert_eq!(parts(Some(2.0), None).p99_times(), None);
    }
}
