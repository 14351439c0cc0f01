//! VP8 encoding by libvpx: real time, constant bitrate, key frames on request.
//!
//! Flow: compose -> **here** -> packetize. Thread: video pool. Bound: one picture. A picture that would break the
//! rate is skipped by the library.

use crate::encode::{self, EncodeError, EncoderSettings, Moments, PictureKind, VideoEncoder};
use crate::sys::output::Output;
use crate::sys::vpx;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::Frame;
use mcu_core::media::unit::EncodedUnit;
use mcu_core::time::MediaTime;

/// Pictures over which quality comes back after a key frame.
const EASED_PICTURES: u32 = 15;

/// How quality comes back after a key frame.
///
/// A forced key frame comes out coarse and small; left alone, the library lets the picture after it carry all that it left
/// out, at four to seven times the mean size in one burst. So the finest quantizer allowed comes down in steps.
#[derive(Debug, Default)]
struct Easing {
    from: u32,
    left: u32,
}

impl Easing {
    /// A key frame was made with `quantizer`.
    const fn begin(&mut self, quantizer: u32) {
        (self.from, self.left) = (quantizer, EASED_PICTURES);
    }

    /// The finest quantizer of the next picture, if it is another than before.
    fn next(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        let above = self.from.saturating_sub(vpx::QUANTIZER_MIN);
        Some(vpx::QUANTIZER_MIN + above * self.left / EASED_PICTURES)
    }
}

/// libvpx's VP8 encoder.
pub struct Vp8Encoder {
    settings: EncoderSettings,
    library: vpx::Encoder,
    moments: Moments,
    output: Output,
    keyframe_wanted: bool,
    easing: Easing,
}

impl Vp8Encoder {
    /// An encoder whose first picture becomes a key frame.
    ///
    /// # Errors
    /// [`EncodeError`] when a setting is out of range or the library refuses it.
    pub fn new(settings: &EncoderSettings) -> Result<Self, EncodeError> {
        settings.check()?;
        if settings.codec != VideoCodec::Vp8 {
            return Err(EncodeError::Codec { codec: settings.codec });
        }
        let library = vpx::Encoder::open(&vpx::Setup {
            format: vpx::Format::Vp8,
            size: settings.size,
            ticks_per_second: encode::TICKS_PER_SECOND,
            bitrate_kbps: settings.bitrate_kbps,
            speed: settings.vp8_speed,
            screen: settings.kind == PictureKind::Screen,
            keyframe_percent_max: settings.keyframe_mean_frames_max * 100,
        })
        .map_err(failed)?;
        let moments = Moments::new(settings.fps);
        Ok(Self {
            settings: *settings,
            library,
            moments,
            output: Output::default(),
            keyframe_wanted: true,
            easing: Easing::default(),
        })
    }
}

const fn failed(error: vpx::VpxError) -> EncodeError {
    EncodeError::Library { library: "libvpx", step: error.step, code: error.code }
}

impl std::fmt::Debug for Vp8Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vp8Encoder({:?})", self.settings)
    }
}

impl VideoEncoder for Vp8Encoder {
    fn encode(
        &mut self,
        picture: &Frame,
        at: MediaTime,
        force_keyframe: bool,
    ) -> Result<Option<EncodedUnit>, EncodeError> {
        self.settings.check_frame(picture)?;
        let moment = self.moments.next(at)?;
        self.keyframe_wanted |= force_keyframe;
        // A key frame's own quality is not held back.
        let finest = if self.keyframe_wanted { Some(vpx::QUANTIZER_MIN) } else { self.easing.next() };
        if let Some(quantizer) = finest {
            self.library.set_quantizer_min(quantizer).map_err(failed)?;
        }
        let mut keyframe = false;
        let output = &mut self.output;
        self.library
            .encode(&picture.planes(), moment.start, moment.span, self.keyframe_wanted, |packet| {
                output.append(packet.data);
                keyframe |= packet.keyframe;
            })
            .map_err(failed)?;
        let data = self.output.take();
        if data.is_empty() {
            return Ok(None);
        }
        self.keyframe_wanted &= !keyframe;
        if keyframe {
            self.easing.begin(self.library.last_quantizer().map_err(failed)?);
        }
        Ok(Some(EncodedUnit { data, keyframe, at }))
    }

    fn set_bitrate(&mut self, kbps: u32) -> Result<(), EncodeError> {
        encode::check_bitrate(kbps)?;
        self.library.set_bitrate(kbps).map_err(failed)?;
        self.settings.bitrate_kbps = kbps;
        Ok(())
    }
}
