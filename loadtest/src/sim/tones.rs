//! A sound codec without speech: a sender's packet names a tone, a mix's packet says how loud each tone is in it.
//!
//! Every tone is a whole number of periods in a packet, so that tones are apart in each packet alone.

use super::coded::Census;
use super::mark::PARTICIPANTS_MAX;
use codecs::sound::{FRAME_SAMPLES, SoundDecodeError, SoundDecoder, SoundEncodeError, SoundEncoder};
use mcu_core::id::{ParticipantId, SourceId, SourceKind};
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};
use std::f64::consts::TAU;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};

/// Tones that there are: two for each participant.
const TONES: usize = 2 * PARTICIPANTS_MAX as usize;
/// Periods of tone 0 in a packet; each next one has `STEP` more.
const FIRST: usize = 8;
/// Periods from one tone to the next.
const STEP: usize = 2;
/// First byte of a sender's packet.
const SENT: u8 = b'T';
/// First byte of a mix's packet.
const MIXED: u8 = b'M';
/// Bytes of every packet: Opus at 32 kbit/s.
const PACKET_BYTES: usize = 80;
/// The level of nothing, in dB below a full-scale sine.
const SILENT_DB: u8 = 127;
/// Quieter tones are not named in a mix.
const NAMED_DB_MAX: u8 = 90;
/// Tones that a mix's packet has room for; the loudest are named.
const NAMED_MAX: usize = (PACKET_BYTES - 2) / 2;

/// One period of a sine over a packet.
static SINE: LazyLock<[f32; FRAME_SAMPLES]> =
    LazyLock::new(|| std::array::from_fn(|at| (at as f64 * TAU / FRAME_SAMPLES as f64).sin() as f32));

fn tone_of(source: SourceId) -> usize {
    let kind = usize::from(source.kind == SourceKind::Content);
    2 * (source.participant.0.clamp(1, PARTICIPANTS_MAX) as usize - 1) + kind
}

fn source_of(tone: usize) -> SourceId {
    let kind = if tone.is_multiple_of(2) { SourceKind::Main } else { SourceKind::Content };
    SourceId { participant: ParticipantId(tone as u64 / 2 + 1), kind }
}

/// Whole periods of a tone in a packet.
const fn periods(tone: usize) -> usize {
    FIRST + STEP * tone
}

/// 20 ms of `source`'s tone; `volume` is a 256th of full scale.
pub(super) fn packet(source: SourceId, volume: u8) -> Vec<u8> {
    let mut packet = vec![SENT, tone_of(source) as u8, volume];
    packet.resize(PACKET_BYTES, 0);
    packet
}

/// How loud each source is that is in a mix's packet: dB below a full-scale sine; nothing unless it is such a packet.
pub(super) fn levels(packet: &[u8]) -> Option<impl Iterator<Item = (SourceId, u8)>> {
    let (count, named) = packet.strip_prefix(&[MIXED])?.split_first()?;
    let named = named.get(..2 * usize::from(*count))?;
    Some(named.chunks_exact(2).map(|pair| (source_of(usize::from(pair[0])), pair[1])))
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
            *sample = SINE[periods(self.tone) * self.at % FRAME_SAMPLES] * self.volume;
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

    fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Encodes mixes.
pub(super) struct ToneEncoder {
    census: Arc<Census>,
    transform: Arc<dyn RealToComplex<f32>>,
    samples: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    named: Vec<(u8, u8)>,
}

impl ToneEncoder {
    pub(super) fn new(census: Arc<Census>) -> Self {
        let transform = RealFftPlanner::new().plan_fft_forward(FRAME_SAMPLES);
        Self {
            census,
            samples: transform.make_input_vec(),
            spectrum: transform.make_output_vec(),
            scratch: transform.make_scratch_vec(),
            named: Vec::with_capacity(TONES),
            transform,
        }
    }
}

impl SoundEncoder for ToneEncoder {
    fn encode(&mut self, pcm: &[f32; FRAME_SAMPLES], out: &mut [u8]) -> Result<usize, SoundEncodeError> {
        self.census.mixes.fetch_add(1, Ordering::Relaxed);
        self.samples.copy_from_slice(pcm);
        self.transform
            .process_with_scratch(&mut self.samples, &mut self.spectrum, &mut self.scratch)
            .expect("the lists are as long as it made them");
        self.named.clear();
        let levels = (0..TONES).map(|tone| (level_db(self.spectrum[periods(tone)]), tone as u8));
        self.named.extend(levels.filter(|(level, _)| *level <= NAMED_DB_MAX));
        self.named.sort_unstable();
        self.named.truncate(NAMED_MAX);
        out[..PACKET_BYTES].fill(0);
        (out[0], out[1]) = (MIXED, self.named.len() as u8);
        for ((level, tone), pair) in self.named.iter().zip(out[2..].chunks_exact_mut(2)) {
            pair.copy_from_slice(&[*tone, *level]);
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

/// The level of the tone whose line of the spectrum this is.
fn level_db(line: Complex<f32>) -> u8 {
    let amplitude = f64::from(line.norm()) * 2.0 / FRAME_SAMPLES as f64;
    (-20.0 * amplitude.max(1e-9).log10()).clamp(0.0, f64::from(SILENT_DB)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_says_which_tones_are_in_it_and_which_are_not() {
        let mut pcm = [0.0; FRAME_SAMPLES];
        let sources = [1, 3, 100].map(|n| SourceId::main(ParticipantId(n)));
        for source in sources {
            let mut part = [0.0; FRAME_SAMPLES];
            ToneDecoder::default().decode(&packet(source, 64), &mut part).expect("a packet");
            pcm.iter_mut().zip(part).for_each(|(sum, sample)| *sum += sample);
        }
        let mut out = [0; 1_275];
        let bytes = ToneEncoder::new(Arc::default()).encode(&pcm, &mut out).expect("room");
        let mut named: Vec<(SourceId, u8)> = levels(&out[..bytes]).expect("a mix").collect();
        named.sort_unstable();
        assert_eq!(named.iter().map(|(source, _)| *source).collect::<Vec<_>>(), sources);
        assert!(named.iter().all(|(_, level)| (12..=13).contains(level)), "{named:?}");
    }
}
