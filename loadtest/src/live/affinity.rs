//! Which cores a process runs on: node and harness apart, so that one's work is not the other's.
//!
//! Flow: command line -> **here** -> the kernel. Every thread of the process is moved; threads that it starts later inherit.

use rustix::thread::{CpuSet, Pid, sched_setaffinity};
use std::fmt;
use std::io;
use std::str::FromStr;

/// Cores by number, as in `0-3,6`: at least one, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuList(Vec<usize>);

/// Not a list of cores.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a list of cores: expected numbers and ranges from 0 to {max}, as in 0-3,6", max = CpuSet::MAX_CPU - 1)]
pub struct CpuListError(String);

/// A process could not be moved.
#[derive(Debug, thiserror::Error)]
#[error("process {pid} cannot be kept to the cores {cpus}: {source}")]
pub struct AffinityError {
    /// Which.
    pid: u32,
    /// Where to.
    cpus: CpuList,
    /// Why.
    source: io::Error,
}

impl CpuList {
    /// Those of this machine that are in use; `None` where that is not known.
    pub fn online() -> Option<Self> {
        std::fs::read_to_string("/sys/devices/system/cpu/online").ok()?.trim().parse().ok()
    }

    /// The cores.
    pub fn cores(&self) -> &[usize] {
        &self.0
    }
}

impl FromStr for CpuList {
    type Err = CpuListError;

    fn from_str(text: &str) -> Result<Self, CpuListError> {
        let refuse = || CpuListError(text.to_owned());
        let number = |text: &str| text.trim().parse::<usize>().ok().filter(|cpu| *cpu < CpuSet::MAX_CPU);
        let mut cores = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = number(first).zip(number(last)).ok_or_else(refuse)?;
            if first > last {
                return Err(refuse());
            }
            cores.extend(first..=last);
        }
        cores.sort_unstable();
        cores.dedup();
        Ok(Self(cores))
    }
}

impl fmt::Display for CpuList {
    /// As parsed, in its shortest form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for run in self.0.chunk_by(|a, b| a + 1 == *b) {
            match run {
                [one] => write!(f, "{separator}{one}")?,
                [first, .., last] => write!(f, "{separator}{first}-{last}")?,
                [] => {}
            }
            separator = ",";
        }
        Ok(())
    }
}

/// Keeps every thread of process `pid` to `cpus`.
///
/// # Errors
/// [`AffinityError`] when there is no such process, it is somebody else's, or none of the cores is there.
pub fn keep(pid: u32, cpus: &CpuList) -> Result<(), AffinityError> {
    let mut set = CpuSet::new();
    cpus.0.iter().for_each(|cpu| set.set(*cpu));
    let move_all = || -> io::Result<()> {
        for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            let Some(thread) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            match sched_setaffinity(Pid::from_raw(thread), &set) {
                // A thread that has just ended needs no core.
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    };
    move_all().map_err(|source| AffinityError { pid, cpus: cpus.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores_are_numbers_and_ranges() {
        let list: CpuList = "6,0-3,2".parse().expect("is one");
        assert_eq!((list.cores(), list.to_string()), (&[0, 1, 2, 3, 6][..], "0-3,6".to_owned()));
        assert_eq!("5".parse::<CpuList>().expect("is one").to_string(), "5");
        for text in ["", "a", "3-1", "-1", "1-", "99999", "0,,1"] {
            assert!(text.parse::<CpuList>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_cores_of_this_machine_are_known() {
        let online = CpuList::online().expect("Linux");
        assert!(online.cores().len() >= std::thread::available_parallelism().expect("Linux").get());
    }

    #[test]
    fn a_process_is_kept_to_the_cores_that_were_said() {
        let allowed = |process: &str| -> CpuList {
            let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("Linux");
            let line =
                status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).expect("Linux");
            line.trim().parse().expect("a list of cores")
        };
        let one = CpuList(vec![allowed("self").cores()[0]]);
        let mut child = std::process::Command::new("sleep").arg("600").spawn().expect("there is a sleep");
        let pid = child.id().to_string();
        assert_eq!(allowed(&pid), allowed("self"), "the control: it may run where its parent may");
        keep(child.id(), &one).expect("is ours");
        assert_eq!(allowed(&pid), one);
        child.kill().expect("is ours");
        child.wait().expect("is ours");
    }

    #[test]
    fn a_process_that_is_not_there_cannot_be_moved() {
        let nobody = keep(u32::MAX, &"0".parse().expect("is one")).expect_err("no such process");
        assert!(nobody.to_string().contains("kept to the cores 0"), "{nobody}");
    }
}
