//! The video pool's end of a lane: opens, guards and decodes what waits, and hands pictures on.

use super::shared::{Numbered, Shared};
use crate::decode::{DecodeError, VideoDecoder};
use crate::registry::CodecFactory;
use mcu_core::id::SourceId;
use mcu_core::limits;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::Frame;
use mcu_core::media::unit::{AccessUnit, Clear};
use mcu_core::privacy::Plaintext;
use mcu_core::time::{MediaTime, Mono};
use std::sync::Arc;

/// One picture of one source, ready for its slot.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// Whose picture.
    pub source: SourceId,
    /// The picture, upright.
    pub frame: Frame,
    /// Moment of capture on the stream's own scale.
    pub captured: MediaTime,
    /// When it is to be shown.
    pub due: Mono,
}

/// What one job did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneReport {
    /// Pictures handed on.
    pub decoded: u32,
    /// Units in which decoding failed by the sender's fault.
    pub errors: u32,
    /// Units dropped: waiting for a key frame, of another conference, or no frame free to decode into.
    pub dropped: u32,
    /// Units not decoded because nobody looks; no loss.
    pub passed_inactive: u32,
    /// Times that the source was put into quarantine.
    pub quarantines: u32,
    /// The decoder waits for a key frame: ask for one, within the request limit.
    pub want_keyframe: bool,
    /// The last failure, of any kind.
    pub last_error: Option<DecodeError>,
}

/// The last hundred units as bits, newest lowest.
#[derive(Debug, Clone, Copy, Default)]
struct ErrorWindow(u128);

impl ErrorWindow {
    const MASK: u128 = (1 << limits::DECODE_ERROR_WINDOW_UNITS) - 1;

    /// Notes one unit; true when the source is hopeless.
    const fn note(&mut self, failed: bool) -> bool {
        self.0 = ((self.0 << 1) | failed as u128) & Self::MASK;
        self.0.count_ones() >= limits::DECODE_ERRORS_MAX
    }
}

/// The video pool's end of a lane. One job in flight: whoever was told to `wake` owns it until `run` returns.
pub struct LaneDecoder {
    shared: Arc<Shared>,
    codecs: Arc<dyn CodecFactory>,
    decoder: Option<(VideoCodec, Box<dyn VideoDecoder>)>,
    waiting: bool,
    window: ErrorWindow,
}

impl std::fmt::Debug for LaneDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LaneDecoder")
            .field("queue", &self.shared.queue)
            .field("codec", &self.decoder.as_ref().map(|(codec, _)| *codec))
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

impl LaneDecoder {
    pub(super) fn new(shared: Arc<Shared>, codecs: Arc<dyn CodecFactory>) -> Self {
        Self { shared, codecs, decoder: None, waiting: true, window: ErrorWindow::default() }
    }

    /// Decodes everything that waits, handing each picture to `sink` in order.
    ///
    /// Returns when the queue is empty; the next push then asks for a job again. That push may come an instant
    /// before this call has returned: let the next job wait for the decoder (a mutex that is held no longer).
    pub fn run(&mut self, token: &Plaintext, sink: &mut dyn FnMut(Decoded)) -> LaneReport {
        let mut report = LaneReport::default();
        loop {
            while let Some(numbered) = self.shared.queue.pop() {
                self.take(numbered, token, sink, &mut report);
            }
            self.shared.unschedule();
            // A push between the last pop and `unschedule` saw the job as still in flight: it is ours to serve.
            if self.shared.queue.is_empty() || !self.shared.schedule() {
                break;
            }
        }
        report.want_keyframe = self.waiting
            && report != LaneReport::default()
            && self.shared.is_active()
            && !self.shared.is_quarantined();
        report
    }

    fn take(
        &mut self,
        numbered: Numbered,
        token: &Plaintext,
        sink: &mut dyn FnMut(Decoded),
        report: &mut LaneReport,
    ) {
        let Numbered { number, unit } = numbered;
        if !self.shared.is_active() {
            report.passed_inactive += 1;
            return self.wait_from(number);
        }
        if self.waiting && !unit.keyframe {
            report.dropped += 1;
            return self.wait_from(number);
        }
        let Ok(unit) = token.open(unit) else {
            report.dropped += 1;
            return;
        };
        match self.decode(&unit) {
            Ok(picture) => {
                self.waiting = false;
                self.window.note(false);
                if let Some(frame) = picture {
                    report.decoded += 1;
                    sink(Decoded { source: unit.source, frame, captured: unit.captured, due: unit.due });
                }
            }
            Err(error) => self.failed(number, error, report),
        }
    }

    /// Decodes with the decoder of the unit's codec, which is made anew when the codec changes.
    fn decode(&mut self, unit: &AccessUnit<Clear>) -> Result<Option<Frame>, DecodeError> {
        let decoder = match &mut self.decoder {
            Some((codec, decoder)) if *codec == unit.codec => decoder,
            other => {
                *other = None;
                &mut other.insert((unit.codec, self.codecs.video_decoder(unit.codec)?)).1
            }
        };
        decoder.decode(unit)
    }

    fn failed(&mut self, number: u64, error: DecodeError, report: &mut LaneReport) {
        report.last_error = Some(error);
        if error.keeps_state() {
            report.dropped += 1;
            self.waiting = false;
            return;
        }
        self.wait_from(number);
        if error.blames_sender() {
            report.errors += 1;
        } else {
            report.dropped += 1;
        }
        if self.window.note(error.blames_sender()) {
            self.window = ErrorWindow::default();
            report.quarantines += 1;
            self.shared.quarantine(limits::DECODE_QUARANTINE_UNITS);
        }
    }

    fn wait_from(&mut self, number: u64) {
        self.waiting = true;
        self.shared.break_at(number);
    }
}
