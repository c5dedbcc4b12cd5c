//! Processes that have left the group of their command while their ancestors are still in it:
//! found by their parents, where the system has `/proc`. One whose parent has ended is out of reach.
#[cfg(target_os = "linux")]
use rustix::fd::OwnedFd;
use rustix::process::{Pid, Signal};
#[cfg(target_os = "linux")]
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

/// Some processes, each held by a descriptor so that its id cannot come to mean another.
#[derive(Debug, Default)]
pub(super) struct Strays {
    #[cfg(target_os = "linux")]
    processes: Vec<OwnedFd>,
}

#[cfg(target_os = "linux")]
impl Strays {
    /// The descendants of the group's processes that are not in the group themselves.
    pub(super) fn of(group: Pid) -> Self {
        let found = strays(&processes(), group.as_raw_nonzero().get());
        let open = |id| pidfd_open(Pid::from_raw(id)?, PidfdFlags::empty()).ok();
        Self { processes: found.into_iter().filter_map(open).collect() }
    }

    /// Sends them a signal; forgets those that have ended. Whether there is one left.
    pub(super) fn signal(&mut self, signal: Signal) -> bool {
        self.processes.retain(|process| pidfd_send_signal(process, signal).is_ok());
        !self.processes.is_empty()
    }
}

#[cfg(not(target_os = "linux"))]
impl Strays {
    /// None: they cannot be found here.
    pub(super) fn of(_group: Pid) -> Self {
        Self::default()
    }

    /// There is none to signal.
    pub(super) fn signal(&mut self, _signal: Signal) -> bool {
        false
    }
}

/// A process with its parent and its group.
#[derive(Clone, Copy, Debug)]
struct Process {
    id: i32,
    parent: i32,
    group: i32,
}

/// Every process that can be seen.
#[cfg(target_os = "linux")]
fn processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(|id: i32| {
        process(id, &std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
    })
    .collect()
}

/// Reads `id (name) state parent group …`; the name may hold anything.
fn process(id: i32, stat: &str) -> Option<Process> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ').skip(1).map(str::parse);
    let (parent, group) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(Process { id, parent, group })
}

fn strays(processes: &[Process], group: i32) -> Vec<i32> {
    let mut family: Vec<i32> = Vec::new();
    let members = processes.iter().filter(|process| process.group == group);
    family.extend(members.map(|process| process.id));
    let members = family.len();
    let mut looked_at = 0;
    while let Some(parent) = family.get(looked_at).copied() {
        looked_at += 1;
        let children = processes.iter().filter(|process| process.parent == parent);
        let new: Vec<i32> =
            children.map(|child| child.id).filter(|id| !family.contains(id)).collect();
        family.extend(new);
    }
    family.split_off(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let read = process(7, "7 (a) b) (c) S 3 5 5 0 -1 4194560").unwrap();
        assert_eq!((read.id, read.parent, read.group), (7, 3, 5));
        for wrong in ["", "7 (a)", "7 (a) S", "7 (a) S x 5 5"] {
            assert!(process(7, wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn strays_are_descendants_outside_of_the_group() {
        let family = [(2, 1, 2), (3, 2, 2), (4, 3, 4), (5, 4, 5), (6, 1, 6), (7, 1, 2), (8, 7, 8)];
        let processes = family.map(|(id, parent, group)| Process { id, parent, group });
        assert_eq!(strays(&processes, 2), [4, 8, 5]);
        assert!(strays(&processes, 9).is_empty());
    }
}
