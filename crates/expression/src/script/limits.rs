//! What a script may use up.
use serde::{Deserialize, Serialize};

/// What a script may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptLimits {
    /// Longest run, milliseconds. Default 4000, as in Conductor.
    pub time_ms: u64,
    /// Most memory of the engine, bytes. Default 128 MiB: a 10 MiB input as a tree, a few times.
    pub memory_bytes: usize,
    /// Largest stack of JavaScript calls, bytes. Default 1 MiB, some thousand calls deep.
    pub stack_bytes: usize,
    /// Largest result, bytes of JSON. Default 10 MiB, the largest output of a task.
    pub output_bytes: usize,
    /// Largest program, bytes. Default 256 KiB.
    pub source_bytes: usize,
    /// Largest input, bytes of JSON. Default 32 MiB: a loop's condition may see more than one
    /// task's input.
    pub input_bytes: usize,
    /// Longest message of an error that a script makes itself, bytes. Default 64 KiB.
    pub message_bytes: usize,
}

impl Default for ScriptLimits {
    fn default() -> Self {
        Self {
            time_ms: 4_000,
            memory_bytes: 128 * 1024 * 1024,
            stack_bytes: 1024 * 1024,
            output_bytes: baton_common::limits::TASK_PAYLOAD_BYTES_MAX,
            source_bytes: 256 * 1024,
            input_bytes: baton_common::limits::BODY_BYTES_MAX,
            message_bytes: 64 * 1024,
        }
    }
}
