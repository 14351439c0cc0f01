//! Opus encoding: one mix, 20 ms at a time.
//!
//! Flow: limiter -> **here** -> fan out. Thread: audio pool. Bound: [`FRAME_BYTES_MAX`] a frame.

use crate::sound::{FRAME_BYTES_MAX, FRAME_SAMPLES, SoundEncodeError, SoundEncoder};
use mcu_core::media::samples::SAMPLE_RATE_HZ;
use opus::{Bitrate, Channels, Encoder};

/// What the sound is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Application {
    /// Speech first.
    #[default]
    Voice,
    /// Fidelity first: shared sound.
    Music,
}

/// Everything that defines an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OpusSettings {
    /// Aim, 6 000 to 510 000 bit/s.
    pub bitrate_bps: u32,
    /// Effort, 0 to 10.
    pub complexity: u8,
    /// Put a recovery copy of each frame into the next one.
    pub fec: bool,
    /// How much loss to expect, in per cent; without any, libopus makes no recovery copies.
    pub expected_loss_percent: u8,
    /// Send next to nothing in silence.
    pub dtx: bool,
    /// Let no packet lean on the ones before it, so that any may follow any: dearer at the same quality.
    pub independent: bool,
    /// Speech or music.
    pub application: Application,
}

impl Default for OpusSettings {
    /// Speech at 32 kbit/s with recovery copies for 10 % loss.
    fn default() -> Self {
        Self {
            bitrate_bps: 32_000,
            complexity: 5,
            fec: true,
            expected_loss_percent: 10,
            dtx: false,
            independent: false,
            application: Application::Voice,
        }
    }
}

/// libopus's encoder.
#[derive(Debug)]
pub struct OpusEncoder(Encoder);

impl OpusEncoder {
    /// An encoder with no history.
    ///
    /// # Errors
    /// [`SoundEncodeError`] that names the setting out of range.
    pub fn new(settings: &OpusSettings) -> Result<Self, SoundEncodeError> {
        if settings.complexity > 10 {
            return Err(SoundEncodeError::Complexity { complexity: settings.complexity });
        }
        let application = match settings.application {
            Application::Voice => opus::Application::Voip,
            Application::Music => opus::Application::Audio,
        };
        let encoder = Encoder::new(SAMPLE_RATE_HZ, Channels::Mono, application).map_err(library)?;
        let mut encoder = Self(encoder);
        encoder.set_bitrate(settings.bitrate_bps)?;
        encoder.set_expected_loss(settings.expected_loss_percent)?;
        encoder.0.set_complexity(i32::from(settings.complexity)).map_err(library)?;
        encoder.0.set_inband_fec(settings.fec).map_err(library)?;
        encoder.0.set_dtx(settings.dtx).map_err(library)?;
        encoder.0.set_prediction_disabled(settings.independent).map_err(library)?;
        Ok(encoder)
    }
}

fn library(error: opus::Error) -> SoundEncodeError {
    SoundEncodeError::Library { code: error.code() as i32 }
}

impl SoundEncoder for OpusEncoder {
    fn encode(&mut self, pcm: &[f32; FRAME_SAMPLES], out: &mut [u8]) -> Result<usize, SoundEncodeError> {
        let room = out.len().min(FRAME_BYTES_MAX);
        self.0.encode_float(pcm, &mut out[..room]).map_err(library)
    }

    fn set_bitrate(&mut self, bitrate_bps: u32) -> Result<(), SoundEncodeError> {
        let bits = i32::try_from(bitrate_bps).unwrap_or(i32::MAX);
        if !(6_000..=510_000).contains(&bits) {
            return Err(SoundEncodeError::Bitrate { bitrate_bps });
        }
        self.0.set_bitrate(Bitrate::Bits(bits)).map_err(library)
    }

    fn set_expected_loss(&mut self, percent: u8) -> Result<(), SoundEncodeError> {
        if percent > 100 {
            return Err(SoundEncodeError::Loss { percent });
        }
        self.0.set_packet_loss_perc(i32::from(percent)).map_err(library)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_per_second(encoder: &mut OpusEncoder, amplitude: f32) -> usize {
        let mut packet = [0; FRAME_BYTES_MAX];
        (0..50)
            .map(|frame| {
                let sample = |at: usize| {
                    let seconds = (frame * FRAME_SAMPLES + at) as f32 / 48_000.0;
                    // A chord that drifts, so that prediction alone does not carry it.
                    let wave = |hz: f32| (std::f32::consts::TAU * hz * seconds * (1.0 + seconds / 5.0)).sin();
                    amplitude * (wave(220.0) + wave(1_310.0) + wave(3_700.0)) / 3.0
                };
                encoder.encode(&std::array::from_fn(sample), &mut packet).expect("encodes")
            })
            .sum()
    }

    #[test]
    fn a_change_of_bitrate_is_obeyed() {
        let settings = OpusSettings { bitrate_bps: 64_000, fec: false, ..OpusSettings::default() };
        let mut encoder = OpusEncoder::new(&settings).expect("legal settings");
        let before = bytes_per_second(&mut encoder, 0.5);
        encoder.set_bitrate(16_000).expect("legal");
        let after = bytes_per_second(&mut encoder, 0.5);
        assert!((5_000..10_000).contains(&before), "{before} bytes at 64 kbit/s");
        assert!((1_000..2_800).contains(&after), "{after} bytes at 16 kbit/s");
    }

    #[test]
    fn silence_costs_next_to_nothing_with_dtx() {
        let with = |dtx| OpusEncoder::new(&OpusSettings { dtx, ..OpusSettings::default() }).expect("legal");
        let (mut on, mut off) = (with(true), with(false));
        bytes_per_second(&mut on, 0.0);
        bytes_per_second(&mut off, 0.0);
        let (on, off) = (bytes_per_second(&mut on, 0.0), bytes_per_second(&mut off, 0.0));
        assert!(on * 2 < off, "{on} bytes with DTX, {off} without");
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let good = OpusSettings::default();
        let refused = |settings| OpusEncoder::new(&settings).err();
        let low = OpusSettings { bitrate_bps: 5_999, ..good };
        assert_eq!(refused(low), Some(SoundEncodeError::Bitrate { bitrate_bps: 5_999 }));
        let hard = OpusSettings { complexity: 11, ..good };
        assert_eq!(refused(hard), Some(SoundEncodeError::Complexity { complexity: 11 }));
        let lossy = OpusSettings { expected_loss_percent: 101, ..good };
        assert_eq!(refused(lossy), Some(SoundEncodeError::Loss { percent: 101 }));
        assert_eq!(refused(good), None);
    }
}
