//! One participant's place on the node's io thread, with the association left out.
//!
//! The receiving lines and the downlink are the node's own; only pacer and estimate are [`Sending`], a model.

use super::node::Path;
use super::sending::Sending;
use super::wire::{Down, DownKind, Media, Up};
use mcu_core::conference::input::{Input, Medium as Heard, Receives};
use mcu_core::conference::plan::MeetingPlan;
use mcu_core::id::{ConferenceId, ParticipantId, RenditionId, SourceId, SourceKind};
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use mcu_core::media::packet::Packet;
use mcu_core::time::Mono;
use mcu_server::engine::outgoing::{SoundBurst, VideoBurst};
use mcu_server::engine::totals::MediaTotals;
use mcu_server::peers::{Downlink, LineFeeds, PictureLine, SoundLine, Verdict};
use std::time::Duration;
use transport::peer::Medium;
use transport::receive::LipSync;

/// Where every estimate starts, in kbit/s.
const START_KBPS: u32 = 1_500;
/// The round trip that resends are waited for.
const ROUND_TRIP: Duration = Duration::from_millis(40);

/// A participant's place.
pub(super) struct Seat {
    participant: ParticipantId,
    sync: LipSync,
    pictures: [Option<PictureLine>; 2],
    sounds: [Option<SoundLine>; 2],
    downlink: Downlink,
    hears: bool,
    whole_pictures: bool,
    /// Packets of sound so far.
    sounds_sent: u64,
    sending: Sending,
}

impl Seat {
    pub(super) fn new(
        conference: ConferenceId,
        feeds: LineFeeds,
        path: &Path,
        receives: Receives,
        now: Mono,
    ) -> Self {
        let Path { participant, hears, whole_pictures, .. } = *path;
        let mut sync = LipSync::default();
        let source = |kind| SourceId { participant, kind };
        let [main_picture, content_picture] = feeds.pictures;
        let [main_sound, content_sound] = feeds.sounds;
        let mut picture = |kind, intake: Option<_>| {
            let mut line = PictureLine::new(conference, source(kind), intake?, &mut sync)?;
            line.set_round_trip(ROUND_TRIP);
            Some(line)
        };
        let pictures =
            [picture(SourceKind::Main, main_picture), picture(SourceKind::Content, content_picture)];
        let mut sound = |kind, feed: Option<_>| SoundLine::new(source(kind), feed?, &mut sync);
        let sounds = [sound(SourceKind::Main, main_sound), sound(SourceKind::Content, content_sound)];
        let offsets = [receives.main, receives.content].map(|line| line.map(|line| line.rtp_offset));
        Self {
            participant,
            sync,
            pictures,
            sounds,
            downlink: Downlink::new(participant, offsets),
            hears,
            whole_pictures,
            sounds_sent: 0,
            sending: Sending::new(START_KBPS, now),
        }
    }

    /// Takes over what the plan gives this participant.
    pub(super) fn select(&mut self, plan: &MeetingPlan, now: Mono) {
        self.downlink.select(plan, now);
    }

    /// Sends one picture, if it is for this one; true when a key frame is needed.
    pub(super) fn send_video(&mut self, burst: &VideoBurst, now: Mono) -> bool {
        match self.downlink.offer(burst, self.sending.first_unsent(), now) {
            Some(Verdict::Send { .. }) if self.whole_pictures => {
                let (packets, bytes) = (burst.unit.payloads.len() as u32, burst.unit.byte_len());
                self.sending.push(DownKind::Picture { packets, bytes }, now);
                false
            }
            Some(Verdict::Send { kind, placed }) => {
                for (at, payload) in burst.unit.payloads.iter().enumerate() {
                    let video = DownKind::Video {
                        kind,
                        sequence: placed.first_sequence + at as u64,
                        timestamp: placed.timestamp,
                        marker: burst.unit.marker(at),
                        payload: payload.clone(),
                    };
                    self.sending.push(video, now);
                }
                false
            }
            Some(Verdict::Hold { wants_keyframe }) => wants_keyframe,
            // The model sends nothing again.
            Some(Verdict::GiveUp { .. }) => false,
            None => false,
        }
    }

    /// Sends 20 ms of sound.
    pub(super) fn send_sound(&mut self, burst: &SoundBurst, now: Mono) {
        if let Some(payload) = burst.packet(self.participant, AudioCodec::Opus).filter(|_| self.hears) {
            let sound = DownKind::Sound { sequence: self.sounds_sent, payload: payload.clone() };
            self.sounds_sent += 1;
            self.sending.push(sound, now);
        }
    }

