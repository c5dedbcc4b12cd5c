//! `baton gateway`: as `baton server`, without running tasks; many share one PostgreSQL.
use crate::config::{Config, Database};
use crate::failure::{Exit, Failure};

/// Serves until the process is asked to stop.
pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    if let Database::Sqlite(_) = config.engine.database {
        let cause = "a gateway shares its database with other nodes, and SQLite cannot be shared";
        return Err(Failure::new(Exit::Config, cause)
            .fix("name a PostgreSQL with --database-url, or run `baton server`"));
    }
    let mut config = config.clone();
    config.engine.task_workers = false;
    super::server::run(&config).await
}
