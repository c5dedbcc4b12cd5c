//! States in memory. The state that was used longest ago goes first when there is no more room, so that
//! executions that only wait, however many, do not displace those that progress.
use crate::engine::state::Cached;
use baton_common::{ExecutionId, Timestamp};
use hashlink::LruCache;

/// Memory for states, bytes, by their estimated weight.
const BYTES_MAX: usize = 256 * 1024 * 1024;
/// The most that one state counts for is this part of it. Otherwise small states would displace a larger one
/// between two of its batches, and each batch would have to load all of it.
const PART_OF_ONE_MAX: usize = 4;

/// The states that were used last. A batch takes out what it decides on and puts back what came of it.
pub(super) struct Cache {
    states: LruCache<ExecutionId, Cached>,
    bytes: usize,
    bytes_max: usize,
}

impl Default for Cache {
    fn default() -> Self {
        Self::with_room_for(BYTES_MAX)
    }
}

impl Cache {
    fn with_room_for(bytes_max: usize) -> Self {
        Self { states: LruCache::new_unbounded(), bytes: 0, bytes_max }
    }

    /// Remembers a state; forgets others as long as they weigh too much together.
    pub(super) fn put(&mut self, cached: Cached) {
        let id = cached.execution.id();
        self.take(id);
        self.bytes += self.weight(&cached);
        self.states.insert(id, cached);
        while self.bytes > self.bytes_max
            && let Some((_, forgotten)) = self.states.remove_lru()
        {
            self.bytes -= self.weight(&forgotten);
        }
    }

    /// Forgets the states that were used longest ago, as far as they have not changed since then.
    pub(super) fn forget_unchanged_since(&mut self, then: Timestamp) {
        while let Some((_, oldest)) = self.states.iter().next()
            && oldest.execution.updated_at < then
            && let Some((_, forgotten)) = self.states.remove_lru()
        {
            self.bytes -= self.weight(&forgotten);
        }
    }

    /// Takes a state out, if it is there.
    pub(super) fn take(&mut self, id: ExecutionId) -> Option<Cached> {
        let cached = self.states.remove(&id)?;
        self.bytes -= self.weight(&cached);
        Some(cached)
    }

    fn weight(&self, cached: &Cached) -> usize {
        cached.execution.weight_bytes().min(self.bytes_max / PART_OF_ONE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshots::Since;
    use baton_common::{Payload, WorkflowDef};
    use baton_decider::plan::Plan;
    use baton_decider::state::{Execution, StartFacts};
    use baton_store::PlanHash;
    use std::sync::Arc;

    fn cached(n: u64) -> Cached {
        let id = ExecutionId::new(Timestamp::from_millis(1_795_000_000_000), n << 12);
        let facts = StartFacts {
            id,
            workflow_name: "w".into(),
            workflow_version: 1,
            correlation_id: None,
            priority: 0,
            task_to_domain: indexmap::IndexMap::new(),
            parent: None,
            variables: Payload::empty_object(),
            event: None,
            created_by: None,
            idempotency_key: None,
            trace: None,
            lineage: baton_decider::state::Lineage::default(),
            at: Timestamp::default(),
        };
        let step = serde_json::json!({ "name": "t", "taskReferenceName": "t", "type": "SIMPLE" });
        let definition: WorkflowDef =
            serde_json::from_value(serde_json::json!({ "name": "w", "tasks": [step] })).unwrap();
        let plan = Arc::new(Plan::compile(definition));
        let execution = Execution::new(plan, facts, Payload::empty_object());
        Cached {
            execution: Arc::new(execution),
            version: 1,
            row_wake_at: None,
            plan: PlanHash([0; 32]),
            since: Since::default(),
        }
    }

    fn small_weight() -> usize {
        cached(0).execution.weight_bytes()
    }

    /// One with a task that put out as many bytes.
    fn heavy(n: u64, bytes: usize) -> Cached {
        let mut heavy = cached(n);
        let record = format!(
            r#"[1,{{"scheduled":{{"seq":1,"ref":"t","status":"COMPLETED","at":0,"output":"{}"}}}}]"#,
            "x".repeat(bytes)
        );
        let task = baton_format::Entry::parse(record.as_bytes()).unwrap();
        task.apply(Arc::make_mut(&mut heavy.execution)).unwrap();
        heavy
    }

    #[test]
    fn what_is_used_stays_among_any_number_of_others() {
        let used = cached(0);
        let id = used.execution.id();
        let mut cache = Cache::with_room_for(10 * small_weight());
        cache.put(used);
        for n in 1..1_000 {
            cache.put(cached(n));
            let used = cache.take(id).unwrap();
            cache.put(used);
        }
        assert_eq!(cache.states.len(), 10);
        assert_eq!(cache.bytes, 10 * small_weight());
        assert!(cache.take(cached(5).execution.id()).is_none());
    }

    #[test]
    fn what_tasks_put_out_weighs_too() {
        let mut cache = Cache::with_room_for(100 * small_weight());
        (0..1_000).for_each(|n| cache.put(heavy(n, 9 * small_weight())));
        assert_eq!(cache.states.len(), 9);
    }

    #[test]
    fn a_giant_in_use_stays_among_small_ones() {
        let mut cache = Cache::with_room_for(100 * small_weight());
        let mut giant = heavy(0, 1_000 * small_weight());
        let id = giant.execution.id();
        for batch in 0..10 {
            cache.put(giant);
            (1..60).for_each(|n| cache.put(cached(60 * batch + n)));
            giant = cache.take(id).unwrap();
        }
    }

    #[test]
    fn what_has_not_changed_for_long_is_forgotten() {
        let changed_at = |n: u64, at: i64| {
            let mut cached = cached(n);
            Arc::make_mut(&mut cached.execution).updated_at = Timestamp::from_millis(at);
            cached
        };
        let mut cache = Cache::default();
        for (n, at) in [(1, 10), (2, 20), (3, 30)] {
            cache.put(changed_at(n, at));
        }
        cache.forget_unchanged_since(Timestamp::from_millis(20));
        let is_there = |n| cache.states.contains_key(&cached(n).execution.id());
        assert_eq!([1, 2, 3].map(is_there), [false, true, true]);
        cache.forget_unchanged_since(Timestamp::from_millis(31));
        assert_eq!((cache.states.len(), cache.bytes), (0, 0));
    }

    #[test]
    fn a_state_takes_the_place_of_the_one_before() {
        let mut cache = Cache::default();
        cache.put(cached(1));
        cache.put(Cached { version: 2, ..cached(1) });
        let id = cached(1).execution.id();
        assert_eq!(cache.take(id).map(|cached| cached.version), Some(2));
        assert_eq!((cache.bytes, cache.take(id).is_none()), (0, true));
    }
}
