//! Hops `unprotect` and `protect`: a peer of ours and a str0m client, joined without a network, in virtual time.
//!
//! A run is one picture of five packets and everything that the library does around it: SRTP, pacing, feedback, statistics.

use super::{Case, Work};
use loadtest::clock::Clock;
use mcu_core::hop::Hop;
use mcu_core::time::{ClockRate, MediaTime, Mono};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use str0m::bwe::Bitrate;
use str0m::change::SdpAnswer;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{DatagramRecv, Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use transport::peer::{
    ClockBase, Datagram, Line, LineRoles, LocalAddress, PeerConfig, PeerEvent, PeerOutput, Proto, SendMeta,
    Transmit, WebRtcPeer,
};

/// Packets of one picture: 1.3 Mbit/s at 30 a second.
const PACKETS: u64 = 5;
/// Bytes of each payload.
const BYTES: usize = 1_100;
/// From one run to the next.
const TICK: Duration = Duration::from_micros(33_333);
/// How long a handshake may take, in virtual time.
const CONNECTS_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn cases() -> Vec<Case> {
    let packets = (PACKETS, "packet");
    vec![
        Case::new(Hop::Unprotect, "webrtc, a picture of five packets", packets, || Unprotect(Pair::new())),
        Case::new(Hop::Protect, "webrtc, a picture of five packets", packets, || Protect(Pair::new())),
    ]
}

fn node() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 5_000))
}

fn browser() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 4_000))
}

/// Both ends of one association.
struct Pair {
    clock: ClockBase,
    now: Mono,
    client: Rtc,
    client_due: Instant,
    client_connected: bool,
    video: Mid,
    peer: WebRtcPeer,
    admitted: bool,
    to_peer: Vec<Vec<u8>>,
    to_client: Vec<Transmit>,
    /// Packets of the client that came out at the peer.
    received: u64,
    sequence: u64,
    payload: Arc<[u8]>,
}

impl Pair {
    fn new() -> Self {
        let clock = ClockBase::new(Clock::start().instant(Mono::ZERO));
        let now = Mono::from_millis(1_000);
        let mut client = RtcConfig::new()
            .set_rtp_mode(true)
            .enable_bwe(Some(Bitrate::mbps(5)))
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .build(clock.instant(now));
        client
            .add_local_candidate(Candidate::host(browser(), "udp").expect("an address"))
            .expect("a candidate");
        let mut changes = client.sdp_api();
        let video = changes.add_media(MediaKind::Video, Direction::SendRecv, None, None, None);
        let (offer, pending) = changes.apply().expect("an offer");
        let config =
            PeerConfig { addresses: vec![LocalAddress::direct(Proto::Udp, node())], ..PeerConfig::default() };
        let roles = LineRoles::in_order();
        let (mut peer, answer) =
            WebRtcPeer::accept(&config, clock, &offer.to_sdp_string(), &roles, now).expect("an answer");
        peer.set_desired_bitrate(2_500);
        let answer = SdpAnswer::from_sdp_string(&answer.sdp).expect("our answer parses");
        client.sdp_api().accept_answer(pending, answer).expect("our answer fits the offer");
        let mut pair = Self {
            clock,
            now,
            client,
            client_due: clock.instant(now),
            client_connected: false,
            video,
            peer,
            admitted: false,
            to_peer: Vec::new(),
            to_client: Vec::new(),
            received: 0,
            sequence: 0,
            payload: Arc::from(vec![0x10; BYTES]),
        };
        pair.connect();
        pair
    }

    fn connect(&mut self) {
        let end = self.now + CONNECTS_WITHIN;
        while !(self.client_connected && self.peer.is_connected()) {
            assert!(self.now < end, "no connection within {CONNECTS_WITHIN:?} of virtual time");
            self.pass(Duration::from_millis(5));
        }
    }

    /// Lets `span` pass at both ends, and everything that waits arrive.
    fn pass(&mut self, span: Duration) {
        self.now += span;
        self.client_works();
        self.deliver_to_peer();
        self.peer_works();
        for transmit in std::mem::take(&mut self.to_client) {
            let Ok(contents) = DatagramRecv::try_from(&transmit.bytes[..]) else { continue };
            let receive = Receive { proto: Protocol::Udp, source: node(), destination: browser(), contents };
            let input = Input::Receive(self.clock.instant(self.now), receive);
            self.client.handle_input(input).expect("the client goes on");
            self.drain_client();
        }
    }

