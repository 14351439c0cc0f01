//! Lines whose keys are negotiated: a SIP peer against a device made of the same two libraries in the other role, over a network of virtual time, and against
//! those who would be in its place.

use super::super::fingerprint::Identity;
use super::*;
use crate::peer::ClockBase;
use dimpl::{Config, Dtls, Output, SrtpProfile};
use std::time::Instant;
use str0m::ice::{IceAgent, IceAgentEvent, IceCreds, StunMessage, StunPacket};
use str0m::net::Protocol;
use str0m::{Candidate, CandidateKind};

const US: &str = "203.0.113.1:40000";
const DEVICE: &str = "198.51.100.7:50000";
const STEP: Duration = Duration::from_millis(10);
const PASSWORD: &str = "a+password+of+the+device";

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A moment that everything counts from.
#[allow(clippy::disallowed_methods)] // a test has to get its epoch somewhere
fn clock() -> ClockBase {
    static EPOCH: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    ClockBase::new(*EPOCH)
}

/// [`config`], with a clock: DTLS and ICE are taken.
pub(crate) fn negotiating() -> SipConfig {
    SipConfig { clock: Some(clock()), ..config() }
}

/// The far end.
struct Device {
    address: SocketAddr,
    identity: Identity,
    ice: Option<IceAgent>,
    dtls: Dtls,
    /// It may begin.
    has_path: bool,
    /// What its handshake came to, and whether it was the client.
    keys: Option<(Vec<u8>, SrtpProfile)>,
    is_client: bool,
    /// RTP and RTCP that came.
    heard: Vec<Vec<u8>>,
    /// It sends nothing any more.
    is_gone: bool,
}

impl Device {
    fn new(ice: bool) -> Self {
        let identity = Identity::new().expect("a certificate");
        let dtls = Dtls::new_12(Arc::new(Config::default()), identity.certificate(), clock().instant(NOW));
        let signer = str0m::crypto::from_feature_flags().sha1_hmac_provider;
        let ice = ice.then(|| {
            let credentials = IceCreds { ufrag: "devi".to_owned(), pass: PASSWORD.to_owned() };
            let mut agent = IceAgent::with_hmac(credentials, signer);
            agent.set_controlling(true);
            agent.add_local_candidate(
                Candidate::builder().udp().host(at(DEVICE)).build().expect("a candidate"),
            );
            agent
        });
        let has_path = ice.is_none();
        Self {
            address: at(DEVICE),
            identity,
            ice,
            dtls,
            has_path,
            keys: None,
            is_client: false,
            heard: Vec::new(),
            is_gone: false,
        }
    }

    /// A telephone that speaks Opus; `print` is what it says that its certificate is.
    fn offer_of(&self, print: &str) -> String {
        let ice = self.ice.as_ref().map_or_else(String::new, |agent| {
            let IceCreds { ufrag, pass } = agent.local_credentials();
            format!(
                "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pass}\r\n\
                 a=candidate:1 1 UDP 2130706431 198.51.100.7 50000 typ host\r\n"
            )
        });
        format!(
            "v=0\r\no=room 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
             m=audio 50000 UDP/TLS/RTP/SAVPF 114\r\na=rtpmap:114 opus/48000/2\r\na=rtcp-mux\r\n\
             a=setup:actpass\r\na=fingerprint:{print}\r\n{ice}"
        )
    }

    fn offer(&self) -> String {
        self.offer_of(&self.identity.attribute())
    }

    /// Takes our answer; the fingerprint in it is what its handshake must meet.
    fn answered(&mut self, answer: &str) {
        let value = |name: &str| {
            let found = answer.lines().find_map(|line| line.strip_prefix(&format!("a={name}:")));
            found.map(str::to_owned)
        };
        self.is_client = value("setup").as_deref() == Some("passive");
        self.dtls.set_active(self.is_client);
        let Some(agent) = &mut self.ice else { return };
        let (ufrag, pass) = (value("ice-ufrag").expect("ICE"), value("ice-pwd").expect("ICE"));
        agent.set_remote_credentials(IceCreds { ufrag, pass });
        let told = value("candidate").expect("a candidate");
        assert!(told.ends_with(" 203.0.113.1 40000 typ host"), "{told}");
        let kind = CandidateKind::Host;
        let candidate = Candidate::from_parts(
            "1".to_owned(),
            1,
            Protocol::Udp,
            2_130_706_431,
            at(US),
            kind,
            None,
            None,
            None,
        );
        agent.add_remote_candidate(candidate);
    }

