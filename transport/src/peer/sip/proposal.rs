//! Proposal: an offer of ours, to a device that called without one (RFC 3261 §13.2.1), and the session that its answer makes of it.
//!
//! Flow: control -> [`SipOffer::make`] -> `signalling` (the 200), and the answer in the ACK -> [`SipOffer::settle`] -> a [`SipPeer`]. One sound and one picture
//! line with everything that we speak; the answer is read as an offer would be, and may name only what was offered. Bounds: those of `offer`.

use super::super::lines::{H264Format, Line, Medium};
use super::super::narrow;
use super::super::negotiate::NegotiateError;
use super::answer::{self, PTIME_MS};
use super::offer::{Feedback, Format, Plan, SipConfig};
use super::protection::Protection;
use super::sdes::Offered;
use super::standing::{LocalPorts, SdpOrigin, Standing};
use super::terms::Proposed;
use super::{SipPeer, no_randomness, refused};
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use mcu_core::time::Mono;
use sdp_types::{Bandwidth, BandwidthType, Media, MediaType, TransportProto};
use std::net::SocketAddr;

/// The lines of an offer, in its order.
const LINES: [Line; 2] = [Line::MAIN_AUDIO, Line::MAIN_VIDEO];
/// Sound, the best first, with payload types: those of RFC 3551 where there are any.
const SOUND: [(AudioCodec, u8); 4] =
    [(AudioCodec::Opus, 96), (AudioCodec::G722, 9), (AudioCodec::Pcma, 8), (AudioCodec::Pcmu, 0)];
/// Telephone events, with a codec of their clock rate.
const EVENTS: [(AudioCodec, u8); 2] = [(AudioCodec::Opus, 102), (AudioCodec::Pcma, 101)];
/// Constrained baseline of the highest level that we decode (see `narrow`).
const H264_OFFERED: u32 = 0x0042_e0ff;
/// Pictures: H.264 in packets of both modes, and VP8.
const PICTURES: [(VideoCodec, u8, u8); 3] =
    [(VideoCodec::H264, 97, 1), (VideoCodec::H264, 98, 0), (VideoCodec::Vp8, 99, 0)];

/// An offer that waits for its answer.
#[derive(Debug)]
pub struct SipOffer {
    config: SipConfig,
    origin: SdpOrigin,
    lines: Vec<(Line, LocalPorts, Protected)>,
}

/// How a line is to be protected.
#[derive(Debug)]
enum Protected {
    Plain,
    Sdes(Offered),
    Dtls(Box<Proposed>),
}

impl Protected {
    /// For `line`, as the device takes it; `None` when the system has no randomness to give.
    fn new(line: Line, config: &SipConfig) -> Option<Self> {
        match (config.secure, config.browser) {
            (false, _) => Some(Self::Plain),
            (true, false) => {
                let before = config.standing.as_ref().and_then(|standing| standing.keys(line));
                Offered::after(before).map(Self::Sdes)
            }
            (true, true) => Some(Self::Dtls(Box::new(Proposed::new()?))),
        }
    }

    /// What `chosen`, the answer's, makes of it; `None` when it answers something else.
    fn agreed(self, chosen: Protection) -> Option<Protection> {
        match (self, chosen) {
            (Self::Plain, Protection::Plain) => Some(Protection::Plain),
            (Self::Sdes(keys), Protection::Sdes(chosen)) => keys.agreed(chosen).map(Protection::Sdes),
            (Self::Dtls(ours), Protection::Dtls(answer)) => {
                ours.agreed(*answer).map(|terms| Protection::Dtls(Box::new(terms)))
            }
            _ => None,
        }
    }

    const fn proto(&self) -> TransportProto {
        match self {
            Self::Plain => TransportProto::RtpAvp,
            Self::Sdes(_) => TransportProto::RtpSavp,
            Self::Dtls(_) => TransportProto::UdpTlsRtpSavpf,
        }
    }

