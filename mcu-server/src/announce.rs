//! What `mcu serve` tells whoever started it: links, PINs, addresses; on the terminal and, with `--announce`, as JSON.

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
        if let Some(ca) = &self.ca_file {
            writeln!(f, "  development CA       {ca}")?;
        }
        writeln!(f)?;
        writeln!(f, "  This node decodes and mixes: meetings here are not end-to-end encrypted.")
    }
}
