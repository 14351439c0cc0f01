//! One stream of sound on its way into the mix: playout buffer, decoder, gain, level, fade.
//!
//! Thread: audio pool, owned by the conference's sound job. A stream that is neither mixed nor claims to be audible
//! is not decoded: its last packets wait, and decoding starts from them when it becomes audible.

use super::super::intake::SoundFeed;
use super::super::totals::MediaTotals;
use super::decoders::Decoders;
use codecs::registry::CodecFactory;
use mcu_core::conference::mixing::{SILENT_DBOV, StreamLevel};
use mcu_core::id::{SourceId, SourceKind};
use mcu_core::media::samples::{Block, SILENCE};
use mcu_core::time::Mono;
use mixer::audio::gain::AutoGain;
use mixer::audio::level;
use mixer::audio::mix::{self, Fade};
use std::sync::Arc;
use std::time::Duration;
use transport::receive::playout::{SoundBuffer, SoundCounters};

/// A level claimed within this time wakes the decoder.
const CLAIM_HELD: Duration = Duration::from_millis(300);

/// Claims softer than this (RFC 6464, -dBov) wake nobody.
const CLAIM_DBOV_MIN: u8 = 60;

/// One stream.
pub(super) struct Ear {
    pub(super) source: SourceId,
    feed: SoundFeed,
    buffer: SoundBuffer,
    decoders: Decoders,
    gain: AutoGain,
    fade: Fade,
    block: Block,
    /// Its part of the sum now; `None` while it has none.
    in_sum: bool,
    dbov: f32,
    /// When it last claimed to be audible; `None` after packets without any claim.
    claimed: Claim,
    /// The buffer's counts when they were last added to the node's.
    counted: SoundCounters,
}

enum Claim {
    /// Nothing came yet.
    Nothing,
    /// Its packets carry no level: it must be decoded to be judged.
    Unknown,
    /// The last moment it claimed something to hear.
    Audible(Mono),
}

impl Ear {
    pub(super) fn new(source: SourceId, feed: SoundFeed, codecs: Arc<dyn CodecFactory>) -> Self {
        Self {
            source,
            feed,
            buffer: SoundBuffer::new(),
            decoders: Decoders::new(codecs),
            gain: AutoGain::new(),
            fade: Fade::new(),
            block: SILENCE,
            in_sum: false,
            dbov: SILENT_DBOV,
            claimed: Claim::Nothing,
            counted: SoundCounters::default(),
        }
    }

    /// Moves what has arrived into the playout buffer.
    pub(super) fn take_packets(&mut self, now: Mono) {
        while let Some(arrival) = self.feed.packets.pop() {
            match arrival.level_dbov {
                None => self.claimed = Claim::Unknown,
                Some(level) if level <= CLAIM_DBOV_MIN => self.claimed = Claim::Audible(now),
                Some(_) => {}
            }
            self.buffer.push(arrival.packet);
        }
        self.buffer.set_floor(self.feed.floor());
    }

    fn claims_audible(&self, now: Mono) -> bool {
        match self.claimed {
            Claim::Nothing => false,
            Claim::Unknown => true,
            Claim::Audible(at) => now.since(at) <= CLAIM_HELD,
        }
    }

    /// The next 10 ms: decoded when the stream is `mixed` or might have to be, skipped otherwise.
    pub(super) fn pull(&mut self, now: Mono, mixed: bool) {
        if mixed || self.in_sum || self.claims_audible(now) {
            self.buffer.pull(now, &mut self.decoders, &mut self.block);
            mix::sanitise(&mut self.block);
            self.dbov = level::level_dbov(&self.block);
            if self.source.kind == SourceKind::Main {
                self.gain.process(&mut self.block);
            }
        } else {
            self.buffer.skip(now);
            self.block = SILENCE;
            self.dbov = SILENT_DBOV;
        }
        self.feed.set_needed(self.buffer.target());
    }

    /// What the ranking is told.
    pub(super) fn level(&self) -> StreamLevel {
        StreamLevel::measured(self.source, self.dbov)
    }

    /// Adds what was played, made up and stretched since the last time.
    pub(super) fn count(&mut self, totals: &MediaTotals) {
        let now = self.buffer.counters();
        let before = std::mem::replace(&mut self.counted, now);
        totals.sound_samples.add(now.total_samples - before.total_samples);
        totals.sound_concealed.add(now.concealed_samples - before.concealed_samples);
        totals.sound_removed.add(now.accelerated_samples - before.accelerated_samples);
        totals.sound_inserted.add(now.expanded_samples - before.expanded_samples);
        totals.sound_errors.add(self.decoders.take_errors());
    }

    /// Fades the block in or out as the choice of the audible says.
    pub(super) fn fade(&mut self, audible: bool) {
        self.in_sum = self.fade.fade(audible, &mut self.block);
    }

    /// Its part of the sum, if it has one.
    pub(super) fn heard(&self) -> Option<&Block> {
        self.in_sum.then_some(&self.block)
    }
}
