//! Digest authentication (RFC 8760, RFC 7616) as the one who calls: the answer to a trunk's 401 or 407.
//!
//! Flow: challenge, credentials -> [`answer`] -> a header for the request said again. Pure but for a random cnonce. Bound: that of a message.
//!
//! Of several challenges SHA-256 is taken; MD5 only where the trunk's credentials allow it by name. Parsing and writing are ours: the
//! library knows neither the name `SHA-256` nor lists of `qop`. Its hash of it all is used.

use crate::secret::Secret;
use rsipstack::dialog::authenticate::compute_digest;
use rsipstack::sip::headers::auth::{Algorithm, AuthQop};
use rsipstack::sip::{Authorization, Header, Method, ProxyAuthorization, Response, StatusCode};
use rsipstack::transaction::random_text;
use std::fmt;

/// Letters and digits of a cnonce: 95 bits.
const CNONCE_CHARS: usize = 16;

/// What the node says to a trunk of itself.
#[derive(Clone)]
pub struct Credentials {
    /// Who it is there.
    pub username: String,
    /// Its password there.
    pub password: Secret<String>,
    /// An answer by MD5 is given where nothing better is asked for.
    pub dangerous_md5: bool,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

/// One challenge, as far as it can be answered.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    algorithm: Algorithm,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// `auth` is among what it offers; without any `qop` at all there is none (RFC 2617).
    qop: bool,
    stale: bool,
}

/// The header with which a request may be said again; `None` where no challenge can be answered.
pub(super) fn answer(
    challenged: &Response,
    credentials: &Credentials,
    method: Method,
    uri: &str,
) -> Option<Header> {
    let by_proxy = challenged.status_code == StatusCode::ProxyAuthenticationRequired;
    let challenge = best(challenged, credentials.dangerous_md5)?;
    let text = written(&challenge, credentials, method, uri, random_text(CNONCE_CHARS))?;
    Some(if by_proxy { ProxyAuthorization::new(text).into() } else { Authorization::new(text).into() })
}

/// Whether the credentials were right and only the nonce was too old (RFC 7616 §3.3).
pub(super) fn is_stale(challenged: &Response, credentials: &Credentials) -> bool {
    best(challenged, credentials.dangerous_md5).is_some_and(|challenge| challenge.stale)
}

fn best(challenged: &Response, md5: bool) -> Option<Challenge> {
    let by_proxy = challenged.status_code == StatusCode::ProxyAuthenticationRequired;
    let texts = challenged.headers.iter().filter_map(|header| match header {
        Header::WwwAuthenticate(value) if !by_proxy => Some(value.value()),
        Header::ProxyAuthenticate(value) if by_proxy => Some(value.value()),
        _ => None,
    });
    let mut challenges: Vec<Challenge> = texts.filter_map(read).collect();
    challenges.retain(|challenge| md5 || challenge.algorithm == Algorithm::Sha256);
    let sha = challenges.iter().position(|challenge| challenge.algorithm == Algorithm::Sha256);
    (!challenges.is_empty()).then(|| challenges.swap_remove(sha.unwrap_or(0)))
}

/// One header's worth: `Digest`, then names and values (RFC 7235 §2.1). Values that would have to be escaped to be said back are none.
fn read(text: &str) -> Option<Challenge> {
    let (scheme, rest) = text.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("digest") {
        return None;
    }
    let (mut realm, mut nonce, mut opaque, mut qop, mut stale) = (None, None, None, None, false);
    let mut algorithm = Some(Algorithm::Md5);
    for (name, value) in parameters(rest)? {
        match name.to_ascii_lowercase().as_str() {
            "realm" => realm = Some(value),
            "nonce" => nonce = Some(value),
            "opaque" => opaque = Some(value),
            "qop" => qop = Some(value),
            "stale" => stale = value.eq_ignore_ascii_case("true"),
            "algorithm" => {
                algorithm = match value.to_ascii_lowercase().as_str() {
                    "sha-256" => Some(Algorithm::Sha256),
                    "md5" => Some(Algorithm::Md5),
                    _ => None,
                }
            }
            _ => {}
        }
    }
    let offers_auth = |qop: &str| qop.split(',').any(|kind| kind.trim().eq_ignore_ascii_case("auth"));
    if qop.is_some_and(|qop| !offers_auth(qop)) {
        return None;
    }
    Some(Challenge {
        algorithm: algorithm?,
        realm: realm?.to_owned(),
        nonce: nonce?.to_owned(),
        opaque: opaque.map(str::to_owned),
        qop: qop.is_some(),
        stale,
    })
}

/// `name=value, name="value"`; `None` where that is not what it is, or a value has `"` or `\`.
fn parameters(text: &str) -> Option<Vec<(&str, &str)>> {
    let (mut found, mut rest) = (Vec::new(), text.trim());
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, behind) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        if value.contains(['"', '\\']) || value.contains(|c: char| c.is_control()) {
            return None;
        }
        found.push((name.trim(), value.trim()));
        let behind = behind.trim_start();
        rest = match behind.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if behind.is_empty() => behind,
            None => return None,
        };
    }
    Some(found)
}

