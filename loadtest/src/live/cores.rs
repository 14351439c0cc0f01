//! What becomes of some cores of this machine: how busy they are, and how much of them other guests of the host take.
//!
//! Flow: `/proc/stat` once a second -> **here** -> `machine`. Pure but for that text: nothing is read here.

use super::affinity::CpuList;

/// Time of cores so far, in clock ticks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ticks {
    /// Not idle, with what was stolen, without niced threads: those give way to whoever is not, so that their time is as good as idle.
    busy: u64,
    /// Wanted here, and given to another guest of the host.
    stolen: u64,
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
        // user nice system idle iowait irq softirq steal; what our own guests use is in user already.
        let fields: Vec<u64> = words.take(8).filter_map(|field| field.parse().ok()).collect();
        let all: u64 = fields.iter().sum();
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        sum.all += all;
        sum.busy += all - field(1) - field(3) - field(4);
        sum.stolen += field(7);
    }
    sum
}

impl Ticks {
    /// What came to `before`. A counter of one core may stand still or step back.
    const fn since(self, before: Self) -> Self {
        Self {
            busy: self.busy.saturating_sub(before.busy),
            stolen: self.stolen.saturating_sub(before.stolen),
            all: self.all.saturating_sub(before.all),
        }
    }

    fn part(self, ticks: u64) -> Option<f64> {
        (self.all > 0).then(|| (ticks as f64 / self.all as f64).min(1.0))
    }
}

/// Some cores, watched.
#[derive(Debug)]
pub(super) struct Cores {
    named: Option<Vec<usize>>,
    last: Ticks,
    /// Sum of what came while figures counted.
    counted: Ticks,
    busy_max: Option<f64>,
}

impl Cores {
    /// Begins to watch those named, or all, at the moment of `stat`.
    pub(super) fn new(cpus: Option<&CpuList>, stat: &str) -> Self {
        let named = cpus.map(|cpus| cpus.cores().to_vec());
        let last = ticks(stat, named.as_deref());
        Self { named, last, counted: Ticks::default(), busy_max: None }
    }

    /// Takes the next `stat`, about a second later; what came meanwhile counts if `is_counting`. `niced` clock ticks of it were
    /// used by niced threads that are busy all the same.
    pub(super) fn second(&mut self, stat: &str, niced: u64, is_counting: bool) {
        let now = ticks(stat, self.named.as_deref());
        let mut came = now.since(self.last);
        came.busy += niced;
        self.last = now;
        if !is_counting {
            return;
        }
        self.counted.busy += came.busy;
        self.counted.stolen += came.stolen;
        self.counted.all += came.all;
        if let Some(part) = came.part(came.busy) {
            self.busy_max = Some(self.busy_max.map_or(part, |most| most.max(part)));
        }
    }

    /// The busiest second, in parts of them all.
    pub(super) const fn busy_max(&self) -> Option<f64> {
        self.busy_max
    }

    /// How busy they were, in parts of them all.
    pub(super) fn busy_mean(&self) -> Option<f64> {
        self.counted.part(self.counted.busy)
    }

    /// What was taken of them, in parts of them all.
    pub(super) fn stolen_mean(&self) -> Option<f64> {
        self.counted.part(self.counted.stolen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_cores_count_and_waiting_for_a_disk_and_niced_programs_are_idling() {
        let stat =
            "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 10 50 6 10 20 0 0 4 0 0\ncpu1 90 0 0 10 0 0 0 0 50 0\nintr 1 2\n";
        assert_eq!(ticks(stat, Some(&[0])), Ticks { busy: 20, stolen: 4, all: 100 });
        assert_eq!(ticks(stat, Some(&[1])), Ticks { busy: 90, stolen: 0, all: 100 });
        assert_eq!(ticks(stat, None), Ticks { busy: 110, stolen: 4, all: 200 });
    }

    #[test]
    fn only_seconds_that_count_are_in_the_mean() {
        let stat = |user: u64, idle: u64, steal: u64| format!("cpu0 {user} 0 0 {idle} 0 0 0 {steal} 0 0\n");
        let mut cores = Cores::new(None, &stat(1_000, 1_000, 1_000));
        assert_eq!((cores.busy_mean(), cores.stolen_mean()), (None, None), "nothing has been seen");
        cores.second(&stat(1_000, 1_000, 1_100), 0, false);
        cores.second(&stat(1_030, 1_060, 1_110), 20, true);
        cores.second(&stat(1_080, 1_110, 1_110), 0, true);
        assert_eq!((cores.busy_mean(), cores.stolen_mean()), (Some(0.55), Some(0.05)));
        assert_eq!(cores.busy_max(), Some(0.6));
    }
}
