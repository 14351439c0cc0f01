//! Whether the node is at rest: as empty and as idle as it was before anything was measured.
//!
//! Flow: `node` (one look a second) -> **here** -> `capacity`, which begins no step before. What cannot be looked at is not
//! waited for. Bound: `WAIT_MAX`.

use super::Order;
use super::node::{INTERVAL, NodeSample, Sources};
use crate::clock::Clock;
use std::fmt;
use std::time::Duration;

/// The longest that a node may take to come to rest: rooms that were deleted end at once, their work within a second or two.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Cores that a node at rest may use more than it did before: `/proc` counts in hundredths of a second.
const CORES_SLACK: f64 = 0.1;

/// What an idle node shows; `None`: unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Still {
    meetings: Option<u64>,
    encoders: Option<u64>,
    cores: Option<f64>,
}

/// How the node was before.
#[derive(Debug, Clone)]
pub struct Rest {
    sources: Sources,
    before: Still,
}

/// A node that does not come to rest: what is measured on it next would be partly what was before.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the node does not come to rest: {wait_s} s after everybody has left it has{now}, and had{before}")]
pub struct Restless {
    wait_s: u64,
    now: Still,
    before: Still,
}

impl Rest {
    /// That of the node as it is now, over one second.
    pub async fn of(order: &Order) -> Self {
        let sources = Sources::new(order.node, order.entrance.metrics());
        let before = still(&sources).await;
        Self { sources, before }
    }

    /// Waits until it is like this again.
    ///
    /// # Errors
    /// [`Restless`] when it is not within a minute.
    pub async fn again(&self) -> Result<(), Restless> {
        let clock = Clock::start();
        loop {
            let now = still(&self.sources).await;
            if now.is_as_quiet_as(&self.before) {
                return Ok(());
            }
            if clock.now().as_millis() >= WAIT_MAX.as_millis() as u64 {
                return Err(Restless { wait_s: WAIT_MAX.as_secs(), now, before: self.before });
            }
        }
    }
}

impl Still {
    /// What lies between two looks.
    fn between(before: &NodeSample, after: &NodeSample, seconds: f64) -> Self {
        let used = after.cpu_s.zip(before.cpu_s).map(|(after, before)| after - before);
        Self {
            meetings: after.meetings,
            encoders: after.encoders,
            cores: used.map(|used| used / seconds.max(1e-3)),
        }
    }

    fn is_as_quiet_as(&self, other: &Self) -> bool {
        fn within<T: PartialOrd>(value: Option<T>, limit: Option<T>) -> bool {
            value.zip(limit).is_none_or(|(value, limit)| value <= limit)
        }
        within(self.meetings, other.meetings)
            && within(self.encoders, other.encoders)
            && within(self.cores, other.cores.map(|cores| cores + CORES_SLACK))
    }
}

impl fmt::Display for Still {
    /// ` 1 meetings, 2 encoders, 0.50 cores busy`: what is known, each behind a space.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: Option<u64>, of: &str| count.map(|count| format!("{count} {of}"));
        let cores = self.cores.map(|cores| format!("{cores:.2} cores busy"));
        let known = [count(self.meetings, "meetings"), count(self.encoders, "encoders"), cores];
        let known: Vec<String> = known.into_iter().flatten().collect();
        write!(f, " {}", known.join(", "))
    }
}

/// Two looks, one second apart.
async fn still(sources: &Sources) -> Still {
    let clock = Clock::start();
    let before = sources.look().await;
    let begin = clock.now();
    tokio::time::sleep(INTERVAL).await;
    let after = sources.look().await;
    Still::between(&before, &after, clock.now().since(begin).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Still = Still { meetings: Some(1), encoders: Some(0), cores: Some(0.02) };

    #[test]
    fn a_node_is_at_rest_when_nothing_is_more_than_it_was() {
        assert!(IDLE.is_as_quiet_as(&IDLE));
        assert!(Still { cores: Some(0.11), meetings: Some(0), ..IDLE }.is_as_quiet_as(&IDLE));
        for busy in [
            Still { meetings: Some(2), ..IDLE },
            Still { encoders: Some(1), ..IDLE },
            Still { cores: Some(0.13), ..IDLE },
        ] {
            assert!(!busy.is_as_quiet_as(&IDLE), "{busy}");
        }
        // What is not known, or was not, is no reason to wait: a node that has gone is found out by whoever comes next.
        assert!(Still::default().is_as_quiet_as(&IDLE) && IDLE.is_as_quiet_as(&Still::default()));
    }

    #[test]
    fn what_is_used_between_two_looks_is_cores() {
        let at = |cpu_s| NodeSample { cpu_s: Some(cpu_s), encoders: Some(2), ..NodeSample::default() };
        let still = Still::between(&at(1.0), &at(1.5), 2.0);
        assert_eq!(still, Still { meetings: None, encoders: Some(2), cores: Some(0.25) });
        let restless = Restless { wait_s: 60, now: still, before: IDLE };
        assert_eq!(
            restless.to_string(),
            "the node does not come to rest: 60 s after everybody has left it has 2 encoders, 0.25 cores busy, \
             and had 1 meetings, 0 encoders, 0.02 cores busy"
        );
    }
}
