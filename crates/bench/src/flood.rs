//! Callers that start executions without a pause, refused or not: more than a server can take.
use crate::aside::Aside;
use crate::http::{Connection, Refusal, Target, refusal};
use bytes::Bytes;
use hyper::Method;
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// When a flood comes, and how wide it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tide {
    /// Connections.
    pub(crate) callers: u32,
    /// From its preparation to its beginning, and from there to its end.
    pub(crate) comes_after: Duration,
    pub(crate) lasts: Duration,
}

/// What became of its calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flooded {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) starts: Starts,
}

/// Calls by their answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Starts {
    pub(crate) taken: u64,
    /// 429 or 503 with a `Retry-After`.
    pub(crate) refused: u64,
    /// Any other answer, or none.
    pub(crate) failed: u64,
}

/// Prepares callers who start `workflow`.
pub(crate) fn prepare(
    target: &Target,
    workflow: &str,
    tide: Tide,
) -> anyhow::Result<Aside<Flooded>> {
    let (target, path) = (target.clone(), format!("/workflow/{workflow}"));
    Aside::prepare("flood", async move || flood(&target, &path, tide).await)
}

async fn flood(target: &Target, path: &str, tide: Tide) -> anyhow::Result<Flooded> {
    tokio::time::sleep(tide.comes_after).await;
    let began = Instant::now();
    let ended = began + tide.lasts;
    let starts = Rc::new(Cell::new(Starts::default()));
    let mut callers = JoinSet::new();
    for _ in 0..tide.callers {
        let (connection, path) = (Connection::new(target), path.to_owned());
        callers.spawn_local(call(connection, path, ended, starts.clone()));
    }
    while callers.join_next().await.is_some() {}
    Ok(Flooded { began, ended, starts: starts.get() })
}

async fn call(mut connection: Connection, path: String, until: Instant, starts: Rc<Cell<Starts>>) {
    while Instant::now() < until {
        let answer = connection.call(Method::POST, &path, Bytes::from_static(b"{}")).await;
        let mut sum = starts.get();
        match answer {
            Ok(_) => sum.taken += 1,
            Err(error) if refusal(&error).is_some_and(Refusal::asks_to_wait) => {
                sum.refused += 1;
            }
            Err(_) => sum.failed += 1,
        }
        starts.set(sum);
    }
}
