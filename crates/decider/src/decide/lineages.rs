//! What an execution asks to be started: how many starts stand between it and the last thing that came
//! from outside, and whether its names are short enough.
use super::decider::Decider;
use super::names::fault;
use crate::command::{ChildStart, MessageBody};
use crate::state::Lineage;
use crate::validation::inline_fault;
use baton_common::limits::{CORRELATION_ID_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX, NAME_BYTES_MAX};
use baton_common::{TaskStatus, WorkflowDef, strict};

impl Decider {
    /// Counts a start among those since something last came from outside.
    ///
    /// # Errors
    /// Why it is one too many, or which of its names is too long.
    pub(super) fn with_lineage(&self, start: ChildStart) -> Result<ChildStart, String> {
        let lineage = self.lineage_of(&start, self.execution.starts + 1);
        let fault = start_fault(&start).or_else(|| lineage.fault(&start.name));
        fault.map_or(Ok(ChildStart { lineage, ..start }), Err)
    }

    fn lineage_of(&self, start: &ChildStart, siblings: u32) -> Lineage {
        let facts = &self.execution.facts;
        if self.execution.saw_outside {
            return Lineage::default();
        }
        facts.lineage.of_child(&facts.workflow_name, &start.name, siblings)
    }

    /// A task fails that would start one execution too many.
    pub(super) fn refuse_start(&mut self, seq: u32, reason: &str) {
        self.end(seq, TaskStatus::FailedWithTerminalError, None, Some(reason));
    }

    /// Siblings that one decision starts all count as many as there are.
    pub(super) fn finish_lineages(&mut self) {
        let mut messages = std::mem::take(&mut self.messages);
        for message in &mut messages {
            if let MessageBody::Start(start) | MessageBody::StartFor { start, .. } =
                &mut message.body
            {
                start.lineage = self.lineage_of(start, self.execution.starts);
            }
        }
        self.messages = messages;
    }
}

/// The first fault of what another execution is to start with.
fn start_fault(start: &ChildStart) -> Option<String> {
    let of_domain = |(task_type, domains): (&String, &String)| {
        let mut domains = domains.split(',').map(str::trim);
        fault("taskToDomain", task_type, NAME_BYTES_MAX)
            .or_else(|| domains.find_map(|domain| fault("taskToDomain", domain, NAME_BYTES_MAX)))
    };
    let (correlation_id, key) = (start.correlation_id.as_ref(), start.idempotency_key.as_ref());
    let of_definition = || {
        // What cannot be read is refused where it is to start.
        let definition: WorkflowDef = strict::from_str(start.definition.as_ref()?.get()).ok()?;
        let fault = inline_fault(&definition)?;
        Some(format!("workflowDefinition{}: {}", fault.pointer, fault.message))
    };
    fault("name", &start.name, NAME_BYTES_MAX)
        .or_else(|| fault("correlationId", correlation_id?, CORRELATION_ID_BYTES_MAX))
        .or_else(|| fault("idempotencyKey", key?, IDEMPOTENCY_KEY_BYTES_MAX))
        .or_else(|| start.task_to_domain.iter().find_map(of_domain))
        .or_else(of_definition)
}
