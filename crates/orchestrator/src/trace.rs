//! Spans: what a commit tells of executions and tasks that have ended.
//!
//! The engine's thread only copies a few words into a bounded queue; whoever exports the spans takes
//! them from its other end. A span that finds the queue full is dropped and counted: a trace may
//! have holes, the engine never waits for it.
use baton_common::{
    ExecutionId, SpanId, TaskId, TaskStatus, Timestamp, Trace, TraceId, WorkflowStatus,
};
use baton_decider::change::Change;
use baton_decider::state::{Execution, Task};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// Most spans that wait to be exported; about 5 MB.
const SPANS_WAITING_MAX: usize = 16_384;
/// Most links of one span, as OpenTelemetry has it; a wider JOIN links to its first tasks.
const LINKS_MAX: usize = 128;

/// Decides which executions are traced, and tells of their spans.
#[derive(Clone)]
pub struct Tracer(Option<Arc<On>>);

struct On {
    share: f64,
    sender: mpsc::Sender<Span>,
    dropped: Arc<AtomicU64>,
}

/// The spans of one engine, for whoever exports them.
pub struct Spans {
    receiver: mpsc::Receiver<Span>,
    dropped: Arc<AtomicU64>,
}

/// The time of one execution or of one task, which is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its trace.
    pub trace: Trace,
    /// Its id.
    pub id: SpanId,
    /// The span around it.
    pub parent: Option<SpanId>,
    /// The span that it repeats, or those that it waited for.
    pub links: Vec<SpanId>,
    /// Its beginning.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
    /// The execution.
    pub workflow_id: ExecutionId,
    /// The name of its definition.
    pub workflow_name: Arc<str>,
    /// The version of its definition.
    pub workflow_version: i32,
    /// What has ended.
    pub subject: Subject,
}

/// What a span is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The execution itself.
    Execution {
        /// How it ended.
        status: WorkflowStatus,
    },
    /// One task of it.
    Task {
        /// Its id.
        id: TaskId,
        /// What ran it.
        task_type: Arc<str>,
        /// The step's name.
        reference: Arc<str>,
        /// Attempts before it.
        attempt: u32,
        /// How it ended.
        status: TaskStatus,
        /// When a worker first got it.
        started: Option<Timestamp>,
        /// Who had it.
        worker: Option<Arc<str>>,
    },
    /// A task's wait for a worker.
    Wait {
        /// The task's id.
        id: TaskId,
        /// What runs it.
        task_type: Arc<str>,
    },
}

impl Tracer {
    /// Tells nothing; a caller's trace is passed on all the same.
    pub fn off() -> Self {
        Self(None)
    }

