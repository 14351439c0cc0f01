//! Self-test for `mcu doctor`: encodes and decodes synthetic pictures and sound with the product's own codecs.
//!
//! The phases are separate calls, so that the caller, who may read clocks, can time each. Thread: any.

use crate::decode::{DecodeError, VideoDecoder};
use crate::encode::{EncodeError, EncoderSettings, VideoEncoder};
use crate::opus::OpusSettings;
use crate::registry::CodecFactory;
use crate::sound::{
    FRAME_BYTES_MAX, FRAME_SAMPLES, SoundDecodeError, SoundDecoder, SoundEncodeError, SoundEncoder,
};
use crate::sys::libav;
use crate::telephone::TelephoneCodec;
use crate::vp9::sender::Vp9Sender;
use mcu_core::id::{ConferenceId, ParticipantId, SourceId};
use mcu_core::limits;
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use mcu_core::media::frame::{Frame, FrameMut, FramePool, PoolEmpty, Size};
use mcu_core::media::unit::{AccessUnit, EncodedUnit, Rotation, UnitHeader};
use mcu_core::privacy::{ForeignUnit, Ledger, Plaintext, Purpose};
use mcu_core::time::{FrameInterval, Mono};
use std::collections::VecDeque;

/// Why a self-test could not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SelfTestError {
    /// Encoding failed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Decoding failed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Encoding sound failed.
    #[error(transparent)]
    SoundEncode(#[from] SoundEncodeError),
    /// Decoding sound failed.
    #[error(transparent)]
    SoundDecode(#[from] SoundDecodeError),
    /// A picture could not be had.
    #[error(transparent)]
    Pool(#[from] PoolEmpty),
    /// A unit could not be opened.
    #[error(transparent)]
    Open(#[from] ForeignUnit),
}

/// What a video self-test found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VideoReport {
    /// Pictures painted.
    pub pictures: u32,
    /// Pictures that the encoder coded; the rest it skipped to hold its rate.
    pub coded: u32,
    /// Pictures that came back.
    pub decoded: u32,
    /// Bytes of all coded pictures.
    pub bytes: u64,
    /// Mean likeness of the last few pictures to what was painted, in dB. Above 30 all is well.
    pub psnr_db: f64,
}

/// The conference of the self-test, which no meeting can have: ids start at 1.
const NOWHERE: ConferenceId = ConferenceId(0);

/// Tries one encoder and the decoder of its codec: `new`, then `encode`, then `decode`, then `report`.
pub struct VideoTest {
    codec: VideoCodec,
    encoder: Box<dyn VideoEncoder>,
    decoder: Box<dyn VideoDecoder>,
    token: Plaintext,
    pictures: Vec<Frame>,
    /// Index of its picture, and the coded picture.
    units: Vec<(usize, EncodedUnit)>,
    decoded: u32,
    last: VecDeque<(usize, Frame)>,
}

impl std::fmt::Debug for VideoTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VideoTest({}, {} pictures)", self.codec.name(), self.pictures.len())
    }
}

impl VideoTest {
    /// Makes both codecs and paints `pictures`. VP9 is sent by an encoder that the node does not offer.
    ///
    /// # Errors
    /// [`SelfTestError`] when a codec cannot be made.
    pub fn new(
        codecs: &dyn CodecFactory,
        settings: &EncoderSettings,
        pictures: u32,
    ) -> Result<Self, SelfTestError> {
        let encoder: Box<dyn VideoEncoder> = match settings.codec {
            VideoCodec::Vp9 => Box::new(Vp9Sender::new(settings.size, settings.fps, settings.bitrate_kbps)?),
            VideoCodec::Vp8 | VideoCodec::H264 => codecs.video_encoder(settings)?,
        };
        let pool = FramePool::new("selftest", pictures as usize);
        let paint = |index| {
            let mut frame = pool.get(settings.size)?;
            paint(&mut frame, index);
            Ok(frame.freeze())
        };
        Ok(Self {
            codec: settings.codec,
            encoder,
            decoder: codecs.video_decoder(settings.codec)?,
            token: Ledger::default().issue(NOWHERE, Purpose::Mixing),
            pictures: (0..u64::from(pictures)).map(paint).collect::<Result<_, PoolEmpty>>()?,
            units: Vec::with_capacity(pictures as usize),
            decoded: 0,
            last: VecDeque::new(),
        })
    }

