//! Names of codecs, as the registries and SDP spell them.

use crate::time::ClockRate;
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
    /// ITU-T G.722 at 64 kbit/s, payload RFC 3551 §4.5.2.
    G722,
    /// ITU-T G.711 µ-law, payload RFC 3551 §4.5.14.
    Pcmu,
    /// ITU-T G.711 A-law, payload RFC 3551 §4.5.14.
    Pcma,
}

impl AudioCodec {
    /// Every codec, the best first.
    pub const ALL: [Self; 4] = [Self::Opus, Self::G722, Self::Pcmu, Self::Pcma];

    /// Its place in [`Self::ALL`], for tables of what there is of each codec.
    pub const fn index(self) -> usize {
        match self {
            Self::Opus => 0,
            Self::G722 => 1,
            Self::Pcmu => 2,
            Self::Pcma => 3,
        }
    }

    /// The encoding name of SDP `a=rtpmap`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::G722 => "G722",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The clock of its RTP timestamps, as SDP names it: for G.722 not the rate at which it samples (RFC 3551 §4.5.2).
    pub const fn clock_rate(self) -> ClockRate {
        match self {
            Self::Opus => ClockRate::OPUS,
            Self::G722 | Self::Pcmu | Self::Pcma => ClockRate::NARROW,
        }
    }

    /// Samples per second that it codes.
    pub const fn sample_rate_hz(self) -> u32 {
        match self {
            Self::Opus => ClockRate::OPUS.hz(),
            Self::G722 => ClockRate::WIDE.hz(),
            Self::Pcmu | Self::Pcma => ClockRate::NARROW.hz(),
        }
    }

    /// The RTP payload type that is its own without being negotiated (RFC 3551 §6, table 4).
    pub const fn static_payload_type(self) -> Option<u8> {
        match self {
            Self::Opus => None,
            Self::G722 => Some(9),
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
        }
    }

    /// A timestamp of its RTP clock in samples of 48 kHz, in which the node counts all sound. Needs no unwrapping: a
    /// whole multiple of a number that wraps at 2^32 wraps there as well.
    pub const fn timestamp_at_48_khz(self, timestamp: u32) -> u32 {
        timestamp.wrapping_mul(ClockRate::OPUS.hz() / self.clock_rate().hz())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_codecs_are_named_as_sdp_names_them() {
        for (place, codec) in AudioCodec::ALL.into_iter().enumerate() {
            assert_eq!(codec.index(), place);
            let written = serde_json::to_string(&codec).expect("a name");
            assert_eq!(written, format!("\"{}\"", codec.name().to_lowercase()));
            assert_eq!(serde_json::from_str::<AudioCodec>(&written).expect("its own name"), codec);
        }
    }

    #[test]
    fn rates_are_those_of_rfc_3551() {
        let rates =
            AudioCodec::ALL.map(|c| (c.clock_rate().hz(), c.sample_rate_hz(), c.static_payload_type()));
        let expected = [
            (48_000, 48_000, None),
            (8_000, 16_000, Some(9)),
            (8_000, 8_000, Some(0)),
            (8_000, 8_000, Some(8)),
        ];
        assert_eq!(rates, expected);
    }

    #[test]
    fn timestamps_at_48_khz_go_on_where_those_of_the_codec_wrap() {
        for (codec, step) in [(AudioCodec::Opus, 960_u32), (AudioCodec::G722, 160), (AudioCodec::Pcma, 160)] {
            let first = u32::MAX - 5 * step;
            let at = |n: u32| codec.timestamp_at_48_khz(first.wrapping_add(n * step));
            assert!((0..20).all(|n| at(n + 1).wrapping_sub(at(n)) == 960), "{codec:?}");
        }
    }
}
