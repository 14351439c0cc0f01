//! A whole association in virtual time: connect, media both ways, feedback both ways, loss, silence, goodbye, and those who would disturb it.

mod support;

use mcu_core::media::codec::{AudioCodec, VideoCodec};
use mcu_core::time::Mono;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use str0m::Event;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind};
use str0m::rtp::Vp8Descriptor;
use support::{World, client, config, library, server};
use transport::demux::Route;
use transport::peer::webrtc::{CONNECT_TIMEOUT, CONSENT_TIMEOUT, UNSENT_PACKETS_MAX};
use transport::peer::{
    CloseReason, Line, LineCodec, LocalAddress, PeerConfig, PeerEvent, Proto, SendError, SendMeta,
};

const AUDIO: (MediaKind, Direction) = (MediaKind::Audio, Direction::SendRecv);
const VIDEO: (MediaKind, Direction) = (MediaKind::Video, Direction::SendRecv);
/// A VP8 payload with a 15-bit picture id and TL0PICIDX (RFC 7741 §4.2), as our packetizer makes them.
const VP8_PAYLOAD: [u8; 12] = [0x90, 0xe0, 0x80, 0x01, 0x02, 0x00, 1, 2, 3, 4, 5, 6];

fn meta(sequence: u64, rtp_timestamp: u32, wallclock: Mono) -> SendMeta {
    SendMeta { sequence, rtp_timestamp, marker: true, wallclock, vp8: None, vp8_numbers: None }
}

fn packets(world: &World, line: Line) -> Vec<(u64, u32, usize)> {
    let of_line = |(_, event): &(Mono, PeerEvent)| match event {
        PeerEvent::Packet { line: of, packet, .. } if *of == line => {
            Some((packet.sequence, packet.timestamp, packet.payload.len()))
        }
        _ => None,
    };
    world.peer_events.iter().filter_map(of_line).collect()
}

fn closed(world: &World) -> Vec<CloseReason> {
    world
        .peer_events
        .iter()
        .filter_map(|(_, event)| if let PeerEvent::Closed(reason) = event { Some(*reason) } else { None })
        .collect()
}

