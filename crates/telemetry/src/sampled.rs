//! Gauges that are looked up now and then rather than kept: all values are replaced at once.
use crate::labels::{NAMES_MAX, OTHER};
use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A value for each queue, of the most important [`NAMES_MAX`] queues. A clone is another handle.
#[derive(Clone, Debug, Default)]
pub struct Sampled(Arc<Mutex<Vec<(String, f64)>>>);

/// The label of all [`Sampled`].
pub(crate) const LABEL: &str = "queue";

impl Sampled {
    /// Replaces all values: `values` by falling importance; those beyond the limit are joined into
    /// one for [`OTHER`] by `join`.
    pub fn set(&self, values: impl IntoIterator<Item = (String, f64)>, join: fn(f64, f64) -> f64) {
        let mut kept = Vec::new();
        let mut rest: Option<f64> = None;
        for (name, value) in values {
            if kept.len() < NAMES_MAX && name != OTHER {
                kept.push((name, value));
            } else {
                rest = Some(rest.map_or(value, |rest| join(rest, value)));
            }
        }
        kept.extend(rest.map(|rest| (OTHER.to_owned(), rest)));
        *self.values() = kept;
    }

    fn values(&self) -> MutexGuard<'_, Vec<(String, f64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EncodeMetric for Sampled {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        for (name, value) in &*self.values() {
            encoder.encode_family(&[(LABEL, name.as_str())])?.encode_gauge(value)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }

    fn is_empty(&self) -> bool {
        self.values().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first are kept, the others joined, and a queue that is really named `other` is one of
    /// the others.
    #[test]
    fn what_is_beyond_the_limit_is_joined() {
        let sampled = Sampled::default();
        let names = [OTHER.to_owned()].into_iter().chain((0..NAMES_MAX + 2).map(|n| n.to_string()));
        sampled.set(names.map(|name| (name, 2.0)), |a, b| a + b);
        let values = sampled.values().clone();
        assert_eq!(values.len(), NAMES_MAX + 1);
        assert_eq!(values.last(), Some(&(OTHER.to_owned(), 6.0)));
        sampled.set([], f64::max);
        assert!(sampled.is_empty());
    }
}
