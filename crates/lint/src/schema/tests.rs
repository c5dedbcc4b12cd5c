//! The schema against the reader, and against mistakes.
use super::*;
use baton_decider::decide::types;

fn errors(schema: &Value, json: &str) -> Vec<String> {
    let validator = jsonschema::draft202012::new(schema).unwrap();
    let value: Value = serde_json::from_str(json).unwrap();
    validator
        .iter_errors(&value)
        .map(|error| format!("{} {error}", error.instance_path()))
        .collect()
}

/// Goal: the schema takes what the reader takes, and nothing else but for fractions, which the reader
/// cuts off. Method: each member of each type gets values of every kind.
#[test]
fn the_schema_takes_what_the_reader_takes() {
    let kinds = [
        "null",
        "7",
        "-1",
        "0.5",
        "\"7\"",
        "\" 7 \"",
        "\"text\"",
        "\"\"",
        "\"true\"",
        "true",
        "[]",
        "[null]",
        "[[]]",
        "[[null]]",
        "[\"a\"]",
        "[1]",
        "[{}]",
        "{}",
        "{\"a\":null}",
        "{\"a\":[]}",
        "{\"a\":\"b\"}",
        "{\"a\":1}",
        "9999999999",
    ];
    let mut different = Vec::new();
    for (schema, name, is_read) in [
        (workflow_schema(), "WorkflowDef", reads::<WorkflowDef> as fn(&str) -> bool),
        (workflow_schema(), "WorkflowTask", reads::<baton_common::WorkflowTask>),
        (
            workflow_schema(),
            "SubWorkflowParams",
            reads::<baton_common::definition::SubWorkflowParams>,
        ),
        (
            workflow_schema(),
            "StateChangeEvent",
            reads::<baton_common::definition::StateChangeEvent>,
        ),
        (workflow_schema(), "SchemaDef", reads::<baton_common::definition::SchemaDef>),
        (workflow_schema(), "CacheConfig", reads::<baton_common::definition::CacheConfig>),
        (workflow_schema(), "RateLimitConfig", reads::<baton_common::definition::RateLimitConfig>),
        (task_def_schema(), "TaskDef", reads::<TaskDef>),
    ] {
        let mut part = schema.clone();
        part["$ref"] = json!(format!("#/$defs/{name}"));
        part["required"] = json!([]);
        part["$defs"]["WorkflowTask"]["required"] = json!([]);
        let validator = jsonschema::draft202012::new(&part).unwrap();
        for member in schema["$defs"][name]["properties"].as_object().unwrap().keys() {
            for kind in kinds {
                let json = format!("{{\"{member}\":{kind}}}");
                let is_valid = validator.is_valid(&serde_json::from_str(&json).unwrap());
                let is_struct = kind.starts_with('{') && schema_of_struct(schema, name, member);
                let is_known = kind == "0.5" || is_struct || NOT_READ.contains(&member.as_str());
                if is_valid != is_read(&json) && !is_known {
                    different.push(format!("{name} {json} {}", if is_valid { "+" } else { "-" }));
                }
            }
        }
    }
    insta::assert_snapshot!(different.join("\n"));
}

/// Members that the schema allows and the reader passes over.
const NOT_READ: [&str; 2] = ["$schema", "callbackFromWorker"];

/// Whether a member is another struct, whose unknown members the schema refuses.
fn schema_of_struct(schema: &Value, name: &str, member: &str) -> bool {
    schema["$defs"][name]["properties"][member]["anyOf"].is_array()
}

fn reads<T: serde::de::DeserializeOwned>(json: &str) -> bool {
    baton_common::strict::from_str::<T>(json).is_ok()
}

#[test]
fn typical_mistakes_fail() {
    let step = |members: &str| {
        format!(r#"{{"name":"w","tasks":[{{"name":"a","taskReferenceName":"a"{members}}}]}}"#)
    };
    for (json, place) in [
        (r#"{"name":"w"}"#.to_owned(), " \"tasks\" is a required property"),
        (r#"{"tasks":[]}"#.to_owned(), " \"name\" is a required property"),
        (r#"{"name":"w","task":[],"tasks":[]}"#.to_owned(), "('task' was unexpected)"),
        (step(r#","inputParametres":{}"#), "/tasks/0 Additional properties"),
        (step(r#","type":"http""#), "/tasks/0/type"),
        (step(r#","type":"SWITCH","decisionCases":{}"#), "\"expression\" is a required property"),
        (step(r#","startDelay":"soon""#), "/tasks/0/startDelay"),
        (step(r#","optional":"yes""#), "/tasks/0/optional"),
        (step(r#","inputParameters":[]"#), "/tasks/0/inputParameters"),
        (step(r#","type":"DO_WHILE","loopOver":[{"name":"b"}]"#), "/tasks/0/loopOver/0"),
        (r#"{"name":"w","tasks":[],"timeoutPolicy":"RETRY"}"#.to_owned(), "/timeoutPolicy"),
    ] {
        let found = errors(workflow_schema(), &json).join("\n");
        assert!(found.contains(place), "{json}: {found}");
    }
    for (json, place) in [
        (r#"{"name":"t","retryLogic":"LINEAR"}"#, "/retryLogic"),
        (r#"{"name":"t","timeoutSecond":1}"#, "Additional properties"),
        (r#"{"name":"t","retryCount":-1}"#, "/retryCount"),
        (r#"{"name":""}"#, "/name"),
        (r#"{"retryCount":1}"#, "required"),
    ] {
        let found = errors(task_def_schema(), json).join("\n");
        assert!(found.contains(place), "{json}: {found}");
    }
}

#[test]
fn every_member_and_type_is_explained() {
    for schema in [workflow_schema(), task_def_schema()] {
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            let members = definition["properties"].as_object().into_iter().flatten();
            for (member, property) in members {
                assert!(property["description"].is_string(), "{name}.{member}");
            }
        }
    }
    let types =
        workflow_schema()["$defs"]["WorkflowTask"]["properties"]["type"]["anyOf"][0]["oneOf"]
            .clone();
    assert_eq!(types.as_array().unwrap().len(), types::all().count());
    assert!(!types.to_string().contains("A task of the engine."));
}

/// Goal: an editor can name the schema in the file.
#[test]
fn a_file_may_name_its_schema() {
    let json = r#"{"$schema":"workflow.schema.json","name":"w","tasks":[]}"#;
    assert_eq!(errors(workflow_schema(), json), Vec::<String>::new());
}
