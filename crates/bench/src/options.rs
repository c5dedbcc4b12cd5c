//! What can be set on the command line, each with its limit.
use clap::{Args, Subcommand, ValueEnum, value_parser};
use std::path::PathBuf;
use std::time::Duration;

/// Most executions of one run: the client keeps a few bytes of each that is open.
const WORKFLOWS_MAX: u32 = 10_000_000;
/// Most branches of one dynamic fork, and most children of one parent.
const WIDTH_MAX: u32 = 100_000;
/// Most timers: all of them are open at once.
const TIMERS_MAX: u32 = 1_000_000;
/// Most executions that are left waiting.
const IDLE_MAX: u32 = 10_000_000;
/// Longest run by the clock, seconds: a day.
const SECONDS_MAX: u64 = 86_400;
/// Padding of one input at most, bytes; servers of this API refuse inputs above a few megabytes.
const PAYLOAD_BYTES_MAX: i64 = 1_000_000;
/// Highest rate of starts, in a second: one thread sends them.
const RATE_MAX: f64 = 100_000.0;
/// Lowest rate of starts, in a second: one in a hundred seconds, so that when each is due can be told.
const RATE_MIN: f64 = 0.01;

/// Measures a server that speaks Conductor's API.
#[derive(Args, Clone, Debug)]
pub struct BenchOptions {
    /// What to run [default: a short suite of steps, latency, fanout and mixed]
    #[command(subcommand)]
    pub scenario: Option<Scenario>,
    /// Base address of the API, as http://127.0.0.1:8080/api [default: a server of its own]
    #[arg(long, global = true)]
    pub url: Option<String>,
    /// Also draws throughput and latency over time into this SVG file
    #[arg(long, global = true, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// How the server is called.
    #[command(flatten)]
    pub load: LoadOptions,
}

/// How the server is called, and what is watched meanwhile.
#[derive(Args, Clone, Debug)]
pub struct LoadOptions {
    /// Connections that start executions
    #[arg(long, global = true, default_value_t = 32, value_parser = value_parser!(u32).range(1..=1024))]
    pub clients: u32,
    /// Executions open at once; a new one starts when one has ended
    #[arg(long, global = true, default_value_t = 64, value_parser = value_parser!(u32).range(1..=100_000))]
    pub in_flight: u32,
    /// Connections that poll, for each task type
    #[arg(long, global = true, default_value_t = 3, value_parser = value_parser!(u32).range(1..=1024))]
    pub pollers: u32,
    /// Connections that report results
    #[arg(long, global = true, default_value_t = 64, value_parser = value_parser!(u32).range(1..=1024))]
    pub reporters: u32,
    /// Most tasks in one poll's answer
    #[arg(long, global = true, default_value_t = 20, value_parser = value_parser!(u32).range(1..=1000))]
    pub batch: u32,
    /// How long a poll waits for a task, ms
    #[arg(long, global = true, default_value_t = 100, value_parser = value_parser!(u64).range(..=5000))]
    pub poll_timeout_ms: u64,
    /// Give up this many seconds after the time that the scenario itself takes by the clock
    #[arg(long, global = true, default_value_t = 300, value_parser = value_parser!(u64).range(1..=SECONDS_MAX))]
    pub limit_s: u64,
    /// Executions that are read back at the end; of more, every second, fourth, … is
    #[arg(long, global = true, default_value = "100k", value_parser = count::<1_000_000>)]
    pub verify: u32,
    /// Beginning of all names, to keep apart benchmarks that run at the same time
    #[arg(long, global = true, default_value = "bench")]
    pub prefix: String,
    /// Process of the server, for CPU and memory, its children counted; may be given again
    #[arg(long, global = true, value_name = "PID")]
    pub server_pid: Vec<u32>,
    /// First process of PostgreSQL, for CPU, its children counted; may be given again [default: the
    /// one behind --database-url, when it runs on this machine]
    #[arg(long, global = true, value_name = "PID")]
    pub postgres_pid: Vec<u32>,
    /// The server's database, as postgres://…, for WAL, transactions, rows and dead tuples; adds 11
    /// seconds to each scenario, until PostgreSQL's counters are whole. Without --url, the benchmark's
    /// own server runs on it
    #[arg(long, global = true)]
    pub database_url: Option<String>,
}

