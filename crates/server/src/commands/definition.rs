//! `baton definition validate|apply|get|list`.
use super::document::{self, Definitions};
use super::moment::moment;
use super::{client, offline};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Output, json};
use baton_client::Client;

/// What to do with definitions.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum DefinitionCommand {
    /// Checks files of definitions (JSON or YAML); exit code 4 if any is wrong
    Validate {
        /// The files; - is standard input
        #[arg(required = true)]
        files: Vec<String>,
        /// Asks the server too, which knows the registered task definitions
        #[arg(long)]
        remote: bool,
    },
    /// Registers or replaces the definitions in files (JSON or YAML)
    Apply {
        /// The files; - is standard input
        #[arg(required = true)]
        files: Vec<String>,
    },
    /// Prints a workflow definition as JSON
    Get {
        /// Its name
        name: String,
        /// Its version; the highest if absent
        #[arg(long)]
        version: Option<i32>,
    },
    /// Lists the workflow definitions
    List,
}

/// Does it.
pub(crate) async fn run(
    command: DefinitionCommand,
    config: &Config,
    output: Output,
) -> Result<(), Failure> {
    match command {
        DefinitionCommand::Validate { files, remote } => {
            let client = if remote { Some(client(config)?) } else { None };
            validate(&files, client.as_ref(), output).await
        }
        DefinitionCommand::Apply { files } => apply(&files, &client(config)?, output).await,
        DefinitionCommand::Get { name, version } => {
            json(&client(config)?.workflow_def(&name, version).await?)
        }
        DefinitionCommand::List => list(&client(config)?, output).await,
    }
}

/// The definitions of all files together, so that they may refer to each other.
fn read_all(files: &[String]) -> Result<Definitions, Failure> {
    let mut all = Definitions::default();
    for path in files {
        let found = document::definitions(path, document::read(path)?)?;
        all.tasks.extend(found.tasks);
        all.workflows.extend(found.workflows);
    }
    Ok(all)
}

fn check(definitions: &Definitions) -> Result<(), Failure> {
    let faults = offline::faults(definitions);
    if faults.is_empty() {
        return Ok(());
    }
    let errors = if faults.len() == 1 { "error" } else { "errors" };
    let cause = format!("{} {errors}\n  {}", faults.len(), faults.join("\n  "));
    Err(Failure::new(Exit::Refused, cause).fix("correct the places named and validate again"))
}

async fn validate(
    files: &[String],
    client: Option<&Client>,
    output: Output,
) -> Result<(), Failure> {
    let definitions = read_all(files)?;
    check(&definitions)?;
    if let Some(client) = client {
        for workflow in &definitions.workflows {
            client.validate_workflow(workflow).await?;
        }
    }
    let (workflows, tasks) = (definitions.workflows.len(), definitions.tasks.len());
    output.line(&format!("valid: {workflows} workflow and {tasks} task definitions"))
}

async fn apply(files: &[String], client: &Client, output: Output) -> Result<(), Failure> {
    let definitions = read_all(files)?;
    check(&definitions)?;
    if !definitions.tasks.is_empty() {
        client.register_task_defs(&definitions.tasks).await?;
    }
    for task in &definitions.tasks {
        output.line(&format!("task {}", task.name.as_deref().unwrap_or_default()))?;
    }
    if definitions.workflows.is_empty() {
        return Ok(());
    }
    let answer = client.put_workflows(&definitions.workflows).await?;
    let refused: Vec<String> = answer
        .bulk_error_results
        .iter()
        .map(|(name, fault)| format!("{name}: {}", fault.as_deref().unwrap_or("refused")))
        .collect();
    for workflow in &definitions.workflows {
        let name = workflow.name.as_deref().unwrap_or_default();
        if !answer.bulk_error_results.contains_key(name) {
            output.line(&format!("workflow {name} version {}", workflow.version))?;
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(Failure::new(Exit::Refused, refused.join("; "))) }
}

async fn list(client: &Client, output: Output) -> Result<(), Failure> {
    let names = client.workflow_names_and_versions().await?;
    let rows = names.iter().map(|(name, versions)| {
        let numbers: Vec<String> =
            versions.iter().map(|version| version.version.to_string()).collect();
        let changed = versions.iter().filter_map(|one| one.update_time.max(one.create_time)).max();
        vec![name.clone(), numbers.join(", "), changed.map(moment).unwrap_or_default()]
    });
    output.rows(&["NAME", "VERSIONS", "CHANGED (UTC)"], rows.collect(), &names)
}
