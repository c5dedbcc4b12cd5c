//! The one thread that writes. It takes what waits and commits it together: one flush to disk for all,
//! and no timer to wait for company.
use crate::errors::store_error;
use baton_store::StoreError;
use rusqlite::{Connection, Result, TransactionBehavior};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

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
    pub(crate) fn start(connection: Connection) -> Result<Self, StoreError> {
        let (requests, waiting) = mpsc::channel(WAITING_MAX);
        let thread = std::thread::Builder::new().name("baton-sqlite".to_owned());
        let thread = thread.spawn(move || run(connection, waiting));
        let thread = thread.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    /// Runs `work` on the writing thread and answers when its effects are on disk. When `work` fails
    /// none of its effects stay.
    pub(crate) async fn write<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
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

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Work<T, E, W> {
    todo: Option<W>,
    result: Option<Result<T, E>>,
    caller: oneshot::Sender<Result<T, E>>,
}

impl<T, E, W> Request for Work<T, E, W>
where
    T: Send,
    E: From<StoreError> + Send,
    W: FnOnce(&Connection) -> Result<T, E> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        self.result = self.todo.take().map(|work| work(connection));
        self.result.as_ref().is_some_and(Result::is_ok)
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

fn run(mut connection: Connection, mut waiting: mpsc::Receiver<Box<dyn Request>>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP_MAX {
            let Ok(next) = waiting.try_recv() else { break };
            group.push(next);
        }
        let outcome = commit(&mut connection, &mut group).map_err(store_error);
        for request in group {
            request.answer(outcome.clone());
        }
    }
}

/// One transaction for all. Each has a savepoint of its own, unless there is only one, which is the
/// rule: a savepoint costs a copy of every page that is written.
fn commit(connection: &mut Connection, group: &mut [Box<dyn Request>]) -> Result<()> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let [only] = group {
        let is_done = only.run(&transaction);
        return if is_done { transaction.commit() } else { transaction.rollback() };
    }
    for request in group {
        let savepoint = transaction.savepoint()?;
        if request.run(&savepoint) {
            savepoint.commit()?;
        } else {
            savepoint.finish()?;
        }
    }
    transaction.commit()
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the writer has stopped".to_owned())
}
