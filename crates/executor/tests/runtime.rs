//! The runtime against an engine in memory, in paused time.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests unwrap as tests do")]
use async_trait::async_trait;
use baton_common::api::{Task, TaskResult, TaskResultStatus};
use baton_common::{ExecutionId, Payload, Timestamp};
use baton_executor::{
    Drained, Executor, ExecutorConfig, ExecutorError, FnTask, PollRequest, Registry, SourceError,
    TaskOutcome, TaskSource,
};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};

/// An engine that hands out what it was given and remembers what it was told.
#[derive(Default)]
struct Engine {
    ready: Mutex<VecDeque<Task>>,
    arrived: Notify,
    /// Answers of the next polls, heartbeats and reports; good ones when empty.
    poll_errors: Mutex<VecDeque<SourceError>>,
    report_errors: Mutex<VecDeque<SourceError>>,
    heartbeat_error: Mutex<Option<SourceError>>,
    /// How many of the next polls, heartbeats and reports panic.
    panics: [AtomicUsize; 3],
    counts: Mutex<Vec<usize>>,
    heartbeats: AtomicUsize,
    events: Mutex<Option<mpsc::UnboundedSender<Told>>>,
}

const POLL: usize = 0;
const HEARTBEAT: usize = 1;
const REPORT: usize = 2;

/// What the engine was told.
#[derive(Debug)]
enum Told {
    Report(TaskResult),
    HandedBack,
    PollFailed,
}

impl Engine {
    fn new(tasks: impl IntoIterator<Item = Task>) -> (Arc<Self>, mpsc::UnboundedReceiver<Told>) {
        let (events, told) = mpsc::unbounded_channel();
        let engine = Self {
            ready: Mutex::new(tasks.into_iter().collect()),
            events: Mutex::new(Some(events)),
            ..Self::default()
        };
        (Arc::new(engine), told)
    }

    fn panic_if_told(&self, part: usize) {
        let one_less = |left: usize| left.checked_sub(1);
        let left = self.panics[part].fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        assert!(left.is_err(), "unlucky");
    }

    fn tell(&self, told: Told) {
        self.events.lock().unwrap().as_ref().unwrap().send(told).unwrap();
    }
}

#[async_trait]
impl TaskSource for Engine {
    async fn poll(&self, request: &PollRequest<'_>) -> Result<Vec<Task>, SourceError> {
        self.panic_if_told(POLL);
        if let Some(error) = self.poll_errors.lock().unwrap().pop_front() {
            self.tell(Told::PollFailed);
            return Err(error);
        }
        self.counts.lock().unwrap().push(request.count);
        let arrived = self.arrived.notified();
        if self.ready.lock().unwrap().is_empty() {
            drop(tokio::time::timeout(request.timeout, arrived).await);
        }
        let mut ready = self.ready.lock().unwrap();
        let count = request.count.min(ready.len());
        Ok(ready.drain(..count).collect())
    }