    fn receive(&mut self, bytes: &[u8], now: Mono) {
        let instant = clock().instant(now);
        match (bytes[0], &mut self.ice) {
            (0..=3, Some(agent)) => {
                let message = StunMessage::parse(bytes).expect("STUN");
                let packet =
                    StunPacket { proto: Protocol::Udp, source: at(US), destination: at(DEVICE), message };
                agent.handle_packet(instant, packet);
            }
            (20..=63, _) => {
                self.dtls.handle_timeout(instant).expect("on its way");
                // Only a test with the wrong certificate breaks it, and looks at our side.
                let _ = self.dtls.handle_packet(bytes);
            }
            _ => self.heard.push(bytes.to_vec()),
        }
    }

    /// What it sends at `now`.
    fn run(&mut self, now: Mono) -> Vec<Vec<u8>> {
        let (instant, mut sent) = (clock().instant(now), Vec::new());
        if self.is_gone {
            return sent;
        }
        if let Some(agent) = &mut self.ice {
            agent.handle_timeout(instant);
            sent.extend(
                std::iter::from_fn(|| agent.poll_transmit()).map(|transmit| transmit.contents.to_vec()),
            );
            while let Some(event) = agent.poll_event() {
                self.has_path |= matches!(event, IceAgentEvent::NominatedSend { .. });
            }
        }
        if self.has_path && self.dtls.handle_timeout(instant).is_ok() {
            let mut buffer = [0; 4_000];
            loop {
                match self.dtls.poll_output(&mut buffer) {
                    Output::Packet(packet) => sent.push(packet.to_vec()),
                    Output::KeyingMaterial(material, profile) => {
                        self.keys = Some((material.to_vec(), profile))
                    }
                    Output::Timeout(_) => break,
                    _ => {}
                }
            }
        }
        sent
    }

    /// An SRTP session of its own: RFC 5764 §4.2, by hand.
    fn session(&self, inbound: bool) -> Session {
        let (material, profile) = self.keys.as_ref().expect("its handshake is over");
        assert_eq!(*profile, SrtpProfile::AEAD_AES_256_GCM, "the strongest that both speak");
        let at = usize::from(self.is_client == inbound);
        let key = [&material[32 * at..32 * (at + 1)], &material[64 + 12 * at..64 + 12 * (at + 1)]].concat();
        let policy = CryptoPolicy::aes_gcm_256_16_auth();
        let policy = StreamPolicy { rtp: policy, rtcp: policy, key: &key, ..StreamPolicy::default() };
        if inbound { Session::with_inbound_template(policy) } else { Session::with_outbound_template(policy) }
            .expect("a session")
    }
}

/// What is on the way: each datagram of the device may be looked at, and lost by answering false.
type Wire<'a> = &'a mut dyn FnMut(&[u8]) -> bool;

/// Lets both go on for a while; what happened at ours.
fn exchange(
    peer: &mut SipPeer,
    device: &mut Device,
    now: &mut Mono,
    span: Duration,
    wire: Wire<'_>,
) -> Vec<PeerEvent> {
    let (mut events, end) = (Vec::new(), *now + span);
    while *now < end {
        if peer.next_timeout().is_some_and(|due| due <= *now) {
            peer.handle_timeout(*now);
        }
        for bytes in device.run(*now) {
            if wire(&bytes) {
                arrive(peer, &bytes, &device.address.to_string(), 40_000, *now);
            }
        }
        for output in outputs(peer, *now) {
            match output {
                PeerOutput::Transmit(transmit) if transmit.destination == device.address => {
                    assert_eq!(transmit.source, at("10.0.0.1:40000"));
                    device.receive(&transmit.bytes, *now);
                }
                PeerOutput::Transmit(_) => {}
                PeerOutput::Event(event) => events.push(event),
            }
        }
        *now += STEP;
    }
    events
}

