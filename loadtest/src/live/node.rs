//! What the run costs the node: by `/proc` where it is a process of this machine, by `/metrics` where they are reached.
//!
//! Flow: once a second -> **here** -> timeline, report. Thread: a task of its own, so that a node that does not answer holds up
//! nobody. Bounds: one request at a time, `ANSWER_WAIT_MAX`, `METRICS_BYTES_MAX`.

use super::machine::process_use;
use crate::bot::signal;
use crate::clock::Clock;
use crate::report::NodeSource;
use mcu_core::time::Mono;
use reqwest::Url;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Between two looks; also how often the node itself counts anew.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
const ANSWER_WAIT_MAX: Duration = Duration::from_millis(800);
const METRICS_BYTES_MAX: usize = 1024 * 1024;

/// The node's process: one of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodePid(u32);

/// No process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no process {0} on this machine, or it is somebody else's")]
pub struct NodePidError(u32);

impl NodePid {
    /// Process `pid`, if it can be looked at.
    ///
    /// # Errors
    /// [`NodePidError`] when it cannot.
    pub fn new(pid: u32) -> Result<Self, NodePidError> {
        process_use(&pid.to_string()).map(|_| Self(pid)).ok_or(NodePidError(pid))
    }

    /// The process of this machine that listens where `base` points, if there is one that can be seen. Blocks for the look-up
    /// of a name.
    pub fn listening_at(base: &Url) -> Option<Self> {
        let port = addresses(base).into_iter().find(is_here)?.port();
        let tables =
            ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
        let inode = tables.iter().find_map(|table| listener(table, port))?;
        holder(&format!("socket:[{inode}]")).and_then(|pid| Self::new(pid).ok())
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// Whether `base` leads to this machine, whatever listens there. Blocks for the look-up of a name.
pub fn leads_here(base: &Url) -> bool {
    addresses(base).iter().any(is_here)
}

fn addresses(base: &Url) -> Vec<SocketAddr> {
    let host = base.host_str().map(|host| host.trim_matches(['[', ']']));
    let found = host.zip(base.port_or_known_default()).and_then(|at| at.to_socket_addrs().ok());
    found.map(Iterator::collect).unwrap_or_default()
}

/// Only an address of this machine's own can be bound.
fn is_here(address: &SocketAddr) -> bool {
    address.ip().is_loopback() || UdpSocket::bind((address.ip(), 0)).is_ok()
}

/// The inode of the socket that listens at `port`, in a table as `/proc/net/tcp` has it.
fn listener(table: &str, port: u16) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let at = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
        // 0A is LISTEN.
        (at == port && *state == "0A").then(|| inode.parse().ok()).flatten()
    })
}

/// The process that has `wanted` open.
fn holder(wanted: &str) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").ok()?;
    processes.flatten().find_map(|process| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        let files = std::fs::read_dir(process.path().join("fd")).ok()?;
        let has = |link: std::path::PathBuf| std::fs::read_link(link).is_ok_and(|to| to == Path::new(wanted));
        files.flatten().any(|file| has(file.path())).then_some(pid)
    })
}

/// What is known of the node at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct NodeSample {
    pub(super) source: Option<NodeSource>,
    pub(super) cpu_s: Option<f64>,
    pub(super) memory_bytes: Option<u64>,
    pub(super) ticks: Option<u64>,
    pub(super) ticks_late: Option<u64>,
    pub(super) encoders: Option<u64>,
    pub(super) meetings: Option<u64>,
}

/// What is known of it over a run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct NodeSpent {
    pub(super) last: NodeSample,
    pub(super) memory_bytes_max: Option<u64>,
    pub(super) encoders_max: Option<u64>,
    /// Cores used in the last second.
    cores: Option<f64>,
}

/// Where to look.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    pid: Option<NodePid>,
    metrics: Option<Url>,
    client: Option<reqwest::Client>,
}

/// A node being watched; the watching ends with [`Self::end`] or when this is dropped.
#[derive(Debug)]
pub(super) struct NodeWatch {
    spent: watch::Receiver<NodeSpent>,
    task: JoinHandle<()>,
}

impl NodeWatch {
    /// Begins to watch; what is known now.
    pub(super) async fn start(pid: Option<NodePid>, metrics: Option<Url>) -> (Self, NodeSample) {
        let sources = Sources::new(pid, metrics);
        let first = sources.look().await;
        let begun = NodeSpent { last: first, ..NodeSpent::default() };
        let (publish, spent) = watch::channel(begun);
        let task = tokio::spawn(watch_on(sources, begun, publish));
        (Self { spent, task }, first)
    }

    /// Cores used in the newest second.
    pub(super) fn cores(&self) -> Option<f64> {
        self.spent.borrow().cores
    }

    /// What was spent by now; of a node that has gone, by when it was last seen.
    pub(super) async fn end(mut self) -> NodeSpent {
        // The look that is due next has everything up to now; one that never comes is not waited for.
        let _ = tokio::time::timeout(INTERVAL + ANSWER_WAIT_MAX, self.spent.changed()).await;
        self.task.abort();
        *self.spent.borrow()
    }
}