    /// Takes in what came from the client. Returns the rendition that must make a key frame for it, if one must.
    pub(super) fn take(&mut self, up: Up, now: Mono, news: &mut Vec<Input>) -> Option<RenditionId> {
        match up {
            Up::Media(media) => self.packet(media, now, news),
            Up::Report(line, report) => {
                let at = mcu_server::peers::index(line.kind);
                let key = match line.medium {
                    Medium::Video => self.pictures[at].as_ref().map(|picture| picture.key),
                    Medium::Audio => self.sounds[at].as_ref().map(|sound| sound.key),
                };
                if let Some(key) = key {
                    self.sync.report(key, report);
                }
            }
            Up::KeyframeRequest(kind) => return self.downlink.keyframe_requested(kind, now),
            Up::Feedback { bytes, span, waited } => {
                self.sending.feedback(bytes, span, waited, now);
                self.tell_estimate(now, news);
            }
        }
        None
    }

    fn packet(&mut self, media: Media, now: Mono, news: &mut Vec<Input>) {
        let Media { line, sequence, timestamp, marker, level_dbov, payload } = media;
        let at = mcu_server::peers::index(line.kind);
        let packet =
            Packet { sequence, timestamp, marker, arrival: now, audio_level_dbov: level_dbov, payload };
        let (begins, medium) = match (line.medium, &mut self.pictures[at], &mut self.sounds[at]) {
            (Medium::Video, Some(picture), _) => {
                (picture.packet(packet, VideoCodec::Vp8, &mut self.sync, now), Heard::Video)
            }
            (Medium::Audio, _, Some(sound)) => {
                (sound.packet(&packet, AudioCodec::Opus, &mut self.sync, now), Heard::Sound)
            }
            _ => return,
        };
        if begins {
            let source = SourceId { participant: self.participant, kind: line.kind };
            news.push(Input::SourceLive { source, medium, live: true });
        }
        if line.medium == Medium::Video {
            self.ask_for_keyframes(now);
        }
    }

    fn ask_for_keyframes(&mut self, now: Mono) {
        for picture in self.pictures.iter_mut().flatten() {
            if picture.wants_keyframe(now) {
                self.sending.push(DownKind::KeyframeRequest(picture.source.kind), now);
            }
        }
    }

    fn tell_estimate(&mut self, now: Mono, news: &mut Vec<Input>) {
        self.downlink.estimated(self.sending.estimate_kbps());
        if let Some(way) = self.downlink.news(now) {
            let (kbps, starving) = (way.estimate_kbps, way.starving);
            news.push(Input::Estimate { participant: self.participant, kbps, starving });
        }
    }

    /// What is not driven by packets: gaps, delays, ends of sources, and helping the estimate up.
    pub(super) fn housekeep(&mut self, now: Mono, news: &mut Vec<Input>, totals: &MediaTotals) {
        self.pictures.iter_mut().flatten().for_each(|picture| picture.count(totals));
        self.downlink.count(totals);
        for sound in self.sounds.iter().flatten() {
            sound.keep_in_step(&mut self.sync, now);
        }
        self.ask_for_keyframes(now);
        for picture in self.pictures.iter_mut().flatten() {
            if picture.has_ended(now) {
                news.push(Input::SourceLive { source: picture.source, medium: Heard::Video, live: false });
            }
        }
        for sound in self.sounds.iter_mut().flatten() {
            if sound.has_ended(now) {
                news.push(Input::SourceLive { source: sound.source, medium: Heard::Sound, live: false });
            }
        }
        self.tell_estimate(now, news);
        if let Some(kbps) = self.downlink.restart_kbps(self.sending.first_unsent(), now) {
            self.sending.reset(kbps);
        }
    }

    /// Gives up on gaps whose time is over, pads, and lets go what may leave.
    pub(super) fn run(&mut self, now: Mono, send: &mut impl FnMut(Down)) {
        for picture in self.pictures.iter_mut().flatten() {
            if picture.deadline().is_some_and(|deadline| deadline <= now) {
                picture.release(&mut self.sync, now);
            }
        }
        while let Some(down) = self.sending.pop(now) {
            send(down);
        }
    }

    /// Fills the way with padding as far as the estimate allows.
    pub(super) fn pad(&mut self, now: Mono) {
        if self.hears {
            self.sending.pad(self.downlink.desired_kbps(), now);
        }
    }

    /// When [`run`](Self::run) is to be called.
    pub(super) fn due(&self) -> Option<Mono> {
        let gaps = self.pictures.iter().flatten().filter_map(PictureLine::deadline).min();
        [self.sending.due(), gaps].into_iter().flatten().min()
    }
}
