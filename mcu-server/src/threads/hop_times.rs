//! How long jobs of the pools wait and run, by hop: two histograms each, of fixed bounds.
//!
//! Thread: written by the pools' threads, one clock read at each end of a job; read when `/metrics` is asked for. A job
//! takes milliseconds, so that two clock reads are nothing; hops that take microseconds for each packet are not timed here
//! but in the benches.

use mcu_core::hop::Hop;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, in microseconds; a tick has 33 333, a sound beat 10 000.
const BOUNDS_US: [u64; 10] = [250, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 33_333, 66_667, 250_000];

/// What the pools run.
pub const TIMED: [Hop; 4] = [Hop::Decode, Hop::Compose, Hop::Encode, Hop::Sound];

/// Names and helps of the two histograms.
pub const TABLE: [(&str, &str); 2] = [
    ("mcu_hop_wait_seconds", "Time that jobs of a hop waited for a thread of their pool"),
    ("mcu_hop_run_seconds", "Time that jobs of a hop ran"),
];

#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    fn record(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.iter().position(|bound| us <= *bound).unwrap_or(BOUNDS_US.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// In Prometheus' text form: cumulated buckets, sum and count.
    fn write(&self, name: &str, hop: Hop, out: &mut String) -> std::fmt::Result {
        let hop = hop.name();
        let mut count = 0;
        for (at, bucket) in self.buckets.iter().enumerate() {
            count += bucket.load(Ordering::Relaxed);
            match BOUNDS_US.get(at) {
                Some(us) => {
                    let bound = *us as f64 / 1e6;
                    writeln!(out, "{name}_bucket{{hop=\"{hop}\",le=\"{bound}\"}} {count}")?;
                }
                None => writeln!(out, "{name}_bucket{{hop=\"{hop}\",le=\"+Inf\"}} {count}")?,
            }
        }
        let sum = self.sum_us.load(Ordering::Relaxed) as f64 / 1e6;
        writeln!(out, "{name}_sum{{hop=\"{hop}\"}} {sum}")?;
        writeln!(out, "{name}_count{{hop=\"{hop}\"}} {count}")
    }
}

/// The histograms of every timed hop.
#[derive(Debug, Default)]
pub struct HopTimes([[Histogram; TIMED.len()]; 2]);

impl HopTimes {
    /// Notes one job of `hop`; hops that are not [`TIMED`] are not noted.
    pub fn record(&self, hop: Hop, waited: Duration, ran: Duration) {
        if let Some(at) = TIMED.iter().position(|timed| *timed == hop) {
            self.0[0][at].record(waited);
            self.0[1][at].record(ran);
        }
    }

    /// All of them in Prometheus' text form.
    pub fn render(&self) -> String {
        let mut out = String::new();
        for ((name, help), histograms) in TABLE.iter().zip(&self.0) {
            // Writing to a string does not fail.
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
            for (hop, histogram) in TIMED.iter().zip(histograms) {
                let _ = histogram.write(name, *hop, &mut out);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_in_every_bucket_that_is_wide_enough() {
        let times = HopTimes::default();
        times.record(Hop::Encode, Duration::from_micros(250), Duration::from_micros(7_000));
        times.record(Hop::Encode, Duration::from_micros(251), Duration::from_secs(9));
        times.record(Hop::Demux, Duration::ZERO, Duration::ZERO);
        let text = times.render();
        for line in [
            "# TYPE mcu_hop_wait_seconds histogram",
            "mcu_hop_wait_seconds_bucket{hop=\"encode\",le=\"0.00025\"} 1",
            "mcu_hop_wait_seconds_bucket{hop=\"encode\",le=\"0.0005\"} 2",
            "mcu_hop_run_seconds_bucket{hop=\"encode\",le=\"0.005\"} 0",
            "mcu_hop_run_seconds_bucket{hop=\"encode\",le=\"0.01\"} 1",
            "mcu_hop_run_seconds_bucket{hop=\"encode\",le=\"0.25\"} 1",
            "mcu_hop_run_seconds_bucket{hop=\"encode\",le=\"+Inf\"} 2",
            "mcu_hop_run_seconds_sum{hop=\"encode\"} 9.007",
            "mcu_hop_run_seconds_count{hop=\"encode\"} 2",
            "mcu_hop_run_seconds_count{hop=\"decode\"} 0",
        ] {
            assert!(text.lines().any(|written| written == line), "{line} in\n{text}");
        }
        assert!(!text.contains("demux"));
    }
}
