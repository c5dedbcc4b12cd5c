//! The plans of the hot path's statements, those inside its functions too: all find their rows by an
//! index, and with a shard given all look into that shard alone, so that each runs on one node.
#[path = "../../tests/rows/mod.rs"]
mod rows;

use crate::PostgresConfig;
use crate::batch::{Columns, Fences, OneShard, Param};
use crate::migrate::migrate;
use anyhow::Context;
use baton_common::ExecutionId;
use baton_common::ids::shard_of_key;
use baton_store::{Batch, CommitScope, ExecutionWrite, MessageId, ReadyKey, StoredMessage};
use baton_test_support::Postgres;
use bytes::Bytes;
use futures::{StreamExt, stream};
use rows::{AT, insert, step};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client};

const SHARD: u8 = 7;

/// The tables that are cut by shard.
const CUT: [&str; 5] = ["execution", "journal", "ready", "message", "idempotency"];

/// Sends every plan of the connection to the client, those of statements inside functions too.
const EXPLAIN_ALL: &str = "load 'auto_explain'; set auto_explain.log_min_duration = 0; \
    set auto_explain.log_nested_statements = on; set client_min_messages = log";

/// A connection that explains the statements sent over it.
struct Explained {
    client: Client,
    plans: mpsc::UnboundedReceiver<String>,
}

impl Explained {
    async fn new(scope: CommitScope) -> anyhow::Result<Self> {
        let url = Postgres::shared()?.database()?;
        migrate(&url).await?;
        let connector = PostgresConfig::new(url).engine(scope)?;
        let (client, mut connection) = connector.open().await?;
        let (sender, plans) = mpsc::unbounded_channel();
        let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
        tokio::spawn(async move {
            while let Some(Ok(message)) = messages.next().await {
                if let AsyncMessage::Notice(notice) = message {
                    let _ = sender.send(notice.message().to_owned());
                }
            }
        });
        client.batch_execute(EXPLAIN_ALL).await?;
        Ok(Self { client, plans })
    }

    /// The plans that a call was made of.
    async fn call(&mut self, sql: &str, params: &[Param<'_>]) -> anyhow::Result<Vec<String>> {
        while self.plans.try_recv().is_ok() {}
        self.client.query(sql, params).await?;
        let mut plans = Vec::new();
        while let Ok(plan) = self.plans.try_recv() {
            let (_, plan) = plan.split_once("plan:").context("a plan")?;
            plans.push(plan.to_owned());
        }
        Ok(plans)
    }

    /// The plans of every statement of the hot path.
    async fn hot_path(&mut self, only: OneShard) -> anyhow::Result<Vec<String>> {
        let shard = only.map(i16::from);
        let mut plans = Vec::new();
        for batch in [inserts(), steps()] {
            let columns = Columns::of(&batch, only);
            plans.extend(self.call(include_str!("../sql/commit.sql"), &columns.params()).await?);
            let fences = Fences::of(&batch, only);
            let losers = include_str!("../sql/commit_losers.sql");
            plans.extend(self.call(losers, &fences.params()).await?);
        }
        let id = execution(1);
        let (shards, ids) = (vec![i16::from(SHARD)], vec![id.uuid()]);
        let load: [Param<'_>; 5] = [&shard, &shards, &ids, &vec![0_i64], &vec![0_i64]];
        plans.extend(self.call(include_str!("../sql/load.sql"), &load).await?);
        let reserve: [Param<'_>; 4] = [&shard, &vec!["q"], &vec![9_i64], &1_000_i64];
        plans.extend(self.call(include_str!("../sql/reserve_ready.sql"), &reserve).await?);
        let due: [Param<'_>; 3] = [&shard, &AT.millis(), &9_i64];
        plans.extend(self.call(include_str!("../sql/due_wake_ups.sql"), &due).await?);
        Ok(plans)
    }
}

fn execution(n: u64) -> ExecutionId {
    ExecutionId::new(AT.plus_millis(n.cast_signed()), n).in_shard(SHARD)
}

/// A key that the shard keeps.
fn key() -> String {
    let mut keys = (0..).map(|n| format!("key {n}"));
    keys.find(|key| shard_of_key("ship", key) == SHARD).unwrap_or_default()
}

fn ready(id: ExecutionId) -> ReadyKey {
    ReadyKey { queue: "q".into(), priority: 0, ready_at: AT, task: id.task(1) }
}

fn message(from: ExecutionId) -> StoredMessage {
    let id = MessageId { from, version: 1, number: 0 };
    StoredMessage { id, to: execution(9), body: Bytes::from_static(b"body") }
}

/// One of everything that an insert brings.
fn inserts() -> Batch {
    let id = execution(1);
    let write = ExecutionWrite {
        wake_at: Some(AT),
        idempotency_key: Some(key()),
        ready_added: vec![ready(id)],
        sent: vec![message(id)],
        ..insert(id)
    };
    Batch { at: AT, revision: Some(0), writes: vec![write], ..Batch::default() }
}

/// A step of the same that takes away what it brought, and is lifted as due.
fn steps() -> Batch {
    let inserted = inserts().writes.remove(0);
    let id = inserted.id;
    let write = ExecutionWrite {
        wake_at: Some(AT.plus_millis(9)),
        ready_removed: inserted.ready_added,
        index: inserted.index,
        input: inserted.input,
        overview: inserted.overview,
        ..step(id, 1)
    };
    Batch { at: AT, writes: vec![write], delivered: vec![message(id).id], ..Batch::default() }
}

/// The scans of a plan that read a table cut by shard, each with its conditions.
fn scans(plan: &str) -> Vec<String> {
    let mut nodes: Vec<String> = Vec::new();
    for line in plan.lines() {
        match nodes.last_mut() {
            Some(node) if !line.contains("(cost=") => {
                node.push('\n');
                node.push_str(line);
            }
            _ => nodes.push(line.to_owned()),
        }
    }
    let reads_cut = |node: &String| {
        let title = node.lines().next().unwrap_or_default();
        title.contains("Scan") && CUT.iter().any(|table| title.contains(&format!(" on {table} ")))
    };
    nodes.into_iter().filter(reads_cut).collect()
}

/// With a shard given, each scan is of that shard, by a condition on the parameter itself: a cluster
/// sends such a statement to one node.
#[tokio::test]
async fn every_hot_statement_keeps_to_its_shard() -> anyhow::Result<()> {
    let mut explained = Explained::new(CommitScope::Shard).await?;
    let plans = explained.hot_path(Some(SHARD)).await?;
    let mut seen = Vec::new();
    for plan in &plans {
        for scan in scans(plan) {
            assert!(scan.contains("shard = '7'::smallint"), "{scan}\nin\n{plan}");
            seen.extend(CUT.iter().filter(|table| scan.contains(&format!(" on {table} "))));
        }
    }
    assert!(CUT.iter().all(|table| seen.contains(&table)), "{seen:?}");
    Ok(())
}

/// Without one, on the engine's own connections, none scans a whole table, whatever its statistics.
#[tokio::test]
async fn every_hot_statement_finds_its_rows_by_index() -> anyhow::Result<()> {
    let mut explained = Explained::new(CommitScope::Database).await?;
    let plans = explained.hot_path(None).await?;
    for plan in &plans {
        for scan in scans(plan) {
            assert!(scan.contains("Index") && !scan.contains("Bitmap"), "{plan}");
        }
    }
    assert!(plans.len() > 12, "{plans:?}");
    Ok(())
}
