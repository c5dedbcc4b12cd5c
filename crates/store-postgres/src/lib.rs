//! The repository on PostgreSQL.
//!
//! An execution is a narrow row that each commit updates in place, and a journal that only grows.
//! A batch is one call of one function, so one round trip and one transaction. Nothing here decides:
//! SQL selects, fences and writes what it is given.
//!
//! Where the extension Citus is there, `migrate` cuts the tables by shard over its nodes, each of these
//! calls names the one shard it is about, and the store's scope is a shard (shards.rs, lane.rs).
//!
//! PostgreSQL's text cannot hold NUL, so columns of text hold it escaped (text.rs); payloads and
//! journals are bytes.
mod batch;
mod config;
mod connector;
mod database;
mod definitions;
mod error;
mod lane;
mod limit_reads;
mod limits;
mod liveness;
mod measure;
mod migrate;
mod notifier;
mod rows;
mod rows_written;
mod search;
mod shards;
mod share;
mod store;
#[cfg(test)]
mod tests;
mod text;
mod tls;
mod waits;

pub use config::{PostgresConfig, hosts_of};
pub use measure::{COUNTS_SETTLE, DatabaseCounts, HeldSnapshot, Measure};
pub use migrate::MigrationReport;
pub use store::PostgresStore;