    /// Encodes every picture, at 30 frames per second of its own time.
    ///
    /// # Errors
    /// [`SelfTestError::Encode`].
    pub fn encode(&mut self) -> Result<(), SelfTestError> {
        for (index, picture) in self.pictures.iter().enumerate() {
            let at = FrameInterval::FPS_30.at(index as u64);
            if let Some(unit) = self.encoder.encode(picture, at, false)? {
                self.units.push((index, unit));
            }
        }
        Ok(())
    }

    /// Decodes everything that was coded.
    ///
    /// # Errors
    /// [`SelfTestError::Decode`].
    pub fn decode(&mut self) -> Result<(), SelfTestError> {
        for (index, unit) in &self.units {
            let unit = self.token.open(AccessUnit::seal(self.header(unit), unit.data.clone()))?;
            let Some(frame) = self.decoder.decode(&unit)? else { continue };
            self.decoded += 1;
            // One frame of the decoder's pool must stay free for the next picture.
            if self.last.len() + 1 >= limits::DECODER_FRAMES_MAX {
                self.last.pop_front();
            }
            self.last.push_back((*index, frame));
        }
        Ok(())
    }

    const fn header(&self, unit: &EncodedUnit) -> UnitHeader {
        UnitHeader {
            conference: NOWHERE,
            source: SourceId::main(ParticipantId(0)),
            codec: self.codec,
            keyframe: unit.keyframe,
            contiguous: true,
            captured: unit.at,
            due: Mono::ZERO,
            rotation: Rotation::None,
        }
    }

    /// What was found.
    pub fn report(&self) -> VideoReport {
        let likeness = |(index, frame): &(usize, Frame)| luma_psnr_db(&self.pictures[*index], frame);
        VideoReport {
            pictures: self.pictures.len() as u32,
            coded: self.units.len() as u32,
            decoded: self.decoded,
            bytes: self.units.iter().map(|(_, unit)| unit.data.len() as u64).sum(),
            psnr_db: self.last.iter().map(likeness).sum::<f64>() / (self.last.len().max(1) as f64),
        }
    }
}

/// What a sound self-test found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoundReport {
    /// Packets made.
    pub packets: u32,
    /// Bytes of all packets.
    pub bytes: u64,
    /// Samples that came back.
    pub samples: u64,
    /// Level of what came back over what went in, in dB. Near zero all is well.
    pub level_db: f64,
}

/// Tries a sound codec's encoder and decoder with a tone of 440 Hz: `new`, then `encode`, then `decode`, then `report`.
pub struct SoundTest {
    encoder: Box<dyn SoundEncoder>,
    decoder: Box<dyn SoundDecoder>,
    frames: u32,
    packets: Vec<Vec<u8>>,
    samples: u64,
    energy_in: f64,
    energy_out: f64,
}

impl std::fmt::Debug for SoundTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SoundTest({} frames)", self.frames)
    }
}

impl SoundTest {
    /// Makes both codecs, for `frames` of 20 ms.
    ///
    /// # Errors
    /// [`SelfTestError`] when a codec cannot be made.
    pub fn new(codecs: &dyn CodecFactory, codec: AudioCodec, frames: u32) -> Result<Self, SelfTestError> {
        let encoder = codecs.sound_encoder(codec, &OpusSettings::default())?;
        let decoder = codecs.sound_decoder(codec)?;
        let packets = Vec::with_capacity(frames as usize);
        Ok(Self { encoder, decoder, frames, packets, samples: 0, energy_in: 0.0, energy_out: 0.0 })
    }

