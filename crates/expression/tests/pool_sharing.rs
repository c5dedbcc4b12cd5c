//! Many scripts over few processes: they take turns, none fails for waiting, and a process that is
//! killed or has grown is replaced.
#![expect(clippy::unwrap_used, reason = "helpers of tests may, as tests do")]
use baton_common::payload::Payload;
use baton_expression::script::{
    EvaluatorPool, Language, PoolEvent, PoolLimits, QueueLimits, Replaced, Script, ScriptError,
    ScriptLimits, ShareKey,
};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longer than any of these tests needs.
const PATIENCE: Duration = Duration::from_mins(1);

/// A pool whose events are kept, and the argument by which its children can be told from others.
struct Pool {
    inner: EvaluatorPool,
    events: Arc<Mutex<Vec<PoolEvent>>>,
    tag: String,
}

impl Pool {
    fn new(limits: PoolLimits, time_ms: u64) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let tag = format!("--pool-{}-{number}", std::process::id());
        let events = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&events);
        let inner = EvaluatorPool::observed(
            env!("CARGO_BIN_EXE_baton-evaluate").into(),
            vec![tag.clone()],
            limits,
            ScriptLimits { time_ms, ..ScriptLimits::default() },
            move |event| kept.lock().unwrap().push(event),
        );
        Self { inner, events, tag }
    }

    fn replaced(&self) -> Vec<Replaced> {
        let events = self.events.lock().unwrap();
        let replaced = events.iter().filter_map(|event| match event {
            PoolEvent::Replaced(why) => Some(*why),
            PoolEvent::Queued | PoolEvent::Began { .. } | PoolEvent::Refused => None,
        });
        replaced.collect()
    }

    fn evaluate(&self, script: &Script) -> Result<Payload, ScriptError> {
        self.inner.evaluate(ShareKey::default(), script)
    }

    /// The process ids of its children.
    fn children(&self) -> Vec<String> {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let own = processes.filter(|process| {
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|argument| argument == self.tag.as_bytes())
        });
        own.filter_map(|process| process.file_name().into_string().ok()).collect()
    }

    fn kill_children(&self) -> usize {
        let children = self.children();
        for child in &children {
            // It may be gone already, which is as good.
            let _ = std::process::Command::new("kill").args(["-9", child]).output();
        }
        children.len()
    }

    /// Submits `script` for the execution `number`; its results come through the receiver.
    fn submit(&self, number: u128, script: &Script, results: &Sender<Finished>) {
        let results = results.clone();
        let share = ShareKey::of_execution(number);
        let done = move |result| drop(results.send((number, result)));
        self.inner.submit(share, script.clone(), done).unwrap();
    }
}

/// The number of an execution, and the result of one of its scripts.
type Finished = (u128, Result<Payload, ScriptError>);

fn script(source: &str) -> Script {
    let (language, source) = (Language::JavaScript, source.to_owned());
    Script { language, source, input: Payload::empty_object() }
}

fn endless() -> Script {
    script("while (true) {}")
}

fn next(results: &Receiver<Finished>) -> Finished {
    results.recv_timeout(PATIENCE).unwrap()
}

/// Goal: forty endless scripts of one execution delay another's by about one script. Method: one
/// process; the order in which the scripts end.
#[test]
fn a_flood_of_one_execution_delays_others_by_about_one_script() {
    let pool = Pool::new(PoolLimits::of_processes(1), 100);
    let (sender, results) = channel();
    for _ in 0..40 {
        pool.submit(1, &endless(), &sender);
    }
    assert_eq!(next(&results).0, 1);
    for number in 2..5 {
        pool.submit(number, &script("7"), &sender);
    }
    let order: Vec<u128> = (0..5).map(|_| next(&results).0).collect();
    // One of the flood runs already, and one more may be in turn.
    let others: Vec<u128> = order.iter().copied().filter(|number| *number != 1).collect();
    assert_eq!(others, [2, 3, 4], "{order:?}");
}

