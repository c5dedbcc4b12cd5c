//! What is suspicious in definitions, as the command line shows it.
use super::document::Source;
use crate::failure::Failure;
use crate::output::{Format, Output, json};
use baton_common::api::{DefinitionWarning, DefinitionWarnings};
use serde::Serialize;
use std::io::Write;

/// One suspicion, with the definition that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Warning {
    /// The file.
    pub(crate) file: String,
    /// The definition's name.
    pub(crate) definition: String,
    /// What, and where in the definition.
    #[serde(flatten)]
    pub(crate) found: DefinitionWarning,
}

impl Warning {
    /// As a line.
    pub(crate) fn line(&self) -> String {
        let Self { file, definition, found } = self;
        let DefinitionWarning { code, pointer, message } = found;
        let place = if pointer.is_empty() { String::new() } else { format!(" at {pointer}") };
        format!("{file}: {definition}{place}: {message} [{code}]")
    }
}

/// What was found in one definition.
pub(crate) fn warnings<T>(source: &Source<T>, found: DefinitionWarnings) -> Vec<Warning> {
    let DefinitionWarnings { mut warnings, warnings_left_out } = found;
    if warnings_left_out > 0 {
        let message = format!("and {warnings_left_out} more");
        warnings.push(DefinitionWarning { code: "more".into(), message, ..Default::default() });
    }
    let warning =
        |found| Warning { file: source.file.clone(), definition: source.name.clone(), found };
    warnings.into_iter().map(warning).collect()
}

/// Adds what the server has found and this side has not.
pub(crate) fn add(all: &mut Vec<Warning>, more: Vec<Warning>) {
    for warning in more {
        let is_same = |known: &Warning| {
            (&known.file, &known.definition, &known.found.code, &known.found.pointer)
                == (&warning.file, &warning.definition, &warning.found.code, &warning.found.pointer)
        };
        if !all.iter().any(is_same) {
            all.push(warning);
        }
    }
}

/// Shows them on standard error, or as JSON on standard output.
pub(crate) fn show(warnings: &[Warning], output: Output) -> Result<(), Failure> {
    if warnings.is_empty() {
        return Ok(());
    }
    if output.format == Format::Json {
        return json(&serde_json::json!({ "warnings": warnings }));
    }
    let mut stderr = std::io::stderr().lock();
    for warning in warnings {
        writeln!(stderr, "warning: {}", warning.line())?;
    }
    Ok(())
}
