//! How every connection to the database is opened, with TLS or without.
use crate::error::is_handshake;
use crate::tls::Tls;
use baton_store::StoreError;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Error, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a connection may take to come about, its handshakes included: a server that is there
/// answers in milliseconds.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(2);

/// How long bytes may be without the other system's receipt before the connection is given up.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(3);

/// After how long without a sign of life the operating system asks for one, and how often.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);
const KEEPALIVE_TRIES: u32 = 3;

/// The same in the other direction: a server must notice that we are gone, or our locks stay.
const SERVER_KEEPALIVES: &str = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 \
    -c tcp_keepalives_count=3 -c tcp_user_timeout=15000";

/// What drives an open connection.
pub(crate) type Driver = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// Opens connections that are all alike.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Connector {
    /// With the URL's parameters and `settings` after them. Reads the files that the URL names.
    pub(crate) fn new(
        url: &str,
        settings: &str,
        statement_timeout_ms: u32,
    ) -> Result<Self, StoreError> {
        let refused = |why: String| StoreError::Unavailable(format!("the database's URL: {why}"));
        let (tls, url) = Tls::cut(url).map_err(refused)?;
        let mut config: Config = url.parse().map_err(|error: Error| refused(error.to_string()))?;
        let given = config.get_options().unwrap_or_default();
        let timeout = format!("-c statement_timeout={statement_timeout_ms}");
        let options = format!("{given} {SERVER_KEEPALIVES} {settings} {timeout}");
        config
            .options(options)
            .connect_timeout(CONNECT_MAX)
            .tcp_user_timeout(UNACKNOWLEDGED_MAX)
            .keepalives_idle(KEEPALIVE_IDLE)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(KEEPALIVE_TRIES);
        if config.get_application_name().is_none() {
            config.application_name("baton");
        }
        // As with libpq, a unix socket has no TLS, whatever the mode.
        let mode = if is_local(&config) { SslMode::Disable } else { tls.mode().ssl_mode() };
        config.ssl_mode(mode);
        Ok(Self { config, tls: tls.connect().map_err(refused)? })
    }

    /// Opens one. Where TLS is only preferred, a handshake that fails, or a server that lets nobody
    /// in with TLS, is followed by a try without.
    pub(crate) async fn open(&self) -> Result<(Client, Driver), Error> {
        let outcome = self.config.connect(self.tls.clone()).await;
        match outcome {
            Err(error) if self.config.get_ssl_mode() == SslMode::Prefer && may_be_tls(&error) => {
                let mut plain = self.config.clone();
                plain.ssl_mode(SslMode::Disable).connect(self.tls.clone()).await
            }
            outcome => outcome,
        }
    }

    /// As [`Self::open`], with a task that drives it until its client is dropped.
    pub(crate) async fn open_driven(&self) -> Result<(Client, JoinHandle<()>), Error> {
        let (client, driver) = self.open().await?;
        // How a connection ends shows in the requests that it fails.
        Ok((client, tokio::spawn(async { drop(driver.await) })))
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }
}

/// Whether nothing but unix sockets is named.
fn is_local(config: &Config) -> bool {
    let mut hosts = config.get_hosts().iter();
    config.get_hostaddrs().is_empty() && hosts.all(|host| matches!(host, Host::Unix(_)))
}

fn may_be_tls(error: &Error) -> bool {
    is_handshake(error) || error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}

impl deadpool_postgres::Connect for Connector {
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        self.open_driven().boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TLS that is demanded is left out for nobody but unix sockets.
    #[test]
    fn only_unix_sockets_go_without_tls() {
        let mode = |host: &str| {
            let url = format!("postgres://u@{host}sslmode=require");
            Connector::new(&url, "", 1).unwrap().config().get_ssl_mode()
        };
        assert_eq!(mode("%2Frun%2Fpostgresql/d?"), SslMode::Disable);
        for host in ["h/d?", "127.0.0.1/d?", "/d?hostaddr=127.0.0.1&", "%2Frun%2Fpostgresql,h/d?"] {
            assert_eq!(mode(host), SslMode::Require, "{host}");
        }
    }
}
