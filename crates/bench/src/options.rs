//! What can be set on the command line.
use clap::{Args, Subcommand, value_parser};

/// Measures a server that speaks Conductor's API.
#[derive(Args, Clone, Debug)]
pub struct BenchOptions {
    /// What to run [default: a short suite of all three]
    #[command(subcommand)]
    pub scenario: Option<Scenario>,
    /// Base address of the API, as http://127.0.0.1:8080/api [default: a server of its own]
    #[arg(long, global = true)]
    pub url: Option<String>,
    /// How the server is called.
    #[command(flatten)]
    pub load: LoadOptions,
}

/// How the server is called, and what is watched meanwhile.
#[derive(Args, Clone, Debug)]
pub struct LoadOptions {
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
    /// The scenario asked for, or the short suite: throughput, latency, a wide fork.
    pub fn scenarios(&self) -> Vec<Scenario> {
        let row = |workflows| ScenarioOptions { workflows, steps: 3, payload_bytes: 0 };
        let suite = || {
            let fork = Scenario::Fanout { width: 1000, workflows: 3 };
            vec![Scenario::Steps(row(2000)), Scenario::Latency(row(300)), fork]
        };
        self.scenario.clone().map_or_else(suite, |scenario| vec![scenario])
    }
}

impl LoadOptions {
    /// The options with what the scenario settles: one of each where one at a time is asked for.
    pub(crate) fn settled(self, scenario: &Scenario) -> Self {
        match scenario {
            Scenario::Steps(_) => self,
            Scenario::Fanout { .. } => Self { clients: 1, in_flight: 1, ..self },
            Scenario::Latency(_) => {
                Self { clients: 1, in_flight: 1, pollers: 1, reporters: 1, ..self }
            }
        }
    }
}
