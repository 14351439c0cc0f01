//! FFmpeg's native decoders of VP8, VP9 and H.264, by name, so that no other build of FFmpeg changes which run.
//!
//! One thread, low delay, nothing logged. `max_pixels` repeats inside the library what `guard` checked before it.

use crate::guard::{self, GuardError};
use ffmpeg_next::codec::{context::Context, decoder};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::util::{error::EAGAIN, frame::Video as VideoFrame, log};
use ffmpeg_next::{Dictionary, Error, Packet};
use mcu_core::limits;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::{Plane, Size};
use std::sync::Once;

/// A libav error number, negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LibavError(pub(crate) i32);

impl From<Error> for LibavError {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

/// A picture that the decoder marked as damaged has no error number.
const MARKED_DAMAGED: LibavError = LibavError(0);

/// libav prints to standard error by itself, and what it prints can quote a stream.
pub(crate) fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| log::set_level(log::Level::Quiet));
}

/// One decoder and the last picture that came out of it.
pub(crate) struct Decoder {
    opened: decoder::Video,
    /// The last picture.
    frame: VideoFrame,
    /// Receives the next one.
    scratch: VideoFrame,
}

impl Decoder {
    pub(crate) fn open(codec: VideoCodec) -> Result<Self, LibavError> {
        silence();
        let name = match codec {
            VideoCodec::Vp8 => "vp8",
            VideoCodec::Vp9 => "vp9",
            VideoCodec::H264 => "h264",
        };
        let found = decoder::find_by_name(name).ok_or(Error::DecoderNotFound)?;
        let mut options = Dictionary::new();
        options.set("threads", "1");
        options.set("flags", "low_delay");
        options.set("max_pixels", &limits::DECODE_AREA_MAX.to_string());
        let opened = Context::new_with_codec(found).decoder().open_with(options)?.video()?;
        Ok(Self { opened, frame: VideoFrame::empty(), scratch: VideoFrame::empty() })
    }

    /// Decodes one unit. True when a picture came out; [`Self::picture`] then has it.
    pub(crate) fn decode(&mut self, data: &[u8]) -> Result<bool, LibavError> {
        // The library copies what is only borrowed into a padded buffer of its own.
        self.opened.send_packet(&Packet::borrow(data))?;
        let mut shown = false;
        loop {
            match self.opened.receive_frame(&mut self.scratch) {
                Ok(()) => {}
                Err(Error::Other { errno: EAGAIN }) => return Ok(shown),
                Err(error) => return Err(error.into()),
            }
            if self.scratch.is_corrupt() || self.scratch.has_decode_errors() {
                return Err(MARKED_DAMAGED);
            }
            std::mem::swap(&mut self.frame, &mut self.scratch);
            shown = true;
        }
    }

    /// The size of the last picture, checked once more as the library has it.
    pub(crate) fn size(&self) -> Result<Size, GuardError> {
        guard::check_size(self.frame.width(), self.frame.height())
    }

    /// The planes of the last picture; `None` when it is not 8-bit 4:2:0 of `size`.
    pub(crate) fn planes(&self, size: Size) -> Option<[Plane<'_>; 3]> {
        let frame = &self.frame;
        let i420 = matches!(frame.format(), Pixel::YUV420P | Pixel::YUVJ420P) && frame.planes() == 3;
        let plane = |index: usize, size: Size| {
            let (data, stride) = (frame.data(index), frame.stride(index));
            let whole = stride >= size.width.into() && data.len() >= stride * usize::from(size.height);
            whole.then_some(Plane { data, stride, size })
        };
        if !i420 || (frame.width(), frame.height()) != (size.width.into(), size.height.into()) {
            return None;
        }
        Some([plane(0, size)?, plane(1, size.chroma())?, plane(2, size.chroma())?])
    }
}

/// Whether the linked FFmpeg has an encoder of this name.
pub(crate) fn has_encoder(name: &str) -> bool {
    ffmpeg_next::encoder::find_by_name(name).is_some()
}

/// Whether the linked FFmpeg has a decoder of this name.
pub(crate) fn has_decoder(name: &str) -> bool {
    decoder::find_by_name(name).is_some()
}

/// libavcodec's version as major, minor, micro.
pub(crate) fn version() -> (u32, u32, u32) {
    let version = ffmpeg_next::codec::version();
    (version >> 16, (version >> 8) & 0xff, version & 0xff)
}