/// A call up to its keys.
fn connected(ice: bool) -> (SipPeer, Device, Mono) {
    let mut device = Device::new(ice);
    let (mut peer, answer) = accept_with(&negotiating(), &device.offer());
    device.answered(&answer);
    let mut now = NOW;
    let events = exchange(&mut peer, &mut device, &mut now, Duration::from_secs(3), &mut |_| true);
    assert!(events.iter().any(|event| matches!(event, PeerEvent::Connected)), "{events:?}");
    assert!(peer.is_connected() && device.keys.is_some());
    (peer, device, now)
}

fn closed(events: &[PeerEvent]) -> Option<CloseReason> {
    events.iter().find_map(|event| match event {
        PeerEvent::Closed(reason) => Some(*reason),
        _ => None,
    })
}

/// A packet of the device, sealed.
fn sealed(session: &mut Session, sequence: u16) -> Vec<u8> {
    let mut packet = sound(sequence, 114);
    session.protect(&mut packet).expect("sealed");
    packet
}

/// Whether a packet of ours reaches the device, and it can open it by `ear`.
fn says(peer: &mut SipPeer, ear: &mut Session, sequence: u64, now: Mono) -> Option<SocketAddr> {
    let payload: Arc<[u8]> = Arc::from(&[9; 80][..]);
    peer.send_sound(&payload, &meta(sequence)).ok()?;
    let is_rtp =
        |transmit: &Transmit| (128..192).contains(&transmit.bytes[0]) && transmit.bytes[1] & 0x7f == 114;
    let transmit = transmits(outputs(peer, now)).into_iter().find(is_rtp)?;
    let mut packet = transmit.bytes.to_vec();
    ear.unprotect(&mut packet).ok()?;
    assert_eq!(packet[12..], payload[..]);
    Some(transmit.destination)
}

#[test]
fn a_handshake_over_a_path_of_ice_gives_a_line_its_keys_and_its_way() {
    let mut device = Device::new(true);
    let (mut peer, answer) = accept_with(&negotiating(), &device.offer());
    for line in ["m=audio 40000 UDP/TLS/RTP/SAVPF 114", "a=rtcp-mux", "a=setup:active"] {
        assert!(answer.lines().any(|told| told == line), "{line} is not in\n{answer}");
    }
    assert!(answer.contains("a=fingerprint:sha-256 ") && !answer.contains("a=crypto"), "{answer}");
    device.answered(&answer);
    let payload: Arc<[u8]> = Arc::from(&[9; 80][..]);
    assert!(!peer.is_connected() && peer.is_secured());
    assert_eq!(peer.send_sound(&payload, &meta(1)), Err(SendError::NotSending(Line::MAIN_AUDIO)));
    let mut now = NOW;
    let mut shaken = Vec::new();
    let mut wire = |bytes: &[u8]| {
        shaken.push(bytes[0]);
        true
    };
    let events = exchange(&mut peer, &mut device, &mut now, Duration::from_secs(3), &mut wire);
    let (first, record) = (shaken[0], shaken.iter().position(|first| (20..64).contains(first)));
    assert!(first <= 3 && record.is_some_and(|at| at > 1), "checks come before the handshake: {shaken:?}");
    assert!(matches!(events[0], PeerEvent::Estimate { .. }), "{events:?}");
    assert_eq!(events.iter().filter(|event| matches!(event, PeerEvent::Connected)).count(), 1);
    assert!(device.heard.iter().all(|packet| (128..192).contains(&packet[0])));
    let (mut mouth, mut ear) = (device.session(false), device.session(true));
    arrive(&mut peer, &sealed(&mut mouth, 1), DEVICE, 40_000, now);
    assert_eq!(packets(&outputs(&mut peer, now)).len(), 1);
    assert_eq!(says(&mut peer, &mut ear, 1, now), Some(at(DEVICE)));
    // Its packets may come from elsewhere; ours go where its checks are answered.
    arrive(&mut peer, &sealed(&mut mouth, 2), "192.0.2.66:6000", 40_000, now);
    assert_eq!(packets(&outputs(&mut peer, now)).len(), 1);
    assert_eq!(says(&mut peer, &mut ear, 2, now), Some(at(DEVICE)));
}

