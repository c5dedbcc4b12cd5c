//! WAIT: for a time, or for somebody. **Source**: conductor-semantics §1.12.
use super::{Decider, Flow};
use crate::change::Change;
use crate::duration::{parse_duration, parse_until};
use crate::json;
use crate::plan::Node;
use crate::state::NodeKey;
use baton_common::{Payload, TaskStatus, Timestamp};
use std::sync::Arc;

impl Decider {
    pub(super) fn schedule_wait(
        &mut self,
        node: &Node,
        place: NodeKey,
        loop_task: Option<u32>,
    ) -> Flow {
        let mut task = self.new_task(node, place, loop_task);
        task.input = self.input_of(node, Some(task.seq))?;
        let deadline = self.wait_deadline(&task.input);
        let seq = task.seq;
        match deadline {
            Ok(Some(at)) if at <= self.now() => {
                self.record(Change::TaskScheduled(Arc::new(task)));
                self.end(seq, TaskStatus::Completed, None, None);
            }
            Ok(until) => {
                task.wait_until = until;
                self.record(Change::TaskScheduled(Arc::new(task)));
            }
            Err(reason) => {
                self.record(Change::TaskScheduled(Arc::new(task)));
                self.end(seq, TaskStatus::FailedWithTerminalError, None, Some(&reason));
            }
        }
        Ok(())
    }

    /// When a WAIT with this input is over; `None` = when somebody says so.
    pub(super) fn wait_deadline(&self, input: &Payload) -> Result<Option<Timestamp>, String> {
        let members = json::members(input);
        let given = |key: &str| members.get(key).filter(|value| !is_blank(value));
        match (given("duration"), given("until")) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => {
                Err("Both 'duration' and 'until' specified. Please provide only one input".into())
            }
            (Some(duration), None) => {
                let text = json::text(duration).unwrap_or_else(|| duration.get().to_owned());
                let seconds = parse_duration(&text).map_err(|error| error.to_string())?;
                Ok(Some(self.now().plus_seconds(seconds)))
            }
            (None, Some(until)) => {
                let text = json::text(until).unwrap_or_else(|| until.get().to_owned());
                let millis = parse_until(&text).map_err(|error| error.to_string())?;
                Ok(Some(Timestamp::from_millis(millis)))
            }
        }
    }
}

fn is_blank(value: &Payload) -> bool {
    value.is_null() || value.get() == "\"\""
}