impl Drop for NodeWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch_on(sources: Sources, mut spent: NodeSpent, publish: watch::Sender<NodeSpent>) {
    let clock = Clock::start();
    let mut look = tokio::time::interval(INTERVAL);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    look.tick().await;
    let mut then: Mono = clock.now();
    loop {
        look.tick().await;
        let sample = sources.look().await;
        let now = clock.now();
        let used = sample.cpu_s.zip(spent.last.cpu_s).map(|(after, before)| after - before);
        spent.cores = used.map(|used| used / now.since(then).as_secs_f64().max(1e-3));
        if sample.source.is_some() {
            then = now;
            spent.memory_bytes_max = spent.memory_bytes_max.max(sample.memory_bytes);
            spent.encoders_max = spent.encoders_max.max(sample.encoders);
            // A node whose metrics did not answer this once keeps what they said before.
            let last = spent.last;
            spent.last = NodeSample {
                ticks: sample.ticks.or(last.ticks),
                ticks_late: sample.ticks_late.or(last.ticks_late),
                encoders: sample.encoders.or(last.encoders),
                meetings: sample.meetings.or(last.meetings),
                ..sample
            };
        }
        if publish.send(spent).is_err() {
            return;
        }
    }
}

impl Sources {
    pub(super) fn new(pid: Option<NodePid>, metrics: Option<Url>) -> Self {
        Self { pid, metrics, client: signal::client(None).ok() }
    }

    pub(super) async fn look(&self) -> NodeSample {
        let told = self.metrics().await;
        let mut sample = told.as_deref().map(told_by_metrics).unwrap_or_default();
        // The process itself knows better than what it said of itself up to a second ago.
        if let Some(used) = self.pid.and_then(|pid| process_use(&pid.get().to_string())) {
            sample.source = Some(NodeSource::Proc);
            (sample.cpu_s, sample.memory_bytes) = (Some(used.cpu_s), Some(used.memory_bytes));
        }
        sample
    }

    async fn metrics(&self) -> Option<String> {
        let url = self.metrics.clone()?;
        let request = self.client.as_ref()?.get(url).timeout(ANSWER_WAIT_MAX);
        let mut response = request.send().await.ok()?;
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.ok()? {
            body.extend_from_slice(&piece);
            if body.len() > METRICS_BYTES_MAX {
                return None;
            }
        }
        String::from_utf8(body).ok()
    }
}

/// The Prometheus text: `name value`, and much else that is passed over.
fn told_by_metrics(text: &str) -> NodeSample {
    let value = |name: &str| -> Option<f64> {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
    };
    let whole = |name| value(name).map(|value| value as u64);
    let cpu_s = value("process_cpu_seconds_total");
    NodeSample {
        source: cpu_s.map(|_| NodeSource::Metrics),
        cpu_s,
        memory_bytes: whole("process_resident_memory_bytes"),
        ticks: whole("mcu_ticks_total"),
        ticks_late: whole("mcu_ticks_late_total"),
        encoders: whole("mcu_encoders"),
        meetings: whole("mcu_meetings"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_listener_is_found_among_sockets_of_other_ports_and_states() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 0100007F:0001 01 00000000:00000000 00:00000000 00000000     0        0 11 1\n\
            1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 22 1\n\
            2: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 33 1\n";
        assert_eq!(
            (listener(table, 8_080), listener(table, 8_081), listener(table, 9)),
            (Some(33), Some(22), None)
        );
    }

    #[test]
    fn whoever_listens_on_this_machine_is_found_and_who_is_elsewhere_is_not() {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = socket.local_addr().expect("it is bound").port();
        let at = |text: &str| NodePid::listening_at(&text.parse().expect("a URL"));
        let found = at(&format!("http://127.0.0.1:{port}/"));
        assert_eq!(found, Some(NodePid(std::process::id())));
        drop(socket);
        assert_eq!(at(&format!("http://127.0.0.1:{port}/")), None);
        assert_eq!(at(&format!("http://192.0.2.1:{port}/")), None);
        let here = |text: &str| leads_here(&text.parse().expect("a URL"));
        assert!(here("http://127.0.0.1:9/") && here("https://[::1]/m/a") && !here("http://192.0.2.1/"));
        assert!(NodePid::new(std::process::id()).is_ok() && NodePid::new(u32::MAX).is_err());
    }

    #[test]
    fn metrics_are_read_by_whole_names() {
        let text = "# TYPE mcu_ticks_total counter\nmcu_ticks_total_of_others 9\nmcu_ticks_total 411\n\
            mcu_ticks_late_total 1\nmcu_hop_run_seconds_sum{hop=\"decode\"} 4.1\nprocess_cpu_seconds_total 11.5\n";
        let sample = told_by_metrics(text);
        assert_eq!((sample.ticks, sample.ticks_late, sample.encoders), (Some(411), Some(1), None));
        assert_eq!((sample.source, sample.cpu_s), (Some(NodeSource::Metrics), Some(11.5)));
        assert_eq!(told_by_metrics("nothing of ours").source, None);
    }
}
