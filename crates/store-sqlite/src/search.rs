//! Builds a search from the filters that are given, so that each can use its index. Values are always
//! bound; only the fixed texts of this module become SQL.
use crate::rows::{execution, execution_bytes, task_bytes};
use baton_common::Timestamp;
use baton_common::ids::SEQ_MAX;
use baton_store::{ParentFilter, SearchPage, SearchQuery, SortField, SortOrder};
use rusqlite::types::Value;
use rusqlite::{Connection, Result, params_from_iter};
use std::fmt::Write;

pub(crate) fn page(connection: &Connection, query: &SearchQuery) -> Result<SearchPage> {
    let filter = Filter::of(query);
    let conditions = filter.conditions();
    let count = format!("select count(*) from execution{conditions}");
    let mut count = connection.prepare_cached(&count)?;
    let total: i64 = count.query_row(params_from_iter(&filter.values), |row| row.get(0))?;
    let order = order(&query.sort);
    let found = format!(
        "select serial from execution{conditions} order by {order} limit {} offset {}",
        query.size, query.start
    );
    let mut found = connection.prepare(&found)?;
    let serials = found.query_map(params_from_iter(&filter.values), |row| row.get(0))?;
    let mut rows = connection.prepare_cached(include_str!("sql/search_row.sql"))?;
    let row = |serial: Result<i64>| rows.query_row([serial?], execution).map(|(_, row)| row);
    let executions = serials.map(row).collect::<Result<_>>()?;
    Ok(SearchPage { total_hits: total.cast_unsigned(), executions })
}

/// Conditions that all hold, and the values of their question marks in order.
#[derive(Default)]
struct Filter {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Filter {
    fn of(query: &SearchQuery) -> Self {
        let mut filter = Self::default();
        let ids = query.ids.iter().map(|id| blob(execution_bytes(*id)));
        filter.any("id = ?", ids.collect());
        let statuses = query.statuses.iter().map(|status| Value::from(status.code()));
        filter.any("status = ?", statuses.collect());
        filter.like("workflow_name", &query.workflow_names);
        let version = query.workflow_version.map(Value::from);
        filter.any("workflow_version = ?", version.into_iter().collect());
        filter.like("correlation_id", &query.correlation_ids);
        filter.parent(query.parent);
        filter.bound("created_at > ?", query.created_after);
        filter.bound("created_at < ?", query.created_before);
        filter.bound("ended_at > ?", query.ended_after);
        filter.bound("ended_at < ?", query.ended_before);
        filter
    }

    fn conditions(&self) -> String {
        if self.conditions.is_empty() {
            return String::new();
        }
        format!(" where {}", self.conditions.join(" and "))
    }

    /// At least one of the values fits, if there are any.
    fn any(&mut self, condition: &str, values: Vec<Value>) {
        if !values.is_empty() {
            let each = vec![condition; values.len()];
            self.conditions.push(format!("({})", each.join(" or ")));
            self.values.extend(values);
        }
    }

    /// At least one of the patterns fits; one without a star is looked up as it is.
    fn like(&mut self, column: &str, patterns: &[String]) {
        if patterns.is_empty() {
            return;
        }
        let mut condition = String::from("(");
        for (at, pattern) in patterns.iter().enumerate() {
            let separator = if at == 0 { "" } else { " or " };
            let has_star = pattern.contains('*');
            let operator = if has_star { "glob" } else { "=" };
            let written = write!(condition, "{separator}{column} {operator} ?");
            debug_assert!(written.is_ok(), "a string takes all text");
            let value = if has_star { glob(pattern) } else { pattern.clone() };
            self.values.push(value.into());
        }
        self.conditions.push(condition + ")");
    }

    fn parent(&mut self, parent: Option<ParentFilter>) {
        match parent {
            None => {}
            Some(ParentFilter::None) => self.conditions.push("parent is null".to_owned()),
            Some(ParentFilter::Of(id)) => {
                self.conditions.push("parent between ? and ?".to_owned());
                let ends = [id.task(0), id.task(SEQ_MAX)];
                self.values.extend(ends.map(|task| blob(task_bytes(task))));
            }
        }
    }

    fn bound(&mut self, condition: &str, at: Option<Timestamp>) {
        self.any(condition, at.map(|at| at.millis().into()).into_iter().collect());
    }
}

fn blob(bytes: [u8; 16]) -> Value {
    Value::Blob(bytes.to_vec())
}

/// A pattern of `glob` in which only stars have a meaning.
fn glob(pattern: &str) -> String {
    pattern.replace('[', "[[]").replace('?', "[?]")
}

fn order(sort: &[(SortField, SortOrder)]) -> String {
    let mut order: Vec<_> = sort.iter().map(|(field, order)| sorted_by(*field, *order)).collect();
    order.push("id".to_owned());
    order.join(", ")
}

/// SQLite orders what is absent before all else, as searches want it.
fn sorted_by(field: SortField, order: SortOrder) -> String {
    let column = match field {
        SortField::CreatedAt => "created_at",
        SortField::EndedAt => "ended_at",
        SortField::UpdatedAt => "updated_at",
        SortField::WorkflowName => "workflow_name",
        SortField::Status => STATUS_BY_NAME,
        SortField::CorrelationId => "correlation_id",
        SortField::Id => "id",
    };
    match order {
        SortOrder::Ascending => column.to_owned(),
        SortOrder::Descending => format!("{column} desc"),
    }
}

/// The rank of a status among the names COMPLETED, FAILED, PAUSED, RUNNING, TERMINATED, TIMED_OUT.
const STATUS_BY_NAME: &str = "case status when 1 then 0 when 2 then 1 when 5 then 2 \
    when 0 then 3 when 4 then 4 when 3 then 5 end";
