//! A SIP peer against a far end that is not ours: sealed by the SRTP library itself, written by hand.

mod following;
pub(super) mod negotiated;

use super::*;
use crate::peer::LineCodec;
use base64::Engine as _;
use mcu_core::media::codec::AudioCodec;
use srtp::{CryptoPolicy, Session, StreamPolicy};

/// What a room system offers: sound in two codecs, a picture, a second one of sign language, a floor.
pub(crate) const ROOM_SYSTEM: &str = "v=0\r\n\
o=room 1 1 IN IP4 198.51.100.7\r\n\
s=-\r\n\
c=IN IP4 198.51.100.7\r\n\
b=AS:1920\r\n\
t=0 0\r\n\
m=audio 50000 RTP/SAVP 9 114 101 102\r\n\
a=rtpmap:9 G7221/16000\r\n\
a=rtpmap:114 opus/48000/2\r\n\
a=rtpmap:102 telephone-event/8000\r\n\
a=rtpmap:101 telephone-event/48000\r\n\
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n\
a=sendrecv\r\n\
m=video 50002 RTP/SAVP 96 97\r\n\
b=TIAS:1920000\r\n\
a=rtpmap:96 H265/90000\r\n\
a=rtpmap:97 H264/90000\r\n\
a=fmtp:97 profile-level-id=428016;max-mbps=108000;packetization-mode=1\r\n\
a=rtcp-fb:* nack pli\r\n\
a=rtcp-fb:97 ccm fir\r\n\
a=content:main\r\n\
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n\
m=video 50004 RTP/SAVP 97\r\n\
a=rtpmap:97 H264/90000\r\n\
a=content:sl\r\n\
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n\
m=application 50006 UDP/BFCP *\r\n\
a=floorctrl:c-s\r\n";

/// The key of [`ROOM_SYSTEM`].
const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
const NOW: Mono = Mono::from_millis(1_000);

pub(super) fn config() -> SipConfig {
    SipConfig {
        advertised: [203, 0, 113, 1].into(),
        secure: true,
        from: [198, 51, 100, 7].into(),
        ..SipConfig::default()
    }
}

fn accept(offer: &str) -> (SipPeer, String) {
    accept_with(&config(), offer)
}

fn accept_with(config: &SipConfig, offer: &str) -> (SipPeer, String) {
    accept_from(40_000, config, offer)
}

/// Ports of lines that have none yet count from 41 000 in a call that goes on.
fn accept_after(before: Option<&SipPeer>, offer: &str) -> (SipPeer, String) {
    accept_from(41_000, &SipConfig { standing: before.map(SipPeer::standing), ..config() }, offer)
}

fn accept_from(mut next: u16, config: &SipConfig, offer: &str) -> (SipPeer, String) {
    let mut open = |shared: bool| {
        let port = |port| SocketAddr::new([10, 0, 0, 1].into(), port);
        let ports = LocalPorts { rtp: port(next), rtcp: port(if shared { next } else { next + 1 }) };
        next += 2;
        Ok(ports)
    };
    let (peer, answer) = SipPeer::accept(config, offer, &mut open, NOW).expect("accepted");
    (peer, answer.sdp)
}

fn session(key: &str, inbound: bool) -> Session {
    let key = base64::engine::general_purpose::STANDARD.decode(key).expect("base64");
    let policy = CryptoPolicy::aes_cm_128_hmac_sha1_80();
    let policy = StreamPolicy { rtp: policy, rtcp: policy, key: &key, ..StreamPolicy::default() };
    if inbound { Session::with_inbound_template(policy) } else { Session::with_outbound_template(policy) }
        .expect("a session")
}

/// The key of our first line, as the answer tells it.
fn our_key(answer: &str) -> String {
    let line = answer.lines().find(|line| line.starts_with("a=crypto:")).expect("a key");
    line.split("inline:").nth(1).expect("a key").to_owned()
}

fn sound(sequence: u16, payload_type: u8) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 960).to_be_bytes());
    packet.extend(7_u32.to_be_bytes());
    packet.extend([0x5a; 60]);
    packet
}

fn arrive(peer: &mut SipPeer, bytes: &[u8], source: &str, port: u16, now: Mono) {
    let source = source.parse().expect("an address");
    let destination = SocketAddr::new([10, 0, 0, 1].into(), port);
    peer.handle_datagram(now, &Datagram { proto: Proto::Udp, source, destination, bytes });
}

