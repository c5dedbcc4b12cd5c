//! A server's own counters, as it tells Prometheus; servers without that page are measured without.
use crate::http::{Connection, Target};

/// Counters since the server began; `None` where the page has no such line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct EngineCounts {
    pub(crate) commits: Option<f64>,
    pub(crate) rows_written: Option<f64>,
    pub(crate) round_trips: Option<f64>,
    pub(crate) wal_bytes: Option<f64>,
    pub(crate) handed_over: Option<f64>,
    pub(crate) queued: Option<f64>,
}

/// Reads the page; `None` when there is none.
pub(crate) async fn read(target: &Target) -> Option<EngineCounts> {
    let body = Connection::new(&target.root()).get("/metrics").await.ok()?;
    let counts = counts_of(std::str::from_utf8(&body).ok()?);
    (counts != EngineCounts::default()).then_some(counts)
}

fn counts_of(page: &str) -> EngineCounts {
    EngineCounts {
        commits: total(page, "baton_commits_total"),
        rows_written: total(page, "baton_rows_written_total"),
        round_trips: total(page, "baton_round_trips_total"),
        wal_bytes: total(page, "baton_wal_bytes_total"),
        handed_over: total(page, "baton_tasks_handed_over_total"),
        queued: total(page, "baton_tasks_queued_total"),
    }
}

/// The sum of a metric over all its labels. A line is `name{labels} value [timestamp]`; a label may
/// hold any text, blanks and braces included, so the value is looked for after the last brace.
fn total(page: &str, name: &str) -> Option<f64> {
    let value = |line: &str| -> Option<f64> {
        let rest = line.strip_prefix(name).filter(|rest| rest.starts_with([' ', '\t', '{']))?;
        let rest = rest.rsplit_once('}').map_or(rest, |(_, rest)| rest);
        rest.split_whitespace().next()?.parse().ok()
    };
    page.lines().filter_map(value).reduce(|sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"
# HELP baton_commits_total Batches committed.
# TYPE baton_commits_total counter
baton_commits_total 12
baton_round_trips_total{kind="commit"} 12 1795000000000
baton_round_trips_total{kind="a } b"} 30
baton_commits_total_of_another 99
baton_wal_bytes_total 1.5e6
baton_tasks_queued_total NaN of it
"#;

    #[test]
    fn a_page_of_prometheus_is_read_whatever_its_labels() {
        let counts = counts_of(PAGE);
        assert_eq!(counts.commits, Some(12.0));
        assert_eq!(counts.round_trips, Some(42.0));
        assert_eq!(counts.wal_bytes, Some(1_500_000.0));
        assert!(counts.queued.is_some_and(f64::is_nan));
        assert_eq!((counts.rows_written, counts.handed_over), (None, None));
    }

    #[test]
    fn another_page_has_no_counts() {
        assert_eq!(counts_of("<html>baton_commits_total</html>"), EngineCounts::default());
    }
}
