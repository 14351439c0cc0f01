//! Lines: which of a participant's sources each media line of the session carries, and in which formats.
//!
//! Owned by its peer, made once by `negotiate` and read per packet; at most [`LINES_MAX`], so look-ups are array
//! indices. The payload type decides the codec; nothing here looks into a payload.

use mcu_core::id::SourceKind;
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use mcu_core::media::picture_limits::PictureLimits;

/// Lines of one peer: sound and picture of each of the two sources.
pub const LINES_MAX: usize = 4;

/// Sound or picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Medium {
    /// Sound.
    Audio,
    /// Picture.
    Video,
}

/// One media line of a peer, by what it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line {
    /// The person, or what the person shares.
    pub kind: SourceKind,
    /// Sound or picture.
    pub medium: Medium,
}

impl Line {
    /// Microphone; the mixed sound the other way.
    pub const MAIN_AUDIO: Self = Self { kind: SourceKind::Main, medium: Medium::Audio };
    /// Camera; the mixed picture the other way.
    pub const MAIN_VIDEO: Self = Self { kind: SourceKind::Main, medium: Medium::Video };
    /// Screen; somebody else's screen the other way.
    pub const CONTENT_VIDEO: Self = Self { kind: SourceKind::Content, medium: Medium::Video };
    /// The shared screen's sound; nothing the other way, it is in the mix.
    pub const CONTENT_AUDIO: Self = Self { kind: SourceKind::Content, medium: Medium::Audio };

    /// Every line there can be.
    pub const ALL: [Self; LINES_MAX] =
        [Self::MAIN_AUDIO, Self::MAIN_VIDEO, Self::CONTENT_VIDEO, Self::CONTENT_AUDIO];

    /// Its place in [`Self::ALL`].
    pub const fn index(self) -> usize {
        match (self.kind, self.medium) {
            (SourceKind::Main, Medium::Audio) => 0,
            (SourceKind::Main, Medium::Video) => 1,
            (SourceKind::Content, Medium::Video) => 2,
            (SourceKind::Content, Medium::Audio) => 3,
        }
    }
}

/// How a payload is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineCodec {
    /// Sound.
    Audio(AudioCodec),
    /// Picture.
    Video(VideoCodec),
}

impl LineCodec {
    /// The codec of a picture.
    pub const fn video(self) -> Option<VideoCodec> {
        match self {
            Self::Video(codec) => Some(codec),
            Self::Audio(_) => None,
        }
    }

    /// The codec of sound.
    pub const fn audio(self) -> Option<AudioCodec> {
        match self {
            Self::Audio(codec) => Some(codec),
            Self::Video(_) => None,
        }
    }
}

/// What SDP says of an H.264 stream (RFC 6184 §8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct H264Format {
    /// `profile-level-id`: profile, constraint flags and the highest level, one byte each.
    pub profile_level_id: u32,
    /// `packetization-mode`: 0 single NAL unit packets only, 1 also STAP-A and FU-A.
    pub packetization_mode: u8,
}

/// The format that we send on a picture line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendCodec {
    /// The codec.
    pub codec: VideoCodec,
    /// Its RTP payload type.
    pub payload_type: u8,
    /// What the receiver takes, for H.264.
    pub h264: Option<H264Format>,
    /// What the receiver decodes at most.
    pub limits: PictureLimits,
    /// Whether lost packets can be sent again (RTX negotiated).
    pub resend: bool,
}

/// A format that the peer may send on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiveCodec {
    /// The codec.
    pub codec: LineCodec,
    /// Its RTP payload type.
    pub payload_type: u8,
}

/// What was agreed for one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineState {
    /// What it carries.
    pub line: Line,
    /// Its name in SDP.
    pub mid: Box<str>,
    /// Whether the peer may send on it.
    pub receives: bool,
    /// The format of our picture, when we may send one.
    pub send_video: Option<SendCodec>,
    /// The payload type of our sound, when we may send it.
    pub send_audio: Option<u8>,
    /// What the peer may send, in the order agreed.
    pub receivable: Vec<ReceiveCodec>,
}

