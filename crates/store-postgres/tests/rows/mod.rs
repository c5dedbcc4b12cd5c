//! Rows to test with.
use baton_common::{ExecutionId, Payload, Timestamp, WorkflowStatus};
use baton_store::{ExecutionIndex, ExecutionWrite, PlanHash, Waits};
use bytes::Bytes;

/// The moment around which they live.
pub(crate) const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The insert of an execution that waits for a person.
pub(crate) fn insert(id: ExecutionId) -> ExecutionWrite {
    let index = ExecutionIndex {
        workflow_name: "ship".into(),
        workflow_version: 1,
        correlation_id: None,
        created_at: AT,
        parent: None,
        plan: PlanHash([7; 32]),
    };
    ExecutionWrite {
        index: Some(index),
        input: Some(Payload::empty_object()),
        overview: Some(Bytes::new()),
        ..step(id, 0)
    }
}

/// A later write that gives nothing it need not give.
pub(crate) fn step(id: ExecutionId, expected_version: i64) -> ExecutionWrite {
    ExecutionWrite {
        id,
        expected_version,
        status: WorkflowStatus::Running,
        waits: Waits(Waits::EXTERNAL),
        wake_at: None,
        ended_at: None,
        index: None,
        input: None,
        overview: None,
        journal: Bytes::from_static(b"changes"),
        idempotency_key: None,
        ready_added: vec![],
        ready_removed: vec![],
        sent: vec![],
    }
}
