//! One peer and everything of it that lives on its io thread.
//!
//! Receiving: [`PictureLine`] and [`SoundLine`]. Sending: a [`Downlink`] decides about pictures, one numbering serves
//! sound. What is left here is the association: what goes into it, and what comes out.

use super::downlink::{Downlink, Verdict};
use super::lines::{LineFeeds, PictureLine, SoundLine, index};
use super::news::{News, NewsSender, PeerNews};
use crate::engine::outgoing::{SoundBurst, VideoBurst};
use crate::engine::totals::MediaTotals;
use mcu_core::conference::plan::MeetingPlan;
use mcu_core::id::{ConferenceId, ParticipantId, PeerId, RenditionId, SourceId, SourceKind};
use mcu_core::media::codec::AudioCodec;
use mcu_core::media::packet::{Packet, SenderReport};
use mcu_core::time::Mono;
use std::net::SocketAddr;
use transport::io::ports::LinePorts;
use transport::peer::{
    Association, Datagram, Line, LineCodec, LineState, Medium, PeerEvent, PeerOutput, PeerStats, SendMeta,
};
use transport::receive::{LipSync, StreamKey};

/// A peer on its way to its io thread.
pub struct NewPeer {
    /// Its id.
    pub id: PeerId,
    /// Whose.
    pub participant: ParticipantId,
    /// Where.
    pub conference: ConferenceId,
    /// The association, answered but not connected.
    pub peer: Association,
    /// The sockets that are its alone.
    pub ports: Vec<LinePorts>,
    /// The engine's ends of what it sends.
    pub feeds: LineFeeds,
    /// Added to the 90 kHz time of a tick, by line: main, content.
    pub rtp_offsets: [u32; 2],
    /// The peer of the same call that it follows, some of whose ports it keeps.
    pub follows: Option<PeerId>,
}

/// A peer on its way to another meeting: the same association, the same numbers, other people.
pub struct MovedPeer {
    /// Its id.
    pub id: PeerId,
    /// Who it is there.
    pub participant: ParticipantId,
    /// Where.
    pub conference: ConferenceId,
    /// The engine's ends of what it sends.
    pub feeds: LineFeeds,
}

/// What one peer sends, line by line.
struct Received {
    sync: LipSync,
    pictures: [Option<PictureLine>; 2],
    sounds: [Option<SoundLine>; 2],
}

impl Received {
    fn new(participant: ParticipantId, conference: ConferenceId, feeds: LineFeeds) -> Self {
        let mut sync = LipSync::default();
        let source = |kind| SourceId { participant, kind };
        let [main_picture, content_picture] = feeds.pictures;
        let [main_sound, content_sound] = feeds.sounds;
        let mut picture = |kind, intake: Option<_>| {
            intake.and_then(|intake| PictureLine::new(conference, source(kind), intake, &mut sync))
        };
        let pictures =
            [picture(SourceKind::Main, main_picture), picture(SourceKind::Content, content_picture)];
        let mut sound =
            |kind, feed: Option<_>| feed.and_then(|feed| SoundLine::new(source(kind), feed, &mut sync));
        let sounds = [sound(SourceKind::Main, main_sound), sound(SourceKind::Content, content_sound)];
        Self { sync, pictures, sounds }
    }
}

/// The sound that is sent: in which codec, if any, and its numbering.
struct SentSound {
    codec: Option<AudioCodec>,
    sequence: u64,
    timestamp_offset: u32,
}

/// A peer at work.
pub struct Seat {
    id: PeerId,
    participant: ParticipantId,
    /// The conference it belongs to.
    pub(super) conference: ConferenceId,
    peer: Association,
    sync: LipSync,
    pictures: [Option<PictureLine>; 2],
    sounds: [Option<SoundLine>; 2],
    downlink: Downlink,
    sound: SentSound,
    /// Of the datagrams that the association refused, those that are counted.
    refused: u64,
}

impl Seat {
    /// Takes a place.
    pub fn new(new: NewPeer) -> Self {
        let NewPeer { id, participant, conference, mut peer, ports: _, feeds, rtp_offsets, follows: _ } = new;
        let Received { sync, pictures, sounds } = Received::new(participant, conference, feeds);
        let offset = |line: Line| peer.send_codec(line).map(|_| rtp_offsets[index(line.kind)]);
        let offsets = [offset(Line::MAIN_VIDEO), offset(Line::CONTENT_VIDEO)];
        let downlink = Downlink::new(participant, offsets);
        peer.set_desired_bitrate(downlink.desired_kbps());
        let sound = SentSound {
            codec: peer.line(Line::MAIN_AUDIO).and_then(LineState::send_audio_codec),
            sequence: u64::from(rtp_offsets[0] as u16 & 0x7fff),
            timestamp_offset: rtp_offsets[1],
        };
        Self { id, participant, conference, peer, sync, pictures, sounds, downlink, sound, refused: 0 }
    }

