//! One thing that is accepted but is probably not what its author means, and the list of all kinds.
use baton_common::api::{DefinitionWarning, DefinitionWarnings};
use serde::Serialize;

/// Most findings that one report keeps; those left out are counted.
pub const FINDINGS_MAX: usize = 100;

/// The kind of a finding. Its name is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// See [`Code::meaning`], as for all of them.
    UnknownMember,
    /// A name that an object gives twice.
    DuplicateMember,
    /// A type that is nearly one of the engine's.
    MisspelledType,
    /// A worker's task that nobody knows.
    MissingTask,
    /// A workflow that is not registered.
    MissingWorkflow,
    /// A reference to a step that the definition does not have.
    UnknownReference,
    /// A reference to a step that runs later.
    ReferenceTooEarly,
    /// A reference to a step of another branch.
    ReferenceAcrossBranches,
    /// A member that neither `workflow` nor a task has.
    UnknownField,
    /// An input that the definition does not declare.
    UndeclaredInput,
    /// A variable that nothing sets.
    UnsetVariable,
    /// A `${…}` that is no path, or is not closed.
    BrokenReference,
    /// A `${…}` where none is replaced.
    IgnoredReference,
    /// A script that reads what its step's input does not have.
    MissingInput,
    /// A script that does not parse.
    BrokenScript,
    /// An evaluator that the engine does not have.
    UnknownEvaluator,
    /// A step that no execution comes to.
    UnreachableStep,
    /// A case that is never chosen.
    UnreachableCase,
    /// A loop that does not end by itself.
    EndlessLoop,
    /// A value that has no effect where it stands.
    UnusedValue,
}

