//! Telephone events: the keys of a device, each told once however many packets repeat it (RFC 4733 §2.5).
//!
//! Flow: packets of the payload type agreed for events -> [`TelephoneEvents::take`] -> `PeerEvent::Digit`. Thread: io. Pure. Bound: a
//! key in [`KEY_INTERVAL_MIN`]; nobody dials faster. Lost packets lose a key only when all of an event are lost.

use mcu_core::conference::keypad::Digit;
use mcu_core::time::Mono;
use std::time::Duration;

/// The shortest tone that a telephone network takes for a key (ITU-T Q.24).
pub const KEY_INTERVAL_MIN: Duration = Duration::from_millis(40);

/// The longest duration that a packet can say: an event that lasts longer goes on in another one (RFC 4733 §2.5.1.3).
const SEGMENT_UNITS: u32 = 0xffff;

/// The events of one stream.
#[derive(Debug, Default)]
pub struct TelephoneEvents {
    last: Option<Last>,
}

/// The event told last.
#[derive(Debug, Clone, Copy)]
struct Last {
    code: u8,
    /// RTP timestamp of its beginning, or of that of its last segment.
    timestamp: u32,
    told: Mono,
    over: bool,
}

impl TelephoneEvents {
    /// Takes the payload of an event packet; the key, if it begins one. What cannot be read, is no key, or is old, is nothing.
    pub fn take(&mut self, timestamp: u32, payload: &[u8], now: Mono) -> Option<Digit> {
        let [code, flags, _, _] = *payload.first_chunk()?;
        let digit = Digit::of_event(code)?;
        let over = flags & 0x80 != 0;
        if let Some(last) = &mut self.last {
            let later = timestamp.wrapping_sub(last.timestamp);
            if later == 0 {
                last.over |= over;
                return None;
            }
            if later > u32::MAX / 2 {
                return None;
            }
            if later == SEGMENT_UNITS && code == last.code && !last.over {
                (last.timestamp, last.over) = (timestamp, over);
                return None;
            }
            if now.since(last.told) < KEY_INTERVAL_MIN {
                return None;
            }
        }
        self.last = Some(Last { code, timestamp, told: now, over });
        Some(digit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Mono {
        Mono::from_millis(ms)
    }

    const fn packet(code: u8, over: bool, duration: u16) -> [u8; 4] {
        let [high, low] = duration.to_be_bytes();
        [code, if over { 0x8a } else { 0x0a }, high, low]
    }

    #[test]
    fn a_key_is_told_once_whichever_of_its_packets_arrive() {
        for lost in 0..6_usize {
            let mut events = TelephoneEvents::default();
            let mut told = Vec::new();
            for (at, key) in [5_u8, 5, 11].into_iter().enumerate() {
                let timestamp = (at as u32 * 4_000).wrapping_sub(1_000);
                for n in (0..6).filter(|n| *n != lost) {
                    let now = ms(at as u64 * 500 + 20 * n as u64);
                    let payload = packet(key, n >= 3, 160 * (n as u16 + 1));
                    told.extend(events.take(timestamp, &payload, now).map(Digit::as_char));
                }
            }
            assert_eq!(told, ['5', '5', '#'], "packet {lost} lost");
        }
    }

    #[test]
    fn a_key_that_is_held_is_one_and_pressed_again_two() {
        let held = |ended: bool| {
            let mut events = TelephoneEvents::default();
            let first = events.take(1_000, &packet(7, ended, 0xffff), ms(0));
            let second = events.take(1_000 + SEGMENT_UNITS, &packet(7, false, 160), ms(1_400));
            [first, second].into_iter().flatten().count()
        };
        assert_eq!((held(false), held(true)), (1, 2));
    }

    #[test]
    fn what_is_old_too_fast_too_short_or_no_key_is_nothing() {
        let mut events = TelephoneEvents::default();
        let mut take = |timestamp, payload: &[u8], at| events.take(timestamp, payload, ms(at)).is_some();
        assert!(!take(1_000, &packet(16, false, 160), 0), "a flash");
        assert!(!take(1_000, &[1, 10, 0], 0), "cut short");
        assert!(take(1_000, &packet(1, false, 160), 0), "the control");
        assert!(!take(900, &packet(2, false, 160), 100), "of the past");
        assert!(!take(2_000, &packet(2, false, 160), 39), "faster than anybody");
        assert!(take(2_000, &packet(2, false, 160), 40), "the same, a moment later");
    }
}
