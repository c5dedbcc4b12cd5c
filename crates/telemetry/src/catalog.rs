//! All metrics of a process, by name, and their text.
use crate::labels::Labeled;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::TypedMetric;
use prometheus_client::registry::{Metric, Registry};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The content type of [`Telemetry::text`].
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// The metrics of one part of the engine.
pub trait Group {
    /// Names each of them.
    fn register(&self, catalog: &mut Catalog);
}

/// What a reader is told of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its whole name.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// The names of its labels.
    pub labels: Vec<&'static str>,
    /// What it means.
    pub help: &'static str,
}

/// Metrics by name.
#[derive(Debug, Default)]
pub struct Catalog {
    registry: Registry,
    descriptions: Vec<Description>,
}

impl Catalog {
    /// Adds a metric without labels under its whole name, `baton_…`.
    pub fn add<M>(&mut self, name: &'static str, help: &'static str, metric: &M)
    where
        M: Metric + Clone + TypedMetric,
    {
        self.enter(name, &[], help, metric);
    }

    /// Adds a metric with labels under its whole name, `baton_…`.
    pub fn add_labeled<M, const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        metric: &Labeled<M, N>,
    ) where
        M: Metric + Clone + TypedMetric + Default,
    {
        self.enter(name, &metric.names(), help, metric.family());
    }

    pub(crate) fn enter<M: Metric + Clone>(
        &mut self,
        name: &'static str,
        labels: &[&'static str],
        help: &'static str,
        metric: &M,
    ) {
        let kind = metric.metric_type().as_str().to_owned();
        // The library appends the suffix of counters itself.
        let stem =
            if kind == "counter" { name.strip_suffix("_total").unwrap_or(name) } else { name };
        self.registry.register(stem, help, metric.clone());
        self.descriptions.push(Description { name, kind, labels: labels.to_vec(), help });
    }
}

/// The metrics of a process. A clone is another handle to the same ones.
#[derive(Clone, Debug, Default)]
pub struct Telemetry(Arc<Mutex<Catalog>>);

impl Telemetry {
    /// Adds a group. One of each kind at most: a name must not appear twice.
    pub fn add(&self, group: &impl Group) {
        group.register(&mut self.catalog());
    }

    /// Everything in Prometheus' text format, version 0.0.4.
    pub fn text(&self) -> String {
        let mut text = String::new();
        match prometheus_text::encode(&mut text, &self.catalog().registry) {
            Ok(()) => text,
            Err(error) => unreachable!("writing to a string does not fail: {error}"),
        }
    }

    /// What there is, in the order in which it was added.
    pub fn descriptions(&self) -> Vec<Description> {
        self.catalog().descriptions.clone()
    }

    fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
