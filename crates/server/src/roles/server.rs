//! `baton server`: store, orchestrator, gateway and executor in one process.
//!
//! Seam: the composition is written once the orchestrator and the gateway exist. What is ready:
//! [`crate::config::EngineConfig`], [`super::executor::registry`] for the task types (to be run
//! over an in-process [`baton_executor::TaskSource`]), [`super::requested`] for shutdown.
use crate::config::Config;
use crate::failure::{Exit, Failure};

/// Serves until the process is asked to stop.
#[expect(clippy::unused_async, reason = "the composition awaits")]
pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    let listen = config.engine.listen;
    Err(Failure::new(Exit::Defect, format!("the engine is not composed yet (listen {listen})")))
}
