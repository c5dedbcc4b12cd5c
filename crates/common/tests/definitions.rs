//! Definitions keep what users register: every field of Conductor's model with its default, free-form
//! members byte for byte, and nothing that the model does not know.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
use baton_common::limits::READER_STACK_BYTES;
use baton_common::{TaskDef, WorkflowDef, WorkflowTask, strict};
use indexmap::IndexMap;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// A member of a definition: its name and how it is read and printed.
type Field = (&'static str, Shape);

#[derive(Clone, Copy)]
enum Shape {
    /// Text that may be absent.
    Text,
    /// A whole number with its default; null is 0.
    Integer(i64),
    /// A whole number that may be absent.
    OptionalInteger,
    /// A truth value with its default; null is false.
    Boolean(bool),
    /// A truth value that may be absent.
    OptionalBoolean,
    /// One of these words; the first is the default.
    Word(&'static [&'static str]),
    /// One of these words, or absent.
    OptionalWord(&'static [&'static str]),
    /// Texts; absent and null are an empty list.
    Texts,
    /// A free-form object; absent and null are an empty one.
    Object,
    /// An object of these members, or absent.
    Nested(&'static [Field]),
    /// Steps.
    Tasks,
    /// Lists of steps by name.
    Cases,
    /// Lists of steps.
    Branches,
    /// Lists of state-change events by name.
    Events,
}

use Shape::{
    Boolean, Branches, Cases, Events, Integer, Nested, Object, OptionalBoolean, OptionalInteger,
    OptionalWord, Tasks, Text, Texts, Word,
};

const AUDIT: [Field; 5] = [
    ("ownerApp", Text),
    ("createTime", Integer(0)),
    ("updateTime", Integer(0)),
    ("createdBy", Text),
    ("updatedBy", Text),
];

const CACHE: &[Field] = &[("key", Text), ("ttlInSecond", Integer(0))];

const RATE_LIMIT: &[Field] = &[
    ("rateLimitKey", Text),
    ("concurrentExecLimit", Integer(0)),
    ("policy", Word(&["QUEUE", "REJECT"])),
];

const SUB_WORKFLOW: &[Field] = &[
    ("name", Text),
    ("version", OptionalInteger),
    ("idempotencyKey", Text),
    ("idempotencyStrategy", Text),
];

/// conductor-rest-api §2.1, without the audit fields.
const WORKFLOW: &[Field] = &[
    ("name", Text),
    ("description", Text),
    ("version", Integer(1)),
    ("tasks", Tasks),
    ("inputParameters", Texts),
    ("outputParameters", Object),
    ("inputTemplate", Object),
    ("variables", Object),
    ("failureWorkflow", Text),
    ("failureWorkflowVersion", OptionalInteger),
    ("schemaVersion", Integer(2)),
    ("restartable", Boolean(true)),
    ("workflowStatusListenerEnabled", Boolean(false)),
    ("workflowStatusListenerSink", Text),
    ("ownerEmail", Text),
    ("timeoutPolicy", Word(&["ALERT_ONLY", "TIME_OUT_WF"])),
    ("timeoutSeconds", Integer(0)),
    ("rateLimitConfig", Nested(RATE_LIMIT)),
    ("enforceSchema", Boolean(true)),
    ("cacheConfig", Nested(CACHE)),
    ("maskedFields", Texts),
    ("metadata", Object),
];

