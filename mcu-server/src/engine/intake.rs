//! How one source's media reaches the engine: a decode lane and a slot queue for pictures, a packet queue for sound.
//!
//! Flow: `transport` units -> [`PictureIntake`] (io thread) -> lane -> decode job (video pool) -> slot queue ->
//! [`PictureFeed`] (tick). One decode job in flight per source; the io thread never waits for it.

use super::super::threads::compute::Compute;
use super::totals::MediaTotals;
use codecs::lane::{LaneDecoder, LaneGate, LaneSender, Pushed, lane};
use codecs::registry::CodecFactory;
use crossbeam::queue::ArrayQueue;
use mcu_core::hop::Hop;
use mcu_core::limits;
use mcu_core::media::unit::{AccessUnit, Sealed};
use mcu_core::privacy::Plaintext;
use mcu_core::queue::Queue;
use mixer::video::slot::{QUEUE_FRAMES, SlotFrame};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use transport::receive::playout::SoundPacket;

/// A lane's decoder between its jobs, and what the jobs report back.
struct DecodeSeat {
    decoder: ArrayQueue<LaneDecoder>,
    /// A job was due while the decoder was out.
    missed: AtomicBool,
    keyframe_wanted: AtomicBool,
    frames: Queue<SlotFrame>,
    token: Arc<Plaintext>,
    totals: Arc<MediaTotals>,
}

impl DecodeSeat {
    /// One decode job. The second look for the decoder closes the gap between a job that has found its queue
    /// empty and the moment it puts the decoder back.
    fn run(&self) {
        loop {
            let Some(mut decoder) = self.decoder.pop() else {
                self.missed.store(true, Ordering::SeqCst);
                if self.decoder.is_empty() {
                    return;
                }
                continue;
            };
            let report = decoder.run(&self.token, &mut |decoded| {
                self.frames.push_newest(SlotFrame { frame: decoded.frame, due: decoded.due });
            });
            self.totals.decoded.add(u64::from(report.decoded));
            self.totals.decode_errors.add(u64::from(report.errors));
            if report.want_keyframe {
                self.keyframe_wanted.store(true, Ordering::Release);
            }
            // Room for one, and this was it.
            let _ = self.decoder.push(decoder);
            if !self.missed.swap(false, Ordering::SeqCst) {
                return;
            }
        }
    }
}

/// The io thread's end of one picture source.
pub struct PictureIntake {
    lane: LaneSender,
    seat: Arc<DecodeSeat>,
    compute: Compute,
}

/// The engine's end of one picture source.
pub struct PictureFeed {
    /// Decoded frames, each with its due time.
    pub frames: Queue<SlotFrame>,
    gate: LaneGate,
    seat: Arc<DecodeSeat>,
}

impl std::fmt::Debug for PictureFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PictureFeed({:?})", self.frames)
    }
}

/// Both ends of a new picture source, decoding what `token` opens and counting into `totals`.
pub fn picture_intake(
    token: Arc<Plaintext>,
    codecs: Arc<dyn CodecFactory>,
    compute: Compute,
    totals: Arc<MediaTotals>,
) -> (PictureIntake, PictureFeed) {
    let (sender, decoder) = lane(codecs);
    let frames = Queue::new("slot", QUEUE_FRAMES);
    let gate = sender.gate();
    gate.set_active(false);
    let seat = ArrayQueue::new(1);
    let _ = seat.push(decoder);
    let seat = Arc::new(DecodeSeat {
        decoder: seat,
        missed: AtomicBool::new(false),
        keyframe_wanted: AtomicBool::new(false),
        frames: frames.clone(),
        token,
        totals,
    });
    (PictureIntake { lane: sender, seat: Arc::clone(&seat), compute }, PictureFeed { frames, gate, seat })
}

impl PictureIntake {
    /// Hands a unit to the decoder; true when the sender should be asked for a key frame.
    pub fn push(&mut self, unit: AccessUnit<Sealed>) -> bool {
        let dropped_wants = match self.lane.push(unit) {
            Pushed::Queued { wake: true } => {
                let seat = Arc::clone(&self.seat);
                self.compute.spawn_video(Hop::Decode, move || seat.run());
                false
            }
            Pushed::Queued { wake: false } => false,
            Pushed::Dropped { want_keyframe } => {
                self.seat.totals.units_dropped.one();
                want_keyframe
            }
        };
        self.seat.keyframe_wanted.swap(false, Ordering::AcqRel) || dropped_wants
    }

    /// Whether decoding waits for a key frame that should be asked for now.
    pub fn wants_keyframe(&self) -> bool {
        self.seat.keyframe_wanted.swap(false, Ordering::AcqRel)
    }
}

impl PictureFeed {
    /// Starts or stops decoding: only what some scene shows is decoded.
    pub fn set_active(&self, active: bool) {
        if self.gate.set_active(active) {
            self.seat.keyframe_wanted.store(true, Ordering::Release);
        }
    }
}

/// A sound packet and what its sender claims of it.
#[derive(Debug, Clone)]
pub struct SoundArrival {
    /// For the playout buffer.
    pub packet: SoundPacket,
    /// RFC 6464 level in -dBov, if the packet carried one. A claim: it only wakes the decoder.
    pub level_dbov: Option<u8>,
}

/// The engine's end of one sound source; the io thread holds a clone. Besides the packets it carries two delays, by
/// which picture and sound of one person wait for each other (design law 3).
#[derive(Debug, Clone)]
pub struct SoundFeed {
    /// Packets in the order of their arrival.
    pub packets: Queue<SoundArrival>,
    delays: Arc<Delays>,
}

#[derive(Debug, Default)]
struct Delays {
    needed_ms: AtomicU32,
    floor_ms: AtomicU32,
}

impl SoundFeed {
    /// An empty feed.
    pub fn new() -> Self {
        Self {
            packets: Queue::new("sound_packets", limits::PLAYOUT_PACKETS_MAX),
            delays: Arc::new(Delays::default()),
        }
    }

    /// The sound job notes the delay that the playout buffer needs.
    pub fn set_needed(&self, delay: Duration) {
        self.delays.needed_ms.store(delay.as_millis() as u32, Ordering::Relaxed);
    }

    /// The delay that the playout buffer needs.
    pub fn needed(&self) -> Duration {
        Duration::from_millis(u64::from(self.delays.needed_ms.load(Ordering::Relaxed)))
    }

    /// The io thread notes the least delay that keeps the sound with its picture.
    pub fn set_floor(&self, delay: Duration) {
        self.delays.floor_ms.store(delay.as_millis() as u32, Ordering::Relaxed);
    }

    /// The least delay that keeps the sound with its picture.
    pub fn floor(&self) -> Duration {
        Duration::from_millis(u64::from(self.delays.floor_ms.load(Ordering::Relaxed)))
    }
}

impl Default for SoundFeed {
    fn default() -> Self {
        Self::new()
    }
}
