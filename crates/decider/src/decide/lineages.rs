//! How many starts stand between an execution and the last thing that came from outside.
use super::decider::Decider;
use super::names;
use crate::command::{ChildStart, MessageBody};
use crate::state::Lineage;
use baton_common::TaskStatus;

impl Decider {
    /// Counts a start among those since something last came from outside.
    ///
    /// # Errors
    /// Why it is one too many, or which of its names is too long.
    pub(super) fn with_lineage(&self, start: ChildStart) -> Result<ChildStart, String> {
        let lineage = self.lineage_of(&start, self.execution.starts + 1);
        let fault = names::start_fault(&start).or_else(|| lineage.fault(&start.name));
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
