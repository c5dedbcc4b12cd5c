//! `/api/metadata`: what is answered and refused.
use crate::engine::Api;
use baton_common::limits::{DEFINITION_DEPTH_MAX, READER_STACK_BYTES};

const TASK: &str = r#"[{"name":"pack","retryCount":1,"ownerEmail":"a@example.com"}]"#;

/// A definition of this version whose one step is worked by `pack`.
fn definition(version: u32, more: &str) -> String {
    format!(
        r#"{{"name":"order","version":{version},"ownerEmail":"a@example.com",
        "tasks":[{{"name":"pack","taskReferenceName":"pack","type":"SIMPLE"}}]{more}}}"#
    )
}

#[tokio::test]
async fn task_definitions() {
    let api = Api::start().await;
    let path = "/api/metadata/taskdefs";
    api.shows("register_tasks", &format!("POST {path}"), TASK).await;
    api.shows("register_tasks_none", &format!("POST {path}"), "[]").await;
    let wrong = r#"[{"name":"","responseTimeoutSeconds":0,"retryCount":-1}]"#;
    api.shows("register_tasks_faulty", &format!("POST {path}"), wrong).await;
    let changed = r#"{"name":"pack","retryCount":2,"retryLogic":"LINEAR_BACKOFF"}"#;
    api.shows("update_task_definition", &format!("PUT {path}"), changed).await;
    let unknown = r#"{"name":"nobody"}"#;
    api.shows("update_task_definition_unknown", &format!("PUT {path}"), unknown).await;
    api.shows("task_definition", &format!("GET {path}/pack"), "").await;
    api.shows("task_definition_unknown", &format!("GET {path}/nobody"), "").await;
    api.shows("task_definitions", &format!("GET {path}"), "").await;
    api.shows("delete_task_definition", &format!("DELETE {path}/pack"), "").await;
    api.shows("delete_task_definition_unknown", &format!("DELETE {path}/pack"), "").await;
}

#[tokio::test]
async fn workflow_definitions_are_registered() {
    let api = Api::start().await;
    let path = "/api/metadata/workflow";
    api.shows("register_workflow", &format!("POST {path}"), &definition(1, "")).await;
    api.shows("register_workflow_again", &format!("POST {path}"), &definition(1, "")).await;
    let call = format!("POST {path}?overwrite=true");
    api.shows("register_workflow_overwrite", &call, &definition(1, "")).await;
    let wrong =
        r#"{"name":"","tasks":[{"taskReferenceName":"a"},{"name":"b","taskReferenceName":"a"}]}"#;
    api.shows("register_workflow_faulty", &format!("POST {path}"), wrong).await;
    api.shows("validate_workflow", &format!("POST {path}/validate"), &definition(3, "")).await;
    api.shows("validate_workflow_faulty", &format!("POST {path}/validate"), "{}").await;
    let both = format!("[{},{}]", definition(1, ""), definition(2, ""));
    api.shows("update_workflows", &format!("PUT {path}"), &both).await;
    api.shows("update_workflows_none", &format!("PUT {path}"), "[]").await;
    let mistyped = definition(1, r#","timeoutPolicy":"RETRY""#);
    api.shows("register_workflow_unreadable", &format!("POST {path}"), &mistyped).await;
}

/// Goal: what is suspicious comes with the answer, in a member that Conductor's clients do not read; what
/// one definition of a request gives another is not missed.
#[tokio::test]
async fn what_is_suspicious_is_told() {
    let api = Api::start().await;
    let path = "/api/metadata/workflow";
    let wrong = r#"{"name":"w","tasks":[{"name":"x","taskReferenceName":"a","type":"http","optinal":true,
        "optinal":false}],"outputParameters":{"b":"${b.output.x}"},"failureWorkflow":"undo"}"#;
    api.shows("register_workflow_suspicious", &format!("POST {path}"), wrong).await;
    let call = format!("POST {path}/validate");
    api.shows("validate_workflow_suspicious", &call, wrong).await;
    let child = r#"{"name":"child","tasks":[{"name":"n","taskReferenceName":"n","type":"NOOP"}]}"#;
    let parent = r#"{"name":"parent","tasks":[{"name":"c","taskReferenceName":"c","type":"SUB_WORKFLOW",
        "subWorkflowParam":{"name":"child"}}]}"#;
    let (_, _, answer) = api.call(&format!("PUT {path}"), &format!("[{parent},{child}]")).await;
    assert!(!answer.contains("warnings"), "{answer}");
    let misnamed = r#"{"name":"v","steps":[{"name":"x","taskReferenceName":"a"}]}"#;
    api.shows("register_workflow_misnamed", &format!("POST {path}"), misnamed).await;
    let call = "POST /api/metadata/taskdefs";
    api.shows("register_tasks_suspicious", call, r#"[{"name":"t","retrycount":1}]"#).await;
}

