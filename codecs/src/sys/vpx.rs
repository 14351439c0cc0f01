//! libvpx's encoders, called directly: FFmpeg's wrapper ignores changes of the bitrate.
//!
//! The binding's C enums are Rust enums, so nothing of its structs may ever be made by zeroing: every struct
//! comes from the library's own initialiser.

#![allow(unsafe_code)]

use mcu_core::media::frame::{Plane, Size};
use std::mem::MaybeUninit;
use std::os::raw::{c_int, c_long, c_ulong};
use std::ptr;
use vpx_sys as vpx;
use vpx_sys::vp8e_enc_control_id as control;

/// A libvpx error number and what was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VpxError {
    pub(crate) step: &'static str,
    pub(crate) code: i32,
}

/// The finest quantizer that is ever used, of 0 to 63: finer ones cost bits that nobody sees.
pub(crate) const QUANTIZER_MIN: u32 = 2;
/// The coarsest: beyond it, frames are dropped instead.
const QUANTIZER_MAX: u32 = 56;

fn done(step: &'static str, result: vpx::vpx_codec_err_t) -> Result<(), VpxError> {
    match result {
        vpx::VPX_CODEC_OK => Ok(()),
        error => Err(VpxError { step, code: error as i32 }),
    }
}

/// Which encoder. VP9 exists for tests and the self-test; the node does not offer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Vp8,
    Vp9,
}

/// What the encoder is told once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) format: Format,
    pub(crate) size: Size,
    /// Ticks per second of every time given to [`Encoder::encode`].
    pub(crate) ticks_per_second: u32,
    pub(crate) bitrate_kbps: u32,
    pub(crate) speed: i32,
    pub(crate) screen: bool,
    /// Largest key frame in per cent of a mean frame.
    pub(crate) keyframe_percent_max: u32,
}

/// One coded frame, still in the library's memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) keyframe: bool,
}

/// One encoder context.
pub(crate) struct Encoder {
    /// Boxed: the library keeps a pointer to the context's neighbours while it is being set up.
    context: Box<vpx::vpx_codec_ctx_t>,
    config: Box<vpx::vpx_codec_enc_cfg_t>,
    size: Size,
}

// SAFETY: a context has no thread affinity and no shared mutable state (with one thread it starts none); it is
// only ever used through `&mut self`.
unsafe impl Send for Encoder {}

impl Encoder {
    pub(crate) fn open(setup: &Setup) -> Result<Self, VpxError> {
        let config = Box::new(configure(setup)?);
        let mut context = Box::new(MaybeUninit::<vpx::vpx_codec_ctx_t>::uninit());
        // SAFETY: `vpx_codec_enc_init_ver` clears the whole context before anything else and reads `config`,
        // which outlives it; the version is the one of the header that the binding was made from.
        let result = unsafe {
            vpx::vpx_codec_enc_init_ver(
                context.as_mut_ptr(),
                interface(setup.format),
                &raw const *config,
                0,
                vpx::VPX_ENCODER_ABI_VERSION as c_int,
            )
        };
        // A failed initialisation has already torn down what it built.
        done("open an encoder", result)?;
        // SAFETY: initialised by the successful call above.
        let context = unsafe { context.assume_init() };
        let mut encoder = Self { context, config, size: setup.size };
        encoder.tune(setup)?;
        Ok(encoder)
    }

    fn tune(&mut self, setup: &Setup) -> Result<(), VpxError> {
        self.control(control::VP8E_SET_CPUUSED, setup.speed)?;
        self.control(control::VP8E_SET_MAX_INTRA_BITRATE_PCT, setup.keyframe_percent_max as c_int)?;
        // Below this difference a block is not searched: sensor noise for cameras, dithering for screens.
        self.control(control::VP8E_SET_STATIC_THRESHOLD, if setup.screen { 100 } else { 1 })?;
        self.control(control::VP8E_SET_NOISE_SENSITIVITY, 0).or_else(|error| match setup.format {
            Format::Vp8 => Err(error),
            Format::Vp9 => Ok(()),
        })?;
        if setup.format == Format::Vp8 {
            self.control(control::VP8E_SET_TOKEN_PARTITIONS, 0)?;
            self.control(control::VP8E_SET_SCREEN_CONTENT_MODE, c_int::from(setup.screen))?;
        }
        self.control(control::VP8E_SET_ENABLEAUTOALTREF, 0)
    }

