//! Encode: one raw picture in, one coded picture out, at a rate that can be changed between any two.
//!
//! Flow: compose -> **here** -> packetize. Thread: video pool, one job in flight per encoder. Bound: one picture;
//! nothing is held back (no look-ahead, no B frames). A key frame comes first, then only when asked for.

use mcu_core::limits;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::{Frame, Size};
use mcu_core::media::unit::EncodedUnit;
use mcu_core::time::{MEDIA_TICKS_PER_SECOND, MediaTime};

/// Encodes the pictures of one rendition, in order.
pub trait VideoEncoder: Send {
    /// Encodes `picture`, the canvas of moment `at`; moments must grow from call to call.
    ///
    /// `Ok(None)` when the encoder skips the picture to hold its rate. A skipped picture that was to be a key
    /// frame leaves the wish standing: the next picture that is coded is one.
    ///
    /// # Errors
    /// [`EncodeError`]; after `Library` the encoder should be replaced.
    fn encode(
        &mut self,
        picture: &Frame,
        at: MediaTime,
        force_keyframe: bool,
    ) -> Result<Option<EncodedUnit>, EncodeError>;

    /// Aims at `kbps` from the next picture on, without a key frame.
    ///
    /// # Errors
    /// [`EncodeError`] when the rate is outside [`BITRATE_KBPS_MIN`]`..=`[`BITRATE_KBPS_MAX`] or the library
    /// refuses it; the old rate then stays.
    fn set_bitrate(&mut self, kbps: u32) -> Result<(), EncodeError>;
}

/// The lowest rate an encoder takes, in kbit/s.
pub const BITRATE_KBPS_MIN: u32 = 30;
/// The highest rate an encoder takes, in kbit/s.
pub const BITRATE_KBPS_MAX: u32 = 20_000;
/// The highest frame rate an encoder takes.
pub const FPS_MAX: u32 = 60;

/// What kind of picture is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PictureKind {
    /// People.
    #[default]
    Camera,
    /// Slides and text: sharp edges, long standstills.
    Screen,
}

/// Which library encodes H.264.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum H264Backend {
    /// Cisco's, BSD licence, cheapest.
    #[default]
    OpenH264,
    /// Compresses better for about twice the time; GPL, through FFmpeg.
    X264,
}

/// Everything that defines an encoder. A change of any but the bitrate is another encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EncoderSettings {
    /// Output format.
    pub codec: VideoCodec,
    /// The one size of picture that is taken.
    pub size: Size,
    /// Nominal frames per second; gaps are allowed.
    pub fps: u32,
    /// Aim, in kbit/s.
    pub bitrate_kbps: u32,
    /// People or slides.
    pub kind: PictureKind,
    /// Largest size of a key frame, in mean frames of the current rate, where the library can be told.
    pub keyframe_mean_frames_max: u32,
    /// libvpx `cpu-used` of VP8, -16 (fastest) to -4.
    pub vp8_speed: i32,
    /// Which library encodes H.264.
    pub h264: H264Backend,
}

impl EncoderSettings {
    /// Settings with every default: a camera, key frames of at most four mean frames, `cpu-used` -8, openh264.
    pub const fn new(codec: VideoCodec, size: Size, fps: u32, bitrate_kbps: u32) -> Self {
        Self {
            codec,
            size,
            fps,
            bitrate_kbps,
            kind: PictureKind::Camera,
            keyframe_mean_frames_max: 4,
            vp8_speed: -8,
            h264: H264Backend::OpenH264,
        }
    }

    /// Checks every field against its range.
    ///
    /// # Errors
    /// The [`EncodeError`] that names the first field out of range.
    pub fn check(&self) -> Result<(), EncodeError> {
        if !self.codec.encodes() {
            return Err(EncodeError::Codec { codec: self.codec });
        }
        check_picture(self.size)?;
        check_bitrate(self.bitrate_kbps)?;
        if self.fps == 0 || self.fps > FPS_MAX {
            return Err(EncodeError::Fps { fps: self.fps });
        }
        if !(-16..=-4).contains(&self.vp8_speed) {
            return Err(EncodeError::Speed { speed: self.vp8_speed });
        }
        if !(1..=100).contains(&self.keyframe_mean_frames_max) {
            return Err(EncodeError::KeyframeMax { mean_frames: self.keyframe_mean_frames_max });
        }
        Ok(())
    }
}

impl EncoderSettings {
    pub(crate) fn check_frame(&self, picture: &Frame) -> Result<(), EncodeError> {
        if picture.size() == self.size {
            Ok(())
        } else {
            Err(EncodeError::Size { expected: self.size, got: picture.size() })
        }
    }
}

