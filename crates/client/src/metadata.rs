//! Workflow definitions and task definitions.
use crate::target::Target;
use crate::{Client, ClientError};
use baton_common::api::{DefinitionWarnings, WorkflowDefSummary, WorkflowsUpdated};
use baton_common::{TaskDef, WorkflowDef};
use indexmap::IndexMap;
use reqwest::Method;
use serde::Serialize;
use std::borrow::Borrow;

impl Client {
    /// Registers a new version of a workflow definition; answers what is suspicious in it.
    ///
    /// # Errors
    /// [`ClientError::Conflict`] when that name and version exist; [`ClientError::Invalid`] with
    /// every fault; nothing is stored then.
    pub async fn register_workflow(
        &self,
        definition: &WorkflowDef,
    ) -> Result<DefinitionWarnings, ClientError> {
        let target = Target::new("/metadata/workflow");
        let answer = self.change(Method::POST, target).json(definition)?.into_json_if_any();
        Ok(answer.await?.unwrap_or_default())
    }

    /// Registers or replaces workflow definitions; the answer names what was stored.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] when any definition is wrong; none is stored then.
    pub async fn put_workflows(
        &self,
        definitions: &[impl Borrow<WorkflowDef> + Serialize],
    ) -> Result<WorkflowsUpdated, ClientError> {
        self.change(Method::PUT, Target::new("/metadata/workflow"))
            .json(definitions)?
            .into_json()
            .await
    }

    /// Has the server check a workflow definition without storing it; answers what is suspicious in
    /// it.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] with every fault.
    pub async fn validate_workflow(
        &self,
        definition: &WorkflowDef,
    ) -> Result<DefinitionWarnings, ClientError> {
        let target = Target::new("/metadata/workflow/validate");
        let answer = self.change(Method::POST, target).json(definition)?.into_json_if_any();
        Ok(answer.await?.unwrap_or_default())
    }

    /// One workflow definition; without a version the highest.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] when there is none.
    pub async fn workflow_def(
        &self,
        name: &str,
        version: Option<i32>,
    ) -> Result<WorkflowDef, ClientError> {
        let target = Target::new("/metadata/workflow").segment(name).query_if("version", version);
        self.read(target).into_json().await
    }

    /// Every version of every workflow definition.
    ///
    /// # Errors
    /// [`ClientError::Unavailable`].
    pub async fn workflow_defs(&self) -> Result<Vec<WorkflowDef>, ClientError> {
        self.read(Target::new("/metadata/workflow")).into_json().await
    }

    /// The versions of every workflow definition by name, ascending.
    ///
    /// # Errors
    /// [`ClientError::Unavailable`].
    pub async fn workflow_names_and_versions(
        &self,
    ) -> Result<IndexMap<String, Vec<WorkflowDefSummary>>, ClientError> {
        self.read(Target::new("/metadata/workflow/names-and-versions")).into_json().await
    }

    /// Removes one version of a workflow definition; its executions go on.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] when there is none.
    pub async fn delete_workflow_def(&self, name: &str, version: i32) -> Result<(), ClientError> {
        let target = Target::new("/metadata/workflow").segment(name).segment(version);
        self.change(Method::DELETE, target).done().await
    }

    /// Registers or replaces task definitions; answers what is suspicious in them.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] with every fault; none is stored then.
    pub async fn register_task_defs(
        &self,
        definitions: &[impl Borrow<TaskDef> + Serialize],
    ) -> Result<DefinitionWarnings, ClientError> {
        let target = Target::new("/metadata/taskdefs");
        let answer = self.change(Method::POST, target).json(definitions)?.into_json_if_any();
        Ok(answer.await?.unwrap_or_default())
    }

    /// Replaces a task definition.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] when there is none; [`ClientError::Invalid`] with every fault.
    pub async fn update_task_def(&self, definition: &TaskDef) -> Result<(), ClientError> {
        self.change(Method::PUT, Target::new("/metadata/taskdefs")).json(definition)?.done().await
    }

    /// One task definition.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] when there is none.
    pub async fn task_def(&self, name: &str) -> Result<TaskDef, ClientError> {
        self.read(Target::new("/metadata/taskdefs").segment(name)).into_json().await
    }

    /// Every task definition.
    ///
    /// # Errors
    /// [`ClientError::Unavailable`].
    pub async fn task_defs(&self) -> Result<Vec<TaskDef>, ClientError> {
        self.read(Target::new("/metadata/taskdefs")).into_json().await
    }

    /// Removes a task definition.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] when there is none.
    pub async fn delete_task_def(&self, name: &str) -> Result<(), ClientError> {
        let target = Target::new("/metadata/taskdefs").segment(name);
        self.change(Method::DELETE, target).done().await
    }
}
