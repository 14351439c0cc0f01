//! openh264's encoder, with the two options that its binding does not offer: the bitrate of a running encoder.

#![allow(unsafe_code)]

use mcu_core::media::frame::{Plane, Size};
use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Complexity, Encoder as Library, EncoderConfig, FrameRate, FrameType, Profile, RateControlMode,
    SpsPpsStrategy, UsageType,
};
use openh264::formats::YUVSource;
use openh264_sys2::{ENCODER_OPTION, ENCODER_OPTION_BITRATE, ENCODER_OPTION_MAX_BITRATE, SPATIAL_LAYER_0};

/// An openh264 error number and what was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenH264Error {
    pub(crate) step: &'static str,
    pub(crate) code: i32,
}

/// What the encoder is told once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) size: Size,
    pub(crate) fps: u32,
    pub(crate) bitrate_kbps: u32,
    pub(crate) screen: bool,
    /// Largest slice, NAL header included, start code not.
    pub(crate) slice_bytes_max: u32,
}

/// What one call gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coded {
    Keyframe,
    Delta,
    Skipped,
}

/// One encoder.
pub(crate) struct Encoder {
    library: Library,
    size: Size,
    bitrate_kbps: u32,
}

impl Encoder {
    pub(crate) fn open(setup: &Setup) -> Result<Self, OpenH264Error> {
        let usage =
            if setup.screen { UsageType::ScreenContentRealTime } else { UsageType::CameraVideoRealTime };
        let config = EncoderConfig::new()
            .bitrate(BitRate::from_bps(setup.bitrate_kbps * 1_000))
            .max_frame_rate(FrameRate::from_hz(setup.fps as f32))
            .rate_control_mode(RateControlMode::Bitrate)
            .skip_frames(true)
            .usage_type(usage)
            .profile(Profile::Baseline)
            .complexity(Complexity::Low)
            .sps_pps_strategy(SpsPpsStrategy::ConstantId)
            .scene_change_detect(false)
            .num_threads(1)
            .max_slice_len(setup.slice_bytes_max);
        let library = Library::with_api_config(OpenH264API::from_source(), config)
            .map_err(|_| OpenH264Error { step: "open an encoder", code: 0 })?;
        Ok(Self { library, size: setup.size, bitrate_kbps: setup.bitrate_kbps })
    }

    /// Encodes one picture; its NAL units, each with a start code, go to `take` in order.
    ///
    /// Fails when the planes are not those of a picture of the set-up's size.
    pub(crate) fn encode(
        &mut self,
        planes: &[Plane<'_>; 3],
        keyframe: bool,
        mut take: impl FnMut(&[u8]),
    ) -> Result<Coded, OpenH264Error> {
        let picture = Picture::of(planes, self.size)?;
        if keyframe {
            self.library.force_intra_frame();
        }
        let stream = self.library.encode(&picture).map_err(|_| OpenH264Error { step: "encode", code: 0 })?;
        let coded = match stream.frame_type() {
            FrameType::IDR => Coded::Keyframe,
            FrameType::I | FrameType::P | FrameType::IPMixed => Coded::Delta,
            FrameType::Skip => return Ok(Coded::Skipped),
            FrameType::Invalid => return Err(OpenH264Error { step: "encode", code: -1 }),
        };
        for layer in (0..stream.num_layers()).filter_map(|index| stream.layer(index)) {
            for index in 0..layer.nal_count() {
                if let Some(nal) = layer.nal_unit(index) {
                    take(nal);
                }
            }
        }
        Ok(coded)
    }

    /// Changes the aim and the ceiling; the next picture obeys. Only after the first picture.
    pub(crate) fn set_bitrate(&mut self, kbps: u32) -> Result<(), OpenH264Error> {
        // The aim may at no time lie above the ceiling.
        let order = if kbps > self.bitrate_kbps {
            [ENCODER_OPTION_MAX_BITRATE, ENCODER_OPTION_BITRATE]
        } else {
            [ENCODER_OPTION_BITRATE, ENCODER_OPTION_MAX_BITRATE]
        };
        for option in order {
            self.set_rate(option, kbps)?;
        }
        self.bitrate_kbps = kbps;
        Ok(())
    }

    fn set_rate(&mut self, option: ENCODER_OPTION, kbps: u32) -> Result<(), OpenH264Error> {
        let mut rate =
            openh264_sys2::SBitrateInfo { iLayer: SPATIAL_LAYER_0, iBitrate: (kbps * 1_000) as i32 };
        // SAFETY: both options take a pointer to an `SBitrateInfo`, which the library reads during the call; the
        // one spatial layer named in it exists. Neither touches a parameter that the binding relies on.
        let code = unsafe { self.library.raw_api().set_option(option, (&raw mut rate).cast()) };
        if code == 0 { Ok(()) } else { Err(OpenH264Error { step: "change the bitrate", code }) }
    }
}

/// A picture as the binding wants it. Its accessors promise the lengths that the library reads.
struct Picture<'a> {
    planes: [Plane<'a>; 3],
}

impl<'a> Picture<'a> {
    fn of(planes: &[Plane<'a>; 3], size: Size) -> Result<Self, OpenH264Error> {
        let chroma = size.chroma();
        for (plane, size) in planes.iter().zip([size, chroma, chroma]) {
            let fits = plane.size == size
                && plane.stride >= usize::from(size.width)
                && plane.data.len() >= plane.stride * usize::from(size.height);
            if !fits {
                return Err(OpenH264Error { step: "take a picture", code: 0 });
            }
        }
        Ok(Self { planes: *planes })
    }
}

impl YUVSource for Picture<'_> {
    fn dimensions(&self) -> (usize, usize) {
        (self.planes[0].size.width.into(), self.planes[0].size.height.into())
    }

    fn strides(&self) -> (usize, usize, usize) {
        (self.planes[0].stride, self.planes[1].stride, self.planes[2].stride)
    }

    fn y(&self) -> &[u8] {
        self.planes[0].data
    }

    fn u(&self) -> &[u8] {
        self.planes[1].data
    }

    fn v(&self) -> &[u8] {
        self.planes[2].data
    }
}
