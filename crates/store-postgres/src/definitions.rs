//! Definitions as columns and rows.
use crate::batch::Param;
use crate::error::{DEFINITION_EXISTS, DEFINITION_MISSING, store_error};
use crate::rows::{get, payload};
use crate::text::{text, value};
use baton_common::Payload;
use baton_store::{DefinitionChanges, DefinitionWrite, StoreError};
use std::borrow::Cow;
use tokio_postgres::Row;

/// The arrays that `baton_write_definitions` takes; none is ever null as a whole.
#[derive(Default)]
pub(crate) struct Definitions<'a> {
    of_task: Vec<bool>,
    name: Vec<Cow<'a, str>>,
    version: Vec<i32>,
    body: Vec<Option<&'a [u8]>>,
    overwrite: Vec<bool>,
}

impl<'a> Definitions<'a> {
    pub(crate) fn of(writes: &'a [DefinitionWrite]) -> Self {
        let mut definitions = Self::default();
        for write in writes {
            let (of_task, name, version, body, overwrite) = parts(write);
            definitions.of_task.push(of_task);
            definitions.name.push(text(name));
            definitions.version.push(version);
            definitions.body.push(body.map(|body| body.get().as_bytes()));
            definitions.overwrite.push(overwrite);
        }
        definitions
    }

    pub(crate) fn params(&self) -> [Param<'_>; 5] {
        [&self.of_task, &self.name, &self.version, &self.body, &self.overwrite]
    }
}

fn parts(write: &DefinitionWrite) -> (bool, &str, i32, Option<&Payload>, bool) {
    match write {
        DefinitionWrite::PutWorkflow { name, version, body, overwrite } => {
            (false, name, *version, Some(body), *overwrite)
        }
        DefinitionWrite::DeleteWorkflow { name, version } => (false, name, *version, None, false),
        DefinitionWrite::PutTask { name, body } => (true, name, 0, Some(body), true),
        DefinitionWrite::DeleteTask { name } => (true, name, 0, None, false),
    }
}

/// A refusal that names the definition it is about.
pub(crate) fn refusal(writes: &[DefinitionWrite], error: &tokio_postgres::Error) -> StoreError {
    let Some(db) = error.as_db_error() else { return store_error(error) };
    let place: Option<usize> = db.detail().and_then(|detail| detail.parse().ok());
    let Some(write) = place.and_then(|place| writes.get(place.checked_sub(1)?)) else {
        return store_error(error);
    };
    let name = match write {
        DefinitionWrite::PutWorkflow { name, version, .. }
        | DefinitionWrite::DeleteWorkflow { name, version } => format!("{name}:{version}"),
        DefinitionWrite::PutTask { name, .. } | DefinitionWrite::DeleteTask { name } => {
            name.clone()
        }
    };
    match db.code().code() {
        DEFINITION_EXISTS => StoreError::AlreadyExists(name),
        DEFINITION_MISSING => StoreError::NotFound(name),
        _ => store_error(error),
    }
}

/// The answer of `read_definitions.sql`.
pub(crate) fn changes(rows: &[Row]) -> Result<DefinitionChanges, StoreError> {
    let mut changes = DefinitionChanges::default();
    for row in rows {
        let Some(name) = get::<Option<String>>(row, "name")?.map(value) else {
            changes.revision = get(row, "revision")?;
            continue;
        };
        let body = get::<Option<&[u8]>>(row, "body")?.map(payload).transpose()?;
        if get(row, "of_task")? {
            changes.tasks.push((name, body));
        } else {
            changes.workflows.push((name, get(row, "version")?, body));
        }
    }
    Ok(changes)
}