/// What to run.
#[derive(Clone, Debug, Subcommand)]
pub enum Scenario {
    /// Many executions at once, each of a few tasks in a row
    Steps(RowOptions),
    /// A dynamic fork of many tasks, one execution after another
    Fanout {
        /// Tasks of one fork, as 500, 1k, 10k or 100k
        #[arg(long, default_value = "1k", value_parser = count::<WIDTH_MAX>)]
        width: u32,
        /// Executions
        #[arg(long, default_value = "1", value_parser = count::<WORKFLOWS_MAX>)]
        workflows: u32,
    },
    /// A DO_WHILE of one task
    Loop {
        /// Rounds of each execution
        #[arg(long, default_value = "100", value_parser = count::<10_000>)]
        iterations: u32,
        /// Executions
        #[arg(long, default_value = "20", value_parser = count::<WORKFLOWS_MAX>)]
        workflows: u32,
    },
    /// A parent that forks into SUB_WORKFLOW children of one task each, one parent after another
    Subworkflows {
        /// Children of each parent
        #[arg(long, default_value = "100", value_parser = count::<WIDTH_MAX>)]
        children: u32,
        /// Parents
        #[arg(long, default_value = "10", value_parser = count::<WORKFLOWS_MAX>)]
        workflows: u32,
    },
    /// Many WAITs that come due within one window, each followed by a task: how late they are
    Timers {
        /// Timers
        #[arg(long, default_value = "100k", value_parser = count::<TIMERS_MAX>)]
        workflows: u32,
        /// Seconds in which all come due
        #[arg(long, default_value_t = 60, value_parser = value_parser!(u64).range(1..=3600))]
        window_s: u64,
        /// Seconds from the first start until the window opens; all should have been started by then
        #[arg(long, default_value_t = 60, value_parser = value_parser!(u64).range(1..=3600))]
        lead_s: u64,
    },
    /// A shop: FORK_JOIN, SWITCH, SUB_WORKFLOW, SET_VARIABLE, retries, scripts and WAITs
    Mixed {
        /// Executions
        #[arg(long, default_value = "1000", value_parser = count::<WORKFLOWS_MAX>)]
        workflows: u32,
    },
    /// Steps before and beside very many executions that only wait: what these cost
    Idle {
        /// Executions left waiting; each ends by itself after a day
        #[arg(long, default_value = "1m", value_parser = count::<IDLE_MAX>)]
        executions: u32,
        /// Executions of each run of steps; of three runs before and three beside the middle ones are
        /// compared
        #[arg(long, default_value = "20k", value_parser = count::<WORKFLOWS_MAX>)]
        workflows: u32,
        /// Tasks in a row of each
        #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(1..=1000))]
        steps: u32,
        /// Rest before each run, seconds: the vacuum that begins behind a million inserts is no cost of
        /// what was inserted, and a system that has just got memory back is quicker for a while
        #[arg(long, default_value_t = 30, value_parser = value_parser!(u64).range(..=SECONDS_MAX))]
        rest: u64,
    },
    /// Starts at a fixed rate, whatever the server does; times count from when a start was due
    Latency {
        /// Starts in a second, 0.01 to 100000; or `one`: each when the one before has ended, over one
        /// connection
        #[arg(long, default_value = "100", value_parser = Rate::parse)]
        rate: Rate,
        /// The executions.
        #[command(flatten)]
        row: RowOptions,
    },
    /// Steps for a long time, with throughput, latency, memory and dead tuples over time
    Soak {
        /// How long executions are started, seconds
        #[arg(long, default_value_t = 1800, value_parser = value_parser!(u64).range(1..=SECONDS_MAX))]
        seconds: u64,
        /// Tasks in a row of each execution
        #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(1..=1000))]
        steps: u32,
        /// Holds a snapshot open in the database (--database-url) all the while, as a slow reader would
        #[arg(long)]
        hold_snapshot: bool,
    },
    /// Steps before, beside and after callers who start executions without a pause: what is shed, and
    /// what becomes of the work under way. The callers' executions end by themselves after an hour
    Overload {
        /// How long each of the three parts lasts, seconds
        #[arg(long, default_value_t = 20, value_parser = value_parser!(u64).range(2..=3600))]
        seconds: u64,
        /// Connections that do nothing but start executions
        #[arg(long, default_value_t = 768, value_parser = value_parser!(u32).range(1..=10_000))]
        callers: u32,
    },
    /// Steps at a fixed rate before, beside and after executions of hostile definitions: how long steps
    /// take beside them, and how these end. They end by themselves where an engine has bounds; what is
    /// open a minute after the run is terminated
    Hostile(HostileOptions),
    /// What the store alone takes: commits as those of `steps`, without engine and HTTP, into an
    /// empty database (--database-url), which it leaves empty
    Yardstick(YardstickOptions),
}

