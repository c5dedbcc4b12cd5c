//! Searching executions: `GET /api/workflow/search`. The grammar of `query` is the orchestrator's.
use crate::error::ApiError;
use crate::extract::{JsonObject, Params, Segments};
use crate::respond::{self, Answer};
use crate::start::start_workflow_by_name;
use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::get;
use baton_common::limits::SEARCH_SIZE_MAX;
use baton_orchestrator::{Orchestrator, SearchRequest};

/// Results of a page when no size is asked for.
const SIZE_DEFAULT: usize = 100;

pub(crate) fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Orchestrator: FromRef<S>,
{
    let start = async |state: State<Orchestrator>, params, caller, input: JsonObject| {
        start_workflow_by_name(state, Segments("search".to_owned()), params, caller, input).await
    };
    Router::new().route("/api/workflow/search", get(search_workflows).post(start))
}

/// A page of summaries.
async fn search_workflows(State(orchestrator): State<Orchestrator>, params: Params) -> Answer {
    respond::json(&orchestrator.search_workflows(request(&params)?).await?)
}

fn request(params: &Params) -> Result<SearchRequest, ApiError> {
    let size = params.bounded("size", SIZE_DEFAULT, 0..=usize::MAX >> 1)?;
    if size > SEARCH_SIZE_MAX {
        let rule = "Cannot return more than 5000 workflows. Please use pagination.";
        return Err(ApiError::broken_rule("searchWorkflows.arg1", rule, Some(size.to_string())));
    }
    Ok(SearchRequest {
        start: params.bounded("start", 0, 0..=usize::MAX >> 1)?,
        size,
        sort: params.text("sort"),
        free_text: params.text("freeText"),
        query: query(params),
        top_level_only: params.flag("topLevelOnly", false)?,
    })
}

/// The query, with the classifiers as one more condition.
fn query(params: &Params) -> Option<String> {
    let query = params.text("query").filter(|query| !query.trim().is_empty());
    let classifiers = params.list("classifier");
    if classifiers.is_empty() {
        return query;
    }
    let condition = format!("classifier IN ({})", classifiers.join(","));
    Some(query.map_or_else(|| condition.clone(), |query| format!("{query} AND {condition}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_string_becomes_a_request() {
        let query = "start=20&size=10&sort=startTime%3ADESC&freeText=*\
                     &query=workflowType%20IN%20(a,b)%20AND%20status%3D'FAILED'\
                     &classifier=x,y&topLevelOnly=True&skipCache=false";
        insta::assert_debug_snapshot!(request(&Params::parse(query)).unwrap());
    }

    #[test]
    fn a_page_has_a_largest_size() {
        let error = request(&Params::parse("size=5001")).unwrap_err();
        assert_eq!((error.status.as_u16(), error.faults.len()), (400, 1));
        assert_eq!(request(&Params::parse("size=5000")).unwrap().size, 5000);
        assert_eq!(request(&Params::parse("start=-1")).unwrap_err().status.as_u16(), 400);
        assert_eq!(request(&Params::parse("size=ten")).unwrap_err().status.as_u16(), 500);
    }
}
