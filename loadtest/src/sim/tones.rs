//! A sound codec without speech: a sender's packet names a tone, a mix's packet says how loud each tone is in it.
//!
//! Every tone is a whole number of periods in a packet, so that tones are apart in each packet alone.

use super::coded::Census;
use super::mark::PARTICIPANTS_MAX;
use codecs::opus::{FRAME_SAMPLES, SoundDecodeError, SoundDecoder, SoundEncodeError, SoundEncoder};
use mcu_core::id::{ParticipantId, SourceId, SourceKind};
use std::f64::consts::TAU;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Tones that there are: two for each participant.
const TONES: usize = 2 * PARTICIPANTS_MAX as usize;
/// Periods of tone 0 in a packet; each next one has `STEP` more.
const FIRST: usize = 8;
/// Periods from one tone to the next.
const STEP: usize = 3;
/// First byte of a sender's packet.
const SENT: u8 = b'T';
/// First byte of a mix's packet.
const MIXED: u8 = b'M';
/// Bytes of every packet: Opus at 32 kbit/s.
const PACKET_BYTES: usize = 80;
/// The level of nothing, in dB below a full-scale sine.
pub(super) const SILENT_DB: u8 = 127;

fn tone_of(source: SourceId) -> usize {
    let kind = usize::from(source.kind == SourceKind::Content);
    2 * (source.participant.0.clamp(1, PARTICIPANTS_MAX) as usize - 1) + kind
}

fn source_of(tone: usize) -> SourceId {
    let kind = if tone.is_multiple_of(2) { SourceKind::Main } else { SourceKind::Content };
    SourceId { participant: ParticipantId(tone as u64 / 2 + 1), kind }
}

fn angle(tone: usize, at: usize) -> f64 {
    ((FIRST + STEP * tone) * (at % FRAME_SAMPLES)) as f64 * TAU / FRAME_SAMPLES as f64
}

/// 20 ms of `source`'s tone; `volume` is a 256th of full scale.
pub(super) fn packet(source: SourceId, volume: u8) -> Vec<u8> {
    let mut packet = vec![SENT, tone_of(source) as u8, volume];
    packet.resize(PACKET_BYTES, 0);
    packet
}

/// How loud each source is in a mix's packet: dB below a full-scale sine; nothing unless it is such a packet.
pub(super) fn levels(packet: &[u8]) -> Option<impl Iterator<Item = (SourceId, u8)>> {
    let levels = packet.strip_prefix(&[MIXED])?.get(..TONES)?;
    Some(levels.iter().enumerate().map(|(tone, level)| (source_of(tone), *level)))
}

/// Decodes senders' packets.
#[derive(Debug, Default)]
pub(super) struct ToneDecoder {
    tone: usize,
    volume: f32,
    at: usize,
}

impl ToneDecoder {
    fn play(&mut self, out: &mut [f32]) {
        for sample in out {
            *sample = angle(self.tone, self.at).sin() as f32 * self.volume;
            self.at = (self.at + 1) % FRAME_SAMPLES;
        }
    }

    fn take(&mut self, packet: &[u8]) -> Result<(), SoundDecodeError> {
        match packet {
            [SENT, tone, volume, ..] if usize::from(*tone) < TONES => {
                (self.tone, self.volume, self.at) = (usize::from(*tone), f32::from(*volume) / 256.0, 0);
                Ok(())
            }
            _ => Err(SoundDecodeError::Packet { bytes: packet.len() }),
        }
    }
}

impl SoundDecoder for ToneDecoder {
    fn decode(&mut self, packet: &[u8], out: &mut [f32]) -> Result<usize, SoundDecodeError> {
        self.take(packet)?;
        self.play(&mut out[..FRAME_SAMPLES]);
        Ok(FRAME_SAMPLES)
    }

    fn decode_fec(
        &mut self,
        next_packet: &[u8],
        samples: usize,
        out: &mut [f32],
    ) -> Result<usize, SoundDecodeError> {
        // The packet before was of the same tone: a sender has but one.
        self.take(next_packet)?;
        self.play(&mut out[..samples]);
        Ok(samples)
    }

    fn conceal(&mut self, samples: usize, out: &mut [f32]) -> Result<usize, SoundDecodeError> {
        self.volume *= 0.8;
        self.play(&mut out[..samples]);
        Ok(samples)
    }
}

/// Encodes mixes.
#[derive(Debug)]
pub(super) struct ToneEncoder {
    census: Arc<Census>,
}

impl ToneEncoder {
    pub(super) const fn new(census: Arc<Census>) -> Self {
        Self { census }
    }
}

impl SoundEncoder for ToneEncoder {
    fn encode(&mut self, pcm: &[f32; FRAME_SAMPLES], out: &mut [u8]) -> Result<usize, SoundEncodeError> {
        self.census.mixes.fetch_add(1, Ordering::Relaxed);
        out[..PACKET_BYTES].fill(0);
        out[0] = MIXED;
        for tone in 0..TONES {
            out[1 + tone] = level_db(pcm, tone);
        }
        Ok(PACKET_BYTES)
    }

    fn set_bitrate(&mut self, _: u32) -> Result<(), SoundEncodeError> {
        Ok(())
    }

    fn set_expected_loss(&mut self, _: u8) -> Result<(), SoundEncodeError> {
        Ok(())
    }
}

/// Goertzel's filter at a tone's own frequency.
fn level_db(pcm: &[f32; FRAME_SAMPLES], tone: usize) -> u8 {
    let coefficient = 2.0 * ((FIRST + STEP * tone) as f64 * TAU / FRAME_SAMPLES as f64).cos();
    let (mut one, mut two) = (0.0, 0.0);
    for sample in pcm {
        (one, two) = (f64::from(*sample) + coefficient * one - two, one);
    }
    let power = one * one + two * two - coefficient * one * two;
    let amplitude = power.max(0.0).sqrt() * 2.0 / FRAME_SAMPLES as f64;
    (-20.0 * amplitude.max(1e-9).log10()).clamp(0.0, f64::from(SILENT_DB)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_says_which_tones_are_in_it_and_which_are_not() {
        let mut pcm = [0.0; FRAME_SAMPLES];
        let sources = [1, 3, 12].map(|n| SourceId::main(ParticipantId(n)));
        for source in sources {
            let mut part = [0.0; FRAME_SAMPLES];
            ToneDecoder::default().decode(&packet(source, 64), &mut part).expect("a packet");
            pcm.iter_mut().zip(part).for_each(|(sum, sample)| *sum += sample);
        }
        let mut out = [0; 1_275];
        let bytes = ToneEncoder::new(Arc::default()).encode(&pcm, &mut out).expect("room");
        for (source, level) in levels(&out[..bytes]).expect("a mix") {
            let expected = if sources.contains(&source) { 12..=13 } else { 80..=SILENT_DB };
            assert!(expected.contains(&level), "{source:?} at -{level} dB");
        }
    }
}
