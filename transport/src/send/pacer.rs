//! Pacer: lets the packets of pictures out evenly, where the association's library does not (SIP legs).
//!
//! Flow: `peer/sip` -> **here** -> `io/`. Thread: io. Bound: `UNSENT_MAX` packets; a caller that heeds [`Pacer::delay`] never gets near.
//! A key frame of fifty packets at once overflows the queue of a narrow way, and is lost in its middle. Sound is never paced.

use crate::peer::Transmit;
use mcu_core::time::Mono;
use std::collections::VecDeque;
use std::time::Duration;

/// Packets that may wait: half a second at 20 Mbit/s.
const UNSENT_MAX: usize = 1_024;
/// How much faster than the estimate packets leave: a picture is through well before the next.
const SPEED_PERCENT: u64 = 250;
/// What may leave at once after a pause.
const BURST: Duration = Duration::from_millis(5);

/// The packets of one association that wait.
#[derive(Debug)]
pub struct Pacer {
    waiting: VecDeque<(Mono, Transmit)>,
    /// When the next may leave.
    next: Mono,
    kbps: u32,
}

impl Pacer {
    /// An empty one for a way of `kbps`.
    pub fn new(kbps: u32) -> Self {
        Self { waiting: VecDeque::with_capacity(64), next: Mono::ZERO, kbps: kbps.max(1) }
    }

    /// The way has become wider or narrower.
    pub const fn set_kbps(&mut self, kbps: u32) {
        self.kbps = if kbps == 0 { 1 } else { kbps };
    }

    /// Whether it takes no more.
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= UNSENT_MAX
    }

    /// Queues a packet. The caller has asked [`Self::is_full`].
    pub fn push(&mut self, packet: Transmit, now: Mono) {
        self.waiting.push_back((now, packet));
    }

    /// The next packet that may leave at `now`.
    pub fn pop(&mut self, now: Mono) -> Option<Transmit> {
        if self.next > now {
            return None;
        }
        let (_, packet) = self.waiting.pop_front()?;
        let nanos = packet.bytes.len() as u64 * 8_000_000 * 100 / (u64::from(self.kbps) * SPEED_PERCENT);
        self.next = self.next.max(now.before(BURST)) + Duration::from_nanos(nanos);
        Some(packet)
    }

    /// Age of the packet that has waited longest; zero when none does.
    pub fn delay(&self, now: Mono) -> Duration {
        self.waiting.front().map_or(Duration::ZERO, |(since, _)| now.since(*since))
    }

    /// When the next packet may leave; `None` when none waits.
    pub fn deadline(&self) -> Option<Mono> {
        (!self.waiting.is_empty()).then_some(self.next)
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Proto;
    use bytes::Bytes;

    fn packet() -> Transmit {
        let address = ([127, 0, 0, 1], 1).into();
        Transmit {
            proto: Proto::Udp,
            source: address,
            destination: address,
            bytes: Bytes::from_static(&[0; 1_000]),
        }
    }

    #[test]
    fn packets_leave_at_two_and_a_half_times_the_ways_rate() {
        // 1 000 bytes at 2.5 times 1 000 kbit/s: 3.2 ms each.
        let mut pacer = Pacer::new(1_000);
        let start = Mono::from_millis(1_000);
        (0..10).for_each(|_| pacer.push(packet(), start));
        let mut left = Vec::new();
        let mut now = start;
        while let Some(at) = pacer.deadline() {
            now = now.max(at);
            while pacer.pop(now).is_some() {
                left.push(now.since(start).as_micros());
            }
        }
        assert_eq!(left, [0, 0, 1_400, 4_600, 7_800, 11_000, 14_200, 17_400, 20_600, 23_800]);
        assert_eq!(pacer.delay(now), Duration::ZERO);
    }

    #[test]
    fn it_is_full_at_its_bound_and_tells_how_long_the_first_has_waited() {
        let mut pacer = Pacer::new(64);
        let start = Mono::from_millis(1_000);
        while !pacer.is_full() {
            pacer.push(packet(), start);
        }
        assert_eq!(pacer.waiting.len(), UNSENT_MAX);
        assert!(pacer.pop(start).is_some());
        assert_eq!(pacer.delay(start + Duration::from_millis(30)), Duration::from_millis(30));
        pacer.clear();
        assert_eq!((pacer.deadline(), pacer.delay(start)), (None, Duration::ZERO));
    }
}
