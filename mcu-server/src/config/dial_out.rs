//! `[sip.dial_out]` and `[[sip.trunks]]`: whom the node may call, and by which ways; and where it registers, so that it is called. Nobody, by none, until it is said.

use super::ConfigError;
use super::sections::is_host;
use mcu_core::limits::{SIP_CALLS_MAX, SIP_TRUNKS_MAX};
use serde::{Deserialize, Serialize};
use signalling::room::Alias;
use std::path::PathBuf;

/// `[sip.dial_out]`: what stands between a host of a meeting and a telephone bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DialOutSection {
    /// Hosts of addresses that may be called.
    pub domains: Vec<String>,
    /// What numbers begin with that may be called, as they are dialled.
    pub prefixes: Vec<String>,
    /// Calls of the node's at a time.
    pub calls_max: usize,
    /// Calls that one room may begin in a minute.
    pub room_calls_per_minute: u32,
    /// Calls that all rooms together may begin in a minute.
    pub calls_per_minute: u32,
    /// Minutes that a call lasts at most; 0: no such bound.
    pub minutes_max: u32,
}

impl Default for DialOutSection {
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            prefixes: Vec::new(),
            calls_max: 10,
            room_calls_per_minute: 6,
            calls_per_minute: 30,
            minutes_max: 240,
        }
    }
}

/// How a trunk is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrunkKind {
    /// By TLS, its certificate verified.
    #[default]
    Tls,
    /// By TCP, in the clear.
    DangerousTcp,
    /// By UDP, in the clear.
    DangerousUdp,
}

/// `[[sip.trunks]]`: a way by which calls leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkSection {
    /// For the log.
    pub name: String,
    /// Its name or address.
    pub host: String,
    /// Its port; unset: where DNS says, else 5061 of TLS, else 5060.
    #[serde(default)]
    pub port: Option<u16>,
    /// How it is spoken to.
    #[serde(default)]
    pub transport: TrunkKind,
    /// PEM file with the CA that signed its certificate; unset: those of the system.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// The host of addresses that it takes; unset: `host`.
    #[serde(default)]
    pub domain: Option<String>,
    /// What the numbers begin with that it takes; empty: all at its domain, and names.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// As whom the node calls there.
    pub caller_id: String,
    /// Who the node is there.
    #[serde(default)]
    pub username: Option<String>,
    /// File with its password there, readable by its owner only.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Answer a digest by MD5, where nothing better is asked for.
    #[serde(default)]
    pub dangerous_md5: bool,
    /// Register there, so that calls come in by it.
    #[serde(default)]
    pub register: bool,
    /// Seconds that a registration is asked for.
    #[serde(default = "registration_s")]
    pub registration_s: u32,
    /// The room that calls which come in by the registration dial; unset: `username` stands in its place.
    #[serde(default)]
    pub calls_to: Option<String>,
}

const fn registration_s() -> u32 {
    3_600
}

impl DialOutSection {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let of_hosts = |host: &String| is_host(host) && !host.bytes().any(|byte| byte.is_ascii_uppercase());
        if !self.domains.iter().all(of_hosts) {
            return Err(ConfigError::value(
                "sip.dial_out.domains",
                "must be host names or addresses, in small letters",
            ));
        }
        check_prefixes("sip.dial_out.prefixes", &self.prefixes)?;
        if self.calls_max > SIP_CALLS_MAX {
            return Err(ConfigError::value(
                "sip.dial_out.calls_max",
                &format!("must be 0 to {SIP_CALLS_MAX}"),
            ));
        }
        if self.room_calls_per_minute == 0 || self.calls_per_minute == 0 {
            return Err(ConfigError::value(
                "sip.dial_out",
                "calls per minute are 1 at least; calls_max = 0 allows none",
            ));
        }
        Ok(())
    }
}

impl TrunkSection {
    /// The host of addresses that it takes.
    pub fn domain(&self) -> &str {
        self.domain.as_deref().unwrap_or(&self.host)
    }