/// conductor-rest-api §2.2.
const TASK: &[Field] = &[
    ("name", Text),
    ("taskReferenceName", Text),
    ("description", Text),
    ("inputParameters", Object),
    ("type", Word(&["SIMPLE", "HTTP", "MY_OWN_TYPE"])),
    ("dynamicTaskNameParam", Text),
    ("caseValueParam", Text),
    ("caseExpression", Text),
    ("scriptExpression", Text),
    ("evaluatorType", Text),
    ("expression", Text),
    ("decisionCases", Cases),
    ("defaultCase", Tasks),
    ("forkTasks", Branches),
    ("dynamicForkJoinTasksParam", Text),
    ("dynamicForkTasksParam", Text),
    ("dynamicForkTasksInputParamName", Text),
    ("joinOn", Texts),
    ("joinStatus", Text),
    ("joinMode", OptionalWord(&["SYNC", "ASYNC"])),
    ("defaultExclusiveJoinTask", Texts),
    ("loopCondition", Text),
    ("loopOver", Tasks),
    ("items", Text),
    ("startDelay", Integer(0)),
    ("subWorkflowParam", Nested(SUB_WORKFLOW)),
    ("sink", Text),
    ("optional", Boolean(false)),
    ("permissive", Boolean(false)),
    ("asyncComplete", Boolean(false)),
    ("rateLimited", OptionalBoolean),
    ("retryCount", OptionalInteger),
    ("taskDefinition", Nested(TASK_DEF)),
    ("onStateChange", Events),
    ("cacheConfig", Nested(CACHE)),
    ("metadata", Object),
];

/// conductor-rest-api §2.3, without the audit fields.
const TASK_DEF: &[Field] = &[
    ("name", Text),
    ("description", Text),
    ("retryCount", Integer(3)),
    ("retryLogic", Word(&["FIXED", "EXPONENTIAL_BACKOFF", "LINEAR_BACKOFF"])),
    ("retryDelaySeconds", Integer(60)),
    ("backoffScaleFactor", Integer(1)),
    ("maxRetryDelaySeconds", Integer(0)),
    ("backoffJitterMs", Integer(0)),
    ("timeoutSeconds", Integer(0)),
    ("totalTimeoutSeconds", Integer(0)),
    ("responseTimeoutSeconds", Integer(3600)),
    ("pollTimeoutSeconds", OptionalInteger),
    ("timeoutPolicy", Word(&["TIME_OUT_WF", "RETRY", "ALERT_ONLY"])),
    ("inputKeys", Texts),
    ("outputKeys", Texts),
    ("inputTemplate", Object),
    ("concurrentExecLimit", OptionalInteger),
    ("rateLimitPerFrequency", Integer(0)),
    ("rateLimitFrequencyInSeconds", Integer(1)),
    ("isolationGroupId", Text),
    ("executionNameSpace", Text),
    ("ownerEmail", Text),
    ("runtimeMetadata", Texts),
    ("baseType", Text),
    ("taskStatusListenerEnabled", Boolean(true)),
    ("enforceSchema", Boolean(false)),
    // Audit fields too: this table stands alone where a step carries its definition.
    ("ownerApp", Text),
    ("createTime", Integer(0)),
    ("updateTime", Integer(0)),
    ("createdBy", Text),
    ("updatedBy", Text),
];

fn workflow_fields() -> Vec<Field> {
    AUDIT.iter().chain(WORKFLOW).copied().collect()
}

/// What is printed: members of definitions in any order, everything else as it was given.
#[derive(Clone, Debug)]
enum Printed {
    /// This text, byte for byte.
    Exactly(String),
    /// An object of the model: these members and no others.
    Members(Vec<(String, Printed)>),
    /// An object whose keys are the user's, in this order.
    Entries(Vec<(String, Printed)>),
    /// A list.
    Elements(Vec<Printed>),
}

impl Printed {
    fn exactly(text: impl Into<String>) -> Self {
        Self::Exactly(text.into())
    }

    /// Where `json` is something else, if anywhere.
    fn difference(&self, json: &str, at: &str) -> Option<String> {
        match self {
            Self::Exactly(text) => (text != json).then(|| format!("{at}: {text} became {json}")),
            Self::Elements(expected) => {
                let found: Vec<Box<RawValue>> = serde_json::from_str(json).unwrap();
                if expected.len() != found.len() {
                    return Some(format!("{at}: {} became {}", expected.len(), found.len()));
                }
                let mut pairs = expected.iter().zip(&found).enumerate();
                pairs.find_map(|(index, (e, f))| e.difference(f.get(), &format!("{at}/{index}")))
            }
            Self::Entries(expected) | Self::Members(expected) => {
                let found: IndexMap<String, Box<RawValue>> = serde_json::from_str(json).unwrap();
                let mut keys: Vec<&String> = expected.iter().map(|(key, _)| key).collect();
                let mut found_keys: Vec<&String> = found.keys().collect();
                if matches!(self, Self::Members(_)) {
                    keys.sort();
                    found_keys.sort();
                }
                if keys != found_keys {
                    return Some(format!("{at}: members {keys:?} became {found_keys:?}"));
                }
                expected.iter().find_map(|(key, expected)| {
                    expected.difference(found[key].get(), &format!("{at}/{key}"))
                })
            }
        }
    }
}

