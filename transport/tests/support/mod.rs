//! A browser's stand-in (a str0m client) and a peer of ours, joined by a seeded lossy link, in virtual time.

#![allow(dead_code, clippy::disallowed_methods)] // each test file uses its part; the epoch has to come from somewhere

use mcu_core::time::Mono;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{DatagramRecv, Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig, RtcError};
use transport::demux::{Demux, Route};
use transport::peer::{
    ClockBase, Datagram, LineRoles, LocalAddress, NegotiateError, PeerConfig, PeerEvent, PeerOutput, Proto,
    WebRtcPeer,
};

pub(crate) const PEER: mcu_core::id::PeerId = mcu_core::id::PeerId(1);

/// xorshift64*: seeded, and all that dropping packets needs.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((self.next() >> 33) % n as u64) as usize
    }
}

pub(crate) fn server() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 5_000))
}

pub(crate) fn client() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 4_000))
}

pub(crate) fn config() -> PeerConfig {
    PeerConfig { addresses: vec![LocalAddress::direct(Proto::Udp, server())], ..PeerConfig::default() }
}

#[derive(Clone)]
pub(crate) struct Flying {
    pub(crate) due: Mono,
    pub(crate) to_peer: bool,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) struct World {
    pub(crate) clock: ClockBase,
    pub(crate) now: Mono,
    pub(crate) rtc: Rtc,
    pub(crate) mids: Vec<Mid>,
    pub(crate) peer: WebRtcPeer,
    pub(crate) demux: Demux,
    pub(crate) answer: String,
    pub(crate) peer_events: Vec<(Mono, PeerEvent)>,
    pub(crate) client_events: Vec<(Mono, Event)>,
    pub(crate) flying: VecDeque<Flying>,
    pub(crate) delay: Duration,
    /// Packets of RTP and RTCP lost, per thousand, each way.
    pub(crate) loss_permille: u64,
    /// Nothing gets through at all.
    pub(crate) cut: bool,
    pub(crate) dropped: u64,
    /// A copy of everything that reached the peer.
    pub(crate) tap: Vec<Flying>,
    dice: Dice,
    client_timeout: Instant,
}

pub(crate) fn library() -> RtcConfig {
    RtcConfig::new()
        .set_rtp_mode(true)
        .set_rtcp_report_interval_audio(Duration::from_secs(1))
        .enable_bwe(Some(str0m::bwe::Bitrate::mbps(2)))
        .clear_codecs()
        .enable_opus(true, false)
        .enable_vp8(true)
}

/// A client's offer of `lines`.
pub(crate) fn offer(
    library: RtcConfig,
    lines: &[(MediaKind, Direction)],
    now: Instant,
) -> (Rtc, String, SdpPendingOffer, Vec<Mid>) {
    let mut rtc = library.build(now);
    rtc.add_local_candidate(Candidate::host(client(), "udp").expect("an address")).expect("a candidate");
    let mut changes = rtc.sdp_api();
    let mids =
        lines.iter().map(|&(kind, direction)| changes.add_media(kind, direction, None, None, None)).collect();
    let (offer, pending) = changes.apply().expect("an offer");
    (rtc, offer.to_sdp_string(), pending, mids)
}

impl World {
    pub(crate) fn new(seed: u64, lines: &[(MediaKind, Direction)]) -> Self {
        Self::with(seed, library(), lines, &config()).expect("an offer that is answered")
    }

    pub(crate) fn with(
        seed: u64,
        library: RtcConfig,
        lines: &[(MediaKind, Direction)],
        config: &PeerConfig,
    ) -> Result<Self, NegotiateError> {
        let epoch = Instant::now();
        let clock = ClockBase::new(epoch);
        let now = Mono::from_millis(1_000);
        let (mut rtc, sdp, pending, mids) = offer(library, lines, clock.instant(now));
        let (peer, answer) = WebRtcPeer::accept(config, clock, &sdp, &LineRoles::in_order(), now)?;
        let parsed = SdpAnswer::from_sdp_string(&answer.sdp).expect("our answer parses");
        rtc.sdp_api().accept_answer(pending, parsed).expect("our answer fits the offer");
        let mut demux = Demux::default();
        demux.register(peer.local_ufrag(), PEER).expect("room");
        Ok(Self {
            clock,
            now,
            rtc,
            mids,
            peer,
            demux,
            answer: answer.sdp,
            peer_events: Vec::new(),
            client_events: Vec::new(),
            flying: VecDeque::new(),
            delay: Duration::from_millis(10),
            loss_permille: 0,
            cut: false,
            dropped: 0,
            tap: Vec::new(),
            dice: Dice::new(seed),
            client_timeout: clock.instant(now),
        })
    }

    fn fly(&mut self, to_peer: bool, source: SocketAddr, destination: SocketAddr, bytes: Vec<u8>) {
        let media = bytes.first().is_some_and(|b| (128..192).contains(b));
        if self.cut || (media && self.dice.next() % 1_000 < self.loss_permille) {
            self.dropped += 1;
            return;
        }
        self.flying.push_back(Flying { due: self.now + self.delay, to_peer, source, destination, bytes });
    }

