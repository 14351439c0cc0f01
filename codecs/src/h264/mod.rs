//! H.264 (ITU-T H.264): NAL units, parameter sets and encoders; decoded by [`crate::decode`].

pub mod encode;
pub(crate) mod guard;
pub mod nal;
mod parameters;
pub mod x264;
