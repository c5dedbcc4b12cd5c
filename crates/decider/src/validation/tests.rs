//! Each rule with its message, several faults at once, and what Conductor was seen to accept.
#![expect(clippy::needless_pass_by_value, reason = "`json!` at the call makes a value")]
use super::{Fault, validate_task_def, validate_workflow};
use baton_common::limits::{
    DEFINITION_BYTES_MAX, DEFINITION_DEPTH_MAX, DEFINITION_TASKS_MAX, IDEMPOTENCY_KEY_BYTES_MAX,
    NAME_BYTES_MAX, REFERENCE_NAME_BYTES_MAX,
};
use baton_common::{TaskDef, WorkflowDef, WorkflowTask};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn workflow(definition: Value) -> WorkflowDef {
    serde_json::from_value(definition).unwrap()
}

fn faults(definition: Value) -> Vec<Fault> {
    validate_workflow(&workflow(definition), &|_| None)
}

/// The faults of a definition with these steps, as `pointer | path | message`.
fn step_faults(tasks: Value) -> Vec<String> {
    shown(&faults(json!({"name": "W", "tasks": tasks})))
}

fn shown(faults: &[Fault]) -> Vec<String> {
    faults.iter().map(|f| format!("{} | {} | {}", f.pointer, f.path, f.message)).collect()
}

/// A step of `task_type` called N with reference R, and `more`.
fn step(task_type: &str, more: Value) -> Value {
    let mut step = json!({"name": "N", "taskReferenceName": "R", "type": task_type});
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    step
}

fn noop(reference: &str) -> Value {
    json!({"name": "n", "taskReferenceName": reference, "type": "NOOP"})
}

/// What Conductor demands of each type, in its words; without faults when `repair` is added.
#[test]
fn each_type_has_its_required_fields() {
    let case = json!({"a": [noop("x")]});
    for (task_type, given, field, repair) in [
        ("EVENT", json!({}), "sink", json!({"sink": "conductor"})),
        (
            "DECISION",
            json!({"decisionCases": case}),
            "caseValueParam or caseExpression",
            json!({"caseValueParam": "v"}),
        ),
        (
            "SWITCH",
            json!({"decisionCases": case, "expression": "v"}),
            "evaluatorType",
            json!({"evaluatorType": "value-param"}),
        ),
        (
            "SWITCH",
            json!({"decisionCases": case, "evaluatorType": "value-param"}),
            "expression",
            json!({"expression": "v"}),
        ),
        ("DYNAMIC", json!({}), "dynamicTaskNameParam", json!({"dynamicTaskNameParam": "t"})),
        (
            "DO_WHILE",
            json!({"loopOver": [noop("x")]}),
            "loopCondition",
            json!({"loopCondition": ""}),
        ),
        (
            "DO_WHILE",
            json!({"loopCondition": "false"}),
            "loopOver",
            json!({"loopOver": [noop("x")]}),
        ),
        ("SUB_WORKFLOW", json!({}), "subWorkflowParam", json!({"subWorkflowParam": {"name": "c"}})),
        (
            "HTTP",
            json!({"inputParameters": {"x": 1}}),
            "inputParameters.http_request or inputParameters.uri",
            json!({"inputParameters": {"uri": null}}),
        ),
        (
            "KAFKA_PUBLISH",
            json!({}),
            "inputParameters.kafka_request",
            json!({"inputParameters": {"kafka_request": {}}}),
        ),
        (
            "JSON_JQ_TRANSFORM",
            json!({}),
            "inputParameters.queryExpression",
            json!({"inputParameters": {"queryExpression": "."}}),
        ),
    ] {
        let found = faults(json!({"name": "W", "tasks": [step(task_type, given.clone())]}));
        let message = format!("{field} field is required for taskType: {task_type} taskName: N");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].message.as_str(), found[0].path.as_str()),
            (message.as_str(), "tasks[0]")
        );
        let mut repaired = step(task_type, given);
        repaired.as_object_mut().unwrap().extend(repair.as_object().unwrap().clone());
        assert_eq!(step_faults(json!([repaired])), [""; 0]);
    }
}

