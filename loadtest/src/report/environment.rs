//! Where a run was made, `env.json`: without it no figure can be compared with another.
//!
//! Read from `/proc` and from git where they are there; what is not known is `null`. Names no user, host or address.

use serde::{Deserialize, Serialize};
use std::fs;
use std::process::Command;

/// The machine and the programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Version of this JSON: that of the report's.
    pub schema: u32,
    /// `mcu-load`'s version.
    pub version: String,
    /// The commit that it was built in, with `-dirty` when something was changed since; `null` outside of its repository.
    pub commit: Option<String>,
    /// Whether debug assertions are on: figures of such a build say nothing about a release.
    pub debug_build: bool,
    /// Name of the processor.
    pub cpu: Option<String>,
    /// Cores that this process may use.
    pub cores: u32,
    /// Memory of the machine.
    pub memory_bytes: Option<u64>,
    /// Version of the kernel.
    pub kernel: Option<String>,
    /// Name of the distribution.
    pub system: Option<String>,
    /// Load of the machine at the begin, over one minute: what else was going on.
    pub load_average: Option<f64>,
}

impl Environment {
    /// That of this process, now.
    pub fn read() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let load = read("/proc/loadavg");
        let kernel = read("/proc/sys/kernel/osrelease");
        Self {
            schema: super::SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: commit(),
            debug_build: cfg!(debug_assertions),
            cpu: field(&read("/proc/cpuinfo"), "model name", ':'),
            cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32),
            memory_bytes: memory_bytes(&read("/proc/meminfo")),
            kernel: Some(kernel.trim().to_owned()).filter(|kernel| !kernel.is_empty()),
            system: field(&read("/etc/os-release"), "PRETTY_NAME", '=').map(|name| name.replace('"', "")),
            load_average: load.split(' ').next().and_then(|load| load.parse().ok()),
        }
    }
}

/// The value of the first line `name … sign value`.
fn field(text: &str, name: &str, sign: char) -> Option<String> {
    let value =
        text.lines().filter_map(|line| line.strip_prefix(name)).find_map(|rest| rest.split_once(sign));
    value.map(|(_, value)| value.trim().to_owned())
}

fn memory_bytes(meminfo: &str) -> Option<u64> {
    let kilobytes: u64 = field(meminfo, "MemTotal", ':')?.strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1_024)
}

/// As git describes the folder of this program.
fn commit() -> Option<String> {
    let folder = std::env::current_exe().ok()?.parent()?.to_owned();
    let arguments = ["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"];
    let output = Command::new("git").args(arguments).current_dir(folder).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !said.is_empty()).then_some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_are_read() {
        assert_eq!(
            field("a\t: 1\nmodel name\t: Some CPU @ 3 GHz\n", "model name", ':').as_deref(),
            Some("Some CPU @ 3 GHz")
        );
        assert_eq!(field("", "model name", ':'), None);
        assert_eq!(memory_bytes("MemFree: 1 kB\nMemTotal:       2048 kB\n"), Some(2_097_152));
    }

    #[test]
    fn this_machine_is_known_and_survives_json() {
        let here = Environment::read();
        assert!(here.cores >= 1 && here.memory_bytes > Some(0) && here.kernel.is_some(), "{here:?}");
        let json = serde_json::to_string(&here).expect("plain values");
        assert_eq!(serde_json::from_str::<Environment>(&json).expect("parses"), here);
    }
}