#[test]
fn media_flows_both_ways_with_reports_and_stats() {
    let mut world = World::new(1, &[AUDIO, VIDEO]);
    world.connect();
    let sound: Arc<[u8]> = Arc::from(&[1u8; 80][..]);
    let picture: Arc<[u8]> = Arc::from(&VP8_PAYLOAD[..]);
    let begin = world.now;
    for n in 0..150u64 {
        let at = world.now;
        let since = (at.as_nanos() - begin.as_nanos()) / 1_000;
        world.client_write(0, n, (since * 48 / 1_000) as u32, vec![7; 60]);
        world.client_write(1, n, (since * 90 / 1_000) as u32, VP8_PAYLOAD.to_vec());
        world.peer.send_sound(&sound, &meta(n, 5_000 + n as u32 * 960, at)).expect("sound is taken");
        let numbers = Vp8Descriptor::parse(&VP8_PAYLOAD).expect("a descriptor").patch();
        let numbers = numbers.picture_id(300 + n as u16).tl0_pic_idx(n as u8).build().expect("it has both");
        let with_ids = SendMeta { vp8: Some(numbers), ..meta(n, 9_000 + n as u32 * 1_800, at) };
        world.peer.send_video(Line::MAIN_VIDEO, &picture, &with_ids).expect("the picture is taken");
        world.drain_peer();
        world.run_for(Duration::from_millis(20));
    }
    world.run_for(Duration::from_millis(200));

    let heard = packets(&world, Line::MAIN_AUDIO);
    assert_eq!(heard.len(), 150);
    assert_eq!((heard[0], heard[7].0, heard[7].2), ((0, 0, 60), 7, 60));
    assert_eq!(packets(&world, Line::MAIN_VIDEO).iter().filter(|packet| packet.2 > 0).count(), 150);
    let codecs: BTreeSet<_> = world
        .peer_events
        .iter()
        .filter_map(|(_, e)| if let PeerEvent::Packet { codec, .. } = e { Some(*codec) } else { None })
        .collect();
    assert_eq!(
        codecs,
        BTreeSet::from([LineCodec::Audio(AudioCodec::Opus), LineCodec::Video(VideoCodec::Vp8)])
    );

    let mut pictures = Vec::new();
    let mut sounds = 0;
    for (_, event) in &world.client_events {
        let Event::RtpPacket(packet) = event else { continue };
        if packet.payload.len() == 80 {
            sounds += 1;
        } else if packet.payload.len() == VP8_PAYLOAD.len() {
            let id = u16::from_be_bytes([packet.payload[2] & 0x7f, packet.payload[3]]);
            pictures.push((*packet.seq_no, packet.header.timestamp, id, packet.payload[4]));
        }
    }
    assert_eq!(sounds, 150);
    assert_eq!(pictures.len(), 150);
    assert_eq!(
        pictures[9],
        (9, 9_000 + 9 * 1_800, 309, 9),
        "the receiver's own numbers are in the descriptor"
    );
    assert_eq!(picture[..], VP8_PAYLOAD[..], "and the shared payload is as it was");

    for line in [Line::MAIN_AUDIO, Line::MAIN_VIDEO] {
        let reports: Vec<_> = world
            .peer_events
            .iter()
            .filter_map(|(_, e)| match e {
                PeerEvent::SenderReport { line: of, report } if *of == line => Some(*report),
                _ => None,
            })
            .collect();
        assert!(reports.len() >= 2, "{line:?} reported {} times", reports.len());
        let rate = if line == Line::MAIN_AUDIO { 48_000.0 } else { 90_000.0 };
        let seconds = reports[1].ntp.wrapping_sub(reports[0].ntp) as f64 / 4_294_967_296.0;
        let media = f64::from(reports[1].timestamp.wrapping_sub(reports[0].timestamp)) / rate;
        assert!(
            (seconds - media).abs() < 0.05,
            "the two clocks of {line:?} run together: {seconds} and {media}"
        );
    }
    let client_reports =
        world.client_events.iter().filter(|(_, e)| matches!(e, Event::SenderFeedback(_))).count();
    assert!(client_reports >= 4, "we report as well: {client_reports}");
    let stats: Vec<_> = world
        .peer_events
        .iter()
        .filter_map(|(_, e)| if let PeerEvent::Stats(s) = e { Some(*s) } else { None })
        .collect();
    assert!(stats.iter().any(|s| s.receive_kbps > 20 && s.send_kbps > 20), "{stats:?}");
    assert!(stats.iter().any(|s| s.rtt.is_some_and(|rtt| rtt >= Duration::from_millis(15))), "{stats:?}");
    assert!(world.peer_events.iter().any(|(_, e)| matches!(e, PeerEvent::Estimate { kbps } if *kbps > 0)));
}

#[test]
fn key_frames_are_asked_for_both_ways() {
    let mut world = World::new(2, &[AUDIO, VIDEO]);
    world.connect();
    assert!(!world.peer.request_keyframe(Line::CONTENT_VIDEO), "there is no such line");
    world.client_write(1, 0, 0, VP8_PAYLOAD.to_vec());
    let picture: Arc<[u8]> = Arc::from(&VP8_PAYLOAD[..]);
    let first = meta(0, 0, world.now);
    world.peer.send_video(Line::MAIN_VIDEO, &picture, &first).expect("taken");
    world.run_for(Duration::from_millis(200));
    let asked = |world: &World| {
        let of_client =
            world.client_events.iter().filter(|(_, e)| matches!(e, Event::KeyframeRequest(_))).count();
        let of_peer = world
            .peer_events
            .iter()
            .filter(|(_, e)| matches!(e, PeerEvent::KeyframeRequested { line: Line::MAIN_VIDEO }))
            .count();
        (of_client, of_peer)
    };
    assert_eq!(asked(&world), (0, 0));
    assert!(world.peer.request_keyframe(Line::MAIN_VIDEO));
    let mid = world.mids[1];
    let mut direct = world.rtc.direct_api();
    direct.stream_rx_by_mid(mid, None).expect("our stream").request_keyframe(KeyframeRequestKind::Pli);
    world.run_for(Duration::from_millis(500));
    assert_eq!(asked(&world), (1, 1));
}

