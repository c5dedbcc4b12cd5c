//! What is registered and which workers have polled, as of one moment.
use super::{Answer, Orchestrator};
use crate::definitions::Catalog;
use baton_common::TaskDef;
use std::collections::HashSet;
use std::sync::Arc;

/// The names that definitions may refer to.
#[derive(Clone, Debug)]
pub struct KnownNames {
    catalog: Arc<Catalog>,
    queues: HashSet<Arc<str>>,
}

impl KnownNames {
    /// Whether a workflow is registered, in this version when one is given.
    pub fn has_workflow(&self, name: &str, version: Option<i32>) -> bool {
        self.catalog.workflow(name, version).is_some()
    }

    /// The names of the registered workflows.
    pub fn workflow_names(&self) -> impl Iterator<Item = &str> {
        self.catalog.workflows.keys().map(String::as_str)
    }

    /// The registered task definition of a name.
    pub fn task_def(&self, name: &str) -> Option<&TaskDef> {
        self.catalog.tasks.get(name).map(|(definition, _)| &**definition)
    }

    /// The names of the registered task definitions.
    pub fn task_names(&self) -> impl Iterator<Item = &str> {
        self.catalog.tasks.keys().map(String::as_str)
    }

    /// Whether a worker has ever polled for a queue.
    pub fn is_polled(&self, queue: &str) -> bool {
        self.queues.contains(queue)
    }
}

impl Orchestrator {
    /// What is registered and which workers have polled.
    ///
    /// # Errors
    /// Unavailable.
    pub async fn known_names(&self) -> Answer<KnownNames> {
        let catalog = self.inner.definitions.refresh().await?;
        let polls = self.poll_data(None).await?;
        Ok(KnownNames { catalog, queues: polls.into_iter().map(|poll| poll.queue_name).collect() })
    }
}
