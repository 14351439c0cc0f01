//! The media of a call, without I/O: what [`Peer`](crate::bot::peer::Peer) is to a browser.
//!
//! Flow: `life` hands in datagrams and time, takes out datagrams and [`PeerEvent`]s. Lines lie in the order in which they were offered, each on a wire of its
//! own. Pictures are paced, at the rate that reports of loss and the answer's `b=` allow. Bounds: the pacer's; a report a second and line.

use super::CallError;
use super::line::{Opened, RtpLine};
use super::rtcp::{Heard, round_trip};
use super::sdp::{Answer, Format, Offer};
use crate::bot::peer::{Departing, ESTIMATE_INITIAL_KBPS, PeerEvent};
use bytes::Bytes;
use mcu_core::id::SourceKind;
use mcu_core::limits::PACER_DELAY_MAX;
use mcu_core::media::codec::VideoCodec;
use mcu_core::time::{MediaTime, Mono};
use std::net::SocketAddr;
use std::time::Duration;
use transport::payload::{PacketizedUnit, Vp8Numbers};
use transport::peer::{Proto, Transmit};
use transport::rate::LossEstimate;
use transport::send::Pacer;

/// How often each line reports (RFC 4585 §3.5.3 allows it at these rates).
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// How long a server may send nothing at all: reports alone come each second.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// What a way is believed to carry where the answer sets no bound.
const KBPS_MAX: u32 = 20_000;

/// See the module.
#[derive(Debug)]
pub(in crate::bot) struct CallMedia {
    lines: Vec<RtpLine>,
    cname: String,
    pacer: Pacer,
    estimate: LossEstimate,
    report_due: Mono,
    /// When something last authenticated.
    heard: Mono,
    picture_id: u16,
    departing: Vec<Departing>,
    events: Vec<PeerEvent>,
}

impl CallMedia {
    /// The media that were agreed. `through` leads each line by another address than the answer's.
    ///
    /// # Errors
    /// [`CallError::Library`].
    pub(in crate::bot) fn new(
        offer: &Offer,
        answer: &Answer,
        through: &[Option<SocketAddr>],
        now: Mono,
    ) -> Result<Self, CallError> {
        let lines = offer.lines.iter().zip(&answer.lines).zip(through);
        let lines = lines.map(|((offered, answered), through)| RtpLine::new(offered, answered, *through));
        let kbps_max =
            offer.lines.iter().zip(&answer.lines).find_map(|(offered, answered)| match offered.format {
                Format::Picture(_) => answered.kbps_max,
                Format::Sound(_) => None,
            });
        let estimate = LossEstimate::new(ESTIMATE_INITIAL_KBPS, kbps_max.unwrap_or(KBPS_MAX));
        let kbps = estimate.kbps();
        Ok(Self {
            lines: lines.collect::<Result<_, _>>()?,
            cname: format!("{:016x}", rand::random::<u64>()),
            pacer: Pacer::new(kbps),
            estimate,
            // At once: it lets whoever sends by what comes find the way back through a NAT or a relay.
            report_due: now,
            heard: now,
            picture_id: 0,
            departing: Vec::new(),
            events: vec![PeerEvent::Connected, PeerEvent::EstimateKbps(kbps)],
        })
    }

    /// Takes a datagram that came by a wire.
    pub(in crate::bot) fn handle(&mut self, now: Mono, wire: usize, datagram: &[u8]) {
        let Some(line) = self.lines.get_mut(wire) else { return };
        let format = line.format;
        let picture = || match format {
            Format::Sound(_) => None,
            Format::Picture(codec) => Some((SourceKind::Main, codec)),
        };
        match line.open(datagram, now) {
            Opened::Refused => return,
            Opened::Packet(packet) => self.events.push(match picture() {
                Some((kind, codec)) => PeerEvent::Picture(kind, codec, packet),
                None => PeerEvent::Sound(packet),
            }),
            Opened::Words(words) => {
                words.into_iter().for_each(|heard| self.told(heard, picture().map(|of| of.0), now))
            }
        }
        self.heard = now;
    }

