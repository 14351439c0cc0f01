//! Names of codecs, as the registries and SDP spell them.

use serde::{Deserialize, Serialize};

/// A video codec the node can at least decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// RFC 6386, payload RFC 7741.
    Vp8,
    /// Payload RFC 9628. Decoded only.
    Vp9,
    /// ITU-T H.264 constrained baseline, payload RFC 6184.
    H264,
}

impl VideoCodec {
    /// Every codec, in the order we offer to receive them.
    pub const ALL: [Self; 3] = [Self::Vp8, Self::H264, Self::Vp9];

    /// The encoding name of SDP `a=rtpmap`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::H264 => "H264",
        }
    }

    /// Whether the node encodes it.
    pub const fn encodes(self) -> bool {
        !matches!(self, Self::Vp9)
    }
}

/// A sound codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AudioCodec {
    /// RFC 6716, payload RFC 7587.
    Opus,
}