    /// Writes it; `here` is where the line can be reached.
    fn describe(&self, media: &mut Media, here: SocketAddr) {
        match self {
            Self::Plain => {}
            Self::Sdes(keys) => {
                keys.attributes().for_each(|value| media.add_attribute_with_value("crypto", value));
            }
            Self::Dtls(ours) => ours.describe(media, here),
        }
    }
}

impl SipOffer {
    /// Makes an offer, and its text. `open` is that of [`SipPeer::accept`].
    ///
    /// # Errors
    /// `Unacceptable` where signalling is in the clear, no port is left, or there is no randomness.
    pub fn make(
        config: SipConfig,
        open: &mut dyn FnMut(bool) -> std::io::Result<LocalPorts>,
    ) -> Result<(Self, String), NegotiateError> {
        if !config.secure && !config.plain_rtp {
            return Err(refused("keys in SDP need signalling over TLS"));
        }
        let origin = Standing::next_origin(config.standing.as_ref()).ok_or_else(no_randomness)?;
        let mut lines = Vec::with_capacity(LINES.len());
        for line in LINES {
            let kept = config.standing.as_ref().and_then(|standing| standing.ports(line));
            let ports = match kept.filter(|ports| ports.are_shared() || !config.browser) {
                Some(ports) => ports,
                None => open(config.browser).map_err(|_| refused("no port for media is left"))?,
            };
            lines.push((line, ports, Protected::new(line, &config).ok_or_else(no_randomness)?));
        }
        let mut session = answer::session(origin, &config);
        lines
            .iter()
            .for_each(|(line, ports, protected)| session.add_media(media(*line, ports, protected, &config)));
        let sdp = answer::text(&session);
        Ok((Self { config, origin, lines }, sdp))
    }

    /// The session that `answer` makes of it. Ports of lines that it turns down are not the peer's.
    ///
    /// # Errors
    /// Those of [`SipPeer::accept`], of the answer; and `Invalid` when it answers another offer.
    pub fn settle(self, answer: &str, now: Mono) -> Result<SipPeer, NegotiateError> {
        let other = NegotiateError::Invalid { reason: "it answers another offer" };
        let Self { config, origin, lines } = self;
        let mut plan = Plan::make(answer, &config)?;
        let mut proposed: Vec<_> = lines.into_iter().map(Some).collect();
        let mut ports = Vec::with_capacity(plan.taken.len());
        for taken in &mut plan.taken {
            let line =
                proposed.get_mut(taken.place).and_then(Option::take).filter(|(line, ..)| *line == taken.line);
            let Some((_, at, protected)) = line.filter(|_| is_offered(taken.format, taken.payload_type))
            else {
                return Err(other);
            };
            let chosen = std::mem::replace(&mut taken.protection, Protection::Plain);
            let Some(agreed) = protected.agreed(chosen) else { return Err(other) };
            taken.protection = agreed;
            ports.push(at);
        }
        SipPeer::begin(&plan, &ports, &config, origin, now)
    }
}

/// Whether a format that the answer names is one of ours, under its own number.
fn is_offered(format: Format, payload_type: u8) -> bool {
    match format {
        Format::Audio(codec) => SOUND.contains(&(codec, payload_type)),
        Format::Video(codec) => PICTURES.contains(&(codec, payload_type, 0)),
        Format::H264(h264, _) => {
            PICTURES.contains(&(VideoCodec::H264, payload_type, h264.packetization_mode))
        }
    }
}

