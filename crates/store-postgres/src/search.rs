//! A search as parameters of `search.sql`.
use crate::batch::shard;
use crate::database::Database;
use crate::rows::{execution_row, get};
use crate::text::text;
use baton_common::{Timestamp, WorkflowStatus};
use baton_store::{ParentFilter, SearchPage, SearchQuery, SortField, SortOrder, StoreError};
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// Where `search.sql` wants the order.
const ORDER_MARK: &str = "/*order*/";

/// Text filters: exact ones, which an index can find, and LIKE patterns.
struct Texts {
    exact: Vec<String>,
    patterns: Vec<String>,
}

impl Texts {
    fn of(filters: &[String]) -> Self {
        let (patterns, exact): (Vec<_>, Vec<_>) =
            filters.iter().map(|filter| text(filter)).partition(|filter| filter.contains('*'));
        Self {
            exact: exact.into_iter().map(Into::into).collect(),
            patterns: patterns.iter().map(|pattern| like(pattern)).collect(),
        }
    }
}

/// `*` becomes `%`; LIKE's own signs lose their meaning.
fn like(pattern: &str) -> String {
    let escaped = pattern.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
    escaped.replace('*', "%")
}

/// The page of `query` and the number of all that match.
pub(crate) async fn search(
    database: &Database,
    query: &SearchQuery,
) -> Result<SearchPage, StoreError> {
    let sql = include_str!("sql/search.sql").replace(ORDER_MARK, &order(&query.sort));
    let ids: Vec<Uuid> = query.ids.iter().map(|id| id.uuid()).collect();
    let mut shards: Vec<i16> = query.ids.iter().map(|id| shard(*id)).collect();
    shards.sort_unstable();
    shards.dedup();
    let statuses: Vec<i16> = query.statuses.iter().map(|status| status.code()).collect();
    let names = Texts::of(&query.workflow_names);
    let correlations = Texts::of(&query.correlation_ids);
    let (orphans, parent) = match query.parent {
        None => (false, None),
        Some(ParentFilter::None) => (true, None),
        Some(ParentFilter::Of(id)) => (false, Some(id.uuid())),
    };
    let millis = |at: Option<Timestamp>| at.map(Timestamp::millis);
    let [created_after, created_before] = [query.created_after, query.created_before].map(millis);
    let [ended_after, ended_before] = [query.ended_after, query.ended_before].map(millis);
    let (start, size) = (i64::from(query.start), i64::from(query.size));
    let params: &[(&(dyn ToSql + Sync), Type)] = &[
        (&ids, Type::UUID_ARRAY),
        (&shards, Type::INT2_ARRAY),
        (&statuses, Type::INT2_ARRAY),
        (&names.exact, Type::TEXT_ARRAY),
        (&names.patterns, Type::TEXT_ARRAY),
        (&query.workflow_version, Type::INT4),
        (&correlations.exact, Type::TEXT_ARRAY),
        (&correlations.patterns, Type::TEXT_ARRAY),
        (&orphans, Type::BOOL),
        (&parent, Type::UUID),
        (&created_after, Type::INT8),
        (&created_before, Type::INT8),
        (&ended_after, Type::INT8),
        (&ended_before, Type::INT8),
        (&start, Type::INT8),
        (&size, Type::INT8),
    ];
    page(&database.query_once(&sql, params).await?)
}

fn page(rows: &[tokio_postgres::Row]) -> Result<SearchPage, StoreError> {
    let mut page = SearchPage::default();
    for row in rows {
        let hits: i64 = get(row, "hits")?;
        page.total_hits = hits.unsigned_abs();
        if get::<Option<i64>>(row, "version")?.is_some() {
            page.executions.push(execution_row(row)?);
        }
    }
    Ok(page)
}

/// The terms of an `order by`, each with a comma behind it. Absent values come before all others.
fn order(sort: &[(SortField, SortOrder)]) -> String {
    let terms = sort.iter().map(|(field, order)| {
        let (column, nullable) = column(*field);
        // Only where there can be nulls: no index has them in this place.
        match (order, nullable) {
            (SortOrder::Ascending, false) => format!("{column} asc, "),
            (SortOrder::Descending, false) => format!("{column} desc, "),
            (SortOrder::Ascending, true) => format!("{column} asc nulls first, "),
            (SortOrder::Descending, true) => format!("{column} desc nulls last, "),
        }
    });
    terms.collect()
}

/// The column to order by, and whether it may be absent.
fn column(field: SortField) -> (String, bool) {
    let (column, nullable) = match field {
        SortField::CreatedAt => ("created_at", false),
        SortField::EndedAt => ("ended_at", true),
        SortField::UpdatedAt => ("updated_at", false),
        SortField::WorkflowName => ("workflow_name", false),
        SortField::CorrelationId => ("correlation_id", true),
        SortField::Id => ("id", false),
        SortField::Status => {
            return (format!("array_position({}::smallint[], status)", statuses()), false);
        }
    };
    (column.into(), nullable)
}

/// The codes of all statuses, ordered by their names.
fn statuses() -> String {
    let mut statuses = WorkflowStatus::ALL;
    statuses.sort_unstable_by_key(|status| status.name());
    let codes: Vec<String> = statuses.iter().map(|status| status.code().to_string()).collect();
    format!("array[{}]", codes.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only the star has a meaning in a filter.
    #[test]
    fn a_star_stands_for_any_text_and_nothing_else_does() {
        assert_eq!(like(r"ship_*%\"), r"ship\_%\%\\");
        let texts = Texts::of(&["plain%".into(), "a*b".into()]);
        assert_eq!((texts.exact, texts.patterns), (vec!["plain%".into()], vec!["a%b".into()]));
    }

    /// The order by status is the order of the names, not of the codes.
    #[test]
    fn statuses_are_ordered_by_name() {
        assert_eq!(statuses(), "array[1, 2, 5, 0, 4, 3]");
    }
}