fn outputs(peer: &mut SipPeer, now: Mono) -> Vec<PeerOutput> {
    std::iter::from_fn(|| peer.poll(now)).collect()
}

fn packets(outputs: &[PeerOutput]) -> Vec<u64> {
    let of = |output: &PeerOutput| match output {
        PeerOutput::Event(PeerEvent::Packet {
            line: Line::MAIN_AUDIO,
            codec: LineCodec::Audio(AudioCodec::Opus),
            packet,
        }) => {
            assert_eq!(packet.payload[..], [0x5a; 60]);
            Some(packet.sequence)
        }
        _ => None,
    };
    outputs.iter().filter_map(of).collect()
}

fn transmits(outputs: Vec<PeerOutput>) -> Vec<Transmit> {
    let of = |output| match output {
        PeerOutput::Transmit(transmit) => Some(transmit),
        PeerOutput::Event(_) => None,
    };
    outputs.into_iter().filter_map(of).collect()
}

const fn meta(sequence: u64) -> SendMeta {
    SendMeta {
        sequence,
        rtp_timestamp: 960 * sequence as u32,
        marker: false,
        wallclock: NOW,
        vp8: None,
        vp8_numbers: None,
    }
}

#[test]
fn the_answer_has_the_offers_lines_in_its_order_and_only_what_we_take_has_a_port() {
    let (_, answer) = accept(ROOM_SYSTEM);
    let media: Vec<&str> = answer.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        media,
        [
            "m=audio 40000 RTP/SAVP 114 101",
            "m=video 40002 RTP/SAVP 97",
            "m=video 0 RTP/SAVP 97",
            "m=application 0 UDP/BFCP *"
        ]
    );
    for line in [
        "c=IN IP4 203.0.113.1",
        "a=rtpmap:114 opus/48000/2",
        "a=rtpmap:101 telephone-event/48000",
        "a=rtcp:40001",
        "a=rtcp:40003",
        "a=fmtp:97 profile-level-id=428016;packetization-mode=1",
        "a=rtcp-fb:97 nack pli",
        "a=sendrecv",
    ] {
        assert!(answer.lines().any(|told| told == line), "{line} is not in\n{answer}");
    }
    assert!(!answer.contains(KEY), "our key is our own");
}

#[test]
fn with_one_port_for_both_the_answer_says_so() {
    let shared = ROOM_SYSTEM.replace("a=sendrecv", "a=sendrecv\r\na=rtcp-mux");
    let (peer, answer) = accept(&shared);
    assert_eq!(answer.matches("a=rtcp-mux").count(), 1, "{answer}");
    assert_eq!(peer.ports().map(|address| address.port()).collect::<Vec<_>>(), [40_000, 40_002, 40_003]);
}

#[test]
fn what_authenticates_comes_through_and_nothing_else_does() {
    let (mut peer, _) = accept(ROOM_SYSTEM);
    let (mut device, mut stranger) = (session(KEY, false), session(&our_key(&accept(ROOM_SYSTEM).1), false));
    let sealed = |sequence, by: &mut Session| {
        let mut packet = sound(sequence, 114);
        by.protect(&mut packet).expect("sealed");
        packet
    };
    let first = sealed(1, &mut device);
    arrive(&mut peer, &first, "198.51.100.7:50000", 40_000, NOW);
    arrive(&mut peer, &first, "198.51.100.7:50000", 40_000, NOW);
    arrive(&mut peer, &sealed(2, &mut stranger), "198.51.100.7:50000", 40_000, NOW);
    arrive(&mut peer, &sound(3, 114), "198.51.100.7:50000", 40_000, NOW);
    arrive(&mut peer, b"\x00\x01 no packet", "198.51.100.7:50000", 40_000, NOW);
    arrive(&mut peer, &sealed(4, &mut device), "198.51.100.7:50000", 40_000, NOW);
    let came = packets(&outputs(&mut peer, NOW));
    assert_eq!(came, [(1 << 16) + 1, (1 << 16) + 4]);
    assert_eq!(peer.counters().refused, 4, "a replay, a wrong key, no key, no packet");
    let mut unknown = sound(5, 9);
    device.protect(&mut unknown).expect("sealed");
    arrive(&mut peer, &unknown, "198.51.100.7:50000", 40_000, NOW);
    assert_eq!((packets(&outputs(&mut peer, NOW)).len(), peer.counters().unknown_format), (0, 1));
}

