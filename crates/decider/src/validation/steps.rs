//! The steps of a definition in one list, and the rules that hold for each of them alone.
use super::fault::Fault;
use baton_common::{TaskDef, WorkflowDef, WorkflowTask};
use std::collections::HashSet;
use std::sync::Arc;

/// Finds the registered task definition of a name.
pub(crate) type TaskDefs<'a> = &'a dyn Fn(&str) -> Option<Arc<TaskDef>>;

/// The reference names of a definition.
pub(crate) struct Names<'a> {
    /// Those that the definition gives.
    pub(crate) given: HashSet<&'a str>,
    /// Whether a step may add others at run time.
    pub(crate) has_others: bool,
}

/// A step with its surroundings.
pub(crate) struct Step<'a> {
    pub(crate) task: &'a WorkflowTask,
    /// JSON pointer to it.
    pub(crate) pointer: String,
    /// Conductor's path to it.
    pub(crate) path: String,
    /// Whether it stands in the definition's own list.
    pub(crate) is_top: bool,
    /// Whether it stands in a loop's body, where Conductor hardly looks.
    pub(crate) in_loop: bool,
    /// The step that follows when this one has ended.
    pub(crate) next: Option<&'a WorkflowTask>,
}

impl Step<'_> {
    pub(crate) fn name(&self) -> &str {
        self.task.name.as_deref().unwrap_or("null")
    }

    pub(crate) fn reference(&self) -> &str {
        self.task.task_reference_name.as_deref().unwrap_or("null")
    }

    /// A fault of one of its members.
    pub(crate) fn member_fault(
        &self,
        name: &str,
        message: &str,
        invalid_value: Option<String>,
    ) -> Fault {
        Fault {
            pointer: format!("{}/{name}", self.pointer),
            path: format!("{}.{name}", self.path),
            message: message.to_owned(),
            invalid_value,
        }
    }

    /// A fault of the step as a whole, shown at `below` (a pointer within it, or empty).
    pub(crate) fn fault(&self, below: &str, message: impl Into<String>) -> Fault {
        let pointer = format!("{}{below}", self.pointer);
        Fault { pointer, path: self.path.clone(), message: message.into(), invalid_value: None }
    }
}

/// All steps in the order of the document, those within others behind them. The caller has checked
/// the depth.
pub(crate) fn steps(definition: &WorkflowDef) -> Vec<Step<'_>> {
    let mut collector = Collector { steps: Vec::new() };
    let place =
        Place { pointer: "/tasks".into(), path: "tasks".into(), is_top: true, in_loop: false };
    collector.sequence(&definition.tasks, &place, None);
    collector.steps
}

/// A list of steps.
struct Place {
    pointer: String,
    path: String,
    is_top: bool,
    in_loop: bool,
}

struct Collector<'a> {
    steps: Vec<Step<'a>>,
}

impl<'a> Collector<'a> {
    fn sequence(&mut self, tasks: &'a [WorkflowTask], at: &Place, after: Option<&'a WorkflowTask>) {
        for (index, task) in tasks.iter().enumerate() {
            let step = Step {
                task,
                pointer: format!("{}/{index}", at.pointer),
                path: format!("{}[{index}]", at.path),
                is_top: at.is_top,
                in_loop: at.in_loop,
                next: tasks.get(index + 1).or(after),
            };
            self.within(&step);
        }
    }

    /// Takes a step and all steps inside it.
    fn within(&mut self, step: &Step<'a>) {
        let (task, next) = (step.task, step.next);
        let place = |pointer: String, path: String, in_loop: bool| Place {
            pointer: format!("{}/{pointer}", step.pointer),
            path: format!("{}.{path}", step.path),
            is_top: false,
            in_loop: step.in_loop || in_loop,
        };
        self.steps.push(Step { pointer: step.pointer.clone(), path: step.path.clone(), ..*step });
        for (case, branch) in &task.decision_cases {
            let pointer = format!("decisionCases/{}", escaped(case));
            let path = format!("decisionCases[{case}].<map value>");
            self.sequence(branch, &place(pointer, path, false), next);
        }
        self.sequence(
            &task.default_case,
            &place("defaultCase".into(), "defaultCase".into(), false),
            next,
        );
        for (index, branch) in task.fork_tasks.iter().enumerate() {
            let pointer = format!("forkTasks/{index}");
            let path = format!("forkTasks[{index}].<list element>");
            self.sequence(branch, &place(pointer, path, false), next);
        }
        self.sequence(&task.loop_over, &place("loopOver".into(), "loopOver".into(), true), None);
    }
}

/// A name as a JSON pointer spells it.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// What holds for a step of any type.
pub(crate) fn field_faults(step: &Step<'_>) -> Vec<Fault> {
    let task = step.task;
    let mut faults = Vec::new();
    if task.name.as_deref().is_none_or(str::is_empty) {
        let message = "WorkflowTask name cannot be empty or null";
        faults.push(step.member_fault("name", message, task.name.clone()));
    }
    faults.extend(reference_fault(step));
    if task.start_delay < 0 {
        let value = Some(task.start_delay.to_string());
        faults.push(step.member_fault("startDelay", "must be greater than or equal to 0", value));
    }
    faults.extend(state_change_faults(step));
    faults
}

/// A step needs a reference name, wherever it stands.
pub(crate) fn reference_fault(step: &Step<'_>) -> Option<Fault> {
    let reference = &step.task.task_reference_name;
    let message = "WorkflowTask taskReferenceName name cannot be empty or null";
    let is_missing = reference.as_deref().is_none_or(str::is_empty);
    is_missing.then(|| step.member_fault("taskReferenceName", message, reference.clone()))
}

fn state_change_faults(step: &Step<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (state, events) in &step.task.on_state_change {
        let untyped = events.iter().enumerate().filter(|(_, event)| event.event_type.is_none());
        faults.extend(untyped.map(|(index, _)| Fault {
            pointer: format!("{}/onStateChange/{}/{index}/type", step.pointer, escaped(state)),
            path: format!("{}.onStateChange[{state}].<map value>[{index}].type", step.path),
            message: "must not be null".to_owned(),
            invalid_value: None,
        }));
    }
    faults
}
