//! Digest authentication (RFC 7616; in SIP RFC 3261 §22 and RFC 8760): hashes, challenges, credentials, and whether they fit.
//!
//! Flow: Authorization of a REGISTER -> [`Credentials::find`] -> the registrar, which knows the hash of the password. Pure. Bounds:
//! those of `fields`. Of qualities of protection there is `auth` alone: without one nothing counts how often a nonce was used
//! (RFC 3261 §22.4 takes that from RFC 2069, which RFC 7616 has given up), and `auth-int` devices do not know.
//!
//! The library's digest is not used: it names its algorithms as no standard does ("SHA256"), and counts to 255.

use super::fields::{params, value};
use crate::secret::same;
use aws_lc_rs::digest::{SHA256, SHA512_256, digest};
use md5::{Digest, Md5};
use rsipstack::sip::{Authorization, Header, WwwAuthenticate};

/// How a password is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// RFC 8760's first.
    Sha256,
    /// RFC 8760's second.
    Sha512Half,
    /// Broken for signatures, and fast to guess at; for devices that know no other.
    Md5,
}

impl Algorithm {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha512Half, Self::Md5];
    /// Those that are asked for unless devices must be met half-way.
    pub const GOOD: [Self; 2] = [Self::Sha256, Self::Sha512Half];

    /// As it is written (RFC 7616 §6.1).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Sha512Half => "SHA-512-256",
            Self::Md5 => "MD5",
        }
    }

    /// One of [`Self::ALL`] by its name, in either case; without `-sess`, which is none of ours.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// Hexadecimal digits of a hash.
    pub(super) const fn digits(self) -> usize {
        match self {
            Self::Sha256 | Self::Sha512Half => 64,
            Self::Md5 => 32,
        }
    }

    /// Of `parts` with colons between, as hexadecimal digits.
    pub(super) fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Self::Sha256 => hex(digest(&SHA256, text.as_bytes()).as_ref()),
            Self::Sha512Half => hex(digest(&SHA512_256, text.as_bytes()).as_ref()),
            Self::Md5 => hex(&Md5::digest(text.as_bytes())),
        }
    }
}

/// Asks for credentials (RFC 3261 §20.44); `stale`: those that came may be right, but their nonce is too old.
pub(super) fn challenge(algorithm: Algorithm, realm: &str, nonce: &str, stale: bool) -> Header {
    let stale = if stale { ", stale=true" } else { "" };
    let algorithm = algorithm.name();
    WwwAuthenticate::new(format!(
        "Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}"
    ))
    .into()
}

/// What somebody says to a challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credentials<'a> {
    /// Who it wants to be.
    pub(crate) username: &'a str,
    /// Of which challenge.
    pub(crate) nonce: &'a str,
    /// By which algorithm of it.
    pub(crate) algorithm: Algorithm,
    /// How often it has used that nonce, this time included.
    pub(crate) count: u32,
    uri: &'a str,
    count_text: &'a str,
    cnonce: &'a str,
    response: &'a str,
}

impl<'a> Credentials<'a> {
    /// Those for `realm` among the headers of a request; `None` where there are none that could be checked.
    pub(crate) fn find(headers: impl Iterator<Item = &'a Header>, realm: &str) -> Option<Self> {
        let mut all = headers.filter_map(|header| match header {
            Header::Authorization(Authorization(text)) => Self::parse(text),
            _ => None,
        });
        all.find(|(of, _)| *of == realm).map(|(_, credentials)| credentials)
    }

    /// One Authorization header (RFC 7616 §3.4), and of which realm it is.
    pub(crate) fn parse(text: &'a str) -> Option<(&'a str, Self)> {
        let (scheme, rest) = text.trim_start().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let params = params(rest)?;
        let of = |name| value(&params, name);
        let algorithm = Algorithm::parse(of("algorithm").unwrap_or("MD5"))?;
        let count_text = of("nc")?;
        let is_hex = |text: &str, digits| text.len() == digits && text.bytes().all(|c| c.is_ascii_hexdigit());
        let response = of("response")?;
        let fits = of("qop")?.eq_ignore_ascii_case("auth")
            && is_hex(count_text, 8)
            && is_hex(response, algorithm.digits())
            // RFC 7616 §3.4.4: a hash in place of the name, which is asked for of nobody.
            && of("userhash").is_none_or(|told| told.eq_ignore_ascii_case("false"));
        if !fits {
            return None;
        }
        let credentials = Self {
            username: of("username")?,
            nonce: of("nonce")?,
            algorithm,
            count: u32::from_str_radix(count_text, 16).ok()?,
            uri: of("uri")?,
            count_text,
            cnonce: of("cnonce")?,
            response,
        };
        Some((of("realm")?, credentials))
    }

