//! What goes on beside a run, on a thread of its own: it must not slow down the workers whose work it
//! disturbs by more than the processor it takes.
use anyhow::{Context, anyhow};
use std::thread::JoinHandle;
use tokio::task::LocalSet;

/// Work on a thread of its own.
pub(crate) struct Aside<T> {
    name: &'static str,
    thread: JoinHandle<anyhow::Result<T>>,
}

impl<T: Send + 'static> Aside<T> {
    /// Begins it.
    pub(crate) fn prepare(
        name: &'static str,
        work: impl AsyncFnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            LocalSet::new().block_on(&runtime, work())
        })?;
        Ok(Self { name, thread })
    }

    /// Waits for its end.
    pub(crate) fn ended(self) -> anyhow::Result<T> {
        let Self { name, thread } = self;
        thread.join().map_err(|_| anyhow!("the thread `{name}` panicked"))?.context(name)
    }
}