/// What [`Device`] answers to an offer of ours for a browser, and what it makes of it.
fn answered(device: &mut Device, changes: &[(&str, &str)]) -> Result<SipPeer, NegotiateError> {
    let mut next = 40_000;
    let mut open = |shared: bool| {
        assert!(shared, "one port for each line");
        let port = SocketAddr::new([10, 0, 0, 1].into(), next);
        next += 2;
        Ok(LocalPorts { rtp: port, rtcp: port })
    };
    let config = SipConfig { browser: true, ..negotiating() };
    let (offer, sdp) = SipOffer::make(config, &mut open).expect("an offer");
    device.answered(&sdp);
    device.is_client = true;
    device.dtls.set_active(true);
    if let Some(agent) = &mut device.ice {
        agent.set_controlling(false);
    }
    let mut answer = device.offer().replace("actpass", "active").replace("114", "96");
    answer.push_str("m=video 0 UDP/TLS/RTP/SAVPF 99\r\n");
    for (from, to) in changes {
        assert!(answer.contains(from), "{from}");
        answer = answer.replace(from, to);
    }
    offer.settle(&answer, NOW)
}

#[test]
fn whoever_answers_an_offer_of_ours_by_a_handshake_is_met_over_ice() {
    let mut device = Device::new(true);
    let mut peer = answered(&mut device, &[]).expect("agreed");
    assert!(!peer.is_connected() && peer.is_secured());
    let mut now = NOW;
    let events = exchange(&mut peer, &mut device, &mut now, Duration::from_secs(5), &mut |_| true);
    assert!(events.iter().any(|event| matches!(event, PeerEvent::Connected)), "{events:?}");
    assert!(peer.is_connected() && device.keys.is_some());
    for changes in [
        &[("setup:active", "setup:actpass")][..],
        &[("ice-ufrag", "x"), ("ice-pwd", "y")],
        &[("fingerprint", "x")],
        &[("rtcp-mux", "x")],
        &[
            ("UDP/TLS/RTP/SAVPF 96", "RTP/SAVP 96"),
            ("fingerprint:", &format!("crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\na=x:")),
        ],
    ] {
        assert!(answered(&mut Device::new(true), changes).is_err(), "{changes:?}");
    }
}

#[test]
fn without_ice_the_device_begins_and_is_followed_to_where_its_nat_lets_it_out() {
    let mut device = Device::new(false);
    device.address = at("198.51.100.7:61000");
    let (mut peer, answer) = accept_with(&negotiating(), &device.offer());
    assert!(answer.contains("a=setup:passive") && !answer.contains("a=candidate"), "{answer}");
    device.answered(&answer);
    let mut now = NOW;
    // Nothing goes to where only SDP says that somebody is.
    peer.handle_timeout(now);
    assert!(transmits(outputs(&mut peer, now)).is_empty());
    let events = exchange(&mut peer, &mut device, &mut now, Duration::from_secs(3), &mut |_| true);
    assert!(events.iter().any(|event| matches!(event, PeerEvent::Connected)), "{events:?}");
    let (mut mouth, mut ear) = (device.session(false), device.session(true));
    assert_eq!(says(&mut peer, &mut ear, 1, now), Some(device.address));
    arrive(&mut peer, &sealed(&mut mouth, 1), "198.51.100.7:61002", 40_000, now);
    assert_eq!(packets(&outputs(&mut peer, now)).len(), 1);
    assert_eq!(says(&mut peer, &mut ear, 2, now), Some(at("198.51.100.7:61002")), "as with any SRTP");

    let mut stranger = Device::new(false);
    stranger.address = at("192.0.2.66:50000");
    let (mut peer, answer) = accept_with(&negotiating(), &stranger.offer());
    stranger.answered(&answer);
    let events = exchange(&mut peer, &mut stranger, &mut now, Duration::from_secs(3), &mut |_| true);
    assert!(
        stranger.keys.is_none() && peer.counters().refused > 0,
        "from where nobody signalled: {events:?}"
    );
}

