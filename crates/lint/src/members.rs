//! Members that no definition has: the reader drops them. What there is comes from the schema.
use crate::document::{Document, escaped};
use crate::finding::{Code, Finding};
use crate::nearest::{hint, nearest};
use serde_json::{Map, Value};

/// Names that authors give to the list of steps; beside them, whatever is near to `tasks`.
const NAMES_OF_TASKS: [&str; 4] = ["steps", "activities", "nodes", "workflowTasks"];

/// Members of a workflow definition that a task definition does not have.
const MARKS_OF_WORKFLOWS: [&str; 7] = [
    "schemaVersion",
    "version",
    "inputParameters",
    "outputParameters",
    "failureWorkflow",
    "restartable",
    "variables",
];

/// Members of a task definition that a workflow definition does not have.
const MARKS_OF_TASKS: [&str; 6] = [
    "retryCount",
    "retryLogic",
    "retryDelaySeconds",
    "responseTimeoutSeconds",
    "inputKeys",
    "outputKeys",
];

/// Every unknown and every repeated member of a document with this schema.
pub(crate) fn findings(document: &Document, schema: &Value) -> Vec<Finding> {
    let mut walk = Walk { schema, findings: Vec::new() };
    walk.value(&document.value, schema, "");
    let repeated = document.repeated.iter().map(|pointer| {
        let name = pointer.rsplit('/').next().unwrap_or_default();
        let name = name.replace("~1", "/").replace("~0", "~");
        let message = format!(
            "`{name}` is given twice in one object, and only the last one counts; keep one"
        );
        Finding::new(Code::DuplicateMember, pointer.clone(), message)
    });
    walk.findings.extend(repeated);
    walk.findings
}

/// The member that holds a workflow's steps under a wrong name; `None` for a workflow that has
/// `tasks`, and for what is no workflow.
pub fn misnamed_tasks(value: &Value) -> Option<&str> {
    let members = value.as_object()?;
    if members.contains_key("tasks") {
        return None;
    }
    let is_list = |name: &&String| members.get(*name).is_some_and(Value::is_array);
    let meant = |name: &&String| {
        NAMES_OF_TASKS.contains(&name.to_lowercase().as_str())
            || nearest(name, ["tasks"]).is_some()
            || holds_steps(members, name)
    };
    members.keys().filter(is_list).find(meant).map(String::as_str)
}

/// Whether a document is a workflow definition rather than a task definition, whatever it lacks.
pub fn is_workflow(value: &Value) -> bool {
    let Some(members) = value.as_object() else { return false };
    let has_one = |names: &[&str]| names.iter().any(|name| members.contains_key(*name));
    has_one(&["tasks"])
        || misnamed_tasks(value).is_some()
        || (has_one(&MARKS_OF_WORKFLOWS) && !has_one(&MARKS_OF_TASKS))
}

fn holds_steps(members: &Map<String, Value>, name: &str) -> bool {
    let elements = members.get(name).and_then(Value::as_array);
    elements.is_some_and(|list| list.iter().any(|step| step.get("taskReferenceName").is_some()))
}

struct Walk<'s> {
    schema: &'s Value,
    findings: Vec<Finding>,
}

impl<'s> Walk<'s> {
    fn value(&mut self, value: &Value, schema: &'s Value, pointer: &str) {
        match value {
            Value::Object(members) => self.object(members, schema, pointer),
            Value::Array(elements) => {
                let Some(items) = self.form(schema, "items") else { return };
                for (index, element) in elements.iter().enumerate() {
                    self.value(element, items, &format!("{pointer}/{index}"));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn object(&mut self, members: &Map<String, Value>, schema: &'s Value, pointer: &str) {
        if let Some(known) = self.form(schema, "properties").and_then(Value::as_object) {
            for (name, value) in members {
                let pointer = format!("{pointer}/{}", escaped(name));
                match known.get(name) {
                    Some(schema) => self.value(value, schema, &pointer),
                    None => self.unknown(name, members, known, pointer),
                }
            }
        } else if let Some(each) = self.form(schema, "additionalProperties") {
            for (name, value) in members {
                self.value(value, each, &format!("{pointer}/{}", escaped(name)));
            }
        }
    }

    fn unknown(
        &mut self,
        name: &str,
        members: &Map<String, Value>,
        known: &Map<String, Value>,
        pointer: String,
    ) {
        let others = known.keys().filter(|known| !members.contains_key(*known));
        let all = known.keys().map(String::as_str);
        let hint = match nearest(name, others.map(String::as_str)) {
            Some(meant) => format!("; did you mean `{meant}`?"),
            None => hint(name, all, "remove it"),
        };
        let message = format!("unknown member `{name}`: it has no effect{hint}");
        self.findings.push(Finding::new(Code::UnknownMember, pointer, message));
    }

    /// The keyword of a schema, behind its references and alternatives.
    fn form(&self, schema: &'s Value, keyword: &str) -> Option<&'s Value> {
        if let Some(found) = schema.get(keyword).filter(|found| !found.is_boolean()) {
            return Some(found);
        }
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = self.schema.pointer(reference.strip_prefix('#')?)?;
            return self.form(target, keyword);
        }
        let alternatives = schema.get("anyOf")?.as_array()?;
        alternatives.iter().find_map(|schema| self.form(schema, keyword))
    }
}