/// A member as it is given (or left out) and as it is printed (or left out).
type Member = (Option<String>, Option<Printed>);
/// A value as it is given and as it is printed.
type Pair = (String, Printed);

/// Any free-form JSON object, with spellings and blanks that a parser would lose.
fn free_object() -> BoxedStrategy<String> {
    let leaves = [
        "null",
        "0",
        "-0",
        "1.0",
        "1e3",
        "1E+2",
        "0.10",
        "9007199254740993",
        "true",
        "false",
        "123456789012345678901234567890",
        r#""""#,
        r#""${workflow.input.a}""#,
        r#""\u00fc ü \n""#,
        "{}",
        "[]",
        "{ }",
    ];
    let leaf = proptest::sample::select(leaves.to_vec()).prop_map(str::to_owned);
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![list.prop_map(|list| format!("[{}]", list.join(" ,"))), object_of(inner)]
    });
    object_of(value).boxed()
}

fn object_of(value: impl Strategy<Value = String> + 'static) -> BoxedStrategy<String> {
    let keys = proptest::sample::subsequence(vec!["b", "a", "ü", "", "z.y", "10", "9"], 0..4);
    (keys.prop_shuffle(), prop::collection::vec(value, 4))
        .prop_map(|(keys, values)| {
            let members = keys.iter().zip(values).map(|(key, value)| format!("\"{key}\": {value}"));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        })
        .boxed()
}

fn text() -> BoxedStrategy<Pair> {
    let texts = ["", " ", "a", "${workflow.input.a}", "ü\"\\\n", "null", "7"];
    proptest::sample::select(texts.to_vec()).prop_map(|text| same(json!(text).to_string())).boxed()
}

fn same(text: String) -> Pair {
    (text.clone(), Printed::Exactly(text))
}

fn integer() -> BoxedStrategy<Pair> {
    prop_oneof![
        (-5i32..100_000).prop_map(|n| same(n.to_string())),
        (0i32..100).prop_map(|n| (format!("\" {n} \""), Printed::exactly(n.to_string()))),
        (0i32..100).prop_map(|n| (format!("{n}.75"), Printed::exactly(n.to_string()))),
    ]
    .boxed()
}

fn word(words: &'static [&'static str]) -> BoxedStrategy<Pair> {
    proptest::sample::select(words).prop_map(|word| same(format!("\"{word}\""))).boxed()
}

fn list(element: BoxedStrategy<Pair>) -> BoxedStrategy<Pair> {
    prop::collection::vec(element, 0..3)
        .prop_map(|pairs| {
            let (given, printed): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            (format!("[{}]", given.join(", ")), Printed::Elements(printed))
        })
        .boxed()
}

fn by_name(value: BoxedStrategy<Pair>) -> BoxedStrategy<Pair> {
    let keys = proptest::sample::subsequence(vec!["yes", "a", "10", "9"], 0..3).prop_shuffle();
    (keys, prop::collection::vec(value, 3))
        .prop_map(|(keys, pairs)| {
            let members: Vec<_> = keys.iter().zip(pairs).collect();
            let given = members.iter().map(|(key, (given, _))| format!("\"{key}\":{given}"));
            let given = format!("{{{}}}", given.collect::<Vec<_>>().join(","));
            let printed = members.into_iter().map(|(key, (_, p))| ((*key).to_owned(), p));
            (given, Printed::Entries(printed.collect()))
        })
        .boxed()
}

/// A member that may be given, left out or null, with what is printed in the latter cases.
fn member(
    given: BoxedStrategy<Pair>,
    absent: Option<Printed>,
    null: Option<Printed>,
) -> BoxedStrategy<Member> {
    prop_oneof![
        4 => given.prop_map(|(given, printed)| (Some(given), Some(printed))),
        3 => Just((None, absent)),
        1 => Just((Some("null".to_owned()), null)),
    ]
    .boxed()
}