    async fn heartbeat(&self, _task: &Task, _worker_id: &str) -> Result<(), SourceError> {
        self.panic_if_told(HEARTBEAT);
        self.heartbeats.fetch_add(1, Ordering::Relaxed);
        self.heartbeat_error.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    async fn report(&self, result: &TaskResult) -> Result<(), SourceError> {
        self.panic_if_told(REPORT);
        if let Some(error) = self.report_errors.lock().unwrap().pop_front() {
            return Err(error);
        }
        self.tell(Told::Report(result.clone()));
        Ok(())
    }

    async fn hand_back(&self, _task: &Task, _worker_id: &str) -> Result<(), SourceError> {
        self.tell(Told::HandedBack);
        Ok(())
    }
}

fn task(seq: u32) -> Task {
    let execution = ExecutionId::new(Timestamp::from_millis(1_795_329_039_876), 1);
    let input_data = Payload::parse(format!("{{\"n\":{seq}}}")).unwrap();
    Task {
        input_data,
        response_timeout_seconds: 30,
        ..Task::scheduled(execution.task(seq), "work".into())
    }
}

fn config() -> ExecutorConfig {
    ExecutorConfig {
        worker_id: "w1".to_owned(),
        domain: None,
        poll_timeout: Duration::from_secs(5),
        drain_timeout: Duration::from_secs(10),
        jitter_seed: 1,
    }
}

fn done() -> FnTask {
    FnTask::new("work", |task| async move { TaskOutcome::completed(task.input().clone()) })
}

/// A task type that never ends by itself.
fn endless() -> FnTask {
    FnTask::new("work", |_| std::future::pending())
}

/// Runs a worker until the sender is used.
fn start(
    engine: &Arc<Engine>,
    registry: Registry,
) -> (oneshot::Sender<()>, tokio::task::JoinHandle<Drained>) {
    let source: Arc<dyn TaskSource> = Arc::<Engine>::clone(engine);
    let executor = Executor::new(source, registry, config()).unwrap();
    let (stop, stopped) = oneshot::channel();
    (stop, tokio::spawn(executor.run(async { drop(stopped.await) })))
}

async fn report(told: &mut mpsc::UnboundedReceiver<Told>) -> TaskResult {
    loop {
        match told.recv().await.unwrap() {
            Told::Report(result) => return result,
            Told::HandedBack | Told::PollFailed => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_task_is_run_and_reported() {
    let (engine, mut told) = Engine::new((1..=5).map(task));
    let (stop, worker) = start(&engine, Registry::new().with(done(), 3));
    for _ in 0..5 {
        let result = report(&mut told).await;
        assert_eq!(result.status, Some(TaskResultStatus::Completed));
        assert_eq!(result.worker_id.as_deref(), Some("w1"));
        assert!(result.output_data.get().starts_with("{\"n\":"));
    }
    stop.send(()).unwrap();
    assert_eq!(worker.await.unwrap(), Drained { finished: 5, handed_back: 0 });
    assert!(engine.counts.lock().unwrap().iter().all(|count| *count <= 3));
}

#[tokio::test(start_paused = true)]
async fn no_more_tasks_run_at_once_than_there_are_slots() {
    let (engine, mut told) = Engine::new((1..=6).map(task));
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (count, peak) = (Arc::clone(&running), Arc::clone(&most));
    let slow = FnTask::new("work", move |_| {
        let (count, peak) = (Arc::clone(&count), Arc::clone(&peak));
        async move {
            peak.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            work_for(Duration::from_millis(50)).await;
            count.fetch_sub(1, Ordering::SeqCst);
            TaskOutcome::completed(Payload::empty_object())
        }
    });
    let (_stop, _worker) = start(&engine, Registry::new().with(slow, 2));
    for _ in 0..6 {
        report(&mut told).await;
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_long_task_sends_heartbeats_at_a_third_of_its_response_timeout() {
    let (engine, mut told) = Engine::new([task(1)]);
    let slow = FnTask::new("work", |_| async {
        work_for(Duration::from_secs(35)).await;
        TaskOutcome::completed(Payload::empty_object())
    });
    let (_stop, _worker) = start(&engine, Registry::new().with(slow, 1));
    report(&mut told).await;
    assert_eq!(engine.heartbeats.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_gone_is_canceled_and_not_reported() {
    let (engine, mut told) = Engine::new([task(1)]);
    *engine.heartbeat_error.lock().unwrap() = Some(SourceError::Gone("ended".to_owned()));
    let (canceled, seen) = oneshot::channel::<()>();
    let held = Arc::new(Mutex::new(Some(canceled)));
    let watching = FnTask::new("work", move |_| {
        // Dropped with the attempt.
        let guard = held.lock().unwrap().take();
        async move {
            let _guard = guard;
            std::future::pending().await
        }
    });
    let (stop, worker) = start(&engine, Registry::new().with(watching, 1));
    assert!(seen.await.is_err());
    stop.send(()).unwrap();
    assert_eq!(worker.await.unwrap(), Drained::default());
    assert!(told.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_report_is_repeated_until_the_engine_is_back() {
    let (engine, mut told) = Engine::new([task(1)]);
    let away = || SourceError::Unavailable("restarting".to_owned());
    engine.report_errors.lock().unwrap().extend([away(), away(), away()]);
    let began = tokio::time::Instant::now();
    let (_stop, _worker) = start(&engine, Registry::new().with(done(), 1));
    report(&mut told).await;
    assert_eq!(began.elapsed().as_millis(), 500 + 1000 + 2000);
}

#[tokio::test(start_paused = true)]
async fn a_late_report_is_dropped_at_once() {
    let (engine, mut told) = Engine::new([task(1), task(2)]);
    engine.report_errors.lock().unwrap().push_back(SourceError::Gone("ended".to_owned()));
    let (_stop, _worker) = start(&engine, Registry::new().with(done(), 1));
    let result = report(&mut told).await;
    assert_eq!(result.task_id, Some(task(2).task_id.to_string()));
}

#[tokio::test(start_paused = true)]
async fn polls_go_on_after_errors() {
    let (engine, mut told) = Engine::new([task(1)]);
    let away = || SourceError::Unavailable("restarting".to_owned());
    engine.poll_errors.lock().unwrap().extend([away(), away(), away(), away()]);
    let began = tokio::time::Instant::now();
    let (_stop, _worker) = start(&engine, Registry::new().with(done(), 1));
    report(&mut told).await;
    let waited = began.elapsed();
    // 0.2 + 0.4 + 0.8 + 1.6 s, each at least half.
    assert!((1500..=3000).contains(&waited.as_millis()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_fails_the_attempt_and_the_worker_goes_on() {
    let (engine, mut told) = Engine::new([task(1), task(2)]);
    let shaky = FnTask::new("work", |task| async move {
        assert_ne!(task.input().get(), "{\"n\":1}", "one is unlucky");
        TaskOutcome::completed(Payload::empty_object())
    });
    let (_stop, _worker) = start(&engine, Registry::new().with(shaky, 1));
    let failed = report(&mut told).await;
    assert_eq!(failed.status, Some(TaskResultStatus::Failed));
    assert!(failed.reason_for_incompletion.unwrap().contains("panicked"));
    assert_eq!(report(&mut told).await.status, Some(TaskResultStatus::Completed));
}

#[tokio::test(start_paused = true)]
async fn a_task_in_hand_may_finish_within_the_drain_time() {
    let (engine, mut told) = Engine::new([task(1)]);
    let (entered, inside) = oneshot::channel();
    let entered = Arc::new(Mutex::new(Some(entered)));
    let slow = FnTask::new("work", move |_| {
        entered.lock().unwrap().take().unwrap().send(()).unwrap();
        async {
            work_for(Duration::from_secs(8)).await;
            TaskOutcome::completed(Payload::empty_object())
        }
    });
    let (stop, worker) = start(&engine, Registry::new().with(slow, 1));
    inside.await.unwrap();
    stop.send(()).unwrap();
    assert_eq!(worker.await.unwrap(), Drained { finished: 1, handed_back: 0 });
    report(&mut told).await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_does_not_finish_in_time_is_handed_back() {
    let (engine, mut told) = Engine::new([task(1)]);
    let (stop, worker) = start(&engine, Registry::new().with(endless(), 1));
    while !engine.ready.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    stop.send(()).unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(worker.await.unwrap(), Drained { finished: 0, handed_back: 1 });
    assert_eq!(began.elapsed().as_secs(), 10);
    assert!(matches!(told.recv().await, Some(Told::HandedBack)));
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_stops_at_once() {
    let (engine, _told) = Engine::new([]);
    let (stop, worker) = start(&engine, Registry::new().with(done(), 1));
    tokio::task::yield_now().await;
    let began = tokio::time::Instant::now();
    stop.send(()).unwrap();
    worker.await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let (engine, _told) = Engine::new([]);
    let refused = |registry, config| {
        let source: Arc<dyn TaskSource> = Arc::<Engine>::clone(&engine);
        Executor::new(source, registry, config).err()
    };
    assert_eq!(refused(Registry::new(), config()), Some(ExecutorError::NothingToRun));
    let slow = ExecutorConfig { poll_timeout: Duration::from_secs(6), ..config() };
    assert_eq!(
        refused(Registry::new().with(done(), 1), slow),
        Some(ExecutorError::PollTimeoutTooLong(6000))
    );
    assert_eq!(
        refused(Registry::new().with(done(), 0), config()),
        Some(ExecutorError::NoSlots("work".to_owned()))
    );
}

/// Stands for work that takes its time, on the paused clock of the test.
async fn work_for(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

/// Goal: no part of a worker that panics is silently gone. Method: each part panics, twice.
#[tokio::test(start_paused = true)]
async fn a_part_of_the_worker_that_panics_is_started_again_and_counted() {
    for part in [POLL, HEARTBEAT, REPORT] {
        let (engine, mut told) = Engine::new([task(1)]);
        engine.panics[part].store(2, Ordering::SeqCst);
        let slow = FnTask::new("work", |_| async {
            work_for(Duration::from_secs(35)).await;
            TaskOutcome::completed(Payload::empty_object())
        });
        let source: Arc<dyn TaskSource> = Arc::<Engine>::clone(&engine);
        let executor = Executor::new(source, Registry::new().with(slow, 1), config()).unwrap();
        let restarts = executor.metrics().of("work");
        let (stop, stopped) = oneshot::channel::<()>();
        let worker = tokio::spawn(executor.run(async { drop(stopped.await) }));
        assert_eq!(report(&mut told).await.status, Some(TaskResultStatus::Completed), "{part}");
        assert_eq!(restarts.restarts(), 2, "{part}");
        assert_eq!(engine.heartbeats.load(Ordering::Relaxed), 3, "{part}");
        stop.send(()).unwrap();
        assert_eq!(worker.await.unwrap(), Drained { finished: 1, handed_back: 0 });
    }
}
