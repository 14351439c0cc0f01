//! Hops `receive` and `send`: 40 full datagrams over loopback, each way of moving them, the other end's half not counted.

use super::{Case, Work};
use bytes::Bytes;
use mcu_core::hop::Hop;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::runtime::Runtime;
use transport::io::{Backend, DatagramIo, probe, ready};
use transport::peer::{Proto, Transmit};

/// Datagrams of one run: what a meeting of four gets in ten milliseconds, and less than any socket buffer holds.
const DATAGRAMS: u64 = 40;
/// Bytes of each: a full video packet.
const BYTES: usize = 1_200;

pub(super) fn cases() -> Vec<Case> {
    let batch =
        |hop| Case::new(hop, "batch", (DATAGRAMS, "datagram"), move || Loopback::new(hop == Hop::Send));
    vec![batch(Hop::Receive), batch(Hop::Send)]
}

/// Two sockets, on a runtime that only they use. io_uring runs inside a runtime of its own, which a bench cannot stop and
/// start: `mcu doctor` and the probe at start measure it.
struct Loopback {
    sends: bool,
    runtime: Runtime,
    sender: Box<dyn DatagramIo>,
    receiver: Box<dyn DatagramIo>,
    transmit: Transmit,
}

impl Loopback {
    fn new(sends: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let open = || {
            let _inside = runtime.enter();
            probe::open(Backend::Batch, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
                .expect("loopback is there")
        };
        let (sender, receiver) = (open(), open());
        let transmit = Transmit {
            proto: Proto::Udp,
            source: sender.local_addr(),
            destination: receiver.local_addr(),
            bytes: Bytes::from_static(&[0x80; BYTES]),
        };
        Self { sends, runtime, sender, receiver, transmit }
    }

    fn send(&mut self) {
        let _inside = self.runtime.enter();
        (0..DATAGRAMS).for_each(|_| self.sender.send(&self.transmit));
        self.sender.flush();
    }

    fn receive(&mut self) {
        let mut left = DATAGRAMS as usize;
        while left > 0 {
            self.runtime.block_on(ready(&mut *self.receiver)).expect("the socket is of use");
            let mut bytes = 0;
            let got = self.receiver.receive(&mut |datagram| bytes += datagram.bytes.len());
            assert_eq!(bytes, got * BYTES);
            left -= got;
        }
    }
}

impl Work for Loopback {
    fn prepare(&mut self) {
        if !self.sends {
            self.send();
        } else if self.sender.counters().sent > 0 {
            self.receive();
        }
    }

    fn run(&mut self) {
        if self.sends { self.send() } else { self.receive() }
    }
}