#[test]
fn another_certificate_than_sdp_told_ends_the_call_and_opens_nothing() {
    for ice in [true, false] {
        let outcome = |told: &dyn Fn(&Device) -> String| {
            let mut device = Device::new(ice);
            let (mut peer, answer) = accept_with(&negotiating(), &device.offer_of(&told(&device)));
            device.answered(&answer);
            let mut now = NOW;
            let events = exchange(&mut peer, &mut device, &mut now, Duration::from_secs(3), &mut |_| true);
            if device.keys.is_some() {
                arrive(&mut peer, &sealed(&mut device.session(false), 1), DEVICE, 40_000, now);
            }
            (closed(&events), peer.is_connected(), packets(&outputs(&mut peer, now)).len())
        };
        assert_eq!(outcome(&|device| device.identity.attribute()), (None, true, 1), "the control");
        let others = |_: &Device| Identity::new().expect("a certificate").attribute();
        assert_eq!(outcome(&others), (Some(CloseReason::Fault), false, 0));
    }
}

#[test]
fn what_nobody_has_signed_changes_nothing_but_counters() {
    let mut device = Device::new(true);
    let (mut peer, answer) = accept_with(&negotiating(), &device.offer());
    device.answered(&answer);
    // A check signed with another password, media before there are keys, a hello from where no check was answered, and noise.
    let mut stranger = Device::new(true);
    let forged = answer.replace("a=ice-pwd:", "a=ice-pwd:x");
    stranger.answered(&forged);
    let mut dtls = Device::new(false);
    dtls.answered("a=setup:passive");
    let mut now = NOW;
    let check = stranger.run(now).into_iter().next().expect("a check");
    let hello = dtls.run(now).into_iter().next().expect("a hello");
    let mut unsigned = check[..20].to_vec();
    unsigned[2..4].fill(0);
    let all: [&[u8]; 8] = [
        &check,
        &hello,
        &unsigned,
        &sound(1, 114),
        &[0; 40],
        &[22; 60],
        &[63],
        &[0x80, 200, 0, 1, 0, 0, 0, 7],
    ];
    for (sent, bytes) in all.into_iter().enumerate() {
        arrive(&mut peer, bytes, DEVICE, 40_000, now);
        arrive(&mut peer, bytes, "192.0.2.66:6000", 40_000, now);
        assert_eq!(peer.counters().refused, 2 * (sent as u64 + 1), "{:?}", &bytes[..1]);
    }
    assert!(packets(&outputs(&mut peer, now)).is_empty() && !peer.is_closed());
    let events = exchange(&mut peer, &mut device, &mut now, Duration::from_secs(3), &mut |_| true);
    assert!(events.iter().any(|event| matches!(event, PeerEvent::Connected)), "the control: {events:?}");
}

#[test]
fn a_check_that_was_captured_moves_nothing_from_elsewhere() {
    let mut device = Device::new(true);
    let (mut peer, answer) = accept_with(&negotiating(), &device.offer());
    device.answered(&answer);
    let (mut now, mut captured) = (NOW, Vec::new());
    let mut wire = |bytes: &[u8]| {
        captured.extend((bytes[..2] == [0, 1]).then(|| bytes.to_vec()));
        true
    };
    exchange(&mut peer, &mut device, &mut now, Duration::from_secs(3), &mut wire);
    let before = peer.counters().refused;
    for check in &captured {
        arrive(&mut peer, check, "192.0.2.66:6000", 40_000, now);
    }
    assert!(captured.len() > 1);
    assert_eq!(peer.counters().refused - before, captured.len() as u64);
    let strangers = transmits(outputs(&mut peer, now));
    assert!(strangers.iter().all(|transmit| transmit.destination == at(DEVICE)), "nobody else is answered");
    assert_eq!(says(&mut peer, &mut device.session(true), 1, now), Some(at(DEVICE)));
}

#[test]
fn whoever_has_the_password_may_be_at_so_many_addresses_and_no_more() {
    let device = || Device::new(true);
    let (mut peer, answer) = accept_with(&negotiating(), &device().offer());
    let most = mcu_core::limits::SIP_ICE_SOURCES_MAX;
    for source in 0..most + 8 {
        let mut device = device();
        device.answered(&answer);
        let check = device.run(NOW).into_iter().next().expect("a check");
        arrive(&mut peer, &check, &format!("198.51.100.7:{}", 50_000 + source), 40_000, NOW);
    }
    assert_eq!(peer.counters().refused, 8);
    let answered = transmits(outputs(&mut peer, NOW));
    let of = |kind: [u8; 2]| answered.iter().filter(|transmit| transmit.bytes[..2] == kind).count();
    assert_eq!(of([1, 1]), most, "each but those is answered");
}

