//! Labels, and the bound on how many values one may have.
use prometheus_client::metrics::family::Family;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

/// Most values of a label whose values users choose (workflows, task types, queues): each costs a
/// server of metrics a time series per bucket, for ever.
pub const NAMES_MAX: usize = 100;

/// The value that stands for all further ones.
pub const OTHER: &str = "other";

/// One metric for each combination of label values.
#[derive(Clone, Debug)]
pub struct Labeled<M, const N: usize> {
    names: [&'static str; N],
    family: Family<[(&'static str, Arc<str>); N], M>,
}

impl<M: Default + Clone, const N: usize> Labeled<M, N> {
    /// With labels of these names.
    pub fn new(names: [&'static str; N]) -> Self {
        Self { names, family: Family::default() }
    }

    /// The metric of these values. Takes a lock: look it up once and keep it.
    pub fn with(&self, values: [&str; N]) -> M {
        let mut pairs = self.names.map(|name| (name, Arc::from("")));
        for (pair, value) in pairs.iter_mut().zip(values) {
            pair.1 = Arc::from(value);
        }
        self.family.get_or_create_owned(&pairs)
    }

    pub(crate) fn names(&self) -> [&'static str; N] {
        self.names
    }

    pub(crate) fn family(&self) -> &Family<[(&'static str, Arc<str>); N], M> {
        &self.family
    }
}

/// The metrics of each name that users chose, of the first [`NAMES_MAX`] names seen; all others
/// share those of [`OTHER`]. Belongs to one loop, so looking up needs no lock.
#[derive(Debug)]
pub struct ByName<M> {
    /// Places in `metrics`.
    known: HashMap<Box<str>, usize>,
    metrics: Vec<M>,
    other: M,
    make: fn(&M, &str) -> M,
}

impl<M> ByName<M> {
    /// `make` gives the metrics of a further name, from those of `other`.
    pub fn new(other: M, make: fn(&M, &str) -> M) -> Self {
        Self { known: HashMap::new(), metrics: Vec::new(), other, make }
    }

    /// The metrics of a name.
    pub fn get(&mut self, name: &str) -> &M {
        let place = match self.known.get(name) {
            Some(place) => *place,
            None if name == OTHER || self.metrics.len() >= NAMES_MAX => return &self.other,
            None => self.add(name),
        };
        self.metrics.get(place).unwrap_or(&self.other)
    }

    fn add(&mut self, name: &str) -> usize {
        let place = self.metrics.len();
        self.metrics.push((self.make)(&self.other, name));
        self.known.insert(name.into(), place);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::metrics::counter::Counter;

    #[derive(Clone)]
    struct Metrics(Labeled<Counter, 1>, Counter);

    fn of(all: &Metrics, name: &str) -> Metrics {
        Metrics(all.0.clone(), all.0.with([name]))
    }

    /// However many names users invent, there are no more than the limit and one.
    #[test]
    fn further_names_are_counted_as_other() {
        let family = Labeled::new(["task_type"]);
        let other = Metrics(family.clone(), family.with([OTHER]));
        let mut by_name = ByName::new(other, of);
        for _ in 0..2 {
            for number in 0..NAMES_MAX + 50 {
                by_name.get(&format!("type_{number}")).1.inc();
            }
        }
        by_name.get(OTHER).1.inc();
        assert_eq!(by_name.known.len(), NAMES_MAX);
        assert_eq!(family.with(["type_0"]).get(), 2);
        assert_eq!(family.with([OTHER]).get(), 101);
    }
}
