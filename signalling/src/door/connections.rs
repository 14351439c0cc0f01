//! How many connections there may be at a time: of one address, and of all.
//!
//! Flow: kernel -> the node's HTTP listeners, `sip` -> **here**, before a TLS handshake costs anything. Thread: control runtime.
//! Bounds: `limits::CONNECTIONS_MAX`, `limits::SIP_CONNECTIONS_MAX` and, apart from those, `limits::SIP_DEVICE_CONNECTIONS_MAX` on which
//! somebody has proved who it is, and `server.connections_per_address_max` of the
//! configuration. Who is over one is closed without a word and counted. Loopback is exempt from the bound of an address: a reverse proxy on this machine speaks for everybody.

use super::limiter::Source;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connections of all public listeners.
#[derive(Debug)]
pub struct Connections {
    per_address_max: usize,
    max: usize,
    settled_max: usize,
    crowd: Mutex<Crowd>,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Crowd {
    open: usize,
    settled: usize,
    by_source: HashMap<Source, usize>,
}

impl Crowd {
    fn enter(&mut self, source: Source) {
        self.open += 1;
        *self.by_source.entry(source).or_default() += 1;
    }

    fn leave(&mut self, source: Source) {
        self.open -= 1;
        // An address with none left is forgotten: the table is never larger than the crowd.
        match self.by_source.get_mut(&source) {
            Some(mine) if *mine > 1 => *mine -= 1,
            _ => drop(self.by_source.remove(&source)),
        }
    }
}

/// One connection's place, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    of: Arc<Connections>,
    source: Source,
    /// How many say that it is no stranger's; changed under the lock of the crowd alone.
    settled: AtomicUsize,
}

/// Says that a connection is no stranger's, for as long as it is held: it is none of the crowd, nor of its address's share.
#[derive(Debug)]
pub struct Settled(Arc<Place>);

impl Connections {
    /// None open. `per_address_max` of 0: as many of one address as there may be of all.
    pub fn new(per_address_max: usize, max: usize) -> Arc<Self> {
        Self::settling(per_address_max, max, 0)
    }

    /// With places apart for `settled_max` on which somebody has proved who it is.
    pub fn settling(per_address_max: usize, max: usize, settled_max: usize) -> Arc<Self> {
        let per_address_max = if per_address_max == 0 { max } else { per_address_max };
        let (crowd, refused) = (Mutex::default(), AtomicU64::new(0));
        Arc::new(Self { per_address_max, max, settled_max, crowd, refused })
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
        crowd.enter(source);
        Some(Place { of: Arc::clone(self), source, settled: AtomicUsize::new(0) })
    }

    /// How many are open, settled ones among them.
    pub fn open(&self) -> usize {
        let crowd = self.crowd();
        crowd.open + crowd.settled
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

impl Place {
    /// Takes the connection out of the crowd of strangers, unless there are too many such.
    pub fn settle(self: &Arc<Self>) -> Option<Settled> {
        let mut crowd = self.of.crowd();
        if self.settled.load(Ordering::Relaxed) == 0 {
            if crowd.settled >= self.of.settled_max {
                return None;
            }
            crowd.leave(self.source);
            crowd.settled += 1;
        }
        self.settled.fetch_add(1, Ordering::Relaxed);
        drop(crowd);
        Some(Settled(Arc::clone(self)))
    }
}

impl Drop for Settled {
    fn drop(&mut self) {
        let mut crowd = self.0.of.crowd();
        if self.0.settled.fetch_sub(1, Ordering::Relaxed) == 1 {
            crowd.settled -= 1;
            // Back into the crowd, even over its bound: nobody else comes in until there is room.
            crowd.enter(self.0.source);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.crowd().leave(self.source);
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
    fn who_has_settled_is_none_of_the_crowd() {
        let connections = Connections::settling(2, 3, 2);
        let here = address("192.0.2.1");
        let place = || connections.admit(here).map(Arc::new);
        let first = place().expect("the first");
        let (once, twice) = (first.settle().expect("a place"), first.settle().expect("the same"));
        let second = place().expect("the share of its address is free again");
        let third = place().expect("and once more");
        assert!(place().is_none() && connections.open() == 3, "the control: strangers have their share");
        let settled = second.settle().expect("the last place");
        assert!(third.settle().is_none(), "there is a bound");
        drop(once);
        assert!(third.settle().is_none(), "one of two who held it");
        drop(twice);
        assert!(place().is_none(), "the first is a stranger's again, and of the share of its address");
        let next = third.settle().expect("there is a place again");
        drop((first, second, third, settled, next));
        assert_eq!((connections.open(), connections.crowd().by_source.len()), (0, 0));
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
