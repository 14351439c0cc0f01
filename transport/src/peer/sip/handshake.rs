//! Handshake: DTLS of one line, which gives SRTP its keys (RFC 5764).
//!
//! Flow: `link` -> **here** -> the DTLS library; keys -> `link`. Thread: io. Sans-I/O, and no path of its own: where datagrams may come from and go to is `link`'s business. DTLS 1.2 as in
//! WebRTC: there the library prefers AEAD. Bounds: `webrtc::CONNECT_TIMEOUT` for the whole, the library's own queues (30 records), [`OUTPUT_BYTES_MAX`] for a certificate.

use super::super::webrtc::CONNECT_TIMEOUT;
use super::fingerprint::{Fingerprints, Identity};
use super::sdes::{Key, Suite};
use dimpl::{Config, Dtls, Output, SrtpProfile};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// What the library may have to hand over at once: the far end's certificate. The longest chain of RSA keys has less.
const OUTPUT_BYTES_MAX: usize = 16 * 1024;

/// After how long a flight is said again at first; twice as long each time after. RFC 6347 §4.2.4.1 says a second, and that shorter serves what is waited for: a call is silent until
/// its keys are there.
const FIRST_REPEAT: Duration = Duration::from_millis(400);
/// So many that [`CONNECT_TIMEOUT`] alone ends it (after 50 s these would), by whichever the library counts: it takes what the far end says again off the same number.
const REPEATS_MAX: usize = 6;

/// One for all: making it tests the ciphers. A server asks for a cookie, so that whoever sends a hello in another's name is sent no certificate.
static CONFIG: LazyLock<Option<Arc<Config>>> = LazyLock::new(|| {
    let config = Config::builder().use_server_cookie(true).handshake_timeout(CONNECT_TIMEOUT);
    let config = config.flight_start_rto(FIRST_REPEAT).flight_retries(REPEATS_MAX);
    config.build().ok().map(Arc::new)
});

/// Who begins (RFC 4145 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// We do: the client.
    Active,
    /// The device does.
    Passive,
}

impl Role {
    /// The value of `a=setup` in an answer.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
        }
    }
}

/// Why a line gets no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HandshakeError {
    /// Somebody else has answered.
    #[error("the certificate is not the one that SDP told")]
    OtherCertificate,
    /// No common cipher or kind of key, too many losses, too long.
    #[error("the DTLS handshake failed")]
    Failed,
    /// The handshake is over without SRTP, or by a profile that we do not speak.
    #[error("the DTLS handshake agreed no SRTP")]
    NoSrtp,
}

/// What a handshake comes to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Keys, verified.
    Keys(Keys),
    /// The far end has closed it.
    Goodbye,
}

/// A key for each way.
pub(super) struct Keys {
    pub(super) ours: Key,
    pub(super) theirs: Key,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl Keys {
    /// RFC 5764 §4.2: the client's key, the server's, the client's salt, the server's.
    fn of(role: Role, profile: SrtpProfile, material: &[u8]) -> Option<Self> {
        let (suite, key_bytes) = match profile {
            SrtpProfile::AEAD_AES_256_GCM => (Suite::AeadAes256Gcm, 32),
            SrtpProfile::AEAD_AES_128_GCM => (Suite::AeadAes128Gcm, 16),
            SrtpProfile::AES128_CM_SHA1_80 => (Suite::AesCm128HmacSha1With80, 16),
            _ => return None,
        };
        let (keys, salts) = material.split_at_checked(2 * key_bytes)?;
        let ((client, server), (client_salt, server_salt)) =
            (keys.split_at(key_bytes), salts.split_at(salts.len() / 2));
        let client = Key::of_parts(suite, client, client_salt)?;
        let server = Key::of_parts(suite, server, server_salt)?;
        Some(match role {
            Role::Active => Self { ours: client, theirs: server },
            Role::Passive => Self { ours: server, theirs: client },
        })
    }
}

/// One association.
pub(super) struct Handshake {
    dtls: Dtls,
    role: Role,
    theirs: Fingerprints,
    verified: bool,
    connected: bool,
    due: Instant,
}

impl Handshake {
    /// Nothing leaves before [`run`](Self::run). `None` when the library has no ciphers.
    pub(super) fn new(identity: &Identity, role: Role, theirs: Fingerprints, now: Instant) -> Option<Self> {
        let config = Arc::clone(CONFIG.as_ref()?);
        let mut dtls = Dtls::new_12(config, identity.certificate(), now);
        dtls.set_active(role == Role::Active);
        Some(Self { dtls, role, theirs, verified: false, connected: false, due: now })
    }

