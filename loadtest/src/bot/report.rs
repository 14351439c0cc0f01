//! What a bot did and saw: the JSON that tests assert on.
//!
//! Flow: `peer`, `receive`, `signal` -> **here** -> tests, `mcu-load`. Plain values, no behaviour but reading.
//! Times are whole milliseconds; moments are milliseconds since the bot's start. A field that was never
//! measured is `null` (or an empty list), never zero: zero is a measurement. [`SCHEMA`] grows when a field changes
//! its meaning; new fields alone do not change it.
//!
//! ```json
//! { "schema": 1, "sender": 3, "name": "Bot 3", "participant_id": 12, "role": "guest", "measured": true,
//!   "outcome": {"left": {}},
//!   "join": {"joined_ms": 9, "answered_ms": 21, "events_ms": 25, "connected_ms": 70,
//!            "first_sound_ms": 190, "first_picture_ms": 310},
//!   "sent": {"frames": 300, "keyframes": 12, "loop_height": 360, "keyframe_requests": 2, "late_ms": {…}, …},
//!   "received": {"packets": 9000, "bytes": 4100000, "rtt_ms": 1, …},
//!   "main": {"frames": 295, "fps": 29.8, "freezes": 0, "frozen_ms": 0, "width": 1280, "height": 720,
//!            "heights": [{"at_ms": 310, "height": 720}],
//!            "tiles": [{"participant_id": 13, "name": "Bot 4", "kind": "main", "is_self": false,
//!                       "rect": {"x": 0, "y": 0, "width": 640, "height": 360}, "pictures": 290, "unread": 3, "tints": 9,
//!                       "codes": [{"sender": 4, "reads": 287, "numbers": 280, "backwards": 0, "last_number": 311,
//!                                  "freezes": 0, "frozen_ms": 0, "age_ms": {"count": 287, "p50": 140, …}}]}],
//!            "own": {"with_tile": 290, "without_tile": 0, "code_in_place": 287, "code_elsewhere": 0}},
//!   "sound": {"samples": 480000, "concealed_samples": 0, "gaps": 0,
//!             "tones": [{"sender": 4, "hz": 820, "level_db": -21.5, "peak_db": -20.9, "windows": 48}]} }
//! ```

use crate::media::barcode::SenderId;
use mcu_core::conference::plan::Rect;
use mcu_core::id::SourceKind;
use serde::{Deserialize, Serialize};

/// Version of this schema.
pub const SCHEMA: u32 = 1;

/// One bot's report. A live snapshot has [`Outcome::Running`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Whose bar code and tone this bot sends.
    pub sender: SenderId,
    /// The display name it asked for.
    pub name: String,
    /// What the node calls it; `null` until joined.
    pub participant_id: Option<u64>,
    /// `host` or `guest`, as the node says.
    pub role: Option<String>,
    /// Whether this bot decodes and measures, or only counts packets.
    pub measured: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// How long the way in took.
    pub join: JoinStages,
    /// What it sent.
    pub sent: Sent,
    /// What arrived, before decoding.
    pub received: Received,
    /// The mixed picture.
    pub main: Picture,
    /// The second picture: what somebody shares.
    pub content: Picture,
    /// The mixed sound.
    pub sound: Sound,
}

/// How a bot's stay ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is still in (a live snapshot).
    Running {},
    /// It left of its own will, connected.
    Left {},
    /// It never got in, or lost the way.
    Failed {
        /// Where: `join`, `offer`, `events`, `connect`, `invite`, `media`.
        stage: String,
        /// The stable code of the API's problem, where there was one; of a refused call `sip-` and its status.
        code: Option<String>,
        /// One line for a person.
        detail: String,
    },
    /// The node closed the session.
    Closed {
        /// The reason of its `closing` event.
        reason: String,
    },
}

/// Moments of the way in, in milliseconds since the bot's start; `null` is "not reached".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinStages {
    /// The join was accepted; of who calls by SIP, the server is connected.
    pub joined_ms: Option<u64>,
    /// The INVITE left, of who calls by SIP. Its time to [`Self::answered_ms`] is what setting a call up takes.
    #[serde(default)]
    pub invited_ms: Option<u64>,
    /// The offer was answered.
    pub answered_ms: Option<u64>,
    /// The WebSocket's `welcome` came.
    pub events_ms: Option<u64>,
    /// ICE and DTLS are up; a call is answered.
    pub connected_ms: Option<u64>,
    /// The first RTP packet of sound (measuring bots: the first decoded sound louder than -70 dBFS).
    pub first_sound_ms: Option<u64>,
    /// The first packet of a picture (measuring bots: the first decoded picture).
    pub first_picture_ms: Option<u64>,
}

