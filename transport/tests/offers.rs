//! Offers: what is answered, what is refused and why, and that nothing in one can make us fall.

mod support;

use mcu_core::id::SourceKind;
use mcu_core::limits::{SDP_BYTES_MAX, SDP_MEDIA_LINES_ANSWERED_MAX};
use mcu_core::media::codec::VideoCodec;
use mcu_core::time::Mono;
use std::time::Instant;
use support::{Dice, config};
use transport::peer::{
    ClockBase, DtlsChoice, Kind, Line, LineRoles, LocalAddress, Medium, NegotiateError, PeerConfig, Proto,
    WebRtcPeer,
};

const CHROMIUM: &str = include_str!("fixtures/chromium-offer.sdp");

fn accept_as(
    config: &PeerConfig,
    roles: &LineRoles,
    offer: &str,
) -> Result<(WebRtcPeer, String), NegotiateError> {
    #[allow(clippy::disallowed_methods)] // the epoch has to come from somewhere
    let clock = ClockBase::new(Instant::now());
    WebRtcPeer::accept(config, clock, offer, roles, Mono::from_millis(1))
        .map(|(peer, answer)| (peer, answer.sdp))
}

fn accept(offer: &str) -> Result<(WebRtcPeer, String), NegotiateError> {
    accept_as(&config(), &LineRoles::in_order(), offer)
}

/// The media sections of an answer.
fn sections(sdp: &str) -> Vec<&str> {
    sdp.split("m=").skip(1).collect()
}

#[test]
fn chromiums_four_lines_are_answered() {
    let (peer, answer) = accept(CHROMIUM).expect("answered");
    let sections = sections(&answer);
    assert_eq!(sections.len(), 4);
    assert!(answer.contains("a=group:BUNDLE 0 1 2 3\r\n") && answer.contains("a=ice-lite\r\n"));
    let directions = ["a=sendrecv", "a=sendrecv", "a=sendrecv", "a=recvonly"];
    for (section, direction) in sections.iter().zip(directions) {
        assert!(section.contains(direction), "{direction} in {section}");
        assert!(section.contains("a=setup:passive"));
    }
    assert!(sections[0].starts_with("audio 9 UDP/TLS/RTP/SAVPF 111\r\n"), "{}", sections[0]);
    assert!(
        sections[1].starts_with("video 9 UDP/TLS/RTP/SAVPF 96 97 108 109 114 115 98 99\r\n"),
        "{}",
        sections[1]
    );
    assert!(sections[0].contains("useinbandfec=1") && !sections[0].contains("usedtx"));
    assert!(sections[1].contains("profile-level-id=42e01f"));
    assert!(
        !answer.contains("video-orientation") && !answer.contains("AV1") && !answer.contains("rtp-stream-id")
    );
    assert!(
        answer.contains("transport-wide-cc")
            && answer.contains("ssrc-audio-level")
            && answer.contains("abs-send-time")
    );
    for (section, msid) in sections.iter().zip([
        "mcu-main mcu-main-audio",
        "mcu-main mcu-main-video",
        "mcu-content mcu-content-video",
    ]) {
        assert!(section.contains(&format!("a=msid:{msid}\r\n")), "{section}");
    }
    assert!(sections[0].contains("a=candidate:") && sections[0].contains("10.0.0.1 5000 typ host"));

    assert_eq!(peer.send_codec(Line::MAIN_VIDEO), Some(VideoCodec::Vp8));
    assert_eq!(peer.send_codec(Line::CONTENT_VIDEO), Some(VideoCodec::Vp8));
    assert_eq!(peer.line(Line::MAIN_AUDIO).and_then(|line| line.send_audio), Some(111));
    let content_sound = peer.line(Line::CONTENT_AUDIO).expect("the fourth line");
    assert_eq!((content_sound.send_audio, content_sound.receives), (None, true));
    assert_eq!(peer.line(Line::MAIN_VIDEO).map(|line| line.receivable.len()), Some(4));
}

