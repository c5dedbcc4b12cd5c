//! Many seeds, on several threads.
use crate::Report;
use crate::author::{Allowed, case};
use crate::case::{Case, Fault};
use crate::check::Broken;
use baton_common::planted::{Planted, plant};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Stack of a thread that runs schedules, bytes: what an engine's own thread has.
const STACK_BYTES: usize = baton_common::limits::READER_STACK_BYTES;

/// A run that takes longer than this, real time, will never come back: it has a budget of calls, so it
/// computes without end between two of them.
const ENDLESS_AFTER: Duration = Duration::from_mins(2);

/// What a campaign has seen.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Schedules that were played.
    pub schedules: u64,
    /// Executions.
    pub executions: u64,
    /// Executions that were compared with the interpreter.
    pub predicted: u64,
    /// Commits, each checked.
    pub commits: u64,
    /// Calls to the store.
    pub calls: u64,
    /// How often each fault happened.
    pub fired: BTreeMap<Fault, u64>,
    /// How executions ended.
    pub ends: BTreeMap<&'static str, u64>,
    /// Failing cases.
    pub failures: Vec<(Case, Broken)>,
}

impl Tally {
    fn add(&mut self, case: &Case, report: Report) {
        self.schedules += 1;
        self.executions += report.executions as u64;
        self.predicted += report.predicted as u64;
        self.commits += report.commits;
        self.calls += report.calls;
        for (fault, times) in report.fired {
            *self.fired.entry(fault).or_default() += times;
        }
        for (end, times) in report.ends {
            *self.ends.entry(end).or_default() += times;
        }
        self.failures.extend(report.broken.map(|broken| (case.clone(), broken)));
    }
}

/// What to play.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The first seed.
    pub seed: u64,
    /// How many seeds.
    pub schedules: u64,
    /// Threads.
    pub threads: usize,
    /// What may happen in them.
    pub allowed: Allowed,
    /// A planted fault.
    pub planted: Option<Planted>,
    /// After how many failures it stops.
    pub failures_max: usize,
}

/// Plays seeds until all are played or enough have failed.
pub fn play(campaign: &Campaign) -> Tally {
    let (next, is_over) = (AtomicU64::new(campaign.seed), AtomicBool::new(false));
    let running = Mutex::new(BTreeMap::new());
    let tally = Mutex::new(Tally::default());
    let work = &|| {
        plant(campaign.planted);
        while !is_over.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= campaign.seed + campaign.schedules {
                break;
            }
            let case = case(seed, &campaign.allowed);
            let began = Instant::now();
            running.lock().unwrap_or_else(PoisonError::into_inner).insert(seed, began);
            let report = crate::run(&case, false);
            running.lock().unwrap_or_else(PoisonError::into_inner).remove(&seed);
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.add(&case, report);
            is_over.fetch_or(tally.failures.len() >= campaign.failures_max, Ordering::Relaxed);
        }
        plant(None);
    };
    let (done, is_done) = channel::<()>();
    std::thread::scope(|scope| {
        let running = &running;
        scope.spawn(move || watch(&is_done, running));
        let done = done;
        for _ in 0..campaign.threads {
            let done = done.clone();
            let work = move || {
                work();
                drop(done);
            };
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            if thread.spawn_scoped(scope, work).is_err() {
                is_over.store(true, Ordering::Relaxed);
            }
        }
    });
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.failures.sort_by_key(|(case, _)| case.seed);
    tally
}

/// Ends the program when a run computes without end: nothing else could stop it.
#[expect(clippy::print_stderr, reason = "the program ends here")]
fn watch(is_done: &Receiver<()>, running: &Mutex<BTreeMap<u64, Instant>>) {
    while is_done.recv_timeout(Duration::from_secs(5)) == Err(RecvTimeoutError::Timeout) {
        let running = running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seed, _)) = running.iter().find(|(_, began)| began.elapsed() > ENDLESS_AFTER) {
            eprintln!("seed {seed} computes without end");
            std::process::exit(2);
        }
    }
}

/// Plays one case with a planted fault, or none.
pub fn fails(case: &Case, planted: Option<Planted>) -> Option<Broken> {
    plant(planted);
    let report = crate::run(case, false);
    plant(None);
    report.broken
}
