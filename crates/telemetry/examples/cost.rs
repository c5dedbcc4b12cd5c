//! What recording costs: the events of one worker's task, again and again, with names in more than
//! one size of map. `cargo run --release --package baton-telemetry --example cost`.
use baton_common::TaskStatus;
use baton_telemetry::{ByName, EngineMetrics, HttpMetrics, TaskTypeMetrics};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Tasks recorded for each figure.
const TASKS: u32 = 2_000_000;
/// Decisions in a batch, as a busy engine has them.
const BATCH: u32 = 35;

fn main() {
    let metrics = EngineMetrics::default();
    for types in [3, 100, 1_000] {
        let names: Vec<String> = (0..types).map(|number| format!("task_type_{number}")).collect();
        let mut by_type = metrics.by_task_type();
        let began = Instant::now();
        for task in 0..TASKS {
            let name = &names[task as usize % names.len()];
            record_task(&metrics, &mut by_type, name);
            if task % BATCH == 0 {
                record_batch(&metrics);
            }
        }
        show(&format!("engine, {types} task types"), began.elapsed());
    }
    let http = HttpMetrics::default();
    let route = http.route();
    let began = Instant::now();
    for _ in 0..TASKS {
        let request = Instant::now();
        route.name(Some("/api/tasks"));
        // A task is a poll and a report.
        route.answered("GET", 200, request.elapsed());
        route.answered("POST", 200, request.elapsed());
    }
    show("gateway, two requests", began.elapsed());
}

/// Scheduled, handed over, ended: each is looked up by its name, as the engine does.
fn record_task(metrics: &EngineMetrics, by_type: &mut ByName<TaskTypeMetrics>, name: &str) {
    let of_type = by_type.get(black_box(name));
    of_type.scheduled.inc();
    of_type.ended(TaskStatus::Scheduled);
    by_type.get(black_box(name)).schedule_to_start.observe_ms(black_box(0));
    metrics.tasks_handed_over.inc();
    metrics.step_latency.observe(black_box(Duration::from_micros(1_700)));
    by_type.get(black_box(name)).ended(black_box(TaskStatus::Completed));
}

fn record_batch(metrics: &EngineMetrics) {
    let began = Instant::now();
    metrics.cache_hits.inc_by(u64::from(BATCH));
    metrics.tasks_queued.inc_by(0);
    metrics.decide_duration.observe(began.elapsed());
    metrics.commits.inc();
    metrics.commit_batch.observe_size(BATCH as usize);
    metrics.commit_duration.observe(began.elapsed());
}

#[expect(clippy::print_stdout, reason = "it is the purpose of this program")]
fn show(what: &str, time: Duration) {
    println!("{what}: {} ns per task", time.as_nanos() / u128::from(TASKS));
}
