//! Whom a call of the node's is for: an address as somebody wrote it, and what the operator lets be called.
//!
//! Flow: API, Refer-To -> [`Callee`] -> [`Rules`] -> `way`. Pure. Bounds: [`USER_CHARS_MAX`], [`HOST_CHARS_MAX`].
//!
//! The grammar is a small part of RFC 3261 §19.1, on purpose: no escapes, separators, parameters or headers, no port. What a trunk might
//! read as another number than the rules did is not an address here.

use super::CallRefusal;
use crate::sip::flow::named;
use rsipstack::sip::{HostWithPort, Scheme, Uri};
use std::fmt;

/// Characters of a user part: E.164 has 15 digits, and prefixes of trunks come before them.
const USER_CHARS_MAX: usize = 64;
/// Characters of a host (RFC 1035 §2.3.4).
const HOST_CHARS_MAX: usize = 253;

/// See the module. `Debug` shows nothing of it: it may be somebody's telephone number.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Callee {
    user: String,
    host: String,
}

/// Why a text is nobody's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CalleeError {
    /// Not `sip:USER@HOST`.
    #[error("must be sip:USER@HOST, without port, parameters or headers")]
    Shape,
    /// Neither a number nor a name.
    #[error(
        "USER must be a number (digits, + before them or not), or a name: a letter, then letters, digits, dots, - and _"
    )]
    User,
    /// Neither a name nor an address.
    #[error("HOST must be a name or an IPv4 address")]
    Host,
}

impl Callee {
    /// Reads `sip:USER@HOST`.
    ///
    /// # Errors
    /// [`CalleeError`].
    pub(crate) fn parse(text: &str) -> Result<Self, CalleeError> {
        let scheme = text.get(..4).filter(|scheme| scheme.eq_ignore_ascii_case("sip:"));
        let rest = scheme.and_then(|_| text.get(4..)).ok_or(CalleeError::Shape)?;
        let (user, host) = rest.split_once('@').ok_or(CalleeError::Shape)?;
        if host.contains([':', ';', '?', '@', '/']) {
            return Err(CalleeError::Shape);
        }
        if !is_number(user) && !is_name(user) || user.len() > USER_CHARS_MAX {
            return Err(CalleeError::User);
        }
        // RFC 1123 §2.1.
        let part = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let fair = edge(host.chars().next()) && edge(host.chars().last()) && host.chars().all(part);
        if !fair || host.len() > HOST_CHARS_MAX {
            return Err(CalleeError::Host);
        }
        Ok(Self { user: user.to_owned(), host: host.to_ascii_lowercase() })
    }

    /// The user part.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// The host, in small letters.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The digits, and the + before them, where it is a number.
    pub(crate) fn number(&self) -> Option<&str> {
        is_number(&self.user).then_some(&*self.user)
    }

    /// As it goes into a request.
    pub(crate) fn uri(&self) -> Uri {
        Uri {
            scheme: Some(Scheme::Sip),
            auth: Some(self.user.as_str().into()),
            host_with_port: HostWithPort { host: named(&self.host), port: None },
            params: Vec::new(),
            headers: Vec::new(),
        }
    }
}

/// As it was written.
impl fmt::Display for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sip:{}@{}", self.user, self.host)
    }
}

impl fmt::Debug for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a trunk takes for a telephone number: digits, at least one, perhaps + before them.
fn is_number(user: &str) -> bool {
    let digits = user.strip_prefix('+').unwrap_or(user);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// What no trunk takes for a number, as it begins with a letter.
fn is_name(user: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    user.starts_with(|c: char| c.is_ascii_alphabetic()) && user.bytes().all(part)
}

/// What the operator lets be called, and how much of it. Empty lists, the default: nobody.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Hosts of addresses that may be called, in small letters.
    pub domains: Vec<String>,
    /// What a number begins with that may be called, as it is written: `+49` does not let `0049` be called.
    pub prefixes: Vec<String>,
    /// Calls of the node's at a time.
    pub calls_max: usize,
    /// Calls that one room may begin in a minute.
    pub room_calls_per_minute: u32,
    /// Calls that all rooms together may begin in a minute.
    pub calls_per_minute: u32,
    /// How long a call lasts at most, in minutes.
    pub minutes_max: u32,
}

