//! What must hold after every decision, whatever it was.
use super::seen::Seen;
use baton_common::api::WaitReason as R;
use baton_common::{TaskStatus, WorkflowStatus};
use baton_decider::change::Change;
use baton_decider::explain::{Known, Scope, Standing, explain};
use baton_decider::plan::{Kind, Next};
use baton_decider::state::{Execution, NodeKey, Task};
use baton_decider::task_type::Joins;
use std::collections::BTreeMap;
use std::sync::Arc;

/// No number is given twice, and nothing happens to an ended execution until it goes on.
pub(super) fn check_order(before: &Execution, changes: &[Change]) {
    let mut last = before.last_seq;
    let mut has_ended = before.status.is_terminal();
    for change in changes {
        if let Change::TaskScheduled(task) = change {
            assert_eq!(task.seq, last + 1, "numbers are given in order, once");
            last = task.seq;
        }
        if let Change::ExecutionEnded(end) = change {
            let rewritten = end.status == WorkflowStatus::Terminated;
            assert!(!has_ended || rewritten, "an ended execution ends again");
            has_ended = true;
            continue;
        }
        let reopens =
            matches!(change, Change::ExecutionReopened { .. } | Change::ExecutionRestarted(_));
        has_ended &= !reopens;
        let is_allowed = matches!(
            change,
            Change::OutputAmended { .. }
                | Change::AgendaLeft { .. }
                | Change::MessageSent { .. }
                | Change::MessageReceived { .. }
                | Change::BranchesPlanned { .. }
                | Change::BranchesJoined { .. }
        );
        assert!(!has_ended || is_allowed, "an ended execution changes: {change:?}");
    }
}

/// A JOIN ends well only after every step that it waits for and that has begun, unless somebody
/// reports its end.
pub(super) fn check_joins(before: &Execution, changes: &[Change]) {
    let mut state = before.clone();
    for change in changes {
        check_join(&state, change);
        state.apply(change);
    }
}

fn check_join(before: &Execution, change: &Change) {
    let Change::TaskEnded(end) = change else { return };
    let Some(task) = before.task(end.seq).filter(|_| end.status.is_successful()) else { return };
    if before.node_of(task).facts.joins != Joins::All {
        return;
    }
    for name in task.join_on.iter().flat_map(|names| names.iter()) {
        let is_open = before.by_reference(name).is_some_and(|task| !task.status.is_terminal());
        assert!(!is_open, "{} ends before {name}", task.reference);
    }
}

/// Every open task is explained, by a reason that fits the bits by which stores find dead waits; what
/// runs never waits for the engine.
pub(super) fn check_explained(execution: &Execution) {
    let unsettled = execution.unsettled.len();
    let explained = explain(execution, Scope::Open, execution.updated_at, &Known::default());
    let counted: u32 = explained.groups.iter().map(|group| group.count).sum();
    let open = execution.open_tasks().count();
    assert_eq!((counted as usize, explained.open as usize), (open + unsettled, open));
    let has = |reasons: &[R]| explained.groups.iter().any(|group| reasons.contains(&group.reason));
    let bits = [
        has(&[R::Leased]),
        has(&[R::InQueue]),
        has(&[R::Child, R::Start]),
        has(&[R::Signal, R::Person, R::External]),
        has(&[R::Backoff, R::Callback, R::StartDelay, R::Timer]),
    ];
    assert_eq!(bits, execution.waits(), "the explanation is not what it waits for");
    assert!(!has(&[R::Ended, R::NoWorker]), "an open task waits for nothing");
    let is_done = execution.status == WorkflowStatus::Running && !execution.has_agenda();
    assert!(!is_done || !has(&[R::Engine, R::Resume]), "a decision has left work undone");
    if execution.status.is_terminal() {
        assert!(matches!(explained.standing, Standing::Ended { .. }) && counted == 0);
    }
}

/// In a completed execution every good end has had its consequence: the step behind has a task.
pub(super) fn check_nothing_is_left_out(execution: &Execution) {
    let is_terminate = |task: &Arc<Task>| execution.node_of(task).facts.name == "TERMINATE";
    if execution.status != WorkflowStatus::Completed || execution.tasks.values().any(is_terminate) {
        return;
    }
    for task in execution.tasks.values().filter(|task| task.status == TaskStatus::Completed) {
        let node = execution.node(task.place);
        let next = if let Kind::Cases(cases) = &node.kind {
            let case = task.input.to_value()["case"].as_str().unwrap_or_default().to_owned();
            let chosen = cases.cases.get(&case).copied().unwrap_or(cases.default);
            chosen.map_or(node.next, Next::Node)
        } else {
            node.next
        };
        let Next::Node(next) = next else { continue };
        let next = execution.node(NodeKey { plan: task.place.plan, node: next });
        let name = format!("{}{}", next.reference, task.suffix());
        assert!(execution.by_reference(&name).is_some(), "after {}: no {name}", task.reference);
    }
}

/// The statuses of an execution and of its tasks.
pub(super) struct Statuses {
    execution: WorkflowStatus,
    tasks: BTreeMap<u32, TaskStatus>,
}

impl Statuses {
    /// Those of a state.
    pub(super) fn of(state: &Execution) -> Self {
        let tasks = state.tasks.iter().map(|(seq, task)| (*seq, task.status));
        Self { execution: state.status, tasks: tasks.collect() }
    }

    /// Notes how a change led from these to those of `after`.
    pub(super) fn note(&self, change: &Change, after: &Self, seen: &mut Seen) {
        let name = change_name(change);
        if self.execution != after.execution {
            let (from, to) = (self.execution.name(), after.execution.name());
            seen.execution_moves.insert((from, to, name.clone()));
        }
        for (seq, status) in &after.tasks {
            let from = self.tasks.get(seq);
            if from != Some(status) {
                let from = from.map_or("[*]", |status| status.name());
                seen.task_moves.insert((from, status.name(), name.clone()));
            }
        }
    }
}

/// The change's name.
fn change_name(change: &Change) -> String {
    let text = format!("{change:?}");
    text.chars().take_while(char::is_ascii_alphanumeric).collect()
}
