//! The exact bytes of each version: `golden/v1.txt` and `golden/v2.txt` have a line for each sample, its
//! name and its record.
//!
//! `BATON_UPDATE_GOLDEN=1` writes the files. After a release no line of them may change: databases hold
//! such records.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]
mod samples;

use baton_common::Payload;
use baton_decider::change::Change;
use baton_decider::command::MessageBody;
use baton_decider::state::Execution;
use baton_format::{
    Entry, FormatError, decode_message, decode_overview, encode_changes, encode_message,
    encode_overview, encode_snapshot, replay,
};
use proptest::prelude::*;
use samples::{changes, execution, messages, overviews, states};
use std::collections::BTreeMap;

/// The version and its file.
const FILES: [(&[u8], &str); 2] = [
    (b"[1,", concat!(env!("CARGO_MANIFEST_DIR"), "/golden/v1.txt")),
    (b"[2,", concat!(env!("CARGO_MANIFEST_DIR"), "/golden/v2.txt")),
];

/// The name of each kind, and the list of all of them, from one table that the compiler checks.
macro_rules! kinds {
    ($name:ident, $all:ident, $type:ident: $($kind:ident),+) => {
        const $all: &[&str] = &[$(stringify!($kind)),+];
        fn $name(value: &$type) -> &'static str {
            match value {
                $($type::$kind { .. } => stringify!($kind)),+
            }
        }
    };
}

kinds!(change_kind, CHANGES, Change:
    ExecutionStarted, TaskScheduled, TaskLeased, TaskMoved, TaskReported, TaskRenewed, TaskInputSet,
    TaskEnded, TaskForgiven, TaskOverdue, TaskReopened, MessageSent,
    MessageReceived, TasksRemoved, AgendaLeft, BranchesPlanned, BranchesJoined, LoopIterated,
    LoopAdvanced, StepsDefined, VariablesSet, ExecutionPaused, ExecutionResumed, ExecutionEnded,
    OutputAmended, ExecutionReopened, ExecutionRestarted);
kinds!(message_kind, MESSAGES, MessageBody:
    Start, StartFor, Started, ChildEnded, ChildRefused, FailureRefused, ChildReopened, ParentEnded,
    ParentRetried);

fn encode_change(change: &Change) -> Vec<u8> {
    encode_changes(std::slice::from_ref(change), None, &execution())
}

/// Every sample by name, encoded.
fn encoded() -> BTreeMap<String, Vec<u8>> {
    let named = |kind: &str, name: &str| format!("{kind}, {name}");
    let mut all = BTreeMap::new();
    for (name, change) in changes() {
        let name = named(&format!("change {}", change_kind(&change)), name);
        assert_eq!(all.insert(name, encode_change(&change)), None, "two samples have one name");
    }
    for (name, message) in messages() {
        let name = named(&format!("message {}", message_kind(&message)), name);
        assert_eq!(
            all.insert(name, encode_message(3, &message)),
            None,
            "two samples have one name"
        );
    }
    all.extend(
        overviews()
            .iter()
            .map(|(name, overview)| (named("overview", name), encode_overview(overview))),
    );
    all.extend(
        states().iter().map(|(name, state)| (named("snapshot", name), encode_snapshot(state))),
    );
    all
}

/// The records of the files by name.
fn golden() -> BTreeMap<String, Vec<u8>> {
    let text: String =
        FILES.iter().map(|(_, file)| std::fs::read_to_string(file).unwrap()).collect();
    let record = |line: &str| {
        let (name, record) = line.split_once('\t').unwrap();
        (name.to_owned(), record.as_bytes().to_vec())
    };
    text.lines().map(record).collect()
}

