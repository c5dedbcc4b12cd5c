//! No array stands for an object, in the body of any route, however deep; nor is any body deeper
//! than its limit.
use crate::engine::Api;
use baton_common::api::ErrorBody;
use baton_common::limits::JSON_DEPTH_MAX;
use serde_json::{Value, json};

/// Members whose value is an object of the caller's own, in which arrays may stand anywhere.
const FREE: [&str; 10] = [
    "input",
    "outputData",
    "inputParameters",
    "outputParameters",
    "variables",
    "inputTemplate",
    "workflowInput",
    "taskInput",
    "payload",
    "data",
];

fn task_definition() -> Value {
    json!({ "name": "t", "inputTemplate": { "a": 1 },
        "inputSchema": { "name": "s", "data": { "type": "object" } },
        "outputSchema": { "name": "s" } })
}

fn step(more: &Value) -> Value {
    let mut step = json!({ "name": "t", "taskReferenceName": "r", "type": "SIMPLE",
        "inputParameters": { "a": 1 }, "taskDefinition": task_definition(),
        "cacheConfig": { "key": "k", "ttlInSecond": 1 },
        "onStateChange": { "onStart": [{ "type": "t", "payload": { "a": 1 } }] } });
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    step
}

fn definition(child: &Value) -> Value {
    let plain = step(&json!({}));
    let within = json!({ "decisionCases": { "a/~b": [plain] }, "defaultCase": [plain],
        "forkTasks": [[plain]], "loopOver": [plain],
        "subWorkflowParam": { "name": "c", "taskToDomain": { "t": "d" },
            "workflowDefinition": child } });
    json!({ "name": "w", "tasks": [step(&within)], "outputParameters": { "a": 1 },
        "variables": { "a": 1 }, "inputTemplate": { "a": 1 },
        "rateLimitConfig": { "rateLimitKey": "k", "concurrentExecLimit": 1 },
        "inputSchema": { "name": "s" }, "outputSchema": { "name": "s" },
        "cacheConfig": { "key": "k", "ttlInSecond": 1 } })
}

/// Every route whose body is JSON, with a body in which every object that it reads is there.
fn routes() -> Vec<(&'static str, Value)> {
    let definition = definition(&definition(&json!("${workflow.input.d}")));
    let start = json!({ "name": "w", "version": 1, "input": { "a": 1 },
        "taskToDomain": { "t": "d" }, "workflowDef": definition });
    let result = json!({ "workflowInstanceId": "w", "taskId": "t", "status": "COMPLETED",
        "outputData": { "a": 1 }, "logs": [{ "log": "line" }] });
    let rerun = json!({ "workflowInput": { "a": 1 }, "taskInput": { "a": 1 } });
    vec![
        ("POST /api/workflow", start.clone()),
        ("POST /api/workflow/execute/w/1", start),
        ("POST /api/workflow/w", json!({ "a": 1 })),
        ("POST /api/workflow/search", json!({ "a": 1 })),
        ("POST /api/workflow/w/rerun", rerun),
        ("POST /api/metadata/workflow", definition.clone()),
        ("POST /api/metadata/workflow/validate", definition.clone()),
        ("PUT /api/metadata/workflow", json!([definition])),
        ("POST /api/metadata/taskdefs", json!([task_definition()])),
        ("PUT /api/metadata/taskdefs", task_definition()),
        ("POST /api/tasks", result.clone()),
        ("POST /api/tasks/update-v2", result),
        ("POST /api/tasks/w/r/COMPLETED", json!({ "a": 1 })),
        ("POST /api/tasks/w/r/COMPLETED/sync", json!({ "a": 1 })),
        ("POST /api/tasks/w/COMPLETED/signal", json!({ "a": 1 })),
        ("POST /api/tasks/w/COMPLETED/signal/sync", json!({ "a": 1 })),
    ]
}

/// The pointers of all objects that the API reads.
fn objects(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.push(pointer.to_owned());
            for (name, member) in members {
                let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                if !FREE.contains(&name.as_str()) {
                    objects(member, &pointer, found);
                } else if member.is_object() {
                    found.push(pointer);
                }
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                objects(element, &format!("{pointer}/{index}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Goal: an array in an object's place is 400 and says where. Method: in each body, each object in
/// turn becomes the array of its values, which is what serde's structs would take.
#[tokio::test]
async fn an_array_is_refused_in_place_of_every_object_of_every_body() {
    let api = Api::start().await;
    let mut tried = 0;
    for (route, body) in routes() {
        let mut pointers = Vec::new();
        objects(&body, "", &mut pointers);
        for pointer in pointers {
            let mut body = body.clone();
            let place = body.pointer_mut(&pointer).unwrap();
            *place = place.as_object().unwrap().values().cloned().collect();
            let error = refusal(&api, route, &body.to_string()).await;
            let faults = error.validation_errors.unwrap_or_default();
            let told: Vec<_> = faults.iter().map(|fault| fault.pointer.as_deref()).collect();
            // The input of a start: 500 without a pointer, as Conductor answers.
            let is_input = pointer == "/input" && error.status == 500;
            let is_told = (error.status, told) == (400, vec![Some(pointer.as_str())]);
            assert!(is_input || is_told, "{route} {pointer}: {} {faults:?}", error.status);
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried} objects");
}

#[tokio::test]
async fn the_bodies_themselves_are_read() {
    let api = Api::start().await;
    for (route, body) in routes() {
        let (_, _, answer) = api.call(route, &body.to_string()).await;
        assert!(!answer.contains("unreadable_body") && !answer.contains("a list"), "{answer}");
    }
}

/// Goal: the limit of nesting is the same in every body, and is told. Method: lists at the place of
/// any JSON, in bodies that are otherwise complete.
#[tokio::test]
async fn a_body_has_its_deepest_level() {
    let api = Api::start().await;
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    for (route, body) in routes() {
        let outer = 1 + usize::from(body.is_array());
        let deep = |levels: usize| {
            let member = format!(r#"{{"unknown":{},"#, nested(levels - outer));
            body.to_string().replacen('{', &member, 1)
        };
        let (_, _, answer) = api.call(route, &deep(JSON_DEPTH_MAX)).await;
        let is_read = !answer.contains("json_too_deep") && !answer.contains("unreadable_body");
        assert!(is_read, "{route}: {answer}");
        let error = refusal(&api, route, &deep(JSON_DEPTH_MAX + 1)).await;
        assert_eq!((error.status, error.code.as_deref()), (400, Some("json_too_deep")), "{route}");
        assert!(error.message.unwrap().contains(&JSON_DEPTH_MAX.to_string()));
    }
}

async fn refusal(api: &Api, route: &str, body: &str) -> ErrorBody {
    let (status, _, text) = api.call(route, body).await;
    let error = serde_json::from_str(&text);
    error.unwrap_or_else(|_| panic!("{route}: {status} {text}"))
}