    /// Whether whoever made these for a request of `method` knew the password behind `ha1` (RFC 7616 §3.4.1).
    pub(crate) fn fit(&self, ha1: &str, method: &str) -> bool {
        let ha2 = self.algorithm.hash(&[method, self.uri]);
        let expected = self.algorithm.hash(&[ha1, self.nonce, self.count_text, self.cnonce, "auth", &ha2]);
        same(expected.as_bytes(), self.response.to_ascii_lowercase().as_bytes())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a device says that knows the password, or believes it does.
    pub(crate) fn authorization(
        (user, password, realm): (&str, &str, &str),
        (algorithm, nonce, count): (Algorithm, &str, u32),
    ) -> String {
        let ha1 = algorithm.hash(&[user, realm, password]);
        let ha2 = algorithm.hash(&["REGISTER", "sip:mcu.example.org"]);
        let count = format!("{count:08x}");
        let response = algorithm.hash(&[&ha1, nonce, &count, "0a4f113b", "auth", &ha2]);
        let algorithm = algorithm.name();
        format!(
            "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"sip:mcu.example.org\", \
             response=\"{response}\", algorithm={algorithm}, cnonce=\"0a4f113b\", qop=auth, nc={count}"
        )
    }

    /// RFC 7616 §3.9.1.
    fn mufasa(algorithm: &str, response: &str) -> String {
        format!(
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", \
             algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
             cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"{response}\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        )
    }

    #[test]
    fn the_examples_of_rfc_7616_fit_and_nothing_beside_them() {
        let table = [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ];
        for (name, response) in table {
            let text = mufasa(name, response);
            let (realm, credentials) = Credentials::parse(&text).expect("whole");
            let algorithm = Algorithm::parse(name).expect("known");
            let ha1 = |password| algorithm.hash(&["Mufasa", realm, password]);
            assert!(credentials.fit(&ha1("Circle of Life"), "GET"), "{name}");
            assert!(!credentials.fit(&ha1("Circle of Life"), "REGISTER"), "{name}: another method");
            assert!(!credentials.fit(&ha1("circle of life"), "GET"), "{name}: another password");
            for (from, to) in [("nc=00000001", "nc=00000002"), ("index", "inbox"), ("f2/w", "f2/x")] {
                let other = text.replace(from, to);
                let (_, credentials) = Credentials::parse(&other).expect("whole");
                assert!(!credentials.fit(&ha1("Circle of Life"), "GET"), "{name}: {to}");
            }
        }
    }

    #[test]
    fn half_a_sha_512_is_its_own_hash() {
        // FIPS 180-4: "abc".
        let expected = "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23";
        assert_eq!(Algorithm::Sha512Half.hash(&["abc"]), expected);
        assert_eq!(Algorithm::Md5.hash(&["a", "b"]), Algorithm::Md5.hash(&["a:b"]), "colons between");
    }

    #[test]
    fn credentials_that_could_not_be_checked_are_none() {
        let whole = mufasa("SHA-256", &"0".repeat(64));
        assert!(Credentials::parse(&whole).is_some(), "the control");
        for (from, to) in [
            ("Digest ", "Basic "),
            ("qop=auth", "qop=auth-int"),
            ("qop=auth, ", ""),
            ("nc=00000001", "nc=1"),
            ("nc=00000001", "nc=0000000g"),
            ("SHA-256", "SHA-256-sess"),
            ("SHA-256", "MD5"),
            ("algorithm=SHA-256, ", ""),
            ("cnonce", "dnonce"),
            ("username", "login"),
            ("qop=auth", "qop=auth, userhash=true"),
            ("qop=auth", "qop=auth, realm=\"other\""),
        ] {
            assert!(whole.contains(from));
            assert_eq!(Credentials::parse(&whole.replace(from, to)), None, "{to}");
        }
        let headers: Vec<Header> =
            [whole.replace("http-auth@", "other@"), "Bearer x".to_owned(), whole.clone()]
                .map(|text| Authorization::new(text).into())
                .into();
        let found = |realm| Credentials::find(headers.iter(), realm).map(|found| found.username);
        assert_eq!(found("http-auth@example.org"), Some("Mufasa"));
        assert_eq!(found("nobody@example.org"), None);
    }

    #[test]
    fn a_challenge_says_what_it_takes() {
        let said = |stale| challenge(Algorithm::Sha256, "mcu", "n", stale).to_string();
        let plain = "WWW-Authenticate: Digest realm=\"mcu\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"";
        assert_eq!(said(false), plain);
        assert_eq!(said(true), format!("{plain}, stale=true"));
        let text = authorization(("room", "secret", "mcu"), (Algorithm::Sha256, "n", 3));
        let (realm, credentials) = Credentials::parse(&text).expect("whole");
        assert_eq!((realm, credentials.nonce, credentials.count), ("mcu", "n", 3));
        assert!(credentials.fit(&Algorithm::Sha256.hash(&["room", "mcu", "secret"]), "REGISTER"));
    }
}
