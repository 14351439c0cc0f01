//! One encode of one scene: from canvas to packets, once, however many receive it.
//!
//! Flow: compose -> **here** (encode, packetize) -> outlet. Thread: video pool, one job in flight per rendition. A
//! rendition that is still encoding when its next picture is ready skips that picture and counts it; nobody else waits.

use super::keyframes::KeyframeGate;
use super::outgoing::{Outlet, VideoBurst};
use super::totals::MediaTotals;
use codecs::encode::{EncodeError, EncoderSettings, VideoEncoder};
use codecs::registry::CodecFactory;
use crossbeam::queue::ArrayQueue;
use mcu_core::conference::plan::{RateClass, Rendition};
use mcu_core::id::{ConferenceId, RenditionId};
use mcu_core::media::frame::Frame;
use mcu_core::time::{MediaTime, Mono};
use std::sync::Arc;
use std::time::Duration;
use transport::payload::{PacketizeError, Packetizer};

/// How long a picture that does not change goes unsent, so that nobody takes silence for loss.
pub const UNCHANGED_INTERVAL: Duration = Duration::from_secs(1);

/// Pictures that are still sent after the last change, so that a frozen picture reaches full quality
/// (measured: without them it stays at the quality of its first frame).
const REFINE_PICTURES: u32 = 15;

/// Why no encoder could be made.
#[derive(Debug, thiserror::Error)]
pub enum RenditionError {
    /// The codec library refused.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// There is no packetizer for the codec.
    #[error(transparent)]
    Packetize(#[from] PacketizeError),
}

/// The working half: moves into the encode job and back.
struct Worker {
    encoder: Box<dyn VideoEncoder>,
    packetizer: Packetizer,
    bitrate_kbps: u32,
}

/// One picture to encode.
struct Order {
    picture: Frame,
    tick: u64,
    at: MediaTime,
    wallclock: Mono,
    keyframe: bool,
    bitrate_kbps: u32,
}

/// A rendition at work.
pub struct RenditionSeat {
    conference: ConferenceId,
    /// As planned.
    pub spec: Rendition,
    seat: Arc<ArrayQueue<Box<Worker>>>,
    /// Requests for key frames.
    pub keyframes: KeyframeGate,
    last_sent: Option<Mono>,
    refine_left: u32,
    totals: Arc<MediaTotals>,
}

impl RenditionSeat {
    /// Makes the encoder; its first picture is a key frame.
    ///
    /// # Errors
    /// [`RenditionError`] when the codec cannot be encoded like that.
    pub fn new(
        conference: ConferenceId,
        spec: Rendition,
        settings: &EncoderSettings,
        codecs: &dyn CodecFactory,
        totals: Arc<MediaTotals>,
    ) -> Result<Self, RenditionError> {
        let worker = Worker {
            encoder: codecs.video_encoder(settings)?,
            packetizer: Packetizer::new(spec.codec)?,
            bitrate_kbps: settings.bitrate_kbps,
        };
        let seat = ArrayQueue::new(1);
        let _ = seat.push(Box::new(worker));
        Ok(Self {
            conference,
            spec,
            seat: Arc::new(seat),
            keyframes: KeyframeGate::default(),
            last_sent: None,
            refine_left: REFINE_PICTURES,
            totals,
        })
    }

    /// Whether the picture of this tick is to be encoded, given whether the scene has `changed`.
    pub fn is_due(&mut self, now: Mono, changed: bool) -> bool {
        if changed {
            self.refine_left = REFINE_PICTURES;
            return true;
        }
        let silent_too_long = self.last_sent.is_none_or(|last| now.since(last) >= UNCHANGED_INTERVAL);
        if self.refine_left > 0 {
            self.refine_left -= 1;
            return true;
        }
        silent_too_long || self.keyframes.is_open(now)
    }

    /// Takes the encoder for the picture of `tick`; `None`, and counted late, while it is still at work.
    pub fn start(&mut self, picture: Frame, tick: u64, at: MediaTime, now: Mono) -> Option<EncodeJob> {
        let Some(worker) = self.seat.pop() else {
            self.totals.encodes_late.one();
            return None;
        };
        let keyframe = self.keyframes.is_open(now);
        if keyframe {
            self.keyframes.made(now);
        }
        self.last_sent = Some(now);
        let bitrate_kbps = self.spec.bitrate_kbps;
        Some(EncodeJob {
            conference: self.conference,
            rendition: self.spec.id,
            class: self.spec.class,
            worker,
            seat: Arc::clone(&self.seat),
            totals: Arc::clone(&self.totals),
            order: Order { picture, tick, at, wallclock: at.to_mono(), keyframe, bitrate_kbps },
        })
    }
}

/// One picture's way through one encoder.
pub struct EncodeJob {
    conference: ConferenceId,
    rendition: RenditionId,
    class: RateClass,
    worker: Box<Worker>,
    seat: Arc<ArrayQueue<Box<Worker>>>,
    totals: Arc<MediaTotals>,
    order: Order,
}

impl EncodeJob {
    /// Encodes, packetizes, sends, and puts the encoder back.
    pub fn run(mut self, outlet: &dyn Outlet) {
        match self.encode() {
            Ok(Some(burst)) => {
                self.totals.encoded.one();
                self.totals.keyframes.add(u64::from(burst.unit.keyframe));
                outlet.video(burst);
            }
            Ok(None) => {
                self.totals.encodes_dropped.one();
            }
            Err(_) => {
                self.totals.encode_errors.one();
            }
        }
        let _ = self.seat.push(self.worker);
    }

    fn encode(&mut self) -> Result<Option<VideoBurst>, RenditionError> {
        let Order { picture, tick, at, wallclock, keyframe, bitrate_kbps } = &self.order;
        if self.worker.bitrate_kbps != *bitrate_kbps {
            self.worker.encoder.set_bitrate(*bitrate_kbps)?;
            self.worker.bitrate_kbps = *bitrate_kbps;
        }
        let Some(unit) = self.worker.encoder.encode(picture, *at, *keyframe)? else { return Ok(None) };
        Ok(Some(VideoBurst {
            conference: self.conference,
            rendition: self.rendition,
            class: self.class,
            bitrate_kbps: *bitrate_kbps,
            tick: *tick,
            wallclock: *wallclock,
            unit: self.worker.packetizer.packetize(&unit)?,
        }))
    }
}
