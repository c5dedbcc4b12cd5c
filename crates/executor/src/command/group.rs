//! The process group of one command: signaled, waited for and killed as a whole.
use super::strays::Strays;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, kill_process_group, test_kill_process_group, waitpgid,
};
use std::time::Duration;
use tokio::process::Child;

/// How often it is checked whether a group has ended: the system reports only the end of our own
/// child, not that of its children.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);
/// How long a group may take to end after SIGKILL. Longer only for a process that waits inside the
/// system, such as on a network file system that does not answer.
pub(super) const KILL_WAIT: Duration = Duration::from_secs(1);

/// A process group. Dropping it kills what is left of it at once.
#[derive(Debug)]
pub(super) struct Group {
    /// The group's id, which is the id of its first process; none once the group has ended.
    id: Option<Pid>,
}

impl Group {
    /// The group that `child` leads; it must have been started as a group of its own.
    pub(super) fn of(child: &Child) -> Option<Self> {
        let id = Pid::from_raw(i32::try_from(child.id()?).ok()?)?;
        Some(Self { id: Some(id) })
    }

    /// The group's id.
    pub(super) fn id(&self) -> Option<Pid> {
        self.id
    }

    /// Asks every process to end, waits up to `grace`, then kills those that are left and waits up
    /// to [`KILL_WAIT`]. Returns whether there was a process besides `child`, which is reaped.
    ///
    /// The same happens to descendants that have left the group, where they can be found.
    pub(super) async fn end(&mut self, child: &mut Child, grace: Duration) -> bool {
        let Some(id) = self.id else { return false };
        let had_ended = matches!(child.try_wait(), Ok(Some(_)));
        if had_ended && has_ended(id) {
            self.id = None;
            return false;
        }
        let mut strays = Strays::of(id);
        ask(id);
        strays.signal(Signal::TERM);
        if tokio::time::timeout(grace, ended(id, child, &mut strays)).await.is_err() {
            // Also those that left meanwhile.
            let mut late = Strays::of(id);
            signal(id, Signal::KILL);
            strays.signal(Signal::KILL);
            late.signal(Signal::KILL);
            drop(tokio::time::timeout(KILL_WAIT, ended(id, child, &mut strays)).await);
        }
        self.id = None;
        had_ended
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            signal(id, Signal::KILL);
        }
    }
}

/// Sends SIGTERM, and SIGCONT so that a stopped process receives it.
pub(super) fn ask(id: Pid) {
    signal(id, Signal::TERM);
    signal(id, Signal::CONT);
}

/// Sends a signal to every process of the group; none is left to send it to when this fails.
pub(super) fn signal(id: Pid, signal: Signal) {
    let _ = kill_process_group(id, signal);
}

/// Whether no process of the group is left. Only for a group whose first process has been reaped:
/// the system gives its id to nobody else as long as a process of the group is there.
pub(super) fn has_ended(id: Pid) -> bool {
    // Where this process is the first of a container, it inherits orphans and has to reap them.
    while let Ok(Some(_)) = waitpgid(id, WaitOptions::NOHANG) {}
    test_kill_process_group(id) == Err(Errno::SRCH)
}

async fn ended(id: Pid, child: &mut Child, strays: &mut Strays) {
    drop(child.wait().await);
    // To continue changes nothing for a process that runs; it is how to ask whether it is there.
    while !has_ended(id) || strays.signal(Signal::CONT) {
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
}
