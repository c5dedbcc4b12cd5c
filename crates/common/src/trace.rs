//! Traces: which one an execution belongs to, and the ids of its spans.
//!
//! **Source**: W3C Trace Context, level 1 (headers `traceparent` and `tracestate`).
//!
//! A span's id is made from the id of its execution or task, so every process names the same span
//! alike, whenever it does, and a recovery makes no second one.
use crate::{ExecutionId, TaskId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest `tracestate` taken over, bytes. **Source**: W3C Trace Context §3.3.1.5.
pub const TRACESTATE_BYTES_MAX: usize = 512;

/// The flag that says that the trace is recorded.
const SAMPLED: u8 = 1;
/// Bits of a trace's id that are random, the lowest. **Source**: W3C Trace Context, level 2.
const RANDOM_BITS: u32 = 56;

/// Names one trace; never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TraceId(u128);

/// Names one span of a trace; never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SpanId(u64);

/// The text is no id or header of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not of the form that W3C Trace Context prescribes")]
pub struct NotATrace;

/// The trace of an execution, fixed when it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// Its id.
    pub id: TraceId,
    /// The span that the execution was started in, if anybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SpanId>,
    /// The flags of the start.
    pub flags: u8,
    /// What others said about the trace, passed on unread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Arc<str>>,
    /// Whether this engine tells of its own spans; otherwise it only passes the trace on.
    #[serde(default)]
    pub recorded: bool,
}

impl TraceId {
    /// The id of the trace that begins with this execution.
    pub fn of_execution(id: ExecutionId) -> Self {
        let (high, _) = id.uuid().as_u64_pair();
        Self((u128::from(high) << 64) | u128::from(id.mixed()))
    }

    /// The id as a number.
    pub fn number(self) -> u128 {
        self.0
    }

    /// Whether a share of all traces, 0 to 1, holds this one; every process finds the same.
    pub fn is_within(self, share: f64) -> bool {
        let random = self.0 & ((1 << RANDOM_BITS) - 1);
        #[expect(clippy::cast_precision_loss, reason = "a share of traces needs no last bit")]
        let place = random as f64 / (1_u64 << RANDOM_BITS) as f64;
        place < share
    }
}

impl SpanId {
    /// The span of an execution: its root.
    pub fn of_execution(id: ExecutionId) -> Self {
        Self(id.mixed().max(1))
    }

    /// The span of a task.
    pub fn of_task(id: TaskId) -> Self {
        Self(id.mixed().max(1))
    }

    /// The span of a task's wait for a worker.
    pub fn of_wait(id: TaskId) -> Self {
        // No end has the version 0.
        Self::of_task(id).again(0)
    }

    /// The span of the same thing after it was begun anew, where `version` tells its ends apart.
    #[must_use]
    pub fn again(self, version: i64) -> Self {
        let step = version.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(self.0.rotate_left(23).wrapping_add(step).max(1))
    }

