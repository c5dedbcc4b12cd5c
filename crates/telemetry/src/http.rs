//! What the gateway records.
use crate::catalog::{Catalog, Group};
use crate::histogram::Histogram;
use crate::labels::Labeled;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Methods with a name of their own; all others are the last.
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "DELETE", "HEAD", "other"];

/// Statuses with a name of their own; all others are the last.
const STATUSES: [(u16, &str); 16] = [
    (200, "200"),
    (201, "201"),
    (202, "202"),
    (204, "204"),
    (400, "400"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (408, "408"),
    (409, "409"),
    (413, "413"),
    (415, "415"),
    (429, "429"),
    (500, "500"),
    (503, "503"),
    (0, "other"),
];

/// The route of requests that match none.
const NO_ROUTE: &str = "none";

/// Requests by route, method and status.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    duration: Labeled<Histogram, 3>,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        Self { duration: Labeled::new(["route", "method", "status"]) }
    }
}

impl HttpMetrics {
    /// The metrics of a route that is not known before its first request.
    pub fn route(&self) -> RouteMetrics {
        RouteMetrics(Arc::new(Route { all: self.clone(), name: OnceLock::new(), times: fresh() }))
    }
}

type Times = [[OnceLock<Histogram>; STATUSES.len()]; METHODS.len()];

fn fresh() -> Times {
    std::array::from_fn(|_| std::array::from_fn(|_| OnceLock::new()))
}

/// The metrics of one route. A clone is another handle to the same ones.
#[derive(Clone, Debug)]
pub struct RouteMetrics(Arc<Route>);

#[derive(Debug)]
struct Route {
    all: HttpMetrics,
    name: OnceLock<String>,
    times: Times,
}

impl RouteMetrics {
    /// The route's template, as of the first request; `None` = none matched.
    pub fn name(&self, template: Option<&str>) {
        self.0.name.get_or_init(|| template.unwrap_or(NO_ROUTE).to_owned());
    }

    /// A request was answered with `status` after `time`.
    pub fn answered(&self, method: &str, status: u16, time: Duration) {
        let last = METHODS.len() - 1;
        let method = METHODS.iter().position(|known| *known == method).unwrap_or(last);
        let last = STATUSES.len() - 1;
        let status = STATUSES.iter().position(|(code, _)| *code == status).unwrap_or(last);
        let slot = &self.0.times[method][status];
        slot.get_or_init(|| self.create(METHODS[method], STATUSES[status].1)).observe(time);
    }

    fn create(&self, method: &str, status: &str) -> Histogram {
        let route = self.0.name.get().map_or(NO_ROUTE, String::as_str);
        self.0.all.duration.with([route, method, status])
    }
}

impl Group for HttpMetrics {
    fn register(&self, catalog: &mut Catalog) {
        catalog.add_labeled(
            "baton_http_request_duration_seconds",
            "Time from a request's head to its answer's head, a long poll's wait included",
            &self.duration,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What callers invent does not become a label.
    #[test]
    fn strange_methods_and_statuses_are_other() {
        let http = HttpMetrics::default();
        let route = http.route();
        route.name(Some("/a/{id}"));
        route.answered("GET", 200, Duration::from_millis(1));
        route.answered("BREW", 418, Duration::from_millis(1));
        assert_eq!(http.duration.with(["/a/{id}", "GET", "200"]).count(), 1);
        assert_eq!(http.duration.with(["/a/{id}", "other", "other"]).count(), 1);
        http.route().answered("GET", 404, Duration::ZERO);
        assert_eq!(http.duration.with([NO_ROUTE, "GET", "404"]).count(), 1);
    }
}
