//! A SIP address as the command line and an announce file give it: `sip:[USER@]HOST[:PORT][;transport=udp|tcp|tls]` (RFC 3261 §19.1).
//!
//! Pure. A value of the type can stand in a request as it is: nothing in it ends a line, a quote or an address. Its user part may hold a PIN, and
//! is shown by `SipAddress::uri` alone.

use std::fmt;
use std::str::FromStr;

/// What carries signalling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// Datagrams: everybody on the way reads along.
    Udp,
    /// A stream that everybody on the way reads.
    Tcp,
    /// A stream in secret.
    Tls,
}

impl Carrier {
    /// As Via names it.
    pub(super) const fn in_via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// As an address names it; UDP is what is meant without a name.
    pub(super) const fn param(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp => ";transport=tcp",
            Self::Tls => ";transport=tls",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5_060,
            Self::Tls => 5_061,
        }
    }
}

/// Who is called, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct SipAddress {
    user: Option<String>,
    host: String,
    port: u16,
    carrier: Carrier,
}

/// Not such an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an address of SIP: expected sip:[USER@]HOST[:PORT][;transport=udp|tcp|tls], USER without % escapes"
)]
pub struct NoSipAddress;

impl fmt::Debug for SipAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SipAddress({})", self.server())
    }
}

impl SipAddress {
    /// Whether it names somebody to call, and not only where.
    pub const fn has_user(&self) -> bool {
        self.user.is_some()
    }

    /// What carries signalling.
    pub const fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// Name or address of the server, an IPv6 address without its brackets; and the port.
    pub fn host_port(&self) -> (&str, u16) {
        (self.host.trim_matches(['[', ']']), self.port)
    }

    /// Where, without whom: nothing secret.
    pub fn server(&self) -> String {
        format!("sip:{}:{}{}", self.host, self.port, self.carrier.param())
    }

    /// All of it, as a request names whom it is for. May hold a PIN.
    pub(super) fn uri(&self) -> String {
        let user = self.user.as_deref().map_or_else(String::new, |user| format!("{user}@"));
        format!("sip:{user}{}:{}{}", self.host, self.port, self.carrier.param())
    }

    /// The meeting `alias` there, as our node has it dialled: `ALIAS.PIN`. Whoever is named in the address itself stays.
    #[must_use]
    pub fn of_meeting(&self, alias: &str, pin: &str) -> Self {
        let user = match &self.user {
            Some(user) => user.clone(),
            None if pin.is_empty() => alias.to_owned(),
            None => format!("{alias}.{pin}"),
        };
        Self { user: Some(user), ..self.clone() }
    }
}

impl FromStr for SipAddress {
    type Err = NoSipAddress;

    fn from_str(text: &str) -> Result<Self, NoSipAddress> {
        let (scheme, rest) = text.split_once(':').ok_or(NoSipAddress)?;
        let mut carrier = match &*scheme.to_ascii_lowercase() {
            "sip" => Carrier::Udp,
            "sips" => Carrier::Tls,
            _ => return Err(NoSipAddress),
        };
        let mut parts = rest.split(';');
        let at = parts.next().unwrap_or_default();
        for param in parts {
            carrier = match &*param.to_ascii_lowercase() {
                "transport=udp" if carrier == Carrier::Udp => Carrier::Udp,
                "transport=tcp" if carrier == Carrier::Udp => Carrier::Tcp,
                "transport=tls" | "transport=tcp" => Carrier::Tls,
                _ => return Err(NoSipAddress),
            };
        }
        let (user, place) = match at.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, at),
        };
        let (host, port) = match place.rsplit_once(':') {
            // The last colon of an address in brackets is within them.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| NoSipAddress)?),
            _ => (place, carrier.port()),
        };
        if !is_host(host) || port == 0 || !user.is_none_or(is_user) {
            return Err(NoSipAddress);
        }
        Ok(Self { user: user.map(str::to_owned), host: host.to_owned(), port, carrier })
    }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    (1..=253).contains(&host.len()) && host.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c))
}

/// RFC 3261 §25.1 `user`, without escapes: the library would escape them again.
fn is_user(user: &str) -> bool {
    (1..=128).contains(&user.len())
        && user.chars().all(|c| c.is_ascii_alphanumeric() || "-_.!~*'()&=+$,/".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, String)> {
        text.parse::<SipAddress>().ok().map(|address| (address.uri(), address.server()))
    }

    #[test]
    fn addresses_say_whom_where_and_by_what() {
        for (text, uri, server) in [
            (
                "sip:daily.314159@127.0.0.1:5071;transport=tls",
                "sip:daily.314159@127.0.0.1:5071;transport=tls",
                "sip:127.0.0.1:5071;transport=tls",
            ),
            (
                "sips:a@mcu.example",
                "sip:a@mcu.example:5061;transport=tls",
                "sip:mcu.example:5061;transport=tls",
            ),
            (
                "sip:echo@[::1];transport=TCP",
                "sip:echo@[::1]:5060;transport=tcp",
                "sip:[::1]:5060;transport=tcp",
            ),
            ("SIP:mcu.example", "sip:mcu.example:5060", "sip:mcu.example:5060"),
            ("sip:+49301234@gw:5080;transport=udp", "sip:+49301234@gw:5080", "sip:gw:5080"),
        ] {
            assert_eq!(read(text), Some((uri.to_owned(), server.to_owned())), "{text}");
        }
        let address: SipAddress = "sip:[::1]:5071;transport=tls".parse().expect("is one");
        assert_eq!((address.host_port(), address.has_user()), (("::1", 5_071), false));
    }

    #[test]
    fn what_is_no_address_or_would_break_a_request_is_refused() {
        for text in [
            "",
            "sip:",
            "tel:+1234",
            "http://host/",
            "sip:a@",
            "sip:@host",
            "sip:a@host:0",
            "sip:a@host:x",
            "sip:a@host;transport=sctp",
            "sips:a@host;transport=udp",
            "sip:a b@host",
            "sip:a@ho\r\nst",
            "sip:a\r\nVia: x@host",
            "sip:a%20b@host",
            "sip:\"a\"@host",
            "sip:a@[::g]",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_meeting_is_dialled_with_its_pin_which_nothing_but_the_request_shows() {
        let server: SipAddress = "sip:mcu.example;transport=tls".parse().expect("is one");
        let daily = server.of_meeting("daily", "314159");
        assert_eq!(daily.uri(), "sip:daily.314159@mcu.example:5061;transport=tls");
        assert_eq!(server.of_meeting("daily", "").uri(), "sip:daily@mcu.example:5061;transport=tls");
        assert!(!format!("{daily:?}{}", daily.server()).contains("314159"));
        let named: SipAddress = "sip:conf-7@pbx".parse().expect("is one");
        assert_eq!(named.of_meeting("daily", "314159"), named, "whom the address names is who is called");
    }
}