    pub(crate) fn drain_client(&mut self) {
        for _ in 0..100_000 {
            let output = match self.rtc.poll_output() {
                Ok(output) => output,
                Err(error) => return self.client_gives_up(&error),
            };
            match output {
                Output::Timeout(at) => {
                    self.client_timeout = at.max(self.clock.instant(self.now + Duration::from_millis(1)));
                    return;
                }
                Output::Transmit(t) => self.fly(true, t.source, t.destination, t.contents.to_vec()),
                Output::Event(event) => self.client_events.push((self.now, event)),
            }
        }
        panic!("the client never comes to rest");
    }

    /// Where nothing gets through, the client's library may end its handshake, after a time that it draws by lot. Anywhere
    /// else that is a fault.
    fn client_gives_up(&mut self, error: &RtcError) {
        assert!(self.cut, "the client goes on: {error}");
        self.client_timeout = self.clock.instant(self.now + Duration::from_secs(86_400));
    }

    pub(crate) fn drain_peer(&mut self) {
        for _ in 0..100_000 {
            match self.peer.poll(self.now) {
                None => return,
                Some(PeerOutput::Transmit(t)) => self.fly(false, t.source, t.destination, t.bytes.to_vec()),
                Some(PeerOutput::Event(event)) => self.peer_events.push((self.now, event)),
            }
        }
        panic!("the peer never comes to rest");
    }

    /// What an io thread does with a datagram.
    pub(crate) fn deliver_to_peer(
        &mut self,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &[u8],
    ) -> Route {
        let datagram = Datagram { proto: Proto::Udp, source, destination, bytes };
        let route = self.demux.route(&datagram);
        match route {
            Route::Peer(_) => self.peer.handle_datagram(self.now, &datagram),
            Route::Claims(peer) => {
                if self.peer.authenticates(&datagram) {
                    assert!(self.demux.admit(peer, Proto::Udp, source));
                    self.peer.handle_datagram(self.now, &datagram);
                }
            }
            Route::Nobody => {}
        }
        self.drain_peer();
        route
    }

    /// Goes on to the next thing that happens, at most 5 ms ahead.
    pub(crate) fn step(&mut self) {
        let mut next = self.now + Duration::from_millis(5);
        next = next.min(self.clock.mono(self.client_timeout));
        if let Some(at) = self.peer.next_timeout() {
            assert!(at > self.now, "a timeout must lie ahead");
            next = next.min(at);
        }
        if let Some(first) = self.flying.front() {
            next = next.min(first.due);
        }
        self.now = self.now.max(next);
        while self.flying.front().is_some_and(|first| first.due <= self.now) {
            let Some(packet) = self.flying.pop_front() else { break };
            if packet.to_peer {
                self.tap.push(packet.clone());
                self.deliver_to_peer(packet.source, packet.destination, &packet.bytes);
            } else if let Ok(contents) = DatagramRecv::try_from(&packet.bytes[..]) {
                let receive = Receive {
                    proto: Protocol::Udp,
                    source: packet.source,
                    destination: packet.destination,
                    contents,
                };
                self.rtc
                    .handle_input(Input::Receive(self.clock.instant(self.now), receive))
                    .expect("the client goes on");
                self.drain_client();
            }
        }
        if self.clock.mono(self.client_timeout) <= self.now {
            match self.rtc.handle_input(Input::Timeout(self.clock.instant(self.now))) {
                Ok(()) => self.drain_client(),
                Err(error) => self.client_gives_up(&error),
            }
        }
        if self.peer.next_timeout().is_some_and(|at| at <= self.now + Duration::from_millis(1)) {
            self.peer.handle_timeout(self.now);
        }
        self.drain_peer();
    }

    /// Goes on until `done`, at most for `limit` of virtual time. True when `done`.
    pub(crate) fn run(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + limit;
        while self.now < end {
            if done(self) {
                return true;
            }
            self.step();
        }
        done(self)
    }

    pub(crate) fn run_for(&mut self, span: Duration) {
        self.run(span, |_| false);
    }

    pub(crate) fn connect(&mut self) {
        let connected = self.run(Duration::from_secs(10), |world| {
            world.peer.is_connected()
                && world.client_events.iter().any(|(_, event)| matches!(event, Event::Connected))
        });
        assert!(connected, "no connection within ten virtual seconds");
    }

    /// The client writes one packet on its line `line`.
    pub(crate) fn client_write(&mut self, line: usize, sequence: u64, timestamp: u32, payload: Vec<u8>) {
        let mid = self.mids[line];
        let media = self.rtc.media(mid).expect("the line");
        let pt = media.remote_pts()[0];
        let nackable = media.kind() == MediaKind::Video;
        let wallclock = self.clock.instant(self.now);
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(mid, None).expect("a stream to send");
        let rtp = str0m::rtp::RtpWrite::new(pt, sequence.into(), timestamp, wallclock, payload)
            .marker(true)
            .nackable(nackable);
        stream.write_rtp(rtp);
        self.rtc.handle_input(Input::Timeout(self.clock.instant(self.now))).expect("the client goes on");
        self.drain_client();
    }
}
