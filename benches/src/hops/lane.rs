//! Hops `lane` and `open`: units into a decoder's queue and out of it, and opened by their conference's token.

use super::{Case, Idle, Work, stream};
use crate::meeting::CONFERENCE;
use crate::streams::{FPS, Stream};
use codecs::lane::{LaneDecoder, LaneSender, Pushed, lane};
use mcu_core::hop::Hop;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::unit::{AccessUnit, Sealed};
use mcu_core::privacy::{Ledger, Plaintext, Purpose};
use std::hint::black_box;
use std::sync::Arc;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new(Hop::Lane, "queue and job, nothing decoded", (FPS, "unit"), Lane::new),
        Case::new(Hop::Open, "own conference", (FPS, "unit"), Open::new),
    ]
}

/// The first second of a stream, again and again: it begins with a key frame.
struct Second {
    stream: Stream,
    units: Vec<AccessUnit<Sealed>>,
}

impl Second {
    fn new() -> Self {
        let stream = stream(1, VideoCodec::Vp8, 360);
        Self { stream, units: Vec::new() }
    }

    fn fill(&mut self) {
        self.units.extend((0..FPS).filter_map(|tick| self.stream.unit(tick)));
    }
}

fn token() -> Plaintext {
    Ledger::new().issue(CONFERENCE, Purpose::Mixing)
}

struct Lane {
    second: Second,
    sender: LaneSender,
    decoder: LaneDecoder,
    token: Plaintext,
}

impl Lane {
    fn new() -> Self {
        let (sender, decoder) = lane(Arc::new(Idle));
        Self { second: Second::new(), sender, decoder, token: token() }
    }
}

impl Work for Lane {
    fn prepare(&mut self) {
        self.second.fill();
    }

    fn run(&mut self) {
        for unit in self.second.units.drain(..) {
            assert_eq!(self.sender.push(unit), Pushed::Queued { wake: true });
            black_box(self.decoder.run(&self.token, &mut |_| unreachable!("nothing is decoded")));
        }
    }
}

struct Open {
    second: Second,
    token: Plaintext,
}

impl Open {
    fn new() -> Self {
        Self { second: Second::new(), token: token() }
    }
}

impl Work for Open {
    fn prepare(&mut self) {
        self.second.fill();
    }

    fn run(&mut self) {
        for unit in self.second.units.drain(..) {
            black_box(self.token.open(unit).expect("its own conference"));
        }
    }
}
