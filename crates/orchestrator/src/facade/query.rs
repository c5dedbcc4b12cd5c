//! Conductor's search language, as far as executions are found by it: conditions joined by AND.
//! What it does not know is refused by name: a condition that is passed over would find too much.
//! **Source**: conductor-rest-api §4 (the grammar of the SQL index, with `IN` lists trimmed).
use super::Answer;
use crate::error::OrchestratorError;
use baton_common::{Timestamp, WorkflowStatus};
use baton_store::{ParentFilter, SearchQuery, SortField, SortOrder};

const FIELDS: [&str; 8] = [
    "workflowId",
    "workflowType",
    "version",
    "correlationId",
    "status",
    "parentWorkflowId",
    "startTime",
    "endTime",
];

/// How a field is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    /// One of the values.
    In,
    After,
    NotBefore,
    Before,
    NotAfter,
}

/// One condition.
struct Condition<'a> {
    text: &'a str,
    field: &'a str,
    operator: Operator,
    values: Vec<String>,
}

/// Reads `status IN (A,B) AND workflowType = 'x, y' AND startTime > 1`.
pub(super) fn parse(text: &str) -> Answer<SearchQuery> {
    let mut query = SearchQuery::default();
    let mut asked = Vec::new();
    let mut is_satisfiable = true;
    for text in conditions(text)? {
        let condition = read(text)?;
        let field = condition.field;
        if !is_time(field) && asked.contains(&field) {
            return Err(invalid(&format!("{field} is compared twice; use IN for several values")));
        }
        asked.push(field);
        is_satisfiable &= add(&mut query, condition)?;
    }
    if !is_satisfiable {
        query.workflow_names = vec![String::new()];
    }
    Ok(query)
}

fn invalid(message: &str) -> OrchestratorError {
    OrchestratorError::Invalid(format!("query: {message}"))
}

fn malformed(condition: &str) -> OrchestratorError {
    OrchestratorError::Invalid(format!("Incorrectly formatted query string: {condition}"))
}

/// The text with everything inside quotes replaced by as many `_`, so that what is found in it stands
/// outside of them. A quote begins where a value may; doubled, it stands for itself.
fn masked(text: &str) -> Answer<String> {
    let mut masked = String::with_capacity(text.len());
    let mut inside = None;
    let mut before = ' ';
    for c in text.chars() {
        let begins = inside.is_none()
            && matches!(c, '\'' | '"')
            && (before.is_whitespace()
                || matches!(before, '=' | '<' | '>' | '(' | ',' | '\'' | '"'));
        if begins || inside.is_some() {
            masked.extend(std::iter::repeat_n('_', c.len_utf8()));
        } else {
            masked.push(c);
        }
        if begins {
            inside = Some(c);
        } else if inside == Some(c) {
            inside = None;
        }
        before = c;
    }
    if inside.is_some() {
        return Err(invalid(&format!("a quote is not closed in {text}")));
    }
    Ok(masked)
}

/// The conditions between the ANDs.
fn conditions(text: &str) -> Answer<Vec<&str>> {
    let plain = masked(text)?;
    let mut found = Vec::new();
    let mut begin = 0;
    let mut place = 0;
    for word in plain.split_inclusive(char::is_whitespace) {
        let (at, bare) = (place, word.trim_end());
        place += word.len();
        if bare.eq_ignore_ascii_case("OR") {
            return Err(invalid("OR is not supported; conditions are joined by AND"));
        }
        if bare.eq_ignore_ascii_case("AND") {
            found.push(&text[begin..at]);
            begin = place;
        }
    }
    found.push(&text[begin..]);
    Ok(found.into_iter().map(str::trim).filter(|condition| !condition.is_empty()).collect())
}