    fn told(&mut self, heard: Heard, line: Option<SourceKind>, now: Mono) {
        match heard {
            Heard::KeyframeWanted if line.is_some() => self.events.push(PeerEvent::KeyframeRequest),
            Heard::KeyframeWanted => {}
            Heard::Clocks { ntp, timestamp, .. } => {
                self.events.push(PeerEvent::SenderReport(line, micros(ntp), timestamp));
            }
            Heard::Reception { fraction_lost, last_report, since_report } => {
                self.events.extend(round_trip(last_report, since_report, now).map(PeerEvent::Rtt));
                // Sound loses its packets in the queues of the picture: the picture's line is the one to go by.
                if line.is_some() && self.estimate.reported(fraction_lost, now) {
                    self.pacer.set_kbps(self.estimate.kbps());
                    self.events.push(PeerEvent::EstimateKbps(self.estimate.kbps()));
                }
            }
        }
    }

    /// Lets time pass; fills `departing` and `events`; says when to call again.
    pub(in crate::bot) fn poll(
        &mut self,
        now: Mono,
        departing: &mut Vec<Departing>,
        events: &mut Vec<PeerEvent>,
    ) -> Mono {
        if now.since(self.heard) > SILENCE_MAX {
            self.heard = now;
            self.events.push(PeerEvent::Silent);
        }
        if self.report_due <= now {
            self.report_due = now + REPORT_INTERVAL;
            (0..self.lines.len()).for_each(|wire| self.report(wire, false, now));
        }
        while let Some(Transmit { destination, bytes, .. }) = self.pacer.pop(now) {
            // Only pictures are paced, and theirs is the last line.
            let wire = self.lines.len().saturating_sub(1);
            self.departing.push(Departing { wire, to: destination, bytes });
        }
        departing.append(&mut self.departing);
        events.append(&mut self.events);
        self.pacer.deadline().map_or(self.report_due, |at| at.min(self.report_due))
    }

    fn report(&mut self, wire: usize, wants_keyframe: bool, now: Mono) {
        let line = &mut self.lines[wire];
        let bytes = line.report(&self.cname, wants_keyframe, now);
        let to = line.rtcp;
        self.departing.extend(bytes.map(|bytes| Departing { wire, to, bytes }));
    }

    /// Sends a picture; `at` is its moment on the sender's clock.
    pub(in crate::bot) fn send_picture(&mut self, now: Mono, unit: &PacketizedUnit, at: MediaTime) {
        let Some(line) = self.lines.last_mut().filter(|line| matches!(line.format, Format::Picture(_)))
        else {
            return;
        };
        self.picture_id = self.picture_id.wrapping_add(1);
        let numbers = Vp8Numbers { picture_id: self.picture_id & 0x7fff, tl0_pic_idx: self.picture_id as u8 };
        let numbers = (unit.codec == VideoCodec::Vp8).then_some(numbers);
        let timestamp = at.to_rtp(line.clock());
        for (index, payload) in unit.payloads.iter().enumerate() {
            let Some(bytes) = line.seal(payload, timestamp, unit.marker(index), numbers, now) else { return };
            let (source, destination) = (line.rtp, line.rtp);
            self.pacer.push(Transmit { proto: Proto::Udp, source, destination, bytes }, now);
        }
    }

    /// Sends 20 ms of sound; `at` is its moment on the sender's clock.
    pub(in crate::bot) fn send_sound(&mut self, now: Mono, packet: &Bytes, at: MediaTime) {
        let Some(line) = self.lines.first_mut() else { return };
        let (to, timestamp) = (line.rtp, at.to_rtp(line.clock()));
        let bytes = line.seal(packet, timestamp, false, None, now);
        self.departing.extend(bytes.map(|bytes| Departing { wire: 0, to, bytes }));
    }

    /// Whether a picture still waits from too long ago.
    pub(in crate::bot) fn is_blocked(&self, now: Mono) -> bool {
        self.pacer.is_full() || self.pacer.delay(now) > PACER_DELAY_MAX
    }

    /// Asks the server for a key frame.
    pub(in crate::bot) fn request_keyframe(&mut self, now: Mono) {
        let picture = self.lines.iter().position(|line| matches!(line.format, Format::Picture(_)));
        if let Some(wire) = picture {
            self.report(wire, true, now);
        }
    }
}

