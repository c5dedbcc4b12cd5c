//! Whether a connection that does not answer is dead, or its server still works.
//!
//! A firewall that forgets a connection drops its packets and says nothing, and a proxy in between may
//! take them and never pass them on; neither shows as an error. So who waits longer than usual asks
//! the server over another connection whether it works on the statement at all.
use crate::connector::{CONNECT_MAX, Connector};
use baton_store::StoreError;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

/// Why nobody waits any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// The connection is dead, the server is there: another connection may do.
    OfConnection,
    /// The server does not answer at all, or took longer than its own time limit.
    OfServer,
}

impl From<Silence> for StoreError {
    fn from(silence: Silence) -> Self {
        Self::Unavailable(match silence {
            Silence::OfConnection => "a connection to the database is dead".into(),
            Silence::OfServer => "the database did not answer in time".into(),
        })
    }
}

/// Asks a server about the processes of its connections, over a connection of its own.
pub(crate) struct Prober {
    connector: Connector,
    /// How long an answer may take before somebody asks.
    pub(crate) patience: Duration,
    /// One asks at a time; opened when it is first needed.
    link: Mutex<Option<Client>>,
}

impl Prober {
    pub(crate) fn new(connector: Connector, patience: Duration) -> Self {
        Self { connector, patience, link: Mutex::default() }
    }

    /// What `work` comes to, which the server's process `process` does; at most `limit`.
    pub(crate) async fn answer<T>(
        &self,
        process: i32,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Silence> {
        tokio::pin!(work);
        let until = Instant::now() + limit;
        while Instant::now() < until {
            let asks_at = until.min(Instant::now() + self.patience);
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = sleep_until(asks_at) => {}
            }
            let verdict = tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                verdict = self.ask(process) => verdict,
            };
            match verdict {
                Ok(true) => {}
                // It may have been done just now, and its answer be on the way.
                Ok(false) => {
                    let late = timeout(self.patience, &mut work).await;
                    return late.map_err(|_| Silence::OfConnection);
                }
                Err(silence) => return Err(silence),
            }
        }
        Err(Silence::OfServer)
    }

    /// Whether a connection that was not used for a while still answers.
    pub(crate) async fn is_alive(&self, client: &Client) -> bool {
        timeout(self.patience, client.simple_query("")).await.is_ok_and(|answer| answer.is_ok())
    }

    /// Whether the server works on a statement of this process.
    async fn ask(&self, process: i32) -> Result<bool, Silence> {
        let asked = timeout(CONNECT_MAX, self.works(process)).await;
        asked.ok().and_then(Result::ok).ok_or(Silence::OfServer)
    }

    async fn works(&self, process: i32) -> Result<bool, Error> {
        let mut link = self.link.lock().await;
        if let Some(client) = link.take()
            && let Ok(Ok(works)) = timeout(self.patience, works_on(&client, process)).await
        {
            *link = Some(client);
            return Ok(works);
        }
        let (client, _) = self.connector.open_driven().await?;
        let works = works_on(&client, process).await?;
        *link = Some(client);
        Ok(works)
    }
}

async fn works_on(client: &Client, process: i32) -> Result<bool, Error> {
    let sql = include_str!("sql/works.sql");
    let rows = client.query_typed(sql, &[(&process, Type::INT4)]).await?;
    Ok(!rows.is_empty())
}

/// The server's process behind a connection.
pub(crate) async fn process_of(client: &Client) -> Result<i32, Error> {
    let row = client.query_typed_one(include_str!("sql/process.sql"), &[]).await?;
    row.try_get(0)
}
