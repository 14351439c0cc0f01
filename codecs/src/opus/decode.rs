//! Opus decoding: packets, the recovery copy of a lost one inside its successor, and concealment.
//!
//! Flow: jitter buffer `pull` -> **here** -> gain. Thread: audio pool. Never writes more than the caller's buffer.

use crate::sound::{PACKET_SAMPLES_MAX, QUANTUM_SAMPLES, SoundDecodeError, SoundDecoder, room, whole};
use mcu_core::media::samples::SAMPLE_RATE_HZ;
use opus::{Channels, Decoder};

/// Samples that `packet` decodes to, at 48 kHz, from its table of contents alone (RFC 6716 §3.1).
///
/// # Errors
/// [`SoundDecodeError::Packet`] when it is empty, malformed or over 120 ms.
pub fn packet_samples(packet: &[u8]) -> Result<usize, SoundDecodeError> {
    let refused = SoundDecodeError::Packet { bytes: packet.len() };
    if packet.is_empty() {
        return Err(refused);
    }
    match opus::packet::get_nb_samples(packet, SAMPLE_RATE_HZ) {
        Ok(samples) if (QUANTUM_SAMPLES..=PACKET_SAMPLES_MAX).contains(&samples) => Ok(samples),
        _ => Err(refused),
    }
}

/// libopus's decoder.
#[derive(Debug)]
pub struct OpusDecoder(Decoder);

impl OpusDecoder {
    /// A decoder with no history. Stereo packets come out as mono.
    ///
    /// # Errors
    /// [`SoundDecodeError::Library`] when out of memory.
    pub fn new() -> Result<Self, SoundDecodeError> {
        Decoder::new(SAMPLE_RATE_HZ, Channels::Mono).map(Self).map_err(library)
    }
}

fn library(error: opus::Error) -> SoundDecodeError {
    SoundDecodeError::Library { code: error.code() as i32 }
}

impl SoundDecoder for OpusDecoder {
    fn decode(&mut self, packet: &[u8], out: &mut [f32]) -> Result<usize, SoundDecodeError> {
        let samples = packet_samples(packet)?;
        let out = room(samples, out)?;
        self.0.decode_float(packet, out, false).map_err(library)
    }

    fn decode_fec(
        &mut self,
        next_packet: &[u8],
        samples: usize,
        out: &mut [f32],
    ) -> Result<usize, SoundDecodeError> {
        whole(samples)?;
        // Only the table of contents is checked here; the recovery copy lies behind it.
        packet_samples(next_packet)?;
        let out = room(samples, out)?;
        self.0.decode_float(next_packet, out, true).map_err(library)
    }

    fn conceal(&mut self, samples: usize, out: &mut [f32]) -> Result<usize, SoundDecodeError> {
        whole(samples)?;
        let out = room(samples, out)?;
        self.0.decode_float(&[], out, false).map_err(library)
    }

