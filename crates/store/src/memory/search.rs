//! Which executions match a search, and in which order they come.
use crate::{ExecutionRow, ParentFilter, SearchPage, SearchQuery, SortField, SortOrder};
use baton_common::Timestamp;
use std::cmp::Ordering;

pub(super) fn page<'a>(
    rows: impl Iterator<Item = &'a ExecutionRow>,
    query: &SearchQuery,
) -> SearchPage {
    let mut found: Vec<_> = rows.filter(|row| matches(row, query)).collect();
    found.sort_by(|left, right| compare(left, right, &query.sort));
    let wanted = found.iter().skip(query.start as usize).take(query.size as usize);
    SearchPage {
        total_hits: found.len() as u64,
        executions: wanted.map(|row| (*row).clone()).collect(),
    }
}

fn matches(row: &ExecutionRow, query: &SearchQuery) -> bool {
    let index = &row.index;
    let correlation = index.correlation_id.as_deref();
    any(&query.ids, |id| *id == row.id)
        && any(&query.statuses, |status| *status == row.status)
        && any(&query.workflow_names, |pattern| like(pattern, &index.workflow_name))
        && query.workflow_version.is_none_or(|version| version == index.workflow_version)
        && any(&query.correlation_ids, |pattern| correlation.is_some_and(|id| like(pattern, id)))
        && query.parent.is_none_or(|parent| has_parent(row, parent))
        && between(Some(index.created_at), query.created_after, query.created_before)
        && between(row.ended_at, query.ended_after, query.ended_before)
}

fn any<T>(wanted: &[T], fits: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(fits)
}

fn has_parent(row: &ExecutionRow, wanted: ParentFilter) -> bool {
    match wanted {
        ParentFilter::None => row.index.parent.is_none(),
        ParentFilter::Of(id) => row.index.parent.is_some_and(|task| task.execution() == id),
    }
}

/// Both bounds are exclusive; what has not happened is between no bounds.
fn between(at: Option<Timestamp>, after: Option<Timestamp>, before: Option<Timestamp>) -> bool {
    after.is_none_or(|after| at.is_some_and(|at| at > after))
        && before.is_none_or(|before| at.is_some_and(|at| at < before))
}

/// Whether `text` is `pattern`, in which a `*` stands for any text.
fn like(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(tail) = text.strip_prefix(head) else { return false };
    let mut ends = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
    ends.any(|at| like(rest, &tail[at..]))
}

fn compare(left: &ExecutionRow, right: &ExecutionRow, sort: &[(SortField, SortOrder)]) -> Ordering {
    let by_sort = sort.iter().map(|(field, order)| match order {
        SortOrder::Ascending => compare_field(left, right, *field),
        SortOrder::Descending => compare_field(right, left, *field),
    });
    by_sort.fold(Ordering::Equal, Ordering::then).then(left.id.cmp(&right.id))
}

/// What is absent comes before what is there.
fn compare_field(left: &ExecutionRow, right: &ExecutionRow, field: SortField) -> Ordering {
    match field {
        SortField::CreatedAt => left.index.created_at.cmp(&right.index.created_at),
        SortField::EndedAt => left.ended_at.cmp(&right.ended_at),
        SortField::UpdatedAt => left.updated_at.cmp(&right.updated_at),
        SortField::WorkflowName => left.index.workflow_name.cmp(&right.index.workflow_name),
        SortField::Status => left.status.name().cmp(right.status.name()),
        SortField::CorrelationId => left.index.correlation_id.cmp(&right.index.correlation_id),
        SortField::Id => left.id.cmp(&right.id),
    }
}