/// Goal: bytes change only on purpose. Method: what is written today is compared with the file.
#[test]
fn todays_bytes_are_those_of_the_file() {
    let encoded = encoded();
    if std::env::var("BATON_UPDATE_GOLDEN").is_ok() {
        let line = |(name, record): (&String, &Vec<u8>)| {
            format!("{name}\t{}\n", String::from_utf8(record.clone()).unwrap())
        };
        for (version, file) in FILES {
            let lines = encoded.iter().filter(|(_, record)| record.starts_with(version)).map(line);
            std::fs::write(file, lines.collect::<String>()).unwrap();
        }
    }
    let golden = golden();
    assert_eq!(encoded.keys().collect::<Vec<_>>(), golden.keys().collect::<Vec<_>>());
    for (name, record) in &encoded {
        let texts = [record, &golden[name]].map(|bytes| String::from_utf8_lossy(bytes));
        assert_eq!(texts[0], texts[1], "{name}");
    }
}

/// Goal: old bytes are read for ever. Method: the file's records are read and compared with the values
/// that they were made of.
#[test]
fn the_bytes_of_the_file_are_read_as_what_they_were() {
    let golden = golden();
    for (name, change) in changes() {
        let record = &golden[&format!("change {}, {name}", change_kind(&change))];
        let read = Entry::parse(record).unwrap().apply(&mut execution());
        assert_eq!(read, Ok(vec![change]), "{name}");
    }
    for (name, message) in messages() {
        let record = &golden[&format!("message {}, {name}", message_kind(&message))];
        assert_eq!(decode_message(record), Ok((3, message)), "{name}");
    }
    for (name, overview) in overviews() {
        assert_eq!(decode_overview(&golden[&format!("overview, {name}")]), Ok(overview));
    }
    for (name, state) in states() {
        let read = read_snapshot(&golden[&format!("snapshot, {name}")], &state);
        assert_eq!(read.difference(&state), None, "{name}");
        assert_eq!(read.updated_at, state.updated_at);
        assert_eq!((read.paused_at, read.reopened_at), (state.paused_at, state.reopened_at));
        assert_eq!(read.inherited_failures, state.inherited_failures);
    }
}

fn read_snapshot(record: &[u8], state: &Execution) -> Execution {
    let (plan, input) = (state.plan.clone(), state.input.clone());
    replay(plan, input, Some((1, record)), &[]).unwrap().0
}

/// Goal: no kind is without its bytes. Method: every kind that the compiler knows is looked for.
#[test]
fn every_kind_is_in_the_file() {
    let golden = golden();
    let changes = CHANGES.iter().map(|kind| format!("change {kind}, full"));
    let messages = MESSAGES.iter().map(|kind| format!("message {kind}, full"));
    let others = ["overview, full", "snapshot, full"].map(str::to_owned);
    for name in changes.chain(messages).chain(others) {
        assert!(golden.contains_key(&name) || name.contains("TaskScheduled"), "{name}");
    }
    assert!(golden.keys().any(|name| name.starts_with("change TaskScheduled")));
}

/// Goal: what a newer build wrote is told apart from what is damaged. Method: the version of every
/// record is raised; a reserved or unknown member is added.
#[test]
fn a_newer_record_is_no_damaged_one() {
    let newer = |record: &[u8]| [b"[3,", &record[3..]].concat();
    for (name, record) in golden() {
        let record = newer(&record);
        let error = Err(FormatError::Newer { version: 3 });
        match name.split([' ', ',']).next().unwrap() {
            "change" => assert_eq!(Entry::parse(&record).map(drop), error, "{name}"),
            "message" => assert_eq!(decode_message(&record).map(drop), error, "{name}"),
            "overview" => assert_eq!(decode_overview(&record).map(drop), error, "{name}"),
            _ => {
                let state = execution();
                let read = replay(state.plan.clone(), state.input.clone(), Some((7, &record)), &[]);
                let unreadable = read.map(drop).unwrap_err();
                assert_eq!((unreadable.version, Err(unreadable.error)), (7, error), "{name}");
            }
        }
    }
    let message = br#"[1,{"namespace":"eu","number":1,"body":{"parentRetried":{}}}]"#;
    assert_eq!(decode_message(message), Err(FormatError::Newer { version: 1 }));
    let message = br#"[1,{"number":1,"body":{"parentRetried":{"loudly":true}}}]"#;
    assert!(matches!(decode_message(message), Err(FormatError::Corrupt(_))));
    let start = br#"[1,{"executionStarted":{"id":"019a","namespace":"eu"}}]"#;
    assert!(matches!(Entry::parse(start), Err(FormatError::Corrupt(_))));
}