/// How many executions, and of what.
#[derive(Args, Clone, Copy, Debug)]
pub struct RowOptions {
    /// Executions
    #[arg(long, default_value = "1000", value_parser = count::<WORKFLOWS_MAX>)]
    pub workflows: u32,
    /// Tasks in a row of each
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(1..=1000))]
    pub steps: u32,
    /// Bytes of padding in the input of each execution and task
    #[arg(long, default_value_t = 0, value_parser = value_parser!(u32).range(..=PAYLOAD_BYTES_MAX))]
    pub payload_bytes: u32,
}

/// Which hostile definitions are started, and beside what.
#[derive(Args, Clone, Debug)]
pub struct HostileOptions {
    /// How long each of the three parts lasts, seconds
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u64).range(2..=3600))]
    pub seconds: u64,
    /// Well-behaved executions of three steps started in a second
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(1..=1000))]
    pub rate: u32,
    /// How often each attack starts an execution, ms
    #[arg(long, default_value_t = 2000, value_parser = value_parser!(u64).range(10..=3_600_000))]
    pub every_ms: u64,
    /// What attacks; may be given again [default: all]
    #[arg(long, value_enum)]
    pub attack: Vec<Attack>,
}

/// A definition that would hold an engine without bounds, or an input that would.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Attack {
    /// Its only step starts another of itself.
    StartsItself,
    /// Fails at once, and is its own failure workflow.
    FailsIntoItself,
    /// Forks into two children of itself.
    ForksIntoItself,
    /// A loop of 10,000 rounds, each of which reads a member of a large input.
    LongLoop,
    /// Thirty steps, each of which holds twice what the step before it held.
    Doubling,
    /// A dynamic fork into 5,000 branches.
    WideFork,
    /// A dynamic fork into 3,000 children.
    ManyChildren,
    /// A fork of scripts, of which some do not end.
    EndlessScripts,
    /// A correlation id of 3 kB.
    LongCorrelationId,
    /// An input of 17 MiB.
    LargeInput,
    /// A step that makes 16 MiB of an input of 4.
    LargeStep,
}

/// What the yardstick commits.
#[derive(Args, Clone, Copy, Debug)]
pub struct YardstickOptions {
    /// Executions in one commit; on a cluster, of one shard, and 16 shards at a time
    #[arg(long, default_value_t = 30, value_parser = value_parser!(u32).range(1..=1000))]
    pub rows: u32,
    /// How long, seconds
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// Leaves each task ready in its queue first, as when no worker waits
    #[arg(long)]
    pub queued: bool,
}

/// When executions are started.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Each when the one before has ended.
    OneAtATime,
    /// So many in a second, on time.
    PerSecond(f64),
}

impl Rate {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "one" {
            return Ok(Self::OneAtATime);
        }
        let rate = text.parse::<f64>().ok().filter(|rate| (RATE_MIN..=RATE_MAX).contains(rate));
        rate.map(Self::PerSecond).ok_or(format!("`one`, or from {RATE_MIN} to {RATE_MAX}"))
    }
}

