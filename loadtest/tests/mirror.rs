//! A bot's media against a mirror, in virtual time: offer, ICE, DTLS, a loop out, the same packets back, measured.
//!
//! The mirror is a plain str0m peer that answers and sends every packet back. No sockets, no sleeps; only the
//! measuring thread is real.

#![allow(clippy::unwrap_used, reason = "a test may panic: helpers of one, too")]

use loadtest::bot::Stage;
use loadtest::bot::peer::{Offered, Peer, PeerEvent};
use loadtest::bot::receive::{Input, Measured, Meter};
use loadtest::bot::send::LoopPlayer;
use loadtest::bot::signal::{Canvas, LayoutTile};
use loadtest::media::barcode::SenderId;
use loadtest::media::loops::{Library, LoopSet, LoopSpec};
use mcu_core::conference::plan::Rect;
use mcu_core::id::SourceKind;
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use mcu_core::time::{ClockRate, MediaTime, Mono};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use str0m::change::SdpOffer;
use str0m::media::KeyframeRequestKind;
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input as RtcInput, Output, Rtc};

const OWN: SenderId = SenderId(6);
const OTHER: SenderId = SenderId(7);
const STEP: Duration = Duration::from_millis(5);

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Answers, and sends back whatever it gets.
struct Mirror {
    rtc: Rtc,
    asks_keyframe: bool,
}

impl Mirror {
    fn answer(offer: &str, now: std::time::Instant) -> (Self, String) {
        let mut rtc = Rtc::builder().set_rtp_mode(true).set_ice_lite(true).build(now);
        rtc.add_local_candidate(Candidate::host(address(2), "udp").unwrap());
        let answer = rtc.sdp_api().accept_offer(SdpOffer::from_sdp_string(offer).unwrap()).unwrap();
        (Self { rtc, asks_keyframe: false }, answer.to_sdp_string())
    }

    fn handle(&mut self, now: std::time::Instant, datagram: &[u8]) -> Vec<Vec<u8>> {
        let receive = Receive::new(Protocol::Udp, address(1), address(2), datagram).unwrap();
        self.rtc.handle_input(RtcInput::Receive(now, receive)).unwrap();
        self.poll(now)
    }

    fn poll(&mut self, now: std::time::Instant) -> Vec<Vec<u8>> {
        self.rtc.handle_input(RtcInput::Timeout(now)).unwrap();
        let mut out = Vec::new();
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(_) => return out,
                Output::Transmit(transmit) => out.push(transmit.contents.to_vec()),
                Output::Event(Event::RtpPacket(packet)) => {
                    let mut api = self.rtc.direct_api();
                    let stream = api.stream_rx(&packet.header.ssrc).unwrap();
                    let mid = stream.mid();
                    // Sound has packets of its own size: this is a picture's.
                    if self.asks_keyframe && packet.payload.len() > 300 {
                        self.asks_keyframe = false;
                        stream.request_keyframe(KeyframeRequestKind::Pli);
                    }
                    let header = &packet.header;
                    let write = RtpWrite::new(
                        header.payload_type,
                        packet.seq_no,
                        header.timestamp,
                        now,
                        packet.payload.clone(),
                    );
                    if let Some(stream) = api.stream_tx_by_mid(mid, None) {
                        stream.write_rtp(write.marker(header.marker));
                    }
                }
                Output::Event(_) => {}
            }
        }
    }
}

struct Seen {
    measured: Measured,
    keyframe_requests: u32,
    connected: bool,
}