/// Goal: a node's name does not depend on the compiler's numbers. Method: the entry is read for a
/// definition in which another step comes first.
#[test]
fn a_task_finds_its_step_when_the_numbers_are_others() {
    for (name, change) in changes() {
        let Change::TaskScheduled(task) = &change else { continue };
        let record = encode_change(&change);
        let mut moved = execution();
        let mut definition = (*moved.plan.definition).clone();
        definition.tasks.rotate_right(1);
        moved.plan = std::sync::Arc::new(baton_decider::plan::Plan::compile(definition));
        let read = Entry::parse(&record).unwrap().apply(&mut moved).unwrap();
        let [Change::TaskScheduled(read)] = &read[..] else { unreachable!("it was one task") };
        let path = |execution: &Execution, place| execution.node(place).path.clone();
        assert_eq!(path(&moved, read.place), path(&execution(), task.place), "{name}");
    }
}

#[test]
fn a_task_of_a_step_that_is_not_there_is_corrupt() {
    for record in [
        r#"[1,{"scheduled":{"seq":1,"ref":"none","at":0}}]"#,
        r#"[1,{"scheduled":{"seq":1,"ref":"a","at":0}}]"#,
        r#"[1,{"scheduled":{"seq":1,"ref":"b","path":"outer/b","at":0}}]"#,
        r#"[1,{"scheduled":{"seq":1,"ref":"b","plan":2,"at":0}}]"#,
        r#"[1,{"scheduled":{"seq":1,"ref":"b","runs":{"plan":9},"at":0}}]"#,
    ] {
        let read = Entry::parse(record.as_bytes()).unwrap().apply(&mut execution());
        assert!(matches!(read, Err(FormatError::Corrupt(_))), "{record}");
    }
}

proptest! {
    /// Whatever text and JSON a member holds comes back as it was.
    #[test]
    fn any_text_is_kept(text in any::<String>(), number in any::<i64>(), key in any::<String>()) {
        let json = Payload::of(&serde_json::json!({ key.clone(): [text.clone(), number] })).unwrap();
        let message = MessageBody::ChildEnded {
            task: samples::id(1).task(3),
            status: baton_common::WorkflowStatus::Failed,
            output: json.clone(),
            reason: Some(text.clone()),
            saw_outside: false,
        };
        prop_assert_eq!(decode_message(&encode_message(5, &message)), Ok((5, message)));
        let end = baton_decider::change::TaskEnd {
            seq: 1,
            status: baton_common::TaskStatus::Failed,
            output: Some(json),
            reason: Some(text.into()),
            worker: Some(key.into()),
            at: baton_common::Timestamp::from_millis(number),
        };
        let change = Change::TaskEnded(Box::new(end));
        let record = encode_change(&change);
        prop_assert_eq!(Entry::parse(&record).unwrap().apply(&mut execution()), Ok(vec![change]));
    }

    /// A damaged record is an error or another record, never a panic.
    #[test]
    fn damage_is_no_panic(pick in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(),
        byte in any::<u8>(), is_cut in any::<bool>()) {
        let golden: Vec<_> = golden().into_iter().collect();
        let (name, mut record) = golden[pick.index(golden.len())].clone();
        let at = at.index(record.len());
        if is_cut { record.truncate(at) } else { record[at] = byte }
        match name.split([' ', ',']).next().unwrap() {
            "change" => drop(Entry::parse(&record).and_then(|entry| entry.apply(&mut execution()))),
            "message" => drop(decode_message(&record)),
            "overview" => drop(decode_overview(&record)),
            _ => {
                let state = execution();
                drop(replay(state.plan.clone(), state.input.clone(), Some((1, &record)), &[]));
            }
        }
    }
}