/// NTP time of 32.32 fixed point, in microseconds.
fn micros(ntp: u64) -> i64 {
    let (seconds, fraction) = (ntp >> 32, ntp & 0xffff_ffff);
    (seconds * 1_000_000 + ((fraction * 1_000_000) >> 32)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::barcode::SenderId;
    use crate::media::loops::{Library, LoopSpec, Rung};
    use mcu_core::media::codec::AudioCodec;

    /// Both ends of a call with a picture, as if each had answered the other.
    fn pair(codec: VideoCodec) -> [CallMedia; 2] {
        let at = |first: u16| [first, first + 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let offers = [4_000, 5_000].map(|first| {
            Offer::new(AudioCodec::Opus, Some(codec), &at(first), true).expect("there is randomness")
        });
        [(0, 1), (1, 0)].map(|(own, other)| {
            let answer =
                Answer::parse(&offers[other].text(), &offers[own]).expect("an offer reads as an answer");
            CallMedia::new(&offers[own], &answer, &[None, None], at_ms(0)).expect("libsrtp takes the keys")
        })
    }

    fn at_ms(ms: u64) -> Mono {
        Mono::from_millis(1_000 + ms)
    }

    /// Lets `one` do what is due at `ms` and `other` take it; what happened at `one`.
    fn step(one: &mut CallMedia, other: &mut CallMedia, ms: u64) -> Vec<PeerEvent> {
        let (mut departing, mut events) = (Vec::new(), Vec::new());
        one.poll(at_ms(ms), &mut departing, &mut events);
        for datagram in departing {
            let port = if datagram.wire == 0 { [4_000, 5_000] } else { [4_002, 5_002] };
            assert!(port.contains(&datagram.to.port()), "each line to its own address: {datagram:?}");
            other.handle(at_ms(ms), datagram.wire, &datagram.bytes);
        }
        events
    }

    #[test]
    fn a_picture_and_a_sound_arrive_and_a_key_frame_is_asked_for() {
        for codec in [VideoCodec::H264, VideoCodec::Vp8] {
            let folder =
                std::env::temp_dir().join(format!("loadtest-call-{}-{}", std::process::id(), codec.name()));
            let rungs = vec![Rung { height: 180, kbps: 200 }];
            let spec = LoopSpec { rungs, ..LoopSpec::talking_head(SenderId(3)) }.coded(codec).lasting(1);
            let set = Library::open(&folder).expect("is writable").get(&spec).expect("is made");
            let _ = std::fs::remove_dir_all(folder);
            let [mut one, mut other] = pair(codec);
            let began = step(&mut one, &mut other, 0);
            assert!(matches!(began[..], [PeerEvent::Connected, PeerEvent::EstimateKbps(_)]), "{began:?}");
            let unit = set.loops()[0].units[0].as_ref().expect("a loop begins with a picture");
            one.send_picture(at_ms(0), unit, unit.at);
            one.send_sound(at_ms(0), &set.sound()[0], MediaTime::from_ticks(0));
            // All of a key frame takes its time.
            (0..200).for_each(|ms| drop(step(&mut one, &mut other, ms)));
            let came = step(&mut other, &mut one, 200);
            let pictures: Vec<_> = came
                .iter()
                .filter_map(|event| match event {
                    PeerEvent::Picture(SourceKind::Main, as_codec, packet) if *as_codec == codec => {
                        Some(packet)
                    }
                    _ => None,
                })
                .collect();
            assert_eq!(pictures.len(), unit.payloads.len(), "{came:?}");
            assert!(pictures.last().is_some_and(|packet| packet.marker));
            let sounds = came.iter().filter(
                |event| matches!(event, PeerEvent::Sound(packet) if packet.payload == set.sound()[0]),
            );
            assert_eq!(sounds.count(), 1, "{came:?}");
            other.request_keyframe(at_ms(201));
            step(&mut other, &mut one, 201);
            let asked = step(&mut one, &mut other, 202);
            assert!(asked.iter().any(|event| matches!(event, PeerEvent::KeyframeRequest)), "{asked:?}");
        }
    }

    #[test]
    fn a_server_that_says_nothing_is_told_of_once_and_one_that_reports_is_not() {
        let [mut one, mut other] = pair(VideoCodec::Vp8);
        let silent =
            |events: &[PeerEvent]| events.iter().filter(|event| matches!(event, PeerEvent::Silent)).count();
        for second in 0..20 {
            step(&mut other, &mut one, second * 1_000);
            let events = step(&mut one, &mut other, second * 1_000);
            assert_eq!(silent(&events), 0, "reports are enough");
        }
        let events = step(&mut one, &mut other, 36_000);
        assert_eq!(silent(&events), 1, "{events:?}");
    }
}
