//! Applying a change: total, and the only way a state is altered.
use crate::change::{Change, ExecutionEnd, Restart, TaskEnd, TaskReopening, TaskReport};
use crate::deadline;
use crate::json;
use crate::plan::Kind;
use crate::state::execution::{Execution, has_ended, wait_class};
use crate::state::{AgendaItem, Branch, Delivery, Expansion, Output, Slots, Task};
use crate::task_type::Starts;
use baton_common::{ExecutionId, Payload, TaskStatus, Timestamp, WorkflowStatus};
use std::sync::Arc;

impl Execution {
    /// Alters the state by one change. A change that names a task that is not there alters nothing.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::ExecutionStarted(_) => {}
            Change::TaskScheduled(task) => self.add_task(task),
            Change::TaskLeased { seq, worker, slots, at } => {
                self.saw_outside = true;
                let shows = self.shown_while_leased(*seq);
                self.alter(*seq, |task| leased(task, shows, (worker, slots), *at));
            }
            Change::TaskMoved { seq, delivery, at } => {
                self.saw_outside = true;
                self.alter(*seq, |task| moved(task, *delivery, *at));
            }
            Change::TaskReported(report) => {
                self.note_start(report);
                self.alter(report.seq, |task| reported(task, report));
            }
            Change::TaskRenewed { seq, at } => self.alter(*seq, |task| task.updated_at = *at),
            Change::TaskInputSet { seq, input } => {
                self.alter(*seq, |task| task.input = input.clone());
            }
            Change::TaskEnded(end) => self.end_task(end),
            Change::TaskForgiven { seq } => {
                self.alter(*seq, |task| task.status = TaskStatus::CompletedWithErrors);
            }
            Change::TaskOverdue { seq, deadline } => {
                self.alter(*seq, |task| task.alerted |= deadline);
            }
            Change::TaskReopened(reopening) => {
                self.alter(reopening.seq, |task| reopened(task, reopening));
            }
            Change::MessageSent { seq: Some(seq) } => self.alter(*seq, |task| task.sent += 1),
            Change::MessageSent { seq: None } => self.sent_to_parent += 1,
            Change::MessageReceived { seq, number, saw_outside } => {
                self.saw_outside |= saw_outside;
                match seq {
                    Some(seq) => self.alter(*seq, |task| task.received = *number),
                    None => self.received_from_parent = *number,
                }
            }
            Change::TasksRemoved { seqs } => self.remove_tasks(seqs),
            Change::LoopIterated { seq, iteration, outputs } => {
                self.alter(*seq, |task| iterated(task, *iteration, outputs.clone()));
            }
            Change::LoopAdvanced { seq, iteration, item, forget_until } => {
                self.alter(*seq, |task| advanced(task, *iteration, item.clone(), *forget_until));
            }
            Change::StepsDefined { steps } => self.define_steps(steps),
            Change::AgendaLeft { taken, first, last } => self.leave_agenda(*taken, first, last),
            Change::BranchesPlanned { fork, branches, joined } => {
                self.plan_branches(*fork, branches, joined);
            }
            Change::BranchesJoined { fork, names, is_done } => {
                self.join_branches(*fork, names, *is_done);
            }
            Change::VariablesSet { variables } => {
                self.variables = json::overlay(&self.variables, variables);
            }
            Change::ExecutionPaused { at } => self.pause_at(*at),
            Change::ExecutionResumed { at } => {
                self.last_retried_at = Some(*at);
                self.unsettled.clear();
                self.set_status(WorkflowStatus::Running, *at);
            }
            Change::ExecutionEnded(end) => self.end(end),
            Change::OutputAmended { output } => self.output = output.clone(),
            Change::ExecutionReopened { at } => self.reopen(*at),
            Change::ExecutionRestarted(restart) => self.restart(restart),
        }
    }

    fn pause_at(&mut self, at: Timestamp) {
        self.saw_outside = true;
        self.set_status(WorkflowStatus::Paused, at);
    }

    fn set_status(&mut self, status: WorkflowStatus, at: Timestamp) {
        self.status = status;
        self.paused_at = (status == WorkflowStatus::Paused).then_some(at);
        self.updated_at = at;
    }

    fn add_task(&mut self, task: &Arc<Task>) {
        self.updated_at = task.updated_at;
        if let Some(earlier) = task.retried_task {
            self.alter(earlier, |task| task.retried = true);
        }
        self.last_seq = self.last_seq.max(task.seq);
        let was_ended = has_ended(self.by_reference(&task.reference));
        self.note_newest(task);
        self.count(task, true);
        self.task_payload_bytes += task.payload_bytes();
        self.tasks.insert(task.seq, task.clone());
        self.note_end(&task.reference, was_ended);
        if task.join_on.is_some() {
            self.watch(task);
        }
    }

    /// It is the newest task, and so the one of its name and of its step.
    fn note_newest(&mut self, task: &Task) {
        self.has_dynamic_fork |= matches!(self.node_of(task).kind, Kind::RunTimeBranches { .. });
        self.by_reference.insert(task.reference.clone(), task.seq);
        if let Some(base) = &task.base {
            self.by_looped_base.insert(base.clone(), task.seq);
        }
    }

    /// Alters one task, with every index that depends on it.
    fn alter(&mut self, seq: u32, change: impl FnOnce(&mut Task)) {
        let Some(old) = self.tasks.get(&seq).cloned() else { return };
        let was_ended = has_ended(self.by_reference(&old.reference));
        self.count(&old, false);
        let mut task = (*old).clone();
        change(&mut task);
        self.updated_at = self.updated_at.max(task.updated_at);
        let task = Arc::new(task);
        self.count(&task, true);
        let others = self.task_payload_bytes.saturating_sub(old.payload_bytes());
        self.task_payload_bytes = others + task.payload_bytes();
        let (was_open, is_open) = (!old.status.is_terminal(), !task.status.is_terminal());
        self.tasks.insert(seq, task.clone());
        self.note_end(&old.reference, was_ended);
        if old.join_on.is_some() && was_open != is_open {
            if is_open { self.watch(&task) } else { self.unwatch(&old) }
        }
    }

    /// What a task shows while a worker has it: one that the engine's own executors run stays
    /// SCHEDULED during the call, as in Conductor; IN_PROGRESS says that an outside call must end it.
    fn shown_while_leased(&self, seq: u32) -> TaskStatus {
        let is_system = |task: &Arc<Task>| self.node_of(task).is_system_worker;
        if self.tasks.get(&seq).is_some_and(is_system) {
            TaskStatus::Scheduled
        } else {
            TaskStatus::InProgress
        }
    }

    /// Adds an open task to the counters and indexes, or takes it out.
    fn count(&mut self, task: &Arc<Task>, add: bool) {
        if task.status.is_terminal() {
            return;
        }
        let node = self.node_of(task);
        let class = wait_class(node, task);
        let deadline = deadline::next(node, task);
        self.count_slots(task, add);
        let node = self.node_of(task);
        let is_loop = matches!(node.kind, Kind::Body(_));
        if let Some(around) = task.loop_task {
            let beside = self.open_in_loop.entry(around).or_insert(0);
            *beside = if add { *beside + 1 } else { beside.saturating_sub(1) };
        }
        if let Some(class) = class {
            let count = &mut self.wait_counts[class];
            *count = if add { *count + 1 } else { count.saturating_sub(1) };
        }
        if add {
            self.open.insert(task.seq);
            if is_loop {
                self.open_loops.insert(task.seq);
            }
            self.deadlines.extend(deadline.map(|(at, _)| (at, task.seq)));
        } else {
            self.open.remove(&task.seq);
            self.open_loops.remove(&task.seq);
            if let Some((at, _)) = deadline {
                self.deadlines.remove(&(at, task.seq));
            }
        }
    }

    /// Adds the slots that a task holds, or takes them out.
    fn count_slots(&mut self, task: &Task, add: bool) {
        for limit in task.slots.iter().flat_map(|slots| slots.iter()) {
            let slot = (limit.clone(), task.seq);
            if add {
                self.slots.insert(slot);
            } else {
                self.slots.remove(&slot);
            }
        }
    }

    /// Tells open joins when a step's newest task has ended, or is open again.
    fn note_end(&mut self, reference: &Arc<str>, was_ended: bool) {
        let is_ended = has_ended(self.by_reference(reference));
        if was_ended == is_ended {
            return;
        }
        let Some(joins) = self.joins.get(reference).cloned() else { return };
        for join in joins {
            let open = self.join_open.entry(join).or_insert(0);
            *open = if is_ended { open.saturating_sub(1) } else { *open + 1 };
        }
    }

    fn watch(&mut self, join: &Task) {
        let mut open = 0;
        for reference in join.join_on.iter().flat_map(|names| names.iter()) {
            let watchers = self.joins.entry(reference.clone()).or_default();
            let is_new = watchers.insert(join.seq).is_none();
            if is_new && !has_ended(self.by_reference(reference)) {
                open += 1;
            }
        }
        self.join_open.insert(join.seq, open);
    }

    fn unwatch(&mut self, join: &Task) {
        for reference in join.join_on.iter().flat_map(|names| names.iter()) {
            if let Some(watchers) = self.joins.get_mut(reference) {
                watchers.remove(&join.seq);
            }
        }
        self.join_open.remove(&join.seq);
    }

    /// Counts the executions that its steps start.
    fn note_start(&mut self, report: &TaskReport) {
        let task = self.tasks.get(&report.seq);
        let starts = task.is_some_and(|task| match self.node_of(task).facts.starts {
            Starts::Child => report.child.is_some() && report.child != task.child,
            Starts::Other => true,
            Starts::Nothing => false,
        });
        self.starts += u32::from(starts);
    }

    /// Steps that wait end later than they begin only by something from outside.
    fn note_outside(&mut self, end: &TaskEnd) {
        let task = self.tasks.get(&end.seq);
        self.saw_outside |= task.is_some_and(|task| {
            let waits = (self.node_of(task).facts.waits)(task).is_for_outside();
            waits && end.status != TaskStatus::Canceled && end.at > task.scheduled_at
        });
    }

    fn end_task(&mut self, end: &TaskEnd) {
        self.note_outside(end);
        self.alter(end.seq, |task| ended(task, end));
        if self.status == WorkflowStatus::Paused {
            self.unsettled.insert(end.seq);
        }
    }

    fn remove_tasks(&mut self, seqs: &[u32]) {
        for seq in seqs {
            self.tasks.remove(seq);
            self.unsettled.remove(seq);
            self.expansions.remove(seq);
        }
        self.rebuild();
    }

    /// Makes all indexes anew from the tasks, whose nodes must be there.
    pub fn rebuild(&mut self) {
        self.by_reference.clear();
        self.by_looped_base.clear();
        self.open.clear();
        self.open_loops.clear();
        self.open_in_loop.clear();
        self.deadlines.clear();
        self.joins.clear();
        self.join_open.clear();
        self.slots.clear();
        self.wait_counts = [0; 5];
        let tasks: Vec<Arc<Task>> = self.tasks.values().cloned().collect();
        self.task_payload_bytes = tasks.iter().map(|task| task.payload_bytes()).sum();
        self.has_dynamic_fork = false;
        for task in &tasks {
            self.note_newest(task);
            self.count(task, true);
        }
        for task in tasks.iter().filter(|task| task.join_on.is_some()) {
            if !task.status.is_terminal() {
                self.watch(task);
            }
        }
    }

    fn leave_agenda(&mut self, taken: u32, first: &[AgendaItem], last: &[AgendaItem]) {
        let taken = (taken as usize).min(self.agenda.len());
        let mut agenda: imbl::Vector<AgendaItem> = first.iter().copied().collect();
        agenda.append(self.agenda.skip(taken));
        agenda.extend(last.iter().copied());
        self.agenda = agenda;
    }

    fn plan_branches(&mut self, fork: u32, branches: &Arc<[Branch]>, joined: &[Arc<str>]) {
        let (branches, recorded) = (branches.clone(), joined.len());
        let joined = joined.iter().cloned().collect();
        self.expansions.insert(fork, Arc::new(Expansion { branches, joined, recorded }));
    }

    fn join_branches(&mut self, fork: u32, names: &[Arc<str>], is_done: bool) {
        if is_done {
            self.expansions.remove(&fork);
        } else if let Some(expansion) = self.expansions.get_mut(&fork) {
            let expansion = Arc::make_mut(expansion);
            expansion.joined.extend(names.iter().cloned());
            expansion.recorded = expansion.joined.len();
        }
    }

    fn define_steps(&mut self, steps: &[Payload]) {
        for step in steps {
            let step = serde_json::from_str(step.get()).unwrap_or_default();
            self.step_plans.push_back(Arc::new(self.plan.of_step(&step)));
        }
    }

    fn end(&mut self, end: &ExecutionEnd) {
        self.note_failures();
        self.output = end.output.clone();
        self.reason.clone_from(&end.reason);
        self.failed_task = end.failed_task;
        self.ended_at = Some(end.at);
        self.unsettled.clear();
        self.set_status(end.status, end.at);
    }

    /// Names the steps that have failed, in order; those from before a restart stay named.
    fn note_failures(&mut self) {
        let is_failed = |task: &&Arc<Task>| {
            matches!(task.status, TaskStatus::Failed | TaskStatus::FailedWithTerminalError)
        };
        let failed = self.tasks.values().filter(is_failed);
        let failed = failed.map(|task| (task.seq, task.reference.clone()));
        self.failed_references = self.inherited_failures.iter().cloned().chain(failed).collect();
    }

    fn reopen(&mut self, at: Timestamp) {
        self.saw_outside = true;
        self.reason = None;
        self.failed_task = None;
        self.ended_at = None;
        self.last_retried_at = Some(at);
        self.reopened_at = Some(at);
        self.set_status(WorkflowStatus::Running, at);
    }

    fn restart(&mut self, restart: &Restart) {
        self.reopen(restart.at);
        self.last_retried_at = None;
        self.last_seq = restart.last_seq;
        self.inherited_failures = restart.failed_references.iter().cloned().collect();
        self.failed_references = self.inherited_failures.clone();
        self.output = Payload::empty_object();
        self.tasks.clear();
        self.step_plans.clear();
        self.unsettled.clear();
        self.agenda.clear();
        self.expansions.clear();
        self.has_dynamic_fork = false;
        if let Some(variables) = &restart.variables {
            self.variables = variables.clone();
        }
        if restart.is_new_start {
            self.created_at = restart.at;
        }
        let facts = Arc::make_mut(&mut self.facts);
        if restart.correlation_id.is_some() {
            facts.correlation_id.clone_from(&restart.correlation_id);
        }
        facts.workflow_version = restart.workflow_version.unwrap_or(facts.workflow_version);
        self.rebuild();
    }
}

