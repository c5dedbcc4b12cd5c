//! `baton workflow start|get|explain|list|watch|…`.
use super::moment::{moment, span};
use super::watch::{self, Watch};
use super::{client, document, execution_id, explain, show};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output, json};
use baton_client::{Client, Definitions, SearchRequest, SubWorkflows, Tasks};
use baton_common::Payload;
use baton_common::WorkflowStatus;
use baton_common::api::{StartWorkflowRequest, WorkflowSummary};

/// What to do with executions.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum WorkflowCommand {
    /// Starts an execution and prints its id
    Start(Start),
    /// Shows an execution with its tasks
    Get {
        /// The execution's id
        id: String,
    },
    /// Says why an execution is where it is and what would move it, its children included
    Explain {
        /// The execution's id
        id: String,
    },
    /// Lists executions, newest first
    List {
        /// Only this workflow
        #[arg(long)]
        name: Option<String>,
        /// Only this status: RUNNING, PAUSED, COMPLETED, FAILED, TIMED_OUT or TERMINATED
        #[arg(long, value_parser = status)]
        status: Option<WorkflowStatus>,
        /// Conditions joined by AND, as `startTime > 1795329039876 AND correlationId = x`
        #[arg(long)]
        query: Option<String>,
        /// Most executions shown
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Follows an execution to its end; exit code 0 completed, 1 not completed, 2 still open
    Watch {
        /// The execution's id
        id: String,
        /// Gives up after so many seconds
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u64>,
    },
    /// Stops scheduling; tasks in progress go on
    Pause {
        /// The execution's id
        id: String,
    },
    /// Goes on after a pause
    Resume {
        /// The execution's id
        id: String,
    },
    /// Ends an execution; its open tasks are canceled
    Terminate {
        /// The execution's id
        id: String,
        /// Why; kept as the execution's reasonForIncompletion
        #[arg(long)]
        reason: Option<String>,
    },
    /// Tries the failed tasks of an ended execution again
    Retry {
        /// The execution's id
        id: String,
    },
    /// Runs an ended execution again from its beginning
    Restart {
        /// The execution's id
        id: String,
        /// By the latest version of its definition
        #[arg(long)]
        latest: bool,
    },
}

/// How to start an execution.
#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    /// The workflow's name
    name: String,
    /// Its version; the highest if absent
    #[arg(long)]
    version: Option<i32>,
    /// The input as JSON or YAML text
    #[arg(long, conflicts_with = "input_file", value_name = "JSON")]
    input: Option<String>,
    /// The input as a JSON or YAML file; - is standard input
    #[arg(long, value_name = "FILE")]
    input_file: Option<String>,
    /// Your own name for the execution
    #[arg(long, value_name = "TEXT")]
    correlation_id: Option<String>,
    /// Starts at most one execution for this key
    #[arg(long, value_name = "TEXT")]
    idempotency_key: Option<String>,
    /// 0 to 99; higher is handed out first
    #[arg(long, default_value_t = 0)]
    priority: i32,
    /// Follows it to its end, as `watch` does
    #[arg(long)]
    wait: bool,
    /// With --wait: gives up after so many seconds
    #[arg(long, requires = "wait", value_name = "SECONDS")]
    timeout: Option<u64>,
}

fn status(name: &str) -> Result<WorkflowStatus, String> {
    WorkflowStatus::from_name(&name.to_uppercase()).ok_or_else(|| {
        let names: Vec<&str> = WorkflowStatus::ALL.iter().map(|status| status.name()).collect();
        format!("must be one of {}", names.join(", "))
    })
}

