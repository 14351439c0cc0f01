//! The received sound: how loud each voice is in it, how late, and how far from the picture.
//!
//! Flow: packets -> `playout` -> `tone` and `beep` -> `report::Sound`. Thread: the measuring one. Bound: `AGES_MAX` latencies a sender.

use super::report_line::ReportLine;
use crate::bot::beep_log::BeepLog;
use crate::bot::playout::{Playout, PlayoutCounters};
use crate::bot::report::{Sound, Spread, Tone};
use crate::media::barcode::SenderId;
use crate::media::beep::BeepMeter;
use crate::media::sound::tone_hz;
use crate::media::tone::ToneMeter;
use codecs::registry::{CodecFactory, NativeCodecs};
use codecs::sound::{SoundDecodeError, SoundDecoder};
use mcu_core::media::codec::AudioCodec;
use mcu_core::media::packet::Packet;
use mcu_core::time::{ClockRate, Mono};
use std::collections::HashMap;

/// Louder than this is sound: -70 dBFS.
const SOUND_MIN: f32 = 0.000_3;
/// Latencies kept per sender: ten minutes of beeps, then the first ones stand for all.
const AGES_MAX: usize = 600;

/// What was heard of one voice's beeps.
#[derive(Debug, Default)]
struct Heard {
    ages_ms: Vec<u32>,
    /// See [`ReportLine::lead_us`].
    leads_us: Vec<i64>,
}

/// Hears the mix.
pub(super) struct Ears {
    playout: Playout,
    decoder: Box<dyn SoundDecoder>,
    tones: Vec<SenderId>,
    meter: ToneMeter,
    beeps: BeepMeter,
    said: BeepLog,
    line: ReportLine,
    heard: HashMap<SenderId, Heard>,
    first_sound: Option<Mono>,
    /// Counts at the last [`Self::forget`].
    before: PlayoutCounters,
}

impl Ears {
    pub(super) fn new(
        own: SenderId,
        sound: AudioCodec,
        tones: &[SenderId],
        said: BeepLog,
    ) -> Result<Self, SoundDecodeError> {
        let mut tones = tones.to_vec();
        tones.push(own);
        tones.sort_unstable();
        tones.dedup();
        Ok(Self {
            meter: ToneMeter::new(tones.iter().map(|sender| tone_hz(*sender))),
            beeps: BeepMeter::new(&tones),
            decoder: NativeCodecs.sound_decoder(sound)?,
            playout: Playout::default(),
            tones,
            said,
            line: ReportLine::new(ClockRate::OPUS),
            heard: HashMap::new(),
            first_sound: None,
            before: PlayoutCounters::default(),
        })
    }

    pub(super) fn push(&mut self, packet: &Packet) {
        self.playout.push(packet);
    }

    /// Takes a sender report of the sound's stream.
    pub(super) fn report_of_sender(&mut self, ntp_us: i64, timestamp: u32) {
        self.line.report(ntp_us, timestamp);
    }

    pub(super) const fn first_sound(&self) -> Option<Mono> {
        self.first_sound
    }

    /// Plays and hears what is due by `now`.
    pub(super) fn listen(&mut self, now: Mono) {
        let Self { playout, decoder, meter, beeps, said, line, heard, first_sound, .. } = self;
        playout.play(now, decoder.as_mut(), |piece, pcm| {
            if first_sound.is_none() && pcm.iter().any(|sample| sample.abs() > SOUND_MIN) {
                *first_sound = Some(now);
            }
            meter.push(pcm);
            beeps.push(piece.timestamp, pcm, |beep| {
                let at = piece.moment_of(beep.begin);
                let Some(said) = said.said_before(beep.sender, at) else { return };
                let heard = heard.entry(beep.sender).or_default();
                if heard.ages_ms.len() < AGES_MAX {
                    heard.ages_ms.push(at.since(said).as_millis() as u32);
                    heard.leads_us.extend(line.lead_us(beep.begin as u32, said));
                }
            });
        });
    }

    pub(super) fn forget(&mut self) {
        self.meter.forget();
        self.heard.clear();
        self.before = self.playout.counters;
    }

    /// What was heard; `picture_lead_us` says of each sender how its pictures stand ([`ReportLine::lead_us`]).
    pub(super) fn report(&self, picture_lead_us: impl Fn(SenderId) -> Option<i64>) -> Sound {
        let now = self.playout.counters;
        let mut tones: Vec<Tone> = self
            .tones
            .iter()
            .zip(self.meter.levels())
            .filter(|(_, level)| level.windows > 0)
            .map(|(sender, level)| {
                let heard = self.heard.get(sender);
                let lead_us = heard.and_then(|heard| median(&heard.leads_us));
                let apart = picture_lead_us(*sender).zip(lead_us);
                Tone {
                    sender: *sender,
                    hz: level.hz,
                    level_db: f64::from(level.median_db),
                    peak_db: f64::from(level.peak_db),
                    windows: level.windows as u64,
                    age_ms: heard.map(|heard| Spread::of(&mut heard.ages_ms.clone())),
                    av_offset_ms: apart.map(|(picture, sound)| (picture - sound) as f64 / 1_000.0),
                }
            })
            .collect();
        tones.sort_by(|a, b| b.level_db.total_cmp(&a.level_db));
        Sound {
            samples: now.samples - self.before.samples,
            concealed_samples: now.concealed_samples - self.before.concealed_samples,
            recovered_samples: now.recovered_samples - self.before.recovered_samples,
            gaps: now.gaps - self.before.gaps,
            tones,
        }
    }
}

/// The middle one; of an even number the higher of both.
pub(super) fn median(values: &[i64]) -> Option<i64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}