    /// Goes on in another meeting. What was being received begins anew there; what is sent goes on with its numbers.
    pub(super) fn move_on(&mut self, moved: MovedPeer) {
        let MovedPeer { id: _, participant, conference, feeds } = moved;
        let Received { sync, pictures, sounds } = Received::new(participant, conference, feeds);
        (self.participant, self.conference) = (participant, conference);
        (self.sync, self.pictures, self.sounds) = (sync, pictures, sounds);
        self.downlink.move_on(participant);
    }

    pub(super) fn local_ufrag(&self) -> Option<&str> {
        self.peer.local_ufrag()
    }

    pub(super) fn own_ports(&self) -> Vec<SocketAddr> {
        self.peer.own_ports()
    }

    /// Takes over what outlives a session from the one before.
    pub(super) fn succeed(&mut self, before: &mut Self) {
        for line in self.peer.succeed(&mut before.peer) {
            match line.medium {
                Medium::Audio => {
                    self.sound.sequence = before.sound.sequence;
                    self.sound.timestamp_offset = before.sound.timestamp_offset;
                }
                Medium::Video => self.downlink.go_on(line.kind, &mut before.downlink),
            }
        }
    }

    pub(super) fn authenticates(&mut self, datagram: &Datagram<'_>) -> bool {
        self.peer.authenticates(datagram)
    }

    pub(super) fn datagram(&mut self, datagram: &Datagram<'_>, now: Mono) {
        self.peer.handle_datagram(now, datagram);
    }

    pub(super) fn close(&mut self, now: Mono) {
        self.peer.close(now);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.peer.is_closed()
    }

    pub(super) fn poll(&mut self, now: Mono) -> Option<PeerOutput> {
        self.peer.poll(now)
    }

    pub(super) fn news(&self, what: PeerNews) -> News {
        News { peer: self.id, participant: self.participant, conference: self.conference, what }
    }

    /// Takes over what the plan gives this participant.
    pub(super) fn select(&mut self, plan: &MeetingPlan, now: Mono) {
        let before = self.downlink.desired_kbps();
        self.downlink.select(plan, now);
        let desired = self.downlink.desired_kbps();
        if desired != before {
            self.peer.set_desired_bitrate(desired);
        }
    }

    /// Sends one picture, if it is for this peer. `None`: it is not; otherwise whether a key frame is needed.
    pub(super) fn send_video(&mut self, burst: &VideoBurst, now: Mono) -> Option<bool> {
        if !self.peer.is_connected() {
            return None;
        }
        if !self.downlink.concerns(burst.rendition) {
            return None;
        }
        let first_unsent = self.first_unsent(now);
        match self.downlink.offer(burst, first_unsent, now)? {
            Verdict::Send { kind, placed } => {
                let line = Line { kind, medium: Medium::Video };
                for (at, payload) in burst.unit.payloads.iter().enumerate() {
                    let meta = SendMeta {
                        sequence: placed.first_sequence + at as u64,
                        rtp_timestamp: placed.timestamp,
                        marker: burst.unit.marker(at),
                        wallclock: burst.wallclock,
                        vp8: placed.vp8_patch,
                        vp8_numbers: placed.vp8_numbers,
                    };
                    // Refused only by a peer that has just closed, which `drain` finds by itself.
                    let _ = self.peer.send_video(line, payload, &meta, now);
                }
                Some(false)
            }
            Verdict::Hold { wants_keyframe } => Some(wants_keyframe),
            Verdict::GiveUp { kind } => {
                self.peer.forget_sent(Line { kind, medium: Medium::Video });
                Some(false)
            }
        }
    }

    /// Since when the oldest packet has been waiting in the pacer.
    fn first_unsent(&mut self, now: Mono) -> Option<Mono> {
        let delay = self.peer.pacer_delay(now);
        (!delay.is_zero()).then(|| now.before(delay))
    }

    /// Sends 20 ms of sound, if this peer listens.
    pub(super) fn send_sound(&mut self, burst: &SoundBurst, _now: Mono) -> bool {
        let Some(codec) = self.sound.codec.filter(|_| self.peer.is_connected()) else { return false };
        let Some(payload) = burst.packet(self.participant, codec) else { return false };
        let meta = SendMeta {
            sequence: self.sound.sequence,
            rtp_timestamp: burst.at.to_rtp(codec.clock_rate()).wrapping_add(self.sound.timestamp_offset),
            marker: false,
            wallclock: burst.wallclock,
            vp8: None,
            vp8_numbers: None,
        };
        self.sound.sequence += 1;
        let _ = self.peer.send_sound(payload, &meta);
        true
    }

