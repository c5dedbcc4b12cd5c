//! The guard: a process that kills the commands of an executor that has ended without doing so.
//!
//! The executor writes `+<group>` and `-<group>` on the guard's standard input, which the system
//! closes when the executor ends, however it ends. A command that was started in the very moment of
//! the executor's end, before the guard knew of it, is missed.
use super::group;
use super::helper::Helper;
use rustix::process::{Pid, Signal};
use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often the guard checks whether the groups have ended.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// The executor's end of the guard: the process is started with the first command, and again when
/// somebody has killed it.
#[derive(Debug)]
pub(super) struct Guard {
    helper: Helper,
    grace: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    process: Option<Child>,
    groups: BTreeSet<i32>,
}

impl Guard {
    /// A guard that gives commands `grace` between SIGTERM and SIGKILL.
    pub(super) fn new(helper: Helper, grace: Duration) -> Self {
        Self { helper, grace, state: Mutex::default() }
    }

    /// Has the guard kill this group if the executor ends before [`Guard::forget`].
    ///
    /// # Errors
    /// Why the guard cannot be started; the group is not guarded then.
    pub(super) fn watch(&self, group: Pid) -> io::Result<()> {
        let mut state = self.lock();
        let group = group.as_raw_nonzero().get();
        if state.process.as_mut().is_some_and(|process| tell(process, '+', group).is_ok()) {
            state.groups.insert(group);
            return Ok(());
        }
        self.start(&mut state, group)
    }

    /// Tells the guard that this group has ended.
    pub(super) fn forget(&self, group: Pid) {
        let mut state = self.lock();
        let group = group.as_raw_nonzero().get();
        state.groups.remove(&group);
        if let Some(process) = state.process.as_mut() {
            // A guard that is gone is replaced with the next command.
            drop(tell(process, '-', group));
        }
    }

    /// Starts a guard in place of one that is gone, and tells it all there is.
    fn start(&self, state: &mut State, group: i32) -> io::Result<()> {
        if let Some(mut gone) = state.process.take() {
            tracing::warn!("the guard of COMMAND tasks was gone; it is started again");
            drop(gone.kill());
            drop(gone.wait());
        }
        let mut command = self.helper.guard(self.grace.as_millis());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn()?;
        state.groups.insert(group);
        for group in &state.groups {
            tell(&mut process, '+', *group)?;
        }
        state.process = Some(process);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(process: &mut Child, sign: char, group: i32) -> io::Result<()> {
    let Some(stdin) = process.stdin.as_mut() else { return Err(io::ErrorKind::BrokenPipe.into()) };
    stdin.write_all(format!("{sign}{group}\n").as_bytes())
}

/// The guard's own side: reads until `input` ends, then ends every group it knows.
///
/// # Errors
/// What reading gave; the groups are ended nevertheless.
pub(super) fn serve(input: impl BufRead, grace: Duration) -> io::Result<()> {
    let mut groups = BTreeSet::new();
    let read = input.lines().try_for_each(|line| {
        note(&mut groups, &line?);
        Ok(())
    });
    let mut left: Vec<Pid> = groups.into_iter().filter_map(Pid::from_raw).collect();
    for group in &left {
        group::ask(*group);
    }
    let mut waited = Duration::ZERO;
    left.retain(|group| !group::has_ended(*group));
    while !left.is_empty() && waited < grace {
        std::thread::sleep(CHECK_INTERVAL);
        waited += CHECK_INTERVAL;
        left.retain(|group| !group::has_ended(*group));
    }
    for group in left {
        group::signal(group, Signal::KILL);
    }
    read
}

fn note(groups: &mut BTreeSet<i32>, line: &str) {
    // Groups 0 and 1 mean other things: the guard's own group, and every process.
    let group = |digits: &str| digits.parse().ok().filter(|group: &i32| *group > 1);
    if let Some(added) = line.strip_prefix('+').and_then(group) {
        groups.insert(added);
    } else if let Some(removed) = line.strip_prefix('-').and_then(group) {
        groups.remove(&removed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_knows_the_groups_that_were_added_and_not_removed() {
        let mut groups = BTreeSet::new();
        for line in ["+7", "+8", "-7", "+0", "+1", "+-1", "+x", "", "9"] {
            note(&mut groups, line);
        }
        assert_eq!(groups, BTreeSet::from([8]));
    }
}
