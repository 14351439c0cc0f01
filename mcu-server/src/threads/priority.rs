//! Scheduling hints to the kernel. All are optional: a refusal changes nothing but latency under load.

#![allow(unsafe_code)]

/// Raises this thread's nice value by `nice` (0 changes nothing).
pub(super) fn lower(nice: i32) {
    if nice > 0 {
        // SAFETY: setpriority takes plain integers and touches no memory of ours; PRIO_PROCESS with 0 is the
        // calling thread on Linux.
        let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    }
}
