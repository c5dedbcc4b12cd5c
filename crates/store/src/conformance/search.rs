//! Searches select, sort, count and page.
use super::bench::{Bench, everyone, id, index, insert, noon, update};
use crate::{
    Batch, ExecutionIndex, ExecutionWrite, ParentFilter, SearchQuery, SortField, SortOrder, Store,
};
use baton_common::WorkflowStatus;
use std::collections::BTreeSet;

/// The numbers, from 0 to 99, of the executions that a query finds, in its order.
async fn found(store: &dyn Store, query: &SearchQuery) -> Vec<u64> {
    let page = store.search(query).await.unwrap();
    assert_eq!(page.total_hits, page.executions.len() as u64);
    let number = |row: &crate::ExecutionRow| (0..100).find(|n| id(*n) == row.id).unwrap();
    page.executions.iter().map(number).collect()
}

async fn found_set(store: &dyn Store, query: &SearchQuery) -> Vec<u64> {
    let mut numbers = found(store, query).await;
    numbers.sort_unstable();
    numbers
}

fn named(n: u64, name: &str, correlation: Option<&str>) -> ExecutionWrite {
    let index = ExecutionIndex {
        workflow_name: name.to_owned(),
        correlation_id: correlation.map(str::to_owned),
        created_at: noon(n.cast_signed()),
        ..index()
    };
    ExecutionWrite { index: Some(index), ..insert(n) }
}

fn ended(n: u64, status: WorkflowStatus, at: i64) -> ExecutionWrite {
    ExecutionWrite { status, ended_at: Some(noon(at)), ..named(n, "ship", None) }
}

/// Five executions of which each filter selects another part.
async fn crowd(store: &dyn Store) -> Bench<'_> {
    let mut child = named(2, "pack", Some("order-2"));
    child.index = child.index.map(|index| ExecutionIndex {
        workflow_version: 2,
        parent: Some(id(1).task(3)),
        ..index
    });
    let writes = vec![
        named(1, "ship", Some("order-1")),
        child,
        ended(3, WorkflowStatus::Completed, 30),
        ended(4, WorkflowStatus::Failed, 40),
        ExecutionWrite { status: WorkflowStatus::Paused, ..named(5, "Ship", Some("")) },
    ];
    Bench::with(store, writes).await
}

pub(super) async fn every_filter_selects(store: &dyn Store) {
    use WorkflowStatus::{Failed, Paused, TimedOut};
    let _bench = crowd(store).await;
    let all = everyone;
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    for (query, expected) in [
        (all(), vec![1, 2, 3, 4, 5]),
        (SearchQuery { ids: vec![id(4), id(2), id(99)], ..all() }, vec![2, 4]),
        (SearchQuery { statuses: vec![Failed, Paused], ..all() }, vec![4, 5]),
        (SearchQuery { statuses: vec![TimedOut], ..all() }, vec![]),
        (SearchQuery { workflow_names: names(&["ship"]), ..all() }, vec![1, 3, 4]),
        (SearchQuery { workflow_names: names(&["pack", "Ship"]), ..all() }, vec![2, 5]),
        (SearchQuery { workflow_version: Some(2), ..all() }, vec![2]),
        (SearchQuery { correlation_ids: names(&["order-1", ""]), ..all() }, vec![1, 5]),
        (SearchQuery { parent: Some(ParentFilter::None), ..all() }, vec![1, 3, 4, 5]),
        (SearchQuery { parent: Some(ParentFilter::Of(id(1))), ..all() }, vec![2]),
        (SearchQuery { parent: Some(ParentFilter::Of(id(2))), ..all() }, vec![]),
    ] {
        assert_eq!(found_set(store, &query).await, expected, "{query:?}");
    }
}

pub(super) async fn stars_stand_for_any_text_and_nothing_else_does(store: &dyn Store) {
    let names = ["ab", "a%b", "a_b", "axb", "a*b", "a?b", "a[x]b", "a\\b", "AB", "a\nb"];
    let writes = (0..).zip(names).map(|(n, name)| named(n, name, Some(name)));
    let _bench = Bench::with(store, writes.chain([named(50, "none", None)]).collect()).await;
    for (pattern, expected) in [
        ("a*b", vec![0, 1, 2, 3, 4, 5, 6, 7, 9]),
        ("a%b", vec![1]),
        ("a_b", vec![2]),
        ("a?b", vec![5]),
        ("a[x]b", vec![6]),
        ("a\\b", vec![7]),
        ("*[x]*", vec![6]),
        ("*?*", vec![5]),
        ("*x*b", vec![3, 6]),
        ("a", vec![]),
        ("*a*b*", vec![0, 1, 2, 3, 4, 5, 6, 7, 9]),
        ("*", (0..10).collect()),
    ] {
        let by_correlation =
            SearchQuery { correlation_ids: vec![pattern.to_owned()], ..everyone() };
        assert_eq!(found_set(store, &by_correlation).await, expected, "{pattern}");
        let workflow_names = vec!["no such".to_owned(), pattern.to_owned()];
        let by_name = SearchQuery { workflow_names, ..everyone() };
        let mut expected = expected;
        expected.extend((pattern == "*").then_some(50));
        assert_eq!(found_set(store, &by_name).await, expected, "{pattern}");
    }
}

