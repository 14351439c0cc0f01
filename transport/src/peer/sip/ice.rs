//! ICE of one line (RFC 8445), by str0m's agent: which of the device's addresses reach us and we them, and whether they still do.
//!
//! Flow: SDP -> [`IceTerms`] -> `terms`; STUN datagrams and time -> [`Ice`] -> checks, and the address to send to. Thread: io. A full agent, controlled by whoever
//! offers (the one who called chooses), one component: RTCP shares the port. Consent (RFC 7675) is the agent's own checks of the pair in use.
//! Bounds: `SIP_ICE_CANDIDATES_MAX` candidates, `SIP_ICE_SOURCES_MAX` sources of signed checks, [`PAIRS_MAX`] pairs. What is not signed changes nothing.

use super::super::negotiate::NegotiateError;
use super::super::seen::{SeenChecks, is_binding_request, stun_transaction};
use super::terms::typed;
use bytes::Bytes;
use mcu_core::limits::{SIP_ICE_CANDIDATES_MAX, SIP_ICE_SOURCES_MAX};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use sdp_types::{Candidate as Told, CandidateAddress, CandidateType, IcePwd, IceUfrag, Media, Session};
use std::net::SocketAddr;
use std::time::Instant;
use str0m::ice::{IceAgent, IceAgentEvent, IceCreds, StunMessage, StunPacket};
use str0m::net::Protocol;
use str0m::{Candidate, CandidateKind};

/// Lines of candidates that are looked at; those of the other family and of TCP are among them.
const CANDIDATE_LINES_MAX: usize = 64;
/// Pairs that are checked: each candidate, and as many addresses that were not told (RFC 8445 §7.3.1.3).
const PAIRS_MAX: usize = SIP_ICE_CANDIDATES_MAX + SIP_ICE_SOURCES_MAX;
/// Characters of 6 bits: RFC 8445 §5.3 asks for 24 bits of the one and 128 of the other.
const UFRAG_CHARS: usize = 8;
const PASSWORD_CHARS: usize = 24;
/// Of the only candidate there is: host, first address, first component (RFC 8445 §5.1.2.1).
const PRIORITY: u32 = (126 << 24) | (65_535 << 8) | 255;

/// What checks are signed with.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    ufrag: String,
    password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Credentials {
    /// New ones, from the system's own randomness; `None` when it has none to give. The library's are of a generator that can be foretold.
    pub(super) fn new() -> Option<Self> {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut random = [0; UFRAG_CHARS + PASSWORD_CHARS];
        OsRng.try_fill_bytes(&mut random).ok()?;
        let mut ufrag: String =
            random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)])).collect();
        let password = ufrag.split_off(UFRAG_CHARS);
        Some(Self { ufrag, password })
    }

    /// The far end's; `None` where it offers no ICE.
    fn of(media: &Media, session: &Session) -> Result<Option<Self>, NegotiateError> {
        let (ufrag, password) = (typed::<IceUfrag>(media, session), typed::<IcePwd>(media, session));
        match (ufrag, password) {
            (None, None) => Ok(None),
            (Some(Ok(ufrag)), Some(Ok(password))) => Ok(Some(Self { ufrag: ufrag.0, password: password.0 })),
            _ => Err(NegotiateError::Invalid { reason: "the credentials of ICE" }),
        }
    }

    /// Writes them as ours; `here` is where the line can be reached.
    pub(super) fn describe(&self, media: &mut Media, here: SocketAddr) {
        media.add_attribute_with_value("ice-ufrag", &self.ufrag);
        media.add_attribute_with_value("ice-pwd", &self.password);
        let (ip, port) = (here.ip(), here.port());
        media.add_attribute_with_value("candidate", format!("1 1 UDP {PRIORITY} {ip} {port} typ host"));
    }

    fn library(&self) -> IceCreds {
        IceCreds { ufrag: self.ufrag.clone(), pass: self.password.clone() }
    }
}

/// An address where the device may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    address: SocketAddr,
    kind: CandidateKind,
    priority: u32,
}