#[test]
fn a_hello_that_is_said_again_changes_nothing() {
    for ice in [true, false] {
        let mut device = Device::new(ice);
        let (mut peer, answer) = accept_with(&negotiating(), &device.offer());
        device.answered(&answer);
        let (mut now, mut records) = (NOW, Vec::new());
        let mut wire = |bytes: &[u8]| {
            records.extend((20..64).contains(&bytes[0]).then(|| bytes.to_vec()));
            true
        };
        exchange(&mut peer, &mut device, &mut now, Duration::from_secs(3), &mut wire);
        assert!(!records.is_empty() && peer.is_connected());
        let (mut mouth, mut ear) = (device.session(false), device.session(true));
        for record in records.iter().chain(&[
            vec![22; 100],
            vec![20],
            vec![21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40],
        ]) {
            arrive(&mut peer, record, DEVICE, 40_000, now);
            now += STEP;
            peer.handle_timeout(now);
        }
        assert!(peer.is_connected() && !peer.is_closed());
        arrive(&mut peer, &sealed(&mut mouth, 1), DEVICE, 40_000, now);
        assert_eq!(packets(&outputs(&mut peer, now)).len(), 1, "ICE: {ice}");
        assert_eq!(says(&mut peer, &mut ear, 1, now), Some(at(DEVICE)));
    }
}

#[test]
fn a_network_that_loses_a_third_for_ten_seconds_only_takes_longer() {
    for ice in [true, false] {
        let mut device = Device::new(ice);
        let (mut peer, answer) = accept_with(&negotiating(), &device.offer());
        device.answered(&answer);
        let (mut now, mut checks, mut records) = (NOW, 0, 0);
        // The first of each kind, and every third after it.
        let mut wire = |bytes: &[u8]| {
            let sent = if bytes[0] <= 3 { &mut checks } else { &mut records };
            *sent += 1;
            *sent % 3 != 1
        };
        exchange(&mut peer, &mut device, &mut now, Duration::from_millis(250), &mut wire);
        assert!(!peer.is_connected(), "the control: something was lost. ICE: {ice}");
        exchange(&mut peer, &mut device, &mut now, Duration::from_millis(9_750), &mut wire);
        // As long as the longest wait that can have begun before.
        exchange(&mut peer, &mut device, &mut now, Duration::from_secs(18), &mut |_| true);
        assert!(peer.is_connected() && device.keys.is_some(), "ICE: {ice}");
    }
}

#[test]
fn who_never_shakes_hands_is_given_up_and_so_is_who_answers_no_checks_any_more() {
    let mut silent = Device::new(true);
    let (mut peer, _) = accept_with(&negotiating(), &silent.offer());
    silent.is_gone = true;
    let mut now = NOW;
    let events = exchange(&mut peer, &mut silent, &mut now, Duration::from_secs(29), &mut |_| true);
    assert_eq!(closed(&events), None);
    let events = exchange(&mut peer, &mut silent, &mut now, Duration::from_secs(2), &mut |_| true);
    assert_eq!(closed(&events), Some(CloseReason::NeverConnected));

    let (mut peer, mut device, mut now) = connected(true);
    let events = exchange(&mut peer, &mut device, &mut now, Duration::from_secs(25), &mut |_| true);
    assert_eq!(closed(&events), None, "the control: it says nothing, and answers");
    device.is_gone = true;
    let events = exchange(&mut peer, &mut device, &mut now, Duration::from_secs(30), &mut |_| true);
    assert_eq!(closed(&events), Some(CloseReason::ConsentLost), "{events:?}");
    let payload: Arc<[u8]> = Arc::from(&[9; 80][..]);
    assert_eq!(peer.send_sound(&payload, &meta(1)), Err(SendError::NotConnected));
}

