//! Every limit that more than one crate must agree on, with its unit and its reason.

/// Largest request body, bytes: Conductor's own hard limit for an input or output.
pub const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Largest input or output of an execution, bytes. An 8 MB list of fork inputs has to fit.
pub const WORKFLOW_PAYLOAD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Largest output of a task, bytes; above it the task fails for good (Conductor's hard limit).
pub const TASK_PAYLOAD_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Largest resolved input of a task, bytes; above it the task fails (Conductor's hard limit).
pub const TASK_INPUT_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Most bytes that the tokens of one template may read, repeated reading counted: about a quarter
/// of a second of work.
pub const TEMPLATE_READ_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Deepest nesting of objects and lists in what a template or a script makes, levels: what
/// Conductor's JSON reader accepts.
pub const VALUE_DEPTH_MAX: usize = 1_000;
/// Largest sum of an execution's variables, bytes (Conductor's limit).
pub const VARIABLES_BYTES_MAX: usize = 256 * 1024;
/// Longest reason for incompletion, characters (Conductor cuts there).
pub const REASON_CHARS_MAX: usize = 500;
/// Longest long poll, milliseconds; a longer one is refused with 400 as Conductor does.
pub const POLL_TIMEOUT_MS_MAX: u64 = 5_000;
/// Most tasks in one poll's answer.
pub const POLL_COUNT_MAX: usize = 1_000;
/// Most tasks one execution can have in its life.
pub const TASKS_PER_EXECUTION_MAX: u32 = 200_000;
/// Most iterations of one loop.
pub const LOOP_ITERATIONS_MAX: u32 = 10_000;
/// Most branches of one dynamic fork.
pub const FORK_BRANCHES_MAX: usize = 100_000;
/// Deepest nesting of sub-workflows.
pub const SUB_WORKFLOW_DEPTH_MAX: u32 = 32;
/// Most steps one decision may take before the execution is failed: stops a definition that
/// would run for ever without waiting for anything.
pub const STEPS_PER_DECISION_MAX: u32 = 500_000;
/// Deepest nesting of objects and lists where JSON is read into our types: the JSON parser's limit.
pub const JSON_DEPTH_MAX: usize = 128;
/// Stack of a thread that reads definitions, bytes: the deepest nesting of steps and children takes
/// 2 MiB, and 8 MiB unoptimized. Only what is touched is ever memory.
pub const READER_STACK_BYTES: usize = 16 * 1024 * 1024;
/// Largest definition, bytes of JSON.
pub const DEFINITION_BYTES_MAX: usize = 1024 * 1024;
/// Most tasks in one definition, all nesting counted.
pub const DEFINITION_TASKS_MAX: usize = 5_000;
/// Deepest nesting of tasks within tasks in one definition.
pub const DEFINITION_DEPTH_MAX: usize = 64;
/// Most ids in one bulk request.
pub const BULK_IDS_MAX: usize = 1_000;
/// Most results in one page of a search.
pub const SEARCH_SIZE_MAX: usize = 5_000;
/// Most log lines kept from one update of a task.
pub const TASK_LOGS_PER_UPDATE_MAX: usize = 10;
/// Most log lines returned for one task.
pub const TASK_LOGS_READ_MAX: usize = 1_000;
/// How long a task without a response timeout stays leased before it is handed out again,
/// seconds; executors renew well before.
pub const LEASE_SECONDS_DEFAULT: i64 = 60;
