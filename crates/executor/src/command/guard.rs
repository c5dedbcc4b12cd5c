//! The executor's end of the guard: a process that kills the commands of an executor that has ended
//! without doing so.
//!
//! The executor writes `+<group>` and `-<group>` on the guard's standard input, which the system
//! closes when the executor ends, however it ends. A command that was started in the very moment of
//! the executor's end, before the guard knew of it, is missed.
use super::helper::Helper;
use rustix::process::Pid;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Tells the guard of the groups: the process is started with the first command, and again when
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
