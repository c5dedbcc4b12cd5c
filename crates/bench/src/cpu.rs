//! CPU time and peak memory of processes, as Linux shows them below `/proc`; nothing elsewhere.
use std::collections::HashMap;
use std::fs;

/// Linux reports CPU time to users in hundredths of a second on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds of the three sides at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) client: f64,
    pub(crate) server: f64,
    pub(crate) postgres: f64,
}

/// What was used so far by this process and by the trees below the given ones.
pub(crate) fn sample(server: &[u32], postgres: &[u32]) -> Sample {
    let parents = if server.len() + postgres.len() == 0 { HashMap::new() } else { parents() };
    let of = |roots: &[u32]| roots.iter().map(|root| tree_seconds(*root, &parents)).sum();
    Sample {
        client: process(std::process::id()).map_or(0.0, |process| process.own),
        server: of(server),
        postgres: of(postgres),
    }
}

/// Largest memory that the processes have had, MiB; `None` when none of them is there.
pub(crate) fn peak_memory_mib(pids: &[u32]) -> Option<f64> {
    sum_mib(pids, "VmHWM:")
}

/// Memory of the processes now, MiB; `None` when none of them is there.
pub(crate) fn memory_mib(pids: &[u32]) -> Option<f64> {
    sum_mib(pids, "VmRSS:")
}

/// The parent of a process, if both are on this machine and the parent has this name.
pub(crate) fn parent_named(pid: u32, name: &str) -> Option<u32> {
    let is_named = |pid: u32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name)
    };
    Some(process(pid)?.parent).filter(|parent| is_named(*parent) && is_named(pid))
}

fn sum_mib(pids: &[u32], line: &str) -> Option<f64> {
    let status = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/status")).ok();
    let sizes = pids.iter().filter_map(status).filter_map(|status| kib(&status, line));
    sizes.map(|kib| kib / 1024.0).reduce(|sum, mib| sum + mib)
}

fn kib(status: &str, line: &str) -> Option<f64> {
    let value = status.lines().find_map(|found| found.strip_prefix(line))?;
    value.split_whitespace().next()?.parse().ok()
}

/// One process: its parent, its own CPU seconds, and those of children that have ended.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Process {
    parent: u32,
    own: f64,
    ended_children: f64,
}

fn process(pid: u32) -> Option<Process> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads `/proc/<pid>/stat`, whose second field is a name in brackets that may hold anything.
fn parse(stat: &str) -> Option<Process> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let seconds = |index: usize| -> Option<f64> {
        Some(fields.get(index)?.parse::<f64>().ok()? / TICKS_PER_SECOND)
    };
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        own: seconds(11)? + seconds(12)?,
        ended_children: seconds(13)? + seconds(14)?,
    })
}

/// Every process with its parent.
fn parents() -> HashMap<u32, Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashMap::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| Some((pid, process(pid)?))).collect()
}

/// CPU seconds of a process and everything below it, the ended included.
fn tree_seconds(root: u32, processes: &HashMap<u32, Process>) -> f64 {
    let is_below = |mut pid: u32| {
        // Parents change while they are read, so the way up is cut off somewhere.
        for _ in 0..processes.len() {
            if pid == root {
                return true;
            }
            let Some(process) = processes.get(&pid) else { return false };
            pid = process.parent;
        }
        false
    };
    let below = processes.iter().filter(|(pid, _)| is_below(**pid));
    below.map(|(_, process)| process.own + process.ended_children).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_name_is() {
        let stat = "7 (a) b (c)) S 3 7 7 0 -1 4194560 100 0 0 0 250 50 100 25 20 0 1 0 5 0 0";
        let expected = Process { parent: 3, own: 3.0, ended_children: 1.25 };
        assert_eq!(parse(stat), Some(expected));
        assert_eq!(parse("7 (x) S 3"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn a_tree_counts_children_and_the_ended() {
        let process = |parent, own| Process { parent, own, ended_children: 0.5 };
        let processes = [
            (1, process(0, 9.0)),
            (5, process(1, 1.0)),
            (6, process(5, 2.0)),
            (7, process(6, 4.0)),
        ];
        let processes = HashMap::from(processes);
        assert!((tree_seconds(5, &processes) - 8.5).abs() < 1e-9);
        assert!((tree_seconds(7, &processes) - 4.5).abs() < 1e-9);
        assert!(tree_seconds(99, &processes).abs() < 1e-9);
    }

    #[test]
    fn memory_is_found_in_a_status() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n";
        assert_eq!((kib(status, "VmHWM:"), kib(status, "VmRSS:")), (Some(2048.0), Some(1.0)));
        assert_eq!(kib("Name:\tx\n", "VmHWM:"), None);
        assert_eq!(peak_memory_mib(&[]), None);
    }

    #[test]
    fn a_parent_of_another_name_is_none() {
        assert_eq!(parent_named(std::process::id(), "no such name"), None);
        assert_eq!(parent_named(u32::MAX, "postgres"), None);
    }
}