#[test]
fn resends_make_up_for_loss_both_ways() {
    let mut world = World::new(0x10_55, &[AUDIO, VIDEO]);
    world.connect();
    world.loss_permille = 100;
    let picture: Arc<[u8]> = Arc::from(&VP8_PAYLOAD[..]);
    for n in 0..400u64 {
        world.client_write(1, n, n as u32 * 1_800, VP8_PAYLOAD.to_vec());
        let with = meta(n, n as u32 * 1_800, world.now);
        world.peer.send_video(Line::MAIN_VIDEO, &picture, &with).expect("taken");
        world.drain_peer();
        world.run_for(Duration::from_millis(20));
    }
    assert!(world.dropped > 50, "the link does lose: {}", world.dropped);
    world.loss_permille = 0;
    world.run_for(Duration::from_secs(2));
    let got: BTreeSet<u64> =
        packets(&world, Line::MAIN_VIDEO).iter().filter(|p| p.2 > 0).map(|p| p.0).collect();
    let sent: BTreeSet<u64> = (0..400).collect();
    // The library gives resends at most 15 % of the bitrate, so of a tenth lost twice over a few may stay lost.
    let missing: Vec<_> = sent.difference(&got).collect();
    assert!(missing.len() <= 8, "missing at the peer: {missing:?}");
    let received: BTreeSet<u64> = world
        .client_events
        .iter()
        .filter_map(|(_, e)| match e {
            Event::RtpPacket(p) if !p.payload.is_empty() => Some(*p.seq_no),
            _ => None,
        })
        .collect();
    let missing: Vec<_> = sent.difference(&received).collect();
    assert!(missing.len() <= 8, "missing at the client: {missing:?}");
}

#[test]
fn what_was_let_go_of_is_not_sent_again() {
    // Of twenty packets the sixth to the tenth are lost on their way to the client.
    let received = |forget: bool| {
        let mut world = World::new(0x10_56, &[AUDIO, VIDEO]);
        world.connect();
        let picture: Arc<[u8]> = Arc::from(&VP8_PAYLOAD[..]);
        for n in 0..20u64 {
            world.loss_permille = if (5..10).contains(&n) { 1_000 } else { 0 };
            let with = meta(n, n as u32 * 1_800, world.now);
            world.peer.send_video(Line::MAIN_VIDEO, &picture, &with).expect("taken");
            world.drain_peer();
            world.run_for(Duration::from_millis(20));
            if n == 9 && forget {
                world.peer.forget_sent(Line::MAIN_VIDEO);
            }
        }
        world.run_for(Duration::from_secs(2));
        let packet = |(_, e): &(Mono, Event)| match e {
            Event::RtpPacket(p) if !p.payload.is_empty() => Some(*p.seq_no),
            _ => None,
        };
        world.client_events.iter().filter_map(packet).collect::<BTreeSet<u64>>()
    };
    assert!(received(false).len() > 15, "the control: what was lost is sent again");
    let kept: BTreeSet<u64> = (0..5).chain(10..20).collect();
    assert_eq!(received(true), kept);
}

#[test]
fn without_answered_checks_the_peer_gives_up() {
    let mut world = World::new(3, &[AUDIO]);
    world.cut = true;
    let begin = world.now;
    assert!(world.run(CONNECT_TIMEOUT * 2, |world| world.peer.is_closed()));
    assert_eq!(closed(&world), [CloseReason::NeverConnected]);
    assert!(world.now.since(begin) >= CONNECT_TIMEOUT);
    assert_eq!(world.peer.next_timeout(), None);
}

#[test]
fn a_short_silence_is_survived_and_a_long_one_is_not() {
    let mut world = World::new(4, &[AUDIO]);
    world.connect();
    world.cut = true;
    world.run_for(Duration::from_secs(20));
    assert!(!world.peer.is_closed());
    world.cut = false;
    let before = packets(&world, Line::MAIN_AUDIO).len();
    world.run_for(Duration::from_secs(3));
    world.client_write(0, 0, 0, vec![9; 40]);
    world.run_for(Duration::from_secs(1));
    assert_eq!(packets(&world, Line::MAIN_AUDIO).len(), before + 1, "sound flows again");
    world.cut = true;
    let silent = world.now;
    assert!(world.run(CONSENT_TIMEOUT * 2, |world| world.peer.is_closed()));
    assert_eq!(closed(&world), [CloseReason::ConsentLost]);
    assert!(world.now.since(silent) <= CONSENT_TIMEOUT + Duration::from_secs(5));
}

