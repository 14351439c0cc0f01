//! Processor time: what work costs, whoever else uses the machine meanwhile.

use std::time::Duration;

/// Processor time of this process since it began, all threads, user and system.
pub fn process_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one `timespec` to `time`, which is one, is writable and outlives the call.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(answer, 0, "every Linux has this clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_costs_time_and_the_clock_never_turns_back() {
        let begin = process_cpu();
        let mut last = begin;
        while last == begin {
            let sum: u64 = std::hint::black_box((0..10_000_u64).sum());
            assert!(sum > 0);
            let now = process_cpu();
            assert!(now >= last);
            last = now;
        }
    }
}