impl Place {
    /// `None` of what we cannot check: names, TCP, a second component, the other family, and addresses of nobody or of many.
    fn of(told: &Told, here: SocketAddr) -> Option<Self> {
        let CandidateAddress::IpAddr(ip) = told.address else { return None };
        let single = !ip.is_unspecified() && !ip.is_multicast() && ip.is_ipv4() == here.is_ipv4();
        let checked = told.component_id == 1 && told.port != 0 && told.transport.eq_ignore_ascii_case("UDP");
        let kind = match told.typ {
            CandidateType::Host => CandidateKind::Host,
            CandidateType::Srflx => CandidateKind::ServerReflexive,
            CandidateType::Prflx => CandidateKind::PeerReflexive,
            CandidateType::Relay => CandidateKind::Relayed,
            CandidateType::Other(_) => return None,
        };
        let priority = u32::try_from(told.priority).ok().filter(|_| single && checked)?;
        Some(Self { address: SocketAddr::new(ip, told.port), kind, priority })
    }

    fn library(self) -> Candidate {
        // The foundation says which candidates share a way; only one of ours could.
        let foundation = self.priority.to_string();
        Candidate::from_parts(
            foundation,
            1,
            Protocol::Udp,
            self.priority,
            self.address,
            self.kind,
            None,
            None,
            None,
        )
    }
}

/// What an offer says of ICE.
#[derive(Debug)]
pub(super) enum IceOffered {
    /// Nothing; or that its end is lite, which leaves the checks to whoever answers with ICE: SDP's own addresses will do for both.
    None,
    /// Somebody on the way has written another address over the media's and left the candidates as they were (RFC 8839 §4.2.5).
    Mismatch,
    /// It wants checks.
    Ice(IceTerms),
}

impl IceOffered {
    /// `default` is where the line says that its media go.
    ///
    /// # Errors
    /// `Invalid` when credentials cannot be read; `Unacceptable` without randomness.
    pub(super) fn of(media: &Media, session: &Session, default: SocketAddr) -> Result<Self, NegotiateError> {
        let Some(theirs) = Credentials::of(media, session)? else { return Ok(Self::None) };
        if session.has_attribute("ice-lite") {
            return Ok(Self::None);
        }
        let told = media.attributes_typed::<Told>().take(CANDIDATE_LINES_MAX).filter_map(Result::ok);
        let mut places: Vec<Place> = told.filter_map(|told| Place::of(&told, default)).collect();
        let elsewhere = places.iter().all(|place| place.address != default);
        if elsewhere && !places.is_empty() && !default.ip().is_unspecified() {
            return Ok(Self::Mismatch);
        }
        places.sort_by_key(|place| std::cmp::Reverse(place.priority));
        places.truncate(SIP_ICE_CANDIDATES_MAX);
        let ours = Credentials::new().ok_or_else(super::no_randomness)?;
        Ok(Self::Ice(IceTerms { ours, theirs, places, controlling: false }))
    }
}

/// What was agreed of ICE for one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IceTerms {
    ours: Credentials,
    theirs: Credentials,
    places: Vec<Place>,
    /// The offer was ours (RFC 8445 §6.1.1).
    controlling: bool,
}

impl IceTerms {
    /// Whether the device has not asked for a restart since (RFC 8445 §9).
    pub(super) fn is_of(&self, before: &Self) -> bool {
        self.theirs == before.theirs
    }

    /// Stays with the credentials that the device was told before, and who controls does.
    pub(super) fn follow(&mut self, before: &Self) {
        (self.ours, self.controlling) = (before.ours.clone(), before.controlling);
    }

    /// Makes them those of an answer, to an offer of ours that told `ours`.
    pub(super) fn answer(&mut self, ours: Credentials) {
        (self.ours, self.controlling) = (ours, true);
    }

    /// Writes them; `here` is where the line can be reached.
    pub(super) fn describe(&self, media: &mut Media, here: SocketAddr) {
        self.ours.describe(media, here);
    }
}

