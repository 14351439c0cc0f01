//! What the tests of this crate share: bits, moving pictures, a token, and measures of likeness.

use crate::encode::{EncoderSettings, H264Backend, VideoEncoder};
use crate::registry::{CodecFactory, NativeCodecs};
use crate::vp9::sender::Vp9Sender;
use mcu_core::id::{ConferenceId, ParticipantId, SourceId};
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::{Frame, FramePool, Size};
use mcu_core::media::unit::{AccessUnit, Clear, EncodedUnit, Rotation, Sealed, UnitHeader};
use mcu_core::privacy::{Ledger, Plaintext, Purpose};
use mcu_core::time::{FrameInterval, MediaTime, Mono};

/// Writes bits, most significant first.
#[derive(Debug, Default, Clone)]
pub(crate) struct BitWriter(Vec<bool>);

impl BitWriter {
    pub(crate) fn put(mut self, count: u32, value: u32) -> Self {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    /// An unsigned Exp-Golomb code.
    pub(crate) fn golomb(self, value: u32) -> Self {
        let bits = 32 - (value + 1).leading_zeros();
        self.put(bits - 1, 0).put(bits, value + 1)
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        let byte =
            |bits: &[bool]| bits.iter().enumerate().fold(0, |b, (at, bit)| b | u8::from(*bit) << (7 - at));
        self.0.chunks(8).map(byte).collect()
    }
}

/// A small seeded generator (xorshift64*), so that a failure can be told by its seed.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub(crate) const fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// Level of one tone in 48 kHz `pcm`, in dB of its amplitude (Goertzel).
pub(crate) fn tone_db(pcm: &[f32], hz: f64) -> f64 {
    let turn = std::f64::consts::TAU * hz / 48_000.0;
    let (re, im) = pcm.iter().enumerate().fold((0.0, 0.0), |(re, im), (at, sample)| {
        let (sin, cos) = (turn * at as f64).sin_cos();
        (re + f64::from(*sample) * cos, im + f64::from(*sample) * sin)
    });
    let amplitude = 2.0 * f64::hypot(re, im) / pcm.len() as f64;
    20.0 * amplitude.max(1e-9).log10()
}

/// The conference of every test unit.
pub(crate) const CONFERENCE: ConferenceId = ConferenceId(1);

pub(crate) fn token() -> Plaintext {
    Ledger::default().issue(CONFERENCE, Purpose::Mixing)
}

/// A unit numbered `index` on a 30 fps grid.
pub(crate) fn unit(codec: VideoCodec, index: u64, keyframe: bool, data: &[u8]) -> AccessUnit<Sealed> {
    let captured = FrameInterval::FPS_30.at(index);
    let header = UnitHeader {
        conference: CONFERENCE,
        source: SourceId::main(ParticipantId(1)),
        codec,
        keyframe,
        contiguous: true,
        captured,
        due: captured.to_mono() + std::time::Duration::from_millis(50),
        rotation: Rotation::None,
    };
    AccessUnit::seal(header, bytes::Bytes::copy_from_slice(data))
}

/// The moment of picture `index` at 30 fps.
pub(crate) const fn at(index: u64) -> MediaTime {
    FrameInterval::FPS_30.at(index)
}

pub(crate) const fn due(index: u64) -> Mono {
    at(index).to_mono()
}

/// Picture `index` of a moving scene.
pub(crate) fn picture(size: Size, index: u64) -> Frame {
    let pool = FramePool::new("test", 1);
    let mut frame = pool.get(size).expect("a fresh pool has a frame");
    crate::selftest::paint(&mut frame, index);
    frame.freeze()
}

/// Peak signal-to-noise ratio of the luma planes, in dB; 99 when equal.
pub(crate) fn psnr(a: &Frame, b: &Frame) -> f64 {
    crate::selftest::luma_psnr_db(a, b)
}

/// Every way to send a picture that the tests know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    Vp8,
    Vp9,
    OpenH264,
    X264,
}

impl Sender {
    pub(crate) const ALL: [Self; 4] = [Self::Vp8, Self::Vp9, Self::OpenH264, Self::X264];
    pub(crate) const OFFERED: [Self; 3] = [Self::Vp8, Self::OpenH264, Self::X264];

    pub(crate) const fn codec(self) -> VideoCodec {
        match self {
            Self::Vp8 => VideoCodec::Vp8,
            Self::Vp9 => VideoCodec::Vp9,
            Self::OpenH264 | Self::X264 => VideoCodec::H264,
        }
    }

    pub(crate) fn open(self, size: Size, bitrate_kbps: u32) -> Box<dyn VideoEncoder> {
        let mut settings = EncoderSettings::new(self.codec(), size, 30, bitrate_kbps);
        if self == Self::X264 {
            settings.h264 = H264Backend::X264;
        }
        match self {
            Self::Vp9 => Box::new(Vp9Sender::new(size, 30, bitrate_kbps).expect("libvpx has VP9")),
            _ => NativeCodecs.video_encoder(&settings).expect("the encoder is there"),
        }
    }
}

/// Codes `pictures` of the moving scene from picture `first` on; those in `keyframes` are forced. Gives the index
/// of each coded picture and its bytes.
pub(crate) fn code(
    encoder: &mut dyn VideoEncoder,
    size: Size,
    pictures: std::ops::Range<u64>,
    keyframes: &[u64],
) -> Vec<(u64, EncodedUnit)> {
    pictures
        .filter_map(|index| {
            let coded = encoder.encode(&picture(size, index), at(index), keyframes.contains(&index));
            Some((index, coded.expect("encodes")?))
        })
        .collect()
}

/// Opens a unit as the lane would.
pub(crate) fn clear(codec: VideoCodec, index: u64, coded: &EncodedUnit) -> AccessUnit<Clear> {
    token().open(unit(codec, index, coded.keyframe, &coded.data)).expect("own conference")
}

/// A picture that is hard to code: the moving scene under fresh noise of `amplitude`.
pub(crate) fn noisy(size: Size, index: u64, amplitude: u8) -> Frame {
    let pool = FramePool::new("test", 1);
    let mut frame = pool.get(size).expect("a fresh pool has a frame");
    crate::selftest::paint(&mut frame, index);
    let mut random = Random::new(index + 1);
    for mut plane in frame.planes_mut() {
        for y in 0..usize::from(plane.size.height) {
            for pixel in plane.row_mut(y) {
                *pixel = pixel.saturating_add((random.next() >> 32) as u8 % amplitude);
            }
        }
    }
    frame.freeze()
}