/// While another waits, a flood has half of the processes: short scripts never wait for two of it.
#[test]
fn a_flood_has_half_of_the_processes() {
    let pool = Pool::new(PoolLimits::of_processes(2), 300);
    let (sender, results) = channel();
    for _ in 0..12 {
        pool.submit(1, &endless(), &sender);
    }
    for _ in 0..40 {
        pool.submit(2, &script("7"), &sender);
    }
    let mut flood = 0;
    let mut short = 0;
    while short < 40 {
        match next(&results) {
            (1, result) => {
                assert_eq!(result, Err(ScriptError::TimedOut { limit_ms: 300 }));
                flood += 1;
            }
            (_, result) => {
                assert_eq!(result.unwrap().get(), "7");
                short += 1;
            }
        }
    }
    assert!(flood <= 6, "{flood} of the flood ran before forty short scripts had");
}

/// The time limit counts a script's own run: many that wait longer than it succeed.
#[test]
fn no_script_fails_for_having_waited() {
    let pool = Pool::new(PoolLimits::of_processes(1), 400);
    let (sender, results) = channel();
    let busy = script(
        "(function () { var end = Date.now() + 150; while (Date.now() < end) {} return 7; })()",
    );
    for _ in 0..10 {
        pool.submit(1, &busy, &sender);
    }
    for _ in 0..10 {
        assert_eq!(next(&results).1.unwrap().get(), "7");
    }
    let events = pool.events.lock().unwrap();
    let longest = events.iter().filter_map(|event| match event {
        PoolEvent::Began { waited } => Some(*waited),
        PoolEvent::Queued | PoolEvent::Refused | PoolEvent::Replaced(_) => None,
    });
    assert!(longest.max().unwrap() > Duration::from_millis(400));
}

/// A full queue refuses by name and leaves nothing behind; a caller that can wait is served.
#[test]
fn a_full_queue_is_busy_and_no_failure() {
    let queue = QueueLimits { share_scripts_max: 2, ..QueueLimits::STANDARD };
    let pool = Pool::new(PoolLimits { queue, ..PoolLimits::of_processes(1) }, 200);
    let (sender, results) = channel();
    let (begun, has_begun) = channel();
    let share = ShareKey::default();
    let started = move |result| drop(begun.send(result));
    pool.inner.submit(share, script("1"), started).unwrap();
    has_begun.recv_timeout(PATIENCE).unwrap().unwrap();
    let mut refused = 0;
    for _ in 0..10 {
        let sender = sender.clone();
        let submitted = pool.inner.submit(share, endless(), move |result| {
            drop(sender.send((0, result)));
        });
        if let Err(busy) = submitted {
            assert_eq!((busy.waiting, pool.inner.waiting()), (2, 2));
            refused += 1;
        }
    }
    assert!((7..=8).contains(&refused), "{refused}");
    assert!(pool.inner.submit(ShareKey::of_execution(9), script("2"), |_| {}).is_ok());
    // This one waits for room, and then for its turn.
    assert_eq!(pool.evaluate(&script("3")).unwrap().get(), "3");
    for _ in 0..10 - refused {
        assert_eq!(next(&results).1, Err(ScriptError::TimedOut { limit_ms: 200 }));
    }
}