fn member_of(shape: Shape, depth: u32) -> BoxedStrategy<Member> {
    let given = match shape {
        Text => text(),
        Integer(_) | OptionalInteger => integer(),
        Boolean(_) | OptionalBoolean => any::<bool>().prop_map(|b| same(b.to_string())).boxed(),
        Word(words) | OptionalWord(words) => word(words),
        Texts => list(text()),
        Object => free_object().prop_map(same).boxed(),
        Nested(fields) => document(fields.to_vec(), depth),
        Tasks => list(document(TASK.to_vec(), depth + 1)),
        Cases => by_name(list(document(TASK.to_vec(), depth + 1))),
        Branches => list(list(document(TASK.to_vec(), depth + 1))),
        Events => by_name(list(document(vec![("type", Text)], depth))),
    };
    let some = |text: &str| Some(Printed::exactly(text));
    match shape {
        Text | OptionalInteger | OptionalBoolean | OptionalWord(_) | Nested(_) => {
            member(given, None, None)
        }
        Integer(default) => member(given, some(&default.to_string()), some("0")),
        Boolean(default) => member(given, some(&default.to_string()), some("false")),
        Word(words) => {
            let default = some(&format!("\"{}\"", words[0]));
            let given = given.prop_map(|(given, printed)| (Some(given), Some(printed)));
            prop_oneof![given, Just((None, default))].boxed()
        }
        Texts | Tasks | Branches => member(given, some("[]"), some("[]")),
        Object | Cases | Events => member(given, some("{}"), some("{}")),
    }
}

