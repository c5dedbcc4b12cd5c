//! Reads executions back: each must have come to its status, with the right output.
use crate::http::{Connection, Target};
use crate::tracker::Started;
use crate::work::Run;
use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long executions whose last results were taken may need to end, from the first look on.
const END_WITHIN: Duration = Duration::from_secs(30);
/// Pause before an execution that has not ended is read again.
const PAUSE: Duration = Duration::from_millis(20);
/// Characters that are shown of an execution that is not right.
const WRONG_CHARS_SHOWN: usize = 300;

/// How the executions that were read back stand.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    pub(crate) verified: u32,
    /// Those that have the status they must have.
    pub(crate) completed: u32,
    /// Those of them with another output than they must have.
    pub(crate) wrong: u32,
    /// Those with another status.
    pub(crate) not_completed: u32,
    /// The first execution that is not right.
    pub(crate) first_wrong: Option<String>,
}

#[derive(Deserialize)]
struct Execution {
    status: String,
    #[serde(default)]
    output: Value,
}

/// Looks at all of them, over as many connections as report.
pub(crate) async fn verify(
    run: &Rc<Run>,
    target: &Target,
    executions: Vec<Started>,
) -> anyhow::Result<Ends> {
    let ends = Rc::new(RefCell::new(Ends::default()));
    let left = Rc::new(RefCell::new(executions));
    let give_up_at = Instant::now() + END_WITHIN;
    let mut readers = JoinSet::new();
    for _ in 0..run.load.reporters {
        let (run, ends, left) = (run.clone(), ends.clone(), left.clone());
        let mut connection = Connection::new(target);
        readers.spawn_local(async move {
            loop {
                let Some(next) = left.borrow_mut().pop() else { return anyhow::Ok(()) };
                let execution = read_end(&next, (&run, give_up_at), &mut connection).await?;
                judge(&run, &next, &execution, &mut ends.borrow_mut());
            }
        });
    }
    while let Some(result) = readers.join_next().await {
        result.context("a reader stopped")??;
    }
    Ok(ends.take())
}

/// The execution once it has ended, or as it stands when time is up; at once where it lacks results.
async fn read_end(
    started: &Started,
    (run, give_up_at): (&Run, Instant),
    connection: &mut Connection,
) -> anyhow::Result<Execution> {
    let path = format!("/workflow/{}?includeTasks=false", started.id);
    loop {
        let body = connection.get(&path).await?;
        let execution: Execution =
            serde_json::from_slice(&body).with_context(|| format!("GET {path}"))?;
        let is_open = matches!(execution.status.as_str(), "RUNNING" | "PAUSED");
        let is_fine = execution.status == run.plan.status();
        let may_end = started.is_worked && Instant::now() <= give_up_at;
        if !is_open || is_fine || !may_end {
            return Ok(execution);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn judge(run: &Run, started: &Started, execution: &Execution, ends: &mut Ends) {
    let is_completed = execution.status == run.plan.status();
    let is_right = is_completed && run.plan.is_right(started.number, &execution.output);
    ends.verified += 1;
    ends.completed += u32::from(is_completed);
    ends.not_completed += u32::from(!is_completed);
    ends.wrong += u32::from(is_completed && !is_right);
    if !is_right {
        let describe =
            || format!("{} is {} with {}", started.id, execution.status, execution.output);
        let text = ends.first_wrong.get_or_insert_with(describe);
        *text = text.chars().take(WRONG_CHARS_SHOWN).collect();
    }
}