#[test]
fn goodbyes_are_heard_and_said_once() {
    let mut world = World::new(5, &[AUDIO]);
    world.connect();
    world.rtc.close().expect("the client says goodbye");
    world.drain_client();
    assert!(world.run(Duration::from_secs(5), |world| world.peer.is_closed()));
    assert_eq!(closed(&world), [CloseReason::Remote]);

    let mut world = World::new(6, &[AUDIO]);
    world.connect();
    let now = world.now;
    world.peer.close(now);
    world.peer.close(now);
    world.drain_peer();
    assert!(
        world
            .run(Duration::from_secs(5), |w| w.client_events.iter().any(|(_, e)| matches!(e, Event::Closed)))
    );
    assert_eq!(closed(&world), [CloseReason::Local]);
    let sound: Arc<[u8]> = Arc::from(&[1u8; 80][..]);
    assert_eq!(world.peer.send_sound(&sound, &meta(0, 0, now)), Err(SendError::NotConnected));
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let mut world = World::new(7, &[AUDIO, VIDEO]);
    let payload: Arc<[u8]> = Arc::from(&[0u8; 8][..]);
    assert_eq!(world.peer.send_sound(&payload, &meta(0, 0, world.now)), Err(SendError::NotConnected));
    world.connect();
    let now = world.now;
    assert_eq!(
        world.peer.send_video(Line::CONTENT_VIDEO, &payload, &meta(0, 0, now)),
        Err(SendError::NotSending(Line::CONTENT_VIDEO))
    );
    let mut refused = None;
    for n in 0..=UNSENT_PACKETS_MAX as u64 {
        if let Err(error) = world.peer.send_video(Line::MAIN_VIDEO, &payload, &meta(n, 0, now)) {
            refused = Some((n, error));
            break;
        }
    }
    assert_eq!(refused, Some((UNSENT_PACKETS_MAX as u64, SendError::QueueFull)));
}

#[test]
fn a_full_pacer_shows_its_delay_and_empties() {
    let mut world = World::new(8, &[AUDIO, VIDEO]);
    world.connect();
    assert_eq!(world.peer.pacer_delay(world.now), Duration::ZERO);
    let mut payload = VP8_PAYLOAD.to_vec();
    payload.resize(1_100, 0);
    let payload: Arc<[u8]> = payload.into();
    for n in 0..400u64 {
        let now = world.now;
        world.peer.send_video(Line::MAIN_VIDEO, &payload, &meta(n, 0, now)).expect("room");
    }
    world.drain_peer();
    world.run_for(Duration::from_millis(150));
    assert!(
        world.peer.pacer_delay(world.now) >= Duration::from_millis(100),
        "{:?}",
        world.peer.pacer_delay(world.now)
    );
    world.run_for(Duration::from_secs(20));
    assert_eq!(world.peer.pacer_delay(world.now), Duration::ZERO, "it does not stay on an old figure");
}

#[test]
fn strangers_never_move_the_path() {
    let mut world = World::new(9, &[AUDIO]);
    world.connect();
    let stranger = SocketAddr::from(([192, 0, 2, 66], 6_666));
    let tap = world.tap.clone();
    assert!(tap.iter().any(|packet| packet.bytes.starts_with(&[0, 1])), "checks were captured");
    for packet in &tap {
        // Everything that the peer ever got, from elsewhere.
        world.deliver_to_peer(stranger, server(), &packet.bytes);
        // And with one bit turned.
        let mut bent = packet.bytes.clone();
        let last = bent.len() - 1;
        bent[last] ^= 1;
        world.deliver_to_peer(stranger, server(), &bent);
    }
    let mut dice = support::Dice::new(99);
    for _ in 0..5_000 {
        let length = dice.below(200);
        let noise: Vec<u8> = (0..length).map(|_| dice.next() as u8).collect();
        world.deliver_to_peer(stranger, server(), &noise);
        // From the peer's own address, as a spoofer would.
        world.deliver_to_peer(client(), server(), &noise);
    }
    assert_eq!(world.demux.sources(), 1);
    world.flying.clear();
    let sound: Arc<[u8]> = Arc::from(&[1u8; 80][..]);
    for n in 0..20 {
        let now = world.now;
        world.peer.send_sound(&sound, &meta(n, n as u32 * 960, now)).expect("still connected");
        world.drain_peer();
        assert!(
            world.flying.iter().all(|packet| packet.to_peer || packet.destination == client()),
            "nothing goes to the stranger"
        );
        world.client_write(0, n, n as u32 * 960, vec![3; 50]);
        world.run_for(Duration::from_millis(20));
    }
    assert_eq!(packets(&world, Line::MAIN_AUDIO).len(), 20, "and the call goes on");
    assert!(closed(&world).is_empty());
}