#[test]
fn branching_types_need_tasks() {
    assert_eq!(
        step_faults(json!([step(
            "SWITCH",
            json!({"evaluatorType": "value-param", "expression": "v",
            "defaultCase": [noop("x")]})
        )])),
        ["/tasks/0/decisionCases | tasks[0] | decisionCases should have atleast one task for \
          taskType: SWITCH taskName: N"]
    );
    assert_eq!(
        step_faults(json!([step("FORK_JOIN", json!({})), noop("j")])),
        [
            "/tasks/0/forkTasks | tasks[0] | forkTasks should have atleast one task for taskType: \
             FORK_JOIN taskName: N",
            "/tasks/0 | tasks[0] | Fork task definition is not followed by a join task: \
             taskReferenceName: R"
        ]
    );
    assert_eq!(
        step_faults(json!([step("SWITCH", json!({}))])),
        [
            "/tasks/0/evaluatorType | tasks[0] | evaluatorType field is required for taskType: \
             SWITCH taskName: N",
            "/tasks/0/decisionCases | tasks[0] | decisionCases should have atleast one task for \
             taskType: SWITCH taskName: N"
        ]
    );
}

#[test]
fn dynamic_forks_take_one_of_three_styles() {
    let join = json!({"name": "j", "taskReferenceName": "j", "type": "JOIN"});
    let of = |more: Value| step_faults(json!([step("FORK_JOIN_DYNAMIC", more), join]));
    assert_eq!(of(json!({"inputParameters": {"forkTaskInputs": []}})), [""; 0]);
    assert_eq!(of(json!({"dynamicForkJoinTasksParam": "t"})), [""; 0]);
    assert_eq!(
        of(json!({"dynamicForkTasksParam": "t", "dynamicForkTasksInputParamName": "i"})),
        [""; 0]
    );
    assert_eq!(
        of(json!({"dynamicForkTasksParam": "t"})),
        [
            "/tasks/0/dynamicForkTasksInputParamName | tasks[0] | dynamicForkTasksInputParamName field \
          is required for taskType: FORK_JOIN_DYNAMIC taskName: N"
        ]
    );
    assert_eq!(
        of(json!({"dynamicForkTasksParam": "t", "dynamicForkJoinTasksParam": "t"})),
        [
            "/tasks/0/dynamicForkJoinTasksParam | tasks[0] | dynamicForkJoinTasksParam or combination \
          of dynamicForkTasksInputParamName and dynamicForkTasksParam cam be used for taskType: \
          FORK_JOIN_DYNAMIC taskName: N"
        ]
    );
}

#[test]
fn terminate_needs_a_literal_status_and_is_never_optional() {
    for status in ["COMPLETED", "FAILED", "TERMINATED"] {
        let given = json!({"inputParameters": {"terminationStatus": status}});
        assert_eq!(step_faults(json!([step("TERMINATE", given)])), [""; 0]);
    }
    let message = "/tasks/0/inputParameters/terminationStatus | tasks[0] | terminate task must have \
                   an terminationStatus parameter and must be set to COMPLETED or FAILED, taskName: N";
    for status in [json!("${workflow.input.s}"), json!("TIMED_OUT"), json!(null), json!(1)] {
        let given = json!({"inputParameters": {"terminationStatus": status}});
        assert_eq!(step_faults(json!([step("TERMINATE", given)])), [message]);
    }
    let optional = json!({"optional": true, "inputParameters": {"terminationStatus": "FAILED"}});
    assert_eq!(
        step_faults(json!([step("TERMINATE", optional)])),
        ["/tasks/0/optional | tasks[0] | terminate task cannot be optional, taskName: N"]
    );
}

