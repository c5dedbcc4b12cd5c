//! The state of an execution, from its newest snapshot and the journal entries after it.
use crate::{Entry, FormatError, v1};
use baton_common::Payload;
use baton_decider::plan::Plan;
use baton_decider::state::Execution;
use std::sync::Arc;

/// A record that cannot be read, by the execution's version that wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("version {version}: {error}")]
pub struct Unreadable {
    /// The execution's version.
    pub version: i64,
    /// What is wrong with it.
    pub error: FormatError,
}

/// Entries by version, as a store has them.
type Entries<'a> = &'a [(i64, &'a [u8])];

/// The state that `entries` lead to, from the snapshot when there is one (entries up to its version are
/// not given then), else from the start; with the number of changes in the entries. `plan` and `input`
/// are those of the execution's row.
///
/// # Errors
/// [`Unreadable`] names the first record that cannot be read.
pub fn replay(
    plan: Arc<Plan>,
    input: Payload,
    snapshot: Option<(i64, &[u8])>,
    entries: Entries<'_>,
) -> Result<(Execution, usize), Unreadable> {
    let parsed = parse(entries)?;
    let changes = parsed.iter().map(|(_, entry)| entry.len()).sum();
    // What came before the last restart was about the steps of a plan that may no longer be this one.
    let restarts = parsed.iter().enumerate();
    let restart = restarts.rev().find_map(|(place, (_, entry))| Some((place, entry.restart()?)));
    let mut execution = match snapshot {
        Some((version, bytes)) => v1::snapshot::decode(bytes, plan, input, restart.is_none())
            .map_err(|error| Unreadable { version, error })?,
        None => begin(plan, input, &parsed)?,
    };
    for (place, (version, entry)) in parsed.into_iter().enumerate() {
        let done = match restart {
            Some((last, at)) if place == last => entry.apply_from(&mut execution, Some(at)),
            Some((last, _)) if place < last => entry.apply_from(&mut execution, None),
            Some(_) | None => entry.apply(&mut execution).map(drop),
        };
        done.map_err(|error| Unreadable { version, error })?;
    }
    Ok((execution, changes))
}

fn begin(
    plan: Arc<Plan>,
    input: Payload,
    parsed: &[(i64, Entry<'_>)],
) -> Result<Execution, Unreadable> {
    let missing = || FormatError::corrupt("the journal is empty");
    let Some((version, first)) = parsed.first() else {
        return Err(Unreadable { version: 1, error: missing() });
    };
    let facts = first.start().map_err(|error| Unreadable { version: *version, error })?;
    Ok(Execution::new(plan, facts, input))
}

/// Adds later entries to a state and says how many changes they hold; `None`, with nothing altered,
/// when a restart is among them: then the state must be replayed anew.
///
/// # Errors
/// As for [`replay`]; the state is worth nothing then.
pub fn catch_up(
    execution: &mut Execution,
    entries: Entries<'_>,
) -> Result<Option<usize>, Unreadable> {
    let parsed = parse(entries)?;
    if parsed.iter().any(|(_, entry)| entry.restart().is_some()) {
        return Ok(None);
    }
    let changes = parsed.iter().map(|(_, entry)| entry.len()).sum();
    for (version, entry) in parsed {
        entry.apply(execution).map_err(|error| Unreadable { version, error })?;
    }
    Ok(Some(changes))
}

fn parse<'a>(entries: Entries<'a>) -> Result<Vec<(i64, Entry<'a>)>, Unreadable> {
    let parse = |(version, bytes): &(i64, &'a [u8])| match Entry::parse(bytes) {
        Ok(entry) => Ok((*version, entry)),
        Err(error) => Err(Unreadable { version: *version, error }),
    };
    entries.iter().map(parse).collect()
}