#[test]
fn a_replayed_packet_is_heard_once_and_an_unannounced_stream_never() {
    let mut world = World::new(10, &[AUDIO]);
    world.connect();
    world.tap.clear();
    for n in 0..10 {
        world.client_write(0, n, n as u32 * 960, vec![3; 50]);
        world.run_for(Duration::from_millis(20));
    }
    let replay: Vec<_> = world.tap.iter().filter(|p| (128..192).contains(&p.bytes[0])).cloned().collect();
    assert!(replay.len() >= 10);
    for packet in &replay {
        assert_eq!(world.deliver_to_peer(client(), server(), &packet.bytes), Route::Peer(support::PEER));
        let mut other_stream = packet.bytes.clone();
        other_stream[11] ^= 0x55;
        world.deliver_to_peer(client(), server(), &other_stream);
    }
    assert_eq!(packets(&world, Line::MAIN_AUDIO).len(), 10);
    assert!(world.peer.counters().streams_refused >= 10);
    world.client_write(0, 10, 9_600, vec![3; 50]);
    world.run_for(Duration::from_millis(50));
    assert_eq!(packets(&world, Line::MAIN_AUDIO).len(), 11, "its own stream still flows");
}

#[test]
fn behind_nat_the_advertised_address_is_told_and_the_bound_one_used() {
    let bound = SocketAddr::from(([172, 16, 0, 5], 5_000));
    let address = LocalAddress { proto: Proto::Udp, bound, advertised: server() };
    let config = PeerConfig { addresses: vec![address], ..config() };
    let mut world = World::with(11, library(), &[AUDIO], &config).expect("answered");
    assert!(world.answer.contains(" 10.0.0.1 5000 typ host") && !world.answer.contains("172.16"));
    let mut connected = false;
    for _ in 0..2_000 {
        // The router between: what goes to the advertised address arrives at the bound one, and back.
        for packet in &mut world.flying {
            if packet.to_peer {
                packet.destination = bound;
            } else {
                assert!(packet.source == bound || packet.source == server());
                packet.source = server();
            }
        }
        world.step();
        connected |= world.peer.is_connected();
    }
    assert!(connected);
}

#[test]
fn media_before_the_handshake_is_not_heard_and_spoils_nothing() {
    let mut world = World::new(12, &[AUDIO]);
    assert!(
        world.run(Duration::from_secs(10), |world| world.demux.sources() == 1),
        "a signed check opened a way"
    );
    assert!(!world.peer.is_connected(), "and there are no keys yet");
    let own = *world.rtc.direct_api().stream_tx_by_mid(world.mids[0], None).expect("a stream to send").ssrc();
    for n in 0..3_000_u32 {
        let ssrc = if n % 2 == 0 { own } else { n };
        let head = [
            &[0x80, 0x80 | 111][..],
            &(n as u16).to_be_bytes(),
            &(n * 960).to_be_bytes(),
            &ssrc.to_be_bytes(),
        ];
        let packet = [&head.concat()[..], &[3; 80]].concat();
        assert_eq!(world.deliver_to_peer(client(), server(), &packet), Route::Peer(support::PEER));
    }
    assert!(packets(&world, Line::MAIN_AUDIO).is_empty() && closed(&world).is_empty());
    world.connect();
    for n in 0..10 {
        world.client_write(0, n, n as u32 * 960, vec![3; 50]);
        world.run_for(Duration::from_millis(20));
    }
    assert_eq!(
        packets(&world, Line::MAIN_AUDIO).len(),
        10,
        "the control: with keys the same stream is heard"
    );
}