/// An object of the model, in any order, with members that the model does not know.
fn document(fields: Vec<Field>, depth: u32) -> BoxedStrategy<Pair> {
    let is_inner = |shape: &Shape| matches!(shape, Tasks | Cases | Branches);
    let fields: Vec<Field> =
        fields.into_iter().filter(|(_, shape)| depth < 2 || !is_inner(shape)).collect();
    let mut always = Vec::new();
    if depth >= 2 {
        let lists = TASK.iter().filter(|(_, shape)| is_inner(shape));
        let known = fields.iter().any(|(name, _)| *name == "taskReferenceName");
        always = if known { lists.copied().collect() } else { Vec::new() };
    }
    let strategies: Vec<BoxedStrategy<(&'static str, Member)>> = fields
        .into_iter()
        .map(|(name, shape)| member_of(shape, depth).prop_map(move |member| (name, member)).boxed())
        .collect();
    (strategies.prop_shuffle(), any::<bool>())
        .prop_map(move |(members, has_unknown)| {
            let mut given: Vec<String> = Vec::new();
            let mut printed: Vec<(String, Printed)> = Vec::new();
            for (name, (value, shown)) in members {
                given.extend(value.map(|value| format!("\"{name}\" : {value}")));
                printed.extend(shown.map(|shown| (name.to_owned(), shown)));
            }
            for (name, shape) in &always {
                let empty = if matches!(shape, Cases) { "{}" } else { "[]" };
                printed.push(((*name).to_owned(), Printed::exactly(empty)));
            }
            if has_unknown {
                given.push(r#""callbackFromWorker": true, "odd": {"tasks": [null]}"#.to_owned());
            }
            (format!("{{{}}}", given.join(",\n")), Printed::Members(printed))
        })
        .boxed()
}

/// Reads and prints.
fn print<T: DeserializeOwned + Serialize>(json: &str) -> String {
    let value: T = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    serde_json::to_string(&value).unwrap()
}

/// Printing what was read gives what the table says, and reading that again changes nothing.
fn check<T: DeserializeOwned + Serialize>((given, expected): &Pair) {
    let printed = print::<T>(given);
    assert_eq!(expected.difference(&printed, ""), None, "given {given}\nprinted {printed}");
    assert_eq!(print::<T>(&printed), printed);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn workflow_definitions_are_printed_as_they_were_given(pair in document(workflow_fields(), 1)) {
        check::<WorkflowDef>(&pair);
    }

    #[test]
    fn steps_are_printed_as_they_were_given(pair in document(TASK.to_vec(), 1)) {
        check::<WorkflowTask>(&pair);
    }

    #[test]
    fn task_definitions_are_printed_as_they_were_given(pair in document(TASK_DEF.to_vec(), 0)) {
        check::<TaskDef>(&pair);
    }
}

fn printed_default<T: DeserializeOwned + Serialize>() -> Value {
    serde_json::from_str(&print::<T>("{}")).unwrap()
}

/// conductor-rest-api §2.1: what a workflow definition prints of which nothing was given.
#[test]
fn workflow_definitions_have_the_documented_defaults() {
    let expected = json!({
        "createTime": 0, "updateTime": 0, "version": 1, "tasks": [], "inputParameters": [],
        "outputParameters": {}, "inputTemplate": {}, "variables": {}, "schemaVersion": 2,
        "restartable": true, "workflowStatusListenerEnabled": false,
        "timeoutPolicy": "ALERT_ONLY", "timeoutSeconds": 0, "enforceSchema": true,
        "maskedFields": [], "metadata": {},
    });
    assert_eq!(printed_default::<WorkflowDef>(), expected);
}

/// conductor-rest-api §2.2.
#[test]
fn steps_have_the_documented_defaults() {
    let expected = json!({
        "inputParameters": {}, "type": "SIMPLE", "decisionCases": {}, "defaultCase": [],
        "forkTasks": [], "joinOn": [], "defaultExclusiveJoinTask": [], "loopOver": [],
        "startDelay": 0, "optional": false, "permissive": false, "asyncComplete": false,
        "onStateChange": {}, "metadata": {},
    });
    assert_eq!(printed_default::<WorkflowTask>(), expected);
}

/// conductor-rest-api §2.3.
#[test]
fn task_definitions_have_the_documented_defaults() {
    let expected = json!({
        "createTime": 0, "updateTime": 0, "retryCount": 3, "retryLogic": "FIXED",
        "retryDelaySeconds": 60, "backoffScaleFactor": 1, "maxRetryDelaySeconds": 0,
        "backoffJitterMs": 0, "timeoutSeconds": 0, "totalTimeoutSeconds": 0,
        "responseTimeoutSeconds": 3600, "timeoutPolicy": "TIME_OUT_WF", "inputKeys": [],
        "outputKeys": [], "inputTemplate": {}, "rateLimitPerFrequency": 0,
        "rateLimitFrequencyInSeconds": 1, "runtimeMetadata": [],
        "taskStatusListenerEnabled": true, "enforceSchema": false,
    });
    assert_eq!(printed_default::<TaskDef>(), expected);
}

/// The schemas are fields of the model as well, though nothing of them is checked.
#[test]
fn schemas_are_kept_as_they_are() {
    let schema = json!({"name": "s", "version": 2, "type": "AVRO", "data": {"a": null}});
    let given = json!({"inputSchema": schema, "outputSchema": schema}).to_string();
    for printed in [print::<WorkflowDef>(&given), print::<TaskDef>(&given)] {
        let printed: Value = serde_json::from_str(&printed).unwrap();
        for name in ["inputSchema", "outputSchema"] {
            assert_eq!(printed[name]["type"], "AVRO");
            assert_eq!(printed[name]["data"], json!({"a": null}));
        }
    }
}

/// A child's definition is kept whole, and an expression in its place stays text.
#[test]
fn definitions_of_children_are_kept() {
    let child = r#"{"name":"c","tasks":[{"name":"a","taskReferenceName":"a"}],"odd":1}"#;
    let given = format!(r#"{{"subWorkflowParam":{{"workflowDefinition":{child}}}}}"#);
    let printed: Value = serde_json::from_str(&print::<WorkflowTask>(&given)).unwrap();
    let kept = &printed["subWorkflowParam"]["workflowDefinition"];
    assert_eq!(kept["tasks"][0]["name"], "a");
    assert_eq!(kept.get("odd"), None);

    let given = r#"{"subWorkflowParam":{"workflowDefinition":"${workflow.input.d}","priority":"${workflow.input.p}"}}"#;
    let printed: Value = serde_json::from_str(&print::<WorkflowTask>(given)).unwrap();
    let expected =
        json!({"workflowDefinition": "${workflow.input.d}", "priority": "${workflow.input.p}"});
    assert_eq!(printed["subWorkflowParam"], expected);
}

/// The write-only spelling of a step's type.
#[test]
fn a_step_type_may_be_given_by_its_other_name() {
    let printed: Value =
        serde_json::from_str(&print::<WorkflowTask>(r#"{"workflowTaskType":"NOOP"}"#)).unwrap();
    assert_eq!(printed["type"], "NOOP");
    assert_eq!(printed.get("workflowTaskType"), None);
}

/// Values of a wrong shape are refused rather than replaced.
#[test]
fn values_of_a_wrong_shape_are_refused() {
    for given in [
        r#"{"version":"one"}"#,
        r#"{"version":{}}"#,
        r#"{"version":99999999999}"#,
        r#"{"tasks":{}}"#,
        r#"{"outputParameters":[]}"#,
        r#"{"variables":"x"}"#,
        r#"{"timeoutPolicy":"RETRY"}"#,
        r#"{"timeoutPolicy":""}"#,
        r#"{"restartable":"maybe"}"#,
        r#"{"tasks":[{"subWorkflowParam":{"version":"${workflow.input.v}"}}]}"#,
        r#"{"tasks":[{"subWorkflowParam":{"workflowDefinition":"name"}}]}"#,
    ] {
        assert!(serde_json::from_str::<WorkflowDef>(given).is_err(), "{given}");
    }
}

fn printed<T: DeserializeOwned + Serialize>(given: &str) -> Value {
    serde_json::from_str(&print::<T>(given)).unwrap()
}

/// Of two names for a step's type the last one given counts; null is not given.
#[test]
fn the_last_type_of_a_step_counts() {
    for (given, expected) in [
        (r#"{"type":"HTTP","workflowTaskType":"NOOP"}"#, "NOOP"),
        (r#"{"workflowTaskType":"NOOP","name":"n","type":"HTTP"}"#, "HTTP"),
        (r#"{"type":"HTTP","workflowTaskType":null}"#, "HTTP"),
        (r#"{"type":null,"workflowTaskType":"NOOP"}"#, "NOOP"),
        (r#"{"type":null}"#, "SIMPLE"),
        (r#"{"t\u0079pe":"HTTP"}"#, "HTTP"),
        (r#"{"type":7}"#, "7"),
    ] {
        assert_eq!(printed::<WorkflowTask>(given)["type"], expected, "{given}");
        let nested = format!(r#"{{"loopOver":[{given}],"name":"outer"}}"#);
        let nested = printed::<WorkflowTask>(&nested);
        assert_eq!(nested["loopOver"][0]["type"], expected, "{given}");
        assert_eq!((&nested["type"], &nested["name"]), (&json!("SIMPLE"), &json!("outer")));
    }
    for wrong in [r#"{"type":{}}"#, r#"{"type":["HTTP"]}"#, "[]", "7"] {
        assert!(serde_json::from_str::<WorkflowTask>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn null_stands_for_the_default_word() {
    let workflow = printed::<WorkflowDef>(
        r#"{"timeoutPolicy":null,"rateLimitConfig":{"policy":null},"inputSchema":{"type":null}}"#,
    );
    assert_eq!(workflow["timeoutPolicy"], "ALERT_ONLY");
    assert_eq!(workflow["rateLimitConfig"]["policy"], "QUEUE");
    assert_eq!(workflow["inputSchema"]["type"], "JSON");
    let task = printed::<TaskDef>(r#"{"timeoutPolicy":null,"retryLogic":null}"#);
    assert_eq!(
        (&task["timeoutPolicy"], &task["retryLogic"]),
        (&json!("TIME_OUT_WF"), &json!("FIXED"))
    );
    for wrong in
        [r#"{"timeoutPolicy":"NONE"}"#, r#"{"retryLogic":""}"#, r#"{"retryLogic":"fixed"}"#]
    {
        assert!(serde_json::from_str::<TaskDef>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn null_stands_for_an_empty_branch() {
    let step = printed::<WorkflowTask>(
        r#"{"decisionCases":{"a":null,"b":[{"name":"n"}]},"forkTasks":[null,[]],"onStateChange":{"s":null}}"#,
    );
    assert_eq!(step["decisionCases"]["a"], json!([]));
    assert_eq!(step["decisionCases"]["b"][0]["name"], "n");
    assert_eq!(step["forkTasks"], json!([[], []]));
    assert_eq!(step["onStateChange"], json!({"s": []}));
    for wrong in [r#"{"decisionCases":{"a":[null]}}"#, r#"{"forkTasks":[[null]]}"#] {
        assert!(serde_json::from_str::<WorkflowTask>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn numbers_and_truth_values_stand_for_texts() {
    let step = printed::<WorkflowTask>(
        r#"{"name":7,"taskReferenceName":1.0,"description":true,"expression":-2.5,"joinOn":[1,"b",false],
            "subWorkflowParam":{"name":3,"taskToDomain":{"*":1}},"onStateChange":{"s":[{"type":4}]}}"#,
    );
    assert_eq!((&step["name"], &step["taskReferenceName"]), (&json!("7"), &json!("1.0")));
    assert_eq!((&step["description"], &step["expression"]), (&json!("true"), &json!("-2.5")));
    assert_eq!(step["joinOn"], json!(["1", "b", "false"]));
    assert_eq!(step["subWorkflowParam"], json!({"name": "3", "taskToDomain": {"*": "1"}}));
    assert_eq!(step["onStateChange"]["s"][0]["type"], "4");
    let workflow = printed::<WorkflowDef>(r#"{"name":12345678901234567890,"inputParameters":[1]}"#);
    assert_eq!(
        (&workflow["name"], &workflow["inputParameters"]),
        (&json!("12345678901234567890"), &json!(["1"]))
    );
    assert_eq!(printed::<TaskDef>(r#"{"name":false}"#)["name"], "false");
    for wrong in [r#"{"name":{}}"#, r#"{"name":["a"]}"#, r#"{"joinOn":[{}]}"#, r#"{"joinOn":"a"}"#]
    {
        assert!(serde_json::from_str::<WorkflowTask>(wrong).is_err(), "{wrong}");
    }
}

/// A step in a child in a step in a child, so many levels down.
fn nested_children(levels: usize) -> String {
    let open = r#"{"name":"w","tasks":[{"name":"s","subWorkflowParam":{"workflowDefinition":"#;
    format!("{}{{}}{}", open.repeat(levels), "}}]}".repeat(levels))
}

/// Goal: nobody can overflow the stack with a definition. Method: on a reader's stack the deepest
/// that is accepted is read, also with the place of faults traced; the next is refused.
#[test]
fn children_are_nested_as_deep_as_json_may_be_and_no_deeper() {
    let on_a_readers_stack = || {
        for (levels, is_read) in
            [(1, true), (63, true), (64, false), (100, false), (100_000, false)]
        {
            let text = nested_children(levels);
            let read = strict::from_str::<WorkflowDef>(&text);
            assert_eq!(read.is_ok(), is_read, "{levels}");
            let message = read.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(is_read || message.starts_with("nested deeper than 256 levels"), "{message}");
            if is_read {
                let traced = strict::Strict(&mut strict::unbounded(text.as_bytes()));
                assert!(serde_path_to_error::deserialize::<_, WorkflowDef>(traced).is_ok());
            }
        }
        let [open, close] = [r#"{"loopOver":["#, "]}"].map(|part| part.repeat(62));
        let child = format!(
            r#"{open}{{"subWorkflowParam":{{"workflowDefinition":{{"tasks":[{open}{{}}{close}]}}}}}}{close}"#
        );
        assert!(strict::from_str::<WorkflowTask>(&child).is_ok());
    };
    let thread = std::thread::Builder::new().stack_size(READER_STACK_BYTES);
    thread.spawn(on_a_readers_stack).unwrap().join().unwrap();
}
