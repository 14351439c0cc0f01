//! The floor line of a call: what its device says by BFCP, and what it is told.
//!
//! Flow: `port` -> **here** -> the call, which asks the meeting; the meeting's `floor` events -> **here** -> the device. Thread: the call's own
//! task. Bounds: those of `port` and `server`. Nothing is ever sent where nothing with the call's numbers came from.

use super::message::Message;
use super::port::{Back, FloorPort, Said};
use super::server::{Asked, FloorServer, Holder, Numbers, Transport};
use crate::command::FloorTold;
use crate::state::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Our one floor (RFC 8856 §5.4).
const FLOOR: u16 = 1;
/// Numbers that are tried for a call before it goes without: with a thousand calls, a second is needed once in four million.
const TRIES: usize = 4;
/// A line with nothing to send again sleeps this long at a time.
const NOTHING_DUE: Duration = Duration::from_secs(3_600);

/// The floor as one call's device knows it.
#[derive(Debug)]
pub(in crate::sip) struct FloorLine {
    port: Arc<FloorPort>,
    numbers: Numbers,
    said: mpsc::Receiver<Said>,
    server: FloorServer,
    /// Where its last message came from.
    back: Option<Back>,
}

impl FloorLine {
    /// A line for a call that begins, with numbers that nobody guesses.
    pub(in crate::sip) fn open(port: &Arc<FloorPort>) -> Option<Self> {
        let mut numbers =
            (0..TRIES).map(|_| Numbers { conference: rand::random(), user: rand::random(), floor: FLOOR });
        let (numbers, said) = numbers.find_map(|numbers| Some((numbers, port.open(numbers.conference)?)))?;
        let server = FloorServer::new(numbers);
        Some(Self { port: Arc::clone(port), numbers, said, server, back: None })
    }

    /// What SDP says of it.
    pub(in crate::sip) fn told(&self) -> FloorTold {
        let Numbers { conference, user, floor } = self.numbers;
        FloorTold { port: self.port.port(), conference, user, floor }
    }

    /// What the device asks next. May be dropped and called again at any time.
    pub(in crate::sip) async fn asked(&mut self, clock: &Clock) -> Asked {
        loop {
            let now = clock.mono();
            self.send(clock);
            let due = self.server.next_timeout().map_or(NOTHING_DUE, |at| at.since(now));
            tokio::select! {
                // The port holds the other end for as long as this line is open.
                Some(said) = self.said.recv() => {
                    if let Some(asked) = self.take(said, clock) {
                        return asked;
                    }
                }
                () = sleep(due) => {}
            }
        }
    }

    fn take(&mut self, said: Said, clock: &Clock) -> Option<Asked> {
        let Said { bytes, back } = said;
        // What waits is for the device.
        self.send(clock);
        let transport = match back {
            Back::Datagrams(..) => Transport::Unreliable,
            Back::Connection(_) => Transport::Reliable,
        };
        if self.is_ours(&bytes) {
            self.back = Some(back.clone());
        }
        let now = clock.mono();
        let asked = self.server.take(now, transport, &bytes);
        // Whoever said it is answered, were it not even the device.
        while let Some(bytes) = self.server.poll(now) {
            self.deliver(&back, bytes);
        }
        asked
    }

    fn is_ours(&self, bytes: &[u8]) -> bool {
        Message::parse(bytes).is_ok_and(|message| message.header.user == self.numbers.user)
    }

    /// Who shares now.
    pub(in crate::sip) fn tell(&mut self, holder: Holder, clock: &Clock) {
        self.server.tell(clock.mono(), holder);
        self.send(clock);
    }

    /// The device may not share.
    pub(in crate::sip) fn refuse(&mut self, clock: &Clock) {
        self.server.refuse(clock.mono());
        self.send(clock);
    }

    fn send(&mut self, clock: &Clock) {
        while let Some(bytes) = self.server.poll(clock.mono()) {
            if let Some(back) = &self.back {
                self.deliver(back, bytes);
            }
        }
    }

    fn deliver(&self, back: &Back, bytes: Vec<u8>) {
        if !back.send(bytes) {
            self.port.dropped();
        }
    }
}

impl Drop for FloorLine {
    fn drop(&mut self) {
        self.port.close(self.numbers.conference);
    }
}