#[test]
fn the_device_hears_us_where_its_newest_authenticated_packet_came_from() {
    let (mut peer, answer) = accept(ROOM_SYSTEM);
    let (mut device, mut ear) = (session(KEY, false), session(&our_key(&answer), true));
    let payload: Arc<[u8]> = Arc::from(&[9; 80][..]);
    let mut said = |peer: &mut SipPeer, sequence| {
        peer.send_sound(&payload, &meta(sequence)).expect("sent");
        let transmit = transmits(outputs(peer, NOW)).pop().expect("a packet");
        let mut packet = transmit.bytes.to_vec();
        ear.unprotect(&mut packet).expect("opened by the key that the answer told");
        assert_eq!((packet[1], &packet[12..]), (114, &payload[..]));
        transmit.destination.to_string()
    };
    assert_eq!(said(&mut peer, 1), "198.51.100.7:50000", "as signalled");
    let mut old = sound(10, 114);
    device.protect(&mut old).expect("sealed");
    let mut new = sound(11, 114);
    device.protect(&mut new).expect("sealed");
    arrive(&mut peer, &new, "192.0.2.44:6000", 40_000, NOW);
    assert_eq!(said(&mut peer, 2), "192.0.2.44:6000", "behind a NAT");
    // A packet caught on the way and sent again from elsewhere moves nothing, though it is the first copy that we see.
    arrive(&mut peer, &old, "192.0.2.66:6000", 40_000, NOW);
    assert_eq!(said(&mut peer, 3), "192.0.2.44:6000");
    arrive(&mut peer, &sound(12, 114), "192.0.2.66:6000", 40_000, NOW);
    assert_eq!(said(&mut peer, 4), "192.0.2.44:6000");
}

#[test]
fn a_leg_is_secured_when_every_line_of_it_is() {
    let loosened = SipConfig { plain_rtp: true, ..config() };
    let secured = |offer: &str| accept_with(&loosened, offer).0.is_secured();
    let (sound, rest) = ROOM_SYSTEM.split_once("m=video").expect("it has a picture");
    let mixed = format!("{sound}m=video{}", rest.replace("RTP/SAVP", "RTP/AVP").replace("a=crypto", "a=x"));
    assert!(secured(ROOM_SYSTEM), "the control");
    assert!(!secured(&mixed) && !secured(&plain_offer()));
}

/// [`ROOM_SYSTEM`] without SRTP.
fn plain_offer() -> String {
    ROOM_SYSTEM.replace("RTP/SAVP", "RTP/AVP").replace("a=crypto", "a=x")
}

#[test]
fn without_srtp_the_first_that_comes_from_where_it_may_is_the_device_and_strangers_are_counted() {
    let loosened = SipConfig { plain_rtp: true, ..config() };
    let behind_nat = plain_offer().replace("c=IN IP4 198.51.100.7", "c=IN IP4 10.0.0.9");
    let (mut peer, answer) = accept_with(&loosened, &behind_nat);
    assert!(answer.contains("m=audio 40000 RTP/AVP 114 101") && !answer.contains("a=crypto"), "{answer}");
    let came = |peer: &mut SipPeer, sequence, source, after_ms| {
        let now = NOW + Duration::from_millis(after_ms);
        arrive(peer, &sound(sequence, 114), source, 40_000, now);
        (packets(&outputs(peer, now)).len(), peer.counters().refused)
    };
    assert_eq!(came(&mut peer, 1, "192.0.2.66:6000", 10), (0, 1), "a stranger");
    assert_eq!(came(&mut peer, 2, "198.51.100.7:61000", 20), (1, 1), "the device, by its NAT");
    assert_eq!(came(&mut peer, 3, "198.51.100.7:61004", 30), (0, 2), "somebody else behind that NAT");
    assert_eq!(
        came(&mut peer, 4, "10.0.0.9:50000", 40),
        (0, 3),
        "and what was signalled, as it was settled otherwise"
    );
    assert_eq!(came(&mut peer, 5, "198.51.100.7:61000", 600_000), (1, 3), "the control: it goes on");
    let payload: Arc<[u8]> = Arc::from(&[9; 80][..]);
    peer.send_sound(&payload, &meta(1)).expect("sent");
    let sent = transmits(outputs(&mut peer, NOW)).pop().expect("a packet");
    assert_eq!(
        (sent.destination.to_string(), &sent.bytes[12..]),
        ("198.51.100.7:61000".to_owned(), &payload[..])
    );

    let (mut late, _) = accept_with(&loosened, &behind_nat);
    assert_eq!(came(&mut late, 1, "198.51.100.7:61000", 5_001), (0, 1), "nothing settles late");
    assert_eq!(
        came(&mut late, 2, "10.0.0.9:50000", 5_002),
        (1, 1),
        "the control: what was signalled may come"
    );
    let (mut anew, _) = accept_with(&loosened, &behind_nat);
    assert_eq!(came(&mut anew, 1, "198.51.100.7:61004", 20), (1, 0), "a new offer settles anew");
}