#[test]
fn wait_reads_literal_times() {
    let of = |input: Value| step_faults(json!([step("WAIT", json!({"inputParameters": input}))]));
    for input in [
        json!({}),
        json!({"duration": ""}),
        json!({"duration": null, "until": " "}),
        json!({"duration": "1 hour"}),
        json!({"duration": "${workflow.input.n} s"}),
        json!({"duration": "1s", "until": ""}),
        json!({"until": "2031-05-01 09:30 Europe/Berlin"}),
        json!({"until": "${workflow.input.u}"}),
    ] {
        assert_eq!(of(input), [""; 0]);
    }
    for (input, pointer, start) in [
        (
            json!({"duration": "soon"}),
            "duration",
            "Wait time specified is invalid.  The duration must be in ",
        ),
        (
            json!({"duration": 1}),
            "duration",
            "Wait time specified is invalid.  The duration must be in ",
        ),
        (json!({"until": "tomorrow"}), "until", "Unable to parse date "),
        (json!({"until": "2020-01-01T00:00:00Z"}), "until", "Unable to parse date "),
    ] {
        let found = of(input.clone());
        let start = format!("/tasks/0/inputParameters/{pointer} | tasks[0] | {start}");
        assert!(found.len() == 1 && found[0].starts_with(&start), "{input}: {found:?}");
    }
    assert_eq!(
        of(json!({"duration": "1s", "until": "2020-01-01"})),
        ["/tasks/0/inputParameters | tasks[0] | Both 'duration' and 'until' specified. Please \
          provide only one input"]
    );
}

#[test]
fn scripts_of_branches_are_parsed() {
    let cases = json!({"a": [noop("x")]});
    let switch = |evaluator: &str| {
        step(
            "SWITCH",
            json!({"evaluatorType": evaluator, "expression": "1 +* 2", "decisionCases": cases}),
        )
    };
    let found = step_faults(json!([switch("javascript")]));
    assert_eq!(found.len(), 1);
    let start = "/tasks/0/expression | tasks[0] | Expression is not well formatted: ";
    assert!(found[0].starts_with(start), "{found:?}");
    assert!(found[0].ends_with(", taskType: SWITCH taskName N"), "{found:?}");
    assert_eq!(step_faults(json!([switch("graaljs")])), [""; 0]);
    let decision = json!({"caseExpression": "if (", "decisionCases": cases});
    assert_eq!(step_faults(json!([step("DECISION", decision)])).len(), 1);
}

/// A task definition supplies what the step leaves out: the step's own one, or the registered one.
#[test]
fn an_input_template_stands_in_for_an_input() {
    let template = |member: &str| {
        let def = json!({"name": "N", "inputTemplate": {member: "x"}});
        serde_json::from_value::<TaskDef>(def).unwrap()
    };
    for (task_type, member) in [
        ("HTTP", "http_request"),
        ("KAFKA_PUBLISH", "kafka_request"),
        ("JSON_JQ_TRANSFORM", "queryExpression"),
    ] {
        let definition = workflow(json!({"name": "W", "tasks": [step(task_type, json!({}))]}));
        let registered = |name: &str| (name == "N").then(|| Arc::new(template(member)));
        assert_eq!(validate_workflow(&definition, &registered), []);
        assert_eq!(validate_workflow(&definition, &|_| Some(Arc::new(template("uri")))).len(), 1);
        let own = json!({"taskDefinition": {"inputTemplate": {member: "x"}}});
        assert_eq!(step_faults(json!([step(task_type, own)])), [""; 0]);
    }
}

/// The message for `${token}` as the member K of a step's input.
fn token_faults(token: &str) -> Vec<String> {
    let tasks = json!([{"name": "N", "taskReferenceName": "R", "inputParameters": {"K": token}},
        step("SWITCH", json!({"taskReferenceName": "S", "evaluatorType": "value-param",
            "expression": "v", "decisionCases": {"a": [noop("inner")]}}))]);
    step_faults(tasks)
}