#[test]
fn an_association_goes_on_over_a_re_invite_until_the_device_asks_for_another() {
    for ice in [true, false] {
        let (mut first, mut device, mut now) = connected(ice);
        let (mut mouth, mut ear) = (device.session(false), device.session(true));
        arrive(&mut first, &sealed(&mut mouth, 65_535), DEVICE, 40_000, now);
        arrive(&mut first, &sealed(&mut mouth, 0), DEVICE, 40_000, now);
        let replayed = sealed(&mut mouth, 1);
        arrive(&mut first, &replayed, DEVICE, 40_000, now);
        assert_eq!(packets(&outputs(&mut first, now)).len(), 3);
        assert_eq!(says(&mut first, &mut ear, 1, now), Some(at(DEVICE)));

        let follows = |before: &SipPeer, offer: &str| {
            accept_from(41_000, &SipConfig { standing: Some(before.standing()), ..negotiating() }, offer)
        };
        let held = device.offer().replace("a=rtcp-mux", "a=rtcp-mux\r\na=sendonly");
        let (mut next, answer) = follows(&first, &held);
        let print =
            |answer: &str| answer.lines().find(|line| line.starts_with("a=fingerprint")).map(str::to_owned);
        assert!(!next.is_connected(), "what goes on has still to be handed over");
        assert_eq!(next.succeed(&mut first), [Line::MAIN_AUDIO]);
        assert!(next.is_connected());
        arrive(&mut next, &replayed, DEVICE, 40_000, now);
        arrive(&mut next, &sealed(&mut mouth, 2), DEVICE, 40_000, now);
        assert_eq!(packets(&outputs(&mut next, now)).len(), 1, "with its roll-over count and its window");
        first.handle_timeout(now);
        first.close(now);
        assert!(
            transmits(outputs(&mut first, now)).is_empty(),
            "who was followed has nothing to say goodbye with"
        );
        let events = exchange(&mut next, &mut device, &mut now, Duration::from_secs(20), &mut |_| true);
        assert_eq!(closed(&events), None, "checks are answered as before");

        let (mut back, again) = follows(&next, &device.offer());
        assert_eq!((print(&again), print(&answer).is_some()), (print(&answer), true));
        back.succeed(&mut next);
        assert_eq!(says(&mut back, &mut ear, 2, now), Some(at(DEVICE)));

        // Another certificate, or a restart: everything anew.
        let mut anew = Device::new(ice);
        let (mut other, told) = follows(&back, &anew.offer());
        assert_ne!(print(&told), print(&answer));
        assert!(other.succeed(&mut back).is_empty() && !other.is_connected());
        arrive(&mut other, &sealed(&mut mouth, 3), DEVICE, 40_000, now);
        assert!(packets(&outputs(&mut other, now)).is_empty());
        anew.answered(&told);
        exchange(&mut other, &mut anew, &mut now, Duration::from_secs(3), &mut |_| true);
        arrive(&mut other, &sealed(&mut anew.session(false), 1), DEVICE, 40_000, now);
        assert_eq!(packets(&outputs(&mut other, now)).len(), 1, "ICE: {ice}");
    }
}

#[test]
fn a_goodbye_of_either_ends_what_is_sent() {
    let (mut peer, _, now) = connected(true);
    peer.close(now);
    let last = transmits(outputs(&mut peer, now));
    assert!(last.iter().any(|transmit| transmit.bytes[0] == 21), "an alert: close_notify");

    let (mut peer, mut device, now) = connected(true);
    device.dtls.close().expect("open");
    for bytes in device.run(now) {
        arrive(&mut peer, &bytes, DEVICE, 40_000, now);
    }
    let payload: Arc<[u8]> = Arc::from(&[9; 80][..]);
    assert!(peer.send_sound(&payload, &meta(1)).is_err());
}

#[test]
fn ice_that_somebody_has_meddled_with_is_declined_by_name() {
    let device = Device::new(true);
    let meddled = device.offer().replace("c=IN IP4 198.51.100.7", "c=IN IP4 192.0.2.1");
    let (_, answer) = accept_with(&negotiating(), &meddled);
    assert!(answer.contains("a=ice-mismatch") && !answer.contains("a=candidate"), "{answer}");
    assert!(answer.contains("a=setup:passive"), "{answer}");
    let (_, lite) = accept_with(&negotiating(), &device.offer().replace("s=-", "s=-\r\na=ice-lite"));
    assert!(!lite.contains("a=ice"), "{lite}");
}