fn leased(
    task: &mut Task,
    shows: TaskStatus,
    (worker, slots): (&Option<Arc<str>>, &Slots),
    at: Timestamp,
) {
    task.status = shows;
    task.delivery = Delivery::Leased;
    task.started_at = task.started_at.or(Some(at));
    task.callback_after_seconds = 0;
    task.poll_count += 1;
    task.worker = worker.clone().or(task.worker.take());
    task.slots.clone_from(slots);
    task.updated_at = at;
}

fn moved(task: &mut Task, delivery: Delivery, at: Timestamp) {
    task.delivery = delivery;
    task.updated_at = at;
    task.slots = None;
    if !task.status.is_terminal() && delivery != Delivery::None {
        task.status = TaskStatus::Scheduled;
    }
}

fn reported(task: &mut Task, report: &TaskReport) {
    task.status = report.status;
    // A loop keeps its iterations, whatever is reported on it.
    if let (Some(output), Output::Plain(_)) = (&report.output, &task.output) {
        task.output = Output::Plain(output.clone());
    }
    task.reason.clone_from(&report.reason);
    task.worker = report.worker.clone().or(task.worker.take());
    task.callback_after_seconds = report.callback_after_seconds;
    task.delivery = report.delivery;
    task.is_external = report.is_external;
    task.wait_until = report.wait_until.or(task.wait_until);
    if report.child.is_some() {
        set_child(task, report.child);
    }
    if report.status == TaskStatus::InProgress {
        task.started_at = task.started_at.or(Some(report.at));
    } else {
        task.slots = None;
    }
    task.updated_at = report.at;
}