#[test]
fn preference_and_configuration_choose_the_codec() {
    let prefer = PeerConfig { send_preference: vec![VideoCodec::H264], ..config() };
    let (peer, _) = accept_as(&prefer, &LineRoles::in_order(), CHROMIUM).expect("answered");
    let format = peer.send_format(Line::MAIN_VIDEO).expect("a format");
    assert_eq!((format.codec, format.payload_type, format.resend), (VideoCodec::H264, 108, true));
    assert_eq!(
        format.h264.map(|h264| (h264.profile_level_id, h264.packetization_mode)),
        Some((0x42_e0_1f, 1))
    );

    let only = PeerConfig { video_codecs: vec![VideoCodec::Vp9], ..config() };
    let (peer, answer) = accept_as(&only, &LineRoles::in_order(), CHROMIUM).expect("answered");
    assert_eq!(peer.send_codec(Line::MAIN_VIDEO), None, "VP9 is received only");
    assert!(sections(&answer)[1].starts_with("video 9 UDP/TLS/RTP/SAVPF 98 99\r\n"));

    let h264_first =
        CHROMIUM.replace("SAVPF 96 97 102 103 104 107 108 109", "SAVPF 108 109 96 97 102 103 104 107");
    let (peer, answer) = accept(&h264_first).expect("answered");
    assert_eq!(peer.send_codec(Line::MAIN_VIDEO), Some(VideoCodec::H264), "the offer's own order");
    assert!(
        sections(&answer)[1].starts_with("video 9 UDP/TLS/RTP/SAVPF 108 109 96 97"),
        "and the answer keeps it"
    );
}

#[test]
fn kinds_rates_and_extras_show_in_the_answer() {
    let whip = PeerConfig {
        kind: Kind::SendOnlyFromClient,
        opus_dtx: true,
        main_receive_kbps_max: Some(1_500),
        content_receive_kbps_max: Some(800),
        dtls: DtlsChoice::Auto,
        addresses: vec![
            LocalAddress::direct(Proto::Udp, ([10, 0, 0, 1], 5_000).into()),
            LocalAddress::direct(Proto::Tcp, ([10, 0, 0, 1], 5_000).into()),
        ],
        ..config()
    };
    let (peer, answer) = accept_as(&whip, &LineRoles::in_order(), CHROMIUM).expect("answered");
    let parts = sections(&answer);
    assert!(parts.iter().all(|section| section.contains("a=recvonly")), "{answer}");
    assert!(parts[0].contains("usedtx=1") && !parts[0].contains("b=AS"));
    assert!(parts[1].contains("c=IN IP4 0.0.0.0\r\nb=AS:1500\r\n"), "{}", parts[1]);
    assert!(parts[2].contains("b=AS:800\r\n"));
    assert!(parts[0].contains("tcptype passive"));
    assert_eq!(peer.send_format(Line::MAIN_VIDEO), None);

    let whep = PeerConfig { kind: Kind::ReceiveOnly, ..config() };
    let (peer, answer) = accept_as(&whep, &LineRoles::in_order(), CHROMIUM).expect("answered");
    assert!(sections(&answer)[1].contains("a=sendonly"));
    assert!(peer.lines().all(|line| !line.receives));
}

#[test]
fn roles_follow_the_clients_map_and_the_rest_is_refused_in_place() {
    let roles = LineRoles::by_mid([("2".into(), SourceKind::Main), ("0".into(), SourceKind::Main)]);
    let (peer, answer) = accept_as(&config(), &roles, CHROMIUM).expect("answered");
    let parts = sections(&answer);
    assert_eq!(parts.len(), 4, "every line is answered");
    assert!(parts[1].starts_with("video 0 ") && parts[3].starts_with("audio 0 "), "{answer}");
    assert!(answer.contains("a=group:BUNDLE 0 2\r\n"));
    assert_eq!(peer.line(Line::MAIN_VIDEO).map(|line| &*line.mid), Some("2"));
    assert!(peer.line(Line::CONTENT_VIDEO).is_none());
}

#[test]
fn data_channels_and_simulcast_are_refused_alone() {
    let data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:9\r\na=sctp-port:5000\r\n";
    let simulcast = "a=rid:q send\r\na=rid:h send\r\na=simulcast:send q;h\r\n";
    let offer = CHROMIUM.replace("BUNDLE 0 1 2 3", "BUNDLE 0 1 2 3 9").replacen(
        "a=mid:1\r\n",
        &format!("a=mid:1\r\n{simulcast}"),
        1,
    ) + data;
    let (_, answer) = accept(&offer).expect("answered");
    let parts = sections(&answer);
    assert_eq!(parts.len(), 5);
    assert!(parts[4].starts_with("application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"), "{}", parts[4]);
    assert!(!answer.contains("simulcast") && !answer.contains("a=rid"));
    assert!(answer.contains("a=group:BUNDLE 0 1 2 3\r\n"));
}