    /// Tells of the executions whose callers record them, and of this share, 0 to 1, of those whose
    /// callers say nothing.
    pub fn on(share: f64) -> (Self, Spans) {
        let (sender, receiver) = mpsc::channel(SPANS_WAITING_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let on = On { share, sender, dropped: dropped.clone() };
        (Self(Some(Arc::new(on))), Spans { receiver, dropped })
    }

    /// The trace of a created, given its caller's.
    pub(crate) fn trace_of(&self, id: ExecutionId, caller: Option<Trace>) -> Option<Trace> {
        match (&self.0, caller) {
            (Some(_), Some(caller)) => Some(Trace { recorded: caller.is_sampled(), ..caller }),
            (None, Some(caller)) => Some(Trace { recorded: false, ..caller }),
            (Some(on), None) if TraceId::of_execution(id).is_within(on.share) => {
                Some(Trace::begun_by(id))
            }
            (_, None) => None,
        }
    }

    /// These changes, which led to this state, are durable as this version.
    pub(crate) fn committed(&self, execution: &Execution, changes: &[Change], version: i64) {
        let (Some(on), Some(trace)) = (&self.0, &execution.facts.trace) else { return };
        if trace.recorded {
            spans_of(execution, trace, changes, version, |span| on.tell(span));
        }
    }
}

impl On {
    fn tell(&self, span: Span) {
        if self.sender.try_send(span).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Spans {
    /// Waits for spans and adds up to `most` of them; false when there will be none any more.
    pub async fn take(&mut self, into: &mut Vec<Span>, most: usize) -> bool {
        self.receiver.recv_many(into, most).await > 0
    }

    /// Adds up to `most` of the spans that are there.
    pub fn take_waiting(&mut self, into: &mut Vec<Span>, most: usize) {
        while into.len() < most
            && let Ok(span) = self.receiver.try_recv()
        {
            into.push(span);
        }
    }

    /// How many spans found the queue full since this was last asked.
    pub fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

/// The spans that ended with these changes.
fn spans_of(
    execution: &Execution,
    trace: &Trace,
    changes: &[Change],
    version: i64,
    mut tell: impl FnMut(Span),
) {
    let mut ended = BTreeSet::new();
    let mut is_over = false;
    for change in changes {
        match change {
            Change::TaskScheduled(task) if task.status.is_terminal() => {
                ended.insert(task.seq);
            }
            Change::TaskEnded(end) => {
                ended.insert(end.seq);
            }
            Change::ExecutionEnded(_) => is_over = true,
            Change::TaskScheduled(_)
            | Change::ExecutionStarted(_)
            | Change::TaskLeased { .. }
            | Change::TaskMoved { .. }
            | Change::TaskReported(_)
            | Change::TaskRenewed { .. }
            | Change::TaskInputSet { .. }
            | Change::TaskForgiven { .. }
            | Change::TaskOverdue { .. }
            | Change::TaskReopened(_)
            | Change::MessageSent { .. }
            | Change::MessageReceived { .. }
            | Change::TasksRemoved { .. }
            | Change::LoopIterated { .. }
            | Change::LoopAdvanced { .. }
            | Change::StepsDefined { .. }
            | Change::AgendaLeft { .. }
            | Change::BranchesPlanned { .. }
            | Change::BranchesJoined { .. }
            | Change::VariablesSet { .. }
            | Change::ExecutionPaused { .. }
            | Change::ExecutionResumed { .. }
            | Change::OutputAmended { .. }
            | Change::ExecutionReopened { .. }
            | Change::ExecutionRestarted(_) => {}
        }
    }
    for task in ended.into_iter().filter_map(|seq| execution.task(seq)) {
        if task.status.is_terminal() {
            of_wait(execution, trace, task).into_iter().for_each(&mut tell);
            tell(of_task(execution, trace, task, version));
        }
    }
    if is_over && execution.status.is_terminal() {
        tell(of_execution(execution, trace, version));
    }
}

/// The root, at the first end; what happens after an end and a new beginning is a part of it.
fn of_execution(execution: &Execution, trace: &Trace, version: i64) -> Span {
    let root = SpanId::of_execution(execution.id());
    let end = execution.ended_at.unwrap_or(execution.updated_at);
    let subject = Subject::Execution { status: execution.status };
    let (id, parent, links, start) = match execution.reopened_at {
        None => (root, trace.parent, Vec::new(), execution.created_at),
        Some(at) => (root.again(version), Some(root), vec![root], at),
    };
    Span { id, parent, links, start, end, ..blank(execution, trace, subject) }
}

fn of_task(execution: &Execution, trace: &Trace, task: &Task, version: i64) -> Span {
    let id_of = |seq: u32| SpanId::of_task(execution.id().task(seq));
    let own = id_of(task.seq);
    let (id, repeats) = if task.was_ended {
        (own.again(version), Some(own))
    } else {
        (own, task.retried_task.map(id_of))
    };
    let names = task.join_on.as_deref().unwrap_or_default();
    let joined = names.iter().filter_map(|name| execution.by_reference(name));
    let joined =
        joined.filter(|joined| joined.status.is_terminal()).map(|joined| id_of(joined.seq));
    let root = SpanId::of_execution(execution.id());
    let subject = Subject::Task {
        id: execution.id().task(task.seq),
        task_type: execution.node_of(task).task_type.clone(),
        reference: task.reference.clone(),
        attempt: task.retry_count,
        status: task.status,
        started: task.started_at,
        worker: task.worker.clone(),
    };
    Span {
        id,
        parent: Some(task.loop_task.map_or(root, id_of)),
        links: repeats.into_iter().chain(joined).take(LINKS_MAX).collect(),
        start: task.scheduled_at,
        end: task.ended_at.unwrap_or(task.updated_at),
        ..blank(execution, trace, subject)
    }
}

/// The part of a worker's task in which it was ready and no worker had it yet.
fn of_wait(execution: &Execution, trace: &Trace, task: &Task) -> Option<Span> {
    let end = task.started_at.filter(|_| task.poll_count > 0 && !task.was_ended)?;
    let id = execution.id().task(task.seq);
    let subject = Subject::Wait { id, task_type: execution.node_of(task).task_type.clone() };
    Some(Span {
        id: SpanId::of_wait(id),
        parent: Some(SpanId::of_task(id)),
        start: task.scheduled_at.plus_seconds(task.start_delay_seconds).min(end),
        end,
        ..blank(execution, trace, subject)
    })
}

fn blank(execution: &Execution, trace: &Trace, subject: Subject) -> Span {
    let facts = &execution.facts;
    Span {
        trace: trace.clone(),
        id: SpanId::of_execution(facts.id),
        parent: None,
        links: Vec::new(),
        start: facts.at,
        end: facts.at,
        workflow_id: facts.id,
        workflow_name: facts.workflow_name.clone(),
        workflow_version: facts.workflow_version,
        subject,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0";

    fn id() -> ExecutionId {
        ExecutionId::new(Timestamp::from_millis(1_795_329_039_876), 7)
    }

    fn span() -> Span {
        let trace = Trace::begun_by(id());
        Span {
            trace,
            id: SpanId::of_execution(id()),
            parent: None,
            links: Vec::new(),
            start: Timestamp::default(),
            end: Timestamp::default(),
            workflow_id: id(),
            workflow_name: "order".into(),
            workflow_version: 1,
            subject: Subject::Execution { status: WorkflowStatus::Completed },
        }
    }

    #[test]
    fn the_caller_decides_what_is_recorded_and_the_share_where_it_says_nothing() {
        let caller = |flag| Trace::from_headers(&format!("{PARENT}{flag}"), None);
        let recorded = |tracer: &Tracer, caller| {
            tracer.trace_of(id(), caller).map(|trace: Trace| trace.recorded)
        };
        let (all, _all) = Tracer::on(1.0);
        let (none, _none) = Tracer::on(0.0);
        for tracer in [&all, &none] {
            assert_eq!(recorded(tracer, caller(1)), Some(true));
            assert_eq!(recorded(tracer, caller(0)), Some(false));
        }
        assert_eq!((recorded(&all, None), recorded(&none, None)), (Some(true), None));
        assert_eq!(recorded(&Tracer::off(), caller(1)), Some(false));
        assert_eq!(recorded(&Tracer::off(), None), None);
    }

    /// Nobody takes spans out: the engine goes on, and what was lost is known.
    #[tokio::test]
    async fn a_full_queue_drops_spans_and_counts_them() {
        let (Tracer(on), mut spans) = Tracer::on(1.0);
        let on = on.unwrap();
        for _ in 0..SPANS_WAITING_MAX + 3 {
            on.tell(span());
        }
        assert_eq!((spans.take_dropped(), spans.take_dropped()), (3, 0));
        let mut taken = Vec::new();
        assert!(spans.take(&mut taken, 10).await);
        spans.take_waiting(&mut taken, SPANS_WAITING_MAX * 2);
        assert_eq!(taken.len(), SPANS_WAITING_MAX);
        drop(on);
        assert!(!spans.take(&mut taken, 10).await);
    }
}
