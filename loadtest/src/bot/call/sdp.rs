//! What a call offers, and what it is answered (RFC 3264): one sound line, perhaps one picture line, one codec each; keys in SDP (RFC 4568) where
//! signalling is secret.
//!
//! Flow: `ring` -> [`Offer`] -> `Call`; the answer's text -> [`Answer`] -> `CallMedia`. Pure. An answer is the server's: what is not an answer to this
//! offer is refused.

use super::CallError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use sdp_types::{BandwidthType, Connection, Crypto, Media, Rtcp, Session};
use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The one crypto suite that every device has (RFC 4568 §6.2.1).
const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";
/// Key and salt of it.
const KEY_BYTES: usize = 30;
/// Payload types without a meaning of their own (RFC 3551 §6).
const OPUS: u8 = 96;
const H264: u8 = 97;
const VP8: u8 = 98;
/// What we take of pictures, in kilobits per second.
const KBPS_MAX: u32 = 2_500;

/// A master key with its salt.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct MasterKey([u8; KEY_BYTES]);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").finish_non_exhaustive()
    }
}

impl MasterKey {
    fn random() -> Result<Self, CallError> {
        let mut bytes = [0; KEY_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| CallError::Library("randomness"))?;
        Ok(Self(bytes))
    }

    fn parse(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }

    pub(super) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a line carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Sound(AudioCodec),
    Picture(VideoCodec),
}

impl Format {
    pub(super) fn payload_type(self) -> u8 {
        match self {
            Self::Sound(codec) => codec.static_payload_type().unwrap_or(OPUS),
            Self::Picture(VideoCodec::H264) => H264,
            Self::Picture(_) => VP8,
        }
    }
}

/// One line of an offer.
#[derive(Debug, Clone)]
pub(super) struct OfferedLine {
    pub(super) format: Format,
    /// Where RTP and RTCP are to come.
    port: u16,
    /// What we seal with; `None`: nothing is sealed.
    pub(super) key: Option<MasterKey>,
}

/// An offer.
#[derive(Debug, Clone)]
pub(in crate::bot) struct Offer {
    ip: IpAddr,
    session: u64,
    pub(super) lines: Vec<OfferedLine>,
}

impl Offer {
    /// Sound, and a picture where there is one, at `at` in this order; `secure`: sealed.
    ///
    /// # Errors
    /// [`CallError::Library`] when there is no randomness for keys.
    pub(in crate::bot) fn new(
        sound: AudioCodec,
        picture: Option<VideoCodec>,
        at: &[SocketAddr],
        secure: bool,
    ) -> Result<Self, CallError> {
        let formats = [Some(Format::Sound(sound)), picture.map(Format::Picture)];
        let lines = formats.into_iter().flatten().zip(at).map(|(format, at)| {
            let key = secure.then(MasterKey::random).transpose()?;
            Ok::<_, CallError>(OfferedLine { format, port: at.port(), key })
        });
        let ip = at.first().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), SocketAddr::ip);
        // RFC 8866 §5.2: any number, but one that fits what counts in 63 bits.
        Ok(Self { ip, session: rand::random::<u64>() >> 2, lines: lines.collect::<Result<_, _>>()? })
    }

    /// As it goes into a body: a secret where there are keys in it.
    pub(in crate::bot) fn text(&self) -> String {
        let ip = self.ip;
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let mut sdp = format!(
            "v=0\r\no=- {} 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n",
            self.session
        );
        self.lines.iter().for_each(|line| line.write(&mut sdp));
        sdp
    }
}

