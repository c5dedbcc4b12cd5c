//! How one execution is shown.
use super::moment::moment;
use crate::failure::Failure;
use crate::output::Output;
use baton_common::api::Workflow;

/// A head of names and values, and the tasks below.
pub(crate) fn workflow(workflow: &Workflow, output: Output) -> Result<(), Failure> {
    let name = format!("{} version {}", workflow.workflow_name, workflow.workflow_version);
    let mut head = vec![
        ("Id", workflow.workflow_id.to_string()),
        ("Workflow", name),
        ("Status", workflow.status.to_string()),
        ("Started", moment(workflow.create_time)),
        ("Ended", moment(workflow.end_time)),
    ];
    if let Some(reason) = &workflow.reason_for_incompletion {
        head.push(("Reason", reason.to_string()));
    }
    if !workflow.output.is_empty_object() {
        head.push(("Output", shortened(workflow.output.get())));
    }
    let head = head.into_iter().filter(|(_, value)| !value.is_empty());
    let head = head.map(|(name, value)| vec![name.to_owned(), value]).collect();
    output.rows(&["", ""], head, &())?;
    let tasks = workflow.tasks.iter().map(|task| {
        vec![
            task.seq.to_string(),
            task.reference_task_name.to_string(),
            task.task_type.to_string(),
            task.status.to_string(),
            (task.retry_count + 1).to_string(),
            moment(task.start_time),
            task.reason_for_incompletion.as_deref().map(shortened).unwrap_or_default(),
        ]
    });
    let headings = ["#", "TASK", "TYPE", "STATUS", "ATTEMPT", "STARTED (UTC)", "REASON"];
    output.rows(&headings, tasks.collect(), &())
}

/// The first characters of a long text.
fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 120;
    if text.chars().count() <= CHARS_MAX {
        return text.to_owned();
    }
    format!("{}…", text.chars().take(CHARS_MAX).collect::<String>())
}
