//! What the kernel says of this process: CPU time and memory, from `/proc/self`.

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
    fn this_process_uses_something() {
        let (cpu_seconds, resident_bytes) = usage().expect("Linux has /proc");
        assert!(cpu_seconds >= 0.0 && resident_bytes > 1_000_000);
        assert!(open_files_max().expect("Linux has /proc") > 16);
    }
}