    fn reset(&mut self) {
        // libopus refuses this to no decoder that it has made.
        let _ = self.0.reset_state();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opus::{OpusEncoder, OpusSettings};
    use crate::sound::{FRAME_BYTES_MAX, FRAME_SAMPLES, SoundEncoder};
    use crate::testing::{Random, tone_db};

    /// A voice-like tone with harmonics, whose pitch steps up at frame `step_at`.
    fn frame(index: usize, step_at: usize) -> [f32; FRAME_SAMPLES] {
        let pitch = if index < step_at { LOW_HZ } else { HIGH_HZ };
        std::array::from_fn(|at| {
            let seconds = (index * FRAME_SAMPLES + at) as f64 / 48_000.0;
            let harmonic = |n: f64| (std::f64::consts::TAU * pitch * n * seconds).sin() / n;
            (0.25 * (1..=4).map(|n| harmonic(f64::from(n))).sum::<f64>()) as f32
        })
    }

    const LOW_HZ: f64 = 150.0;
    const HIGH_HZ: f64 = 250.0;

    fn packets(settings: &OpusSettings, frames: usize, step_at: usize) -> Vec<Vec<u8>> {
        let mut encoder = OpusEncoder::new(settings).expect("legal settings");
        let mut packet = [0; FRAME_BYTES_MAX];
        let mut encode = |index| {
            let len = encoder.encode(&frame(index, step_at), &mut packet).expect("encodes");
            packet[..len].to_vec()
        };
        (0..frames).map(&mut encode).collect()
    }

    #[test]
    fn a_tone_survives() {
        let mut decoder = OpusDecoder::new().expect("memory");
        let mut pcm = [0.0; FRAME_SAMPLES];
        for packet in packets(&OpusSettings::default(), 50, 25) {
            assert_eq!(packet_samples(&packet), Ok(FRAME_SAMPLES));
            assert_eq!(decoder.decode(&packet, &mut pcm), Ok(FRAME_SAMPLES));
        }
        let original = tone_db(&frame(49, 25), HIGH_HZ);
        let (came, absent) = (tone_db(&pcm, HIGH_HZ), tone_db(&pcm, LOW_HZ));
        assert!((came - original).abs() < 2.0, "{came} dB, was {original} dB");
        assert!(absent < came - 10.0, "{absent} dB of a tone that had ended");
    }

    /// The pitch changes in the very frame that is lost: only the recovery copy can know.
    #[test]
    fn a_recovery_copy_knows_what_was_lost() {
        let settings =
            OpusSettings { bitrate_bps: 24_000, expected_loss_percent: 20, ..OpusSettings::default() };
        let lost = 25;
        let packets = packets(&settings, lost + 2, lost);
        let recover = |fec: bool| {
            let mut decoder = OpusDecoder::new().expect("memory");
            let mut pcm = [0.0; FRAME_SAMPLES];
            for packet in &packets[..lost] {
                decoder.decode(packet, &mut pcm).expect("decodes");
            }
            let got = if fec {
                decoder.decode_fec(&packets[lost + 1], FRAME_SAMPLES, &mut pcm)
            } else {
                decoder.conceal(FRAME_SAMPLES, &mut pcm)
            };
            assert_eq!(got, Ok(FRAME_SAMPLES));
            // The codec's delay of 6.5 ms keeps the old pitch at the frame's start.
            (tone_db(&pcm[480..], HIGH_HZ), tone_db(&pcm[480..], LOW_HZ))
        };
        let (recovered, concealed) = (recover(true), recover(false));
        assert!(recovered.0 > recovered.1 + 3.0, "recovered {recovered:?}");
        assert!(concealed.0 < concealed.1, "concealed {concealed:?}");
    }

    #[test]
    fn concealment_goes_on_and_fades() {
        let mut decoder = OpusDecoder::new().expect("memory");
        let mut pcm = [0.0; FRAME_SAMPLES];
        for packet in packets(&OpusSettings::default(), 25, 100) {
            decoder.decode(&packet, &mut pcm).expect("decodes");
        }
        let heard = tone_db(&pcm, LOW_HZ);
        assert_eq!(decoder.conceal(480, &mut pcm), Ok(480));
        let first = tone_db(&pcm[..480], LOW_HZ);
        assert!(first > heard - 6.0, "{first} dB after {heard} dB");
        for _ in 0..20 {
            assert_eq!(decoder.conceal(FRAME_SAMPLES, &mut pcm), Ok(FRAME_SAMPLES));
        }
        let faded = tone_db(&pcm, LOW_HZ);
        assert!(faded < heard - 20.0, "{faded} dB after 400 ms, was {heard} dB");
    }

    #[test]
    fn lengths_are_bounded() {
        let mut decoder = OpusDecoder::new().expect("memory");
        let mut short = [0.0; 100];
        let packet = &packets(&OpusSettings::default(), 1, 9)[0];
        let room = SoundDecodeError::Room { needed: FRAME_SAMPLES, room: 100 };
        assert_eq!(decoder.decode(packet, &mut short), Err(room));
        let mut long = [0.0; 2 * PACKET_SAMPLES_MAX];
        for samples in [0, 100, PACKET_SAMPLES_MAX + QUANTUM_SAMPLES] {
            assert_eq!(decoder.conceal(samples, &mut long), Err(SoundDecodeError::Duration { samples }));
        }
        assert_eq!(packet_samples(&[]), Err(SoundDecodeError::Packet { bytes: 0 }));
        // Three frames of 60 ms each (code 3) are 180 ms.
        assert_eq!(packet_samples(&[3 << 3 | 3, 3]), Err(SoundDecodeError::Packet { bytes: 2 }));
    }

    #[test]
    fn any_bytes_get_an_answer() {
        let mut decoder = OpusDecoder::new().expect("memory");
        let mut pcm = [0.0; PACKET_SAMPLES_MAX];
        let mut decoded = 0;
        for seed in 0..5_000 {
            let mut random = Random::new(seed);
            let len = random.below(120);
            let packet = random.bytes(len);
            let samples = packet_samples(&packet);
            match decoder.decode(&packet, &mut pcm) {
                Ok(got) => {
                    assert_eq!(samples, Ok(got), "seed {seed}");
                    decoded += 1;
                }
                Err(error) => assert!(samples.is_err() || matches!(error, SoundDecodeError::Library { .. })),
            }
            let _ = decoder.decode_fec(&packet, FRAME_SAMPLES, &mut pcm);
            assert!(pcm.iter().all(|sample| sample.is_finite()), "seed {seed}");
        }
        assert!(decoded > 500, "{decoded}");
    }
}
