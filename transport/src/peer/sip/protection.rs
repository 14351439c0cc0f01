//! Protection: how the packets of a line are kept from others, as its offer has it.
//!
//! Flow: `offer` -> **here** -> `answer`, `leg`. Pure. The line's profile decides; where it leaves a choice, a handshake comes before keys in SDP, which
//! every proxy on the way has read, and both before nothing.

use super::super::negotiate::NegotiateError;
use super::offer::SipConfig;
use super::refused;
use super::sdes::Chosen;
use super::terms::{self, Terms};
use sdp_types::{Media, Session, TransportProto};
use std::net::SocketAddr;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Protection {
    /// None.
    Plain,
    /// SRTP with the keys of SDP.
    Sdes(Chosen),
    /// SRTP with keys of a DTLS handshake.
    Dtls(Box<Terms>),
}

impl Protection {
    /// What `media` offers, whose packets are to go to `at`.
    ///
    /// # Errors
    /// `Unacceptable` where it does not protect them well enough; `Invalid` when it cannot be read.
    pub(super) fn of(
        media: &Media,
        session: &Session,
        at: SocketAddr,
        config: &SipConfig,
    ) -> Result<Self, NegotiateError> {
        let sdes = || config.secure.then(|| Chosen::of(media)).flatten().map(Self::Sdes);
        let dtls = || Terms::of(media, session, at, config).map(|terms| Self::Dtls(Box::new(terms)));
        let handshake_offered = terms::are_offered(media, session);
        match media.parse_transport_proto() {
            TransportProto::UdpTlsRtpSavp | TransportProto::UdpTlsRtpSavpf => dtls(),
            TransportProto::RtpSavp | TransportProto::RtpSavpf => match sdes() {
                Some(sdes) => Ok(sdes),
                // Devices from before RFC 5764 had a profile of its own.
                None if handshake_offered => dtls(),
                None if !config.secure => Err(refused("keys in SDP need signalling over TLS")),
                None => Err(refused("no common SRTP crypto suite")),
            },
            // Keys or a fingerprint beside a profile that does without are an offer of SRTP to whoever can (RFC 8643 §3.1).
            TransportProto::RtpAvp | TransportProto::RtpAvpf => {
                let handshake = if handshake_offered { dtls().ok() } else { None };
                match handshake.or_else(sdes) {
                    Some(srtp) => Ok(srtp),
                    None if config.plain_rtp => Ok(Self::Plain),
                    None => Err(refused("media must be encrypted (SRTP)")),
                }
            }
            _ => Err(refused("the transport of the media is not spoken")),
        }
    }

    pub(super) const fn is_srtp(&self) -> bool {
        !matches!(self, Self::Plain)
    }

    /// Whether it holds against whoever is on the way: where signalling can be read keys in it are not taken, but where it can be changed a
    /// fingerprint is worth nothing.
    pub(super) fn is_secured(&self, config: &SipConfig) -> bool {
        match self {
            Self::Plain => false,
            Self::Sdes(_) => true,
            Self::Dtls(_) => config.secure,
        }
    }

    pub(super) fn has_ice(&self) -> bool {
        matches!(self, Self::Dtls(terms) if terms.ice.is_some())
    }

    /// Stays with what was told `before`, if the far end stays with its own.
    pub(super) fn follow(&mut self, before: &Self) {
        match (self, before) {
            (Self::Sdes(keys), Self::Sdes(before)) => keys.follow(before),
            (Self::Dtls(terms), Self::Dtls(before)) => terms.follow(before),
            _ => {}
        }
    }

