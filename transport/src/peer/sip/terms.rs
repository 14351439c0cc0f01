//! Terms: what is agreed for a line whose keys come of a DTLS handshake (RFC 5763), read from an offer and written into its answer.
//!
//! Flow: `protection` -> **here** -> `answer`, `link`, and `standing` for the session that follows. Pure, but for a new certificate and new credentials of ICE.

use super::super::negotiate::NegotiateError;
use super::fingerprint::{Fingerprints, Identity};
use super::handshake::Role;
use super::ice::{Credentials, IceOffered, IceTerms};
use super::offer::SipConfig;
use super::{no_randomness, refused};
use sdp_types::{AttributeError, Media, Session, Setup, TypedAttribute};
use std::net::SocketAddr;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) identity: Identity,
    pub(super) role: Role,
    pub(super) theirs: Fingerprints,
    pub(super) ice: Option<IceTerms>,
    /// The device wants ICE, and somebody between has made that impossible.
    mismatch: bool,
    /// What the device said of who begins.
    setup: Setup,
    /// Where SDP says that media go.
    at: SocketAddr,
    /// What the device calls the association (RFC 8842 §5.1).
    tls_id: Option<String>,
}

/// An attribute of the line, or of the whole session where the line has none.
pub(super) fn typed<T: TypedAttribute>(
    media: &Media,
    session: &Session,
) -> Option<Result<T, AttributeError>> {
    media.get_first_attribute_typed::<T>().or_else(|| session.get_first_attribute_typed::<T>())
}

/// Whether there is anything to begin a handshake by.
pub(super) fn are_offered(media: &Media, session: &Session) -> bool {
    media.has_attribute("fingerprint") || session.has_attribute("fingerprint")
}

impl Terms {
    /// What `media` asks for, whose packets are to go to `at`.
    ///
    /// # Errors
    /// `Unacceptable` where it lacks what makes it safe, or one port for everything; `Invalid` when it cannot be read.
    pub(super) fn of(
        media: &Media,
        session: &Session,
        at: SocketAddr,
        config: &SipConfig,
    ) -> Result<Self, NegotiateError> {
        if config.clock.is_none() {
            return Err(refused("DTLS-SRTP is not spoken here"));
        }
        // Whoever can change SDP on its way can put its own fingerprint there (RFC 5763 §7.1).
        if !config.secure && !config.plain_rtp {
            return Err(refused("fingerprints need signalling over TLS"));
        }
        if !media.has_attribute("rtcp-mux") {
            return Err(refused("DTLS-SRTP needs rtcp-mux"));
        }
        let theirs = Fingerprints::of(media, session);
        let theirs = theirs.ok_or_else(|| refused("no fingerprint by SHA-256 or better"))?;
        // RFC 4145 §4: whoever offers and says nothing begins.
        let setup = typed::<Setup>(media, session).unwrap_or(Ok(Setup::Active));
        let setup = setup.map_err(|_| NegotiateError::Invalid { reason: "who begins the handshake" })?;
        let (ice, mismatch) = match IceOffered::of(media, session, at)? {
            IceOffered::None => (None, false),
            IceOffered::Mismatch => (None, true),
            IceOffered::Ice(terms) => (Some(terms), false),
        };
        let role = match setup {
            Setup::Active => Role::Passive,
            Setup::Passive => Role::Active,
            // Over a path that ICE has proven whoever answers should begin (RFC 5763 §5). Without one nothing is sent to where only SDP
            // says that somebody is; and a device behind a NAT is reached by answering it.
            Setup::ActPass if ice.is_some() => Role::Active,
            Setup::ActPass => Role::Passive,
            Setup::HoldConn => return Err(refused("setup:holdconn asks for no connection")),
        };
        let tls_id = media.get_first_attribute_value("tls-id").flatten().map(str::to_owned);
        let identity = Identity::new().ok_or_else(no_randomness)?;
        Ok(Self { identity, role, theirs, ice, mismatch, setup, at, tls_id })
    }

    /// Writes our half; `here` is where the line can be reached.
    pub(super) fn describe(&self, media: &mut Media, here: SocketAddr) {
        media.add_attribute_with_value("fingerprint", self.identity.attribute());
        media.add_attribute_with_value("setup", self.role.as_str());
        match &self.ice {
            Some(ice) => ice.describe(media, here),
            None if self.mismatch => media.add_attribute_from_str("ice-mismatch"),
            None => {}
        }
    }

    /// Stays with the association `before`, if the offer is still of that one: the same certificate, no restart of ICE, and nothing else that makes it
    /// another (RFC 8842 §4, and RFC 5763 §6.6 for devices that know of no `tls-id`).
    pub(super) fn follow(&mut self, before: &Self) {
        let path = match (&self.ice, &before.ice) {
            (Some(ice), Some(before)) => ice.is_of(before),
            // An unspecified address is a way to say hold (RFC 3264 §8.4).
            (None, None) => self.at == before.at || self.at.ip().is_unspecified(),
            _ => false,
        };
        let role = match self.setup {
            Setup::ActPass => true,
            Setup::Active => before.role == Role::Passive,
            _ => before.role == Role::Active,
        };
        if !path || !role || self.theirs != before.theirs || self.tls_id != before.tls_id {
            return;
        }
        (self.identity, self.role) = (before.identity.clone(), before.role);
        if let (Some(ice), Some(before)) = (&mut self.ice, &before.ice) {
            ice.follow(before);
        }
        if self.at.ip().is_unspecified() {
            self.at = before.at;
        }
    }

    /// Whether this is the association of `before`. A certificate is made for one.
    pub(super) fn are_of(&self, before: &Self) -> bool {
        self.identity == before.identity
    }
}

/// Our half of terms, in an offer of ours: a handshake over a path that ICE has found, whoever begins it.
#[derive(Debug)]
pub(super) struct Proposed {
    identity: Identity,
    ice: Credentials,
}

impl Proposed {
    /// A new one; `None` when the system has no randomness to give.
    pub(super) fn new() -> Option<Self> {
        Some(Self { identity: Identity::new()?, ice: Credentials::new()? })
    }

    /// Writes it; `here` is where the line can be reached.
    pub(super) fn describe(&self, media: &mut Media, here: SocketAddr) {
        media.add_attribute_with_value("fingerprint", self.identity.attribute());
        media.add_attribute_with_value("setup", "actpass");
        self.ice.describe(media, here);
    }

    /// What the answer, read as if it were an offer, makes of it; `None` when it does not say who begins (RFC 5763 §5), or has no ICE.
    pub(super) fn agreed(self, mut answer: Terms) -> Option<Terms> {
        if !matches!(answer.setup, Setup::Active | Setup::Passive) {
            return None;
        }
        answer.ice.as_mut()?.answer(self.ice);
        answer.identity = self.identity;
        Some(answer)
    }
}