    /// Encodes the tone.
    ///
    /// # Errors
    /// [`SelfTestError::SoundEncode`].
    pub fn encode(&mut self) -> Result<(), SelfTestError> {
        let (mut pcm, mut packet) = ([0.0; FRAME_SAMPLES], [0; FRAME_BYTES_MAX]);
        for frame in 0..self.frames as usize {
            for (at, sample) in pcm.iter_mut().enumerate() {
                let seconds = (frame * FRAME_SAMPLES + at) as f64 / 48_000.0;
                *sample = (0.3 * (std::f64::consts::TAU * 440.0 * seconds).sin()) as f32;
            }
            self.energy_in += energy(&pcm);
            let len = self.encoder.encode(&pcm, &mut packet)?;
            self.packets.push(packet[..len].to_vec());
        }
        Ok(())
    }

    /// Decodes every packet.
    ///
    /// # Errors
    /// [`SelfTestError::SoundDecode`].
    pub fn decode(&mut self) -> Result<(), SelfTestError> {
        let mut pcm = [0.0; FRAME_SAMPLES];
        for packet in &self.packets {
            let samples = self.decoder.decode(packet, &mut pcm)?;
            self.samples += samples as u64;
            self.energy_out += energy(&pcm[..samples]);
        }
        Ok(())
    }

    /// What was found.
    pub fn report(&self) -> SoundReport {
        SoundReport {
            packets: self.packets.len() as u32,
            bytes: self.packets.iter().map(|packet| packet.len() as u64).sum(),
            samples: self.samples,
            level_db: 10.0 * (self.energy_out.max(1e-12) / self.energy_in.max(1e-12)).log10(),
        }
    }
}

fn energy(pcm: &[f32]) -> f64 {
    pcm.iter().map(|sample| f64::from(*sample).powi(2)).sum()
}

/// What the linked libraries offer. A hardware codec's name being there does not mean that the hardware is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// libavcodec's version: major, minor, micro.
    pub libavcodec: (u32, u32, u32),
    /// libopus's version string.
    pub libopus: &'static str,
    /// FFmpeg's software decoders that the node needs, and whether each is there.
    pub decoders: Vec<(&'static str, bool)>,
    /// Whether FFmpeg has x264.
    pub x264: bool,
    /// Hardware decoders by FFmpeg's name.
    pub hardware_decoders: Vec<&'static str>,
    /// Hardware encoders by FFmpeg's name.
    pub hardware_encoders: Vec<&'static str>,
}

/// Looks at the linked libraries. Opens no device.
pub fn capabilities() -> Capabilities {
    const DECODERS: [&str; 6] =
        ["h264_cuvid", "vp8_cuvid", "vp9_cuvid", "av1_cuvid", "h264_qsv", "h264_v4l2m2m"];
    const ENCODERS: [&str; 8] = [
        "h264_nvenc",
        "hevc_nvenc",
        "av1_nvenc",
        "h264_vaapi",
        "vp8_vaapi",
        "vp9_vaapi",
        "h264_qsv",
        "h264_v4l2m2m",
    ];
    let has_decoder = |name: &&str| libav::has_decoder(name);
    let (pictures, sounds) = (["vp8", "vp9", "h264"], TelephoneCodec::ALL.map(TelephoneCodec::library_name));
    Capabilities {
        libavcodec: libav::version(),
        libopus: opus::version(),
        decoders: pictures.into_iter().chain(sounds).map(|name| (name, libav::has_decoder(name))).collect(),
        x264: libav::has_encoder("libx264"),
        hardware_decoders: DECODERS.into_iter().filter(has_decoder).collect(),
        hardware_encoders: ENCODERS.into_iter().filter(|name| libav::has_encoder(name)).collect(),
    }
}

