//! Definitions change all or none, under one revision, and their ends are remembered.
use super::bench::json;
use crate::DefinitionWrite::{DeleteTask, DeleteWorkflow, PutTask, PutWorkflow};
use crate::{DefinitionChanges, DefinitionWrite, Revision, Store, StoreError};
use baton_common::Payload;

fn put(name: &str, version: i32, body: &str, overwrite: bool) -> DefinitionWrite {
    PutWorkflow { name: name.to_owned(), version, body: json(body), overwrite }
}

fn delete(name: &str, version: i32) -> DefinitionWrite {
    DeleteWorkflow { name: name.to_owned(), version }
}

fn task(name: &str, body: &str) -> DefinitionWrite {
    PutTask { name: name.to_owned(), body: json(body) }
}

fn delete_task(name: &str) -> DefinitionWrite {
    DeleteTask { name: name.to_owned() }
}

/// Changes in an order that does not depend on the store.
pub(super) fn sorted(mut changes: DefinitionChanges) -> DefinitionChanges {
    changes.workflows.sort_by(|left, right| (&left.0, left.1).cmp(&(&right.0, right.1)));
    changes.tasks.sort_by(|left, right| left.0.cmp(&right.0));
    changes
}

async fn since(store: &dyn Store, revision: Revision) -> DefinitionChanges {
    sorted(store.read_definitions(revision).await.unwrap())
}

fn workflow(name: &str, version: i32, body: Option<&str>) -> (String, i32, Option<Payload>) {
    (name.to_owned(), version, body.map(json))
}

pub(super) async fn definitions_are_created_and_replaced(store: &dyn Store) {
    assert_eq!(since(store, 0).await, DefinitionChanges::default());
    let writes = [put("a", 2, "[2]", false), put("a", 1, "[1]", true), task("a", r#"{"b": 1.0}"#)];
    let first = store.write_definitions(&writes).await.unwrap();
    assert!(first > 0);
    let again = [put("a", 1, "[3]", true), task("a", "{}")];
    let second = store.write_definitions(&again).await.unwrap();
    assert!(second > first);
    let changes = since(store, 0).await;
    assert_eq!(changes.revision, second);
    let expected = [workflow("a", 1, Some("[3]")), workflow("a", 2, Some("[2]"))];
    assert_eq!(changes.workflows, expected);
    assert_eq!(changes.tasks, [("a".to_owned(), Some(json("{}")))]);
}

pub(super) async fn definitions_are_deleted_with_a_tombstone(store: &dyn Store) {
    let writes = [put("a", 1, "1", false), put("a", 2, "2", false), task("t", "{}")];
    let before = store.write_definitions(&writes).await.unwrap();
    let after = store.write_definitions(&[delete("a", 1), delete_task("t")]).await.unwrap();
    let changes = since(store, before).await;
    assert_eq!((changes.revision, &changes.tasks[..]), (after, &[("t".to_owned(), None)][..]));
    assert_eq!(changes.workflows, [workflow("a", 1, None)]);
    store.write_definitions(&[put("a", 1, "3", false), task("t", "4")]).await.unwrap();
    let changes = since(store, after).await;
    assert_eq!(changes.workflows, [workflow("a", 1, Some("3"))]);
    assert_eq!(changes.tasks, [("t".to_owned(), Some(json("4")))]);
}

pub(super) async fn refused_writes_change_nothing(store: &dyn Store) {
    let ended = [put("a", 1, "1", false), put("gone", 1, "1", false), task("gone", "1")];
    store.write_definitions(&ended).await.unwrap();
    let ends = [delete("gone", 1), delete_task("gone")];
    store.write_definitions(&ends).await.unwrap();
    let before = since(store, 0).await;
    let exists = |error| matches!(error, StoreError::AlreadyExists(_));
    let missing = |error| matches!(error, StoreError::NotFound(_));
    for (last, fits) in [
        (put("a", 1, "2", false), exists as fn(StoreError) -> bool),
        (delete("a", 2), missing),
        (delete("gone", 1), missing),
        (delete_task("a"), missing),
        (delete_task("gone"), missing),
    ] {
        let writes = [put("a", 1, "9", true), put("b", 1, "9", false), task("b", "9"), last];
        let error = store.write_definitions(&writes).await.unwrap_err();
        assert!(fits(error.clone()), "{error:?} for {:?}", writes[3]);
        assert_eq!(since(store, 0).await, before);
    }
}

pub(super) async fn writes_take_effect_in_order(store: &dyn Store) {
    let twice = [put("a", 1, "1", false), put("a", 1, "2", true), task("t", "1"), task("t", "2")];
    store.write_definitions(&twice).await.unwrap();
    let changes = since(store, 0).await;
    assert_eq!(changes.workflows, [workflow("a", 1, Some("2"))]);
    assert_eq!(changes.tasks, [("t".to_owned(), Some(json("2")))]);
    let moved = [delete("a", 1), put("a", 1, "3", false), delete_task("t"), task("t", "3")];
    store.write_definitions(&moved).await.unwrap();
    assert_eq!(since(store, 0).await.workflows, [workflow("a", 1, Some("3"))]);
    let clash = [put("b", 1, "1", false), put("b", 1, "2", false)];
    let error = store.write_definitions(&clash).await.unwrap_err();
    assert!(matches!(error, StoreError::AlreadyExists(_)), "{error:?}");
}

pub(super) async fn changes_are_read_since(store: &dyn Store) {
    let mut revisions = Vec::new();
    for version in 1..=4 {
        let writes = [put("a", version, "0", false), task(&format!("t{version}"), "0")];
        revisions.push(store.write_definitions(&writes).await.unwrap());
    }
    for (at, revision) in revisions.iter().enumerate() {
        let changes = since(store, *revision).await;
        assert_eq!(changes.revision, revisions[3]);
        assert_eq!((changes.workflows.len(), changes.tasks.len()), (3 - at, 3 - at));
    }
}