#[test]
fn tokens_of_top_steps_must_lead_somewhere() {
    for token in [
        "plain",
        "${workflow.input.a}",
        "${R.output.x}",
        "${inner.output.x}",
        "${CPEWF_TASK_ID}",
        "${NETFLIX_ENV}",
        "${workflow.secrets.S}",
        "${workflow.input['a b']}",
        "$${ghost.x}",
        "${workflow.input.a",
        "${workflow.input.${workflow.input.which}}",
        "a ${R.output} b",
        "${workflow.input.l[?(@.p > 10 && @.q == 'x')]}",
        "${workflow}",
        "${R}",
        "pay $${ghost.x} and ${R.output.y}",
    ] {
        assert_eq!(token_faults(token), [""; 0], "{token}");
    }
    let at = "/tasks/0/inputParameters/K |  | ";
    for (token, path, root) in [
        ("${ghost.output.y}", "ghost.output.y", "ghost"),
        ("${WORKFLOW.input.a}", "WORKFLOW.input.a", "WORKFLOW"),
        ("${$.workflow.input.a}", "$.workflow.input.a", "$"),
        ("${workflow['input']['a']}", "workflow['input']['a']", "workflow['input']['a']"),
        ("${file.separator}", "file.separator", "file"),
    ] {
        let message = format!(
            "{at}taskReferenceName: {root} for given task: N input value: {path} of input \
             parameter: K is not defined in workflow definition."
        );
        assert_eq!(token_faults(token), [message], "{token}");
    }
    for (token, path) in [
        ("${}", ""),
        ("a${ }b", " "),
        ("${ workflow.input.a }", " workflow.input.a "),
        ("${workflow.input.a.}", "workflow.input.a."),
    ] {
        let message = format!("{at}key: K input parameter value: {path} is not valid");
        assert_eq!(token_faults(token), [message], "{token}");
    }
}

