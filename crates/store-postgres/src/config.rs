//! What an operator chooses about the database, and what each kind of connection is told.
use crate::connector::Connector;
use crate::tls::Tls;
use baton_store::{CommitScope, StoreError};
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// Connections that run the engine's statements: generic plans by key only, whatever the statistics
/// of a fresh or emptied table suggest.
const ENGINE_SETTINGS: &str = "-c plan_cache_mode=force_generic_plan -c jit=off \
    -c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off -c enable_bitmapscan=off \
    -c idle_in_transaction_session_timeout=5000";

/// The same where the tables are distributed: a statement is sent to the node of its shard, which the
/// coordinator can tell only with the values at hand.
const ROUTED_SETTINGS: &str = "-c plan_cache_mode=force_custom_plan -c jit=off \
    -c idle_in_transaction_session_timeout=5000";

/// Connections that run searches and checks: planned with the values at hand, one core each at most.
const SEARCH_SETTINGS: &str = "-c plan_cache_mode=force_custom_plan -c jit=off \
    -c max_parallel_workers_per_gather=0 -c idle_in_transaction_session_timeout=5000";

/// How long an answer may take before the server is asked whether it works on it, milliseconds.
const PATIENCE_MS: u64 = 1_000;

/// How long the server may take to answer that, milliseconds.
const PROBE_TIMEOUT_MS: u32 = 2_000;

/// Statements of one request that are under way at a time; no more than the pool has connections by
/// default, so that one request does not wait for itself.
pub(crate) const IN_FLIGHT_MAX: usize = 8;

/// The port of a database whose URL names none.
const PORT_DEFAULT: u16 = 5432;

/// How to reach the database, and how much of it to use.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// `postgres://user:password@host:port/database`, or with a directory as `host` for a unix
    /// socket. `sslmode`, `sslrootcert`, `sslcert` and `sslkey` as libpq has them.
    pub url: String,
    /// Connections for everything but commits and searches; each lane has one more of its own.
    /// From 1; too few and loads wait for each other.
    pub pool_size: usize,
    /// Connections for searches and checks. From 1; too many and searches starve the engine.
    pub search_pool_size: usize,
    /// How long a request waits for a free connection, in milliseconds, before it is refused.
    pub pool_wait_ms: u64,
    /// How long a statement of the engine may take, in milliseconds. Too small and the largest
    /// batch never commits.
    pub statement_timeout_ms: u32,
    /// How long a search may take, in milliseconds.
    pub search_timeout_ms: u32,
    /// How long a connection may be silent, in milliseconds, before it is checked: one that was not
    /// used for so long by a question of its own, one that owes an answer by asking the server over
    /// another. A dead one costs as much, and 2 s more where the server is away. From 1; too small
    /// and statements that only take their time are asked about.
    pub patience_ms: u64,
}

impl PostgresConfig {
    /// The database at `url`, used as suits a machine of a few cores: 8 connections, 2 for
    /// searches, a wait of 5 s, 15 s for a statement, 30 s for a search, a check after 1 s.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            pool_size: 8,
            search_pool_size: 2,
            pool_wait_ms: 5_000,
            statement_timeout_ms: 15_000,
            search_timeout_ms: 30_000,
            patience_ms: PATIENCE_MS,
        }
    }

    pub(crate) fn engine(&self, scope: CommitScope) -> Result<Connector, StoreError> {
        let settings = match scope {
            CommitScope::Database => ENGINE_SETTINGS,
            CommitScope::Shard => ROUTED_SETTINGS,
        };
        Connector::new(&self.url, settings, self.statement_timeout_ms)
    }

    pub(crate) fn searches(&self) -> Result<Connector, StoreError> {
        Connector::new(&self.url, SEARCH_SETTINGS, self.search_timeout_ms)
    }

    /// Connections that only ask about others.
    pub(crate) fn probes(&self) -> Result<Connector, StoreError> {
        Connector::new(&self.url, "", PROBE_TIMEOUT_MS)
    }

    pub(crate) fn patience(&self) -> Duration {
        Duration::from_millis(self.patience_ms)
    }
}

/// The hosts and ports that a database's URL names; none for a unix socket and for a URL that
/// cannot be read.
pub fn hosts_of(url: &str) -> Vec<(String, u16)> {
    let Ok((_, url)) = Tls::cut(url) else { return Vec::new() };
    let Ok(config) = url.parse::<Config>() else { return Vec::new() };
    let ports = config.get_ports();
    // One port counts for all hosts.
    let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(PORT_DEFAULT);
    let names = config.get_hosts().iter().enumerate().filter_map(|(index, host)| match host {
        Host::Tcp(name) => Some((name.clone(), port(index))),
        Host::Unix(_) => None,
    });
    let addresses = config.get_hostaddrs().iter().enumerate();
    let addresses = addresses.map(|(index, address)| (address.to_string(), port(index)));
    names.chain(addresses).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_of_a_url_has_its_port() {
        for (url, hosts) in [
            ("postgres://u:p@db.example/baton", "db.example:5432"),
            ("postgresql://u@127.0.0.1:6432/baton?sslmode=disable", "127.0.0.1:6432"),
            ("postgres://u@[::1]:7/baton", "::1:7"),
            ("postgres://u@a:1,b:2/baton", "a:1 b:2"),
            ("postgres://u@/baton?host=c&port=3", "c:3"),
            ("postgres://u@a:4/baton?hostaddr=10.0.0.7", "a:4 10.0.0.7:4"),
            ("postgres://u@/baton?host=/run/postgresql", ""),
            ("postgres://u@d/baton?sslmode=verify-full&sslrootcert=/ca.pem", "d:5432"),
            ("no url", ""),
        ] {
            let shown: Vec<String> =
                hosts_of(url).iter().map(|(host, port)| format!("{host}:{port}")).collect();
            assert_eq!(shown.join(" "), hosts, "{url}");
        }
    }
}
