//! `baton workflow watch`: follows one execution to its end.
use super::show;
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output, json};
use baton_client::{Client, Tasks};
use baton_common::api::Workflow;
use baton_common::{ExecutionId, TaskStatus, WorkflowStatus};
use indicatif::ProgressBar;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// Shortest time between two requests; a slow one is followed by a longer pause.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// How long "no time limit" is.
const YEAR_SECONDS: u64 = 365 * 24 * 3600;

/// What to follow, and for how long.
#[derive(Debug)]
pub(crate) struct Watch {
    /// The execution.
    pub(crate) id: ExecutionId,
    /// Seconds after which to give up.
    pub(crate) timeout: Option<u64>,
}

/// Follows an execution; shows it once it has ended.
///
/// # Errors
/// [`Exit::WorkflowFailed`] when it did not complete, [`Exit::TimedOut`] when it is still open.
pub(crate) async fn run(watch: Watch, client: &Client, output: Output) -> Result<(), Failure> {
    let limit = Duration::from_secs(watch.timeout.unwrap_or(YEAR_SECONDS));
    let deadline = Instant::now() + limit;
    let mut progress = Progress::new(output);
    let followed = timeout_at(deadline, follow(watch.id, client, &mut progress)).await;
    progress.finish();
    let Ok(followed) = followed else {
        let cause = format!("{} has not ended within {} s", watch.id, limit.as_secs());
        return Err(Failure::new(Exit::TimedOut, cause)
            .fix(format!("`baton workflow explain {}` says what it waits for", watch.id)));
    };
    let workflow = followed?;
    match output.format {
        Format::Json => json(&workflow)?,
        Format::Table => show::workflow(&workflow, output)?,
    }
    if workflow.status == WorkflowStatus::Completed {
        return Ok(());
    }
    let reason = workflow.reason_for_incompletion.as_deref().unwrap_or("no reason was given");
    let cause = format!("{} ended as {}: {reason}", watch.id, workflow.status);
    Err(Failure::new(Exit::WorkflowFailed, cause))
}

async fn follow(
    id: ExecutionId,
    client: &Client,
    progress: &mut Progress,
) -> Result<Workflow, Failure> {
    loop {
        let began = Instant::now();
        let workflow = client.workflow(id, Tasks::Included).await?;
        if workflow.status.is_terminal() {
            return Ok(workflow);
        }
        progress.show(&line_of(&workflow));
        sleep(LOOK_EVERY.max(began.elapsed() * 4)).await;
    }
}

/// State, tasks ended of tasks known, and the first step that is open.
fn line_of(workflow: &Workflow) -> String {
    let ended = workflow.tasks.iter().filter(|task| task.status.is_terminal()).count();
    let open: Vec<_> = workflow.tasks.iter().filter(|task| !task.status.is_terminal()).collect();
    let mut line = format!("{}  {ended}/{} tasks", workflow.status, workflow.tasks.len());
    if let Some(task) = open.first() {
        let doing = if task.status == TaskStatus::Scheduled { "waits for" } else { "in" };
        line = format!("{line}, {doing} {} ({})", task.reference_task_name, task.task_type);
    }
    match open.len() {
        0 | 1 => line,
        more => format!("{line} and {} more", more - 1),
    }
}

/// One line drawn again on a terminal; elsewhere a line for each change.
struct Progress {
    bar: Option<ProgressBar>,
    last: String,
}

impl Progress {
    fn new(output: Output) -> Self {
        let bar = (output.redraw && output.format == Format::Table).then(ProgressBar::new_spinner);
        if let Some(bar) = &bar {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self { bar, last: String::new() }
    }

    fn show(&mut self, line: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(line.to_owned()),
            None if line != self.last => {
                // Progress is no result: it goes to standard error.
                drop(std::io::Write::write_fmt(
                    &mut std::io::stderr().lock(),
                    format_args!("{line}\n"),
                ));
            }
            None => {}
        }
        line.clone_into(&mut self.last);
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