    /// Takes an event of the peer. Returns the rendition that must make a key frame for it, if one must.
    pub(super) fn event(&mut self, event: PeerEvent, now: Mono, news: &NewsSender) -> Option<RenditionId> {
        match event {
            PeerEvent::Connected => news.tell(self.news(PeerNews::Connected)),
            PeerEvent::Closed(reason) => {
                let for_good = self.peer.is_over_for_good(reason);
                news.tell(self.news(PeerNews::Closed { for_good }));
            }
            PeerEvent::Packet { line, codec, packet } => self.packet(line, codec, packet, now, news),
            PeerEvent::SenderReport { line, report } => {
                if let Some((key, report)) = self.report(line, report) {
                    self.sync.report(key, report);
                }
            }
            PeerEvent::Digit(digit) => news.tell(self.news(PeerNews::Digit(digit))),
            PeerEvent::KeyframeRequested { line } => {
                return self.downlink.keyframe_requested(line.kind, now);
            }
            PeerEvent::Estimate { kbps } => {
                self.downlink.estimated(kbps);
                self.tell_estimate(now, news);
            }
            PeerEvent::Stats(stats) => self.stats(stats, news),
        }
        None
    }

    /// The stream that a sender report is about, and what it says in the clock that the lip-sync knows the stream by.
    fn report(&self, line: Line, report: SenderReport) -> Option<(StreamKey, SenderReport)> {
        let at = index(line.kind);
        match line.medium {
            Medium::Video => self.pictures[at].as_ref().map(|picture| (picture.key, report)),
            Medium::Audio => self.sounds[at].as_ref().map(|sound| (sound.key, sound.report(report))),
        }
    }

    fn packet(&mut self, line: Line, codec: LineCodec, packet: Packet, now: Mono, news: &NewsSender) {
        let at = index(line.kind);
        let begins = match (codec, &mut self.pictures[at], &mut self.sounds[at]) {
            (LineCodec::Video(codec), Some(picture), _) => picture.packet(packet, codec, &mut self.sync, now),
            (LineCodec::Audio(codec), _, Some(sound)) => sound.packet(&packet, codec, &mut self.sync, now),
            _ => return,
        };
        if begins {
            let source = SourceId { participant: self.participant, kind: line.kind };
            news.tell(self.news(PeerNews::Live(source, line.medium, true)));
        }
        if line.medium == Medium::Video {
            self.ask_for_keyframes(now);
        }
    }

    fn ask_for_keyframes(&mut self, now: Mono) {
        for picture in self.pictures.iter_mut().flatten() {
            if picture.wants_keyframe(now) {
                self.peer.request_keyframe(Line { kind: picture.source.kind, medium: Medium::Video });
            }
        }
    }

    fn tell_estimate(&mut self, now: Mono, news: &NewsSender) {
        if let Some(way) = self.downlink.news(now) {
            news.tell(self.news(PeerNews::Way(way)));
        }
    }

    fn stats(&mut self, stats: PeerStats, news: &NewsSender) {
        if let Some(rtt) = stats.rtt {
            self.pictures.iter_mut().flatten().for_each(|picture| picture.set_round_trip(rtt));
        }
        news.tell(self.news(PeerNews::Stats(stats)));
    }

    /// What is not driven by packets: gaps, delays, ends of sources, and helping the estimate up.
    pub(super) fn housekeep(&mut self, now: Mono, news: &NewsSender, totals: &MediaTotals) {
        self.pictures.iter_mut().flatten().for_each(|picture| picture.count(totals));
        self.downlink.count(totals);
        let refused = self.peer.counters().refused;
        totals.datagrams_refused.add(refused - std::mem::replace(&mut self.refused, refused));
        for sound in self.sounds.iter().flatten() {
            sound.keep_in_step(&mut self.sync, now);
        }
        self.ask_for_keyframes(now);
        let mut ended = [None; 4];
        for (at, picture) in self.pictures.iter_mut().flatten().enumerate() {
            ended[at] = picture.has_ended(now).then_some((picture.source, Medium::Video));
        }
        for (at, sound) in self.sounds.iter_mut().flatten().enumerate() {
            ended[2 + at] = sound.has_ended(now).then_some((sound.source, Medium::Audio));
        }
        for (source, medium) in ended.into_iter().flatten() {
            news.tell(self.news(PeerNews::Live(source, medium, false)));
        }
        self.tell_estimate(now, news);
        if self.peer.is_connected() {
            let first_unsent = self.first_unsent(now);
            if let Some(kbps) = self.downlink.restart_kbps(first_unsent, now) {
                self.peer.reset_estimate(kbps);
            }
        }
    }

    /// Does what is due; true when something may want to be sent.
    pub(super) fn timeout(&mut self, now: Mono) -> bool {
        for picture in self.pictures.iter_mut().flatten() {
            if picture.deadline().is_some_and(|deadline| deadline <= now) {
                picture.release(&mut self.sync, now);
            }
        }
        let due = self.peer.next_timeout().is_some_and(|timeout| timeout <= now);
        if due {
            self.peer.handle_timeout(now);
        }
        due
    }

    /// When [`timeout`](Self::timeout) is to be called.
    pub(super) fn deadline(&self) -> Option<Mono> {
        let gaps = self.pictures.iter().flatten().filter_map(PictureLine::deadline).min();
        [self.peer.next_timeout(), gaps].into_iter().flatten().min()
    }
}