fn ended(task: &mut Task, end: &TaskEnd) {
    task.status = end.status;
    if let Some(output) = &end.output {
        task.output = Output::Plain(output.clone());
    }
    task.reason.clone_from(&end.reason);
    task.worker = end.worker.clone().or(task.worker.take());
    task.callback_after_seconds = 0;
    task.ended_at = Some(end.at);
    task.updated_at = end.at;
    task.delivery = Delivery::None;
    task.slots = None;
}

fn reopened(task: &mut Task, reopening: &TaskReopening) {
    task.was_ended |= task.status.is_terminal();
    task.status = reopening.status;
    task.delivery = reopening.delivery;
    if let Some(input) = &reopening.input {
        task.input = input.clone();
    }
    task.output = reopening.output.clone();
    if let Output::Loop(progress) = &task.output {
        task.iteration = progress.iteration;
    }
    task.retry_count = reopening.retry_count;
    task.retried = false;
    task.wait_until = reopening.wait_until;
    set_child(task, reopening.child);
    task.reason = None;
    task.ended_at = None;
    task.started_at = (task.status == TaskStatus::InProgress).then_some(reopening.at);
    task.worker = None;
    task.poll_count = 0;
    task.callback_after_seconds = 0;
    task.start_delay_seconds = 0;
    task.scheduled_at = reopening.at;
    task.first_scheduled_at = reopening.at;
    task.updated_at = reopening.at;
    task.alerted = 0;
    task.is_external = false;
    task.slots = None;
}

/// Another child has versions of its own.
fn set_child(task: &mut Task, child: Option<ExecutionId>) {
    if task.child != child {
        // Its start is the first message of the new pair.
        (task.sent, task.received) = (u32::from(child.is_some()), 0);
    }
    task.child = child;
}

fn iterated(task: &mut Task, iteration: u32, outputs: Payload) {
    if let Output::Loop(progress) = &mut task.output {
        progress.iterations.insert(iteration, outputs);
    }
}

fn advanced(task: &mut Task, iteration: u32, item: Option<Payload>, forget_until: u32) {
    task.iteration = iteration;
    if let Output::Loop(progress) = &mut task.output {
        progress.iteration = iteration;
        progress.item = item;
        progress.iterations.forget_until(forget_until);
    }
}
