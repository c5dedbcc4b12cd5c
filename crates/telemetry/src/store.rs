//! What the stores record.
use crate::catalog::{Catalog, Group};
use crate::histogram::Histogram;
use crate::labels::Labeled;
use prometheus_client::metrics::counter::Counter;
use std::sync::atomic::Ordering;

/// What every store records.
#[derive(Clone, Debug)]
pub struct StoreMetrics {
    /// Rows that commits inserted, updated or deleted.
    pub rows_written: Counter,
    /// Requests that went to the database and back.
    pub round_trips: Counter,
    pool_wait: Labeled<Histogram, 1>,
}

impl Default for StoreMetrics {
    fn default() -> Self {
        Self {
            rows_written: Counter::default(),
            round_trips: Counter::default(),
            pool_wait: Labeled::new(["pool"]),
        }
    }
}

impl StoreMetrics {
    /// How long a request waited for a free connection of this pool.
    pub fn pool_wait(&self, pool: &str) -> Histogram {
        self.pool_wait.with([pool])
    }
}

impl Group for StoreMetrics {
    fn register(&self, catalog: &mut Catalog) {
        catalog.add(
            "baton_rows_written_total",
            "Rows that commits inserted, updated or deleted",
            &self.rows_written,
        );
        catalog.add(
            "baton_round_trips_total",
            "Requests that went to the database and back",
            &self.round_trips,
        );
        catalog.add_labeled(
            "baton_database_pool_wait_seconds",
            "Time a request waited for a free connection",
            &self.pool_wait,
        );
    }
}

/// What the store on PostgreSQL records.
#[derive(Clone, Debug, Default)]
pub struct PostgresMetrics {
    /// What every store records.
    pub store: StoreMetrics,
    wal_bytes: Counter,
}

impl PostgresMetrics {
    /// The server's write-ahead log has come to this position, bytes since its beginning.
    pub fn wal_is_at(&self, position: u64) {
        self.wal_bytes.inner().fetch_max(position, Ordering::Relaxed);
    }
}

impl Group for PostgresMetrics {
    fn register(&self, catalog: &mut Catalog) {
        self.store.register(catalog);
        catalog.add(
            "baton_wal_bytes_total",
            "Position in the write-ahead log of the whole database server",
            &self.wal_bytes,
        );
    }
}