impl OfferedLine {
    fn write(&self, sdp: &mut String) {
        let (port, pt) = (self.port, self.format.payload_type());
        let profile = if self.key.is_some() { "RTP/SAVP" } else { "RTP/AVP" };
        // Writing to a string cannot fail.
        let _ = match self.format {
            Format::Sound(codec) => {
                let channels = if codec == AudioCodec::Opus { "/2" } else { "" };
                write!(
                    sdp,
                    "m=audio {port} {profile} {pt}\r\na=rtpmap:{pt} {}/{}{channels}\r\na=ptime:20\r\n",
                    codec.name(),
                    codec.clock_rate().hz()
                )
            }
            Format::Picture(codec) => {
                // Constrained baseline of level 3.1 (RFC 6184 §8.1): 1280x720 at 30 pictures a second.
                let h264 = "profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1";
                let parameters = match codec {
                    VideoCodec::H264 => format!("a=fmtp:{pt} {h264}\r\n"),
                    VideoCodec::Vp8 | VideoCodec::Vp9 => String::new(),
                };
                write!(
                    sdp,
                    "m=video {port} {profile} {pt}\r\nb=AS:{KBPS_MAX}\r\na=rtpmap:{pt} {}/90000\r\n{parameters}\
                     a=rtcp-fb:{pt} nack pli\r\na=rtcp-fb:{pt} ccm fir\r\n",
                    codec.name()
                )
            }
        };
        if let Some(key) = &self.key {
            let _ = write!(sdp, "a=crypto:1 {SUITE} inline:{}\r\n", STANDARD.encode(key.as_bytes()));
        }
        // Whoever does not take RTP and RTCP on one port is told the same one for both (RFC 3605).
        let _ = write!(sdp, "a=rtcp-mux\r\na=rtcp:{port}\r\na=sendrecv\r\n");
    }
}

/// One line of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::bot) struct AnsweredLine {
    /// Where ours are to go.
    pub(in crate::bot) rtp: SocketAddr,
    pub(super) rtcp: SocketAddr,
    /// What the far end seals with.
    pub(super) key: Option<MasterKey>,
    /// What it takes at most.
    pub(super) kbps_max: Option<u32>,
}

/// An answer: a line for each that was offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::bot) struct Answer {
    pub(in crate::bot) lines: Vec<AnsweredLine>,
}

impl Answer {
    /// Reads the answer to `offer`.
    ///
    /// # Errors
    /// [`CallError::Answer`] when it is none, or turns down the sound or the picture.
    pub(in crate::bot) fn parse(text: &str, offer: &Offer) -> Result<Self, CallError> {
        let session = Session::parse(text.as_bytes()).map_err(|_| CallError::Answer("not SDP"))?;
        if session.medias.len() != offer.lines.len() {
            return Err(CallError::Answer("not as many media lines as were offered"));
        }
        let lines =
            session.medias.iter().zip(&offer.lines).map(|(media, offered)| line(media, &session, offered));
        Ok(Self { lines: lines.collect::<Result<_, _>>()? })
    }
}

fn line(media: &Media, session: &Session, offered: &OfferedLine) -> Result<AnsweredLine, CallError> {
    if media.port == 0 {
        return Err(CallError::Answer(match offered.format {
            Format::Sound(_) => "the sound was turned down",
            Format::Picture(_) => "the picture was turned down",
        }));
    }
    let first = media.fmt.split_whitespace().next().and_then(|pt| pt.parse().ok());
    if first != Some(offered.format.payload_type()) {
        return Err(CallError::Answer("another codec than was offered"));
    }
    let address = |connection: &Connection| connection.try_address().map(|address| address.ip).ok();
    let ip = media.connections.first().or(session.connection.as_ref()).and_then(address);
    let ip = ip.ok_or(CallError::Answer("no address of the media"))?;
    let told = media.get_first_attribute_typed::<Rtcp>().and_then(Result::ok).map(|rtcp| rtcp.port);
    let rtcp = match (media.has_attribute("rtcp-mux"), told) {
        (true, _) => media.port,
        (false, told) => told.unwrap_or_else(|| media.port.saturating_add(1)),
    };
    let is_as = |b: &&sdp_types::Bandwidth| b.bwtype.eq_ignore_ascii_case(BandwidthType::As.as_str());
    let kbps_max = media.bandwidths.iter().find(is_as).and_then(|b| u32::try_from(b.bandwidth).ok());
    Ok(AnsweredLine {
        rtp: SocketAddr::new(ip, media.port),
        rtcp: SocketAddr::new(ip, rtcp),
        key: offered.key.as_ref().map(|_| key(media)).transpose()?,
        kbps_max,
    })
}

