//! The HTTP task: one request to an outside host, the answer as output.
//!
//! Input and output are Conductor's (`conductor-semantics.md` §7). Where we differ on purpose:
//! an answer outside 2xx keeps `{statusCode, reasonPhrase, headers, body}` in `output.response`
//! instead of an exception's text; 429 and 503 are not repeated behind the task's back;
//! percent-encoded text in the address stays as it is; connections are pooled.
mod address;
mod charset;
mod config;
mod endpoint;
mod form;
mod reach;
mod request;
mod response;
mod rules;
mod send;

pub use config::HttpConfig;
pub use endpoint::{Endpoint, HostPort};
pub use reach::Reach;

use crate::{TaskContext, TaskOutcome, TaskType};
use async_trait::async_trait;
use baton_common::Payload;
use request::{Request, RequestFault};
use response::Answer;
use send::Sender;
use std::time::Duration;

/// The name of this task type.
pub const TASK_TYPE: &str = "HTTP";

/// The HTTP task type.
#[derive(Debug)]
pub struct HttpTask {
    sender: Sender,
}

impl HttpTask {
    /// Prepares the connection pool; nothing is sent yet.
    pub fn new(config: HttpConfig) -> Self {
        Self { sender: Sender::new(config) }
    }
}

#[async_trait]
impl TaskType for HttpTask {
    fn name(&self) -> &str {
        TASK_TYPE
    }

    async fn run(&self, task: TaskContext) -> TaskOutcome {
        let request = match Request::parse(task.input()) {
            Ok(request) => request,
            Err(fault @ (RequestFault::NoUri | RequestFault::NoMethod)) => {
                return TaskOutcome::failed(fault.to_string());
            }
            Err(RequestFault::Wrong(cause)) => return failed(&cause),
        };
        let request = request.within_trace_of(task.task());
        match self.sender.send(&request).await {
            Ok(answer) => outcome(&request, &answer),
            Err(fault) => failed(&fault.to_string()),
        }
    }
}

fn failed(cause: &str) -> TaskOutcome {
    TaskOutcome::failed(format!("Failed to invoke HTTP task due to: {cause}"))
}

/// 2xx completes the task (or leaves it open for an outside call), anything else fails it.
fn outcome(request: &Request, answer: &Answer) -> TaskOutcome {
    let output: Payload = match answer.output() {
        Ok(output) => output,
        Err(cause) => return failed(&format!("the answer cannot be kept: {cause}")),
    };
    if !answer.status.is_success() {
        let reason = format!(
            "Failed to invoke HTTP task due to: {} on {} request for \"{}\": \"{}\"",
            answer.status,
            request.method,
            request.uri,
            answer.beginning(),
        );
        return TaskOutcome::Failed { reason, output };
    }
    if request.async_complete {
        return TaskOutcome::InProgress { output, callback_after: Duration::ZERO };
    }
    TaskOutcome::Completed { output }
}
