//! Sends the engine's spans to a collector, as OTLP over HTTP.
//!
//! The collector is never waited for by anything else: what it does not take in time is dropped, and
//! the log says how much.
use crate::config::TraceConfig;
use crate::failure::{Exit, Failure};
use baton_common::{SpanId as OurSpanId, Timestamp, WorkflowStatus};
use baton_orchestrator::{Span, Spans, Subject, Tracer};
use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use std::time::{Duration, SystemTime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Most spans in one request: far below a collector's usual 4 MiB.
const BATCH_SPANS_MAX: usize = 512;
/// How long the first spans of a request wait for others.
const GATHER: Duration = Duration::from_millis(500);
/// Longest time that a request to the collector may take.
const EXPORT_MAX: Duration = Duration::from_secs(10);
/// Most requests after a stop is asked for, so that a process with a full queue ends.
const LAST_BATCHES_MAX: usize = 32;

/// The export of one engine's spans.
pub(crate) struct Export {
    running: JoinHandle<()>,
    finish: CancellationToken,
}

impl Export {
    /// Begins to export, if a collector is named; the tracer is the engine's.
    pub(crate) fn start(config: &TraceConfig) -> Result<(Tracer, Option<Self>), Failure> {
        let Some(endpoint) = &config.endpoint else { return Ok((Tracer::off(), None)) };
        let exporter = exporter(endpoint).map_err(|cause| {
            Failure::new(Exit::Config, format!("spans cannot be exported: {cause}"))
                .fix("check --otlp-endpoint: it is a URL as http://127.0.0.1:4318")
        })?;
        let (tracer, spans) = Tracer::on(config.share);
        let finish = CancellationToken::new();
        let running = tokio::spawn(run(spans, exporter, finish.clone()));
        Ok((tracer, Some(Self { running, finish })))
    }

    /// Exports what is waiting, then ends.
    pub(crate) async fn finish(self) {
        self.finish.cancel();
        let _ = self.running.await;
    }
}

fn exporter(endpoint: &str) -> anyhow::Result<SpanExporter> {
    baton_client::tls::install_provider();
    let client = reqwest::Client::builder().timeout(EXPORT_MAX).build()?;
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(EXPORT_MAX)
        .build()?;
    exporter.set_resource(&resource());
    Ok(exporter)
}

fn resource() -> Resource {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let instance = format!("{}-{}", host.trim(), std::process::id());
    Resource::builder()
        .with_service_name("baton")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", instance))
        .build()
}

/// Gathers and sends until the engine is gone or the process is about to end.
async fn run(mut spans: Spans, exporter: SpanExporter, finish: CancellationToken) {
    let mut lost = Lost::default();
    let mut batch = Vec::new();
    loop {
        let is_there = tokio::select! {
            is_there = spans.take(&mut batch, BATCH_SPANS_MAX) => is_there,
            () = finish.cancelled() => break,
        };
        if !is_there {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(GATHER) => {}
            () = finish.cancelled() => {}
        }
        spans.take_waiting(&mut batch, BATCH_SPANS_MAX);
        send(&exporter, &mut batch, &mut lost).await;
        lost.overflowed(spans.take_dropped());
    }
    for _ in 0..LAST_BATCHES_MAX {
        spans.take_waiting(&mut batch, BATCH_SPANS_MAX);
        if batch.is_empty() {
            return;
        }
        send(&exporter, &mut batch, &mut lost).await;
    }
}

async fn send(exporter: &SpanExporter, batch: &mut Vec<Span>, lost: &mut Lost) {
    let scope = InstrumentationScope::builder("baton").with_version(env!("CARGO_PKG_VERSION"));
    let scope = scope.build();
    let data: Vec<SpanData> = batch.drain(..).map(|span| span_data(&span, &scope)).collect();
    let spans = data.len();
    match exporter.export(data).await {
        Ok(()) => lost.arrived(),
        Err(error) => lost.refused(spans, &error.to_string()),
    }
}

/// Says in the log what was lost: the first time at once, then each time that it has doubled.
#[derive(Default)]
struct Lost {
    batches_in_a_row: u64,
    spans_without_room: u64,
}

impl Lost {
    fn arrived(&mut self) {
        if std::mem::take(&mut self.batches_in_a_row) > 0 {
            tracing::info!("the collector takes spans again");
        }
    }

    fn refused(&mut self, spans: usize, error: &str) {
        self.batches_in_a_row += 1;
        if self.batches_in_a_row.is_power_of_two() {
            let batches = self.batches_in_a_row;
            tracing::warn!(spans, batches, error, "spans are dropped: the collector refuses them");
        }
    }

    fn overflowed(&mut self, spans: u64) {
        let before = self.spans_without_room;
        self.spans_without_room += spans;
        let spans = self.spans_without_room;
        if spans.checked_ilog2() != before.checked_ilog2() {
            tracing::warn!(spans, "spans are dropped: the collector is too slow");
        }
    }
}

fn span_data(span: &Span, scope: &InstrumentationScope) -> SpanData {
    let (mut links, mut events) = (SpanLinks::default(), SpanEvents::default());
    links.links.extend(span.links.iter().map(|id| Link::with_context(context(span, *id))));
    events.events.extend(started(span));
    SpanData {
        span_context: context(span, span.id),
        parent_span_id: span.parent.map_or(SpanId::INVALID, span_id),
        // Only the root's parent is somebody else's.
        parent_span_is_remote: span.parent.is_some() && span.parent == span.trace.parent,
        span_kind: SpanKind::Internal,
        name: name(span).into(),
        start_time: time(span.start),
        end_time: time(span.end.max(span.start)),
        attributes: attributes(span),
        dropped_attributes_count: 0,
        events,
        links,
        status: status(span),
        instrumentation_scope: scope.clone(),
    }
}

fn context(span: &Span, id: OurSpanId) -> SpanContext {
    let trace = &span.trace;
    let state: Option<TraceState> = trace.state.as_deref().and_then(|state| state.parse().ok());
    let trace_id = TraceId::from_bytes(trace.id.number().to_be_bytes());
    let flags = TraceFlags::new(trace.flags);
    SpanContext::new(trace_id, span_id(id), flags, false, state.unwrap_or_default())
}

fn span_id(id: OurSpanId) -> SpanId {
    SpanId::from_bytes(id.number().to_be_bytes())
}

/// Few names, so that they can be grouped by: no id, no iteration.
fn name(span: &Span) -> String {
    match &span.subject {
        Subject::Execution { .. } => format!("workflow {}", span.workflow_name),
        Subject::Task { task_type, .. } => format!("task {task_type}"),
        Subject::Wait { task_type, .. } => format!("queue {task_type}"),
    }
}

fn attributes(span: &Span) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("workflow.id", span.workflow_id.to_string()),
        KeyValue::new("workflow.name", span.workflow_name.to_string()),
        KeyValue::new("workflow.version", i64::from(span.workflow_version)),
    ];
    match &span.subject {
        Subject::Execution { status } => {
            attributes.push(KeyValue::new("workflow.status", status.name()));
        }
        Subject::Task { id, task_type, reference, attempt, status, started: _, worker } => {
            attributes.extend([
                KeyValue::new("task.id", id.to_string()),
                KeyValue::new("task.type", task_type.to_string()),
                KeyValue::new("task.reference", reference.to_string()),
                KeyValue::new("task.attempt", i64::from(*attempt)),
                KeyValue::new("task.status", status.name()),
            ]);
            attributes.extend(
                worker.as_ref().map(|worker| KeyValue::new("worker.id", worker.to_string())),
            );
        }
        Subject::Wait { id, task_type } => attributes.extend([
            KeyValue::new("task.id", id.to_string()),
            KeyValue::new("task.type", task_type.to_string()),
        ]),
    }
    attributes
}

/// The moment at which a worker got the task.
fn started(span: &Span) -> Option<Event> {
    match &span.subject {
        Subject::Execution { .. } | Subject::Wait { .. } => None,
        Subject::Task { started, .. } => {
            started.map(|at| Event::new("task.started", time(at), Vec::new(), 0))
        }
    }
}

/// Never the reason: it may quote what a host or a worker answered.
fn status(span: &Span) -> Status {
    let (is_good, name) = match &span.subject {
        Subject::Execution { status } => (*status == WorkflowStatus::Completed, status.name()),
        Subject::Task { status, .. } => (status.is_successful(), status.name()),
        Subject::Wait { .. } => (true, ""),
    };
    if is_good { Status::Ok } else { Status::error(name) }
}

fn time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.millis()).unwrap_or(0))
}
