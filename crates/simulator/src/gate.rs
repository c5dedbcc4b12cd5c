//! Whether a process runs, stands still or is dead. All it does to the world goes through its gate.
use crate::lock::lock;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// The state of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It runs.
    Runs,
    /// It stands still and knows nothing of it.
    StandsStill,
    /// It is dead: what it was about to do never happens.
    Dead,
}

/// The gate of one process. Not a `tokio::sync::watch`, which wakes in random order.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<(Mutex<Life>, Notify)>);

impl Gate {
    /// The gate of a process that runs.
    pub(crate) fn new() -> Self {
        Self(Arc::new((Mutex::new(Life::Runs), Notify::new())))
    }

    /// Changes the state; the dead stay dead.
    pub(crate) fn set(&self, life: Life) {
        let mut now = lock(&self.0.0);
        if *now != Life::Dead && *now != life {
            *now = life;
            self.0.1.notify_waiters();
        }
    }

    /// The state.
    pub(crate) fn life(&self) -> Life {
        *lock(&self.0.0)
    }

    /// Comes back when the process runs; never, when it is dead.
    pub(crate) async fn pass(&self) {
        loop {
            let change = self.0.1.notified();
            match self.life() {
                Life::Runs => return,
                Life::Dead => break,
                Life::StandsStill => change.await,
            }
        }
        std::future::pending::<()>().await;
    }

    /// Comes back when the process is dead.
    pub(crate) async fn death(&self) {
        loop {
            let change = self.0.1.notified();
            if self.life() == Life::Dead {
                return;
            }
            change.await;
        }
    }
}
