//! The one thread that writes. It takes what waits and commits it together: one flush to disk for all,
//! and no timer that waits for more.
use crate::errors::store_error;
use crate::log::{IDLE, Log};
use baton_store::{CommitError, StoreError};
use rusqlite::{Connection, TransactionBehavior};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Requests that wait at most; further callers wait for room.
const WAITING_MAX: usize = 1_024;

/// Requests in one transaction at most: bounds the time until the first is answered.
const GROUP_MAX: usize = 64;

/// Sends requests to the writing thread, and stops it when dropped.
pub(crate) struct Writer {
    requests: Option<mpsc::Sender<Box<dyn Request>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(connection: Connection, log: Log) -> Result<Self, StoreError> {
        let (requests, waiting) = mpsc::channel(WAITING_MAX);
        let thread = std::thread::Builder::new().name("baton-sqlite".to_owned());
        let failed = |error: std::io::Error| StoreError::Unavailable(error.to_string());
        // Only to wait for requests and for a time at once.
        let clock = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let clock = clock.map_err(failed)?;
        let thread = thread.spawn(move || run(connection, log, &clock, waiting));
        let thread = thread.map_err(failed)?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    /// Runs `work` on the writing thread and answers when its effects are on disk. When `work` fails
    /// none of its effects stay.
    pub(crate) async fn write<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: Cause,
        W: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let request = Work { todo: Some(work), result: None, caller };
        let requests = self.requests.as_ref().ok_or_else(|| E::from(stopped()))?;
        requests.send(Box::new(request)).await.map_err(|_| E::from(stopped()))?;
        answer.await.map_err(|_| E::from(stopped()))?
    }
}

impl Drop for Writer {
    /// Waits for the thread, so that the file is closed when this returns.
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take() {
            // A panicked thread has closed the file as well.
            drop(thread.join());
        }
    }
}

trait Request: Send {
    /// Does the work; false when none of its effects may stay.
    fn run(&mut self, connection: &Connection) -> bool;

    /// Whether it failed for want of something that may come: space, a lock.
    fn is_unavailable(&self) -> bool;

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// Why a request failed.
pub(crate) trait Cause: From<StoreError> + Send + 'static {
    /// Whether the database could not work, rather than would not.
    fn is_unavailable(&self) -> bool;
}

impl Cause for StoreError {
    fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl Cause for CommitError {
    fn is_unavailable(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_unavailable())
    }
}

struct Work<T, E, W> {
    todo: Option<W>,
    result: Option<Result<T, E>>,
    caller: oneshot::Sender<Result<T, E>>,
}

impl<T, E, W> Request for Work<T, E, W>
where
    T: Send,
    E: Cause,
    W: FnOnce(&Connection) -> Result<T, E> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        self.result = self.todo.take().map(|work| work(connection));
        self.result.as_ref().is_some_and(Result::is_ok)
    }

    fn is_unavailable(&self) -> bool {
        matches!(&self.result, Some(Err(error)) if error.is_unavailable())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let result = match outcome {
            Ok(()) => self.result.unwrap_or_else(|| Err(stopped().into())),
            Err(error) => Err(error.into()),
        };
        // The caller may have gone away; what is written stays.
        drop(self.caller.send(result));
    }
}

fn run(
    mut connection: Connection,
    mut log: Log,
    clock: &Runtime,
    mut waiting: mpsc::Receiver<Box<dyn Request>>,
) {
    while let Some(first) = next(&connection, &mut log, clock, &mut waiting) {
        let mut group = vec![first];
        while group.len() < GROUP_MAX {
            let Ok(next) = waiting.try_recv() else { break };
            group.push(next);
        }
        let outcome = commit(&mut connection, &mut group);
        if outcome.is_err() || group.iter().any(|request| request.is_unavailable()) {
            // Where the disk is full, the space that the log holds may be all that is needed.
            log.empty(&connection, Duration::ZERO);
        }
        for request in group {
            request.answer(outcome.clone());
        }
        log.written(&connection);
    }
}

/// The next request. When there is none for a while, the log is emptied.
fn next(
    connection: &Connection,
    log: &mut Log,
    clock: &Runtime,
    waiting: &mut mpsc::Receiver<Box<dyn Request>>,
) -> Option<Box<dyn Request>> {
    while log.is_used {
        if let Ok(request) = waiting.try_recv() {
            return Some(request);
        }
        match clock.block_on(async { timeout(IDLE, waiting.recv()).await }) {
            Ok(request) => return request,
            Err(_) => log.empty(connection, Duration::ZERO),
        }
    }
    waiting.blocking_recv()
}

/// One transaction for all. Each has a savepoint of its own, unless there is only one, which is the
/// rule: a savepoint costs a copy of every page that is written.
fn commit(connection: &mut Connection, group: &mut [Box<dyn Request>]) -> Result<(), StoreError> {
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let mut transaction = begun.map_err(store_error)?;
    if let [only] = group {
        if only.run(&transaction) {
            return transaction.commit().map_err(store_error);
        }
        return if is_undone(&transaction) {
            Ok(())
        } else {
            transaction.rollback().map_err(store_error)
        };
    }
    for request in group {
        let savepoint = transaction.savepoint().map_err(store_error)?;
        let is_done = request.run(&savepoint);
        if is_undone(&savepoint) {
            let what = "the transaction was undone, as when the disk is full";
            return Err(StoreError::Unavailable(what.to_owned()));
        }
        let ended = if is_done { savepoint.commit() } else { savepoint.finish() };
        ended.map_err(store_error)?;
    }
    transaction.commit().map_err(store_error)
}

/// Whether SQLite has undone the whole transaction by itself, as it may when the disk is full.
fn is_undone(connection: &Connection) -> bool {
    connection.is_autocommit()
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the writer has stopped".to_owned())
}
