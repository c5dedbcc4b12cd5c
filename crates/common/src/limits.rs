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
/// Most executions that start each other in a row without anything from outside in between: stops
/// definitions that start themselves.
pub const GENERATIONS_MAX: u32 = 64;
/// Most doublings of the number of executions in such a chain: a fork of 100,000 children takes 17.
pub const LINEAGE_WIDTH_BITS_MAX: u32 = 20;
/// Most bytes of inputs, outputs and variables that one execution holds. What one engine keeps of all
/// of them is bounded too, and one execution must not drive out thousands.
pub const EXECUTION_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Deepest nesting of objects and lists in a request's JSON: a level of steps takes three, so it
/// leaves room for DEFINITION_DEPTH_MAX of them and for their inputs.
pub const JSON_DEPTH_MAX: usize = 256;
/// Stack of a thread that reads definitions, bytes: the deepest nesting of steps and children takes
/// 4 MiB, and 32 MiB unoptimized. Only what is touched is ever memory.
pub const READER_STACK_BYTES: usize = 64 * 1024 * 1024;
/// Largest definition, bytes of JSON with every default written out, which takes 300 bytes of each
/// task: DEFINITION_TASKS_MAX of them have 500 of their own.
pub const DEFINITION_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most tasks in one definition, all nesting counted.
pub const DEFINITION_TASKS_MAX: usize = 5_000;
/// Deepest nesting of tasks within tasks in one definition.
pub const DEFINITION_DEPTH_MAX: usize = 64;
/// Most ids in one bulk request.
pub const BULK_IDS_MAX: usize = 1_000;
/// Most results in one page of a search.
pub const SEARCH_SIZE_MAX: usize = 5_000;
/// Longest condition, free text or sort order of a search, bytes of UTF-8: some 400 ids. Requests'
/// heads end at 32 KiB.
pub const SEARCH_TEXT_BYTES_MAX: usize = 16 * 1024;
/// Most log lines kept from one update of a task.
pub const TASK_LOGS_PER_UPDATE_MAX: usize = 10;
/// Most log lines returned for one task.
pub const TASK_LOGS_READ_MAX: usize = 1_000;
/// How long a task without a response timeout stays leased before it is handed out again,
/// seconds; executors renew well before.
pub const LEASE_SECONDS_DEFAULT: i64 = 60;

/// Longest name of a workflow, task definition, task type, domain or worker, bytes of UTF-8, without
/// U+0000. Conductor's columns hold 255.
pub const NAME_BYTES_MAX: usize = 255;
/// Longest reference name of a task, bytes of UTF-8, the suffix of a loop's round (`__17`) included:
/// branches of a dynamic fork are often named after their data.
pub const REFERENCE_NAME_BYTES_MAX: usize = 1_024;
/// Longest queue, bytes of UTF-8: a domain, a colon and a task type.
pub const QUEUE_BYTES_MAX: usize = 511;
/// Longest correlation id, bytes of UTF-8, without U+0000: callers put URLs and their own compound keys
/// here, and PostgreSQL refuses an index entry above 2,704 bytes.
pub const CORRELATION_ID_BYTES_MAX: usize = 1_024;
/// Longest idempotency key, bytes of UTF-8, without U+0000: with the workflow's name it must fit into an
/// index entry of PostgreSQL, 2,704 bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 1_024;

// The texts above are columns of indexes, alone or beside another one. PostgreSQL refuses an entry
// above 2,704 bytes (on its pages of 8 KiB).
const INDEX_ENTRY_BYTES_MAX: usize = 2_700;

// What an entry holds besides its texts: header, lengths, padding, shard, times, ids.
const INDEX_ENTRY_BYTES_BESIDE: usize = 64;

// U+10FFFF is escaped in PostgreSQL's text: it grows from 4 bytes to 5.
const fn is_indexable(bytes: usize) -> bool {
    bytes.div_ceil(4) * 5 + INDEX_ENTRY_BYTES_BESIDE <= INDEX_ENTRY_BYTES_MAX
}

const _: () = {
    assert!(is_indexable(NAME_BYTES_MAX + IDEMPOTENCY_KEY_BYTES_MAX));
    assert!(is_indexable(CORRELATION_ID_BYTES_MAX));
    assert!(is_indexable(QUEUE_BYTES_MAX));
    assert!(QUEUE_BYTES_MAX == 2 * NAME_BYTES_MAX + 1);
};
