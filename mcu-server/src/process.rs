//! What the kernel says of this process: CPU time, memory and threads, from `/proc/self`.

use std::path::Path;

/// CPU seconds (user and system) and resident bytes; `None` where `/proc` is not what we know.
pub(crate) fn usage() -> Option<(f64, u64)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // proc(5): the fields after the command name, which may itself hold spaces, begin with the state as field 3.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let (user, system): (f64, f64) = (fields.get(11)?.parse().ok()?, fields.get(12)?.parse().ok()?);
    let resident_pages: u64 = fields.get(21)?.parse().ok()?;
    // USER_HZ is 100 on every Linux architecture we build for, and pages of the ones we build for are 4 KiB.
    Some(((user + system) / 100.0, resident_pages * 4_096))
}

/// Threads that are told of at most.
const THREADS_MAX: usize = 64;

/// What the kernel says of each thread of this process, for whoever looks why one stands still: `io-0: S in do_epoll_wait, ran 97 ms, waited 3 ms for a core`; those that wait for the
/// same futex, of a lock or of a queue, have it by the same number. What cannot be read is left out.
pub(crate) fn threads() -> Vec<String> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let mut futexes = Vec::new();
    let folders = tasks.filter_map(Result::ok).map(|task| task.path()).take(THREADS_MAX);
    folders.filter_map(|folder| thread(&folder, &mut futexes)).collect()
}

/// One of them; `futexes`: the addresses of those that were met before, which are nobody's business.
fn thread(folder: &Path, futexes: &mut Vec<String>) -> Option<String> {
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).ok();
    let stat = read("stat")?;
    let (name, fields) = stat.split_once('(')?.1.rsplit_once(')')?;
    let state = fields.split_whitespace().next()?;
    // proc(5): where in the kernel; the system call and its arguments; ns on a core, ns runnable without one, times.
    let place = read("wchan").filter(|place| !matches!(place.trim(), "" | "0"));
    let place = place.map_or_else(String::new, |place| format!(" in {}", place.trim()));
    let call = read("syscall").unwrap_or_default();
    let futex = call.strip_prefix(&format!("{} ", libc::SYS_futex)).and_then(|rest| rest.split(' ').next());
    let futex = futex.map_or_else(String::new, |address| {
        let known = futexes.iter().position(|known| known == address);
        let number = known.unwrap_or_else(|| {
            futexes.push(address.to_owned());
            futexes.len() - 1
        });
        format!(" at futex {number}")
    });
    let times = read("schedstat").unwrap_or_default();
    let ms: Vec<u64> =
        times.split_whitespace().filter_map(|ns| Some(ns.parse::<u64>().ok()? / 1_000_000)).collect();
    let times = match ms[..] {
        [ran, waited, ..] => format!(", ran {ran} ms, waited {waited} ms for a core"),
        _ => String::new(),
    };
    Some(format!("{name}: {state}{place}{futex}{times}"))
}

/// Open files that this process may have.
pub(crate) fn open_files_max() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_is_told_of_with_what_it_waits_for() {
        let held = std::sync::Mutex::new(());
        let guard = held.lock().expect("nobody has it");
        std::thread::scope(|scope| {
            for name in ["waits-a", "waits-b"] {
                let waits = || drop(held.lock());
                std::thread::Builder::new()
                    .name(name.to_owned())
                    .spawn_scoped(scope, waits)
                    .expect("a thread");
            }
            let told =
                |name: &str| threads().into_iter().find(|line| line.starts_with(&format!("{name}: S")));
            // Until both have come as far as the lock: the test hangs where they never do.
            loop {
                let (Some(a), Some(b)) = (told("waits-a"), told("waits-b")) else { continue };
                let futex = |line: &str| Some(line.split_once(" at futex ")?.1.split(',').next()?.to_owned());
                if futex(&a).is_some() && futex(&a) == futex(&b) {
                    assert!(a.contains(" in futex") && a.ends_with(" ms for a core"), "{a}");
                    break;
                }
                std::thread::yield_now();
            }
            drop(guard);
        });
    }

    #[test]
    fn this_process_uses_something() {
        let (cpu_seconds, resident_bytes) = usage().expect("Linux has /proc");
        assert!(cpu_seconds >= 0.0 && resident_bytes > 1_000_000);
        assert!(open_files_max().expect("Linux has /proc") > 16);
    }
}
