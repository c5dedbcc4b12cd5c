//! `baton definition validate|apply|schema|get|list`.
use super::document::{self, Definitions};
use super::moment::moment;
use super::warning::{self, Warning};
use super::{client, offline};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output, json};
use baton_client::Client;
use baton_common::api::{DefinitionWarning, DefinitionWarnings};
use baton_common::{TaskDef, WorkflowDef};
use baton_lint::schema::{task_def_schema, workflow_schema};

/// What to do with definitions.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum DefinitionCommand {
    /// Checks files of definitions (JSON or YAML): exit code 4 if any is wrong, a warning for what is suspicious
    Validate {
        /// The files; - is standard input
        #[arg(required = true)]
        files: Vec<String>,
        /// Asks the server too, which knows what is registered and which workers poll
        #[arg(long)]
        remote: bool,
        /// Takes warnings for errors
        #[arg(long)]
        strict: bool,
    },
    /// Registers or replaces the definitions in files (JSON or YAML)
    Apply {
        /// The files; - is standard input
        #[arg(required = true)]
        files: Vec<String>,
        /// Takes warnings for errors: registers nothing if there is any
        #[arg(long)]
        strict: bool,
    },
    /// Prints the JSON Schema of definitions, for editors
    Schema {
        /// Of which definitions
        #[arg(value_enum, default_value = "workflow")]
        kind: SchemaKind,
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

/// Which definitions a schema is of.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum SchemaKind {
    /// Workflow definitions.
    Workflow,
    /// Task definitions.
    Taskdef,
}

/// Does it.
pub(crate) async fn run(
    command: DefinitionCommand,
    config: &Config,
    output: Output,
) -> Result<(), Failure> {
    match command {
        DefinitionCommand::Validate { files, remote, strict } => {
            let client = if remote { Some(client(config)?) } else { None };
            validate(&files, client.as_ref(), strict, output).await
        }
        DefinitionCommand::Apply { files, strict } => {
            apply(&files, &client(config)?, strict, output).await
        }
        DefinitionCommand::Schema { kind } => json(match kind {
            SchemaKind::Workflow => workflow_schema(),
            SchemaKind::Taskdef => task_def_schema(),
        }),
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
        all.add(path, &document::read(path)?);
    }
    Ok(all)
}

/// Refuses definitions with faults; with `strict` what is suspicious counts as one. Shows the
/// suspicions otherwise.
fn judge(faults: &[String], warnings: &[Warning], strict: bool) -> Result<(), Failure> {
    let suspicions = warnings.iter().filter(|_| strict).map(Warning::line);
    let lines: Vec<String> = faults.iter().cloned().chain(suspicions).collect();
    if lines.is_empty() {
        return Ok(());
    }
    let errors = if lines.len() == 1 { "error" } else { "errors" };
    let cause = format!("{} {errors}\n  {}", lines.len(), lines.join("\n  "));
    Err(Failure::new(Exit::Refused, cause).fix("correct the places named and validate again"))
}

/// The definitions in files, and what is suspicious in them; faults are refused, with `strict` together
/// with what is suspicious.
fn checked(
    files: &[String],
    strict: bool,
    output: Output,
) -> Result<(Definitions, Vec<Warning>), Failure> {
    let definitions = read_all(files)?;
    let warnings = offline::lint(&definitions);
    let faults = offline::faults(&definitions);
    if !faults.is_empty() {
        if !strict {
            warning::show(&warnings, output)?;
        }
        judge(&faults, &warnings, strict)?;
    }
    Ok((definitions, warnings))
}

async fn validate(
    files: &[String],
    client: Option<&Client>,
    strict: bool,
    output: Output,
) -> Result<(), Failure> {
    let (definitions, mut warnings) = checked(files, strict, output)?;
    if let Some(client) = client {
        ask(client, &definitions, &mut warnings).await?;
    }
    judge(&[], &warnings, strict)?;
    let (workflows, tasks) = (definitions.workflows.len(), definitions.tasks.len());
    let line = format!("valid: {workflows} workflow and {tasks} task definitions");
    if output.format == Format::Json {
        return json(&serde_json::json!({ "message": line, "warnings": warnings }));
    }
    warning::show(&warnings, output)?;
    output.line(&line)
}

/// Adds what the server finds suspicious; nothing is stored.
async fn ask(
    client: &Client,
    definitions: &Definitions,
    warnings: &mut Vec<Warning>,
) -> Result<(), Failure> {
    for source in &definitions.workflows {
        let found = client.validate_workflow(&source.definition).await?;
        warning::add(warnings, known_in(warning::warnings(source, found), definitions));
    }
    Ok(())
}

/// What the server misses, without what the files are about to give it.
fn known_in(found: Vec<Warning>, definitions: &Definitions) -> Vec<Warning> {
    let given = |name: &str| {
        let mut workflows = definitions.workflows.iter();
        definitions.task(name).is_some() || workflows.any(|source| source.name == name)
    };
    let is_missing = |warning: &Warning| {
        let is_name = warning.found.code.starts_with("missing-");
        !(is_name && warning.found.message.split('`').nth(1).is_some_and(given))
    };
    found.into_iter().filter(is_missing).collect()
}

async fn apply(
    files: &[String],
    client: &Client,
    strict: bool,
    output: Output,
) -> Result<(), Failure> {
    let (definitions, mut warnings) = checked(files, strict, output)?;
    if strict {
        ask(client, &definitions, &mut warnings).await?;
        judge(&[], &warnings, strict)?;
    }
    let tasks: Vec<&TaskDef> = definitions.tasks.iter().map(|source| &source.definition).collect();
    if !tasks.is_empty() {
        client.register_task_defs(&tasks).await?;
    }
    for task in &definitions.tasks {
        output.line(&format!("task {}", task.name))?;
    }
    let workflows: Vec<&WorkflowDef> =
        definitions.workflows.iter().map(|source| &source.definition).collect();
    if workflows.is_empty() {
        return warning::show(&warnings, output);
    }
    let answer = client.put_workflows(&workflows).await?;
    for workflow in &definitions.workflows {
        if !answer.names.bulk_error_results.contains_key(&workflow.name) {
            let version = workflow.definition.version;
            output.line(&format!("workflow {} version {version}", workflow.name))?;
        }
    }
    warning::add(&mut warnings, of_list(&definitions, answer.warnings));
    warning::show(&warnings, output)?;
    let refused = answer.names.bulk_error_results.iter();
    let refused: Vec<String> = refused
        .map(|(name, fault)| format!("{name}: {}", fault.as_deref().unwrap_or("refused")))
        .collect();
    if refused.is_empty() { Ok(()) } else { Err(Failure::new(Exit::Refused, refused.join("; "))) }
}

/// The warnings of a list of definitions, whose pointers begin with the place in the list.
fn of_list(definitions: &Definitions, answer: DefinitionWarnings) -> Vec<Warning> {
    let place = |warning: DefinitionWarning| {
        let (index, rest) = warning.pointer.strip_prefix('/')?.split_once('/')?;
        let source = definitions.workflows.get(index.parse::<usize>().ok()?)?;
        let warning = DefinitionWarning { pointer: format!("/{rest}"), ..warning };
        let found = DefinitionWarnings { warnings: vec![warning], warnings_left_out: 0 };
        warning::warnings(source, found).pop()
    };
    answer.warnings.into_iter().filter_map(place).collect()
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
