//! Finding executions.
use super::query;
use super::{Answer, Orchestrator, SearchRequest};
use crate::journal;
use crate::view;
use baton_common::api::{IsoTimestamp, SearchResult, Workflow, WorkflowSummary};
use baton_common::{Timestamp, WorkflowStatus};
use baton_store::{ExecutionRow, ParentFilter, SearchPage, SearchQuery, SortField, SortOrder};
use std::sync::Arc;

/// Most executions listed by name or correlation id in one answer.
const LISTED_MAX: u32 = 5_000;

impl Orchestrator {
    /// Ids of open executions of a workflow, or of all that started in a period (epoch ms).
    ///
    /// # Errors
    /// Unavailable.
    pub async fn running_workflows(
        &self,
        name: &str,
        version: i32,
        period: Option<(i64, i64)>,
    ) -> Answer<Vec<String>> {
        let mut query = SearchQuery {
            workflow_names: vec![query::literal(name)],
            size: LISTED_MAX,
            ..SearchQuery::default()
        };
        match period {
            Some((from, to)) => {
                query.workflow_version = Some(version);
                query.created_after = Some(Timestamp::from_millis(from.saturating_sub(1)));
                query.created_before = Some(Timestamp::from_millis(to.saturating_add(1)));
            }
            None => query.statuses = vec![WorkflowStatus::Running, WorkflowStatus::Paused],
        }
        let page = self.inner.store.search(&query).await?;
        Ok(page.executions.iter().map(|row| row.id.to_string()).collect())
    }

    /// Executions of a workflow with this correlation id; open ones only unless `include_closed`.
    ///
    /// # Errors
    /// Unavailable.
    pub async fn correlated_workflows(
        &self,
        name: &str,
        correlation_id: &str,
        include_closed: bool,
        include_tasks: bool,
    ) -> Answer<Vec<Workflow>> {
        let running = vec![WorkflowStatus::Running];
        let query = SearchQuery {
            workflow_names: vec![query::literal(name)],
            correlation_ids: vec![query::literal(correlation_id)],
            statuses: if include_closed { Vec::new() } else { running },
            size: LISTED_MAX,
            ..SearchQuery::default()
        };
        let mut found = Vec::new();
        for row in self.inner.store.search(&query).await?.executions {
            found.push(if include_tasks {
                view::workflow(&self.state(row.id).await?)
            } else {
                self.summary_of(&row).await?
            });
        }
        Ok(found)
    }

    /// A page of summaries.
    ///
    /// # Errors
    /// Invalid (the query is malformed), Unavailable.
    pub async fn search_workflows(
        &self,
        request: SearchRequest,
    ) -> Answer<SearchResult<WorkflowSummary>> {
        let mut query = query::parse(request.query.as_deref().unwrap_or_default())?;
        query.start = u32::try_from(request.start).unwrap_or(u32::MAX);
        query.size = u32::try_from(request.size).unwrap_or(u32::MAX);
        query.sort = query::sort(request.sort.as_deref().unwrap_or_default());
        if query.sort.is_empty() {
            query.sort = vec![(SortField::CreatedAt, SortOrder::Descending)];
        }
        if request.top_level_only {
            query.parent = Some(ParentFilter::None);
        }
        let words = request.free_text.as_deref().unwrap_or("*");
        let mut by_name = query.clone();
        query::add_free_text(&mut by_name, words);
        let mut page: SearchPage = self.inner.store.search(&by_name).await?;
        if page.total_hits == 0 && by_name != query && query.correlation_ids.is_empty() {
            query.correlation_ids = vec![format!("*{}*", words.trim())];
            page = self.inner.store.search(&query).await?;
        }
        let results = page.executions.iter().map(summary).collect::<Answer<Vec<_>>>()?;
        Ok(SearchResult { total_hits: i64::try_from(page.total_hits).unwrap_or(i64::MAX), results })
    }
}

fn summary(row: &ExecutionRow) -> Answer<WorkflowSummary> {
    let overview = journal::read_overview(row)?;
    let (input, output) = (row.input.get().to_owned(), overview.output.get().to_owned());
    let names: Vec<&str> = overview.failed_references.iter().map(|name| &**name).collect();
    let size = |text: &str| i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    Ok(WorkflowSummary {
        workflow_type: row.index.workflow_name.as_str().into(),
        version: row.index.workflow_version,
        workflow_id: row.id,
        correlation_id: row.index.correlation_id.as_deref().map(Arc::from),
        start_time: IsoTimestamp(row.index.created_at),
        update_time: IsoTimestamp(row.updated_at),
        end_time: row.ended_at.map(IsoTimestamp),
        status: row.status,
        input_size: size(&input),
        output_size: size(&output),
        input,
        output,
        reason_for_incompletion: overview.reason.clone(),
        execution_time: view::duration_ms(row.index.created_at, row.ended_at),
        event: overview.event.as_deref().map(Arc::from),
        failed_reference_task_names: names.join(","),
        failed_task_names: overview.failed_names.clone(),
        external_input_payload_storage_path: None,
        external_output_payload_storage_path: None,
        priority: overview.priority.into(),
        created_by: overview.created_by.as_deref().map(Arc::from),
        task_to_domain: overview.task_to_domain.clone(),
        idempotency_key: overview.idempotency_key.as_deref().map(Arc::from),
        parent_workflow_id: row
            .index
            .parent
            .map(|parent| parent.execution().to_string())
            .unwrap_or_default(),
        classifier: None,
    })
}
