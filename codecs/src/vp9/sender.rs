//! A VP9 sender, so that decoding can be tried without a browser. [`crate::registry`] does not offer it.

use crate::encode::{self, EncodeError, Moments, VideoEncoder};
use crate::sys::output::Output;
use crate::sys::vpx;
use mcu_core::media::frame::{Frame, Size};
use mcu_core::media::unit::EncodedUnit;
use mcu_core::time::MediaTime;

/// libvpx's VP9 encoder at its fastest.
pub(crate) struct Vp9Sender {
    library: vpx::Encoder,
    moments: Moments,
    output: Output,
}

impl Vp9Sender {
    pub(crate) fn new(size: Size, fps: u32, bitrate_kbps: u32) -> Result<Self, EncodeError> {
        let setup = vpx::Setup {
            format: vpx::Format::Vp9,
            size,
            ticks_per_second: encode::TICKS_PER_SECOND,
            bitrate_kbps,
            speed: 8,
            screen: false,
            keyframe_percent_max: 400,
        };
        let library = vpx::Encoder::open(&setup).map_err(failed)?;
        Ok(Self { library, moments: Moments::new(fps), output: Output::default() })
    }
}

const fn failed(error: vpx::VpxError) -> EncodeError {
    EncodeError::Library { library: "libvpx", step: error.step, code: error.code }
}

impl VideoEncoder for Vp9Sender {
    fn encode(
        &mut self,
        picture: &Frame,
        at: MediaTime,
        force_keyframe: bool,
    ) -> Result<Option<EncodedUnit>, EncodeError> {
        let moment = self.moments.next(at)?;
        let (output, mut keyframe) = (&mut self.output, false);
        self.library
            .encode(&picture.planes(), moment.start, moment.span, force_keyframe, |packet| {
                output.append(packet.data);
                keyframe |= packet.keyframe;
            })
            .map_err(failed)?;
        let data = self.output.take();
        Ok((!data.is_empty()).then_some(EncodedUnit { data, keyframe, at }))
    }

    fn set_bitrate(&mut self, kbps: u32) -> Result<(), EncodeError> {
        self.library.set_bitrate(kbps).map_err(failed)
    }
}