    /// Whether the far end seals with what it sealed with `before`.
    pub(super) fn goes_on(&self, before: &Self) -> bool {
        match (self, before) {
            (Self::Plain, Self::Plain) => true,
            (Self::Sdes(keys), Self::Sdes(before)) => keys.theirs() == before.theirs(),
            (Self::Dtls(terms), Self::Dtls(before)) => terms.are_of(before),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::offer::Plan;
    use super::super::tests::config;
    use super::super::tests::negotiated::negotiating;
    use super::*;

    const CRYPTO: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
    const PRINT: &str = "a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:\
        10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:1e:1f";
    const MUX: &str = "a=rtcp-mux";

    /// What becomes of a telephone's line with these attributes.
    fn of(profile: &str, lines: &[&str], config: &SipConfig) -> String {
        let head = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n";
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        match Plan::make(&format!("{head}m=audio 4000 {profile} 8\r\n{lines}"), config) {
            Ok(plan) => match &plan.taken[0].protection {
                Protection::Plain => "plain".to_owned(),
                Protection::Sdes(_) => "sdes".to_owned(),
                Protection::Dtls(terms) => format!("dtls, {}", terms.role.as_str()),
            },
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_profile_decides_and_where_it_leaves_a_choice_a_handshake_comes_first() {
        let of = |profile, lines: &[&str]| of(profile, lines, &negotiating());
        for profile in ["UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"] {
            assert_eq!(of(profile, &[PRINT, MUX]), "dtls, passive", "{profile}");
            assert!(of(profile, &[CRYPTO, MUX]).contains("no fingerprint"), "{profile}");
        }
        assert_eq!(of("RTP/SAVP", &[CRYPTO, PRINT, MUX]), "sdes");
        assert_eq!(of("RTP/SAVPF", &[PRINT, MUX]), "dtls, passive");
        assert!(of("RTP/SAVP", &[MUX]).contains("no common SRTP crypto suite"));
        assert_eq!(of("RTP/AVP", &[CRYPTO, PRINT, MUX]), "dtls, passive");
        assert_eq!(of("RTP/AVP", &[CRYPTO, PRINT]), "sdes", "a handshake needs one port for everything");
        assert_eq!(of("RTP/AVPF", &[PRINT, MUX]), "dtls, passive");
        assert!(of("RTP/AVP", &[PRINT]).contains("must be encrypted"));
        assert!(of("TCP/TLS/RTP/SAVP", &[PRINT, MUX]).contains("not spoken"));
    }

    #[test]
    fn who_begins_is_as_offered_and_otherwise_whoever_is_sure_to_be_reached() {
        let ice = ["a=ice-ufrag:abcd", "a=ice-pwd:0123456789abcdef0123456789"];
        let of = |lines: &[&str]| {
            let all: Vec<&str> = [PRINT, MUX].iter().chain(lines).copied().collect();
            of("UDP/TLS/RTP/SAVP", &all, &negotiating())
        };
        assert_eq!(of(&["a=setup:actpass"]), "dtls, passive");
        assert_eq!(of(&["a=setup:actpass", ice[0], ice[1]]), "dtls, active");
        assert_eq!(of(&["a=setup:active", ice[0], ice[1]]), "dtls, passive");
        assert_eq!(of(&["a=setup:passive"]), "dtls, active");
        assert_eq!(of(&[]), "dtls, passive", "whoever offers and says nothing begins");
        assert!(of(&["a=setup:holdconn"]).contains("asks for no connection"));
        assert!(of(&["a=setup:perhaps"]).contains("who begins"));
        assert!(of(&["a=setup:active", ice[0]]).contains("credentials of ICE"));
    }

    #[test]
    fn what_makes_a_handshake_worthless_is_refused() {
        let strict = negotiating();
        let dtls = |config: &SipConfig, lines: &[&str]| of("UDP/TLS/RTP/SAVP", lines, config);
        assert_eq!(dtls(&strict, &[PRINT, MUX]), "dtls, passive", "the control");
        assert!(dtls(&strict, &[PRINT]).contains("needs rtcp-mux"));
        assert!(dtls(&strict, &["a=fingerprint:sha-1 00:01", MUX]).contains("no fingerprint"));
        assert!(
            dtls(&strict, &[&PRINT[..PRINT.len() - 3], MUX]).contains("no fingerprint"),
            "one byte short"
        );
        assert!(dtls(&config(), &[PRINT, MUX]).contains("not spoken"), "without a clock");
        // Where signalling can be changed it is better than nothing, for those who take nothing; and it is not called secure.
        let clear = SipConfig { secure: false, ..negotiating() };
        assert!(dtls(&clear, &[PRINT, MUX]).contains("signalling over TLS"));
        let loosened = SipConfig { plain_rtp: true, ..clear };
        assert_eq!(dtls(&loosened, &[PRINT, MUX]), "dtls, passive");
        assert_eq!(of("RTP/AVP", &[PRINT, MUX], &loosened), "dtls, passive");
        assert!(of("RTP/SAVP", &[CRYPTO], &loosened).contains("keys in SDP"));
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
             m=audio 4000 UDP/TLS/RTP/SAVP 8\r\n{PRINT}\r\n{MUX}\r\n"
        );
        let secured = |config: &SipConfig| {
            Plan::make(&sdp, config).expect("taken").taken[0].protection.is_secured(config)
        };
        assert!(secured(&strict) && !secured(&loosened));
    }
}