/// What the bot sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Pictures.
    pub frames: u64,
    /// Of them, key frames.
    pub keyframes: u64,
    /// Pictures not sent because the pacer was full or the node asked for fewer.
    pub frames_skipped: u64,
    /// Sound packets.
    pub sound_packets: u64,
    /// Bytes of RTP payload, both.
    #[serde(default)]
    pub bytes: u64,
    /// Height of the loop being sent; `null` while paused or before the start.
    pub loop_height: Option<u16>,
    /// Rate of the loop being sent.
    pub loop_kbps: Option<u32>,
    /// Changes of loop (size or rate).
    pub loop_changes: u64,
    /// PLI and FIR received.
    pub keyframe_requests: u64,
    /// `video_request` events received.
    pub video_requests: u64,
    /// The newest estimate of what the way to the node carries.
    pub estimate_kbps: Option<u64>,
    /// How late pictures were handed to the transport: the harness' own truthfulness.
    pub late_ms: Spread,
}

/// What arrived.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Received {
    /// RTP packets of pictures.
    pub picture_packets: u64,
    /// RTP packets of sound.
    pub sound_packets: u64,
    /// Bytes of RTP payload, both.
    pub bytes: u64,
    /// Round trip that the transport measured.
    pub rtt_ms: Option<u64>,
    /// Interarrival jitter of sound (RFC 3550 §6.4.1).
    #[serde(default)]
    pub jitter_ms: Option<f64>,
    /// Inputs of the measuring thread that were dropped because it was too slow: the harness' fault. Over zero, the
    /// figures of pictures and sound are not to be trusted.
    pub unmeasured: u64,
    /// `layout` events.
    pub layouts: u64,
    /// The rate class that the node's last `stats` event told.
    pub class: Option<String>,
    /// What its last `stats` event told of this bot's way, in kbit/s.
    pub class_kbps: Option<u64>,
}

/// One received picture line. Everything but `packets` of [`Received`] needs a measuring bot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// Decoded pictures.
    pub frames: u64,
    /// Pictures that could not be decoded.
    pub decode_errors: u64,
    /// Pictures not decoded because something before them was lost, up to the next key frame.
    pub frames_damaged: u64,
    /// Packets that never came.
    pub packets_lost: u64,
    /// Decoded pictures per second, from the first to the last.
    pub fps: Option<f64>,
    /// Pixels across of the newest picture.
    pub width: Option<u16>,
    /// Pixels down of the newest picture.
    pub height: Option<u16>,
    /// Every height that came, and since when: rate classes have sizes of their own. The first 256 changes.
    #[serde(default)]
    pub heights: Vec<HeightChange>,
    /// Freezes, as W3C webrtc-stats counts them (`freezeCount`).
    pub freezes: u64,
    /// Their summed length (`totalFreezesDuration`).
    pub frozen_ms: u64,
    /// Pictures decoded before any layout applied to them.
    pub frames_without_layout: u64,
    /// Pictures decoded before the `layout` event that was theirs had come: what was read in their tiles was taken for
    /// somebody else's. The event and the picture take different ways; on a busy machine the one may overtake the other.
    pub frames_before_layout: u64,
    /// What was seen in each participant's tile, by participant and kind.
    pub tiles: Vec<Tile>,
    /// The receiver's own tile.
    pub own: OwnTile,
}

/// From a moment on pictures were so high.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeightChange {
    /// When the first of them was decoded, since the bot's start.
    pub at_ms: u64,
    /// In pixels.
    pub height: u16,
}

/// One participant's tile, over all layouts that had it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tile {
    /// Whose tile the layout says it is.
    pub participant_id: u64,
    /// The name that the roster has for it.
    pub name: Option<String>,
    /// Camera or share.
    pub kind: SourceKind,
    /// Whether the layout called it the receiver's own.
    pub is_self: bool,
    /// Where it was last, in pixels of the canvas.
    pub rect: Rect,
    /// Pictures in which the layout had it.
    pub pictures: u64,
    /// Of them, those where no bar code was read.
    pub unread: u64,
    /// Distinct mean colours of its middle: one for an avatar, or for a picture that stands.
    pub tints: u64,
    /// The bar codes read in it, by sender: more than one sender is somebody in the wrong place.
    pub codes: Vec<Code>,
}

/// One sender's bar codes as read in one tile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Code {
    /// Whose.
    pub sender: SenderId,
    /// Readings.
    pub reads: u64,
    /// Readings whose number differed from the one before: distinct pictures.
    pub numbers: u64,
    /// Readings whose number was older than the one before. A loop that begins again does not count.
    pub backwards: u64,
    /// The newest number.
    pub last_number: u16,
    /// Freezes of this sender's picture (the W3C rule on changes of number).
    pub freezes: u64,
    /// Their summed length.
    pub frozen_ms: u64,
    /// Glass to glass: from sending the numbered picture to having decoded the mix that shows it. Empty unless
    /// the sender runs in this process.
    pub age_ms: Spread,
    /// How alike the tile's brightness is to what its sender drew, scaled from the size that was sent: peak signal to noise, the middle of one
    /// picture every two seconds. Over 40 nobody sees a difference. `None` unless the sender runs in this process, and its tile is 16:9.
    #[serde(default)]
    pub psnr_db: Option<f64>,
    /// The same as structural similarity, -1 to 1.
    #[serde(default)]
    pub ssim: Option<f64>,
}

