//! The settings of the process, assembled once and checked before any port opens.
mod mask;
mod page;
pub(crate) mod setting;
mod sources;

pub(crate) use mask::{mask_url, masked};
pub(crate) use page::page;
pub(crate) use sources::{Given, Sources};

use baton_executor::command::ProcessLimits;
use baton_executor::http::{HostPort, Reach};
use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Whether lines are JSON, given whether they go to a terminal.
    pub(crate) fn is_json(self, is_terminal: bool) -> bool {
        match self {
            Self::Auto => !is_terminal,
            Self::Text => false,
            Self::Json => true,
        }
    }
}

/// What executions are kept in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL URL.
    Postgres(String),
}

/// As a setting, without the password.
impl Display for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(formatter, "sqlite:{}", path.display()),
            Self::Postgres(url) => formatter.write_str(&mask_url(url)),
        }
    }
}

/// Settings of roles that keep executions.
#[derive(Clone, Debug)]
pub(crate) struct EngineConfig {
    pub(crate) listen: SocketAddr,
    pub(crate) database: Database,
    pub(crate) database_pool_size: usize,
    pub(crate) evaluators: usize,
    pub(crate) bodies_bytes_max: usize,
    pub(crate) task_workers: bool,
}

/// Settings of roles that run tasks.
#[derive(Clone, Debug)]
pub(crate) struct WorkerConfig {
    pub(crate) worker_id: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) http_slots: usize,
    pub(crate) http_reach: Reach,
    pub(crate) http_allow: Vec<HostPort>,
    pub(crate) http_deny: Vec<HostPort>,
    pub(crate) http_response_bytes_max: usize,
    pub(crate) command_programs: Vec<PathBuf>,
    pub(crate) command_env: Vec<String>,
    pub(crate) command_slots: usize,
    pub(crate) command_time: Duration,
    pub(crate) command_grace: Duration,
    pub(crate) command_limits: ProcessLimits,
    pub(crate) samples: bool,
    pub(crate) poll_timeout: Duration,
    pub(crate) metrics_listen: Option<SocketAddr>,
}

/// Settings of traces.
#[derive(Clone, Debug)]
pub(crate) struct TraceConfig {
    pub(crate) endpoint: Option<String>,
    pub(crate) share: f64,
}

/// Everything that can be set. Each member is documented in [`setting::SETTINGS`].
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) engine: EngineConfig,
    pub(crate) worker: WorkerConfig,
    pub(crate) traces: TraceConfig,
    pub(crate) server_url: String,
    pub(crate) token: Option<String>,
    pub(crate) drain: Duration,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
}

impl Config {
    /// Reads the values given.
    ///
    /// # Errors
    /// Every fault at once, each with its setting, value and origin.
    pub(crate) fn read(given: &[Given]) -> Result<Self, Vec<String>> {
        let mut reader = Reader { given, faults: Vec::new() };
        let config = reader.config();
        if reader.faults.is_empty() { Ok(config) } else { Err(reader.faults) }
    }
}

/// Reads values, noting faults and going on with a stand-in.
struct Reader<'given> {
    given: &'given [Given],
    faults: Vec<String>,
}

const DAY_MS: u64 = 86_400_000;
/// Least address space in which a program starts at all.
const MEMORY_BYTES_LEAST: u64 = 16 * 1024 * 1024;
/// Most bytes that a limit of the system can name.
const BYTES_MOST: u64 = i64::MAX as u64;
/// Bytes of request bodies: from two of the largest to what no machine has to spare.
const BODIES_BYTES: RangeInclusive<usize> = 64 * 1024 * 1024..=64 * 1024 * 1024 * 1024;

