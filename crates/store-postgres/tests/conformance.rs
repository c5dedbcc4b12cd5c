//! The promises of the contract, kept on a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "the suite wants a store, not a result")]
use baton_store::conformance;
use baton_store_postgres::{PostgresConfig, PostgresStore};
use baton_test_support::Postgres;

/// Seeds and steps of the comparison with the model.
const SEEDS: u64 = 4;
const STEPS: u32 = 1_000;

/// Opens fresh copies of a migrated database.
struct Fresh {
    template: String,
}

impl Fresh {
    async fn new() -> Self {
        let template = Postgres::shared().unwrap().database().unwrap();
        PostgresStore::migrate(&template).await.unwrap();
        Self { template }
    }

    async fn store(&self) -> PostgresStore {
        let url = Postgres::shared().unwrap().copy_of(&self.template).unwrap();
        PostgresStore::connect(PostgresConfig::new(url)).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_keeps_every_promise_of_the_contract() {
    let fresh = Fresh::new().await;
    conformance::all(async || fresh.store().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_equals_the_model() {
    let fresh = Fresh::new().await;
    for seed in 1..=SEEDS {
        conformance::model_equality(async || fresh.store().await, seed, STEPS).await;
    }
}
