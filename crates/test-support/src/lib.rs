//! What tests of several crates need from the outside world: a PostgreSQL server of their own.
//!
//! It never uses a server that happens to run, and leaves nothing behind, even when the test
//! process is killed. Only a cluster must be named, since nobody can make one from Debian's programs.
mod citus;
mod postgres;

pub use citus::citus_url;
pub use postgres::Postgres;
