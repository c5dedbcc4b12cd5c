//! What tests of several crates need from the outside world: a PostgreSQL server of their own.
//!
//! It never uses a server that happens to run, and leaves nothing behind, even when the test
//! process is killed.
mod postgres;

pub use postgres::Postgres;