impl Reader<'_> {
    fn config(&mut self) -> Config {
        Config {
            engine: self.engine(),
            worker: self.worker(),
            traces: self.traces(),
            server_url: self.text("server-url"),
            token: self.optional("token"),
            drain: self.millis("drain-ms", 0..=600_000),
            log: self.text("log"),
            log_format: self.value("log-format", LogFormat::Text, |text| match text {
                "auto" => Ok(LogFormat::Auto),
                "text" => Ok(LogFormat::Text),
                "json" => Ok(LogFormat::Json),
                _ => Err("must be auto, text or json".to_owned()),
            }),
        }
    }

    fn engine(&mut self) -> EngineConfig {
        EngineConfig {
            listen: self.value("listen", SocketAddr::from(([127, 0, 0, 1], 0)), address),
            database: self.value("database-url", Database::Sqlite(PathBuf::new()), database),
            database_pool_size: self.count("database-pool-size", 1..=1000),
            evaluators: self.count("evaluators", 1..=64),
            bodies_bytes_max: self.count("bodies-bytes-max", BODIES_BYTES),
            task_workers: self.truth("task-workers"),
        }
    }

    fn traces(&mut self) -> TraceConfig {
        TraceConfig {
            endpoint: self.value("otlp-endpoint", None, |text| match text {
                "" => Ok(None),
                text if text.starts_with("http://") || text.starts_with("https://") => {
                    Ok(Some(text.to_owned()))
                }
                _ => Err("must begin with http:// or https://".to_owned()),
            }),
            share: self.value("trace-share", 0.0, |text| match text.parse() {
                Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
                _ => Err("must be a number from 0 to 1".to_owned()),
            }),
        }
    }

    fn worker(&mut self) -> WorkerConfig {
        let programs = self.list("command-programs");
        if let Some(relative) = programs.iter().find(|path| !path.starts_with('/')) {
            self.fault("command-programs", &format!("`{relative}` is not an absolute path"));
        }
        WorkerConfig {
            worker_id: self.optional("worker-id"),
            domain: self.optional("domain"),
            http_slots: self.count("http-slots", 0..=10_000),
            http_reach: self.value("http-reach", Reach::Public, Reach::from_str),
            http_allow: self.hosts("http-allow"),
            http_deny: self.hosts("http-deny"),
            http_response_bytes_max: self.count("http-response-bytes-max", 1..=10 * 1024 * 1024),
            command_programs: programs.into_iter().map(PathBuf::from).collect(),
            command_env: self.list("command-env"),
            command_slots: self.count("command-slots", 1..=1000),
            command_time: self.millis("command-time-ms", 1..=DAY_MS),
            command_grace: self.millis("command-grace-ms", 0..=60_000),
            command_limits: self.command_limits(),
            samples: self.truth("samples"),
            poll_timeout: self.millis("poll-timeout-ms", 0..=5000),
            metrics_listen: self.value("metrics-listen", None, |text| {
                if text.is_empty() { Ok(None) } else { address(text).map(Some) }
            }),
        }
    }

    fn command_limits(&mut self) -> ProcessLimits {
        ProcessLimits {
            cpu_seconds: self.limit("command-cpu-seconds", 1..=DAY_MS / 1000),
            memory_bytes: self.limit("command-memory-bytes-max", MEMORY_BYTES_LEAST..=BYTES_MOST),
            open_files: self.limit("command-open-files-max", 16..=1_048_576),
            processes: self.limit("command-processes-max", 1..=4_194_304),
            file_bytes: self.limit("command-file-bytes-max", 1..=BYTES_MOST),
        }
    }

    /// A number within the range, or 0 for no limit.
    fn limit(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let (least, most) = (*range.start(), *range.end());
        self.value(key, None, |text| match text.parse() {
            Ok(0) => Ok(None),
            Ok(limit) if range.contains(&limit) => Ok(Some(limit)),
            _ => Err(format!("must be 0 or a whole number from {least} to {most}")),
        })
    }

    fn hosts(&mut self, key: &str) -> Vec<HostPort> {
        let hosts: Result<_, String> = self.list(key).iter().map(|text| text.parse()).collect();
        hosts.unwrap_or_else(|fault: String| {
            self.fault(key, &fault);
            Vec::new()
        })
    }

    fn text(&self, key: &str) -> String {
        let found = self.given.iter().find(|given| given.key == key);
        found.map(|given| given.text.trim().to_owned()).unwrap_or_default()
    }

    fn optional(&self, key: &str) -> Option<String> {
        Some(self.text(key)).filter(|text| !text.is_empty())
    }

    fn list(&self, key: &str) -> Vec<String> {
        let text = self.text(key);
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    }

    fn value<T>(
        &mut self,
        key: &str,
        stand_in: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        parse(&self.text(key)).unwrap_or_else(|fault| {
            self.fault(key, &fault);
            stand_in
        })
    }

    fn number<T>(&mut self, key: &str, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let (least, most) = (*range.start(), *range.end());
        self.value(key, least, |text| match text.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(format!("must be a whole number from {least} to {most}")),
        })
    }

    fn count(&mut self, key: &str, range: RangeInclusive<usize>) -> usize {
        self.number(key, range)
    }

    fn millis(&mut self, key: &str, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.number(key, range))
    }

    fn truth(&mut self, key: &str) -> bool {
        self.value(key, false, |text| text.parse().map_err(|_| "must be true or false".to_owned()))
    }

    fn fault(&mut self, key: &str, fault: &str) {
        let Some(given) = self.given.iter().find(|given| given.key == key) else {
            unreachable!("every setting is given, if only by its default");
        };
        let shown = masked(given);
        self.faults.push(format!("{key} = `{shown}` ({}): {fault}", given.origin));
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.replace("localhost", "127.0.0.1");
    text.parse().map_err(|_| "must be <address>:<port>, as 127.0.0.1:8080".to_owned())
}