#[test]
fn pictures_go_to_a_strangers_address_only_when_it_has_answered() {
    let stranger = ROOM_SYSTEM.replace("c=IN IP4 198.51.100.7", "c=IN IP4 192.0.2.44");
    let (mut peer, _) = accept(&stranger);
    let payload: Arc<[u8]> = Arc::from(&[9; 1_000][..]);
    let refused = peer.send_video(Line::MAIN_VIDEO, &payload, &meta(1), NOW);
    assert_eq!(refused, Err(SendError::NotSending(Line::MAIN_VIDEO)));
    let mut picture = sound(1, 97);
    session(KEY, false).protect(&mut picture).expect("sealed");
    arrive(&mut peer, &picture, "192.0.2.44:50002", 40_002, NOW);
    assert_eq!(peer.send_video(Line::MAIN_VIDEO, &payload, &meta(1), NOW), Ok(()), "the control");
}

#[test]
fn a_key_frame_is_asked_for_and_given_by_reports() {
    let (mut peer, answer) = accept(ROOM_SYSTEM);
    assert!(!peer.request_keyframe(Line::MAIN_VIDEO), "there is no stream to ask");
    let (mut device, mut picture) = (session(KEY, false), sound(1, 97));
    device.protect(&mut picture).expect("sealed");
    arrive(&mut peer, &picture, "198.51.100.7:50002", 40_002, NOW);
    outputs(&mut peer, NOW);
    assert!(peer.request_keyframe(Line::MAIN_VIDEO));
    let sent = transmits(outputs(&mut peer, NOW)).pop().expect("a report");
    assert_eq!(sent.destination.to_string(), "198.51.100.7:50003");
    let video_key = answer.lines().filter(|line| line.starts_with("a=crypto:")).nth(1).expect("a key");
    let mut ear = session(video_key.split("inline:").nth(1).expect("a key"), true);
    let mut words = sent.bytes.to_vec();
    ear.unprotect_rtcp(&mut words).expect("opened");
    let mut asked = false;
    rtcp::read(&words, 7, &mut |heard| asked |= heard == Heard::KeyframeWanted);
    assert!(asked, "a loss indication of the device's stream");

    // And the other way.
    let ours = u32::from_be_bytes([words[4], words[5], words[6], words[7]]);
    let mut buffer = [0; rtcp::RTCP_BYTES_MAX];
    let wish = rtcp::Words { ssrc: 7, cname: "device", pli: Some(ours), ..rtcp::Words::default() };
    let len = wish.write(NOW, &mut buffer).expect("fits");
    let mut wish = buffer[..len].to_vec();
    device.protect_rtcp(&mut wish).expect("sealed");
    arrive(&mut peer, &buffer[..len], "198.51.100.7:50003", 40_003, NOW);
    assert!(outputs(&mut peer, NOW).is_empty(), "not sealed: not heard");
    arrive(&mut peer, &wish, "198.51.100.7:50003", 40_003, NOW);
    let heard = outputs(&mut peer, NOW);
    assert!(
        matches!(heard[..], [PeerOutput::Event(PeerEvent::KeyframeRequested { line: Line::MAIN_VIDEO })]),
        "{heard:?}"
    );
}