/// Sends `set` for `span` through the mirror and measures what comes back. The way back delivers all that waits at every
/// `together`th step.
async fn reflect(set: &Arc<LoopSet>, span: Duration, together: u64) -> Seen {
    let stage = Stage::start();
    let instant = |at: Mono| stage.clock.instant(at);
    let (mut peer, offer) =
        Peer::offer(&[set.codec()], Offered::Page, address(1), instant(Mono::ZERO)).unwrap();
    let (mut mirror, answer) = Mirror::answer(&offer, instant(Mono::ZERO));
    peer.accept(&answer, Some(set.codec())).unwrap();
    assert!(peer.sends_picture());
    let mut meter = Meter::start(
        (OWN, AudioCodec::Opus),
        &[OTHER],
        stage.pictures.clone(),
        stage.beeps.clone(),
        stage.clock,
    )
    .unwrap();
    let rect = Rect { x: 0, y: 0, width: 320, height: 180 };
    let tile = LayoutTile { participant_id: 1, kind: SourceKind::Main, rect, is_self: true, video: true };
    let canvas = Canvas { width: 320, height: 180 };
    meter.feed(Input::Layout(SourceKind::Main, 0, canvas, vec![tile]));

    let mut player: Option<(LoopPlayer, Mono, u64)> = None;
    let mut keyframe_requests = 0;
    let mut now = Mono::ZERO;
    let (mut steps, mut waiting) = (0, Vec::new());
    while now < Mono::ZERO + span {
        now += STEP;
        if let Some((player, start, sound)) = &mut player {
            if let Some(play) = player.play(now, false) {
                peer.send_picture(instant(now), play.unit, play.at);
            }
            while *start + Duration::from_millis(*sound * 20) <= now {
                let at = MediaTime::from_rtp(*sound as i64 * 960, ClockRate::OPUS);
                if sound.is_multiple_of(50) {
                    stage.beeps.said(OWN, now);
                }
                peer.send_sound(instant(now), &set.sound()[*sound as usize % set.sound().len()], at, -24);
                *sound += 1;
            }
        }
        let (mut datagrams, mut events) = (Vec::new(), Vec::new());
        peer.poll(instant(now), now, &mut datagrams, &mut events).unwrap();
        for event in events {
            match event {
                PeerEvent::Connected => {
                    player = Some((LoopPlayer::new(Arc::clone(set), now, 1_000), now, 0));
                }
                PeerEvent::KeyframeRequest => {
                    keyframe_requests += 1;
                    player.as_mut().unwrap().0.request_keyframe();
                }
                PeerEvent::Picture(line, codec, packet) => meter.feed(Input::Picture(line, codec, packet)),
                PeerEvent::Sound(packet) => meter.feed(Input::Sound(packet)),
                _ => {}
            }
        }
        mirror.asks_keyframe |= now == Mono::from_millis(2_000);
        waiting.extend(datagrams.iter().flat_map(|datagram| mirror.handle(instant(now), &datagram.bytes)));
        waiting.extend(mirror.poll(instant(now)));
        steps += 1;
        if steps % together == 0 {
            for datagram in waiting.drain(..) {
                peer.handle(instant(now), now, address(2), &datagram).unwrap();
            }
        }
        // Virtual time runs faster than the measuring thread: let it keep up.
        while meter.backlog() > 100 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(meter.dropped, 0);
    Seen { measured: meter.finish(now).await, keyframe_requests, connected: player.is_some() }
}

#[tokio::test]
async fn what_a_bot_sends_comes_back_and_is_measured() {
    let scratch = std::env::temp_dir().join(format!("loadtest-mirror-{}", std::process::id()));
    let library = Library::open(&scratch).unwrap();
    for codec in [VideoCodec::Vp8, VideoCodec::H264] {
        let spec = LoopSpec::talking_head(OWN).coded(codec).up_to(180).lasting(10);
        let set = library.get(&spec).unwrap();
        let Seen { measured, connected, keyframe_requests } = reflect(&set, Duration::from_secs(6), 1).await;
        assert!(connected, "{codec:?}");
        assert_eq!(keyframe_requests, 1, "{codec:?}");
        let main = &measured.main;
        assert!(main.frames > 130, "{codec:?}: {main:?}");
        assert_eq!(
            (main.decode_errors, main.packets_lost, main.frames_without_layout),
            (0, 0, 0),
            "{codec:?}"
        );
        let code = main.tile_of(1).and_then(|tile| tile.code(OWN)).expect("the own code is read");
        assert_eq!((code.reads, code.backwards), (main.frames, 0), "{codec:?}");
        assert_eq!((main.own.code_in_place, main.own.code_elsewhere), (main.frames, 0));
        let level =
            |sender| measured.sound.tones.iter().find(|tone| tone.sender == sender).expect("measured");
        assert!(level(OWN).level_db > -30.0, "{:?}", measured.sound);
        assert!(level(OTHER).peak_db < level(OWN).level_db - 20.0, "{:?}", measured.sound);
        // The playout delay, the encoder's look-ahead of 6.5 ms, and what the steps of the loop take.
        let age = level(OWN).age_ms.expect("beeps were said and heard");
        assert!(age.count >= 3 && age.min >= 100 && age.max <= 130, "{age:?}");
        assert_eq!(level(OTHER).age_ms, None);
        assert_eq!(measured.sound.concealed_samples, 0);
        assert!(measured.first_sound.is_some() && measured.first_picture.is_some());
    }
    std::fs::remove_dir_all(scratch).unwrap();
}

#[tokio::test]
async fn many_datagrams_at_once_are_all_taken() {
    let scratch = std::env::temp_dir().join(format!("loadtest-mirror-at-once-{}", std::process::id()));
    let spec = LoopSpec::talking_head(OWN).up_to(180).lasting(3);
    let set = Library::open(&scratch).unwrap().get(&spec).unwrap();
    let Seen { measured, connected, .. } = reflect(&set, Duration::from_secs(4), 8).await;
    assert!(connected);
    assert!(measured.main.frames > 60, "{:?}", measured.main);
    assert_eq!((measured.main.packets_lost, measured.main.decode_errors), (0, 0), "{:?}", measured.main);
    std::fs::remove_dir_all(scratch).unwrap();
}