fn database(url: &str) -> Result<Database, String> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return match path {
            "" => Err("names no file; write sqlite:baton.db".to_owned()),
            path => Ok(Database::Sqlite(path.into())),
        };
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Database::Postgres(url.to_owned()));
    }
    Err("must begin with sqlite: or postgres://".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn read(flags: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let flags: BTreeMap<String, String> =
            flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Config::read(&Sources { flags, ..Sources::default() }.resolve()?)
    }

    #[test]
    fn the_defaults_are_valid_and_reachable_from_this_machine_only() {
        let config = read(&[]).unwrap();
        assert!(config.engine.listen.ip().is_loopback());
        assert_eq!(config.engine.database, Database::Sqlite("baton.db".into()));
        assert!(config.worker.command_programs.is_empty());
        let bodies = baton_api_gateway::BODIES_BYTES_MAX_DEFAULT;
        assert_eq!(config.engine.bodies_bytes_max, bodies);
        assert_eq!(config.worker.http_reach, Reach::Internal);
        let limits = config.worker.command_limits;
        assert_eq!((limits.cpu_seconds, limits.memory_bytes), (Some(3600), Some(4 << 30)));
        assert_eq!((limits.open_files, limits.processes), (Some(1024), Some(4096)));
        assert_eq!(limits.file_bytes, Some(1 << 30));
        assert_eq!((config.token, config.worker.metrics_listen), (None, None));
    }

    #[test]
    fn limits_of_commands_have_a_range_and_may_be_left_off() {
        for (key, least, most) in [
            ("command-cpu-seconds", 1, 86_400),
            ("command-memory-bytes-max", 16 << 20, BYTES_MOST),
            ("command-open-files-max", 16, 1_048_576),
            ("command-processes-max", 1, 4_194_304),
            ("command-file-bytes-max", 1, BYTES_MOST),
        ] {
            for good in [0, least, most] {
                assert!(read(&[(key, &good.to_string())]).is_ok(), "{key} {good}");
            }
            let too_small = if least > 1 { least - 1 } else { most + 1 };
            for wrong in [too_small.to_string(), (most + 1).to_string(), "-1".into(), "1k".into()] {
                let faults = read(&[(key, &wrong)]).unwrap_err();
                let range = format!("must be 0 or a whole number from {least} to {most}");
                assert!(faults[0].ends_with(&range), "{faults:?}");
            }
        }
        assert_eq!(
            read(&[("command-cpu-seconds", "0")]).unwrap().worker.command_limits.cpu_seconds,
            None
        );
        assert!(read(&[("command-grace-ms", "60000")]).is_ok());
        assert!(read(&[("command-grace-ms", "60001")]).is_err());
    }

    #[test]
    fn hosts_that_tasks_may_or_may_not_call_have_ports() {
        let config = read(&[("http-allow", "127.0.0.1:8080, [::1]:80"), ("http-deny", "db:5432")]);
        let worker = config.unwrap().worker;
        assert_eq!((worker.http_allow.len(), worker.http_deny.len()), (2, 1));
        let faults = read(&[("http-allow", "db"), ("http-deny", "db:0")]).unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].ends_with("`db` is not <host>:<port>"), "{faults:?}");
    }

    #[test]
    fn a_database_is_shown_without_its_password() {
        for (url, shown) in [
            ("sqlite:a/b.db", "sqlite:a/b.db"),
            ("postgres://u:secret@h/d", "postgres://u:********@h/d"),
        ] {
            let config = read(&[("database-url", url)]).unwrap();
            assert_eq!(config.engine.database.to_string(), shown);
        }
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let faults = read(&[
            ("listen", "8080"),
            ("database-url", "mysql://u:secret@h/d"),
            ("http-slots", "-1"),
            ("samples", "yes"),
            ("command-programs", "/bin/ls,cat"),
        ])
        .unwrap_err();
        assert_eq!(
            faults,
            [
                "listen = `8080` (flag): must be <address>:<port>, as 127.0.0.1:8080",
                "database-url = `mysql://u:********@h/d` (flag): must begin with sqlite: or postgres://",
                "command-programs = `/bin/ls,cat` (flag): `cat` is not an absolute path",
                "http-slots = `-1` (flag): must be a whole number from 0 to 10000",
                "samples = `yes` (flag): must be true or false",
            ]
        );
    }
}
