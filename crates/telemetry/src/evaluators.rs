//! What the pool of script evaluators records.
use crate::catalog::{Catalog, Group};
use crate::histogram::Histogram;
use crate::labels::Labeled;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

/// What the pool of script evaluators records. A clone is another handle to the same counts.
#[derive(Clone, Debug)]
pub struct EvaluatorMetrics {
    /// Scripts that wait for an evaluator.
    pub waiting: Gauge,
    /// How long a script waited for an evaluator.
    pub wait: Histogram,
    /// Scripts refused because too many waited.
    pub refused: Counter,
    replaced: Labeled<Counter, 1>,
}

impl Default for EvaluatorMetrics {
    fn default() -> Self {
        Self {
            waiting: Gauge::default(),
            wait: Histogram::seconds(),
            refused: Counter::default(),
            replaced: Labeled::new(["reason"]),
        }
    }
}

impl EvaluatorMetrics {
    /// Evaluator processes replaced for this reason.
    pub fn replaced(&self, reason: &str) -> Counter {
        self.replaced.with([reason])
    }
}

impl Group for EvaluatorMetrics {
    fn register(&self, catalog: &mut Catalog) {
        catalog.add(
            "baton_scripts_waiting",
            "Scripts that wait for an evaluator of this process",
            &self.waiting,
        );
        catalog.add(
            "baton_script_wait_seconds",
            "Time a script waited for an evaluator",
            &self.wait,
        );
        catalog.add(
            "baton_scripts_refused_total",
            "Scripts put off because too many waited",
            &self.refused,
        );
        catalog.add_labeled(
            "baton_evaluators_replaced_total",
            "Evaluator processes replaced",
            &self.replaced,
        );
    }
}
