//! The texts of a request that end up in an index, in a queue's name or in a comparison with one:
//! each has a limit in bytes of UTF-8, and none may contain U+0000.
//!
//! [`bounded`] looks at path and query, [`Bounded`] at bodies; each finds all faults at once. A
//! definition's own texts are checked with its other rules, when it is validated.
use crate::error::ApiError;
use crate::extract::Params;
use axum::extract::{FromRequestParts, RawPathParams, Request};
use baton_common::api::{RerunWorkflowRequest, StartWorkflowRequest, TaskResult};
use baton_common::limits::{
    CORRELATION_ID_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX, NAME_BYTES_MAX, QUEUE_BYTES_MAX,
    REFERENCE_NAME_BYTES_MAX, SEARCH_TEXT_BYTES_MAX,
};
use baton_common::{TaskDef, TextFault, WorkflowDef};
use baton_orchestrator::{Fault, OrchestratorError};
use serde::Deserialize;

/// The faults found so far.
#[derive(Debug, Default)]
pub(crate) struct Texts(Vec<Fault>);

impl Texts {
    /// Notes what is wrong with the text at this JSON pointer.
    pub(crate) fn check(&mut self, pointer: &str, text: &str, limit: usize) {
        if let Some(fault) = TextFault::of(text, limit) {
            let field = pointer.trim_start_matches('/').replace('/', ".");
            self.add(pointer, field, &fault);
        }
    }

    fn check_some(&mut self, pointer: &str, text: Option<&String>, limit: usize) {
        if let Some(text) = text {
            self.check(pointer, text, limit);
        }
    }

    fn check_parameter(&mut self, name: &str, text: &str, limit: usize) {
        if let Some(fault) = TextFault::of(text, limit) {
            self.add("", name.to_owned(), &fault);
        }
    }

    fn add(&mut self, pointer: &str, field: String, fault: &TextFault) {
        let shown = if field.is_empty() { "the body" } else { &field };
        self.0.push(Fault {
            pointer: pointer.to_owned(),
            message: format!("{shown} {fault}"),
            path: field,
            invalid_value: None,
        });
    }

    /// A refusal with every fault, if there is one.
    pub(crate) fn answer(self) -> Result<(), ApiError> {
        if self.0.is_empty() { Ok(()) } else { Err(OrchestratorError::Faulty(self.0).into()) }
    }
}

/// A name as a JSON pointer spells it.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A body whose texts have limits.
pub(crate) trait Bounded {
    /// Checks them all.
    fn bound(&self, texts: &mut Texts);
}

impl Bounded for StartWorkflowRequest {
    fn bound(&self, texts: &mut Texts) {
        texts.check_some("/name", self.name.as_ref(), NAME_BYTES_MAX);
        let correlation_id = self.correlation_id.as_ref();
        texts.check_some("/correlationId", correlation_id, CORRELATION_ID_BYTES_MAX);
        let key = self.idempotency_key.as_ref();
        texts.check_some("/idempotencyKey", key, IDEMPOTENCY_KEY_BYTES_MAX);
        texts.check_some("/createdBy", self.created_by.as_ref(), NAME_BYTES_MAX);
        for (task_type, domains) in &self.task_to_domain {
            let pointer = format!("/taskToDomain/{}", escaped(task_type));
            texts.check(&pointer, task_type, NAME_BYTES_MAX);
            for domain in domains.split(',').map(str::trim) {
                texts.check(&pointer, domain, NAME_BYTES_MAX);
            }
        }
    }
}

impl Bounded for RerunWorkflowRequest {
    fn bound(&self, texts: &mut Texts) {
        let from = self.re_run_from_workflow_id.as_ref();
        texts.check_some("/reRunFromWorkflowId", from, NAME_BYTES_MAX);
        texts.check_some("/reRunFromTaskId", self.re_run_from_task_id.as_ref(), NAME_BYTES_MAX);
        let correlation_id = self.correlation_id.as_ref();
        texts.check_some("/correlationId", correlation_id, CORRELATION_ID_BYTES_MAX);
    }
}

impl Bounded for TaskResult {
    fn bound(&self, texts: &mut Texts) {
        let execution = self.workflow_instance_id.as_ref();
        texts.check_some("/workflowInstanceId", execution, NAME_BYTES_MAX);
        texts.check_some("/taskId", self.task_id.as_ref(), NAME_BYTES_MAX);
        texts.check_some("/workerId", self.worker_id.as_ref(), NAME_BYTES_MAX);
        texts.check_some("/subWorkflowId", self.sub_workflow_id.as_ref(), NAME_BYTES_MAX);
        let reason = self.reason_for_incompletion.as_ref();
        texts.check_some("/reasonForIncompletion", reason, usize::MAX);
        for (index, line) in self.logs.iter().enumerate() {
            texts.check_some(&format!("/logs/{index}/log"), line.log.as_ref(), usize::MAX);
            let task_id = line.task_id.as_ref();
            texts.check_some(&format!("/logs/{index}/taskId"), task_id, NAME_BYTES_MAX);
        }
    }
}

