//! What a run knows of itself, and how its parts ask its processes.
use crate::case::{Case, Fault};
use crate::gate::{Gate, Life};
use crate::rules::Breach;
use crate::shared::Shared;
use baton_orchestrator::{Orchestrator, OrchestratorError};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a client waits for an answer, ms.
const ANSWER_MS: u64 = 30_000;

/// What a run needs to know of itself.
pub(crate) struct World {
    /// The case.
    pub(crate) case: Case,
    /// What its parts share.
    pub(crate) shared: Arc<Shared>,
    /// The processes that run, by their place.
    pub(crate) engines: RefCell<Vec<Option<(Gate, Orchestrator)>>>,
    /// Starts whose answer is outstanding.
    pub(crate) starts_left: Cell<usize>,
    /// Operations that are still to come.
    pub(crate) operations_left: Cell<usize>,
    /// The executions that answer each start.
    pub(crate) roots: RefCell<Vec<(usize, String)>>,
    /// How often each step's worker has failed, as it was told to.
    pub(crate) failures: RefCell<BTreeMap<String, u32>>,
    /// Executions that a person has acted upon, and scripts whose engine was lost.
    pub(crate) disturbed: Cell<bool>,
}

/// A process that runs.
pub(crate) type Engine = (Gate, Orchestrator);

impl World {
    /// Whether nothing is left to do.
    pub(crate) fn is_over(&self) -> bool {
        self.starts_left.get() == 0
            && self.operations_left.get() == 0
            && self.shared.check().is_quiet()
    }

    /// Lets the processes go on that stand still.
    pub(crate) fn thaw(&self) {
        for (gate, _) in self.engines.borrow().iter().flatten() {
            gate.set(Life::Runs);
        }
    }

    /// One of the processes that run.
    pub(crate) fn engine(&self) -> Option<Engine> {
        let engines = self.engines.borrow();
        let alive: Vec<&Engine> =
            engines.iter().flatten().filter(|(gate, _)| gate.life() != Life::Dead).collect();
        if alive.is_empty() {
            return None;
        }
        let chosen = self.shared.dice().roll(alive.len());
        Some(alive[chosen].clone())
    }

    /// Asks one of the processes; `None` when no answer came.
    pub(crate) async fn ask<T>(
        &self,
        request: impl AsyncFnOnce(Orchestrator) -> Result<T, OrchestratorError>,
    ) -> Option<Result<T, OrchestratorError>> {
        let Some((gate, engine)) = self.engine() else {
            self.shared.pause(100, 300).await;
            return None;
        };
        self.shared.pause(0, 2).await;
        let is_lost = self.shared.strikes(Fault::AnswerLost, 60);
        let patience = if is_lost { self.shared.dice().between(1, 40) } else { ANSWER_MS };
        let answered = async {
            let answer = request(engine).await;
            gate.pass().await;
            answer
        };
        tokio::select! {
            biased;
            () = gate.death() => None,
            () = tokio::time::sleep(Duration::from_millis(patience)) => None,
            answer = answered => Some(answer),
        }
    }

    /// Notes a breach that a client has seen.
    pub(crate) fn expect(&self, seen: Result<(), Breach>) {
        if let Err((rule, text)) = seen {
            self.shared.fail(rule, text);
        }
    }
}