/// Paints picture `index` of a moving scene: a soft gradient that drifts, and a bright square that wanders.
pub fn paint(frame: &mut FrameMut, index: u64) {
    let Size { width, height } = frame.size();
    let step = index as usize;
    let square = usize::from(width.min(height)) / 4;
    let (left, top) =
        (step * 5 % (usize::from(width) - square).max(1), step * 3 % (usize::from(height) - square).max(1));
    let [mut luma, blue, red] = frame.planes_mut();
    for y in 0..usize::from(height) {
        for (x, pixel) in luma.row_mut(y).iter_mut().enumerate() {
            let inside = (left..left + square).contains(&x) && (top..top + square).contains(&y);
            *pixel =
                if inside { 210 - (x - left) as u8 % 32 } else { 40 + ((x / 2 + y + step) / 4 % 128) as u8 };
        }
    }
    for (mut plane, offset) in [(blue, 100), (red, 140)] {
        for y in 0..usize::from(plane.size.height) {
            let value = offset + ((y + step) / 8 % 24) as u8;
            plane.row_mut(y).fill(value);
        }
    }
}

/// Peak signal-to-noise ratio of two luma planes of one size, in dB; 99 when they are equal, 0 when their sizes
/// differ.
pub fn luma_psnr_db(a: &Frame, b: &Frame) -> f64 {
    if a.size() != b.size() {
        return 0.0;
    }
    let ([a, ..], [b, ..]) = (a.planes(), b.planes());
    let squares = |y: usize| -> u64 {
        a.row(y).iter().zip(b.row(y)).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum()
    };
    let total: u64 = (0..usize::from(a.size.height)).map(squares).sum();
    if total == 0 {
        return 99.0;
    }
    let mean = total as f64 / f64::from(a.size.area());
    (10.0 * (255.0 * 255.0 / mean).log10()).min(99.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::H264Backend;
    use crate::registry::NativeCodecs;

    #[test]
    fn every_codec_passes_its_own_test() {
        let settings = |codec| EncoderSettings::new(codec, Size::new(640, 360), 30, 800);
        let x264 = EncoderSettings { h264: H264Backend::X264, ..settings(VideoCodec::H264) };
        for settings in VideoCodec::ALL.map(settings).into_iter().chain([x264]) {
            let mut test = VideoTest::new(&NativeCodecs, &settings, 30).expect("both codecs are there");
            test.encode().expect("encodes");
            test.decode().expect("decodes");
            let report = test.report();
            assert_eq!(report.decoded, report.coded, "{settings:?}");
            assert!(report.coded >= 25 && report.psnr_db > 32.0, "{settings:?}: {report:?}");
        }
    }

    #[test]
    fn every_sound_codec_passes_its_own_test() {
        for codec in AudioCodec::ALL {
            let mut test = SoundTest::new(&NativeCodecs, codec, 50).expect("both codecs are there");
            test.encode().expect("encodes");
            test.decode().expect("decodes");
            let report = test.report();
            assert_eq!((report.packets, report.samples), (50, 48_000), "{codec:?}");
            assert!(report.level_db.abs() < 1.0, "{codec:?}: {report:?}");
        }
    }

    #[test]
    fn the_linked_libraries_have_what_the_node_needs() {
        let found = capabilities();
        assert!(found.decoders.iter().all(|(_, there)| *there), "{found:?}");
        assert!(found.libavcodec.0 >= 59 && found.libopus.contains("opus"), "{found:?}");
    }

    #[test]
    fn likeness_is_measured() {
        let pool = FramePool::new("test", 2);
        let flat = |value| {
            let mut frame = pool.get(Size::new(16, 16)).expect("pool has room");
            frame.fill([value, 128, 128]);
            frame.freeze()
        };
        assert!((luma_psnr_db(&flat(100), &flat(100)) - 99.0).abs() < 1e-9);
        // A difference of one everywhere is 20 log10 255 = 48.13 dB.
        assert!((luma_psnr_db(&flat(100), &flat(101)) - 48.13).abs() < 0.01);
    }
}
