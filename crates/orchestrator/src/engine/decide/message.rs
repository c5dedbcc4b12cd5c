//! Decides messages: turns each into a start or a command.
use super::batch::{DraftBatch, JobDecider, JobOutcome, Known, answered};
use crate::journal;
use baton_common::ExecutionId;
use baton_decider::command::{Command, MessageBody};
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
        let (start, starter) = match body {
            MessageBody::Start(start) => (start, None),
            MessageBody::StartFor { task, start } => (start, Some(task)),
            body @ (MessageBody::Started { .. }
            | MessageBody::ChildEnded { .. }
            | MessageBody::ChildRefused { .. }
            | MessageBody::FailureRefused { .. }
            | MessageBody::ChildReopened { .. }
            | MessageBody::ParentEnded { .. }
            | MessageBody::ParentRetried) => {
                let from = message.id.from;
                let command = Command::Receive { from, number, body };
                return self.obey(batch, message.to, command, Known::nothing(index));
            }
        };
        match self.request_of(batch, *start, message.id.from, starter) {
            Ok(request) => self.create(batch, message.to, &request),
            Err(error) => JobOutcome::Answered(Err(error)),
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
        let (start, starter) = match body {
            MessageBody::Start(start) => (start, None),
            MessageBody::StartFor { task, start } => (start, Some(task)),
            MessageBody::Started { .. }
            | MessageBody::ChildEnded { .. }
            | MessageBody::ChildRefused { .. }
            | MessageBody::FailureRefused { .. }
            | MessageBody::ChildReopened { .. }
            | MessageBody::ParentEnded { .. }
            | MessageBody::ParentRetried => return answered(target, Ok(())),
        };
        match self.request_of(batch, *start, from, starter) {
            Ok(request) => self.create(batch, target, &request),
            Err(error) => JobOutcome::Answered(Err(error)),
        }
    }
}