    /// Takes a datagram; [`run`](Self::run) afterwards.
    ///
    /// # Errors
    /// `Failed` when the library gives up; what is merely damaged it passes over.
    pub(super) fn take(&mut self, now: Instant, bytes: &[u8]) -> Result<(), HandshakeError> {
        self.dtls.handle_timeout(now).map_err(|_| HandshakeError::Failed)?;
        self.dtls.handle_packet(bytes).map_err(|_| HandshakeError::Failed)
    }

    /// Lets the library go on; its datagrams go to `send`. A far end with another certificate than SDP told is sent nothing more.
    ///
    /// # Errors
    /// See [`HandshakeError`]; the association is of no use then.
    pub(super) fn run(
        &mut self,
        now: Instant,
        send: &mut dyn FnMut(&[u8]),
    ) -> Result<Option<Outcome>, HandshakeError> {
        self.dtls.handle_timeout(now).map_err(|_| HandshakeError::Failed)?;
        let mut outcome = None;
        let mut buffer = vec![0; OUTPUT_BYTES_MAX];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => send(packet),
                Output::PeerCert(certificate) => {
                    self.verified = self.theirs.are_of(certificate);
                    if !self.verified {
                        return Err(HandshakeError::OtherCertificate);
                    }
                }
                Output::Connected => self.connected = true,
                Output::KeyingMaterial(material, profile) => {
                    if !self.verified || !self.connected {
                        return Err(HandshakeError::Failed);
                    }
                    let keys = Keys::of(self.role, profile, &material).ok_or(HandshakeError::NoSrtp)?;
                    outcome = Some(Outcome::Keys(keys));
                }
                Output::CloseNotify => outcome = Some(Outcome::Goodbye),
                Output::BufferTooSmall { .. } => return Err(HandshakeError::Failed),
                Output::Timeout(at) => {
                    self.due = at;
                    return Ok(outcome);
                }
                // Data of an application that nobody has agreed on.
                _ => {}
            }
        }
    }

    /// When to go on at the latest.
    pub(super) const fn due(&self) -> Instant {
        self.due
    }

    /// Says goodbye, where there is somebody to say it to.
    pub(super) fn close(&mut self, send: &mut dyn FnMut(&[u8])) {
        if !self.connected || self.dtls.close().is_err() {
            return;
        }
        let mut buffer = vec![0; OUTPUT_BYTES_MAX];
        while let Output::Packet(packet) = self.dtls.poll_output(&mut buffer) {
            send(packet);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_seals_with_the_key_that_the_other_opens_with() {
        for (profile, bytes) in [
            (SrtpProfile::AEAD_AES_256_GCM, 88),
            (SrtpProfile::AEAD_AES_128_GCM, 56),
            (SrtpProfile::AES128_CM_SHA1_80, 60),
        ] {
            let material: Vec<u8> = (0..bytes).collect();
            let client = Keys::of(Role::Active, profile, &material).expect("as long as it has to be");
            let server = Keys::of(Role::Passive, profile, &material).expect("as long as it has to be");
            assert!(
                client.ours == server.theirs && client.theirs == server.ours && client.ours != server.ours
            );
            assert!(Keys::of(Role::Active, profile, &material[1..]).is_none(), "one byte short");
        }
        // By hand, of the suite with the shortest parts: RFC 5764 §4.2.
        let material: Vec<u8> = (0..60).collect();
        let client = Keys::of(Role::Active, SrtpProfile::AES128_CM_SHA1_80, &material).expect("long enough");
        let expected = Key::of_parts(Suite::AesCm128HmacSha1With80, &material[..16], &material[32..46]);
        assert!(Some(client.ours) == expected);
    }
}
