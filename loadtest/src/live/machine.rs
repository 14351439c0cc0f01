//! What the harness uses of its machine, and what becomes of the cores that it and the node run on: whether it can be believed.
//!
//! Flow: `/proc` once a second -> **here** -> timeline, report. Linux only: elsewhere everything is unknown, and said so.

use super::affinity::CpuList;
use super::cores::Cores;
use crate::bot::lateness::Lateness;
use crate::report::HarnessUse;
use mcu_core::time::Mono;
use std::fs;

/// Processor time and memory of a process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ProcessUse {
    pub(super) cpu_s: f64,
    pub(super) memory_bytes: u64,
}

/// What `/proc/{pid}` says; `None` when there is no such process.
pub(super) fn process_use(pid: &str) -> Option<ProcessUse> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(ProcessUse { cpu_s: cpu_s(&stat)?, memory_bytes: memory_bytes(&status)? })
}

fn cpu_s(stat: &str) -> Option<f64> {
    Some(cpu_ticks(stat)? as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// User and system time, in clock ticks: fields 14 and 15 of proc(5), counted from behind the name, which may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

/// User time alone.
fn user_ticks(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(11)?.parse().ok()
}

/// Whether it is niced: field 19.
fn is_niced(stat: &str) -> bool {
    let nice = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(16));
    nice.and_then(|nice| nice.parse().ok()).is_some_and(|nice: i32| nice > 0)
}

/// What this process' own niced threads, those that measure or only count, have used under `nice` of `/proc/stat`, in clock ticks: user time.
/// Their system time stands under `system`, as everybody's.
fn own_niced_ticks() -> u64 {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let stats = threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
    stats.filter(|stat| is_niced(stat)).filter_map(|stat| user_ticks(&stat)).sum()
}

fn memory_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1_024)
}

/// Watches this process, its cores and those of a node on this machine.
#[derive(Debug)]
pub(super) struct Machine {
    before: Option<ProcessUse>,
    last: Option<(Mono, ProcessUse)>,
    memory_bytes_max: Option<u64>,
    own: Cores,
    own_niced: u64,
    node: Option<Cores>,
}

impl Machine {
    /// `own` and `node_cpus` are the cores that the harness and the node are kept to, `None` all of them; a node that is not on this
    /// machine has none here.
    pub(super) fn new(own: Option<&CpuList>, node_is_here: bool, node_cpus: Option<&CpuList>) -> Self {
        let stat = read_stat();
        Self {
            before: process_use("self"),
            last: None,
            memory_bytes_max: None,
            own: Cores::new(own, &stat),
            own_niced: own_niced_ticks(),
            node: node_is_here.then(|| Cores::new(node_cpus, &stat)),
        }
    }

    /// Looks again; how many cores this process used since the last time.
    pub(super) fn second(&mut self, now: Mono, is_counting: bool) -> Option<f64> {
        let stat = read_stat();
        let niced = own_niced_ticks();
        // A thread that has ended takes its time with it.
        self.own.second(&stat, niced.saturating_sub(self.own_niced), is_counting);
        self.own_niced = niced;
        if let Some(node) = &mut self.node {
            node.second(&stat, 0, is_counting);
        }
        let used = process_use("self")?;
        self.memory_bytes_max = self.memory_bytes_max.max(Some(used.memory_bytes));
        let (then, before) = self.last.replace((now, used))?;
        let seconds = now.since(then).as_secs_f64();
        (seconds > 0.0).then(|| (used.cpu_s - before.cpu_s) / seconds)
    }

    /// [`NodeUse::stolen_mean`](crate::report::NodeUse::stolen_mean).
    pub(super) fn stolen_of_node(&self) -> Option<f64> {
        self.node.as_ref().and_then(Cores::stolen_mean)
    }

    pub(super) fn end(self, cpus: Option<String>, lateness: &Lateness, unmeasured: u64) -> HarnessUse {
        let used = process_use("self").zip(self.before);
        let here = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        HarnessUse {
            cpus,
            cores: here,
            cpu_s: used.map(|(after, before)| after.cpu_s - before.cpu_s),
            busy_max: self.own.busy_max(),
            busy_mean: self.own.busy_mean(),
            stolen_mean: self.own.stolen_mean(),
            send_late_ms_p99: lateness.percentile_ms(99),
            sends: lateness.count(),
            unmeasured,
            memory_bytes_max: self.memory_bytes_max,
        }
    }
}

fn read_stat() -> String {
    fs::read_to_string("/proc/stat").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_have_any_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 9 0 100 1 1";
        let per_s = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(cpu_s(stat), Some(200.0 / per_s));
        assert_eq!(cpu_s("7 (short) S 1"), None);
        assert_eq!(user_ticks(stat), Some(150));
        assert!(!is_niced(stat) && is_niced(&stat.replace(" 0 0 20 0 9", " 0 0 30 10 9")));
        assert_eq!(memory_bytes("Name:\tx\nVmRSS:\t    12 kB\n"), Some(12_288));
    }

    #[test]
    fn this_process_has_used_something() {
        let used = process_use("self").expect("Linux");
        assert!(used.memory_bytes > 1_000_000);
        assert_eq!(process_use("no process"), None);
        let mut machine = Machine::new(None, true, None);
        let at = |ms| Mono::from_millis(ms);
        assert_eq!(machine.second(at(0), true), None, "there is nothing to compare with yet");
        assert!(machine.second(at(1_000), true).is_some_and(|cores| (0.0..1e3).contains(&cores)));
        let end = machine.end(Some("0".into()), &Lateness::default(), 3);
        assert_eq!((end.unmeasured, end.sends, end.send_late_ms_p99), (3, 0, None));
        assert!(end.cores >= 1 && end.memory_bytes_max >= Some(1_000_000));
    }
}
