//! What every store must do, as tests that any store can be put through.
//!
//! `make` gives an empty store each time. A failure panics and names its case. No case sleeps; time
//! is the store's own.
#![expect(clippy::unwrap_used, reason = "these are tests, built for the tests of other crates")]
mod bench;
mod definitions;
mod explaining;
mod fences;
mod hostile;
mod inserts;
mod limits;
mod messages;
mod random;
mod ready;
mod removal;
mod search;
mod slots;
mod snapshots;
mod traces;
mod waits;

use crate::Store;
use std::pin::Pin;

pub use random::model_equality;

/// A case on its way.
pub type Running<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// One promise of the contract.
pub struct Case {
    /// Module and function, as the promise reads.
    pub name: &'static str,
    /// Puts a store, which must be empty, through it; panics when the promise is broken.
    pub run: for<'a> fn(&'a dyn Store) -> Running<'a>,
}

macro_rules! cases {
    ($($module:ident: $($case:ident),+;)+) => {
        &[$($(Case {
            name: concat!(stringify!($module), "::", stringify!($case)),
            run: |store| Box::pin($module::$case(store)),
        }),+),+]
    };
}

/// Every case.
pub const CASES: &[Case] = cases! {
    inserts: an_insert_is_loaded_as_it_was_written, absent_facts_stay_absent,
        later_writes_keep_what_they_do_not_give, later_writes_replace_what_they_give,
        every_status_is_kept, the_journal_is_read_after_a_version,
        loads_answer_in_the_order_asked, a_plan_is_kept_with_its_batch, an_empty_batch_commits,
        a_large_batch_commits_whole;
    snapshots: a_snapshot_stands_for_the_entries_before_it,
        only_who_is_behind_it_gets_a_snapshot, a_newer_snapshot_takes_the_place_of_an_older_one,
        a_snapshot_of_no_committed_version_is_refused, a_snapshot_disturbs_no_commit,
        history_is_kept_or_dropped, a_snapshot_goes_with_its_execution,
        an_explanation_reads_snapshots_too, a_large_snapshot_comes_back_whole;
    fences: a_stale_version_writes_nothing, a_second_insert_is_a_conflict,
        an_update_of_nobody_is_a_conflict, every_conflict_is_named_at_once,
        the_rest_commits_after_a_conflict, an_idempotency_key_is_taken_once_per_workflow,
        the_key_of_an_ended_execution_can_be_released,
        one_key_twice_in_a_batch_goes_to_the_first, newer_definitions_refuse_the_batch,
        of_two_lanes_one_wins, many_lanes_lose_no_update, a_load_sees_whole_batches;
    ready: the_most_urgent_comes_first, each_queue_gives_what_is_demanded,
        reserved_tasks_are_hidden, a_reservation_ends_by_itself, removed_tasks_are_not_named, a_task_made_ready_again_is_free,
        callers_at_once_get_different_tasks, lanes_come_with_their_queue, queues_are_counted_with_reserved_tasks;
    waits: wake_ups_come_due_in_order, wake_ups_move_and_vanish, each_lively_wait_is_alive,
        each_broken_wait_is_dead, who_waits_for_a_child_needs_an_open_one,
        a_child_needs_an_open_parent, dead_waits_are_limited;
    messages: messages_wait_until_delivered, messages_come_oldest_first,
        a_message_delivered_where_it_was_sent_leaves_nothing, a_message_is_delivered_once,
        unknown_deliveries_are_named, a_message_named_twice_is_delivered_once,
        a_message_of_the_batch_itself_is_there, what_a_removed_one_has_told_others_is_delivered,
        of_many_lanes_one_delivers;
    limits: texts_at_their_limits_are_kept, texts_beyond_their_limits_are_kept_or_refused_whole;
    definitions: definitions_are_created_and_replaced, definitions_are_deleted_with_a_tombstone,
        refused_writes_change_nothing, writes_take_effect_in_order, changes_are_read_since;
    search: every_filter_selects, stars_stand_for_any_text_and_nothing_else_does,
        bounds_are_exclusive, every_field_sorts_both_ways, pages_partition_the_hits,
        filters_are_joined_by_and, a_search_sees_the_last_commit;
    traces: logs_come_oldest_first, logs_of_a_task_are_its_own, the_last_poll_is_kept,
        the_clock_runs_forward, notifications_do_no_harm;
    explaining: places_follow_the_order_of_the_queue, counting_stops_at_its_limit,
        only_the_polls_asked_for_are_read, executions_come_with_places_and_polls,
        nothing_asked_is_nothing_answered;
    slots: what_is_taken_is_held_until_it_is_freed, more_than_a_limit_is_a_conflict,
        a_slot_is_handed_on_in_one_commit, a_lowered_limit_waits_for_its_holders,
        a_refused_batch_moves_no_slot, a_slot_counts_once, what_is_removed_holds_nothing,
        of_many_lanes_none_exceeds_a_limit, a_window_is_fenced_by_its_version,
        names_of_limits_are_kept;
    removal: removal_leaves_nothing, removal_spares_the_others,
        nothing_is_removed_at_another_version;
    hostile: any_text_is_kept_or_refused, a_megabyte_passes, extreme_numbers_are_kept,
        empty_texts_and_bytes_are_kept;
};

/// Puts fresh stores of `make` through every case.
///
/// # Panics
/// At the first broken promise, after naming its case on standard error.
pub async fn all<S: Store>(make: impl AsyncFn() -> S) {
    for case in CASES {
        let store = make().await;
        let _named = Named(format!("conformance case {} failed", case.name));
        (case.run)(&store).await;
    }
}

/// Says which test it was when that panics.
struct Named(String);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}