#[test]
fn a_process_that_has_grown_is_replaced() {
    let pool = Pool::new(PoolLimits::of_processes(1), 30_000);
    for _ in 0..20 {
        assert_eq!(pool.evaluate(&script("({a: 'x'.repeat(10000)})")).unwrap().len_bytes(), 10_008);
    }
    assert_eq!(pool.replaced(), []);
    let before = pool.children();
    let large = Script { language: Language::Jq, ..script(r#"[range(900000) | "x\(.)"]"#) };
    let result = pool.evaluate(&large).unwrap();
    assert!(result.len_bytes() > 8_000_000);
    assert_eq!(pool.evaluate(&script("7")).unwrap().get(), "7");
    assert_eq!(pool.replaced(), [Replaced::Memory]);
    let after = pool.children();
    assert!(before.len() == 1 && after.len() == 1 && before != after, "{before:?} {after:?}");
}

#[test]
fn a_process_is_replaced_after_its_number_of_scripts() {
    let limits = PoolLimits { evaluations_max: 3, ..PoolLimits::of_processes(1) };
    let pool = Pool::new(limits, 30_000);
    for round in 1..=7 {
        assert_eq!(pool.evaluate(&script("7")).unwrap().get(), "7");
        assert_eq!(pool.replaced().len(), round / 3);
    }
    assert_eq!(pool.replaced(), [Replaced::Evaluations; 2]);
}

#[test]
fn a_process_is_replaced_after_a_timeout_and_after_a_crash() {
    let pool = Pool::new(PoolLimits::of_processes(1), 3_000);
    let jq = |source: &str| Script { language: Language::Jq, ..script(source) };
    assert_eq!(pool.evaluate(&jq("def f: f; f")), Err(ScriptError::TimedOut { limit_ms: 3_000 }));
    assert_eq!(pool.replaced(), [Replaced::TimedOut]);
    assert_eq!(pool.evaluate(&jq("1")).unwrap().get(), "[1]");
    assert_eq!(pool.kill_children(), 1);
    assert_eq!(pool.evaluate(&jq("2")).unwrap().get(), "[2]");
    assert_eq!(pool.replaced(), [Replaced::TimedOut, Replaced::Lost]);
}

/// A process killed between two scripts costs none of them.
#[test]
fn an_idle_process_that_is_killed_costs_no_script() {
    let pool = Pool::new(PoolLimits::of_processes(1), 30_000);
    for _ in 0..20 {
        assert_eq!(pool.evaluate(&script("7")).unwrap().get(), "7");
        assert_eq!(pool.kill_children(), 1);
    }
    assert_eq!(pool.evaluate(&script("8")).unwrap().get(), "8");
    assert_eq!(pool.replaced(), [Replaced::Lost; 20]);
}

/// Goal: kill -9 at any moment costs at most the script that runs, and no caller waits for ever.
/// Method: one thread kills all children over and over while others evaluate.
#[test]
fn killing_at_any_moment_costs_only_the_script_that_runs() {
    let pool = Pool::new(PoolLimits::of_processes(2), 10_000);
    let (mut lost, mut kills) = (0, 0);
    std::thread::scope(|scope| {
        let rounds = |number: u128| {
            let pool = &pool;
            move || {
                let mut lost = 0;
                for round in 0..60 {
                    let source = format!(
                        "(function () {{ var s = 0; for (var i = 0; i < 3e5; i++) s += i; return {round}; }})()"
                    );
                    match pool.inner.evaluate(ShareKey::of_execution(number), &script(&source)) {
                        Ok(result) => assert_eq!(result.get(), round.to_string()),
                        Err(ScriptError::EngineLost { .. }) => lost += 1,
                        Err(other) => panic!("{other}"),
                    }
                }
                lost
            }
        };
        let threads: Vec<_> = (0..3).map(|number| scope.spawn(rounds(number))).collect();
        while !threads.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            kills += pool.kill_children();
        }
        lost = threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>();
    });
    assert!(kills > 0);
    assert!(lost <= 2 * kills, "{lost} scripts lost by {kills} kills");
    assert_eq!(pool.evaluate(&script("7")).unwrap().get(), "7");
}

/// A program that never begins is tried twice, and then the script is lost.
#[test]
fn a_process_that_ends_before_it_begins_is_tried_once_more() {
    let events = Arc::new(Mutex::new(0));
    let kept = Arc::clone(&events);
    let observe = move |event| {
        *kept.lock().unwrap() += u32::from(event == PoolEvent::Replaced(Replaced::Lost));
    };
    let (limits, scripts) = (PoolLimits::of_processes(1), ScriptLimits::default());
    let pool = EvaluatorPool::observed("/bin/true".into(), Vec::new(), limits, scripts, observe);
    let error = pool.evaluate(ShareKey::default(), &script("1")).unwrap_err();
    assert!(matches!(error, ScriptError::EngineLost { .. }), "{error}");
    assert_eq!(*events.lock().unwrap(), 2);
}

/// A pool that ends answers nobody with a result and leaves no process.
#[test]
fn a_pool_that_ends_drops_what_waits() {
    let pool = Pool::new(PoolLimits::of_processes(1), 300);
    let (sender, results) = channel();
    for _ in 0..5 {
        pool.submit(1, &endless(), &sender);
    }
    drop(sender);
    let Pool { inner, .. } = pool;
    drop(inner);
    // At most the one that ran has a result; then the last sender is gone.
    assert!(results.iter().count() <= 1);
}
