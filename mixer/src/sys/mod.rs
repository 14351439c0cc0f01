//! The only unsafe code of the crate: calls into libyuv, behind functions that check every size.

pub(crate) mod yuv;