    /// What has been loosened by name.
    pub(super) fn dangers(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let all = [
            (
                self.transport != TrunkKind::Tls,
                "sip.trunks.transport",
                "whoever is on the way to the trunk reads and changes calls",
            ),
            (
                self.dangerous_md5,
                "sip.trunks.dangerous_md5",
                "whoever hears the trunk ask can try passwords until one fits",
            ),
        ];
        all.into_iter().filter_map(|(on, key, means)| on.then_some((key, means)))
    }

    fn check(&self) -> Result<(), ConfigError> {
        let fault = |key: &str, reason| Err(ConfigError::value(&format!("sip.trunks.{key}"), reason));
        if self.name.is_empty() || self.name.len() > 64 || self.name.contains(|c: char| c.is_control()) {
            return fault("name", "must be 1 to 64 characters");
        }
        if !is_host(&self.host) || self.port == Some(0) {
            return fault("host", "must be an address or a host name, and the port not 0");
        }
        if !is_host(self.domain()) || self.domain().bytes().any(|byte| byte.is_ascii_uppercase()) {
            return fault("domain", "must be a host name or an address, in small letters");
        }
        check_prefixes("sip.trunks.prefixes", &self.prefixes)?;
        // RFC 3261 §25.1 user, without what would have to be escaped.
        let part = |c: char| c.is_ascii_alphanumeric() || "+._-".contains(c);
        if self.caller_id.is_empty() || self.caller_id.len() > 64 || !self.caller_id.chars().all(part) {
            return fault("caller_id", "must be letters, digits and +._- , 1 to 64 of them");
        }
        if self.username.is_some() != self.password_file.is_some() {
            return fault("username", "goes together with password_file");
        }
        let odd = |c: char| !c.is_ascii_graphic() || "\"\\".contains(c);
        if self.username.iter().any(|name| name.is_empty() || name.len() > 128 || name.contains(odd)) {
            return fault("username", "must be visible ASCII without quotes");
        }
        if self.ca.is_some() && self.transport != TrunkKind::Tls {
            return fault("ca", "is for TLS");
        }
        if self.register && self.username.as_ref().is_none_or(|name| name.contains(':')) {
            return fault("register", "needs username, without a colon, and password_file");
        }
        if !(60..=86_400).contains(&self.registration_s) {
            return fault("registration_s", "must be 60 to 86400");
        }
        if self.calls_to.as_ref().is_some_and(|alias| !self.register || Alias::parse(alias).is_err()) {
            return fault("calls_to", "must be the alias of a room, where register is true");
        }
        Ok(())
    }
}

/// Checks all of them, and that each has a port here: where the other side sends what it has to say within a call.
pub(super) fn check_trunks(
    trunks: &[TrunkSection],
    served: impl Fn(TrunkKind) -> bool,
) -> Result<(), ConfigError> {
    if trunks.len() > SIP_TRUNKS_MAX {
        return Err(ConfigError::value("sip.trunks", &format!("at most {SIP_TRUNKS_MAX}")));
    }
    for trunk in trunks {
        trunk.check()?;
        if !served(trunk.transport) {
            let text = "needs the node's own port of that transport: sip.tls_port, sip.dangerous_tcp_port or \
                        sip.dangerous_udp_port";
            return Err(ConfigError::value("sip.trunks.transport", text));
        }
    }
    Ok(())
}

fn check_prefixes(key: &str, prefixes: &[String]) -> Result<(), ConfigError> {
    let digits =
        |prefix: &str| prefix.strip_prefix('+').unwrap_or(prefix).bytes().all(|byte| byte.is_ascii_digit());
    let fair = |prefix: &String| !prefix.is_empty() && prefix.len() <= 32 && digits(prefix);
    if prefixes.iter().all(fair) {
        return Ok(());
    }
    Err(ConfigError::value(key, "must be digits, + before them or not"))
}