pub(super) async fn bounds_are_exclusive(store: &dyn Store) {
    let _bench = crowd(store).await;
    let at = |millis| Some(noon(millis));
    for (query, expected) in [
        (SearchQuery { created_after: at(2), ..everyone() }, vec![3, 4, 5]),
        (SearchQuery { created_before: at(2), ..everyone() }, vec![1]),
        (SearchQuery { created_after: at(1), created_before: at(4), ..everyone() }, vec![2, 3]),
        (SearchQuery { ended_after: at(30), ..everyone() }, vec![4]),
        (SearchQuery { ended_before: at(40), ..everyone() }, vec![3]),
        (SearchQuery { ended_after: at(29), ended_before: at(41), ..everyone() }, vec![3, 4]),
        (SearchQuery { ended_after: at(-999), ..everyone() }, vec![3, 4]),
    ] {
        assert_eq!(found_set(store, &query).await, expected, "{query:?}");
    }
}

pub(super) async fn every_field_sorts_both_ways(store: &dyn Store) {
    let mut bench = crowd(store).await;
    let later = Batch { at: noon(9), ..super::bench::batch(vec![update(1, 1)]) };
    bench.lane.commit(&later).await.unwrap();
    let mut by_id: Vec<_> = (1..=5).collect();
    by_id.sort_by_key(|n| id(*n));
    for (field, ascending) in [
        (SortField::CreatedAt, vec![1, 2, 3, 4, 5]),
        (SortField::EndedAt, vec![1, 2, 5, 3, 4]),
        (SortField::UpdatedAt, vec![2, 3, 4, 5, 1]),
        (SortField::WorkflowName, vec![5, 2, 1, 3, 4]),
        (SortField::Status, vec![3, 4, 5, 1, 2]),
        (SortField::CorrelationId, vec![3, 4, 5, 1, 2]),
        (SortField::Id, by_id),
    ] {
        for order in [SortOrder::Ascending, SortOrder::Descending] {
            let sort = vec![(field, order), (SortField::CreatedAt, order)];
            let numbers = found(store, &SearchQuery { sort, ..everyone() }).await;
            let mut expected = ascending.clone();
            if order == SortOrder::Descending {
                expected.reverse();
            }
            assert_eq!(numbers, expected, "{field:?} {order:?}");
        }
    }
}

pub(super) async fn pages_partition_the_hits(store: &dyn Store) {
    let writes = (0..25).map(|n| named(n, if n < 20 { "ship" } else { "pack" }, None));
    let _bench = Bench::with(store, writes.collect()).await;
    for sort in [vec![], vec![(SortField::Status, SortOrder::Descending)]] {
        let workflow_names = vec!["ship".to_owned()];
        let query = SearchQuery { workflow_names, sort, ..everyone() };
        let whole = found(store, &query).await;
        let mut seen = Vec::new();
        for (start, len) in [(0, 8), (8, 8), (16, 4), (24, 0)] {
            let page = store.search(&SearchQuery { start, size: 8, ..query.clone() }).await;
            let page = page.unwrap();
            assert_eq!((page.total_hits, page.executions.len()), (20, len));
            seen.extend(page.executions.iter().map(|row| row.id));
        }
        assert_eq!(seen, whole.iter().map(|n| id(*n)).collect::<Vec<_>>());
        assert_eq!(whole.into_iter().collect::<BTreeSet<_>>(), (0..20).collect());
        let none = store.search(&SearchQuery { size: 0, ..query }).await.unwrap();
        assert_eq!((none.total_hits, none.executions.len()), (20, 0));
    }
}

pub(super) async fn filters_are_joined_by_and(store: &dyn Store) {
    let _bench = crowd(store).await;
    let query = SearchQuery {
        ids: (1..=4).map(id).collect(),
        statuses: vec![WorkflowStatus::Completed, WorkflowStatus::Failed],
        workflow_names: vec!["s*".to_owned()],
        workflow_version: Some(1),
        parent: Some(ParentFilter::None),
        created_after: Some(noon(0)),
        ended_after: Some(noon(35)),
        ..everyone()
    };
    assert_eq!(found(store, &query).await, [4]);
    let no_correlation = SearchQuery { correlation_ids: vec!["*".to_owned()], ..query };
    assert!(found(store, &no_correlation).await.is_empty());
}

pub(super) async fn a_search_sees_the_last_commit(store: &dyn Store) {
    let mut bench = crowd(store).await;
    let write = ExecutionWrite { status: WorkflowStatus::Terminated, ..update(1, 1) };
    bench.commit(vec![write]).await;
    let statuses = vec![WorkflowStatus::Terminated];
    let page = store.search(&SearchQuery { statuses, ..everyone() }).await.unwrap();
    assert_eq!(page.executions, [bench.get(1).await.row]);
}
