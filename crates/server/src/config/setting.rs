//! Every setting there is: the one table behind flags, environment, file and documentation.

/// Where a setting matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Whatever opens the database: `server`, `gateway`, `migrate`, `backup`, `restore`.
    Database,
    /// Roles that keep executions: `server`, `gateway`, `migrate`.
    Engine,
    /// Roles that run tasks: `server`, `executor`.
    Worker,
    /// The role that only runs tasks: `executor`.
    Executor,
    /// Whatever calls a server: `executor`, `definition`, `workflow`.
    Caller,
    /// Every role.
    All,
}

/// One setting. Its flag is `--<key>`, its variable `BATON_<KEY>`, its key in the file `<key>`.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The name, in words joined by dashes.
    pub(crate) key: &'static str,
    /// Used when nobody says anything; empty = none.
    pub(crate) default: &'static str,
    /// What a value looks like, in help texts.
    pub(crate) value_name: &'static str,
    /// Where it matters.
    pub(crate) readers: Readers,
    /// Whether the value is never shown.
    pub(crate) secret: bool,
    /// What it does, its unit and range, and what goes wrong when it is chosen badly.
    pub(crate) doc: &'static str,
}

impl Setting {
    /// The environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("BATON_{}", self.key.to_uppercase().replace('-', "_"))
    }
}

const fn setting(
    key: &'static str,
    default: &'static str,
    value_name: &'static str,
    readers: Readers,
    doc: &'static str,
) -> Setting {
    Setting { key, default, value_name, readers, secret: false, doc }
}