/// A number from 1 to `MAX`, as 500, 10k or 1m.
fn count<const MAX: u32>(text: &str) -> Result<u32, String> {
    let (digits, unit) = match text.strip_suffix(['k', 'm']) {
        Some(digits) if text.ends_with('k') => (digits, 1_000),
        Some(digits) => (digits, 1_000_000),
        None => (text, 1),
    };
    let number = digits.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
    let number = number.filter(|number| (1..=MAX).contains(number));
    number.ok_or(format!("a number from 1 to {MAX}, as 500, 10k or 1m"))
}

impl BenchOptions {
    /// The scenario asked for, or the short suite.
    pub fn scenarios(&self) -> Vec<Scenario> {
        let row = |workflows| RowOptions { workflows, steps: 3, payload_bytes: 0 };
        let suite = || {
            vec![
                Scenario::Steps(row(2000)),
                Scenario::Latency { rate: Rate::OneAtATime, row: row(300) },
                Scenario::Latency { rate: Rate::PerSecond(100.0), row: row(1000) },
                Scenario::Fanout { width: 1000, workflows: 3 },
                Scenario::Mixed { workflows: 500 },
            ]
        };
        self.scenario.clone().map_or_else(suite, |scenario| vec![scenario])
    }
}

impl Scenario {
    /// Whether it calls a server; the yardstick does not.
    pub fn needs_server(&self) -> bool {
        !matches!(self, Self::Yardstick(_))
    }
}

impl HostileOptions {
    /// Well-behaved executions in all.
    pub(crate) fn workflows(&self) -> u32 {
        u32::try_from(3 * self.seconds).unwrap_or(u32::MAX).saturating_mul(self.rate)
    }

    /// What attacks.
    pub(crate) fn attacks(&self) -> &[Attack] {
        if self.attack.is_empty() { Attack::value_variants() } else { &self.attack }
    }
}

impl Attack {
    /// As it is written on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl LoadOptions {
    /// The options with what the scenario settles: how many may be open at once, and one of each
    /// where one at a time is asked for.
    pub(crate) fn settled(self, scenario: &Scenario) -> Self {
        match scenario {
            Scenario::Fanout { .. } | Scenario::Subworkflows { .. } => {
                Self { clients: 1, in_flight: 1, ..self }
            }
            Scenario::Latency { rate: Rate::OneAtATime, .. } => {
                Self { clients: 1, in_flight: 1, pollers: 1, reporters: 1, ..self }
            }
            Scenario::Latency { rate: Rate::PerSecond(_), row } => {
                Self { in_flight: row.workflows, ..self }
            }
            Scenario::Timers { workflows, .. } => Self { in_flight: *workflows, ..self },
            Scenario::Hostile(options) => Self { in_flight: options.workflows(), ..self },
            Scenario::Steps(_)
            | Scenario::Loop { .. }
            | Scenario::Mixed { .. }
            | Scenario::Idle { .. }
            | Scenario::Soak { .. }
            | Scenario::Overload { .. }
            | Scenario::Yardstick(_) => self,
        }
    }

    /// When to give up, from the first start on; `own` is what the scenario takes by the clock.
    pub(crate) fn limit(&self, own: Duration) -> Duration {
        Duration::from_secs(self.limit_s) + own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_in_thousands_and_millions() {
        let right = [("1", 1), ("500", 500), ("10k", 10_000), ("1m", 1_000_000)];
        for (text, number) in right {
            assert_eq!(count::<2_000_000>(text), Ok(number), "{text}");
        }
        for wrong in ["0", "0k", "3m", "k", "", "-1", "1.5k", "9999999999", "9999999m"] {
            assert!(count::<2_000_000>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rate_is_a_number_or_one_at_a_time() {
        assert_eq!(Rate::parse("one"), Ok(Rate::OneAtATime));
        assert_eq!(Rate::parse("2.5"), Ok(Rate::PerSecond(2.5)));
        for wrong in ["0", "1e-300", "-1", "NaN", "inf", "1e9", "two"] {
            assert!(Rate::parse(wrong).is_err(), "{wrong}");
        }
    }
}