    fn control(&mut self, id: control, value: c_int) -> Result<(), VpxError> {
        // SAFETY: the context is initialised and every control used here takes one `int` or `unsigned int`.
        let result = unsafe { vpx::vpx_codec_control_(&raw mut *self.context, id as c_int, value) };
        done("set a control", result)
    }

    /// Changes the aim in place; the next frame obeys.
    pub(crate) fn set_bitrate(&mut self, kbps: u32) -> Result<(), VpxError> {
        self.reconfigure("change the bitrate", |config| config.rc_target_bitrate = kbps)
    }

    /// The finest quantizer that the next frames may take; never finer than [`QUANTIZER_MIN`].
    pub(crate) fn set_quantizer_min(&mut self, quantizer: u32) -> Result<(), VpxError> {
        let quantizer = quantizer.clamp(QUANTIZER_MIN, QUANTIZER_MAX);
        self.reconfigure("change the quantizer", |config| config.rc_min_quantizer = quantizer)
    }

    fn reconfigure(
        &mut self,
        step: &'static str,
        change: impl FnOnce(&mut vpx::vpx_codec_enc_cfg_t),
    ) -> Result<(), VpxError> {
        let before = *self.config;
        change(&mut self.config);
        // SAFETY: the context is initialised; the library copies `config`.
        let result =
            unsafe { vpx::vpx_codec_enc_config_set(&raw mut *self.context, &raw const *self.config) };
        done(step, result).inspect_err(|_| *self.config = before)
    }

    /// The quantizer of the last frame, 0 (finest) to 63.
    pub(crate) fn last_quantizer(&mut self) -> Result<u32, VpxError> {
        let mut quantizer: c_int = 0;
        // SAFETY: the context is initialised, and this control writes one `int` behind the pointer that it is given.
        let result = unsafe {
            vpx::vpx_codec_control_(
                &raw mut *self.context,
                control::VP8E_GET_LAST_QUANTIZER_64 as c_int,
                &raw mut quantizer,
            )
        };
        done("read the quantizer", result)?;
        Ok(quantizer.clamp(0, 63).unsigned_abs())
    }