impl Rules {
    /// Whether somebody may be called at all.
    ///
    /// # Errors
    /// [`CallRefusal::Domain`], [`CallRefusal::Prefix`].
    pub(crate) fn allow(&self, callee: &Callee) -> Result<(), CallRefusal> {
        if !self.domains.iter().any(|domain| domain == callee.host()) {
            return Err(CallRefusal::Domain);
        }
        match callee.number() {
            Some(number) if !self.prefixes.iter().any(|prefix| number.starts_with(prefix.as_str())) => {
                Err(CallRefusal::Prefix)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_number_or_a_name_at_a_host() {
        let table = [
            ("sip:+4930123456@trunk.example.org", Some("+4930123456")),
            ("SIP:0049@192.0.2.1", Some("0049")),
            ("sip:room-7.a_b@Partner.Example.Org", None),
        ];
        for (text, number) in table {
            let callee = Callee::parse(text).expect(text);
            assert_eq!(callee.number(), number, "{text}");
            assert_eq!(
                callee.to_string(),
                text.replace("SIP", "sip").replace("Partner.Example.Org", "partner.example.org")
            );
            assert_eq!(callee.uri().to_string(), callee.to_string());
            assert_eq!(format!("{callee:?}"), "***", "numbers are not for logs");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_nobodys_address() {
        use CalleeError::{Host, Shape, User};
        let long = format!("sip:{}@b.example", "1".repeat(65));
        let table = [
            ("", Shape),
            ("+4930123456", Shape),
            ("tel:+4930123456", Shape),
            ("sips:a@b.example", Shape),
            ("sip:b.example", Shape),
            ("sip:a@b.example:5070", Shape),
            ("sip:a@b.example;transport=tcp", Shape),
            ("sip:a@b.example?Replaces=x", Shape),
            ("sip:a@b@c", Shape),
            ("<sip:a@b.example>", Shape),
            ("sip:@b.example", User),
            ("sip:+@b.example", User),
            ("sip:+49-30-1@b.example", User),
            ("sip:%2b49@b.example", User),
            ("sip:49;ext=1@b.example", User),
            ("sip:a:secret@b.example", User),
            ("sip:.49@b.example", User),
            ("sip:a b@b.example", User),
            ("sip:a\r\nX: y@b.example", User),
            (&long, User),
            ("sip:a@", Host),
            ("sip:a@-b", Host),
            ("sip:a@b\r\n", Host),
            ("sip:a@b c", Host),
            ("sip:a@b\u{e4}r", Host),
        ];
        for (text, error) in table {
            assert_eq!(Callee::parse(text), Err(error), "{text}");
        }
        assert!(Callee::parse("sip:a@b.example").is_ok(), "the control");
    }

    #[test]
    fn nobody_may_be_called_until_it_is_said_who() {
        let callee = |text: &str| Callee::parse(text).expect(text);
        let number = callee("sip:+4930123456@trunk.example.org");
        assert_eq!(Rules::default().allow(&number), Err(CallRefusal::Domain));
        let mut rules = Rules { domains: vec!["trunk.example.org".into()], ..Rules::default() };
        assert_eq!(rules.allow(&number), Err(CallRefusal::Prefix));
        assert_eq!(rules.allow(&callee("sip:room@trunk.example.org")), Ok(()), "a name has no prefix");
        rules.prefixes = vec!["+4930".into(), "0030".into()];
        assert_eq!(rules.allow(&number), Ok(()));
        for other in
            ["sip:+4931@trunk.example.org", "sip:004930@trunk.example.org", "sip:+493@trunk.example.org"]
        {
            assert_eq!(rules.allow(&callee(other)), Err(CallRefusal::Prefix), "{other}");
        }
        assert_eq!(rules.allow(&callee("sip:+4930@other.example.org")), Err(CallRefusal::Domain));
    }
}
