//! What each process of a command may take of the machine.
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::str::FromStr;

/// What each process of a command may take of the machine; `None` leaves the limit of the executor
/// itself in force, which is never exceeded. Core files are never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessLimits {
    /// CPU time, seconds. Beyond it: SIGXCPU, a second later SIGKILL.
    pub cpu_seconds: Option<u64>,
    /// Address space, bytes. Beyond it: allocations fail. Some runtimes reserve far more than they
    /// use.
    pub memory_bytes: Option<u64>,
    /// Open files. Beyond it: opening fails.
    pub open_files: Option<u64>,
    /// Processes and threads of the user that the executor runs as, those of the executor included;
    /// not in force for root. Beyond it: starting fails.
    pub processes: Option<u64>,
    /// Size of a file that is written, bytes. Beyond it: SIGXFSZ.
    pub file_bytes: Option<u64>,
}

impl ProcessLimits {
    /// No limits besides those of the executor itself.
    pub const NONE: Self = Self {
        cpu_seconds: None,
        memory_bytes: None,
        open_files: None,
        processes: None,
        file_bytes: None,
    };

    /// As one argument of the launcher.
    pub(super) fn to_argument(self) -> String {
        let text = |limit: Option<u64>| limit.map_or("-".to_owned(), |limit| limit.to_string());
        self.values().map(text).join(",")
    }

    /// Puts the limits on this very process, and so on the program that replaces it.
    ///
    /// # Errors
    /// What the system gave; some limits may be in force then.
    pub(super) fn put_on_this_process(self) -> io::Result<()> {
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
        // Address space last: nothing may be allocated afterwards.
        let resources =
            [Resource::Cpu, Resource::Nofile, Resource::Nproc, Resource::Fsize, Resource::As];
        for (resource, limit) in resources.into_iter().zip(self.values()) {
            if let Some(limit) = limit {
                put(resource, limit)?;
            }
        }
        Ok(())
    }

    fn values(self) -> [Option<u64>; 5] {
        [self.cpu_seconds, self.open_files, self.processes, self.file_bytes, self.memory_bytes]
    }
}

impl FromStr for ProcessLimits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a list of five limits");
        let limit = |part: &str| match part {
            "-" => Ok(None),
            part => part.parse().map(Some).map_err(|_| wrong()),
        };
        let limits: Vec<Option<u64>> = text.split(',').map(limit).collect::<Result<_, _>>()?;
        let [cpu_seconds, open_files, processes, file_bytes, memory_bytes] = limits[..] else {
            return Err(wrong());
        };
        Ok(Self { cpu_seconds, memory_bytes, open_files, processes, file_bytes })
    }
}

/// Lowers a limit; what the executor itself is held to is never raised.
fn put(resource: Resource, limit: u64) -> io::Result<()> {
    let hard = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    // At the hard limit of CPU time the system kills: one second later than it warns.
    let surplus = u64::from(matches!(resource, Resource::Cpu));
    let maximum = limit.saturating_add(surplus).min(hard);
    Ok(setrlimit(resource, Rlimit { current: Some(limit.min(hard)), maximum: Some(maximum) })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_survive_the_way_to_the_launcher() {
        let limits = ProcessLimits {
            cpu_seconds: Some(1),
            memory_bytes: Some(u64::MAX),
            open_files: None,
            processes: Some(0),
            file_bytes: Some(5),
        };
        for limits in [limits, ProcessLimits::NONE] {
            assert_eq!(limits.to_argument().parse(), Ok(limits));
        }
        for wrong in ["", "-,-,-,-", "-,-,-,-,-,-", "1,2,3,4,x", "1,2,3,4,-5"] {
            assert!(wrong.parse::<ProcessLimits>().is_err(), "{wrong}");
        }
    }
}