fn media(line: Line, ports: &LocalPorts, protected: &Protected, config: &SipConfig) -> Media {
    let (kind, formats): (_, Vec<u8>) = match line.medium {
        Medium::Audio => (MediaType::Audio, SOUND.iter().chain(&EVENTS).map(|(_, pt)| *pt).collect()),
        Medium::Video => (MediaType::Video, pictures(config).map(|(_, pt)| pt).collect()),
    };
    let formats: Vec<String> = formats.iter().map(u8::to_string).collect();
    let mut media = Media::new(kind, ports.rtp.port(), protected.proto(), formats.join(" "));
    match line.medium {
        Medium::Audio => {
            SOUND.iter().for_each(|(codec, pt)| answer::describe(&mut media, Format::Audio(*codec), *pt));
            EVENTS
                .iter()
                .for_each(|(codec, pt)| answer::describe_events(&mut media, *pt, codec.clock_rate().hz()));
            media.add_attribute_with_value("ptime", PTIME_MS);
        }
        Medium::Video => {
            media.add_bandwidth(Bandwidth::new(BandwidthType::As, u64::from(config.receive_kbps_max)));
            for (format, pt) in pictures(config) {
                answer::describe(&mut media, format, pt);
                answer::describe_feedback(&mut media, pt, Feedback { pli: true, fir: true });
            }
        }
    }
    protected.describe(&mut media, SocketAddr::new(config.advertised, ports.rtp.port()));
    answer::describe_rtcp(&mut media, ports, ports.are_shared());
    media.add_attribute_from_str("sendrecv");
    media
}

