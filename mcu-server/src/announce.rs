//! What `mcu serve` tells whoever started it: links, PINs, addresses; on the terminal and, with `--announce`, as JSON.

use crate::config::SipSection;
use crate::tls::{TlsError, write_private};
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// Everything a person or a tool needs to join the ready meeting. Holds secrets: shown once, never logged.
#[derive(Clone, Serialize)]
pub struct Announcement {
    /// The link that works at once on this machine.
    pub join_url: String,
    /// The same over HTTPS.
    pub https_url: String,
    /// Alias of the ready meeting.
    pub meeting: String,
    /// Six digits.
    pub host_pin: String,
    /// Six digits.
    pub guest_pin: String,
    /// Bearer of the rooms API.
    pub admin_token: String,
    /// Where encoders publish.
    pub whip_url: String,
    /// Where players watch.
    pub whep_url: String,
    /// `address:port` of plain HTTP, or of HTTPS where there is none.
    pub http_addr: String,
    /// `address:port` of `/metrics`.
    pub metrics_addr: String,
    /// `address:port` that peers are told for media.
    pub media_addr: String,
    /// Where room systems and telephones call, each meeting by its alias, where SIP is served: TLS before what goes in the clear.
    pub sip_url: Option<String>,
    /// The development CA's certificate, where it signed.
    pub ca_file: Option<String>,
}

impl Announcement {
    /// Writes it as JSON to `path`, readable by its owner only.
    ///
    /// # Errors
    /// [`TlsError::File`] when the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), TlsError> {
        let json = serde_json::to_string_pretty(self).expect("plain strings serialise");
        write_private(path, &(json + "\n"))
    }
}

/// Where SIP is served on `host`; `None` where it is not.
pub(crate) fn sip_url(section: &SipSection, host: &str) -> Option<String> {
    let ways = [
        (section.tls_port, ";transport=tls"),
        (section.dangerous_tcp_port, ";transport=tcp"),
        (section.dangerous_udp_port, ""),
    ];
    let (port, by) = ways.into_iter().find(|(port, _)| *port != 0)?;
    Some(format!("sip:{host}:{port}{by}"))
}

impl fmt::Display for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        writeln!(f, "  A meeting is ready:  {}", self.join_url)?;
        writeln!(f, "  over HTTPS:          {}", self.https_url)?;
        writeln!(f, "  host PIN             {}", self.host_pin)?;
        writeln!(f, "  guest PIN            {}", self.guest_pin)?;
        writeln!(f)?;
        writeln!(f, "  WHIP (publish)       {}   bearer: a PIN", self.whip_url)?;
        writeln!(f, "  WHEP (watch)         {}   bearer: a PIN", self.whep_url)?;
        writeln!(f, "  admin token          {}   (shown once)", self.admin_token)?;
        writeln!(f, "  media                {}   (UDP and TCP)", self.media_addr)?;
        writeln!(f, "  metrics              http://{}/metrics", self.metrics_addr)?;
        if let Some(sip) = &self.sip_url {
            writeln!(f, "  SIP (call)           {sip}   ALIAS or ALIAS.PIN before the host")?;
        }
        if let Some(ca) = &self.ca_file {
            writeln!(f, "  development CA       {ca}")?;
        }
        writeln!(f)?;
        writeln!(f, "  This node decodes and mixes: meetings here are not end-to-end encrypted.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sip_is_announced_where_it_is_served_in_secret_first() {
        let at = |tls_port, dangerous_tcp_port, dangerous_udp_port| {
            let section =
                SipSection { tls_port, dangerous_tcp_port, dangerous_udp_port, ..SipSection::default() };
            sip_url(&section, "localhost")
        };
        assert_eq!(at(0, 0, 0), None);
        assert_eq!(at(5_061, 5_060, 5_060).as_deref(), Some("sip:localhost:5061;transport=tls"));
        assert_eq!(at(0, 5_062, 5_060).as_deref(), Some("sip:localhost:5062;transport=tcp"));
        assert_eq!(at(0, 0, 5_060).as_deref(), Some("sip:localhost:5060"));
    }
}
