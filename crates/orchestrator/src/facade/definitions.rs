//! Registering and reading definitions.
use super::{Answer, Orchestrator};
use crate::engine::{DEFINITIONS_CHANGED, EngineRequest};
use crate::error::{Fault, OrchestratorError};
use baton_common::api::{BulkResponse, WorkflowDefSummary};
use baton_common::{Payload, TaskDef, Timestamp, WorkflowDef};
use baton_decider::{json, validation};
use baton_store::{DefinitionWrite, StoreError};
use std::collections::BTreeMap;

impl Orchestrator {
    /// Creates a workflow definition.
    ///
    /// # Errors
    /// Conflict when the version exists and not `overwrite`; Faulty with every broken rule.
    pub async fn register_workflow(
        &self,
        mut definition: WorkflowDef,
        overwrite: bool,
    ) -> Answer<()> {
        let catalog = self.inner.definitions.refresh().await?;
        let name = definition.name.clone().unwrap_or_default();
        let version = definition.version;
        let exists = || {
            OrchestratorError::Conflict(format!("Workflow with {name}.{version} already exists!"))
        };
        let known = catalog.workflow(&name, Some(version)).cloned();
        if known.is_some() && !overwrite {
            return Err(exists());
        }
        self.check_workflow(&definition, "registerWorkflowDef.arg0")?;
        let now = self.inner.clock.now().millis();
        if known.is_some() {
            definition.update_time = now;
        } else {
            definition.create_time = now;
        }
        let write = put_workflow(&definition, overwrite);
        match self.inner.store.write_definitions(&[write]).await {
            Err(StoreError::AlreadyExists(_)) => Err(exists()),
            other => {
                other?;
                self.inner.definitions.refresh().await?;
                Ok(())
            }
        }
    }

    /// Creates or replaces workflow definitions, all or none; the names are the successes.
    ///
    /// # Errors
    /// Faulty with every broken rule of every definition.
    pub async fn update_workflows(&self, definitions: Vec<WorkflowDef>) -> Answer<BulkResponse> {
        self.inner.definitions.refresh().await?;
        let mut faults = Vec::new();
        for (index, definition) in definitions.iter().enumerate() {
            let prefix = format!("updateWorkflowDef.arg0[{index}]");
            if let Err(OrchestratorError::Faulty(found)) = self.check_workflow(definition, &prefix)
            {
                faults.extend(
                    found.into_iter().map(|fault| Fault {
                        pointer: format!("/{index}{}", fault.pointer),
                        ..fault
                    }),
                );
            }
        }
        if !faults.is_empty() {
            return Err(OrchestratorError::Faulty(faults));
        }
        let now = self.inner.clock.now().millis();
        let mut response = BulkResponse::default();
        let mut writes = Vec::with_capacity(definitions.len());
        for mut definition in definitions {
            definition.update_time = now;
            let name = definition.name.clone().unwrap_or_default();
            response.bulk_successful_results.push(name);
            writes.push(put_workflow(&definition, true));
        }
        self.inner.store.write_definitions(&writes).await?;
        self.inner.definitions.refresh().await?;
        Ok(response)
    }

    /// Checks a definition without storing it.
    ///
    /// # Errors
    /// Faulty with every broken rule.
    pub async fn validate_workflow(&self, definition: WorkflowDef) -> Answer<()> {
        self.inner.definitions.refresh().await?;
        self.check_workflow(&definition, "validateWorkflowDef.arg0")
    }

    pub(crate) fn check_workflow(&self, definition: &WorkflowDef, prefix: &str) -> Answer<()> {
        let catalog = self.inner.definitions.catalog();
        let task_def = |name: &str| catalog.tasks.get(name).map(|(def, _)| def.clone());
        faulty(validation::validate_workflow(definition, &task_def), prefix)
    }

    /// One version of a definition, the highest for `None`.
    ///
    /// # Errors
    /// NotFound.
    pub async fn workflow_definition(&self, name: &str, version: Option<i32>) -> Answer<Payload> {
        let catalog = self.inner.definitions.refresh().await?;
        let entry = catalog.workflow(name, version).ok_or_else(|| {
            let version = version.map_or("null".to_owned(), |version| version.to_string());
            OrchestratorError::NotFound(format!(
                "No such workflow found by name: {name}, version: {version}"
            ))
        })?;
        Ok(entry.body.clone())
    }

    /// Every version of every definition, by name and version.
    ///
    /// # Errors
    /// Unavailable.
    pub async fn workflow_definitions(&self) -> Answer<Vec<Payload>> {
        let catalog = self.inner.definitions.refresh().await?;
        let all = catalog.workflows.values().flat_map(BTreeMap::values);
        Ok(all.map(|entry| entry.body.clone()).collect())
    }

    /// The highest version of every definition.
    ///
    /// # Errors
    /// Unavailable.
    pub async fn latest_workflow_definitions(&self) -> Answer<Vec<Payload>> {
        let catalog = self.inner.definitions.refresh().await?;
        let latest = catalog.workflows.values().filter_map(BTreeMap::last_key_value);
        Ok(latest.map(|(_, entry)| entry.body.clone()).collect())
    }

    /// Names with their versions, ascending.
    ///
    /// # Errors
    /// Unavailable.
    pub async fn workflow_versions(&self) -> Answer<BTreeMap<String, Vec<WorkflowDefSummary>>> {
        let catalog = self.inner.definitions.refresh().await?;
        let some = |time: i64| (time > 0).then_some(Timestamp::from_millis(time));
        let summary = |definition: &WorkflowDef| WorkflowDefSummary {
            name: definition.name.clone().unwrap_or_default(),
            version: definition.version,
            create_time: some(definition.create_time),
            update_time: some(definition.update_time),
        };
        let all = catalog.workflows.iter().map(|(name, versions)| {
            let versions = versions.values().map(|entry| summary(&entry.definition)).collect();
            (name.clone(), versions)
        });
        Ok(all.collect())
    }