fn pictures(config: &SipConfig) -> impl Iterator<Item = (Format, u8)> + '_ {
    PICTURES.iter().filter(|(codec, ..)| config.video_codecs.contains(codec)).map(|(codec, pt, mode)| {
        let h264 = H264Format { profile_level_id: H264_OFFERED, packetization_mode: *mode };
        let format = match codec {
            VideoCodec::H264 => Format::H264(narrow::h264_answered(h264), true),
            other => Format::Video(*other),
        };
        (format, *pt)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::super::tests::negotiated::negotiating;
    use super::*;

    const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
    const NOW: Mono = Mono::from_millis(1_000);

    fn offer(config: SipConfig) -> Result<(SipOffer, String), NegotiateError> {
        let mut next = 40_000;
        let mut open = |shared: bool| {
            let port = |port| SocketAddr::new([10, 0, 0, 1].into(), port);
            let ports = LocalPorts { rtp: port(next), rtcp: port(if shared { next } else { next + 1 }) };
            next += 2;
            Ok(ports)
        };
        SipOffer::make(config, &mut open)
    }

    /// A room system's answer: the weakest suite, G.722 and H.264 of a low level in mode 0.
    fn answered() -> String {
        format!(
            "v=0\r\no=room 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
             m=audio 50000 RTP/SAVP 9 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
             a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n\
             m=video 50002 RTP/SAVP 98\r\na=rtpmap:98 H264/90000\r\na=fmtp:98 profile-level-id=42e00d\r\n\
             a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n"
        )
    }

    fn settled(answer: &str) -> Result<SipPeer, NegotiateError> {
        offer(config()).expect("an offer").0.settle(answer, NOW)
    }

    #[test]
    fn everything_that_we_speak_is_offered() {
        let (_, sdp) = offer(config()).expect("an offer");
        for line in [
            "c=IN IP4 203.0.113.1",
            "m=audio 40000 RTP/SAVP 96 9 8 0 102 101",
            "a=rtpmap:96 opus/48000/2",
            "a=rtpmap:9 G722/8000",
            "a=rtpmap:101 telephone-event/8000",
            "a=rtcp:40001",
            "m=video 40002 RTP/SAVP 97 98 99",
            "a=fmtp:97 level-asymmetry-allowed=1;profile-level-id=42e028;packetization-mode=1",
            "a=fmtp:98 level-asymmetry-allowed=1;profile-level-id=42e028;packetization-mode=0",
            "a=rtpmap:99 VP8/90000",
            "a=rtcp-fb:97 nack pli",
            "a=sendrecv",
        ] {
            assert!(sdp.lines().any(|told| told == line), "{line} is not in\n{sdp}");
        }
        let keys: Vec<&str> = sdp.lines().filter_map(|line| line.strip_prefix("a=crypto:")).collect();
        assert_eq!(keys.len(), 6);
        assert!(
            keys[0].starts_with("1 AEAD_AES_256_GCM ") && keys[0] != keys[3],
            "each line has keys of its own"
        );
        // What we offer we would take: the control of all that is refused below.
        assert!(Plan::make(&sdp.replace("203.0.113.1", "198.51.100.7"), &config()).is_ok());
    }

    #[test]
    fn an_answer_makes_a_peer_of_what_it_chose() {
        let peer = settled(&answered()).expect("agreed");
        let sound = peer.line(Line::MAIN_AUDIO).expect("sound");
        assert_eq!((sound.send_audio, sound.send_audio_codec()), (Some(9), Some(AudioCodec::G722)));
        let picture = peer.line(Line::MAIN_VIDEO).expect("a picture").send_video.expect("sent");
        assert_eq!((picture.payload_type, picture.limits.macroblocks_max), (98, 396));
        let ports: Vec<u16> = peer.ports().map(|address| address.port()).collect();
        assert_eq!(ports, [40_000, 40_001, 40_002, 40_003]);
        let telephone = settled(&answered().replace("m=video 50002", "m=video 0")).expect("agreed");
        assert_eq!(telephone.ports().count(), 2, "the ports of a line that was turned down are nobody's");
    }

    #[test]
    fn a_browser_is_offered_a_handshake_over_ice_and_nothing_else() {
        let (_, sdp) = offer(SipConfig { browser: true, ..negotiating() }).expect("an offer");
        for line in ["m=audio 40000 UDP/TLS/RTP/SAVPF 96 9 8 0 102 101", "a=setup:actpass", "a=rtcp-mux"] {
            assert!(sdp.lines().any(|told| told == line), "{line} is not in\n{sdp}");
        }
        for name in ["fingerprint:sha-256 ", "ice-ufrag:", "ice-pwd:", "candidate:1 1 UDP "] {
            let mut told = sdp.lines().filter(|line| line.starts_with(&format!("a={name}")));
            let (sound, picture) = (told.next().expect(name), told.next().expect(name));
            assert!(sound != picture && told.next().is_none(), "each line has its own");
        }
        assert!(!sdp.contains("crypto") && !sdp.contains("a=rtcp:"), "{sdp}");
        let (_, sdp) = offer(SipConfig { browser: true, secure: false, plain_rtp: true, ..negotiating() })
            .expect("an offer");
        assert!(!sdp.contains("fingerprint"), "in the clear a fingerprint is worth nothing");
    }

    #[test]
    fn what_does_not_answer_the_offer_is_no_session() {
        let cases = [
            (String::new(), "it is not SDP"),
            (answered().replace("a=crypto:3", "a=crypto:1"), "another offer"),
            (answered().replace("98", "97"), "another offer"),
            (answered().replace("G722/8000", "PCMA/8000"), "another offer"),
            (answered().replace("RTP/SAVP", "RTP/AVP").replace("a=crypto", "a=x"), "must be encrypted"),
            (
                answered().replace("m=audio 50000", "m=audio 0").replace("m=video 50002", "m=video 0"),
                "no sound and no picture",
            ),
            (answered().replace("G722/8000", "G729/8000").replace("H264", "H263"), "no common codec"),
        ];
        assert!(settled(&answered()).is_ok(), "the control");
        for (answer, reason) in cases {
            let error = settled(&answer).expect_err(reason).to_string();
            assert!(error.contains(reason), "{error}");
        }
        let order = answered();
        let (head, media) = order.split_at(order.find("m=audio").expect("sound"));
        let (sound, picture) = media.split_at(media.find("m=video").expect("a picture"));
        assert!(settled(&format!("{head}{picture}{sound}")).is_err(), "the lines change places");
    }

    #[test]
    fn in_the_clear_nothing_is_offered_and_in_a_call_ports_and_name_stay() {
        assert!(matches!(
            offer(SipConfig { secure: false, ..config() }),
            Err(NegotiateError::Unacceptable { .. })
        ));
        let first = settled(&answered()).expect("agreed");
        let standing = Some(first.standing());
        let (again, sdp) = offer(SipConfig { standing, ..config() }).expect("an offer");
        assert!(sdp.contains("m=audio 40000 ") && sdp.contains("m=video 40002 "), "{sdp}");
        let peer = again.settle(&answered(), NOW).expect("agreed");
        assert_eq!(
            peer.standing(),
            Standing { origin: SdpOrigin { version: 2, ..first.origin }, ..first.standing() }
        );
    }
}
