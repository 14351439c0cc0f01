//! What the harness uses of its machine, and how busy the cores are that it runs on: whether it can be believed.
//!
//! Flow: `/proc` once a second -> **here** -> timeline, report. Linux only: elsewhere everything is unknown, and said so.

use super::affinity::CpuList;
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

/// User and system time: fields 14 and 15 of proc(5), counted from behind the name, which may hold anything.
fn cpu_s(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn memory_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1_024)
}

/// Busy and all time of cores so far, in clock ticks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    all: u64,
}

/// Those of `cores`, or of all where none are named: proc(5), `/proc/stat`. Waiting for a disk is idling.
fn ticks(stat: &str, cores: Option<&[usize]>) -> Ticks {
    let mut sum = Ticks::default();
    for line in stat.lines() {
        let mut words = line.split_whitespace();
        let core = words.next().and_then(|name| name.strip_prefix("cpu")).and_then(|core| core.parse().ok());
        let Some(core) = core else { continue };
        if cores.is_some_and(|cores| !cores.contains(&core)) {
            continue;
        }
        // user nice system idle iowait irq softirq steal; what guests use is in user already.
        let fields: Vec<u64> = words.take(8).filter_map(|field| field.parse().ok()).collect();
        let all: u64 = fields.iter().sum();
        let idle: u64 = fields.iter().skip(3).take(2).sum();
        sum.all += all;
        sum.busy += all - idle;
    }
    sum
}

/// Watches this process and its cores.
#[derive(Debug)]
pub(super) struct Machine {
    cores: Option<Vec<usize>>,
    before: Option<ProcessUse>,
    last: Option<(Mono, ProcessUse)>,
    ticks: Ticks,
    memory_bytes_max: Option<u64>,
    busy_max: Option<f64>,
    /// Sum of ticks while figures count.
    counted: Ticks,
}

impl Machine {
    pub(super) fn new(cpus: Option<&CpuList>) -> Self {
        let cores = cpus.map(|cpus| cpus.cores().to_vec());
        let ticks = ticks(&fs::read_to_string("/proc/stat").unwrap_or_default(), cores.as_deref());
        Self {
            cores,
            before: process_use("self"),
            last: None,
            ticks,
            memory_bytes_max: None,
            busy_max: None,
            counted: Ticks::default(),
        }
    }

    /// Looks again; how many cores this process used since the last time.
    pub(super) fn second(&mut self, now: Mono, is_counting: bool) -> Option<f64> {
        let ticks = ticks(&fs::read_to_string("/proc/stat").unwrap_or_default(), self.cores.as_deref());
        let (busy, all) =
            (ticks.busy.saturating_sub(self.ticks.busy), ticks.all.saturating_sub(self.ticks.all));
        self.ticks = ticks;
        if is_counting && all > 0 {
            self.counted.busy += busy;
            self.counted.all += all;
            let part = busy as f64 / all as f64;
            self.busy_max = Some(self.busy_max.map_or(part, |most| most.max(part)));
        }
        let used = process_use("self")?;
        self.memory_bytes_max = self.memory_bytes_max.max(Some(used.memory_bytes));
        let (then, before) = self.last.replace((now, used))?;
        let seconds = now.since(then).as_secs_f64();
        (seconds > 0.0).then(|| (used.cpu_s - before.cpu_s) / seconds)
    }

    pub(super) fn end(self, cpus: Option<String>, lateness: &Lateness, unmeasured: u64) -> HarnessUse {
        let used = process_use("self").zip(self.before);
        let here = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        let Ticks { busy, all } = self.counted;
        HarnessUse {
            cpus,
            cores: here,
            cpu_s: used.map(|(after, before)| after.cpu_s - before.cpu_s),
            busy_max: self.busy_max,
            busy_mean: (all > 0).then(|| busy as f64 / all as f64),
            send_late_ms_p99: lateness.percentile_ms(99),
            sends: lateness.count(),
            unmeasured,
            memory_bytes_max: self.memory_bytes_max,
        }
    }
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
        assert_eq!(memory_bytes("Name:\tx\nVmRSS:\t    12 kB\n"), Some(12_288));
    }

    #[test]
    fn only_the_named_cores_count_and_waiting_for_a_disk_is_idling() {
        let stat =
            "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 10 0 10 60 20 0 0 0 0 0\ncpu1 90 0 0 10 0 0 0 0 50 0\nintr 1 2\n";
        assert_eq!(ticks(stat, Some(&[0])), Ticks { busy: 20, all: 100 });
        assert_eq!(ticks(stat, Some(&[1])), Ticks { busy: 90, all: 100 });
        assert_eq!(ticks(stat, None), Ticks { busy: 110, all: 200 });
    }

    #[test]
    fn this_process_has_used_something() {
        let used = process_use("self").expect("Linux");
        assert!(used.memory_bytes > 1_000_000);
        assert_eq!(process_use("no process"), None);
        let mut machine = Machine::new(None);
        let at = |ms| Mono::from_millis(ms);
        assert_eq!(machine.second(at(0), true), None, "there is nothing to compare with yet");
        assert!(machine.second(at(1_000), true).is_some_and(|cores| (0.0..1e3).contains(&cores)));
        let end = machine.end(Some("0".into()), &Lateness::default(), 3);
        assert_eq!((end.unmeasured, end.sends, end.send_late_ms_p99), (3, 0, None));
        assert!(end.cores >= 1 && end.memory_bytes_max >= Some(1_000_000));
    }
}
