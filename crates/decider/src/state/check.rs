//! What must be true of every state: checked by tests and simulations after each decision.
use crate::state::Execution;
use baton_common::WorkflowStatus;
use std::collections::BTreeMap;

impl Execution {
    /// What is wrong with this state, in words; nothing for a sound one.
    ///
    /// Counters and indexes must equal a recount, an open execution must have something to wait
    /// for, an ended one must have no open task.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.index_faults();
        let is_waiting = self.waits().contains(&true);
        if self.status == WorkflowStatus::Running && !is_waiting && !self.has_agenda() {
            faults.push("it is RUNNING and waits for nothing".into());
        }
        if self.status.is_terminal() && !self.open.is_empty() {
            faults.push(format!("it has ended with open tasks {:?}", self.open));
        }
        let beyond = self.tasks.get_max().is_some_and(|(seq, _)| *seq > self.last_seq);
        if beyond {
            faults.push("a task has a number that was not given out".into());
        }
        faults
    }

    fn index_faults(&self) -> Vec<String> {
        let mut recount = self.clone();
        recount.rebuild();
        let (kept, made) = (self.index_lines(), recount.index_lines());
        let differs = |key: &&'static str| kept.get(*key) != made.get(*key);
        let faulty = made.keys().copied().collect::<Vec<_>>();
        let describe = |key: &'static str| format!("{key}: {} is {}", kept[key], made[key]);
        faulty.iter().filter(|key| differs(key)).map(|key| describe(key)).collect()
    }

    /// Each index as text in a fixed order, without empty entries.
    fn index_lines(&self) -> BTreeMap<&'static str, String> {
        let joins: BTreeMap<_, _> =
            self.joins.iter().filter(|(_, joins)| !joins.is_empty()).collect();
        let in_loop: BTreeMap<_, _> =
            self.open_in_loop.iter().filter(|(_, count)| **count > 0).collect();
        let looped: BTreeMap<_, _> = self.by_looped_base.iter().collect();
        BTreeMap::from([
            ("by_reference", format!("{:?}", self.by_reference.iter().collect::<BTreeMap<_, _>>())),
            ("by_looped_base", format!("{looped:?}")),
            ("open", format!("{:?}", self.open)),
            ("open_loops", format!("{:?}", self.open_loops)),
            ("open_in_loop", format!("{in_loop:?}")),
            ("deadlines", format!("{:?}", self.deadlines)),
            ("joins", format!("{joins:?}")),
            ("join_open", format!("{:?}", self.join_open.iter().collect::<BTreeMap<_, _>>())),
            ("slots", format!("{:?}", self.slots)),
            ("wait_counts", format!("{:?}", self.wait_counts)),
            ("task_payload_bytes", self.task_payload_bytes.to_string()),
        ])
    }

    /// In what this state differs from another that should be equal; `None` when in nothing.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let mine = self.lines();
        let theirs = other.lines();
        let pairs = mine.into_iter().zip(theirs);
        pairs.into_iter().find(|(a, b)| a != b).map(|(a, b)| format!("{a} / {b}"))
    }

    fn lines(&self) -> Vec<String> {
        let own = format!(
            "{} tasks {:?} {} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {} {:?} {:?} {} {} {:?} {:?}",
            self.tasks.len(),
            self.facts,
            self.status,
            self.variables,
            self.output,
            self.reason,
            self.failed_task,
            self.created_at,
            self.ended_at,
            self.last_retried_at,
            self.failed_references,
            self.last_seq,
            self.unsettled,
            self.wake_at(),
            self.step_plans.len(),
            self.has_dynamic_fork,
            self.agenda,
            (self.expansions.clone(), self.sent_to_parent, self.received_from_parent),
        );
        let tasks = self.tasks.values().map(|task| format!("{task:?}"));
        let indexes = self.index_lines().into_iter().map(|(key, value)| format!("{key} {value}"));
        std::iter::once(own).chain(indexes).chain(tasks).collect()
    }
}
