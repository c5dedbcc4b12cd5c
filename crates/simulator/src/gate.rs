//! Whether a process runs, stands still or is dead. All it does to the world goes through its gate.
use tokio::sync::watch;

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

/// The gate of one process.
#[derive(Clone, Debug)]
pub(crate) struct Gate(watch::Sender<Life>);

impl Gate {
    /// The gate of a process that runs.
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Life::Runs))
    }

    /// Changes the state; the dead stay dead.
    pub(crate) fn set(&self, life: Life) {
        self.0.send_if_modified(|now| {
            let is_new = *now != Life::Dead && *now != life;
            if is_new {
                *now = life;
            }
            is_new
        });
    }

    /// The state.
    pub(crate) fn life(&self) -> Life {
        *self.0.borrow()
    }

    /// Comes back when the process runs; never, when it is dead.
    pub(crate) async fn pass(&self) {
        if self.life() == Life::Runs {
            return;
        }
        let mut life = self.0.subscribe();
        loop {
            match *life.borrow_and_update() {
                Life::Runs => return,
                Life::Dead => break,
                Life::StandsStill => {}
            }
            let _ = life.changed().await;
        }
        std::future::pending().await
    }

    /// Comes back when the process is dead.
    pub(crate) async fn death(&self) {
        let mut life = self.0.subscribe();
        while *life.borrow_and_update() != Life::Dead {
            let _ = life.changed().await;
        }
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}