    /// Encodes one picture shown from `start` for `span`, and hands its coded frame, if any, to `take`.
    ///
    /// Fails when the planes are not those of a picture of the set-up's size.
    pub(crate) fn encode(
        &mut self,
        planes: &[Plane<'_>; 3],
        start: i64,
        span: u32,
        keyframe: bool,
        mut take: impl FnMut(Packet<'_>),
    ) -> Result<(), VpxError> {
        let image = self.wrap(planes)?;
        let flags = if keyframe { c_long::from(vpx::VPX_EFLAG_FORCE_KF) } else { 0 };
        // SAFETY: the context is initialised; the image describes planes whose lengths `wrap` has checked, which
        // the library only reads, and only during the call: without look-ahead it copies them into its own frame.
        let result = unsafe {
            vpx::vpx_codec_encode(
                &raw mut *self.context,
                &raw const image,
                start,
                c_ulong::from(span),
                flags,
                c_ulong::from(vpx::VPX_DL_REALTIME),
            )
        };
        done("encode", result)?;
        let mut iterator: vpx::vpx_codec_iter_t = ptr::null();
        loop {
            // SAFETY: the context is initialised and `iterator` is the library's own cursor.
            let packet = unsafe { vpx::vpx_codec_get_cx_data(&raw mut *self.context, &raw mut iterator) };
            // SAFETY: a packet that is not null is valid until the next call on the context.
            let Some(packet) = (unsafe { packet.as_ref() }) else { return Ok(()) };
            if packet.kind != vpx::vpx_codec_cx_pkt_kind::VPX_CODEC_CX_FRAME_PKT {
                continue;
            }
            // SAFETY: `kind` says that `frame` is the union's live member.
            let frame = unsafe { packet.data.frame };
            if frame.buf.is_null() || frame.sz == 0 {
                continue;
            }
            // SAFETY: the library wrote `sz` bytes at `buf`, valid until the next call on the context, which
            // cannot be made before `take` returns.
            let data = unsafe { std::slice::from_raw_parts(frame.buf.cast::<u8>(), frame.sz as usize) };
            take(Packet { data, keyframe: frame.flags & vpx::VPX_FRAME_IS_KEY != 0 });
        }
    }

    /// Describes `planes` to the library.
    fn wrap(&self, planes: &[Plane<'_>; 3]) -> Result<vpx::vpx_image_t, VpxError> {
        const REFUSED: VpxError = VpxError { step: "take a picture", code: 0 };
        let chroma = self.size.chroma();
        for (plane, size) in planes.iter().zip([self.size, chroma, chroma]) {
            let fits = plane.size == size
                && plane.stride >= usize::from(size.width)
                && plane.data.len() >= plane.stride * usize::from(size.height);
            if !fits {
                return Err(REFUSED);
            }
        }
        let mut image = MaybeUninit::<vpx::vpx_image_t>::uninit();
        let (width, height) = (u32::from(self.size.width), u32::from(self.size.height));
        // SAFETY: `vpx_img_wrap` clears and fills the image; it never reads or writes through the data pointer.
        let filled = unsafe {
            vpx::vpx_img_wrap(
                image.as_mut_ptr(),
                vpx::vpx_img_fmt::VPX_IMG_FMT_I420,
                width,
                height,
                1,
                planes[0].data.as_ptr().cast_mut(),
            )
        };
        if filled.is_null() {
            return Err(REFUSED);
        }
        // SAFETY: filled by the call above.
        let mut image = unsafe { image.assume_init() };
        for (index, plane) in planes.iter().enumerate() {
            image.planes[index] = plane.data.as_ptr().cast_mut();
            image.stride[index] = c_int::try_from(plane.stride).map_err(|_| REFUSED)?;
        }
        Ok(image)
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: the context was initialised, and is destroyed only here.
        unsafe { vpx::vpx_codec_destroy(&raw mut *self.context) };
    }
}

fn interface(format: Format) -> *mut vpx::vpx_codec_iface_t {
    // SAFETY: both return the address of a constant table.
    unsafe {
        match format {
            Format::Vp8 => vpx::vpx_codec_vp8_cx(),
            Format::Vp9 => vpx::vpx_codec_vp9_cx(),
        }
    }
}

/// Real-time constant bitrate: no look-ahead, key frames only on request, frames dropped before the rate is broken.
fn configure(setup: &Setup) -> Result<vpx::vpx_codec_enc_cfg_t, VpxError> {
    let mut config = MaybeUninit::<vpx::vpx_codec_enc_cfg_t>::uninit();
    // SAFETY: the library copies its whole default configuration over `config` when it succeeds.
    let result =
        unsafe { vpx::vpx_codec_enc_config_default(interface(setup.format), config.as_mut_ptr(), 0) };
    done("read the default configuration", result)?;
    // SAFETY: filled by the successful call above.
    let mut config = unsafe { config.assume_init() };
    config.g_w = setup.size.width.into();
    config.g_h = setup.size.height.into();
    config.g_timebase.num = 1;
    config.g_timebase.den = setup.ticks_per_second as c_int;
    config.g_threads = 1;
    config.g_error_resilient = 0;
    config.g_pass = vpx::vpx_enc_pass::VPX_RC_ONE_PASS;
    config.g_lag_in_frames = 0;
    config.rc_end_usage = vpx::vpx_rc_mode::VPX_CBR;
    config.rc_target_bitrate = setup.bitrate_kbps;
    config.rc_resize_allowed = 0;
    // WebRTC's real-time buffer model: 0.5 s to begin with, 0.6 s aimed at, 1 s at most.
    config.rc_buf_initial_sz = 500;
    config.rc_buf_optimal_sz = 600;
    config.rc_buf_sz = 1_000;
    config.rc_dropframe_thresh = if setup.screen { 0 } else { 30 };
    config.rc_undershoot_pct = 100;
    config.rc_overshoot_pct = 15;
    config.rc_min_quantizer = QUANTIZER_MIN;
    config.rc_max_quantizer = QUANTIZER_MAX;
    config.kf_mode = vpx::vpx_kf_mode::VPX_KF_DISABLED;
    Ok(config)
}
