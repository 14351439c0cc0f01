//! x264 through FFmpeg: one picture in, one access unit out, nothing held back.

#![allow(unsafe_code)]

use super::libav::{self, LibavError};
use ffmpeg_next::codec::{context::Context, encoder};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::util::{error::EAGAIN, frame::Video as VideoFrame, picture};
use ffmpeg_next::{Dictionary, Error, Packet, Rational};
use mcu_core::media::frame::{Plane, Size};
use std::os::raw::c_int;

/// What the encoder is told once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) size: Size,
    /// Ticks per second of every time given to [`Encoder::encode`].
    pub(crate) ticks_per_second: u32,
    pub(crate) fps: u32,
    pub(crate) bitrate_kbps: u32,
    /// Largest slice, NAL header included, start code not.
    pub(crate) slice_bytes_max: u32,
}

/// One encoder, and the picture buffer that it reads from.
pub(crate) struct Encoder {
    opened: encoder::Video,
    frame: VideoFrame,
    size: Size,
}

impl Encoder {
    pub(crate) fn open(setup: &Setup) -> Result<Self, LibavError> {
        libav::silence();
        let found = encoder::find_by_name("libx264").ok_or(Error::EncoderNotFound)?;
        let mut video = Context::new_with_codec(found).encoder().video()?;
        let (width, height) = (u32::from(setup.size.width), u32::from(setup.size.height));
        video.set_width(width);
        video.set_height(height);
        video.set_format(Pixel::YUV420P);
        video.set_time_base(Rational::new(1, setup.ticks_per_second as i32));
        video.set_frame_rate(Some(Rational::new(setup.fps as i32, 1)));
        video.set_max_b_frames(0);
        aim(&mut video, setup.bitrate_kbps);
        let mut options = Dictionary::new();
        options.set("threads", "1");
        options.set("preset", "superfast");
        options.set("tune", "zerolatency");
        options.set("profile", "baseline");
        options.set("forced-idr", "1");
        let slices = setup.slice_bytes_max;
        let parameters = format!("slice-max-size={slices}:keyint=infinite:scenecut=0:sliced-threads=0");
        options.set("x264-params", &parameters);
        let opened = video.open_with(options)?;
        Ok(Self { opened, frame: VideoFrame::new(Pixel::YUV420P, width, height), size: setup.size })
    }

    /// Changes the aim; the wrapper passes it on with the next picture.
    pub(crate) fn set_bitrate(&mut self, kbps: u32) {
        aim(&mut self.opened, kbps);
    }

    /// Encodes one picture; its access unit, in Annex B, goes to `take`. True for a key frame, `None` when the
    /// library held the picture back.
    ///
    /// Fails when the planes are not those of a picture of the set-up's size.
    pub(crate) fn encode(
        &mut self,
        planes: &[Plane<'_>; 3],
        at: i64,
        keyframe: bool,
        mut take: impl FnMut(&[u8]),
    ) -> Result<Option<bool>, LibavError> {
        self.fill(planes)?;
        self.frame.set_pts(Some(at));
        self.frame.set_kind(if keyframe { picture::Type::I } else { picture::Type::None });
        self.opened.send_frame(&self.frame)?;
        let mut packet = Packet::empty();
        let mut coded = None;
        loop {
            match self.opened.receive_packet(&mut packet) {
                Ok(()) => {}
                Err(Error::Other { errno: EAGAIN }) => return Ok(coded),
                Err(error) => return Err(error.into()),
            }
            take(packet.data().unwrap_or_default());
            coded = Some(packet.is_key());
        }
    }

    fn fill(&mut self, planes: &[Plane<'_>; 3]) -> Result<(), LibavError> {
        let chroma = self.size.chroma();
        if planes.iter().zip([self.size, chroma, chroma]).any(|(plane, size)| plane.size != size) {
            return Err(Error::InvalidData.into());
        }
        // SAFETY: the frame was allocated by `VideoFrame::new` and is exclusively ours; the call only replaces its
        // buffers by copies when the library still holds on to them.
        let code = unsafe { ffmpeg_next::ffi::av_frame_make_writable(self.frame.as_mut_ptr()) };
        if code < 0 {
            return Err(LibavError(code));
        }
        for (index, plane) in planes.iter().enumerate() {
            let stride = self.frame.stride(index);
            let rows = self.frame.data_mut(index).chunks_exact_mut(stride);
            for (y, row) in rows.take(plane.size.height.into()).enumerate() {
                row[..plane.size.width.into()].copy_from_slice(plane.row(y));
            }
        }
        Ok(())
    }
}

/// Constant bitrate with a buffer of 400 ms, so that a key frame may take several mean frames.
fn aim(video: &mut encoder::video::Video, kbps: u32) {
    let bits = kbps as usize * 1_000;
    video.set_bit_rate(bits);
    video.set_max_bit_rate(bits);
    // SAFETY: the context is valid as long as `video`; the field is a plain number that the wrapper compares
    // before each picture.
    unsafe { (*video.as_mut_ptr()).rc_buffer_size = (bits * 2 / 5) as c_int };
}