/// Where the receiver's own picture was, counted in decoded pictures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnTile {
    /// Pictures whose layout had a tile of one's own.
    pub with_tile: u64,
    /// Pictures whose layout had none.
    pub without_tile: u64,
    /// Own bar code read in the own tile.
    pub code_in_place: u64,
    /// Own bar code read in somebody else's tile.
    pub code_elsewhere: u64,
}

/// The received sound of a measuring bot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sound {
    /// Samples played, at 48 kHz.
    pub samples: u64,
    /// Of them, made up because the packet had not come.
    pub concealed_samples: u64,
    /// Restored from the recovery copy (in-band FEC) of the next packet; not concealed.
    pub recovered_samples: u64,
    /// Runs of concealed sound.
    pub gaps: u64,
    /// Every listened-for sender's tone, loudest first.
    pub tones: Vec<Tone>,
}

/// How loud one sender is in the received sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tone {
    /// Whose.
    pub sender: SenderId,
    /// Which frequency.
    pub hz: u32,
    /// Median over all windows, in dB of full scale (a full-scale sine is 0).
    pub level_db: f64,
    /// The loudest window: what "absent" must be judged by.
    pub peak_db: f64,
    /// Windows measured.
    pub windows: u64,
    /// Mouth to ear: from sending the packet that a beep begins with to playing that beep out of the mix, at the harness' fixed playout
    /// delay of 100 ms, modulo a second. `null` unless the sender runs in this process and was heard.
    #[serde(default)]
    pub age_ms: Option<Spread>,
    /// How much later than its sound a receiver that obeys sender reports shows this sender's picture; negative when it is earlier.
    #[serde(default)]
    pub av_offset_ms: Option<f64>,
}

/// How values are spread, in the unit of the field's name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// Values.
    pub count: u64,
    /// Smallest.
    pub min: u64,
    /// Half are at most this (nearest rank).
    pub p50: u64,
    /// 95 % are at most this.
    pub p95: u64,
    /// 99 % are at most this.
    pub p99: u64,
    /// Largest.
    pub max: u64,
}

impl Spread {
    /// The spread of `values`, which get sorted.
    pub fn of(values: &mut [u32]) -> Self {
        values.sort_unstable();
        let rank = |percent: usize| {
            let at = (values.len() * percent).div_ceil(100).max(1) - 1;
            values.get(at).copied().map_or(0, u64::from)
        };
        Self {
            count: values.len() as u64,
            min: values.first().copied().map_or(0, u64::from),
            p50: rank(50),
            p95: rank(95),
            p99: rank(99),
            max: values.last().copied().map_or(0, u64::from),
        }
    }
}

impl Report {
    /// A report of a bot that has done nothing yet.
    pub fn new(sender: SenderId, name: String, measured: bool) -> Self {
        Self {
            schema: SCHEMA,
            sender,
            name,
            participant_id: None,
            role: None,
            measured,
            outcome: Outcome::Running {},
            join: JoinStages::default(),
            sent: Sent::default(),
            received: Received::default(),
            main: Picture::default(),
            content: Picture::default(),
            sound: Sound::default(),
        }
    }

    /// The level of `sender`'s tone, if it was listened for and at least one window was measured.
    pub fn tone(&self, sender: SenderId) -> Option<&Tone> {
        self.sound.tones.iter().find(|tone| tone.sender == sender)
    }
}

impl Picture {
    /// The tile of a participant's camera.
    pub fn tile_of(&self, participant_id: u64) -> Option<&Tile> {
        self.tiles.iter().find(|t| t.participant_id == participant_id && t.kind == SourceKind::Main)
    }

    /// Every sender whose bar code was read anywhere, in order.
    pub fn senders(&self) -> Vec<SenderId> {
        let mut all: Vec<_> = self.tiles.iter().flat_map(|t| &t.codes).map(|code| code.sender).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

impl Tile {
    /// The readings of `sender`'s bar code in this tile.
    pub fn code(&self, sender: SenderId) -> Option<&Code> {
        self.codes.iter().find(|code| code.sender == sender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_takes_nearest_ranks() {
        let mut values: Vec<u32> = (1..=200).rev().collect();
        let spread = Spread::of(&mut values);
        assert_eq!((spread.count, spread.min, spread.p50), (200, 1, 100));
        assert_eq!((spread.p95, spread.p99, spread.max), (190, 198, 200));
        assert_eq!(Spread::of(&mut []), Spread::default());
        assert_eq!(Spread::of(&mut [7]).p99, 7);
    }

    #[test]
    fn a_report_survives_json() {
        let mut report = Report::new(SenderId(7), "Seven".into(), true);
        report.outcome = Outcome::Closed { reason: "draining".into() };
        report.sound.tones.push(Tone {
            sender: SenderId(8),
            hz: 820,
            level_db: -21.5,
            peak_db: -20.0,
            windows: 4,
            age_ms: Some(Spread::of(&mut [180])),
            av_offset_ms: None,
        });
        let json = serde_json::to_string(&report).expect("serialises");
        assert!(json.contains(r#""outcome":{"closed":{"reason":"draining"}}"#), "{json}");
        assert_eq!(serde_json::from_str::<Report>(&json).expect("parses"), report);
    }
}