/// Goal: a task that a worker has polled for, or that has a definition, is not missed.
#[tokio::test]
async fn a_task_that_is_known_is_not_missed() {
    let api = Api::start().await;
    let call = "POST /api/metadata/workflow?overwrite=true";
    let (_, _, answer) = api.call(call, &definition(1, "")).await;
    assert!(answer.contains("missing-task"), "{answer}");
    api.call("GET /api/tasks/poll/pack", "").await;
    assert_eq!(api.call(call, &definition(1, "")).await.2, "");
    let api = Api::start().await;
    api.ok("POST /api/metadata/taskdefs", TASK).await;
    assert_eq!(api.call(call, &definition(1, "")).await.2, "");
}

#[tokio::test]
async fn the_schemas_are_served() {
    let api = Api::start().await;
    for (kind, title) in [("workflow", "Workflow definition"), ("taskdef", "Task definition")] {
        let (status, _, answer) = api.call(&format!("GET /api/metadata/schema/{kind}"), "").await;
        let schema: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((status, &schema["title"]), (200, &title.into()));
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    }
}

#[tokio::test]
async fn workflow_definitions_are_read_and_deleted() {
    let api = Api::start().await;
    let path = "/api/metadata/workflow";
    let tagged = definition(2, r#","metadata":{"classifier":"etl"}"#);
    api.ok(&format!("PUT {path}"), &format!("[{},{tagged}]", definition(1, ""))).await;
    for (name, call) in [
        ("workflow_definition", "GET /order"),
        ("workflow_definition_version", "GET /order?version=1"),
        ("workflow_definition_unknown", "GET /nobody?version=3"),
        ("workflow_definition_mistyped", "GET /order?version=one"),
        ("workflow_definitions", "GET "),
        ("workflow_definitions_classified", "GET ?classifier=ETL"),
        ("latest_workflow_definitions", "GET /latest-versions"),
        ("workflow_names", "GET /names"),
        ("workflow_names_and_versions", "GET /names-and-versions"),
        ("workflow_versions", "GET /order/versions"),
        ("workflow_versions_unknown", "GET /nobody/versions"),
        ("delete_workflow", "DELETE /order/1"),
        ("delete_workflow_unknown", "DELETE /order/1"),
    ] {
        let (method, rest) = call.split_once(' ').unwrap();
        api.shows(name, &format!("{method} {path}{rest}"), "").await;
    }
}

/// A definition nested so deep that reading it level by level would take all of the stack.
#[tokio::test]
async fn a_definition_of_too_many_levels_is_refused() {
    let api = Api::start().await;
    let open = r#"{"name":"w","tasks":[{"name":"s","subWorkflowParam":{"workflowDefinition":"#;
    let body = format!("{}{{}}{}", open.repeat(10_000), "}}]}".repeat(10_000));
    api.shows("register_workflow_too_deep", "POST /api/metadata/workflow", &body).await;
    api.ok("GET /api/metadata/workflow/names", "").await;
}

/// A definition with forks in forks, so many tasks deep.
fn forks(depth: usize) -> String {
    let task = |number: usize, more: &str| {
        format!(r#"{{"name":"t","taskReferenceName":"t{number}"{more}}}"#)
    };
    let nested = (2..=depth).fold(task(1, r#","type":"NOOP""#), |inner, number| {
        task(number, &format!(r#","type":"SWITCH","evaluatorType":"value-param","expression":"v","decisionCases":{{"c":[{inner}]}}"#))
    });
    format!(r#"{{"name":"deep","tasks":[{nested}]}}"#)
}

/// Goal: the deepest definition is registered, read and started, on a stack as the server's threads
/// have; one level more is refused by name.
#[test]
fn a_definition_is_as_deep_as_its_limit_and_no_deeper() {
    let story = async || {
        let api = Api::start().await;
        let call = "POST /api/metadata/workflow";
        api.ok(call, &forks(DEFINITION_DEPTH_MAX)).await;
        api.ok("PUT /api/metadata/workflow", &format!("[{}]", forks(DEFINITION_DEPTH_MAX))).await;
        api.ok("GET /api/metadata/workflow/deep", "").await;
        let id = api.started("deep").await;
        api.ok(&format!("GET /api/workflow/{id}"), "").await;
        let inline = format!(r#"{{"name":"deep","workflowDef":{}}}"#, forks(DEFINITION_DEPTH_MAX));
        api.ok("POST /api/workflow", &inline).await;
        let deeper = forks(DEFINITION_DEPTH_MAX + 1);
        let (status, _, answer) = api.call(&format!("{call}?overwrite=true"), &deeper).await;
        let message = format!("the limit is {DEFINITION_DEPTH_MAX}");
        assert!(status == 400 && answer.contains(&message), "{status} {answer}");
    };
    let run = move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.thread_stack_size(READER_STACK_BYTES).enable_all();
        let runtime = runtime.build();
        runtime.unwrap().block_on(story());
    };
    let thread = std::thread::Builder::new().stack_size(READER_STACK_BYTES);
    thread.spawn(run).unwrap().join().unwrap();
}
