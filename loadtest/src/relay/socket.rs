//! The relay's loop: two sockets, two ways, one task. Decides nothing.
//!
//! Flow: bot <-> front socket <-> **ways** <-> back socket <-> node. The bot is whoever last sent to the front
//! socket; the node's address is told once its answer is known. Bound: [`super::way::DATAGRAMS_MAX`] per direction.

use super::profile::Profile;
use super::way::{Fates, Way};
use crate::clock::{Clock, wait_until};
use bytes::Bytes;
use mcu_core::limits::DATAGRAM_BYTES_MAX;
use mcu_core::time::Mono;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};

const ORDERS_MAX: usize = 16;

/// What a running relay is told.
#[derive(Debug)]
enum Order {
    Node(SocketAddr),
    Profile(Box<Profile>),
    Rebind,
}

/// A running relay; it ends when this is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    outside: SocketAddr,
    orders: mpsc::Sender<Order>,
    fates: watch::Receiver<(Fates, Fates)>,
}

impl Relay {
    /// Opens a relay whose front and back sockets are on `ip`, and starts its task on the current runtime.
    ///
    /// # Errors
    /// When a socket cannot be bound.
    pub async fn start(profile: Profile, seed: u64, ip: IpAddr, clock: Clock) -> io::Result<Self> {
        let front = UdpSocket::bind((ip, 0)).await?;
        let back = UdpSocket::bind((ip, 0)).await?;
        let (address, outside) = (front.local_addr()?, back.local_addr()?);
        let (orders, inbox) = mpsc::channel(ORDERS_MAX);
        let (publish, fates) = watch::channel(Default::default());
        let now = clock.now();
        let task = Task {
            up: Way::new(profile.up, seed, now),
            // Each direction its own chances: the next odd number keeps seeds of neighbours apart.
            down: Way::new(profile.down, seed.wrapping_mul(2).wrapping_add(1), now),
            front,
            back,
            bot: None,
            node: None,
            clock,
        };
        tokio::spawn(task.run(inbox, publish));
        Ok(Self { address, outside, orders, fates })
    }

    /// Where the bot sends.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the node sees the bot, until it is told to come from elsewhere.
    pub fn outside(&self) -> SocketAddr {
        self.outside
    }

    /// Tells where the node is; before that, what the bot sends is dropped.
    pub async fn lead_to(&self, node: SocketAddr) {
        self.tell(Order::Node(node)).await;
    }

    /// Puts another profile in place, both directions.
    pub async fn set_profile(&self, profile: Profile) {
        self.tell(Order::Profile(Box::new(profile))).await;
    }

    /// Comes to the node from another port from now on, as a NAT that lost its binding.
    pub async fn rebind(&self) {
        self.tell(Order::Rebind).await;
    }

    async fn tell(&self, order: Order) {
        // The task lives as long as `self`: it ends only when this sender is dropped.
        let _ = self.orders.send(order).await;
    }

    /// What became of datagrams towards the node, and towards the bot; at most 100 ms old.
    pub fn fates(&self) -> (Fates, Fates) {
        *self.fates.borrow()
    }
}

struct Task {
    up: Way<Bytes>,
    down: Way<Bytes>,
    front: UdpSocket,
    back: UdpSocket,
    bot: Option<SocketAddr>,
    node: Option<SocketAddr>,
    clock: Clock,
}

impl Task {
    async fn run(mut self, mut inbox: mpsc::Receiver<Order>, publish: watch::Sender<(Fates, Fates)>) {
        let mut from_bot = [0; DATAGRAM_BYTES_MAX];
        let mut from_node = [0; DATAGRAM_BYTES_MAX];
        let mut report = tokio::time::interval(Duration::from_millis(100));
        loop {
            let due = [self.up.next_due(), self.down.next_due()].into_iter().flatten().min();
            tokio::select! {
                // In this order: an order holds for every datagram that comes after it.
                biased;
                order = inbox.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => return,
                },
                // A datagram socket's errors are a peer's ICMP: nothing to do but to go on.
                Ok((len, source)) = self.front.recv_from(&mut from_bot) => {
                    self.bot = Some(source);
                    self.up.push(self.clock.now(), len, Bytes::copy_from_slice(&from_bot[..len]));
                }
                Ok((len, source)) = self.back.recv_from(&mut from_node) => if self.node == Some(source) {
                    self.down.push(self.clock.now(), len, Bytes::copy_from_slice(&from_node[..len]));
                },
                () = wait_until(self.clock, due.unwrap_or(Mono::ZERO)), if due.is_some() => {}
                _ = report.tick() => { publish.send_replace((self.up.fates(), self.down.fates())); }
            }
            self.deliver().await;
        }
    }

    async fn deliver(&mut self) {
        let now = self.clock.now();
        while let Some(datagram) = self.up.pop(now) {
            if let Some(node) = self.node {
                let _ = self.back.send_to(&datagram, node).await;
            }
        }
        while let Some(datagram) = self.down.pop(now) {
            if let Some(bot) = self.bot {
                let _ = self.front.send_to(&datagram, bot).await;
            }
        }
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Node(node) => self.node = Some(node),
            Order::Profile(profile) => {
                let now = self.clock.now();
                self.up.set_line(profile.up, now);
                self.down.set_line(profile.down, now);
            }
            Order::Rebind => {
                let ip = self.back.local_addr().map(|address| address.ip());
                if let Ok(ip) = ip
                    && let Ok(fresh) = UdpSocket::bind((ip, 0)).await
                {
                    self.back = fresh;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn datagrams_pass_both_ways_and_a_rebinding_changes_the_port_seen() {
        let node = UdpSocket::bind((LOCAL, 0)).await.unwrap();
        let bot = UdpSocket::bind((LOCAL, 0)).await.unwrap();
        let relay = Relay::start("direct".parse().unwrap(), 1, LOCAL, Clock::start()).await.unwrap();
        relay.lead_to(node.local_addr().unwrap()).await;
        let mut buffer = [0; 64];
        let mut ports = Vec::new();
        for round in 0..2u8 {
            bot.send_to(&[round; 10], relay.address()).await.unwrap();
            let (len, source) = node.recv_from(&mut buffer).await.unwrap();
            assert_eq!(buffer[..len], [round; 10]);
            node.send_to(&[round; 20], source).await.unwrap();
            let (len, source_of_reply) = bot.recv_from(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..len], source_of_reply), (&[round; 20][..], relay.address()));
            ports.push(source.port());
            relay.rebind().await;
        }
        assert_ne!(ports[0], ports[1]);
    }
}