/// Field, operator and values of one condition.
fn read(text: &str) -> Answer<Condition<'_>> {
    if text.starts_with('(') {
        return Err(invalid(&format!("brackets around conditions are not supported: {text}")));
    }
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    let (field, rest) = text.split_at(text.find(|c| !is_name(c)).unwrap_or(text.len()));
    let rest = rest.trim_start();
    if field.is_empty() || rest.is_empty() {
        return Err(malformed(text));
    }
    let is_symbol = |c: char| matches!(c, '=' | '<' | '>' | '!');
    let is_part = if rest.starts_with(is_symbol) { is_symbol } else { char::is_alphabetic };
    let (name, values) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
    if !FIELDS.contains(&field) {
        let known = FIELDS.join(", ");
        return Err(invalid(&format!("unknown field {field}; those to search by are {known}")));
    }
    let operator = operator(name, field).ok_or_else(|| match name {
        "" => malformed(text),
        _ => invalid(&format!("the operator {name} is not supported for {field}")),
    })?;
    let values = values_of(values)?;
    Ok(Condition { text, field, operator, values })
}

fn is_time(field: &str) -> bool {
    matches!(field, "startTime" | "endTime")
}

fn operator(name: &str, field: &str) -> Option<Operator> {
    let operator = match name {
        "=" => Operator::In,
        ">" => Operator::After,
        ">=" => Operator::NotBefore,
        "<" => Operator::Before,
        "<=" => Operator::NotAfter,
        _ if name.eq_ignore_ascii_case("IN") => Operator::In,
        _ => return None,
    };
    (operator == Operator::In || is_time(field)).then_some(operator)
}

/// The values of a list, with or without brackets around it.
fn values_of(text: &str) -> Answer<Vec<String>> {
    let text = text.trim();
    let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    let text = inner.unwrap_or(text);
    let plain = masked(text)?;
    let mut place = 0;
    let value = |item: &str| {
        let value = unquoted(text[place..place + item.len()].trim());
        place += item.len() + 1;
        value
    };
    Ok(plain.split(',').map(value).collect())
}

fn unquoted(value: &str) -> String {
    for quote in ['\'', '"'] {
        let inner = value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner.replace(&format!("{quote}{quote}"), &quote.to_string());
        }
    }
    value.to_owned()
}

/// Adds a condition; false where no execution can fulfil it.
fn add(query: &mut SearchQuery, condition: Condition<'_>) -> Answer<bool> {
    let Condition { text, field, operator, values } = condition;
    match field {
        "workflowId" => {
            query.ids = values.iter().filter_map(|id| id.parse().ok()).collect();
            return Ok(!query.ids.is_empty());
        }
        "workflowType" => query.workflow_names = values,
        "correlationId" => query.correlation_ids = values,
        "status" => {
            query.statuses =
                values.iter().filter_map(|name| WorkflowStatus::from_name(name)).collect();
            return Ok(!query.statuses.is_empty());
        }
        "version" => {
            query.workflow_version = Some(only(text, field, &values, |value| value.parse().ok())?);
        }
        "parentWorkflowId" => {
            let parent = |id: &str| match id.parse() {
                Ok(id) => Some(ParentFilter::Of(id)),
                Err(_) => id.is_empty().then_some(ParentFilter::None),
            };
            query.parent = Some(only(text, field, &values, parent)?);
        }
        _ => {
            let at = only(text, field, &values, |value| value.parse().ok())?;
            let bounds = if field == "startTime" {
                (&mut query.created_after, &mut query.created_before)
            } else {
                (&mut query.ended_after, &mut query.ended_before)
            };
            bound(operator, Timestamp::from_millis(at), bounds);
        }
    }
    Ok(true)
}

/// The value of a field that is compared with one only.
fn only<T>(
    text: &str,
    field: &str,
    values: &[String],
    read: impl FnOnce(&str) -> Option<T>,
) -> Answer<T> {
    let [value] = values else {
        return Err(invalid(&format!("{field} is compared with one value only: {text}")));
    };
    read(value).ok_or_else(|| malformed(text))
}

