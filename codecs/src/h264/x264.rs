//! H.264 encoding by x264 (GPL) through FFmpeg: better compression for about twice openh264's time.
//!
//! Flow: compose -> **here** -> packetize. Thread: video pool. Bound: one picture. Baseline, slices that fit one
//! packet, parameter sets with each key frame; no picture is ever skipped.

use crate::encode::{self, EncodeError, EncoderSettings, Moments, VideoEncoder};
use crate::sys::libav::LibavError;
use crate::sys::output::Output;
use crate::sys::x264::{Encoder, Setup};
use mcu_core::limits;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::Frame;
use mcu_core::media::unit::EncodedUnit;
use mcu_core::time::MediaTime;

/// x264.
pub struct X264Encoder {
    settings: EncoderSettings,
    library: Encoder,
    moments: Moments,
    output: Output,
    keyframe_wanted: bool,
}

impl X264Encoder {
    /// An encoder whose first picture becomes a key frame.
    ///
    /// # Errors
    /// [`EncodeError`] when a setting is out of range, or FFmpeg was built without x264.
    pub fn new(settings: &EncoderSettings) -> Result<Self, EncodeError> {
        settings.check()?;
        if settings.codec != VideoCodec::H264 {
            return Err(EncodeError::Codec { codec: settings.codec });
        }
        let library = Encoder::open(&Setup {
            size: settings.size,
            ticks_per_second: encode::TICKS_PER_SECOND,
            fps: settings.fps,
            bitrate_kbps: settings.bitrate_kbps,
            slice_bytes_max: limits::PAYLOAD_BYTES_MAX as u32,
        })
        .map_err(failed("open an encoder"))?;
        let moments = Moments::new(settings.fps);
        Ok(Self { settings: *settings, library, moments, output: Output::default(), keyframe_wanted: true })
    }
}

const fn failed(step: &'static str) -> impl Fn(LibavError) -> EncodeError {
    move |LibavError(code)| EncodeError::Library { library: "x264", step, code }
}

impl std::fmt::Debug for X264Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "X264Encoder({:?})", self.settings)
    }
}

impl VideoEncoder for X264Encoder {
    fn encode(
        &mut self,
        picture: &Frame,
        at: MediaTime,
        force_keyframe: bool,
    ) -> Result<Option<EncodedUnit>, EncodeError> {
        self.settings.check_frame(picture)?;
        let moment = self.moments.next(at)?;
        self.keyframe_wanted |= force_keyframe;
        let output = &mut self.output;
        let coded = self
            .library
            .encode(&picture.planes(), moment.start, self.keyframe_wanted, |unit| output.append(unit))
            .map_err(failed("encode"))?;
        let data = self.output.take();
        let Some(keyframe) = coded.filter(|_| !data.is_empty()) else { return Ok(None) };
        self.keyframe_wanted &= !keyframe;
        Ok(Some(EncodedUnit { data, keyframe, at }))
    }

    fn set_bitrate(&mut self, kbps: u32) -> Result<(), EncodeError> {
        encode::check_bitrate(kbps)?;
        self.library.set_bitrate(kbps);
        self.settings.bitrate_kbps = kbps;
        Ok(())
    }
}
