//! What can happen to a conference: the words in which signalling, transport and the sound job speak to it.
//!
//! Flow: signalling, engine -> **here** -> [`Conference::handle`](super::Conference::handle). Thread: control.
//! Inputs are facts, already parsed and authorised: rights are checked before one is made.

use super::card::Card;
use super::event::{ClosingReason, MutedBy};
use super::keypad::Digit;
use super::mixing::StreamLevel;
use super::reception::Shut;
use super::roster::{DisplayName, LayoutChoice, Role, Via};
use crate::id::{ParticipantId, SourceId};
use crate::media::codec::{AudioCodec, VideoCodec};
use crate::media::picture_limits::PictureLimits;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Somebody was let in. Whoever then does not connect within
    /// [`RECONNECT_WINDOW`](super::RECONNECT_WINDOW) is taken out again.
    Join(Joining),
    /// Somebody goes, or is sent away.
    Leave {
        /// Who.
        participant: ParticipantId,
        /// What to tell it.
        reason: ClosingReason,
    },
    /// An event socket of this participant is open: it gets `welcome` and everything that holds now.
    Listening {
        /// Whose socket.
        participant: ParticipantId,
    },
    /// A media path is up. A further one replaces the one before.
    Connected {
        /// Whose.
        participant: ParticipantId,
        /// What the path takes.
        receives: Receives,
        /// All that goes over it is encrypted, under keys that nobody on the way has seen.
        secured: bool,
    },
    /// The media path is gone; the place is kept for a while.
    Disconnected {
        /// Whose.
        participant: ParticipantId,
    },
    /// Packets of a source began to arrive, or have stopped. Says nothing about whether they decode. Every
    /// `Connected` starts with nothing flowing; what still comes of a path that was replaced is not reported.
    SourceLive {
        /// Which source.
        source: SourceId,
        /// Its picture or its sound.
        medium: Medium,
        /// Whether packets flow.
        live: bool,
    },
    /// A participant says, or a host decides, how it wants to be seen and what it wants to see.
    State {
        /// Who.
        participant: ParticipantId,
        /// What changes; the rest stays.
        change: StateChange,
    },
    /// Somebody with the right to do so mutes a participant. There is no input that unmutes another.
    Mute {
        /// Who is muted.
        participant: ParticipantId,
        /// With which right.
        by: MutedBy,
    },
    /// The same, to all guests.
    MuteAll {
        /// With which right.
        by: MutedBy,
    },
    /// Guests who are not in are kept out, or come in again. Hosts come in all the same, and who is in stays and may reconnect.
    Lock {
        /// Kept out.
        locked: bool,
    },
    /// Two people exchange their places in the gallery.
    SwapSeats {
        /// One.
        one: ParticipantId,
        /// The other.
        other: ParticipantId,
    },
    /// Somebody pressed a key of a telephone.
    Digit {
        /// Who.
        participant: ParticipantId,
        /// Which.
        digit: Digit,
    },
    /// The PIN that a caller entered at a reception opened nothing.
    Refused {
        /// Who.
        participant: ParticipantId,
        /// Why.
        why: Shut,
    },
    /// How loud the loudest streams were since the report before. Sent every 20 to 50 ms while anybody is
    /// audible; silence needs no reports.
    Loudness(Loudness),
    /// What transport estimates a receiver's way to carry.
    Estimate {
        /// Whose way.
        participant: ParticipantId,
        /// Everything together, sound and overhead included.
        kbps: u32,
        /// Whether it is so narrow that, in its class, nothing has been shown for a while.
        starving: bool,
    },
    /// This card stands for every main picture from now on; `None`: people again.
    Card(Option<Card>),
    /// The moment of [`Conference::deadline`](super::Conference::deadline) has come.
    Tick,
}

/// Who joins, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joining {
    /// A fresh id. The roster is in the order of ids.
    pub participant: ParticipantId,
    /// What others read.
    pub name: DisplayName,
    /// With which PIN it came.
    pub role: Role,
    /// Which way it came.
    pub via: Via,
    /// It paints its own camera over its own tile.
    pub overlay: bool,
    /// A host, or the administrator, has called it in: a lock does not keep it out.
    pub invited: bool,
    /// Seconds since 1970-01-01 UTC, for people to read; decides nothing.
    pub joined_at_unix_s: u64,
}

/// What a media path takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receives {
    /// The picture of people.
    pub main: Option<Line>,
    /// What is shared, as a picture of its own.
    pub content: Option<Line>,
    /// The codec negotiated for the mixed sound; without one it hears nothing.
    pub sound: Option<AudioCodec>,
}

/// One video line that we send on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The codec negotiated for it.
    pub codec: VideoCodec,
    /// How large and how frequent pictures may be there.
    pub limits: PictureLimits,
    /// What is added to a tick's 90 kHz time to make the RTP timestamp on this line.
    pub rtp_offset: u32,
}

/// A source's picture or its sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// Pictures.
    Video,
    /// Sound.
    Sound,
}

/// The client's `state` message: what is absent stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StateChange {
    /// The microphone is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted: Option<bool>,
    /// The camera is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera: Option<bool>,
    /// It asks for, or gives back, the right to share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sharing: Option<bool>,
    /// What it wants to see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<LayoutChoice>,
    /// Whether it paints its own camera over its own tile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlay: Option<bool>,
}

/// Streams of one [`Loudness`] report.
pub const LOUDNESS_STREAMS_MAX: usize = 8;

/// The loudest streams of the last few blocks, loudest first. Plain data, so that the sound job allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loudness {
    levels: [StreamLevel; LOUDNESS_STREAMS_MAX],
    len: usize,
}

impl Loudness {
    /// The loudest [`LOUDNESS_STREAMS_MAX`] of `levels`; of two equally loud ones the lower id goes first.
    pub fn of(levels: &[StreamLevel]) -> Self {
        let filler = StreamLevel::silent(SourceId::main(ParticipantId(0)));
        let mut report = Self { levels: [filler; LOUDNESS_STREAMS_MAX], len: 0 };
        for level in levels {
            let at = report.levels().partition_point(|held| held.is_before(level));
            if at == LOUDNESS_STREAMS_MAX {
                continue;
            }
            report.len = (report.len + 1).min(LOUDNESS_STREAMS_MAX);
            report.levels[at..report.len].rotate_right(1);
            report.levels[at] = *level;
        }
        report
    }

    /// The streams, loudest first.
    pub fn levels(&self) -> &[StreamLevel] {
        &self.levels[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_holds_the_loudest_in_order() {
        let levels: Vec<_> = (0..12_u64)
            .map(|n| StreamLevel::measured(SourceId::main(ParticipantId(n)), -((n * 7 % 12) as f32)))
            .collect();
        let report = Loudness::of(&levels);
        let dbov: Vec<f32> = report.levels().iter().map(|l| l.dbov).collect();
        assert_eq!(dbov, [0.0, -1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0]);
        assert!(Loudness::of(&[]).levels().is_empty());
    }

    #[test]
    fn equally_loud_streams_are_reported_in_id_order_whatever_order_they_came_in() {
        let level = |n| StreamLevel::measured(SourceId::main(ParticipantId(n)), -20.0);
        let forth: Vec<_> = (1..=10).map(level).collect();
        let back: Vec<_> = (1..=10).rev().map(level).collect();
        assert_eq!(Loudness::of(&forth), Loudness::of(&back));
        assert_eq!(Loudness::of(&back).levels()[0].source, SourceId::main(ParticipantId(1)));
    }
}
