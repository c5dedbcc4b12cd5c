//! A cluster that somebody runs for tests: a coordinator of Citus and its workers.

/// Names the cluster's database for tests. Every test that uses it empties it.
const URL: &str = "BATON_TEST_CITUS_URL";

/// The URL of the cluster's database; `None`, and a line that says so, when there is none.
#[must_use]
pub fn citus_url(test: &str) -> Option<String> {
    let url = std::env::var(URL).ok().filter(|url| !url.is_empty());
    if url.is_none() {
        eprintln!("skipped: {test}: {URL} names no cluster");
    }
    url
}