/// The key for the one crypto line that was offered.
fn key(media: &Media) -> Result<MasterKey, CallError> {
    let chosen = media.attributes_typed::<Crypto>().filter_map(Result::ok).find(|crypto| {
        crypto.tag == 1
            && crypto.crypto_suite.as_str().eq_ignore_ascii_case(SUITE)
            && crypto.session_params.is_empty()
    });
    let key = chosen.and_then(|crypto| match &crypto.key_params[..] {
        [key] if key.mki_and_length.is_none() => MasterKey::parse(&key.key_and_salt),
        _ => None,
    });
    key.ok_or(CallError::Answer("no key for the suite that was offered"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

    fn offer(picture: Option<VideoCodec>, secure: bool) -> Offer {
        let at = [4_000, 4_002].map(|port| SocketAddr::from(([192, 0, 2, 7], port)));
        Offer::new(AudioCodec::Pcma, picture, &at, secure).expect("there is randomness")
    }

    fn answered() -> String {
        format!(
            "v=0\r\no=mcu 1 1 IN IP4 203.0.113.1\r\ns=-\r\nc=IN IP4 203.0.113.1\r\nt=0 0\r\n\
             m=audio 50000 RTP/SAVP 8\r\na=crypto:1 {SUITE} inline:{KEY}\r\na=rtcp-mux\r\n\
             m=video 50002 RTP/SAVP 97\r\nb=AS:1500\r\na=crypto:1 {SUITE} inline:{KEY}\r\n"
        )
    }

    #[test]
    fn an_offer_names_one_codec_a_line_with_a_key_of_its_own() {
        let offered = offer(Some(VideoCodec::H264), true).text();
        for told in [
            "c=IN IP4 192.0.2.7",
            "m=audio 4000 RTP/SAVP 8",
            "a=rtpmap:8 PCMA/8000",
            "m=video 4002 RTP/SAVP 97",
            "a=rtpmap:97 H264/90000",
            "a=rtcp-fb:97 nack pli",
            "a=rtcp:4002",
        ] {
            assert!(offered.lines().any(|line| line == told), "{told} is not in\n{offered}");
        }
        let keys: Vec<_> = offered.lines().filter(|line| line.starts_with("a=crypto:1 AES_CM")).collect();
        assert!(keys.len() == 2 && keys[0] != keys[1], "{keys:?}");
        let plain = offer(None, false).text();
        assert!(
            plain.contains("m=audio 4000 RTP/AVP 8\r\n")
                && !plain.contains("crypto")
                && !plain.contains("m=video")
        );
        let at = [SocketAddr::from(([192, 0, 2, 7], 4_000))];
        let opus = Offer::new(AudioCodec::Opus, None, &at, false).expect("an offer").text();
        assert!(opus.contains("a=rtpmap:96 opus/48000/2\r\n"), "{opus}");
    }

    #[test]
    fn an_answer_says_where_ours_go_and_what_opens_theirs() {
        let offer = offer(Some(VideoCodec::H264), true);
        let answer = Answer::parse(&answered(), &offer).expect("an answer");
        let [sound, picture] = &answer.lines[..] else { panic!("{answer:?}") };
        let at = |port| SocketAddr::from(([203, 0, 113, 1], port));
        assert_eq!((sound.rtp, sound.rtcp, sound.kbps_max), (at(50_000), at(50_000), None));
        assert_eq!((picture.rtp, picture.rtcp, picture.kbps_max), (at(50_002), at(50_003), Some(1_500)));
        assert!(sound.key.is_some() && !format!("{answer:?}{offer:?}").contains(KEY));
        assert_eq!(
            Answer::parse(&answered(), &offer).ok(),
            Some(answer.clone()),
            "said again, it is the same"
        );
        let moved = Answer::parse(&answered().replace("50000", "50010"), &offer).expect("an answer");
        assert_ne!(moved, answer);
    }

    #[test]
    fn what_does_not_answer_the_offer_is_refused_with_its_reason() {
        let offer = offer(Some(VideoCodec::H264), true);
        assert!(Answer::parse(&answered(), &offer).is_ok(), "the control");
        for (from, to, reason) in [
            ("v=0", "INVITE", "not SDP"),
            ("m=audio 50000", "m=audio 0", "the sound was turned down"),
            ("m=video 50002", "m=video 0", "the picture was turned down"),
            ("SAVP 8", "SAVP 0", "another codec"),
            ("a=crypto:1", "a=crypto:2", "no key"),
            ("AES_CM_128_HMAC_SHA1_80 inline", "AES_CM_128_HMAC_SHA1_32 inline", "no key"),
            ("c=IN IP4 203.0.113.1\r\n", "", "no address"),
        ] {
            let error = Answer::parse(&answered().replace(from, to), &offer).expect_err(reason);
            assert!(error.to_string().contains(reason), "{error}");
        }
        let (sound, _) =
            answered().split_once("m=video").map(|(a, b)| (a.to_owned(), b.to_owned())).expect("two");
        assert!(Answer::parse(&sound, &offer).is_err(), "a line is missing");
    }
}