fn written(
    challenge: &Challenge,
    credentials: &Credentials,
    method: Method,
    uri: &str,
    cnonce: String,
) -> Option<String> {
    let Challenge { algorithm, realm, nonce, opaque, .. } = challenge;
    let Credentials { username, password, .. } = credentials;
    let plain = |text: &str| !text.contains(['"', '\\']) && !text.contains(|c: char| c.is_control());
    if !plain(username) {
        return None;
    }
    let qop = challenge.qop.then(|| AuthQop::Auth { cnonce: cnonce.clone(), nc: 1 });
    let response =
        compute_digest(username, password.expose(), realm, nonce, &method, uri, *algorithm, qop.as_ref());
    let name = if *algorithm == Algorithm::Sha256 { "SHA-256" } else { "MD5" };
    let mut text = format!(
        "Digest username=\"{username}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm={name}"
    );
    if qop.is_some() {
        text += &format!(", cnonce=\"{cnonce}\", qop=auth, nc=00000001");
    }
    if let Some(opaque) = opaque {
        text += &format!(", opaque=\"{opaque}\"");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenged(headers: &str) -> Response {
        let text = format!("SIP/2.0 401 Unauthorized\r\n{headers}Content-Length: 0\r\n\r\n");
        Response::try_from(text.as_str()).expect("a fair response")
    }

    fn credentials(dangerous_md5: bool) -> Credentials {
        Credentials {
            username: "Mufasa".into(),
            password: Secret::new("Circle of Life".into()),
            dangerous_md5,
        }
    }

    const SHA: &str = "WWW-Authenticate: Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, \
        nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"\r\n";
    const MD5: &str = "WWW-Authenticate: Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, \
        nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\"\r\n";
    const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

    /// RFC 7616 §3.9.1 in a HTTP request, whose method the library has no word for; so its figures were made anew for INVITE with `printf` and
    /// `sha256sum`.
    #[test]
    fn an_answer_is_what_another_program_makes_of_the_same() {
        let challenge = best(&challenged(SHA), false).expect("it can be answered");
        let text = written(&challenge, &credentials(false), Method::Invite, "sip:+49@t", CNONCE.into())
            .expect("fair");
        let expected = [
            "Digest username=\"Mufasa\"",
            "realm=\"http-auth@example.org\"",
            "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\"",
            "uri=\"sip:+49@t\"",
            "response=\"e494f89e9089b4b615b35897c2031aa7ea079b8be0ff2c3be28999cc13570907\"",
            "algorithm=SHA-256",
            "cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\"",
            "qop=auth",
            "nc=00000001",
            "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
        ];
        assert_eq!(text, expected.join(", "));
    }

    #[test]
    fn the_better_digest_is_taken_and_the_worse_only_by_name() {
        let algorithm =
            |headers: &str, md5| best(&challenged(headers), md5).map(|challenge| challenge.algorithm);
        let both = format!("{MD5}{SHA}");
        assert_eq!(algorithm(&both, true), Some(Algorithm::Sha256));
        assert_eq!(algorithm(&both, false), Some(Algorithm::Sha256));
        assert_eq!(algorithm(MD5, false), None);
        assert_eq!(algorithm(MD5, true), Some(Algorithm::Md5));
        assert_eq!(
            algorithm("WWW-Authenticate: Digest realm=\"a\", nonce=\"b\"\r\n", true),
            Some(Algorithm::Md5),
            "RFC 2617"
        );
        assert_eq!(
            algorithm("Proxy-Authenticate: Digest realm=\"a\", nonce=\"b\"\r\n", true),
            None,
            "not of a 401"
        );
    }

    #[test]
    fn the_answer_goes_into_the_header_that_the_status_asks_for() {
        let proxy = SHA.replace("WWW-", "Proxy-");
        let text = format!("SIP/2.0 407 Proxy Authentication Required\r\n{proxy}Content-Length: 0\r\n\r\n");
        let by_proxy = Response::try_from(text.as_str()).expect("a fair response");
        let said = |response: &Response| answer(response, &credentials(false), Method::Invite, "sip:a@b");
        assert!(matches!(said(&by_proxy), Some(Header::ProxyAuthorization(_))));
        assert!(matches!(said(&challenged(SHA)), Some(Header::Authorization(_))));
    }

    #[test]
    fn what_cannot_be_said_back_as_it_came_is_not_answered() {
        for odd in [
            "Basic realm=\"a\"",
            "Digest",
            "Digest realm=\"a\"",
            "Digest nonce=\"b\"",
            "Digest realm=\"a\\\"b\", nonce=\"b\"",
            "Digest realm=\"a\" nonce=\"b\"",
            "Digest realm=\"a, nonce=\"b\"",
            "Digest realm=\"a\", nonce=\"b\", algorithm=SHA-512-256",
            "Digest realm=\"a\", nonce=\"b\", algorithm=MD5-sess",
            "Digest realm=\"a\", nonce=\"b\", qop=\"auth-int\"",
        ] {
            assert_eq!(read(odd), None, "{odd}");
        }
        assert!(
            read("digest  nonce = \"b\" ,realm=a,stale=TRUE").is_some_and(|challenge| challenge.stale),
            "the control"
        );
    }
}