    fn client_works(&mut self) {
        while self.client_due <= self.clock.instant(self.now) {
            // Bandwidth estimation can ask for the same moment again: time has to pass.
            let at = self.client_due;
            self.client.handle_input(Input::Timeout(at)).expect("the client goes on");
            self.drain_client();
            self.client_due = self.client_due.max(at + Duration::from_millis(1));
        }
    }

    fn drain_client(&mut self) {
        loop {
            match self.client.poll_output().expect("the client goes on") {
                Output::Timeout(at) => {
                    self.client_due = at;
                    return;
                }
                Output::Transmit(transmit) => self.to_peer.push(transmit.contents.to_vec()),
                Output::Event(Event::Connected) => self.client_connected = true,
                Output::Event(_) => {}
            }
        }
    }

    /// What an io thread does with datagrams once they are demultiplexed.
    fn deliver_to_peer(&mut self) {
        for bytes in std::mem::take(&mut self.to_peer) {
            self.deliver(&bytes);
        }
    }

    fn deliver(&mut self, bytes: &[u8]) {
        let (source, destination) = (browser(), node());
        let datagram = Datagram { proto: Proto::Udp, source, destination, bytes };
        self.admitted |= self.peer.authenticates(&datagram);
        if self.admitted {
            self.peer.handle_datagram(self.now, &datagram);
            self.drain_peer();
        }
    }

    fn peer_works(&mut self) {
        if self.peer.next_timeout().is_some_and(|at| at <= self.now) {
            self.peer.handle_timeout(self.now);
            self.drain_peer();
        }
    }

    fn drain_peer(&mut self) {
        while let Some(output) = self.peer.poll(self.now) {
            match output {
                PeerOutput::Transmit(transmit) => self.to_client.push(transmit),
                PeerOutput::Event(PeerEvent::Packet { .. }) => self.received += 1,
                PeerOutput::Event(_) => {}
            }
        }
    }

    /// The RTP timestamp of a picture that is written now.
    fn timestamp(&self) -> u32 {
        MediaTime::from_mono(self.now).to_rtp(ClockRate::VIDEO)
    }
}

/// From datagrams to packets.
struct Unprotect(Pair);

impl Work for Unprotect {
    fn prepare(&mut self) {
        let pair = &mut self.0;
        pair.pass(TICK / 2);
        let (at, timestamp) = (pair.clock.instant(pair.now), pair.timestamp());
        let media = pair.client.media(pair.video).expect("the line");
        let payload_type = media.remote_pts()[0];
        let mut direct = pair.client.direct_api();
        let stream = direct.stream_tx_by_mid(pair.video, None).expect("a stream to send");
        for n in 1..=PACKETS {
            pair.sequence += 1;
            let payload = vec![0x10; BYTES];
            let rtp = RtpWrite::new(payload_type, pair.sequence.into(), timestamp, at, payload);
            stream.write_rtp(rtp.marker(n == PACKETS).nackable(true));
        }
        pair.client_due = at;
        // The client's pacer lets them go bit by bit.
        pair.now += TICK / 2;
        pair.client_works();
    }

    fn run(&mut self) {
        let pair = &mut self.0;
        let mut datagrams = std::mem::take(&mut pair.to_peer);
        for bytes in datagrams.drain(..) {
            pair.deliver(&bytes);
        }
        pair.to_peer = datagrams;
        pair.peer_works();
    }
}

impl Drop for Unprotect {
    fn drop(&mut self) {
        // At most a few wait in the client's pacer: had they not come, nothing would have been measured.
        let Pair { sequence, received, .. } = self.0;
        assert!(received + 10 * PACKETS >= sequence, "only {received} of {sequence} packets came");
    }
}

/// From payloads to datagrams.
struct Protect(Pair);

impl Work for Protect {
    fn prepare(&mut self) {
        self.0.pass(Duration::from_millis(1));
    }

    fn run(&mut self) {
        let pair = &mut self.0;
        let (rtp_timestamp, wallclock) = (pair.timestamp(), pair.now);
        for n in 1..=PACKETS {
            let meta = SendMeta {
                sequence: pair.sequence,
                rtp_timestamp,
                marker: n == PACKETS,
                wallclock,
                vp8: None,
                vp8_numbers: None,
            };
            pair.sequence += 1;
            let payload = Arc::clone(&pair.payload);
            pair.peer.send_video(Line::MAIN_VIDEO, &payload, &meta).expect("the way is open");
        }
        pair.drain_peer();
        let end = pair.now + (TICK - Duration::from_millis(1));
        while let Some(at) = pair.peer.next_timeout().filter(|at| *at <= end) {
            pair.now = at.max(pair.now);
            pair.peer.handle_timeout(pair.now);
            pair.drain_peer();
        }
        pair.now = end;
    }
}
