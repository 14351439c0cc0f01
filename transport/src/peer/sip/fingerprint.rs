//! Fingerprint: what SDP says a certificate is known by (RFC 8122), the far end's and ours.
//!
//! Flow: `terms` -> **here** -> `handshake`. Pure. Certificates are made for one line and one session and signed by nobody: the fingerprint is all that tells the
//! device from whoever answers in its place, so that it is worth what the way that SDP came by is. Bounds: `SIP_FINGERPRINTS_MAX`.

use aws_lc_rs::digest;
use dimpl::DtlsCertificate;
use dimpl::certificate::generate_self_signed_certificate;
use mcu_core::limits::SIP_FINGERPRINTS_MAX;
use sdp_types::{Fingerprint, HashFunc, Media, Session};

/// A hash that we believe, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// `None` for SHA-1 and what is older (RFC 8122 §5), and for what nobody knows.
    const fn of(named: &HashFunc) -> Option<Self> {
        match named {
            HashFunc::Sha256 => Some(Self::Sha256),
            HashFunc::Sha384 => Some(Self::Sha384),
            HashFunc::Sha512 => Some(Self::Sha512),
            _ => None,
        }
    }

    const fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

/// What the far end's certificate must hash to: any of these, by the strongest hash that it named (RFC 8122 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fingerprints {
    hash: Hash,
    digests: Vec<Vec<u8>>,
}

impl Fingerprints {
    /// Those of `media`, or of the whole session where it has none of its own. `None` when there are none that we believe, or one that
    /// cannot be read.
    pub(super) fn of(media: &Media, session: &Session) -> Option<Self> {
        let mut all: Vec<_> = media.attributes_typed::<Fingerprint>().take(SIP_FINGERPRINTS_MAX).collect();
        if all.is_empty() {
            all.extend(session.attributes_typed::<Fingerprint>().take(SIP_FINGERPRINTS_MAX));
        }
        let mut strongest: Option<Self> = None;
        for told in all {
            let told = told.ok()?;
            let Some(hash) = Hash::of(&told.hash_func) else { continue };
            if told.fingerprint.len() != hash.algorithm().output_len() {
                return None;
            }
            match &mut strongest {
                Some(best) if best.hash == hash => best.digests.push(told.fingerprint),
                Some(best) if best.hash > hash => {}
                best => *best = Some(Self { hash, digests: vec![told.fingerprint] }),
            }
        }
        strongest
    }

    /// Whether `certificate` (DER) is the one that was told.
    pub(super) fn are_of(&self, certificate: &[u8]) -> bool {
        let digest = digest::digest(self.hash.algorithm(), certificate);
        self.digests.iter().any(|told| told == digest.as_ref())
    }
}

/// A certificate of ours with its key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Identity {
    certificate: Vec<u8>,
    private_key: Vec<u8>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Identity {
    /// A new one, ECDSA by P-256 as WebRTC's are (RFC 8827 §6.5); `None` when the library makes none.
    pub(super) fn new() -> Option<Self> {
        let DtlsCertificate { certificate, private_key } = generate_self_signed_certificate().ok()?;
        Some(Self { certificate, private_key })
    }

    /// The value of `a=fingerprint`.
    pub(super) fn attribute(&self) -> String {
        let digest = digest::digest(&digest::SHA256, &self.certificate);
        Fingerprint::with_fingerprint(HashFunc::Sha256, digest.as_ref().iter().copied()).to_string()
    }

    /// As the DTLS library takes it.
    pub(super) fn certificate(&self) -> DtlsCertificate {
        DtlsCertificate { certificate: self.certificate.clone(), private_key: self.private_key.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sdp_types::{MediaType, Origin, TransportProto};

    fn session(lines: &[&str]) -> Session {
        let mut session = Session::new(Origin::with_ip_addr(1, 1, std::net::Ipv4Addr::LOCALHOST), "-");
        lines.iter().for_each(|line| session.add_attribute_with_value("fingerprint", line));
        session
    }

    fn media(lines: &[&str]) -> Media {
        let mut media = Media::new(MediaType::Audio, 4_000, TransportProto::UdpTlsRtpSavp, "0");
        lines.iter().for_each(|line| media.add_attribute_with_value("fingerprint", line));
        media
    }

    fn of(lines: &[&str]) -> Option<Fingerprints> {
        Fingerprints::of(&media(lines), &session(&[]))
    }

    fn told(name: &str, algorithm: &'static digest::Algorithm, certificate: &[u8]) -> String {
        let digest = digest::digest(algorithm, certificate);
        let hex: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{name} {}", hex.join(":"))
    }

    #[test]
    fn a_certificate_is_the_one_that_was_told_by_the_strongest_hash_and_no_other() {
        let ours = Identity::new().expect("a certificate");
        let (mine, other) =
            (ours.certificate().certificate, Identity::new().expect("another").certificate().certificate);
        assert!(of(&[&ours.attribute()]).expect("readable").are_of(&mine));
        assert!(!of(&[&ours.attribute()]).expect("readable").are_of(&other));
        for (name, algorithm) in
            [("SHA-256", &digest::SHA256), ("sha-384", &digest::SHA384), ("sha-512", &digest::SHA512)]
        {
            let told = told(name, algorithm, &mine);
            let all = of(&[&told]).expect(name);
            assert!(all.are_of(&mine) && !all.are_of(&other), "{name}");
        }
        let (weak, strong) =
            (told("sha-256", &digest::SHA256, &other), told("sha-512", &digest::SHA512, &mine));
        let both = of(&[&weak, &strong]).expect("readable");
        assert!(both.are_of(&mine) && !both.are_of(&other), "the weaker is not asked");
        let (one, two) = (told("sha-256", &digest::SHA256, &mine), told("sha-256", &digest::SHA256, &other));
        let either = of(&[&one, &two]).expect("readable");
        assert!(either.are_of(&mine) && either.are_of(&other), "two certificates by one hash");
    }

    #[test]
    fn what_is_weak_or_cannot_be_read_is_no_fingerprint() {
        let good = Identity::new().expect("a certificate").attribute();
        assert!(of(&[&good]).is_some() && of(&["sha-1 00:11", &good]).is_some(), "the controls");
        let short = good.rsplit_once(':').expect("it has many").0.to_owned();
        for refused in [
            &["sha-1 00:11"][..],
            &["md5 00"],
            &[&short],
            &["sha-256"],
            &["sha-256 XY:00"],
            &[&good, &short],
            &[],
        ] {
            assert!(of(refused).is_none(), "{refused:?}");
        }
    }

    #[test]
    fn a_line_without_has_the_sessions() {
        let (line, whole) = (Identity::new().expect("one"), Identity::new().expect("another"));
        let session = session(&[&whole.attribute()]);
        let of = |lines: &[&str]| Fingerprints::of(&media(lines), &session).expect("readable");
        assert!(of(&[]).are_of(&whole.certificate));
        assert!(
            of(&[&line.attribute()]).are_of(&line.certificate)
                && !of(&[&line.attribute()]).are_of(&whole.certificate)
        );
        assert!(!format!("{line:?}").contains("key"), "{line:?}");
    }
}
