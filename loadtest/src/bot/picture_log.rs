//! Which picture was sent and seen when, and what it was drawn like: what makes glass-to-glass latency and likeness measurable.
//!
//! Flow: `life` and `receive` write -> **here** -> `receive` reads ages, `mcu-load` writes the sightings to a file, in the
//! time of day, so that they can be compared with what other processes of this machine saw. Bounds: one moment per frame
//! number of a loop and sender (a loop repeats its numbers; the newest sending counts), `SIGHTINGS_MAX` sightings.

use crate::clock::Clock;
use crate::media::barcode::{NUMBERS, SenderId};
use crate::media::picture::Scenery;
use mcu_core::media::frame::Size;
use mcu_core::time::Mono;
use serde::Serialize;
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Twenty minutes of four bots that see three others each, 24 bytes a piece; then the first ones stand for all.
const SIGHTINGS_MAX: usize = 600_000;

/// How a picture was drawn, besides its sender and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    /// What it shows.
    pub scenery: Scenery,
    /// At which size it was sent.
    pub size: Size,
}

type Sent = Box<[Option<(Mono, Drawn)>]>;

/// The log; cloning shares it. Locked for a few nanoseconds per picture, in a client.
#[derive(Debug, Clone, Default)]
pub struct PictureLog(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    sent: HashMap<SenderId, Sent>,
    sightings: Vec<Sighting>,
}

#[derive(Debug, Clone, Copy)]
struct Sighting {
    at: Mono,
    sender: SenderId,
    number: u16,
    by: Option<SenderId>,
}

/// One line of the file.
#[derive(Debug, Serialize)]
struct Line {
    unix_ms: u64,
    sender: SenderId,
    number: u16,
    /// Who saw it; the sender itself when it was sent.
    by: SenderId,
}

impl PictureLog {
    /// Notes that `sender` sent picture `number`, `drawn` like that, at `at`.
    pub fn sent(&self, sender: SenderId, number: u16, drawn: Drawn, at: Mono) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = entries.sent.entry(sender).or_insert_with(|| vec![None; usize::from(NUMBERS)].into());
        sent[usize::from(number % NUMBERS)] = Some((at, drawn));
        entries.keep(Sighting { at, sender, number, by: None });
    }

    /// Notes that bot `by` saw picture `number` of `sender` at `at`. Its age, if `sender` is in this process.
    pub fn seen(&self, sender: SenderId, number: u16, by: SenderId, at: Mono) -> Option<Duration> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.keep(Sighting { at, sender, number, by: Some(by) });
        entries.sent.get(&sender)?[usize::from(number % NUMBERS)].map(|(sent, _)| at.since(sent))
    }

    /// How picture `number` of `sender` was drawn the last time that it was sent, if `sender` is in this process.
    pub fn drawn(&self, sender: SenderId, number: u16) -> Option<Drawn> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.sent.get(&sender)?[usize::from(number % NUMBERS)].map(|(_, drawn)| drawn)
    }

    /// Writes all sightings as JSON, one a line: `{"unix_ms":…,"sender":14,"number":12,"by":20}`. Where `by` is the
    /// sender, that is the moment of sending.
    ///
    /// # Errors
    /// When `to` cannot be written.
    pub fn write(&self, clock: Clock, to: &mut impl Write) -> io::Result<()> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for Sighting { at, sender, number, by } in entries.sightings.iter().copied() {
            let line = Line { unix_ms: clock.unix_ms(at), sender, number, by: by.unwrap_or(sender) };
            serde_json::to_writer(&mut *to, &line)?;
            to.write_all(b"\n")?;
        }
        Ok(())
    }
}

impl Entries {
    fn keep(&mut self, sighting: Sighting) {
        if self.sightings.len() < SIGHTINGS_MAX {
            self.sightings.push(sighting);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWN: Drawn = Drawn { scenery: Scenery::TalkingHead, size: Size::new(320, 180) };

    #[test]
    fn the_newest_sending_of_a_number_counts() {
        let log = PictureLog::default();
        log.sent(SenderId(1), 5, DRAWN, Mono::from_millis(100));
        let larger = Drawn { size: Size::new(640, 360), ..DRAWN };
        log.sent(SenderId(1), 5, larger, Mono::from_millis(20_100));
        assert_eq!((log.drawn(SenderId(1), 5), log.drawn(SenderId(1), 6)), (Some(larger), None));
        let seen =
            |sender, number| log.seen(SenderId(sender), number, SenderId(3), Mono::from_millis(20_250));
        assert_eq!(seen(1, 5), Some(Duration::from_millis(150)));
        assert_eq!(seen(1, 6), None);
        assert_eq!(seen(2, 5), None);
    }

    #[test]
    fn sightings_are_written_one_a_line_in_the_time_of_day() {
        let (log, clock) = (PictureLog::default(), Clock::start());
        log.sent(SenderId(1), 5, DRAWN, Mono::from_millis(100));
        log.seen(SenderId(1), 5, SenderId(2), Mono::from_millis(250));
        let mut file = Vec::new();
        log.write(clock, &mut file).unwrap();
        let lines: Vec<serde_json::Value> =
            file.split_inclusive(|b| *b == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect();
        let origin = clock.unix_ms(Mono::ZERO);
        assert_eq!(lines[0], serde_json::json!({"unix_ms": origin + 100, "sender": 1, "number": 5, "by": 1}));
        assert_eq!(lines[1], serde_json::json!({"unix_ms": origin + 250, "sender": 1, "number": 5, "by": 2}));
        assert_eq!(lines.len(), 2);
    }
}