/// Does it.
pub(crate) async fn run(
    command: WorkflowCommand,
    config: &Config,
    output: Output,
) -> Result<(), Failure> {
    let client = client(config)?;
    match command {
        WorkflowCommand::Start(start) => run_start(start, &client, output).await,
        WorkflowCommand::Get { id } => get(&id, &client, output).await,
        WorkflowCommand::Explain { id } => explain::run(execution_id(&id)?, &client, output).await,
        WorkflowCommand::List { name, status, query, limit } => {
            let query = conditions(name, status, query);
            list(query, limit, &client, output).await
        }
        WorkflowCommand::Watch { id, timeout } => {
            watch::run(Watch { id: execution_id(&id)?, timeout }, &client, output).await
        }
        WorkflowCommand::Pause { id } => Ok(client.pause_workflow(execution_id(&id)?).await?),
        WorkflowCommand::Resume { id } => Ok(client.resume_workflow(execution_id(&id)?).await?),
        WorkflowCommand::Terminate { id, reason } => {
            Ok(client.terminate_workflow(execution_id(&id)?, reason.as_deref()).await?)
        }
        WorkflowCommand::Retry { id } => {
            Ok(client.retry_workflow(execution_id(&id)?, SubWorkflows::Resume).await?)
        }
        WorkflowCommand::Restart { id, latest } => {
            let which = if latest { Definitions::Latest } else { Definitions::Original };
            Ok(client.restart_workflow(execution_id(&id)?, which).await?)
        }
    }
}

async fn run_start(start: Start, client: &Client, output: Output) -> Result<(), Failure> {
    let input = match (&start.input, &start.input_file) {
        (Some(text), _) => document::parse(text)
            .map_err(|fault| Failure::new(Exit::Refused, format!("the input is {fault}")))?
            .into_value(),
        (None, Some(path)) => document::read(path)?.into_value(),
        (None, None) => serde_json::json!({}),
    };
    if !input.is_object() {
        return Err(Failure::new(Exit::Refused, "the input is not an object")
            .fix("write it as '{\"name\": \"value\"}'"));
    }
    let request = StartWorkflowRequest {
        name: Some(start.name),
        version: start.version,
        input: Some(Payload::of(&input).unwrap_or_default()),
        correlation_id: start.correlation_id,
        idempotency_key: start.idempotency_key,
        priority: start.priority,
        ..StartWorkflowRequest::default()
    };
    let id = client.start_workflow(&request).await?;
    match output.format {
        Format::Json => json(&serde_json::json!({ "workflowId": id }))?,
        Format::Table => output.line(&id.to_string())?,
    }
    if start.wait {
        return watch::run(Watch { id, timeout: start.timeout }, client, output).await;
    }
    Ok(())
}

async fn get(id: &str, client: &Client, output: Output) -> Result<(), Failure> {
    let workflow = client.workflow(execution_id(id)?, Tasks::Included).await?;
    if output.format == Format::Json {
        return json(&workflow);
    }
    show::workflow(&workflow, output)
}

fn conditions(
    name: Option<String>,
    status: Option<WorkflowStatus>,
    query: Option<String>,
) -> Option<String> {
    let name = name.map(|name| format!("workflowType = '{name}'"));
    let status = status.map(|status| format!("status = {status}"));
    let all: Vec<String> = [name, status, query].into_iter().flatten().collect();
    Some(all.join(" AND ")).filter(|query| !query.is_empty())
}

async fn list(
    query: Option<String>,
    limit: usize,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    let sort = Some("startTime:DESC".to_owned());
    let request = SearchRequest { size: limit, sort, query, ..SearchRequest::default() };
    let found = client.search_workflows(&request).await?;
    let rows = found.results.iter().map(|one: &WorkflowSummary| {
        vec![
            one.workflow_id.to_string(),
            one.workflow_type.to_string(),
            one.version.to_string(),
            one.status.to_string(),
            moment(one.start_time.0),
            if one.end_time.is_some() { span(one.execution_time) } else { String::new() },
            one.correlation_id.as_deref().unwrap_or_default().to_owned(),
        ]
    });
    let headings =
        ["ID", "WORKFLOW", "VERSION", "STATUS", "STARTED (UTC)", "TOOK", "CORRELATION ID"];
    output.rows(&headings, rows.collect(), &found)
}