    /// Deletes one version; running executions keep theirs.
    ///
    /// # Errors
    /// NotFound.
    pub async fn delete_workflow(&self, name: &str, version: i32) -> Answer<()> {
        let write = DefinitionWrite::DeleteWorkflow { name: name.to_owned(), version };
        self.delete(write, || format!("No such workflow definition: {name} version: {version}"))
            .await
    }

    async fn delete(&self, write: DefinitionWrite, missing: impl Fn() -> String) -> Answer<()> {
        match self.inner.store.write_definitions(&[write]).await {
            Err(StoreError::NotFound(_)) => Err(OrchestratorError::NotFound(missing())),
            other => {
                other?;
                self.limits_changed().await
            }
        }
    }

    /// Creates or replaces task definitions.
    ///
    /// # Errors
    /// Faulty with every broken rule of every definition.
    pub async fn register_tasks(&self, definitions: Vec<TaskDef>) -> Answer<()> {
        let mut faults = Vec::new();
        for (index, definition) in definitions.iter().enumerate() {
            let found = validation::validate_task_def(definition);
            let prefix = format!("registerTaskDef.arg0[{index}]");
            if let Err(OrchestratorError::Faulty(found)) = faulty(found, &prefix) {
                faults.extend(
                    found.into_iter().map(|fault| Fault {
                        pointer: format!("/{index}{}", fault.pointer),
                        ..fault
                    }),
                );
            }
        }
        if !faults.is_empty() {
            return Err(OrchestratorError::Faulty(faults));
        }
        let now = self.inner.clock.now().millis();
        let writes = definitions.into_iter().map(|definition| {
            put_task(&TaskDef {
                create_time: now,
                created_by: Some(String::new()),
                update_time: 0,
                updated_by: None,
                ..definition
            })
        });
        self.inner.store.write_definitions(&writes.collect::<Vec<_>>()).await?;
        self.limits_changed().await
    }

    /// Replaces one task definition; who created it and when stays.
    ///
    /// # Errors
    /// NotFound, Faulty.
    pub async fn update_task_definition(&self, definition: TaskDef) -> Answer<()> {
        let catalog = self.inner.definitions.refresh().await?;
        let name = definition.name.clone().unwrap_or_default();
        let Some((known, _)) = catalog.tasks.get(&name) else {
            return Err(OrchestratorError::NotFound(format!("No such task by name {name}")));
        };
        faulty(validation::validate_task_def(&definition), "updateTaskDef.arg0")?;
        let write = put_task(&TaskDef {
            create_time: known.create_time,
            created_by: known.created_by.clone(),
            update_time: self.inner.clock.now().millis(),
            updated_by: Some(String::new()),
            ..definition
        });
        self.inner.store.write_definitions(&[write]).await?;
        self.limits_changed().await
    }

    /// Task definitions were written: their limits hold from now on, in all processes.
    async fn limits_changed(&self) -> Answer<()> {
        self.inner.definitions.refresh().await?;
        self.inner.engine.send(EngineRequest::DefinitionsChanged).await?;
        self.inner.store.notify(&[DEFINITIONS_CHANGED.to_owned()]).await;
        Ok(())
    }

    /// One task definition.
    ///
    /// # Errors
    /// NotFound.
    pub async fn task_definition(&self, name: &str) -> Answer<Payload> {
        let catalog = self.inner.definitions.refresh().await?;
        let missing =
            || OrchestratorError::NotFound(format!("No such taskType found by name: {name}"));
        catalog.tasks.get(name).map(|(_, body)| body.clone()).ok_or_else(missing)
    }

    /// Every task definition.
    ///
    /// # Errors
    /// Unavailable.
    pub async fn task_definitions(&self) -> Answer<Vec<Payload>> {
        let catalog = self.inner.definitions.refresh().await?;
        Ok(catalog.tasks.values().map(|(_, body)| body.clone()).collect())
    }

    /// Deletes a task definition.
    ///
    /// # Errors
    /// NotFound.
    pub async fn delete_task_definition(&self, name: &str) -> Answer<()> {
        let write = DefinitionWrite::DeleteTask { name: name.to_owned() };
        self.delete(write, || "No such task definition".to_owned()).await
    }
}

fn put_workflow(definition: &WorkflowDef, overwrite: bool) -> DefinitionWrite {
    DefinitionWrite::PutWorkflow {
        name: definition.name.clone().unwrap_or_default(),
        version: definition.version,
        body: json::payload(definition),
        overwrite,
    }
}

fn put_task(definition: &TaskDef) -> DefinitionWrite {
    DefinitionWrite::PutTask {
        name: definition.name.clone().unwrap_or_default(),
        body: json::payload(definition),
    }
}

fn faulty(faults: Vec<validation::Fault>, prefix: &str) -> Answer<()> {
    if faults.is_empty() {
        return Ok(());
    }
    let fault = |fault: validation::Fault| {
        let separator = if fault.path.is_empty() || fault.path.starts_with('[') { "" } else { "." };
        Fault {
            path: format!("{prefix}{separator}{}", fault.path),
            pointer: fault.pointer,
            message: fault.message,
            invalid_value: fault.invalid_value,
        }
    };
    Err(OrchestratorError::Faulty(faults.into_iter().map(fault).collect()))
}