impl Code {
    /// Every kind, in the order of the manual.
    pub const ALL: [Self; 20] = [
        Self::UnknownMember,
        Self::DuplicateMember,
        Self::MisspelledType,
        Self::MissingTask,
        Self::MissingWorkflow,
        Self::UnknownReference,
        Self::ReferenceTooEarly,
        Self::ReferenceAcrossBranches,
        Self::UnknownField,
        Self::UndeclaredInput,
        Self::UnsetVariable,
        Self::BrokenReference,
        Self::IgnoredReference,
        Self::MissingInput,
        Self::BrokenScript,
        Self::UnknownEvaluator,
        Self::UnreachableStep,
        Self::UnreachableCase,
        Self::EndlessLoop,
        Self::UnusedValue,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownMember => "unknown-member",
            Self::DuplicateMember => "duplicate-member",
            Self::MisspelledType => "misspelled-type",
            Self::MissingTask => "missing-task",
            Self::MissingWorkflow => "missing-workflow",
            Self::UnknownReference => "unknown-reference",
            Self::ReferenceTooEarly => "reference-too-early",
            Self::ReferenceAcrossBranches => "reference-across-branches",
            Self::UnknownField => "unknown-field",
            Self::UndeclaredInput => "undeclared-input",
            Self::UnsetVariable => "unset-variable",
            Self::BrokenReference => "broken-reference",
            Self::IgnoredReference => "ignored-reference",
            Self::MissingInput => "missing-input",
            Self::BrokenScript => "broken-script",
            Self::UnknownEvaluator => "unknown-evaluator",
            Self::UnreachableStep => "unreachable-step",
            Self::UnreachableCase => "unreachable-case",
            Self::EndlessLoop => "endless-loop",
            Self::UnusedValue => "unused-value",
        }
    }

    /// What it says of the definition, and what happens if it runs so.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::UnknownMember => {
                "No definition has a member of this name. It is dropped when the definition is stored."
            }
            Self::DuplicateMember => {
                "An object has two members of one name. Only the last one counts."
            }
            Self::MisspelledType => {
                "The type is none of the engine's, but nearly one. It becomes a queue of that name, \
                 and the task waits for a worker that polls it."
            }
            Self::MissingTask => {
                "Neither a task definition nor a worker is known for a task. It waits until a worker \
                 polls for it. Only a server can tell."
            }
            Self::MissingWorkflow => {
                "The child, the workflow to start or the failure workflow is not registered, or not \
                 in this version. The start fails when the step runs. Only a server can tell."
            }
            Self::UnknownReference => "No step has this reference name. The value is null.",
            Self::ReferenceTooEarly => {
                "The step referred to runs only after the value is needed. The value is null."
            }
            Self::ReferenceAcrossBranches => {
                "The step referred to is in another branch: of a SWITCH, so that it does not run, or \
                 of a fork, so that it may not have ended. The value is null or depends on timing."
            }
            Self::UnknownField => {
                "`workflow`, or a task, has no member of this name. The value is null."
            }
            Self::UndeclaredInput => {
                "The definition lists its inputs in `inputParameters` (or gives them in \
                 `inputTemplate`), and this one is not among them."
            }
            Self::UnsetVariable => {
                "Neither `variables` nor a SET_VARIABLE step gives this variable. The value is null."
            }
            Self::BrokenReference => {
                "What stands between the braces is no path, or the braces are not closed. The value \
                 is null, or the text stays as it is."
            }
            Self::IgnoredReference => {
                "`${…}` is replaced in values only: not in the names of members, not in scripts of \
                 conditions, not in texts that are taken as they are."
            }
            Self::MissingInput => {
                "A script or a parameter names an input that its step does not give. It reads \
                 undefined, or the text `null`."
            }
            Self::BrokenScript => "The script does not parse. The task fails each time it runs.",
            Self::UnknownEvaluator => {
                "The engine has no evaluator of this name. The step fails when it runs."
            }
            Self::UnreachableStep => "No execution can come to this step.",
            Self::UnreachableCase => {
                "The expression never gives this case, so its steps never run."
            }
            Self::EndlessLoop => {
                "Nothing that the condition reads changes from one iteration to the next. If it \
                 holds once, the loop runs until it is stopped or reaches its limit."
            }
            Self::UnusedValue => "The value is accepted and has no effect where it stands.",
        }
    }

    /// What its author can do.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::UnknownMember => "Correct the name, or move the value to `metadata`.",
            Self::DuplicateMember => "Keep one of them.",
            Self::MisspelledType => {
                "Correct the type. If it is your worker's own, register a task definition of that \
                 name, or start the worker."
            }
            Self::MissingTask => {
                "Register a task definition, start the worker, or correct the name."
            }
            Self::MissingWorkflow => "Register that workflow, or correct its name and version.",
            Self::UnknownReference => "Correct the reference name.",
            Self::ReferenceTooEarly => "Move the step, or read a step that has ended by then.",
            Self::ReferenceAcrossBranches => {
                "Read the value behind the branches, or do both steps in one branch."
            }
            Self::UnknownField => {
                "Correct the name: `input` and `output` hold the data of a workflow or a task."
            }
            Self::UndeclaredInput => "Correct the name, or add it to `inputParameters`.",
            Self::UnsetVariable => "Correct the name, or give it a first value in `variables`.",
            Self::BrokenReference => "Write `${reference.output.member}`; `$${` stands for `${`.",
            Self::IgnoredReference => {
                "Give the value as an input parameter, and read it there (in scripts as `$.name`)."
            }
            Self::MissingInput => {
                "Add the input to the step's `inputParameters`, or correct its name."
            }
            Self::BrokenScript => "Correct the script.",
            Self::UnknownEvaluator => "Use `javascript`, `graaljs` or `value-param`.",
            Self::UnreachableStep => {
                "Remove the step, or move it before the one that ends the workflow."
            }
            Self::UnreachableCase => "Correct the expression or the case.",
            Self::EndlessLoop => {
                "Read in the condition what the loop changes: `$.loop['iteration']`, an output of \
                 the body, or a variable."
            }
            Self::UnusedValue => "Remove the value, or move it to where it takes effect.",
        }
    }

    /// Whether it is found in the text, and lost once the definition is read.
    pub const fn is_of_text(self) -> bool {
        matches!(self, Self::UnknownMember | Self::DuplicateMember)
    }
}

/// One thing that is accepted but is probably not what its author means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its kind.
    pub code: Code,
    /// Where it is, as a JSON pointer.
    pub pointer: String,
    /// What is suspicious, and what to do.
    pub message: String,
}

impl Finding {
    pub(crate) fn new(code: Code, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, pointer: pointer.into(), message: message.into() }
    }
}

/// The findings of one definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The first ones, in the order of the document.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub left_out: usize,
}

impl Report {
    /// Sorts and bounds what was found.
    pub(crate) fn of(mut findings: Vec<Finding>) -> Self {
        findings
            .sort_by_cached_key(|found| (place(&found.pointer), found.code, found.message.clone()));
        findings.dedup();
        let left_out = findings.len().saturating_sub(FINDINGS_MAX);
        findings.truncate(FINDINGS_MAX);
        Self { findings, left_out }
    }
}

impl From<Report> for DefinitionWarnings {
    fn from(report: Report) -> Self {
        let warning = |finding: Finding| DefinitionWarning {
            code: finding.code.name().to_owned(),
            pointer: finding.pointer,
            message: finding.message,
        };
        Self {
            warnings: report.findings.into_iter().map(warning).collect(),
            warnings_left_out: report.left_out,
        }
    }
}

/// A pointer by its parts, numbers as numbers.
fn place(pointer: &str) -> Vec<(Option<u64>, String)> {
    pointer.split('/').map(|part| (part.parse().ok(), part.to_owned())).collect()
}
