//! One participant's stay, as the report tells it: who, how it came in, what it saw and heard of whom.

use crate::bot::report::{JoinStages, Report, Spread};
use crate::media::barcode::SenderId;
use serde::{Deserialize, Serialize};

/// Whose stay it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Its display name, the same at every visit; distinct within a run.
    pub name: String,
    /// Whose bar code and tone it sends.
    pub sender: SenderId,
    /// Which of its stays, from 1 on.
    pub visit: u32,
    /// Its room's alias.
    pub room: String,
    /// The group of the scenario that it belongs to.
    pub group: String,
    /// How it takes part.
    pub kind: ParticipantKind,
    /// The profile of its network; `null` is a direct way.
    pub network: Option<String>,
}

/// One stay of one participant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Participant {
    /// Whose stay it is; its fields stand among these.
    #[serde(flatten)]
    pub who: Who,
    /// Whether it decodes and measures; else it only counts packets.
    pub source: MeasuredSource,
    /// When it set out, since the begin of the run.
    pub began_ms: u64,
    /// When it was over, since the begin of the run.
    pub ended_ms: u64,
    /// Its way in, counted from when it set out.
    pub join: JoinStages,
    /// To the first picture and, where somebody always speaks, to the first sound, whichever came later: from setting out, or
    /// from when somebody else was there to be seen and heard; of encoders, to being connected. Where it never came, as long as
    /// was waited. `null` where nothing was to come.
    pub join_ms: Option<u64>,
    /// Why it never got in, or lost the way; `null` when it left of its own will.
    pub failure: Option<Failure>,
    /// What it sent and received.
    pub traffic: Traffic,
    /// What it saw and heard; `null` when it only counts packets or never began to count.
    pub measured: Option<Measured>,
    /// The bot's own report, whole: every tile, tone and height.
    pub bot: Report,
}

impl Who {
    /// Whether this is somebody else in the same room.
    pub(super) fn is_company_of(&self, other: &Self) -> bool {
        self.room == other.room && self.name != other.name
    }
}

/// How somebody takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParticipantKind {
    /// As a browser does: joins by the API, sends and receives.
    Webrtc,
    /// As an encoder does: sends only (RFC 9725).
    Whip,
    /// As a player does: receives only.
    Whep,
    /// As a room system does: calls by SIP, with sound and picture.
    Sip,
    /// As a telephone does: calls by SIP, with sound alone.
    Phone,
}

/// How a participant came to its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasuredSource {
    /// It decodes pictures and sound.
    Measured,
    /// It counts packets.
    Counted,
}

/// Why a stay failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Where: `join`, `events`, `offer`, `connect`, `invite`, `media`, or `closed` when the node ended the session.
    pub stage: String,
    /// The stable code of the API's problem, `sip-` and the status of a refused call, or the reason of a `closing` event or BYE, where there was one.
    pub code: Option<String>,
    /// One line for a person.
    pub detail: String,
}

/// What went over the wire, from when counting began (else from connecting) to the end.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Traffic {
    /// How long that was.
    pub seconds: f64,
    /// Sent, RTP payload.
    pub sent_kbps: Option<f64>,
    /// Received, RTP payload.
    pub received_kbps: Option<f64>,
    /// Picture packets that never came, in parts of all that were sent to it, in per cent. Measuring participants only.
    pub loss_percent: Option<f64>,
    /// The newest round trip to the node.
    pub rtt_ms: Option<u64>,
    /// Interarrival jitter of sound (RFC 3550 §6.4.1).
    pub jitter_ms: Option<f64>,
}