#[test]
fn a_device_that_has_gone_without_a_word_is_over_and_one_on_hold_is_not() {
    let ends = |offer: &str| {
        let (mut peer, _) = accept(offer);
        peer.handle_timeout(NOW + MEDIA_TIMEOUT);
        outputs(&mut peer, NOW + MEDIA_TIMEOUT);
        peer.is_closed()
    };
    assert!(ends(ROOM_SYSTEM));
    assert!(!ends(&ROOM_SYSTEM.replace("a=sendrecv", "a=inactive").replace("a=content:main", "a=inactive")));
}

#[test]
fn packets_sprayed_at_a_port_keep_no_device_out_and_a_device_of_many_streams_is_followed_in_bounds() {
    let (mut peer, _) = accept(ROOM_SYSTEM);
    let mut device = session(KEY, false);
    let of_stream = |ssrc: u32, sequence| {
        let mut packet = sound(sequence, 114);
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        packet
    };
    for ssrc in 100..1_100 {
        arrive(&mut peer, &of_stream(ssrc, 1), "192.0.2.66:6000", 40_000, NOW);
    }
    assert_eq!(peer.counters().refused, 1_000);
    let mut now = NOW;
    for ssrc in 1..=100 {
        // Each has fallen silent before the next begins.
        now += Duration::from_millis(500);
        let mut packet = of_stream(ssrc, 1);
        device.protect(&mut packet).expect("sealed");
        arrive(&mut peer, &packet, "198.51.100.7:50000", 40_000, now);
        assert_eq!(packets(&outputs(&mut peer, now)).len(), 1, "stream {ssrc}");
        assert!(peer.legs[0].remembered() <= mcu_core::limits::STREAMS_PER_PEER_MAX);
    }
    let mut second = of_stream(7, 9);
    device.protect(&mut second).expect("sealed");
    arrive(&mut peer, &second, "198.51.100.7:50000", 40_000, now);
    assert!(packets(&outputs(&mut peer, now)).is_empty(), "one at a time");
    assert_eq!(peer.counters().streams_refused, 1);
}

#[test]
fn what_a_device_says_of_its_sound_is_no_bound_for_its_picture() {
    let estimate = |offer: &str| {
        let (mut peer, _) = accept(offer);
        let told = |output: PeerOutput| match output {
            PeerOutput::Event(PeerEvent::Estimate { kbps }) => Some(kbps),
            _ => None,
        };
        outputs(&mut peer, NOW).into_iter().find_map(told)
    };
    let silent = ROOM_SYSTEM.replace("b=AS:1920\r\n", "").replace("b=TIAS:1920000\r\n", "");
    let sound = silent.replace("RTP/SAVP 9 114 101 102\r\n", "RTP/SAVP 9 114 101 102\r\nb=AS:128\r\n");
    let picture = silent.replace("RTP/SAVP 96 97\r\n", "RTP/SAVP 96 97\r\nb=AS:384\r\n");
    assert_ne!(sound, silent);
    assert_eq!(
        [&silent, &sound, &picture].map(|offer| estimate(offer)),
        [Some(1_500), Some(1_500), Some(384)]
    );
}

#[test]
fn a_key_is_told_once_of_the_device_and_of_nobody_else() {
    let (mut peer, _) = accept(ROOM_SYSTEM);
    let mut device = session(KEY, false);
    let key = |sequence: u16, code: u8| {
        let mut packet = sound(sequence, 101);
        packet.truncate(12);
        // All packets of one key carry the moment of its beginning.
        packet[4..8].copy_from_slice(&(u32::from(code) * 48_000).to_be_bytes());
        packet.extend([code, 0x0a, 3, 0xc0]);
        packet
    };
    let pressed = |peer: &mut SipPeer, packet: &[u8], now| {
        arrive(peer, packet, "198.51.100.7:50000", 40_000, now);
        let digit = |output| match output {
            PeerOutput::Event(PeerEvent::Digit(digit)) => Some(digit.as_char()),
            _ => None,
        };
        outputs(peer, now).into_iter().filter_map(digit).collect::<String>()
    };
    assert_eq!(pressed(&mut peer, &key(1, 1), NOW), "", "nobody has sealed it");
    let mut told = String::new();
    for (sequence, code) in [(1, 1), (2, 1), (3, 1), (4, 11)] {
        let mut packet = key(sequence, code);
        device.protect(&mut packet).expect("sealed");
        told += &pressed(&mut peer, &packet, NOW + Duration::from_millis(20 * u64::from(sequence)));
    }
    assert_eq!(told, "1#");
}
