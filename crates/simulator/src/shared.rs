//! What all parts of a run share: the database, its clock, chance, the checker, the trace.
use crate::case::Fault;
use crate::check::{Broken, Checker, Seen};
use crate::dice::Dice;
use crate::gate::{Gate, Life};
use crate::lock::lock;
use baton_common::Timestamp;
use baton_decider::decide::agenda::SliceLimits;
use baton_store::CommitScope;
use baton_store::memory::MemoryStore;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

/// When runs begin, ms since 1970.
const EPOCH_MS: i64 = 1_800_000_000_000;
/// Most calls to the store and scripts of a run: one that needs more turns in a circle.
const CALLS_MAX: u64 = 4_000;
/// Notifications that a process may lag behind.
const NOTIFICATIONS: usize = 64;

/// A process, and how it is notified of queues with ready tasks.
type Listener = (usize, broadcast::Sender<Arc<[String]>>);

/// Shared by all parts of a run.
pub(crate) struct Shared {
    /// The database.
    pub(crate) memory: MemoryStore,
    /// Checks each commit.
    pub(crate) checker: Mutex<Checker>,
    /// What may go wrong.
    pub(crate) faults: BTreeSet<Fault>,
    /// Wakes those that wait for the next commit.
    pub(crate) progress: Notify,
    /// How much one decision does.
    pub(crate) slice: SliceLimits,
    dice: Mutex<Dice>,
    began: Instant,
    calm: AtomicBool,
    calls: AtomicU64,
    fired: Mutex<BTreeMap<Fault, u64>>,
    trace: Option<Mutex<String>>,
    listeners: Mutex<Vec<Listener>>,
}

/// Half of the seeds have whole decisions, the others slices of very few changes and scripts.
fn slice_of(seed: u64) -> SliceLimits {
    let usual = SliceLimits::DEFAULT;
    let few = [1, 2, 5];
    match few.get(usize::try_from(seed % 6).unwrap_or(0)) {
        Some(&changes) => SliceLimits { changes, starts: 1, scripts: 1, ..usual },
        None => usual,
    }
}

impl Shared {
    /// The beginning of a run. Must be called inside the runtime.
    pub(crate) fn new(
        seed: u64,
        faults: BTreeSet<Fault>,
        by_shard: bool,
        is_traced: bool,
    ) -> Arc<Self> {
        let began = Instant::now();
        let memory = MemoryStore::new(Arc::new(move || time_since(began)));
        let scope = if by_shard { CommitScope::Shard } else { CommitScope::Database };
        Arc::new(Self {
            slice: slice_of(seed),
            memory: memory.with_scope(scope),
            checker: Mutex::default(),
            faults,
            progress: Notify::new(),
            dice: Mutex::new(Dice::new(seed)),
            began,
            calm: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            fired: Mutex::default(),
            trace: is_traced.then(Mutex::default),
            listeners: Mutex::default(),
        })
    }

    /// The database's time.
    pub(crate) fn now(&self) -> Timestamp {
        time_since(self.began)
    }

    /// Milliseconds since the run began.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The run's chance.
    pub(crate) fn dice(&self) -> MutexGuard<'_, Dice> {
        lock(&self.dice)
    }

    /// The checker.
    pub(crate) fn check(&self) -> MutexGuard<'_, Checker> {
        lock(&self.checker)
    }

    /// From now on nothing goes wrong any more.
    pub(crate) fn calm_down(&self) {
        self.note(|| "calm".to_owned());
        self.calm.store(true, Ordering::Relaxed);
    }

    /// Whether this fault happens now, as it does so many times in a thousand.
    pub(crate) fn strikes(&self, fault: Fault, per_mille: usize) -> bool {
        let can = !self.calm.load(Ordering::Relaxed) && self.faults.contains(&fault);
        let strikes = can && self.dice().chance(per_mille);
        if strikes {
            *lock(&self.fired).entry(fault).or_default() += 1;
            self.note(|| format!("fault {fault:?}"));
        }
        strikes
    }

    /// How often each fault happened.
    pub(crate) fn fired(&self) -> BTreeMap<Fault, u64> {
        lock(&self.fired).clone()
    }

    /// Counts a call; false when there were too many, which ends the run.
    pub(crate) fn may_call(&self) -> bool {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        if calls == CALLS_MAX {
            let open: Vec<String> = self.check().open().map(Seen::in_words).collect();
            let open = open.join("; ");
            self.fail("ends", format!("it turns in a circle: {CALLS_MAX} calls, open: {open}"));
        }
        calls < CALLS_MAX
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// An invariant is broken.
    pub(crate) fn fail(&self, rule: &'static str, text: String) {
        self.note(|| format!("BROKEN {rule}: {text}"));
        let at_ms = self.elapsed_ms();
        self.check().broken.get_or_insert(Broken { rule, text, at_ms });
        self.progress.notify_waiters();
    }

    /// A line of the trace, where one is kept.
    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            let _ = writeln!(lock(trace), "{:>8} {}", self.elapsed_ms(), line());
        }
    }

    /// The trace so far.
    pub(crate) fn trace(&self) -> String {
        self.trace.as_ref().map(|trace| lock(trace).clone()).unwrap_or_default()
    }

    /// Waits for some ms, at most `most`.
    pub(crate) async fn pause(&self, least: u64, most: u64) {
        let ms = self.dice().between(least, most);
        if ms > 0 {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    }

    /// A process listens for notifications, in place of the one before it.
    pub(crate) fn listen(&self, process: usize) -> broadcast::Receiver<Arc<[String]>> {
        let (sender, receiver) = broadcast::channel(NOTIFICATIONS);
        let mut listeners = lock(&self.listeners);
        listeners.retain(|(known, _)| *known != process);
        listeners.push((process, sender));
        receiver
    }

    /// Notifies every process but the one that asks for it.
    pub(crate) fn notify(&self, from: usize, queues: &[String]) {
        for (process, sender) in lock(&self.listeners).iter() {
            if *process != from {
                let _ = sender.send(queues.into());
            }
        }
    }
}

fn time_since(began: Instant) -> Timestamp {
    let since = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX / 2);
    Timestamp::from_millis(EPOCH_MS + since)
}

/// A process, as its store sees it.
#[derive(Clone)]
pub(crate) struct Process {
    /// Its place.
    pub(crate) number: usize,
    /// Its gate.
    pub(crate) gate: Gate,
    /// By how much its wall clock is wrong, ms.
    pub(crate) skew_ms: Arc<AtomicI64>,
    /// What it shares with others.
    pub(crate) shared: Arc<Shared>,
}

impl Process {
    /// Lets it die, once in so many thousand times.
    pub(crate) fn may_die(&self, fault: Fault, per_mille: usize) {
        if self.shared.strikes(fault, per_mille) {
            self.shared.note(|| format!("p{} dies", self.number));
            self.gate.set(Life::Dead);
        }
    }

    /// Its machine's clock that only advances, ms: no setting of the wall clock moves it.
    pub(crate) fn monotonic_ms(&self) -> i64 {
        self.shared.now().millis()
    }
}
