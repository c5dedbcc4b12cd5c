//! `baton migrate`: brings the database to this version's schema, and ends.
use crate::config::{Config, Database};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use baton_store_postgres::PostgresStore;

/// Applies what is missing; says what was done.
pub(crate) async fn run(config: &Config, output: Output) -> Result<(), Failure> {
    let url = match &config.engine.database {
        Database::Postgres(url) => url,
        Database::Sqlite(path) => {
            let path = path.display();
            return output.line(&format!("{path} is brought up to date when the server opens it"));
        }
    };
    let report = PostgresStore::migrate(url).await.map_err(|error| {
        Failure::new(Exit::Unavailable, format!("the database was not migrated: {error}"))
            .fix("check --database-url and that its user may create tables")
    })?;
    for name in &report.applied {
        output.line(&format!("applied {name}"))?;
    }
    output.line(&format!("schema version {}", report.version))
}
