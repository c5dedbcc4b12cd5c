//! The promises of the contract, kept on a cluster, where one is named; and how its statements travel.
#![expect(clippy::unwrap_used, reason = "the suite wants a store, not a result")]
mod rows;

use baton_common::ExecutionId;
use baton_common::ids::SHARDS;
use baton_store::{Batch, ExecutionWrite, LoadRequest, QueueDemand, ReadyKey, Store, conformance};
use baton_store_postgres::{PostgresConfig, PostgresStore};
use baton_test_support::citus_url;
use rows::{AT, insert, step};
use tokio::sync::{Mutex, MutexGuard};
use tokio_postgres::{Client, NoTls};

/// Seeds and steps of the comparison with the model.
const SEEDS: u64 = 2;
const STEPS: u32 = 400;

/// There is one database, so the tests take turns.
static TURN: Mutex<()> = Mutex::const_new(());

/// All tables, so that a store is empty.
const EMPTY: &str = "truncate execution, journal, snapshot, ready, message, idempotency, task_log, \
    limited, slot; \
    truncate plan, workflow_definition, task_definition, poll; \
    update definition_revision set revision = 0";

/// The cluster's database, migrated and emptied.
struct Cluster {
    url: String,
    client: Client,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    async fn take(test: &str) -> Option<Self> {
        let url = citus_url(test)?;
        let turn = TURN.lock().await;
        PostgresStore::migrate(&url).await.unwrap();
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        Some(Self { url, client, _turn: turn })
    }

    async fn store(&self) -> PostgresStore {
        self.client.batch_execute(EMPTY).await.unwrap();
        PostgresStore::connect(PostgresConfig::new(&self.url)).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_keeps_every_promise_of_the_contract() {
    let Some(cluster) = Cluster::take("the contract on a cluster").await else { return };
    conformance::all(async || cluster.store().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_equals_the_model() {
    let Some(cluster) = Cluster::take("the model and a cluster").await else { return };
    for seed in 1..=SEEDS {
        conformance::model_equality(async || cluster.store().await, seed, STEPS).await;
    }
}

/// The statements of the hot path with values of shard 7.
const HOT: &[(&str, &str, &str)] = &[
    ("load", include_str!("../src/sql/load.sql"), "7, '{7}', null, '{0}', '{0}'"),
    (
        "losers",
        include_str!("../src/sql/commit_losers.sql"),
        "7, '{7}', null, '{1}', '{7}', '{w}', '{k}', null, 0",
    ),
    ("reserve", include_str!("../src/sql/reserve_ready.sql"), "7, '{q}', '{9}', 1000"),
    ("due", include_str!("../src/sql/due_wake_ups.sql"), "7, 0, 9"),
];

/// Each is one task on one node, and so is a commit: the function runs whole where its shard lies.
#[tokio::test]
async fn each_hot_statement_is_one_task() {
    let Some(cluster) = Cluster::take("the plans of a cluster").await else { return };
    let commit = include_str!("../src/sql/commit.sql");
    let nulls = vec!["null"; 66].join(", ");
    let commit = ("commit", commit, &*format!("7, {nulls}"));
    for (name, sql, values) in HOT.iter().copied().chain([commit]) {
        cluster.client.batch_execute(&format!("prepare {name} as {sql}")).await.unwrap();
        let explain = format!("explain (costs off) execute {name}({values})");
        let plan = lines(&cluster.client, &explain).await.join("\n");
        assert!(plan.contains("Task Count: 1\n"), "{name}:\n{plan}");
        assert_eq!(plan.matches("Node: ").count(), 1, "{name}:\n{plan}");
        cluster.client.batch_execute(&format!("deallocate {name}")).await.unwrap();
    }
}

/// Commits, loads and reservations over all shards: no node sends any statement to more than one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_node_asks_several_shards_at_once() {
    let Some(cluster) = Cluster::take("the counters of a cluster").await else { return };
    let count = "do $$ begin execute format( \
        'alter database %I set citus.enable_stat_counters = on', current_database()); end $$";
    let count = format!("select result from run_command_on_all_nodes($q${count}$q$)");
    cluster.client.batch_execute(&count).await.unwrap();
    let store = cluster.store().await;
    let mut lane = store.open_lane().await.unwrap();
    let [single, multi] = cluster.counted().await;
    let prepared = cluster.sum("select count(*) from pg_dist_transaction").await;
    for batches in [turn(0), turn(1)] {
        for outcome in lane.commit_each(&batches).await {
            outcome.unwrap();
        }
    }
    let loads: Vec<_> =
        (0..SHARDS).map(|n| LoadRequest { id: id(n), journal_after: Some(0) }).collect();
    assert_eq!(store.load(&loads).await.unwrap().iter().flatten().count(), loads.len());
    let demand = QueueDemand { queue: "q".into(), count: 100 };
    let named = store.reserve_ready(&[demand], 60_000).await.unwrap();
    assert_eq!(named.len(), loads.len());
    assert_eq!(store.due_wake_ups(AT, 100).await.unwrap().len(), loads.len());
    let [single_after, multi_after] = cluster.counted().await;
    assert!(single_after >= single + 5 * i64::from(SHARDS), "{single} to {single_after}");
    assert_eq!(multi_after, multi);
    assert!(
        cluster.sum("select count(*) from pg_dist_transaction").await <= prepared,
        "two phases"
    );
}

impl Cluster {
    /// Statements so far, on all nodes: of one shard, and of several.
    async fn counted(&self) -> [i64; 2] {
        let counted = async |kind: &str| {
            let sql = format!(
                "select sum(query_execution_{kind}_shard) from citus_stat_counters \
                where name = current_database()"
            );
            self.sum(&sql).await
        };
        [counted("single").await, counted("multi").await]
    }

    /// The sum of a number over all nodes.
    async fn sum(&self, sql: &str) -> i64 {
        let sql = format!(
            "select sum(result::bigint)::bigint from run_command_on_all_nodes($q${sql}$q$)"
        );
        self.client.query_one(&sql, &[]).await.unwrap().get(0)
    }
}

async fn lines(client: &Client, sql: &str) -> Vec<String> {
    let rows = client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The only execution of shard `n`.
fn id(n: u8) -> ExecutionId {
    ExecutionId::new(AT, 1).in_shard(n)
}

/// A batch for each shard: an insert, or the step from `version`.
fn turn(version: i64) -> Vec<Batch> {
    let write = |n: u8| {
        let ready = ReadyKey { queue: "q".into(), priority: 0, ready_at: AT, task: id(n).task(1) };
        let write = if version == 0 { insert(id(n)) } else { step(id(n), version) };
        ExecutionWrite { wake_at: Some(AT), ready_added: vec![ready], ..write }
    };
    let batch = |n| Batch { at: AT, revision: Some(0), writes: vec![write(n)], ..Batch::default() };
    (0..SHARDS).map(batch).collect()
}