    /// The id as a number.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl Trace {
    /// The trace that a caller's headers name; `None` when they name none, as the standard has it
    /// for headers that are wrong.
    pub fn from_headers(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let mut parts = traceparent.trim().split('-');
        let (version, id, parent, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let version = hex(version, 2)?;
        let is_known = version != 0xff && (version != 0 || parts.next().is_none());
        if !is_known {
            return None;
        }
        let state = tracestate.map(str::trim).filter(|state| {
            (1..=TRACESTATE_BYTES_MAX).contains(&state.len())
                && state.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
        });
        Some(Self {
            id: id.parse().ok()?,
            parent: Some(parent.parse().ok()?),
            flags: u8::try_from(hex(flags, 2)?).ok()?,
            state: state.map(Arc::from),
            recorded: false,
        })
    }

    /// The trace that begins with this execution, recorded.
    pub fn begun_by(id: ExecutionId) -> Self {
        let (id, parent, flags, state) = (TraceId::of_execution(id), None, SAMPLED, None);
        Self { id, parent, flags, state, recorded: true }
    }

    /// Whether the caller records it.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// As an execution inherits it that was asked for in `span` of this one.
    #[must_use]
    pub fn within(&self, span: SpanId) -> Self {
        let parent = if self.recorded { Some(span) } else { self.parent };
        Self { parent, ..self.clone() }
    }

    /// The header that puts a task's worker into the trace: below the task's span, or where we have
    /// none, below the caller's.
    pub fn traceparent(&self, task: TaskId) -> Option<String> {
        let span = if self.recorded { Some(SpanId::of_task(task)) } else { self.parent };
        Some(format!("00-{}-{}-{:02x}", self.id, span?, self.flags))
    }
}

/// Lower-case hexadecimal digits, exactly `digits` of them.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_hex = text.len() == digits && text.bytes().all(is_digit);
    is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

macro_rules! shown_as_hex {
    ($($id:ident $digits:literal),*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!("{:0", $digits, "x}"), self.0)
            }
        }
        impl fmt::Debug for $id {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }
        impl FromStr for $id {
            type Err = NotATrace;
            fn from_str(text: &str) -> Result<Self, NotATrace> {
                let number = hex(text, $digits).filter(|number| *number != 0).ok_or(NotATrace)?;
                number.try_into().map(Self).map_err(|_| NotATrace)
            }
        }
        impl From<$id> for String {
            fn from(id: $id) -> Self {
                id.to_string()
            }
        }
        impl TryFrom<String> for $id {
            type Error = NotATrace;
            fn try_from(text: String) -> Result<Self, NotATrace> {
                text.parse()
            }
        }
    )*};
}
shown_as_hex!(TraceId 32, SpanId 16);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn execution() -> ExecutionId {
        ExecutionId::new(Timestamp::from_millis(1_795_329_039_876), 0x1234_5678_9abc)
    }

    #[test]
    fn a_callers_headers_are_read_and_wrong_ones_name_no_trace() {
        let trace = Trace::from_headers(PARENT, Some("vendor=x, other=y")).unwrap();
        assert_eq!(trace.id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.state.as_deref(), Some("vendor=x, other=y"));
        assert!(trace.is_sampled() && !trace.recorded);
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more";
        assert!(!Trace::from_headers(later, None).unwrap().is_sampled());
        for wrong in [
            "",
            "00",
            &PARENT[..54],
            &format!("{PARENT}-x"),
            &PARENT.to_uppercase(),
            &PARENT.replace("00-", "ff-"),
            &PARENT.replace("00f067aa0ba902b7", "0000000000000000"),
            &PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
        ] {
            assert_eq!(Trace::from_headers(wrong, None), None, "{wrong}");
        }
        let long = "x".repeat(TRACESTATE_BYTES_MAX + 1);
        assert_eq!(Trace::from_headers(PARENT, Some(&long)).unwrap().state, None);
    }

    #[test]
    fn workers_stand_below_their_task_or_where_we_have_no_span_below_the_caller() {
        let (task, other) = (execution().task(3), execution().task(4));
        let caller = Trace::from_headers(PARENT, None).unwrap();
        assert_eq!(caller.traceparent(task).as_deref(), Some(PARENT));
        assert_eq!(caller.within(SpanId::of_task(task)), caller);
        let ours = Trace { recorded: true, ..caller };
        let span = SpanId::of_task(task);
        let expected = format!("00-{}-{span}-01", ours.id);
        assert_eq!(ours.traceparent(task), Some(expected));
        assert_eq!(ours.within(span).parent, Some(span));
        assert_ne!(ours.traceparent(task), ours.traceparent(other));
        assert_ne!(span, SpanId::of_execution(execution()));
        assert_ne!(span.again(5), span.again(6));
    }

    #[test]
    fn a_trace_survives_the_journal() {
        let trace = Trace::begun_by(execution());
        let json = serde_json::to_string(&trace).unwrap();
        assert_eq!(serde_json::from_str::<Trace>(&json).unwrap(), trace);
        let zero = json.replace(&trace.id.to_string(), &"0".repeat(32));
        assert!(serde_json::from_str::<Trace>(&zero).is_err());
    }

    #[test]
    fn a_share_of_the_traces_is_chosen_evenly() {
        let now = Timestamp::from_millis(1);
        let traces = (1..4000).map(|seq| ExecutionId::child_of(execution().task(seq), now));
        let chosen = traces.filter(|id| TraceId::of_execution(*id).is_within(0.25)).count();
        assert!((800..1200).contains(&chosen), "{chosen}");
        let trace = TraceId::of_execution(execution());
        assert!(trace.is_within(1.0) && !trace.is_within(0.0));
    }
}