/// The agent of one line.
pub(super) struct Ice {
    agent: IceAgent,
    /// What the device was told: checks arrive there as far as the agent knows.
    here: SocketAddr,
    seen: SeenChecks,
    sources: Vec<SocketAddr>,
    /// There has been a way both ways.
    has_connected: bool,
}

impl Ice {
    /// `None` when the library refuses our own address.
    pub(super) fn new(terms: &IceTerms, here: SocketAddr) -> Option<Self> {
        let signer = str0m::crypto::from_feature_flags().sha1_hmac_provider;
        let mut agent = IceAgent::with_hmac(terms.ours.library(), signer);
        agent.set_max_candidate_pairs(PAIRS_MAX);
        agent.set_controlling(terms.controlling);
        agent.set_remote_credentials(terms.theirs.library());
        agent.add_local_candidate(Candidate::builder().udp().host(here).build().ok()?)?;
        terms.places.iter().for_each(|place| agent.add_remote_candidate(place.library()));
        Some(Self { agent, here, seen: SeenChecks::default(), sources: Vec::new(), has_connected: false })
    }

    /// Takes a STUN message; false when nobody with the password has signed it, or it is one too many.
    pub(super) fn take(&mut self, now: Instant, source: SocketAddr, bytes: &[u8]) -> bool {
        let Some(transaction) = stun_transaction(bytes) else { return false };
        let Ok(message) = StunMessage::parse(bytes) else { return false };
        if !self.agent.accepts_message(&message) {
            return false;
        }
        // Where a check comes from stands in it nowhere: one that was captured says the same from anywhere.
        if is_binding_request(bytes) && !(self.seen.is_fresh(transaction, source) && self.admits(source)) {
            return false;
        }
        let packet = StunPacket { proto: Protocol::Udp, source, destination: self.here, message };
        self.agent.handle_packet(now, packet)
    }

    /// The agent remembers each source for ever.
    fn admits(&mut self, source: SocketAddr) -> bool {
        let known = self.sources.contains(&source);
        if !known && self.sources.len() < SIP_ICE_SOURCES_MAX {
            self.sources.push(source);
            return true;
        }
        known
    }

    /// Lets the agent go on: its checks and answers go to `send`. Returns where to send from now on, if that is news.
    pub(super) fn run(
        &mut self,
        now: Instant,
        send: &mut dyn FnMut(SocketAddr, Bytes),
    ) -> Option<SocketAddr> {
        self.agent.handle_timeout(now);
        while let Some(transmit) = self.agent.poll_transmit() {
            send(transmit.destination, Bytes::from(Vec::from(transmit.contents)));
        }
        let mut chosen = None;
        while let Some(event) = self.agent.poll_event() {
            if let IceAgentEvent::NominatedSend { destination, .. } = event {
                chosen = Some(destination);
            }
        }
        self.has_connected |= self.agent.state().is_connected();
        chosen
    }

    /// When to go on at the latest.
    pub(super) fn due(&mut self) -> Option<Instant> {
        self.agent.poll_timeout()
    }

    /// Whether a check to `source` was answered.
    pub(super) fn reaches(&self, source: SocketAddr) -> bool {
        self.agent.has_viable_remote_candidate(source)
    }