/// Correlation ids to look for.
#[derive(Deserialize)]
pub(crate) struct CorrelationIds(pub(crate) Vec<String>);

impl Bounded for CorrelationIds {
    fn bound(&self, texts: &mut Texts) {
        for (index, id) in self.0.iter().enumerate() {
            texts.check(&format!("/{index}"), id, CORRELATION_ID_BYTES_MAX);
        }
    }
}

/// Ids of executions: each is answered for itself, and what is no id is not found.
impl Bounded for Vec<String> {
    fn bound(&self, _: &mut Texts) {}
}

/// Validation checks a definition's texts with its other rules. An update is looked up by its name
/// before that.
impl Bounded for TaskDef {
    fn bound(&self, texts: &mut Texts) {
        texts.check_some("/name", self.name.as_ref(), NAME_BYTES_MAX);
    }
}

impl Bounded for Vec<TaskDef> {
    fn bound(&self, _: &mut Texts) {}
}

impl Bounded for WorkflowDef {
    fn bound(&self, _: &mut Texts) {}
}

impl Bounded for Vec<WorkflowDef> {
    fn bound(&self, _: &mut Texts) {}
}

/// What a parameter may hold.
enum Form {
    /// One text of at most so many bytes.
    One(usize),
    /// Texts separated by commas, each of at most so many bytes.
    Many(usize),
}

/// The parameters of path and query that are names or keys. Others are numbers, words of a closed
/// list, or texts that no index holds.
const PARAMETERS: [(&str, Form); 17] = [
    ("name", Form::One(NAME_BYTES_MAX)),
    ("id", Form::One(NAME_BYTES_MAX)),
    ("tasktype", Form::One(NAME_BYTES_MAX)),
    ("taskType", Form::Many(QUEUE_BYTES_MAX)),
    ("taskRefName", Form::One(REFERENCE_NAME_BYTES_MAX)),
    ("taskReferenceName", Form::One(REFERENCE_NAME_BYTES_MAX)),
    ("waitUntilTaskRef", Form::Many(REFERENCE_NAME_BYTES_MAX)),
    ("correlationId", Form::One(CORRELATION_ID_BYTES_MAX)),
    ("domain", Form::One(NAME_BYTES_MAX)),
    ("workerid", Form::One(NAME_BYTES_MAX)),
    ("executionNamespace", Form::One(NAME_BYTES_MAX)),
    ("isolationGroupId", Form::One(NAME_BYTES_MAX)),
    ("requestId", Form::One(NAME_BYTES_MAX)),
    ("classifier", Form::Many(NAME_BYTES_MAX)),
    ("query", Form::One(SEARCH_TEXT_BYTES_MAX)),
    ("freeText", Form::One(SEARCH_TEXT_BYTES_MAX)),
    ("sort", Form::One(SEARCH_TEXT_BYTES_MAX)),
];

/// Refuses a request whose path or query holds a text above its limit. A path that cannot be read
/// is refused by the handler.
///
/// # Errors
/// Every fault at once.
pub(crate) async fn bounded(request: Request) -> Result<Request, ApiError> {
    // Decoding makes no ASCII text longer, so in a short target every text is within its limit.
    let target = request.uri().path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    if target.len() <= NAME_BYTES_MAX && target.is_ascii() {
        return Ok(request);
    }
    let (mut parts, body) = request.into_parts();
    let mut texts = Texts::default();
    let segments = RawPathParams::from_request_parts(&mut parts, &()).await;
    for (name, text) in segments.iter().flatten() {
        check_parameter(&mut texts, name, text);
    }
    let Ok(params) = Params::from_request_parts(&mut parts, &()).await;
    for (name, text) in params.iter() {
        check_parameter(&mut texts, name, text);
    }
    texts.answer()?;
    Ok(Request::from_parts(parts, body))
}

fn check_parameter(texts: &mut Texts, name: &str, text: &str) {
    match PARAMETERS.iter().find(|(known, _)| *known == name) {
        Some((_, Form::One(limit))) => texts.check_parameter(name, text, *limit),
        Some((_, Form::Many(limit))) => {
            for part in text.split(',').map(str::trim) {
                texts.check_parameter(name, part, *limit);
            }
        }
        None => {}
    }
}
