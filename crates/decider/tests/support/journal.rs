//! The journal of a history, in the bytes that a database would keep: whatever is decided can be
//! written and read back, as changes, as a journal and as a snapshot.
use baton_decider::change::Change;
use baton_decider::decide::Decision;
use baton_decider::state::Execution;
use baton_format::{Entry, encode_changes, encode_snapshot, replay};

/// Decisions between two snapshots; small, so that entries before and after one are both usual.
const SNAPSHOT_EVERY: i64 = 5;

/// Entries by version, and the newest snapshot.
#[derive(Default)]
pub(crate) struct Journal {
    entries: Vec<(i64, Vec<u8>)>,
    snapshot: Option<(i64, Vec<u8>)>,
}

impl Journal {
    /// Whether nothing was decided yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Keeps a decision, which must read back as it was.
    pub(crate) fn keep(&mut self, created: &Execution, before: &Execution, decision: &Decision) {
        if self.is_empty() {
            let start = Change::ExecutionStarted(Box::new((*created.facts).clone()));
            self.entries.push((1, encode_changes(&[start], None, created)));
        }
        let after = &decision.execution;
        let bytes = encode_changes(&decision.changes, Some(before), after);
        let mut state = before.clone();
        let read = Entry::parse(&bytes).and_then(|entry| entry.apply(&mut state));
        assert_eq!(read.expect("changes are read back"), decision.changes);
        let version = self.newest() + 1;
        self.entries.push((version, bytes));
        if version % SNAPSHOT_EVERY == 0 {
            self.snapshot = Some((version, encode_snapshot(after)));
        }
    }

    fn newest(&self) -> i64 {
        self.entries.last().map_or(0, |(version, _)| *version)
    }

    /// In what a state that is read differs from the one decided: from the start, from the newest
    /// snapshot, and from a snapshot of this moment.
    pub(crate) fn faults(&self, state: &Execution) -> Vec<String> {
        let now = (self.newest(), encode_snapshot(state));
        let ways = [None, self.snapshot.as_ref(), Some(&now)];
        let faults = ways.into_iter().filter_map(|snapshot| {
            let read = self.read(state, snapshot);
            read.difference(state).or_else(|| steps_differ(&read, state))
        });
        faults.collect()
    }

    fn read(&self, state: &Execution, snapshot: Option<&(i64, Vec<u8>)>) -> Execution {
        let after = snapshot.map_or(0, |(version, _)| *version);
        let later = self.entries.iter().filter(|(version, _)| *version > after);
        let later: Vec<_> = later.map(|(version, bytes)| (*version, bytes.as_slice())).collect();
        let snapshot = snapshot.map(|(version, bytes)| (*version, bytes.as_slice()));
        let read = replay(state.plan.clone(), state.input.clone(), snapshot, &later);
        let (mut read, _) = read.expect("the journal is read back");
        // As a load takes it from the row.
        read.created_at = state.created_at;
        read
    }
}

/// Steps that were defined at run time are the same ones.
fn steps_differ(read: &Execution, state: &Execution) -> Option<String> {
    let steps = |execution: &Execution| -> Vec<String> {
        let nodes = execution.step_plans.iter().flat_map(|plan| &plan.nodes);
        nodes.map(|node| format!("{} {:?}", node.path, node.task_json)).collect()
    };
    let (read, expected) = (steps(read), steps(state));
    (read != expected).then(|| format!("steps {read:?} / {expected:?}"))
}
