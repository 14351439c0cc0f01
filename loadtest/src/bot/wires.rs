//! The sockets of one participant: one for everything, or one for each media line of a call, each perhaps with a relay before it.
//!
//! Flow: network <-> **here** <-> `life`. Thread: the bot's task. Bound: [`WIRES_MAX`].

use super::Network;
use crate::clock::Clock;
use crate::relay::profile::Profile;
use crate::relay::socket::Relay;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

/// Sound and picture of a call.
pub(super) const WIRES_MAX: usize = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct Wires(Vec<Wire>);

#[derive(Debug)]
struct Wire {
    socket: UdpSocket,
    relay: Option<Relay>,
}

impl Wires {
    /// Opens `count` of them on `ip`, each through a relay of its own where there is a bad network.
    ///
    /// # Errors
    /// Those of the kernel.
    pub(super) async fn open(
        ip: IpAddr,
        count: usize,
        network: Option<&Network>,
        clock: Clock,
    ) -> io::Result<Self> {
        let mut wires = Vec::with_capacity(WIRES_MAX);
        for wire in 0..count.min(WIRES_MAX) {
            let socket = UdpSocket::bind((ip, 0)).await?;
            let relay = match network {
                // Each its own chances.
                Some(Network { profile, seed }) => {
                    Some(Relay::start(profile.clone(), seed.wrapping_add(wire as u64), ip, clock).await?)
                }
                None => None,
            };
            wires.push(Wire { socket, relay });
        }
        Ok(Self(wires))
    }

    /// The address of a wire's socket.
    ///
    /// # Errors
    /// Those of the kernel.
    pub(super) fn local(&self, wire: usize) -> io::Result<SocketAddr> {
        self.0[wire].socket.local_addr()
    }

    /// Where the far end sees each of them.
    ///
    /// # Errors
    /// Those of the kernel.
    pub(super) fn outside(&self) -> io::Result<Vec<SocketAddr>> {
        let outside = |wire: &Wire| match &wire.relay {
            Some(relay) => Ok(relay.outside()),
            None => wire.socket.local_addr(),
        };
        self.0.iter().map(outside).collect()
    }

    /// A wire's relay.
    pub(super) fn relay(&self, wire: usize) -> Option<&Relay> {
        self.0[wire].relay.as_ref()
    }

    /// Puts another profile in place on every relay.
    pub(super) async fn set_profile(&self, profile: &Profile) {
        for relay in self.0.iter().filter_map(|wire| wire.relay.as_ref()) {
            relay.set_profile(profile.clone()).await;
        }
    }

    /// Lets every relay come to the far end from another port.
    pub(super) async fn rebind(&self) {
        for relay in self.0.iter().filter_map(|wire| wire.relay.as_ref()) {
            relay.rebind().await;
        }
    }

    /// The next datagram: by which wire, how long, from whom. Cancel safe.
    ///
    /// # Errors
    /// Those of a socket, which are some datagram's ICMP.
    pub(super) async fn recv(&self, buffer: &mut [u8]) -> io::Result<(usize, usize, SocketAddr)> {
        std::future::poll_fn(|context| {
            for (wire, Wire { socket, .. }) in self.0.iter().enumerate() {
                let mut read = ReadBuf::new(buffer);
                if let Poll::Ready(from) = socket.poll_recv_from(context, &mut read) {
                    let len = read.filled().len();
                    return Poll::Ready(from.map(|from| (wire, len, from)));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// As [`Self::recv`], of what waits already.
    pub(super) fn try_recv(&self, buffer: &mut [u8]) -> Option<(usize, usize, SocketAddr)> {
        self.0.iter().enumerate().find_map(|(wire, Wire { socket, .. })| {
            let (len, from) = socket.try_recv_from(buffer).ok()?;
            Some((wire, len, from))
        })
    }

    /// Sends a datagram. A full socket buffer loses it, as any network may.
    pub(super) async fn send(&self, wire: usize, bytes: &[u8], to: SocketAddr) {
        let _ = self.0[wire].socket.send_to(bytes, to).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_says_by_which_wire_and_each_has_an_outside() {
        let ip = IpAddr::from([127, 0, 0, 1]);
        let network = Network { profile: "direct".parse().expect("a preset"), seed: 1 };
        let direct = Wires::open(ip, 2, None, Clock::start()).await.expect("free ports");
        let led = Wires::open(ip, 2, Some(&network), Clock::start()).await.expect("free ports");
        let far = UdpSocket::bind((ip, 0)).await.expect("a free port");
        let mut buffer = [0; 64];
        for wire in [1, 0] {
            let outside = direct.outside().expect("bound")[wire];
            assert_eq!(Some(outside), direct.local(wire).ok());
            far.send_to(&[7; 9], outside).await.expect("loopback");
            let (by, len, _) = direct.recv(&mut buffer).await.expect("it came");
            assert_eq!((by, len), (wire, 9));

            // Behind a relay the far end answers to where it sees it, and it is another address than our own.
            let relay = led.relay(wire).expect("there is one");
            relay.lead_to(far.local_addr().expect("bound")).await;
            led.send(wire, &[5; 4], relay.address()).await;
            let (_, seen) = far.recv_from(&mut buffer).await.expect("it came");
            assert_eq!(seen, led.outside().expect("bound")[wire]);
            assert_ne!(Some(seen), led.local(wire).ok());
            far.send_to(&[8; 3], seen).await.expect("loopback");
            let (by, len, from) = led.recv(&mut buffer).await.expect("it came");
            assert_eq!((by, len, from), (wire, 3, relay.address()));
        }
        assert_eq!(direct.try_recv(&mut buffer), None, "nothing waits");
    }
}