/// Ticks per second of the time that libraries are given: fine enough for every frame rate of the node.
pub(crate) const TICKS_PER_SECOND: u32 = 90_000;

/// A picture's place in the encoder's own time, which starts at zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// In 1/90 000 s.
    pub(crate) start: i64,
    /// Nominal length, in 1/90 000 s.
    pub(crate) span: u32,
}

/// Turns the growing moments of a rendition into the encoder's own time.
#[derive(Debug)]
pub(crate) struct Moments {
    first: Option<MediaTime>,
    last: Option<MediaTime>,
    span: u32,
}

impl Moments {
    pub(crate) const fn new(fps: u32) -> Self {
        Self { first: None, last: None, span: TICKS_PER_SECOND / fps }
    }

    /// The place of `at`.
    ///
    /// # Errors
    /// [`EncodeError::Time`] when it is not at least one tick after the one before.
    pub(crate) fn next(&mut self, at: MediaTime) -> Result<Moment, EncodeError> {
        const MEDIA_TICKS: i64 = MEDIA_TICKS_PER_SECOND / TICKS_PER_SECOND as i64;
        let first = *self.first.get_or_insert(at);
        let place = |at: MediaTime| (at - first).ticks() / MEDIA_TICKS;
        if let Some(last) = self.last
            && place(at) <= place(last)
        {
            return Err(EncodeError::Time { at, last });
        }
        self.last = Some(at);
        Ok(Moment { start: place(at), span: self.span })
    }
}

/// The canvas limit holds whichever way up the canvas is; odd sizes have no whole chroma sample at the edge.
fn check_picture(size: Size) -> Result<(), EncodeError> {
    let (long, short) = (size.width.max(size.height), size.width.min(size.height));
    let fits = long <= limits::CANVAS_MAX.width && short <= limits::CANVAS_MAX.height;
    let even = size.width.is_multiple_of(2) && size.height.is_multiple_of(2);
    if fits && even && short >= limits::DECODE_SIDE_MIN { Ok(()) } else { Err(EncodeError::Canvas { size }) }
}

pub(crate) fn check_bitrate(kbps: u32) -> Result<(), EncodeError> {
    if (BITRATE_KBPS_MIN..=BITRATE_KBPS_MAX).contains(&kbps) {
        Ok(())
    } else {
        Err(EncodeError::Bitrate { kbps })
    }
}

/// Why a picture was not encoded, or an encoder not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// We only decode it.
    #[error("{codec:?} is not encoded here")]
    Codec {
        /// What was asked for.
        codec: VideoCodec,
    },
    /// The picture is not the size that the encoder was made for.
    #[error("a picture of {got:?} came to an encoder of {expected:?}")]
    Size {
        /// The encoder's.
        expected: Size,
        /// The picture's.
        got: Size,
    },
    /// A canvas over `limits::CANVAS_MAX`, under `limits::DECODE_SIDE_MIN`, or odd.
    #[error("a canvas of {size:?} cannot be encoded")]
    Canvas {
        /// What was asked for.
        size: Size,
    },
    /// Outside [`BITRATE_KBPS_MIN`]`..=`[`BITRATE_KBPS_MAX`].
    #[error("{kbps} kbit/s is outside {BITRATE_KBPS_MIN} to {BITRATE_KBPS_MAX}")]
    Bitrate {
        /// What was asked for.
        kbps: u32,
    },
    /// Outside `1..=`[`FPS_MAX`].
    #[error("{fps} frames per second is outside 1 to {FPS_MAX}")]
    Fps {
        /// What was asked for.
        fps: u32,
    },
    /// Outside -16..=-4.
    #[error("a speed of {speed} is outside -16 to -4")]
    Speed {
        /// What was asked for.
        speed: i32,
    },
    /// Outside 1..=100.
    #[error("a key frame of {mean_frames} mean frames is outside 1 to 100")]
    KeyframeMax {
        /// What was asked for.
        mean_frames: u32,
    },
    /// The moment is not after the one before.
    #[error("moment {at:?} is not after {last:?}")]
    Time {
        /// The picture's.
        at: MediaTime,
        /// The one before.
        last: MediaTime,
    },
    /// The library refused.
    #[error("{library} failed to {step} (error {code})")]
    Library {
        /// Which.
        library: &'static str,
        /// What it was doing.
        step: &'static str,
        /// Its error number.
        code: i32,
    },
}
