//! Decides messages: turns each into a start or a command.
use super::batch::{DraftBatch, JobDecider, JobOutcome, Known, answered};
use crate::journal;
use baton_common::{ExecutionId, TaskId};
use baton_decider::command::{ChildStart, Command, MessageBody};
use baton_store::StoredMessage;

impl JobDecider {
    /// Decides a message from the database.
    pub(super) fn read_message(
        &self,
        batch: &mut DraftBatch,
        message: &StoredMessage,
        index: usize,
    ) -> JobOutcome {
        let (number, body) = match journal::decode_message(message) {
            Ok(message) => message,
            Err(error) => return JobOutcome::Answered(Err(error.into())),
        };
        match body.into_start() {
            Ok((start, starter)) => {
                self.begin(batch, message.to, (message.id.from, starter), start)
            }
            Err(body) => {
                let command = Command::Receive { from: message.id.from, number, body };
                self.obey(batch, message.to, command, Known::nothing(index))
            }
        }
    }

    /// Decides a start that another execution of this batch asks for: both are committed together.
    pub(super) fn start_child(
        &self,
        batch: &mut DraftBatch,
        target: ExecutionId,
        from: ExecutionId,
        body: MessageBody,
    ) -> JobOutcome {
        match body.into_start() {
            Ok((start, starter)) => self.begin(batch, target, (from, starter), start),
            Err(_) => answered(target, Ok(())),
        }
    }

    /// Creates the execution that `from` asks for; `starter` is its START_WORKFLOW task, if it is one.
    fn begin(
        &self,
        batch: &mut DraftBatch,
        target: ExecutionId,
        (from, starter): (ExecutionId, Option<TaskId>),
        start: ChildStart,
    ) -> JobOutcome {
        match self.request_of(batch, start, from, starter) {
            Ok(request) => self.create(batch, target, &request),
            Err(error) => JobOutcome::Answered(Err(error)),
        }
    }
}