/// Every setting, in the order of the documentation; all since 0.1.0.
pub(crate) const SETTINGS: [Setting; 33] = [
    setting(
        "listen",
        "127.0.0.1:8080",
        "ADDRESS",
        Readers::Engine,
        "Address and port served. The default is reachable from this machine only: Baton has \
         no authentication, so bind to 0.0.0.0 only behind a proxy that adds it",
    ),
    setting(
        "database-url",
        "sqlite:baton.db",
        "URL",
        Readers::Database,
        "Where executions are kept: sqlite:<file> for one machine, postgres://user:password@host/name \
         for any number. Roles of one installation name the same PostgreSQL. With ?sslmode=verify-full \
         and sslrootcert it is called by TLS",
    ),
    setting(
        "database-pool-size",
        "16",
        "COUNT",
        Readers::Engine,
        "Most PostgreSQL connections for reading, 1 to 1000. Too small: readers wait for each other",
    ),
    setting(
        "evaluators",
        "2",
        "COUNT",
        Readers::Engine,
        "Processes that evaluate scripts, 1 to 64. Too few: long scripts make others wait",
    ),
    setting(
        "bodies-bytes-max",
        "268435456",
        "BYTES",
        Readers::Engine,
        "Most bytes of request bodies in memory at a time, 67108864 to 68719476736. Too small: callers \
         with large bodies get 503 and try again; too large: many at once exhaust the memory",
    ),
    setting(
        "task-workers",
        "true",
        "BOOL",
        Readers::Engine,
        "Whether `server` runs the built-in task types itself. Turn it off where executors do",
    ),
    setting(
        "otlp-endpoint",
        "",
        "URL",
        Readers::Engine,
        "Collector that spans are sent to, as OTLP over HTTP: http://127.0.0.1:4318. The default is \
         none: nothing is recorded, and a caller's trace is only passed on",
    ),
    setting(
        "trace-share",
        "1",
        "SHARE",
        Readers::Engine,
        "Share of the executions that are traced, 0 to 1, where the caller's own trace does not say \
         whether. Too large for the collector: spans are dropped, and the log says how many",
    ),
    setting(
        "server-url",
        "http://127.0.0.1:8080",
        "URL",
        Readers::Caller,
        "The server called, with or without /api",
    ),
    Setting {
        key: "token",
        default: "",
        value_name: "TOKEN",
        readers: Readers::Caller,
        secret: true,
        doc: "Sent as X-Authorization with every call, for servers behind a gateway that asks for it",
    },
    setting(
        "worker-id",
        "",
        "NAME",
        Readers::Worker,
        "Name in polls and reports; the default is host name and process id. Best unique",
    ),
    setting(
        "domain",
        "",
        "NAME",
        Readers::Worker,
        "Domain polled; the default is the plain queues",
    ),
    setting(
        "http-slots",
        "64",
        "COUNT",
        Readers::Worker,
        "Most HTTP tasks at once, 0 to 10000; 0 = none are run. Too few: HTTP tasks wait",
    ),
    setting(
        "http-reach",
        "internal",
        "REACH",
        Readers::Worker,
        "Addresses HTTP tasks may call: any; internal (all but link-local and other addresses \
         where clouds keep credentials); loopback (public and this machine); public. Choose public \
         where definitions come from people you do not trust. Unless it is any, what Baton itself \
         listens on, its database and, for an executor, its server are refused too",
    ),
    setting(
        "http-allow",
        "",
        "HOST:PORT",
        Readers::Worker,
        "Hosts and ports HTTP tasks may call whatever http-reach says, comma-separated and written \
         as in the task's address, as 127.0.0.1:8080. What a name resolves to is not checked",
    ),
    setting(
        "http-deny",
        "",
        "HOST:PORT",
        Readers::Worker,
        "Hosts and ports HTTP tasks may not call, comma-separated, as 10.0.0.7:8080 for a gateway \
         that this process does not know. A name stands for the addresses it resolves to",
    ),
    setting(
        "http-response-bytes-max",
        "9437184",
        "BYTES",
        Readers::Worker,
        "Largest answer of an HTTP task, up to 10 MiB; a larger one fails the task",
    ),
    setting(
        "command-programs",
        "",
        "PATHS",
        Readers::Worker,
        "Programs COMMAND tasks may run: absolute paths, comma-separated. The default is none, and \
         then COMMAND tasks are not polled for",
    ),
    setting(
        "command-env",
        "",
        "NAMES",
        Readers::Worker,
        "Environment variables COMMAND tasks may set, comma-separated",
    ),
    setting(
        "command-slots",
        "4",
        "COUNT",
        Readers::Worker,
        "Most COMMAND tasks at once, 1 to 1000",
    ),
    setting(
        "command-time-ms",
        "60000",
        "MILLISECONDS",
        Readers::Worker,
        "Longest run of a program, 1 ms to a day; it and all processes of its group are ended then",
    ),
    setting(
        "command-grace-ms",
        "2000",
        "MILLISECONDS",
        Readers::Worker,
        "How long a program's processes have between SIGTERM and SIGKILL, 0 to 60000. Short: they \
         cannot clean up; long: a drain takes that much longer",
    ),
    setting(
        "command-cpu-seconds",
        "3600",
        "SECONDS",
        Readers::Worker,
        "Most CPU time of each process of a program, up to a day; 0 = as much as it wants. Above \
         it the process is killed",
    ),
    setting(
        "command-memory-bytes-max",
        "4294967296",
        "BYTES",
        Readers::Worker,
        "Most address space of each process of a program, from 16 MiB; 0 = as much as it wants. \
         Above it allocations fail. Java and Node.js reserve more than they use: raise it for them",
    ),
    setting(
        "command-open-files-max",
        "1024",
        "COUNT",
        Readers::Worker,
        "Most open files of each process of a program, from 16; 0 = as many as this process may \
         open",
    ),
    setting(
        "command-processes-max",
        "4096",
        "COUNT",
        Readers::Worker,
        "Most processes and threads of the user this process runs as, for a program that starts \
         more; 0 = as many as the system lets it. It counts all of the user's, Baton's included, \
         and is not in force for root",
    ),
    setting(
        "command-file-bytes-max",
        "1073741824",
        "BYTES",
        Readers::Worker,
        "Largest file that a process of a program may write; 0 = as large as it wants. Above it the \
         process is killed",
    ),
    setting(
        "samples",
        "false",
        "BOOL",
        Readers::Worker,
        "Whether to run the workers of the sample definitions (order_reserve and so on)",
    ),
    setting(
        "poll-timeout-ms",
        "5000",
        "MILLISECONDS",
        Readers::Worker,
        "How long a poll waits for work, 0 to 5000. Short: many empty polls",
    ),
    setting(
        "metrics-listen",
        "",
        "ADDRESS",
        Readers::Executor,
        "Address and port where an executor serves /metrics; the default is nowhere. A server and a \
         gateway serve theirs beside the API",
    ),
    setting(
        "drain-ms",
        "10000",
        "MILLISECONDS",
        Readers::All,
        "How long tasks and requests may go on after a stop is asked for, 0 to 600000. Short: tasks \
         are handed back and begin anew elsewhere",
    ),
    setting(
        "log",
        "info",
        "FILTER",
        Readers::All,
        "What is logged: error, warn, info, debug, trace, or a filter such as info,baton_executor=debug",
    ),
    setting(
        "log-format",
        "auto",
        "FORMAT",
        Readers::All,
        "text for people, json (one object a line) for machines; auto is text on a terminal, json \
         elsewhere",
    ),
];

/// The setting of this key.
pub(crate) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// The known key that a misspelt one most likely means.
pub(crate) fn nearest(key: &str) -> Option<&'static str> {
    let key = key.to_lowercase().replace('_', "-");
    let nearest = SETTINGS.iter().map(|known| (distance(&key, known.key), known.key)).min()?;
    (nearest.0 <= 1 + key.chars().count() / 5).then_some(nearest.1)
}

/// Letters to insert, delete or replace to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, left) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, right) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_finds_the_one_meant() {
        assert_eq!(nearest("databse-url"), Some("database-url"));
        assert_eq!(nearest("DATABASE_URL"), Some("database-url"));
        assert_eq!(nearest("http_slot"), Some("http-slots"));
        assert_eq!(nearest("colour"), None);
    }

    #[test]
    fn keys_are_unique_and_documented() {
        let mut keys: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), SETTINGS.len());
        assert!(SETTINGS.iter().all(|setting| setting.doc.len() > 15));
    }
}