#[test]
fn a_payload_type_that_is_named_twice_is_answered_once() {
    let twice = CHROMIUM.replace("SAVPF 111", "SAVPF 111 111").replace("SAVPF 96 97", "SAVPF 96 97 96 97 96");
    assert_ne!(twice, CHROMIUM);
    let (_, answer) = accept(&twice).expect("answered");
    let (_, expected) = accept(CHROMIUM).expect("answered");
    let formats = |answer: &str| -> Vec<String> {
        sections(answer).iter().map(|section| section.lines().next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(formats(&answer), formats(&expected));
}

#[test]
fn limits_and_reasons() {
    let long = format!("{CHROMIUM}a=x:{}\r\n", "y".repeat(SDP_BYTES_MAX));
    assert!(matches!(accept(&long), Err(NegotiateError::TooLarge { max: SDP_BYTES_MAX, .. })));
    let line = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n";
    let many = format!("v=0\r\n{}", line.repeat(129));
    assert_eq!(
        accept(&many).err(),
        Some(NegotiateError::TooManyLines { lines: 129, max: SDP_MEDIA_LINES_ANSWERED_MAX })
    );
    let hordes = format!("v=0\r\n{}", "m=\r\n".repeat(10_000));
    assert_eq!(
        accept(&hordes).err(),
        Some(NegotiateError::TooManyLines { lines: 129, max: SDP_MEDIA_LINES_ANSWERED_MAX })
    );
    let av1_only = CHROMIUM.replace(" VP8/", " XX1/").replace(" VP9/", " XX2/").replace(" H264/", " XX3/");
    assert_eq!(accept(&av1_only).err(), Some(NegotiateError::NoCommonCodec { medium: Medium::Video }));
    let no_opus = CHROMIUM.replace("opus/", "oops/");
    assert_eq!(accept(&no_opus).err(), Some(NegotiateError::NoCommonCodec { medium: Medium::Audio }));
    assert_eq!(accept("v=0\r\ns=-\r\nt=0 0\r\n").err(), Some(NegotiateError::NoMedia));
    for broken in ["", "hello", "v=0\r\nm=audio\r\n", "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"] {
        assert!(matches!(accept(broken), Err(NegotiateError::Invalid { .. })), "{broken:?}");
    }
    let long_mid = CHROMIUM.replacen("a=mid:1\r\n", "a=mid:12345678901234567\r\n", 1);
    assert!(matches!(accept(&long_mid), Err(NegotiateError::Invalid { .. })));
    let twice = CHROMIUM.replacen("a=mid:1\r\n", "a=mid:0\r\n", 1);
    assert!(matches!(accept(&twice), Err(NegotiateError::Invalid { .. })));
    let naked = CHROMIUM
        .lines()
        .filter(|l| !l.starts_with("a=fingerprint"))
        .map(|l| format!("{l}\r\n"))
        .collect::<String>();
    assert!(matches!(accept(&naked), Err(NegotiateError::Invalid { .. })));
    let lite = CHROMIUM.replacen("a=group", "a=ice-lite\r\na=group", 1);
    assert!(matches!(accept(&lite), Err(NegotiateError::Refused { .. })), "two lite ends never check");
}

#[test]
fn mutated_offers_end_in_an_answer_or_an_error() {
    let lines: Vec<&str> = CHROMIUM.lines().collect();
    let (mut answered, mut refused) = (0, 0);
    for seed in 1..=150u64 {
        let mut dice = Dice::new(seed);
        let mut mutant: Vec<String> = lines.iter().map(ToString::to_string).collect();
        for _ in 0..=dice.below(6) {
            let at = dice.below(mutant.len());
            match dice.below(6) {
                0 => drop(mutant.remove(at)),
                1 => {
                    let line = mutant[dice.below(mutant.len())].clone();
                    mutant.insert(at, line);
                }
                2 => {
                    let other = dice.below(mutant.len());
                    mutant.swap(at, other);
                }
                3 => {
                    let mut bytes = mutant[at].clone().into_bytes();
                    let place = dice.below(bytes.len());
                    bytes[place] = 32 + dice.below(95) as u8;
                    mutant[at] = String::from_utf8_lossy(&bytes).into_owned();
                }
                4 => {
                    mutant[at] = mutant[at]
                        .replace(char::is_numeric, ["0", "999999999999", "127", "-1"][dice.below(4)])
                }
                _ => mutant.truncate(at.max(1)),
            }
        }
        match accept(&(mutant.join("\r\n") + "\r\n")) {
            Ok((peer, answer)) => {
                assert_eq!(answer.matches("m=").count() >= 1, peer.lines().count() >= 1, "seed {seed}");
                answered += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(answered > 10 && refused > 10, "both happen: {answered} and {refused}");
}