impl LineState {
    /// The codec of our sound, when we may send it: that of its payload type.
    pub fn send_audio_codec(&self) -> Option<AudioCodec> {
        let payload_type = self.send_audio?;
        self.receivable.iter().find(|format| format.payload_type == payload_type)?.codec.audio()
    }
}

/// Which media line is which source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineRoles {
    by_mid: Option<Vec<(Box<str>, SourceKind)>>,
}

impl LineRoles {
    /// By order: the first audio and the first video line are the person, the second of each is content.
    pub const fn in_order() -> Self {
        Self { by_mid: None }
    }

    /// As the client says. A mid that is not named has no role, and its line is refused.
    pub fn by_mid(roles: impl IntoIterator<Item = (Box<str>, SourceKind)>) -> Self {
        Self { by_mid: Some(roles.into_iter().collect()) }
    }

    /// The role of each of `lines` (medium and mid, in SDP order); `None` where it has none. No role is given twice.
    pub(crate) fn assign(&self, lines: &[(Medium, &str)]) -> Vec<Option<Line>> {
        let mut taken = [false; LINES_MAX];
        let mut give = |line: Line| (!std::mem::replace(&mut taken[line.index()], true)).then_some(line);
        lines
            .iter()
            .map(|&(medium, mid)| match &self.by_mid {
                Some(roles) => {
                    let kind = roles.iter().find(|(name, _)| **name == *mid).map(|(_, kind)| *kind)?;
                    give(Line { kind, medium })
                }
                None => give(Line { kind: SourceKind::Main, medium })
                    .or_else(|| give(Line { kind: SourceKind::Content, medium })),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Medium::{Audio, Video};

    #[test]
    fn index_is_the_place_in_all() {
        for (place, line) in Line::ALL.into_iter().enumerate() {
            assert_eq!(line.index(), place);
        }
    }

    #[test]
    fn the_codec_of_our_sound_is_that_of_its_payload_type() {
        let formats = [(AudioCodec::G722, 9), (AudioCodec::Pcma, 8)];
        let receivable = formats
            .map(|(codec, payload_type)| ReceiveCodec { codec: LineCodec::Audio(codec), payload_type });
        let codec = |send_audio| {
            let (line, mid, receivable) = (Line::MAIN_AUDIO, "0".into(), receivable.to_vec());
            let state = LineState { line, mid, receives: true, send_video: None, send_audio, receivable };
            state.send_audio_codec()
        };
        assert_eq!([Some(8), Some(9)].map(codec), [Some(AudioCodec::Pcma), Some(AudioCodec::G722)]);
        assert_eq!([Some(0), None].map(codec), [None, None]);
    }

    #[test]
    fn roles_by_order_and_no_third() {
        let roles = LineRoles::in_order().assign(&[
            (Audio, "0"),
            (Video, "1"),
            (Video, "2"),
            (Audio, "3"),
            (Video, "4"),
        ]);
        let expected = [
            Some(Line::MAIN_AUDIO),
            Some(Line::MAIN_VIDEO),
            Some(Line::CONTENT_VIDEO),
            Some(Line::CONTENT_AUDIO),
            None,
        ];
        assert_eq!(roles, expected);
    }

    #[test]
    fn roles_by_mid_need_no_order_and_none_is_given_twice() {
        let named = LineRoles::by_mid([
            ("screen".into(), SourceKind::Content),
            ("cam".into(), SourceKind::Main),
            ("cam2".into(), SourceKind::Main),
        ]);
        let roles = named.assign(&[(Video, "screen"), (Video, "cam"), (Video, "cam2"), (Audio, "mic")]);
        assert_eq!(roles, [Some(Line::CONTENT_VIDEO), Some(Line::MAIN_VIDEO), None, None]);
    }
}