/// What a measuring participant saw and heard from when counting began to the end.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Decoded pictures per second.
    pub fps: Option<f64>,
    /// Freezes of the mixed picture, as W3C webrtc-stats counts them.
    pub freezes: u64,
    /// Their summed length.
    pub frozen_ms: u64,
    /// The same in parts of the time, in per cent.
    pub frozen_percent: f64,
    /// Sound played.
    pub played_ms: u64,
    /// Sound among it that was made up.
    pub concealed_ms: u64,
    /// The same in parts of what was played, in per cent.
    pub concealed_percent: f64,
    /// Runs of made-up sound.
    pub gaps: u64,
    /// From sending a picture to having decoded the mix that shows it: of that sender of all seen whose 95th
    /// percentile is the largest.
    pub glass_to_glass: Option<Percentiles>,
    /// The least alike of all seen: peak signal to noise of the tile's brightness against what its sender drew, in dB.
    #[serde(default)]
    pub psnr_db: Option<f64>,
    /// The same as structural similarity, -1 to 1.
    #[serde(default)]
    pub ssim: Option<f64>,
    /// From saying a sound to hearing it in the mix, at the harness' fixed playout delay of 100 ms: of that sender of all heard whose 95th
    /// percentile is the largest. What takes over a second reads as a second less.
    pub mouth_to_ear: Option<Percentiles>,
    /// What people would say of the sound, 1 (bad) to 4.5: the E-model of ITU-T G.107 from the middle of [`Self::mouth_to_ear`] and from
    /// what was made up, as if the codec took nothing away.
    #[serde(default)]
    pub mos: Option<f64>,
    /// How much later the picture is seen than the sound is heard that was sent with it, where a receiver obeys sender reports; negative
    /// when it is earlier. Of the sender with whom it is furthest from zero.
    pub av_offset_ms: Option<f64>,
    /// How much louder its own voice comes back than others hear it, in dB: median over median, so that coding noise of
    /// a moment is no voice. Far below zero where the mix leaves it out. `null` where nobody else in the room listens, or
    /// it said nothing.
    pub own_voice_leak_db: Option<f64>,
    /// Bar codes read in tiles of somebody else; what events that came too late explain is taken off.
    pub misplaced: u64,
    /// Everybody else of its room who sent a picture meanwhile, and whoever else was seen.
    pub sees: Vec<Seen>,
    /// Everybody else of its room who spoke meanwhile, and whoever else was heard.
    pub hears: Vec<Heard>,
}

/// What one saw of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Of whom.
    pub name: String,
    /// Its bar code.
    pub sender: SenderId,
    /// Whether it had to be seen: it was in the same room, sent a picture all the time, and the layout has room for all.
    pub expected: bool,
    /// Whether it was: at least two different pictures of it.
    pub seen: bool,
    /// Different pictures of it per second.
    pub fps: Option<f64>,
    /// Freezes of its tile, by the change of its numbers.
    pub freezes: u64,
    /// Their summed length.
    pub frozen_ms: u64,
    /// From sending to having decoded.
    pub latency: Option<Percentiles>,
    /// How alike its tile is to what it drew: peak signal to noise of the brightness, in dB. See the bot's own report.
    #[serde(default)]
    pub psnr_db: Option<f64>,
    /// The same as structural similarity, -1 to 1.
    #[serde(default)]
    pub ssim: Option<f64>,
}

/// What one heard of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    /// Of whom.
    pub name: String,
    /// Whose tone.
    pub sender: SenderId,
    /// Whether it had to be heard: it was in the same room, spoke all the time, with few enough others for the mix.
    pub expected: bool,
    /// Whether it was: its tone's median is over -50 dB of full scale, or, of who had not to be heard all the time, three beeps came.
    pub heard: bool,
    /// The median of its tone's level, in dB of full scale.
    pub level_db: f64,
    /// From saying to hearing.
    #[serde(default)]
    pub latency: Option<Percentiles>,
}

/// How durations are spread, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Values.
    pub count: u64,
    /// Half are at most this (nearest rank).
    pub p50_ms: u64,
    /// 95 % are at most this.
    pub p95_ms: u64,
    /// 99 % are at most this.
    pub p99_ms: u64,
    /// Largest.
    pub max_ms: u64,
}

impl Percentiles {
    /// Those of a spread in milliseconds; `None` of an empty one.
    pub fn of(spread: &Spread) -> Option<Self> {
        let Spread { count, p50, p95, p99, max, .. } = *spread;
        (count > 0).then_some(Self { count, p50_ms: p50, p95_ms: p95, p99_ms: p99, max_ms: max })
    }
}