#[test]
fn several_faults_come_at_once_with_their_places() {
    let definition = json!({
        "schemaVersion": 3,
        "tasks": [
            {"taskReferenceName": "a", "type": "NOOP", "startDelay": -1,
             "inputParameters": {"x": {"l/1": ["ok", "${ghost.output.y}"]}},
             "onStateChange": {"s": [{"type": "t"}, {}]}},
            {"name": "s", "taskReferenceName": "s", "type": "SWITCH", "evaluatorType": "value-param",
             "expression": "v", "decisionCases": {"x/y": [{"name": "", "taskReferenceName": "a"}]},
             "defaultCase": [{"name": "e", "taskReferenceName": "e", "type": "EVENT"}]},
            {"name": "l", "taskReferenceName": "l", "type": "DO_WHILE", "loopCondition": "",
             "loopOver": [{"type": "EVENT"}]},
        ],
    });
    insta::assert_snapshot!(shown(&faults(definition)).join("\n"), @r"
    /name | name | WorkflowDef name cannot be null or empty
    /schemaVersion | schemaVersion | workflowDef schemaVersion: 2 is only supported
    /tasks/0/name | tasks[0].name | WorkflowTask name cannot be empty or null
    /tasks/0/startDelay | tasks[0].startDelay | must be greater than or equal to 0
    /tasks/0/onStateChange/s/1/type | tasks[0].onStateChange[s].<map value>[1].type | must not be null
    /tasks/1/decisionCases/x~1y/0/name | tasks[1].decisionCases[x/y].<map value>[0].name | WorkflowTask name cannot be empty or null
    /tasks/1/defaultCase/0/sink | tasks[1].defaultCase[0] | sink field is required for taskType: EVENT taskName: e
    /tasks/2/loopOver/0/taskReferenceName | tasks[2].loopOver[0].taskReferenceName | WorkflowTask taskReferenceName name cannot be empty or null
    /tasks/1/decisionCases/x~1y/0/taskReferenceName |  | taskReferenceName: a should be unique across tasks for a given workflowDefinition: null
    /tasks/0/inputParameters/x/l~11/1 |  | taskReferenceName: ghost for given task: null input value: ghost.output.y of input parameter: l/1 is not defined in workflow definition.
    ");
}

#[test]
fn single_values_are_shown_with_their_fault() {
    let found = faults(json!({"name": "", "schemaVersion": 3, "tasks": []}));
    let values: Vec<_> =
        found.iter().map(|f| (f.path.as_str(), f.invalid_value.as_deref())).collect();
    assert_eq!(values, [("name", Some("")), ("tasks", None), ("schemaVersion", Some("3"))]);
    assert_eq!(found[1].message, "WorkflowTask list cannot be empty");
}

/// Faults that Conductor meets only when an execution is stuck.
#[test]
fn forks_and_joins_must_fit_together() {
    let fork = |reference: &str, branches: Value| json!({"name": "f", "taskReferenceName": reference, "type": "FORK_JOIN", "forkTasks": branches});
    let join = |reference: &str, on: Value| json!({"name": "j", "taskReferenceName": reference, "type": "JOIN", "joinOn": on});
    assert_eq!(
        step_faults(json!([fork("f", json!([[noop("a")], []])), join("j", json!(["a"]))])),
        [
            "/tasks/0/forkTasks/1 | tasks[0] | forkTasks[1] should have atleast one task for taskType: \
          FORK_JOIN taskName: f"
        ]
    );
    assert_eq!(
        step_faults(json!([fork("f", json!([[noop("a")]])), join("j", json!(["a", "ghost"]))])),
        ["/tasks/1/joinOn/1 | tasks[1] | joinOn: ghost of taskReferenceName: j is not defined in \
          workflow definition."]
    );
    let inner = fork("f2", json!([[noop("a")]]));
    let nested = fork("f", json!([[inner, join("j2", json!(["a"]))], [noop("b")]]));
    assert_eq!(step_faults(json!([nested, join("j", json!(["j2", "b"]))])), [""; 0]);
    // The JOIN behind a SWITCH follows the fork that ends one of its branches.
    let cases = json!({"x": [fork("f", json!([[noop("a")]]))]});
    let switch = json!({"name": "s", "taskReferenceName": "s", "type": "SWITCH",
        "evaluatorType": "value-param", "expression": "v", "decisionCases": cases});
    assert_eq!(step_faults(json!([switch, join("j", json!(["a"]))])), [""; 0]);
    let body = json!([fork("f", json!([[noop("a")]]))]);
    let endless = step("DO_WHILE", json!({"loopCondition": "", "loopOver": body}));
    assert_eq!(step_faults(json!([endless, join("j", json!(["a__1"]))])).len(), 1);
}

/// The names of a dynamic fork's branches are known only at run time.
#[test]
fn joins_may_name_steps_that_a_dynamic_fork_makes() {
    let fork = step("FORK_JOIN_DYNAMIC", json!({"inputParameters": {"forkTaskInputs": [1]}}));
    let join = json!({"name": "j", "taskReferenceName": "j", "type": "JOIN", "joinOn": ["_R_0"]});
    assert_eq!(step_faults(json!([fork, join])), [""; 0]);
}

/// Goal: the limits of tasks and nesting can be reached. Method: ordinary tasks, as many as there may
/// be and one more; forks and switches as deep as may be and one deeper, as JSON.
#[test]
fn the_limits_of_tasks_and_nesting_can_be_reached() {
    let ordinary = |index: usize| {
        json!({"name": format!("charge_customer_{index}"), "type": "SIMPLE",
            "taskReferenceName": format!("charge_customer_ref_{index}"),
            "description": "Charges the customer's card and reports what the bank answered",
            "inputParameters": {"customerId": "${workflow.input.customerId}",
                "orderId": "${workflow.input.order.id}", "amount": "${workflow.input.amount}",
                "currency": "EUR", "retries": 3, "dryRun": false}})
    };
    for (tasks, faulty) in [(DEFINITION_TASKS_MAX, false), (DEFINITION_TASKS_MAX + 1, true)] {
        let tasks: Vec<Value> = (0..tasks).map(ordinary).collect();
        assert_eq!(!faults(json!({"name": "W", "tasks": tasks})).is_empty(), faulty);
    }
    let run = move || {
        for branch in ["decisionCases", "forkTasks", "loopOver"] {
            for (depth, faulty) in [(DEFINITION_DEPTH_MAX, false), (DEFINITION_DEPTH_MAX + 1, true)]
            {
                let json = format!(r#"{{"name":"W","tasks":[{}]}}"#, nested(branch, depth));
                let definition = baton_common::strict::from_str(&json).unwrap();
                let faults = shown(&validate_workflow(&definition, &|_| None)).join("\n");
                assert_eq!(faults.contains("the limit is 64"), faulty, "{branch}: {faults}");
            }
        }
    };
    let stack = baton_common::limits::READER_STACK_BYTES;
    std::thread::Builder::new().stack_size(stack).spawn(run).unwrap().join().unwrap();
}

fn nested(branch: &str, depth: usize) -> String {
    let name = format!(r#""name":"n","taskReferenceName":"r{depth}""#);
    if depth == 1 {
        return format!(r#"{{{name},"type":"NOOP"}}"#);
    }
    let inner = nested(branch, depth - 1);
    match branch {
        "decisionCases" => format!(
            r#"{{{name},"type":"SWITCH","evaluatorType":"value-param","expression":"v","decisionCases":{{"c":[{inner}]}}}}"#
        ),
        "forkTasks" => format!(r#"{{{name},"type":"FORK_JOIN","forkTasks":[[{inner}]]}}"#),
        _ => format!(r#"{{{name},"type":"DO_WHILE","loopCondition":"","loopOver":[{inner}]}}"#),
    }
}

#[test]
fn limits_are_named_with_their_value() {
    let many: Vec<WorkflowTask> = (0..=DEFINITION_TASKS_MAX)
        .map(|_| WorkflowTask { name: Some("n".into()), ..WorkflowTask::default() })
        .collect();
    let many = WorkflowDef { tasks: many, ..WorkflowDef::default() };
    let mut deep = WorkflowTask::default();
    for _ in 0..DEFINITION_DEPTH_MAX {
        deep = WorkflowTask { loop_over: vec![deep], ..WorkflowTask::default() };
    }
    let deep = WorkflowDef { tasks: vec![deep], ..WorkflowDef::default() };
    let messages =
        [many, deep].map(|definition| shown(&validate_workflow(&definition, &|_| None)).join("\n"));
    insta::assert_snapshot!(messages.join("\n"), @r"
    /tasks |  | the definition has 5001 tasks, the limit is 5000
    /tasks |  | tasks are nested 65 deep, the limit is 64
    ");
    let description = Some("x".repeat(DEFINITION_BYTES_MAX));
    let large = WorkflowDef { description, ..WorkflowDef::default() };
    let bytes = serde_json::to_string(&large).unwrap().len();
    let message = format!(
        " |  | the definition has {bytes} bytes of JSON, the limit is {DEFINITION_BYTES_MAX}"
    );
    assert_eq!(shown(&validate_workflow(&large, &|_| None)), [message]);
}

/// Goal: each text that a definition fixes has its limit, also in loops and children. Method: a text
/// at the limit in place of `*`, one above it, one with U+0000, and an expression of any length.
#[test]
fn names_and_keys_are_accepted_up_to_their_limit() {
    let child = json!({"name": "c", "tasks": [step("SIMPLE", json!({"name": "*"}))]});
    let in_loop = json!({"loopCondition": "", "loopOver": [noop("*")]});
    for (more, below, limit) in [
        (json!({"name": "*"}), "/name", NAME_BYTES_MAX),
        (json!({"taskReferenceName": "*"}), "/taskReferenceName", REFERENCE_NAME_BYTES_MAX),
        (json!({"type": "*"}), "/type", NAME_BYTES_MAX),
        (json!({"joinOn": ["*"]}), "/joinOn/0", REFERENCE_NAME_BYTES_MAX),
        (json!({"taskDefinition": {"name": "*"}}), "/taskDefinition/name", NAME_BYTES_MAX),
        (json!({"subWorkflowParam": {"name": "*"}}), "/subWorkflowParam/name", NAME_BYTES_MAX),
        (
            json!({"subWorkflowParam": {"taskToDomain": {"t": "d,*"}}}),
            "/subWorkflowParam/taskToDomain/t",
            NAME_BYTES_MAX,
        ),
        (
            json!({"subWorkflowParam": {"taskToDomain": {"*": "d"}}}),
            "/subWorkflowParam/taskToDomain/*",
            NAME_BYTES_MAX,
        ),
        (
            json!({"subWorkflowParam": {"idempotencyKey": "*"}}),
            "/subWorkflowParam/idempotencyKey",
            IDEMPOTENCY_KEY_BYTES_MAX,
        ),
        (
            json!({"subWorkflowParam": {"workflowDefinition": child}}),
            "/subWorkflowParam/workflowDefinition/tasks/0/name",
            NAME_BYTES_MAX,
        ),
        (in_loop, "/loopOver/0/taskReferenceName", REFERENCE_NAME_BYTES_MAX - "__10000".len()),
    ] {
        let tasks = json!([step("SIMPLE", more)]).to_string();
        let with = |text: &str| {
            let tasks = serde_json::from_str(&tasks.replace('*', text)).unwrap();
            let faults = faults(json!({"name": "W", "tasks": Value::Array(tasks)}));
            let faults = faults.into_iter().filter(|fault| {
                fault.message.contains("UTF-8") || fault.message.contains("U+0000")
            });
            faults.map(|fault| fault.pointer).collect::<Vec<_>>()
        };
        let text = |bytes: usize| "x".repeat(bytes % 2) + &"é".repeat(bytes / 2);
        let at = |text: &str| vec![format!("/tasks/0{}", below.replace('*', text))];
        assert_eq!(with(&text(limit)), [""; 0], "{below}");
        assert_eq!(with(&text(limit + 1)), at(&text(limit + 1)), "{below}");
        assert_eq!(with("a\\u0000"), at("a\0"), "{below}");
    }
    let expression = format!("${{workflow.input.{}}}", "x".repeat(2000));
    let named = json!({"name": expression, "subWorkflowParam": {"name": expression}});
    assert_eq!(step_faults(json!([step("SUB_WORKFLOW", named)])), [""; 0]);
    let named = json!({"name": "x".repeat(256), "failureWorkflow": "x".repeat(256),
        "tasks": [noop("r")]});
    assert_eq!(faults(named).len(), 2);
    let definition = json!({"name": "x".repeat(256), "isolationGroupId": "\0"});
    let definition: TaskDef = serde_json::from_value(definition).unwrap();
    assert_eq!(validate_task_def(&definition).len(), 2);
}

#[test]
fn task_definitions_have_minimum_values() {
    let found = |definition: Value| {
        let definition: TaskDef = serde_json::from_value(definition).unwrap();
        shown(&validate_task_def(&definition))
    };
    for accepted in [
        json!({"name": "N"}),
        json!({"name": "N", "timeoutSeconds": -1, "retryDelaySeconds": -1}),
        json!({"name": "N", "timeoutSeconds": 5, "responseTimeoutSeconds": 5, "totalTimeoutSeconds": 5}),
        json!({"name": "a b:c", "pollTimeoutSeconds": 0, "concurrentExecLimit": -1}),
    ] {
        assert_eq!(found(accepted), [""; 0]);
    }
    let everything = json!({"name": "", "retryCount": -1, "responseTimeoutSeconds": 0,
        "pollTimeoutSeconds": -1, "backoffScaleFactor": 0, "maxRetryDelaySeconds": -1,
        "backoffJitterMs": -1, "totalTimeoutSeconds": -1});
    insta::assert_snapshot!(found(everything).join("\n"), @r"
    /name | name | TaskDef name cannot be null or empty
    /retryCount | retryCount | TaskDef retryCount: 0 must be >= 0
    /responseTimeoutSeconds | responseTimeoutSeconds | TaskDef responseTimeoutSeconds: 0 should be minimum 1 second
    /pollTimeoutSeconds | pollTimeoutSeconds | TaskDef pollTimeoutSeconds: 0 must be >= 0
    /backoffScaleFactor | backoffScaleFactor | Backoff scale factor. Applicable for LINEAR_BACKOFF
    /maxRetryDelaySeconds | maxRetryDelaySeconds | TaskDef maxRetryDelaySeconds: 0 must be >= 0
    /backoffJitterMs | backoffJitterMs | TaskDef backoffJitterMs: 0 must be >= 0
    /totalTimeoutSeconds | totalTimeoutSeconds | TaskDef totalTimeoutSeconds: 0 must be >= 0
    ");
    let contradicting = json!({"name": "N", "timeoutSeconds": 60, "totalTimeoutSeconds": 50});
    insta::assert_snapshot!(found(contradicting).join("\n"), @r"
    /responseTimeoutSeconds |  | TaskDef: N responseTimeoutSeconds: 3600 must be less than timeoutSeconds: 60
    /timeoutSeconds |  | TaskDef: N timeoutSeconds: 60 must be less than or equal to totalTimeoutSeconds: 50
    ");
}

/// The folder of recordings beside the repository, where it is.
fn shared() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    path.join("conformance").is_dir().then_some(path)
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(json_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn is_refused(recording: &Value) -> bool {
    recording["expected"].get("register").is_some()
}

/// Every definition of the corpus that Conductor was seen to take is taken.
#[test]
fn the_corpus_is_accepted_as_conductor_accepts_it() {
    let Some(shared) = shared() else { return };
    let definitions = read(&shared.join("corpus/task-defs.json"));
    let definitions: Vec<TaskDef> = serde_json::from_value(definitions).unwrap();
    let task_defs = |name: &str| {
        definitions.iter().find(|def| def.name.as_deref() == Some(name)).cloned().map(Arc::new)
    };
    let mut seen = 0;
    for path in json_files(&shared.join("corpus/expected")) {
        let name = path.file_name().unwrap();
        let definition = workflow(read(&shared.join("corpus/definitions").join(name)));
        let found = shown(&validate_workflow(&definition, &task_defs));
        assert_eq!(found.is_empty(), !is_refused(&read(&path)), "{}: {found:?}", name.display());
        seen += 1;
    }
    assert!(seen > 100, "{seen} definitions");
}

/// Recordings whose quirk says that refusing is right, though Conductor registers them.
const REFUSED_HERE: [&str; 2] = ["fork-join/empty-branch", "fork-join/join-on-unknown"];

/// The faults of everything a scenario registers; an unreadable definition is a fault too.
fn scenario_faults(scenario: &Value) -> Vec<String> {
    let definitions: Vec<TaskDef> =
        serde_json::from_value(scenario.get("taskDefs").cloned().unwrap_or(json!([]))).unwrap();
    let task_defs = |name: &str| {
        definitions.iter().find(|def| def.name.as_deref() == Some(name)).cloned().map(Arc::new)
    };
    let mut found: Vec<String> =
        definitions.iter().flat_map(|def| shown(&validate_task_def(def))).collect();
    for definition in scenario["workflowDefs"].as_array().into_iter().flatten() {
        match serde_json::from_value(definition.clone()) {
            Ok(definition) => found.extend(shown(&validate_workflow(&definition, &task_defs))),
            Err(error) => found.push(format!("unreadable: {error}")),
        }
    }
    found
}

/// What Conductor was seen to register and to refuse.
#[test]
fn the_scenarios_are_accepted_as_conductor_accepts_them() {
    let Some(shared) = shared() else { return };
    let folder = shared.join("conformance/scenarios");
    let mut refused_here = BTreeSet::new();
    for path in json_files(&folder) {
        let scenario = read(&path);
        let found = scenario_faults(&scenario);
        let name = path.with_extension("").strip_prefix(&folder).unwrap().display().to_string();
        if !found.is_empty() && !is_refused(&scenario) {
            assert!(scenario.get("quirk").is_some(), "{name}: {found:?}");
            refused_here.insert(name);
        } else {
            assert_eq!(found.is_empty(), !is_refused(&scenario), "{name}: {found:?}");
        }
    }
    assert_eq!(refused_here, REFUSED_HERE.map(str::to_owned).into());
}

/// Each rule about contradicting timeouts, as recorded call by call.
#[test]
fn recorded_task_definitions_are_judged_as_conductor_judges_them() {
    let Some(shared) = shared() else { return };
    let scenario = read(&shared.join("conformance/scenarios/timeouts/definition-rules.json"));
    let steps = scenario["steps"].as_array().unwrap();
    for (step, seen) in steps.iter().zip(scenario["expected"]["observed"].as_array().unwrap()) {
        let definition = serde_json::from_value::<TaskDef>(step["body"][0].clone());
        let is_accepted = definition.is_ok_and(|def| validate_task_def(&def).is_empty());
        assert_eq!(is_accepted, seen["status"] == 200, "{step}");
    }
}
