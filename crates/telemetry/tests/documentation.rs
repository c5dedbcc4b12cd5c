//! `docs/telemetry.md` and the code say the same.
use baton_telemetry::{
    Description, EngineMetrics, EvaluatorMetrics, HttpMetrics, PostgresMetrics, Telemetry,
    WorkerMetrics,
};
use std::collections::BTreeSet;

/// Everything any process can show.
fn everything() -> Vec<Description> {
    let telemetry = Telemetry::default();
    telemetry.add(&EngineMetrics::default());
    telemetry.add(&EvaluatorMetrics::default());
    telemetry.add(&PostgresMetrics::default());
    telemetry.add(&HttpMetrics::default());
    telemetry.add(&WorkerMetrics::default());
    telemetry.descriptions()
}

fn unit(name: &str) -> &'static str {
    match name.strip_suffix("_total").unwrap_or(name) {
        name if name.ends_with("_seconds") => "seconds",
        name if name.ends_with("_bytes") => "bytes",
        name if name.ends_with("_executions") => "executions",
        _ => "count",
    }
}

fn row(metric: &Description) -> String {
    let Description { name, kind, labels, help } = metric;
    let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
    let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
    format!("| `{name}` | {kind} | {labels} | {} | {help}", unit(name))
}

/// The rows of the document's tables up to the end of what the code says of each metric.
fn documented() -> Vec<String> {
    let rows = include_str!("../../../docs/telemetry.md").lines();
    let rows = rows.filter(|line| line.starts_with("| `baton_"));
    rows.map(|row| row.trim_end_matches('|').trim_end().to_owned()).collect()
}

/// Goal: no metric is undocumented, none is documented that is not there, and name, type, labels,
/// unit and meaning agree. Method: the row that the code gives begins the row of the document, which
/// may say more after a semicolon.
#[test]
fn every_metric_is_a_row_and_every_row_a_metric() {
    let code: BTreeSet<String> = everything().iter().map(row).collect();
    let rows = documented();
    let said: BTreeSet<String> = rows
        .iter()
        .map(|row| row.split_once("; ").map_or(row.clone(), |(start, _)| start.to_owned()))
        .collect();
    assert_eq!(rows.len(), said.len(), "a metric has two rows");
    let missing: Vec<_> = code.difference(&said).cloned().collect();
    let unknown: Vec<_> = said.difference(&code).cloned().collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "not documented as the code says it:\n{}\n\ndocumented and not in the code:\n{}",
        missing.join("\n"),
        unknown.join("\n"),
    );
}

#[test]
fn names_follow_the_conventions() {
    for Description { name, kind, .. } in everything() {
        assert!(name.starts_with("baton_"), "{name}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
    }
}

/// What users may call their workflows.
const NAMES: [&str; 6] =
    ["plain", "quo\"ted", "back\\slash", "new\nline", "{br}ace,comma=", "ключ"];

/// Strange names of users do not break the text.
#[test]
fn the_text_parses_whatever_users_name_their_workflows() {
    let telemetry = Telemetry::default();
    let engine = EngineMetrics::default();
    telemetry.add(&engine);
    for name in NAMES {
        engine.by_workflow().get(name).started.inc();
    }
    let text = telemetry.text();
    let scrape = prom_text_format_parser::Scrape::parse(&text).unwrap();
    let started =
        |metric: &&prom_text_format_parser::Metric| metric.name == "baton_workflows_started_total";
    let samples = &scrape.metrics.iter().find(started).unwrap().samples;
    assert_eq!(samples.len(), NAMES.len() + 1, "{text}");
    let sum: f64 = samples.iter().map(|sample| sample.value.value.as_f64()).sum();
    assert!((sum - 6.0).abs() < f64::EPSILON, "{sum}");
}

/// Bounds are labels, so they are an interface: each is the number one would write.
#[test]
fn bounds_are_shown_as_one_would_write_them() {
    let telemetry = Telemetry::default();
    telemetry.add(&EngineMetrics::default());
    let text = telemetry.text();
    let bounds = |name: &str| -> Vec<String> {
        let start = format!("{name}_bucket{{le=\"");
        let bounds = text.lines().filter_map(|line| line.strip_prefix(&start)?.split_once('"'));
        bounds.map(|(bound, _)| bound.to_owned()).collect()
    };
    let times = "0.00025 0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 30 60 300 \
        900 3600 +Inf";
    assert_eq!(bounds("baton_step_latency_seconds").join(" "), times);
    let sizes = "1 2 4 8 16 32 64 128 256 512 1024 2048 4096 +Inf";
    assert_eq!(bounds("baton_commit_batch_executions").join(" "), sizes);
}
