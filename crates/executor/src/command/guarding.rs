//! The guard's own side: a process that waits for the executor's end, and ends what that left.
use super::group;
use rustix::process::{Pid, Signal};
use std::collections::BTreeSet;
use std::io::{self, BufRead};
use std::time::Duration;

/// How often the guard checks whether the groups have ended.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// Reads until `input` ends, then ends every group it knows.
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
