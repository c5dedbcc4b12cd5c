//! The one thread that writes. It takes what waits, gives each request a savepoint of its own, and
//! commits them together: one flush to disk for all, and no timer to wait for company.
use crate::errors::store_error;
use baton_store::StoreError;
use rusqlite::{Connection, Result, Transaction, TransactionBehavior};
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
    fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<()>;

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
    fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<()> {
        let Some(work) = self.todo.take() else { return Ok(()) };
        let savepoint = transaction.savepoint()?;
        let result = work(&savepoint);
        if result.is_ok() {
            savepoint.commit()?;
        } else {
            savepoint.finish()?;
        }
        self.result = Some(result);
        Ok(())
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

fn commit(connection: &mut Connection, group: &mut [Box<dyn Request>]) -> Result<()> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for request in group {
        request.run(&mut transaction)?;
    }
    transaction.commit()
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the writer has stopped".to_owned())
}