/// Narrows a period, whose ends do not belong to it.
fn bound(
    operator: Operator,
    at: Timestamp,
    (after, before): (&mut Option<Timestamp>, &mut Option<Timestamp>),
) {
    let (from, to) = (at.plus_millis(-1), at.plus_millis(1));
    let (begin, end) = match operator {
        Operator::In => (Some(from), Some(to)),
        Operator::After => (Some(at), None),
        Operator::NotBefore => (Some(from), None),
        Operator::Before => (None, Some(at)),
        Operator::NotAfter => (None, Some(to)),
    };
    *after = (*after).max(begin);
    *before = before.iter().chain(&end).min().copied();
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
        assert_eq!(parse(" ").unwrap(), SearchQuery::default());
    }

    #[test]
    fn inside_quotes_nothing_has_a_meaning() {
        for (text, values) in [
            ("'a, b AND c'", &["a, b AND c"] as &[_]),
            ("'x OR (y)'", &["x OR (y)"]),
            ("(\"(a)\", 'b,c' , d)", &["(a)", "b,c", "d"]),
            ("'it''s'", &["it's"]),
            ("\"it's = 'so'\"", &["it's = 'so'"]),
            ("''", &[""]),
            ("O'Brien", &["O'Brien"]),
            ("' padded '", &[" padded "]),
            ("two words", &["two words"]),
            ("'ä, ö'", &["ä, ö"]),
        ] {
            for operator in ["=", " = ", " IN ", " in "] {
                let both = format!("correlationId{operator}{text} AND status = FAILED");
                let query = parse(&both).unwrap();
                assert_eq!(query.correlation_ids, values, "{both}");
                assert_eq!(query.statuses, [WorkflowStatus::Failed], "{both}");
            }
        }
    }

    #[test]
    fn a_period_is_the_narrowest_that_is_asked_for() {
        let at = |millis| Some(Timestamp::from_millis(millis));
        for (text, after, before) in [
            ("endTime > 5 AND endTime < 9", at(5), at(9)),
            ("endTime >= 5 AND endTime <= 9", at(4), at(10)),
            ("endTime = 5", at(4), at(6)),
            ("endTime > 5 AND endTime > 3 AND endTime < 9 AND endTime < 11", at(5), at(9)),
        ] {
            let query = parse(text).unwrap();
            assert_eq!((query.ended_after, query.ended_before), (after, before), "{text}");
        }
    }

    #[test]
    fn what_nothing_can_fulfil_finds_nothing() {
        for text in ["status = NONE", "workflowId = x", "status IN (A, B) AND workflowType = w"] {
            assert_eq!(parse(text).unwrap().workflow_names, [""], "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        for (text, message) in [
            ("nonsense", "Incorrectly formatted query string: nonsense"),
            ("status IN (RUNNING) AND x", "Incorrectly formatted query string: x"),
            ("version = one", "Incorrectly formatted query string: version = one"),
            (
                "status = A OR status = B",
                "query: OR is not supported; conditions are joined by AND",
            ),
            ("(status = A)", "query: brackets around conditions are not supported: (status = A)"),
            ("status != A", "query: the operator != is not supported for status"),
            ("status NOT IN (A)", "query: the operator NOT is not supported for status"),
            (
                "workflowType LIKE 'a%'",
                "query: the operator LIKE is not supported for workflowType",
            ),
            ("version > 1", "query: the operator > is not supported for version"),
            (
                "startTime BETWEEN 1 AND 2",
                "query: the operator BETWEEN is not supported for startTime",
            ),
            (
                "version IN (1, 2)",
                "query: version is compared with one value only: version IN (1, 2)",
            ),
            (
                "status = A AND status = B",
                "query: status is compared twice; use IN for several values",
            ),
            ("status = 'A", "query: a quote is not closed in status = 'A"),
        ] {
            assert_eq!(parse(text), Err(OrchestratorError::Invalid(message.into())), "{text}");
        }
        for field in ["input", "output.x", "task_type", "Status", "größe"] {
            let error = parse(&format!("{field} = 1")).unwrap_err().to_string();
            assert!(error.contains(&format!("unknown field {field};")), "{error}");
        }
    }
}
