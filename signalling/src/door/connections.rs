//! How many connections there may be at a time: of one address, and of all.
//!
//! Flow: kernel -> the node's HTTP listeners, `sip` -> **here**, before a TLS handshake costs anything. Thread: control runtime.
//! Bounds: `limits::CONNECTIONS_MAX` and `limits::SIP_CONNECTIONS_MAX`, and `server.connections_per_address_max` of the
//! configuration. Who is over one is closed without a word and counted. Loopback is exempt from the bound of an address: a reverse proxy on this machine speaks for everybody.

use super::limiter::Source;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connections of all public listeners.
#[derive(Debug)]
pub struct Connections {
    per_address_max: usize,
    max: usize,
    crowd: Mutex<Crowd>,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Crowd {
    open: usize,
    by_source: HashMap<Source, usize>,
}

/// One connection's place, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    of: Arc<Connections>,
    source: Source,
}

impl Connections {
    /// None open. `per_address_max` of 0: as many of one address as there may be of all.
    pub fn new(per_address_max: usize, max: usize) -> Arc<Self> {
        let per_address_max = if per_address_max == 0 { max } else { per_address_max };
        Arc::new(Self { per_address_max, max, crowd: Mutex::default(), refused: AtomicU64::new(0) })
    }

    /// A place for a connection from `address`, unless there are too many.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let source = Source::from(address);
        let exempt = address.to_canonical().is_loopback();
        let mut crowd = self.crowd();
        let mine = crowd.by_source.get(&source).copied().unwrap_or(0);
        if crowd.open >= self.max || (mine >= self.per_address_max && !exempt) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        crowd.open += 1;
        crowd.by_source.insert(source, mine + 1);
        Some(Place { of: Arc::clone(self), source })
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.crowd().open
    }

    /// How many were closed for being too many.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Counts only: whole after every step, so a panic elsewhere leaves nothing half done.
    fn crowd(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut crowd = self.of.crowd();
        crowd.open -= 1;
        // An address with none left is forgotten: the table is never larger than the crowd.
        match crowd.by_source.get_mut(&self.source) {
            Some(mine) if *mine > 1 => *mine -= 1,
            _ => drop(crowd.by_source.remove(&self.source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_address_has_its_share_and_leaves_the_others_theirs() {
        let connections = Connections::new(3, 100);
        let held: Vec<_> = (0..10).filter_map(|_| connections.admit(address("192.0.2.1"))).collect();
        assert_eq!((held.len(), connections.refused()), (3, 7));
        assert!(
            connections.admit(address("::ffff:192.0.2.1")).is_none(),
            "the same address, written otherwise"
        );
        let other = connections.admit(address("192.0.2.2"));
        assert!(other.is_some(), "the control: somebody else comes in");
        drop(held);
        assert!(connections.admit(address("192.0.2.1")).is_some(), "and so does the first, once it has left");
    }

    #[test]
    fn the_addresses_of_one_ipv6_line_are_one() {
        let connections = Connections::new(2, 100);
        let line = |host: u16| connections.admit(address(&format!("2001:db8:0:1::{host:x}")));
        let held: Vec<_> = (1..=5).filter_map(line).collect();
        assert_eq!(held.len(), 2);
        assert!(connections.admit(address("2001:db8:0:2::1")).is_some(), "the control: another line");
    }

    #[test]
    fn a_proxy_on_this_machine_speaks_for_everybody_up_to_the_whole() {
        let connections = Connections::new(2, 5);
        let held: Vec<_> = (0..9).filter_map(|_| connections.admit(address("127.0.0.1"))).collect();
        assert_eq!((held.len(), connections.open(), connections.refused()), (5, 5, 4));
        assert!(connections.admit(address("192.0.2.1")).is_none(), "there is a bound on all");
        drop(held);
        assert!(connections.admit(address("192.0.2.1")).is_some());
    }

    #[test]
    fn without_a_bound_for_one_address_there_is_the_one_for_all() {
        let connections = Connections::new(0, 4);
        assert_eq!(
            (0..9).filter_map(|_| connections.admit(address("192.0.2.1"))).count(),
            9,
            "each leaves at once"
        );
        let held: Vec<_> = (0..9).filter_map(|_| connections.admit(address("192.0.2.1"))).collect();
        assert_eq!(held.len(), 4);
    }

    #[test]
    fn nothing_is_remembered_of_who_left() {
        let connections = Connections::new(2, 100);
        for host in 0..1_000_u32 {
            let source = IpAddr::from((0x0a00_0000 + host).to_be_bytes());
            drop(connections.admit(source));
        }
        assert_eq!(connections.open(), 0);
        assert!(connections.crowd().by_source.is_empty());
    }
}
