//! Safe wrappers around the C libraries: the only place of this crate where `unsafe` is allowed.
//!
//! Each wrapper owns its C object, checks every length before C sees it, and copies out before C may write
//! again. Nothing here decides anything.

pub(crate) mod libav;
pub(crate) mod libav_sound;
pub(crate) mod openh264;
pub(crate) mod output;
pub(crate) mod vpx;
pub(crate) mod x264;
