//! FFmpeg's decoders.
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::Plane;

pub(crate) struct LibavError(pub(crate) i32);

pub(crate) struct Decoder;

impl Decoder {
    pub(crate) fn open(_codec: VideoCodec) -> Result<Self, LibavError> {
        Ok(Self)
    }
    pub(crate) fn decode(&mut self, _data: &[u8]) -> Result<bool, LibavError> {
        Ok(false)
    }
    pub(crate) fn picture(&self) -> Option<[Plane<'_>; 3]> {
        None
    }
    pub(crate) fn flush(&mut self) {}
}