    /// Whether the device answered once and does not any more (RFC 7675 §5.1).
    pub(super) fn has_lost_consent(&self) -> bool {
        self.has_connected && !self.agent.state().is_connected()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sdp_types::{MediaType, Origin, TransportProto};

    const HERE: &str = "198.51.100.7:4000";

    fn offered(session_lines: &[&str], lines: &[&str], default: &str) -> Result<IceOffered, NegotiateError> {
        let split =
            |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut session = Session::new(Origin::with_ip_addr(1, 1, std::net::Ipv4Addr::LOCALHOST), "-");
        for line in session_lines {
            match split(line) {
                Some((name, value)) => session.add_attribute_with_value(name, value),
                None => session.add_attribute_from_str(*line),
            }
        }
        let mut media = Media::new(MediaType::Audio, 4_000, TransportProto::UdpTlsRtpSavp, "0");
        for (name, value) in lines.iter().filter_map(|line| split(line)) {
            media.add_attribute_with_value(name, value);
        }
        IceOffered::of(&media, &session, default.parse().expect("an address"))
    }

    const UFRAG: &str = "ice-ufrag:abcd";
    const PASSWORD: &str = "ice-pwd:0123456789abcdef0123456789";
    const HOST: &str = "candidate:1 1 UDP 2130706431 198.51.100.7 4000 typ host";

    fn places(lines: &[&str]) -> Vec<String> {
        let all: Vec<&str> = [UFRAG, PASSWORD].into_iter().chain(lines.iter().copied()).collect();
        let Ok(IceOffered::Ice(terms)) = offered(&[], &all, HERE) else { panic!("{lines:?}") };
        terms.places.iter().map(|place| place.address.to_string()).collect()
    }

    #[test]
    fn candidates_are_those_that_can_be_checked_the_best_first() {
        let lines = [
            "candidate:2 1 udp 100 203.0.113.9 61000 typ srflx raddr 10.0.0.2 rport 4000",
            HOST,
            "candidate:1 2 UDP 2130706430 198.51.100.7 4001 typ host",
            "candidate:3 1 TCP 2105524479 198.51.100.7 9 typ host tcptype active",
            "candidate:4 1 UDP 2130706431 2001:db8::7 4000 typ host",
            "candidate:5 1 UDP 2130706431 a-name.local 4000 typ host",
            "candidate:6 1 UDP 2130706431 224.0.0.1 4000 typ host",
            "candidate:7 1 UDP 99999999999 198.51.100.8 4000 typ host",
            "candidate:8 1 UDP 5 198.51.100.9 4000 typ guess",
            "candidate:9 one UDP",
        ];
        assert_eq!(places(&lines), [HERE, "203.0.113.9:61000"]);
        let many: Vec<String> = (0..60)
            .map(|n| format!("candidate:{n} 1 UDP {} 198.51.100.7 {} typ host", n + 1, 4_000 + n))
            .collect();
        let most = places(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!((most.len(), most[0].as_str()), (SIP_ICE_CANDIDATES_MAX, "198.51.100.7:4059"));
    }

    #[test]
    fn ice_is_taken_where_it_is_whole_and_nobody_has_meddled() {
        let of = |session: &[&str], lines: &[&str], default| match offered(session, lines, default) {
            Ok(IceOffered::None) => "none",
            Ok(IceOffered::Mismatch) => "mismatch",
            Ok(IceOffered::Ice(_)) => "ice",
            Err(_) => "invalid",
        };
        assert_eq!(of(&[], &[UFRAG, PASSWORD, HOST], HERE), "ice");
        assert_eq!(of(&[UFRAG, PASSWORD], &[HOST], HERE), "ice", "baresip says them of the whole session");
        assert_eq!(of(&[], &[UFRAG, PASSWORD], HERE), "ice", "checks of the device tell its addresses");
        assert_eq!(of(&[], &[UFRAG, PASSWORD, HOST], "0.0.0.0:9"), "ice");
        assert_eq!(of(&[], &[HOST], HERE), "none");
        assert_eq!(of(&["ice-lite"], &[UFRAG, PASSWORD, HOST], HERE), "none");
        assert_eq!(of(&[], &[UFRAG, PASSWORD, HOST], "192.0.2.1:4000"), "mismatch");
        for (ufrag, password) in
            [(UFRAG, "x:"), ("x:", PASSWORD), ("ice-ufrag:abc", PASSWORD), (UFRAG, "ice-pwd:short")]
        {
            assert_eq!(of(&[], &[ufrag, password, HOST], HERE), "invalid", "{ufrag} {password}");
        }
    }

    #[test]
    fn credentials_are_new_each_time_and_are_not_shown() {
        let (one, two) = (Credentials::new().expect("randomness"), Credentials::new().expect("randomness"));
        assert!(one != two && one.ufrag.len() == UFRAG_CHARS && one.password.len() == PASSWORD_CHARS);
        assert!(!format!("{one:?}").contains(&one.password));
    }
}
