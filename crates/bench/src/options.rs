//! What can be set on the command line.
use clap::{Args, Subcommand, value_parser};

/// Measures a server that speaks Conductor's API.
#[derive(Args, Clone, Debug)]
pub struct BenchOptions {
    /// What to run
    #[command(subcommand)]
    pub scenario: Scenario,
    /// Base address of the API
    #[arg(long, global = true, default_value = "http://127.0.0.1:8080/api")]
    pub url: String,
    /// Connections that start executions
    #[arg(long, global = true, default_value_t = 32, value_parser = value_parser!(u32).range(1..))]
    pub clients: u32,
    /// Executions open at once; a new one starts when one has ended
    #[arg(long, global = true, default_value_t = 256, value_parser = value_parser!(u32).range(1..))]
    pub in_flight: u32,
    /// Connections that poll, for each task type
    #[arg(long, global = true, default_value_t = 3, value_parser = value_parser!(u32).range(1..))]
    pub pollers: u32,
    /// Connections that report results
    #[arg(long, global = true, default_value_t = 64, value_parser = value_parser!(u32).range(1..))]
    pub reporters: u32,
    /// Most tasks in one poll's answer
    #[arg(long, global = true, default_value_t = 20, value_parser = value_parser!(u32).range(1..=1000))]
    pub batch: u32,
    /// How long a poll waits for a task, ms
    #[arg(long, global = true, default_value_t = 100, value_parser = value_parser!(u64).range(..=5000))]
    pub poll_timeout_ms: u64,
    /// Give up after this many seconds
    #[arg(long, global = true, default_value_t = 300, value_parser = value_parser!(u64).range(1..))]
    pub limit_s: u64,
    /// Beginning of all names, to keep apart benchmarks that run at the same time
    #[arg(long, global = true, default_value = "bench")]
    pub prefix: String,
    /// Process of the server, for CPU and memory, its children counted; may be given again
    #[arg(long, global = true, value_name = "PID")]
    pub server_pid: Vec<u32>,
    /// First process of PostgreSQL, for CPU, its children counted; may be given again
    #[arg(long, global = true, value_name = "PID")]
    pub postgres_pid: Vec<u32>,
}

/// What to run.
#[derive(Clone, Debug, Subcommand)]
pub enum Scenario {
    /// Many executions at once, each of a few tasks in a row
    Steps(ScenarioOptions),
    /// A dynamic fork of many tasks, one execution after another
    Fanout {
        /// Tasks of one fork
        #[arg(long, default_value_t = 1000, value_parser = value_parser!(u32).range(1..))]
        width: u32,
        /// Executions
        #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
        workflows: u32,
    },
    /// One execution at a time over one connection of each kind, for the shortest latency
    Latency(ScenarioOptions),
}

/// How many executions, and of what.
#[derive(Args, Clone, Copy, Debug)]
pub struct ScenarioOptions {
    /// Executions
    #[arg(long, default_value_t = 1000, value_parser = value_parser!(u32).range(1..))]
    pub workflows: u32,
    /// Tasks in a row of each
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(1..=1000))]
    pub steps: u32,
    /// Bytes of padding in the input of each execution and task
    #[arg(long, default_value_t = 0)]
    pub payload_bytes: u32,
}

impl BenchOptions {
    /// The options with what the scenario settles: one of each where one at a time is asked for.
    pub(crate) fn settled(&self) -> Self {
        let one_at_a_time = Self { clients: 1, in_flight: 1, ..self.clone() };
        match self.scenario {
            Scenario::Steps(_) => self.clone(),
            Scenario::Fanout { .. } => one_at_a_time,
            Scenario::Latency(_) => Self { pollers: 1, reporters: 1, ..one_at_a_time },
        }
    }
}
