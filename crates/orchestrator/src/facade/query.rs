//! Conductor's search language, as far as executions are found by it: conditions joined by AND.
//! **Source**: conductor-rest-api §4 (the grammar of the SQL index, with `IN` lists trimmed).
use super::Answer;
use crate::error::OrchestratorError;
use baton_common::{Timestamp, WorkflowStatus};
use baton_store::{ParentFilter, SearchQuery, SortField, SortOrder};

/// Reads `status IN (A,B) AND workflowType = 'x' AND startTime > 1`.
pub(super) fn parse(text: &str) -> Answer<SearchQuery> {
    let mut query = SearchQuery::default();
    for condition in conditions(text) {
        let (field, operator, values) = read(condition)?;
        add(&mut query, field, operator, values).ok_or_else(|| malformed(condition))?;
    }
    Ok(query)
}

fn conditions(text: &str) -> impl Iterator<Item = &str> {
    text.split(" AND ").map(str::trim).filter(|condition| !condition.is_empty())
}

fn malformed(condition: &str) -> OrchestratorError {
    OrchestratorError::Invalid(format!("Incorrectly formatted query string: {condition}"))
}

/// Field, operator and values of one condition.
fn read(condition: &str) -> Answer<(&str, char, Vec<String>)> {
    let end = condition.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(condition.len());
    let (field, rest) = condition.split_at(end);
    let rest = rest.trim_start();
    let (operator, values) = if let Some(values) = rest.strip_prefix("IN") {
        ('=', values)
    } else if let Some(values) = rest.strip_prefix(['=', '>', '<']) {
        (rest.chars().next().unwrap_or('='), values)
    } else {
        return Err(malformed(condition));
    };
    if field.is_empty() {
        return Err(malformed(condition));
    }
    let clean = |value: &str| {
        value.trim().trim_matches(|c| matches!(c, '\'' | '"' | '(' | ')' | ' ')).to_owned()
    };
    Ok((field, operator, values.split(',').map(clean).collect()))
}

/// Adds a condition; `None` when its values do not fit its field.
fn add(query: &mut SearchQuery, field: &str, operator: char, values: Vec<String>) -> Option<()> {
    match field {
        "workflowId" => {
            query.ids = values.iter().filter_map(|id| id.parse().ok()).collect();
            if query.ids.is_empty() {
                query.workflow_names = vec![String::new()];
            }
        }
        "workflowType" => query.workflow_names = values,
        "correlationId" => query.correlation_ids = values,
        "status" => {
            query.statuses =
                values.iter().filter_map(|name| WorkflowStatus::from_name(name)).collect();
            if query.statuses.is_empty() {
                query.workflow_names = vec![String::new()];
            }
        }
        "version" => query.workflow_version = Some(values.first()?.parse().ok()?),
        "parentWorkflowId" => {
            let id = values.first()?;
            query.parent = Some(match id.parse() {
                Ok(id) => ParentFilter::Of(id),
                Err(_) if id.is_empty() => ParentFilter::None,
                Err(_) => return None,
            });
        }
        "startTime" => {
            let at = Timestamp::from_millis(values.first()?.parse().ok()?);
            let bounds = (&mut query.created_after, &mut query.created_before);
            bound(operator, at, bounds);
        }
        "endTime" => {
            let at = Timestamp::from_millis(values.first()?.parse().ok()?);
            bound(operator, at, (&mut query.ended_after, &mut query.ended_before));
        }
        // Conductor passes over fields that its index does not have.
        _ => {}
    }
    Some(())
}

fn bound(
    operator: char,
    at: Timestamp,
    (after, before): (&mut Option<Timestamp>, &mut Option<Timestamp>),
) {
    match operator {
        '>' => *after = Some(at),
        '<' => *before = Some(at),
        _ => {
            *after = Some(at.plus_millis(-1));
            *before = Some(at.plus_millis(1));
        }
    }
}

/// Reads `startTime:DESC|status:ASC`; unknown fields are passed over.
pub(super) fn sort(text: &str) -> Vec<(SortField, SortOrder)> {
    let item = |item: &str| {
        let (field, order) = item.split_once(':').unwrap_or((item, "ASC"));
        let field = match field.trim() {
            "startTime" | "createTime" => SortField::CreatedAt,
            "endTime" => SortField::EndedAt,
            "updateTime" => SortField::UpdatedAt,
            "workflowType" => SortField::WorkflowName,
            "status" => SortField::Status,
            "correlationId" => SortField::CorrelationId,
            "workflowId" => SortField::Id,
            _ => return None,
        };
        let is_descending = order.trim().eq_ignore_ascii_case("DESC");
        let order = if is_descending { SortOrder::Descending } else { SortOrder::Ascending };
        Some((field, order))
    };
    text.split('|').filter_map(item).collect()
}

/// Words find executions by their id, their workflow's name or their correlation id.
pub(super) fn add_free_text(query: &mut SearchQuery, text: &str) {
    let text = text.trim();
    if text.is_empty() || text == "*" {
        return;
    }
    match text.parse() {
        Ok(id) => query.ids = vec![id],
        Err(_) if query.workflow_names.is_empty() => {
            query.workflow_names = vec![format!("*{text}*")];
        }
        Err(_) => query.correlation_ids = vec![format!("*{text}*")],
    }
}

/// A name in which `*` would stand for itself cannot be asked for; names have none.
pub(super) fn literal(name: &str) -> String {
    name.replace('*', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_with_quotes_lists_and_blanks() {
        let query = parse(
            " workflowType IN (a, 'b') AND status='RUNNING' AND startTime > 5 AND correlationId=\"x*\" ",
        )
        .unwrap();
        assert_eq!(query.workflow_names, ["a", "b"]);
        assert_eq!(query.statuses, [WorkflowStatus::Running]);
        assert_eq!(query.created_after, Some(Timestamp::from_millis(5)));
        assert_eq!(query.correlation_ids, ["x*"]);
    }

    #[test]
    fn a_malformed_condition_is_named() {
        let error = parse("status IN (RUNNING) AND nonsense").unwrap_err();
        assert_eq!(
            error,
            OrchestratorError::Invalid("Incorrectly formatted query string: nonsense".into())
        );
    }
}
