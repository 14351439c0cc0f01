//! H.264 encoding by openh264: constrained baseline, every slice small enough for one packet.
//!
//! Flow: compose -> **here** -> packetize. Thread: video pool. Bound: one picture. A picture that would break the
//! rate is skipped by the library. Each key frame carries its parameter sets; because slices fit packets,
//! packetization modes 0 and 1 (RFC 6184 §6) share one encode.

use crate::encode::{self, EncodeError, EncoderSettings, Moments, PictureKind, VideoEncoder};
use crate::sys::openh264::{Coded, Encoder, OpenH264Error, Setup};
use crate::sys::output::Output;
use mcu_core::limits;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::Frame;
use mcu_core::media::unit::EncodedUnit;
use mcu_core::time::MediaTime;

/// Cisco's encoder.
pub struct OpenH264Encoder {
    settings: EncoderSettings,
    library: Encoder,
    moments: Moments,
    output: Output,
    keyframe_wanted: bool,
    started: bool,
}

impl OpenH264Encoder {
    /// An encoder whose first picture becomes a key frame.
    ///
    /// # Errors
    /// [`EncodeError`] when a setting is out of range or the library refuses it.
    pub fn new(settings: &EncoderSettings) -> Result<Self, EncodeError> {
        settings.check()?;
        if settings.codec != VideoCodec::H264 {
            return Err(EncodeError::Codec { codec: settings.codec });
        }
        Ok(Self {
            settings: *settings,
            library: open(settings)?,
            moments: Moments::new(settings.fps),
            output: Output::default(),
            keyframe_wanted: true,
            started: false,
        })
    }
}

fn open(settings: &EncoderSettings) -> Result<Encoder, EncodeError> {
    Encoder::open(&Setup {
        size: settings.size,
        fps: settings.fps,
        bitrate_kbps: settings.bitrate_kbps,
        screen: settings.kind == PictureKind::Screen,
        slice_bytes_max: limits::PAYLOAD_BYTES_MAX as u32,
    })
    .map_err(failed)
}

const fn failed(error: OpenH264Error) -> EncodeError {
    EncodeError::Library { library: "openh264", step: error.step, code: error.code }
}

impl std::fmt::Debug for OpenH264Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpenH264Encoder({:?})", self.settings)
    }
}

impl VideoEncoder for OpenH264Encoder {
    fn encode(
        &mut self,
        picture: &Frame,
        at: MediaTime,
        force_keyframe: bool,
    ) -> Result<Option<EncodedUnit>, EncodeError> {
        self.settings.check_frame(picture)?;
        self.moments.next(at)?;
        self.keyframe_wanted |= force_keyframe;
        let output = &mut self.output;
        // The very first picture is a key frame by itself; the library is not even initialised before it.
        let ask = self.keyframe_wanted && self.started;
        let coded = self.library.encode(&picture.planes(), ask, |nal| output.append(nal)).map_err(failed)?;
        self.started = true;
        let data = self.output.take();
        if coded == Coded::Skipped || data.is_empty() {
            return Ok(None);
        }
        let keyframe = coded == Coded::Keyframe;
        self.keyframe_wanted &= !keyframe;
        Ok(Some(EncodedUnit { data, keyframe, at }))
    }

    fn set_bitrate(&mut self, kbps: u32) -> Result<(), EncodeError> {
        encode::check_bitrate(kbps)?;
        let settings = EncoderSettings { bitrate_kbps: kbps, ..self.settings };
        if self.started {
            self.library.set_bitrate(kbps).map_err(failed)?;
        } else {
            self.library = open(&settings)?;
        }
        self.settings = settings;
        Ok(())
    }
}
