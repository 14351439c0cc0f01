//! Encoder.
use crate::encode::{EncodeError, EncoderSettings, VideoEncoder};
use mcu_core::media::frame::Frame;
use mcu_core::media::unit::EncodedUnit;
use mcu_core::time::MediaTime;

/// Encoder.
#[derive(Debug)]
pub struct OpenH264Encoder(EncoderSettings);

impl OpenH264Encoder {
    /// Makes one.
    ///
    /// # Errors
    /// [`EncodeError`] when a setting is out of range or the library refuses it.
    pub fn new(settings: &EncoderSettings) -> Result<Self, EncodeError> {
        settings.check()?;
        Ok(Self(*settings))
    }
}

impl VideoEncoder for OpenH264Encoder {
    fn encode(&mut self, _: &Frame, _: MediaTime, _: bool) -> Result<Option<EncodedUnit>, EncodeError> {
        Ok(None)
    }

    fn set_bitrate(&mut self, kbps: u32) -> Result<(), EncodeError> {
        self.0.bitrate_kbps = kbps;
        Ok(())
    }
}
