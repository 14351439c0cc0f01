//! The sections of the configuration and their defaults. Units last in names.

use super::ConfigError;
use super::dial_out::{DialOutSection, TrunkKind, TrunkSection, check_trunks};
use crate::prompts::Language;
use mcu_core::media::frame::Size;
use serde::{Deserialize, Serialize};
use signalling::sip::registrar::EXPIRES_MIN;
use signalling::sip::registrar::devices::Devices;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// `[server]`: where the node listens for words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSection {
    /// Address of the API and web client.
    pub bind: IpAddr,
    /// Port of HTTPS.
    pub https_port: u16,
    /// Port of plain HTTP, served on loopback only (`http://localhost` is a secure context); 0 turns it off.
    pub http_port: u16,
    /// Connections of one address (an IPv6 /64 is one) at a time; loopback has no such bound; 0: nobody has.
    pub connections_per_address_max: usize,
    /// Port of `/metrics`, on loopback unless `metrics_bind` says otherwise.
    pub metrics_port: u16,
    /// Address of `/metrics`.
    pub metrics_bind: IpAddr,
    /// Where what must last is kept.
    pub data_dir: PathBuf,
    /// File with the administrator's token, readable by its owner only; unset: a new token at every start.
    pub admin_token_file: Option<PathBuf>,
}

impl Default for ServerSection {
    fn default() -> Self {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        Self {
            bind: loopback,
            https_port: 8443,
            http_port: 8080,
            connections_per_address_max: mcu_core::limits::CONNECTIONS_PER_ADDRESS_MAX,
            metrics_port: 9090,
            metrics_bind: loopback,
            data_dir: PathBuf::from("data"),
            admin_token_file: None,
        }
    }
}

/// `[tls]`: certificate and key for HTTPS, PEM files. Without them a development CA makes one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSection {
    /// Certificate chain.
    pub cert: Option<PathBuf>,
    /// Private key.
    pub key: Option<PathBuf>,
}

/// `[media]`: one UDP port, and the same TCP port, for each io thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MediaSection {
    /// Address of the media sockets; unset: the same as `server.bind`.
    pub bind: Option<IpAddr>,
    /// First port; io thread `n` has `port + n`.
    pub port: u16,
    /// Addresses to tell peers instead of the bound one (NAT, several networks).
    pub advertise: Vec<IpAddr>,
    /// Io threads; 0: one for each 8 cores.
    pub io_threads: usize,
    /// Accept ICE-TCP on the same port.
    pub tcp: bool,
}

impl Default for MediaSection {
    fn default() -> Self {
        Self { bind: None, port: 10_000, advertise: Vec::new(), io_threads: 0, tcp: true }
    }
}

/// `[sip]`: room systems and telephones. Every port is off unless it is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SipSection {
    /// Port of SIP over TLS; 0: off. Its certificate is that of `[tls]`.
    pub tls_port: u16,
    /// PEM file with the CA that must have signed the certificate of whoever connects.
    pub tls_client_ca: Option<PathBuf>,
    /// TLS without a certificate of the other side: anybody may call.
    pub dangerous_unverified_peers: bool,
    /// Port of SIP over WebSocket and TLS; 0: off. Certificate and peers as with `tls_port`.
    pub wss_port: u16,
    /// Origins of the pages that may connect there.
    pub wss_origins: Vec<String>,
    /// Port of SIP over UDP, in the clear; 0: off.
    pub dangerous_udp_port: u16,
    /// Port of SIP over TCP, in the clear; 0: off.
    pub dangerous_tcp_port: u16,
    /// Take media without SRTP from devices that offer nothing better.
    pub dangerous_plain_rtp: bool,
    /// File with the devices that may register, readable by its owner only; unset: nobody registers.
    pub devices_file: Option<PathBuf>,
    /// Part of every hash in that file.
    pub realm: String,
    /// Seconds that a registration lasts whose device says nothing of it.
    pub registration_s: u32,
    /// Seconds that it lasts at most.
    pub registration_s_max: u32,
    /// Ask devices for MD5, and for nothing better: old ones give up where another digest is so much as named.
    pub dangerous_digest_md5: bool,
    /// Host to tell others instead of the bound one; unset: the first of `media.advertise`.
    pub advertise: Option<String>,
    /// First and last port of media.
    pub rtp_ports: [u16; 2],
    /// Port of BFCP, by UDP and TCP, for devices that share content; 0: off.
    pub bfcp_port: u16,
    /// In which language the node speaks.
    pub language: Language,
    /// Folder with recordings that take the place of ours; unset: ours.
    pub prompts_dir: Option<PathBuf>,
    /// Whom the node may call.
    pub dial_out: DialOutSection,
    /// By which ways.
    pub trunks: Vec<TrunkSection>,
    /// Name servers that are asked where trunks without a port are; none: those of the system.
    pub dns_servers: Vec<SocketAddr>,
}

impl Default for SipSection {
    fn default() -> Self {
        Self {
            tls_port: 0,
            tls_client_ca: None,
            dangerous_unverified_peers: false,
            wss_port: 0,
            wss_origins: Vec::new(),
            dangerous_udp_port: 0,
            dangerous_tcp_port: 0,
            dangerous_plain_rtp: false,
            devices_file: None,
            realm: "mcu".to_owned(),
            registration_s: 3_600,
            registration_s_max: 7_200,
            dangerous_digest_md5: false,
            advertise: None,
            rtp_ports: [40_000, 49_999],
            bfcp_port: 0,
            language: Language::En,
            prompts_dir: None,
            dial_out: DialOutSection::default(),
            trunks: Vec::new(),
            dns_servers: Vec::new(),
        }
    }
}

impl SipSection {
    /// Whether any port is set.
    pub const fn is_on(&self) -> bool {
        self.tls_port != 0
            || self.wss_port != 0
            || self.dangerous_udp_port != 0
            || self.dangerous_tcp_port != 0
    }

    /// What has been loosened by name: each key, and what follows from it.
    pub fn dangers(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let in_the_clear = "whoever is on the way reads and changes calls, PINs with them";
        let all = [
            (self.dangerous_unverified_peers, "sip.dangerous_unverified_peers", "anybody may call"),
            (self.dangerous_udp_port != 0, "sip.dangerous_udp_port", in_the_clear),
            (self.dangerous_tcp_port != 0, "sip.dangerous_tcp_port", in_the_clear),
            (
                self.dangerous_plain_rtp,
                "sip.dangerous_plain_rtp",
                "whoever is on the way hears and sees all that such a device is sent",
            ),
            (
                self.dangerous_digest_md5,
                "sip.dangerous_digest_md5",
                "devices prove their passwords by MD5, which is fast to guess at",
            ),
        ];
        let own = all.into_iter().filter_map(|(on, key, means)| on.then_some((key, means)));
        own.chain(self.trunks.iter().flat_map(TrunkSection::dangers))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (key, port) in [("sip.tls_port", self.tls_port), ("sip.wss_port", self.wss_port)] {
            if port != 0 && self.tls_client_ca.is_none() && !self.dangerous_unverified_peers {
                let text = "anybody could call: set sip.tls_client_ca to the CA of those who may, or \
                            sip.dangerous_unverified_peers = true";
                return Err(ConfigError::value(key, text));
            }
        }
        if self.tls_client_ca.is_some() && self.dangerous_unverified_peers {
            let text = "excludes sip.tls_client_ca: peers are verified, or they are not";
            return Err(ConfigError::value("sip.dangerous_unverified_peers", text));
        }
        if self.tls_port != 0 && self.tls_port == self.dangerous_tcp_port {
            return Err(ConfigError::value("sip.dangerous_tcp_port", "is the port of TLS"));
        }
        if self.wss_port != 0 && [self.tls_port, self.dangerous_tcp_port].contains(&self.wss_port) {
            return Err(ConfigError::value("sip.wss_port", "is a port of TLS or TCP"));
        }
        if !self.wss_origins.iter().all(|origin| is_origin(origin)) {
            let text = "must be origins as browsers write them: https://phones.example.org, with a port where it is not the usual one";
            return Err(ConfigError::value("sip.wss_origins", text));
        }
        if let Err(error) = Devices::parse("", &self.realm) {
            return Err(ConfigError::value("sip.realm", &error.to_string()));
        }
        let (least, most) = (EXPIRES_MIN.as_secs() as u32, 86_400);
        if !(least..=self.registration_s_max).contains(&self.registration_s) || self.registration_s_max > most
        {
            let text = format!("must be {least} to sip.registration_s_max, and that {most} at most");
            return Err(ConfigError::value("sip.registration_s", &text));
        }
        if !self.advertise.iter().all(|host| is_host(host)) {
            return Err(ConfigError::value("sip.advertise", "must be an address or a host name"));
        }
        let [first, last] = self.rtp_ports;
        if first < 1_024 || last <= first {
            return Err(ConfigError::value(
                "sip.rtp_ports",
                "must be the first and the last port, from 1024 on",
            ));
        }
        if self.dns_servers.len() > 4 || self.dns_servers.iter().any(|at| at.port() == 0) {
            return Err(ConfigError::value(
                "sip.dns_servers",
                "must be up to four addresses with their ports",
            ));
        }
        self.dial_out.check()?;
        check_trunks(&self.trunks, |kind| match kind {
            TrunkKind::Tls => self.tls_port != 0,
            TrunkKind::DangerousTcp => self.dangerous_tcp_port != 0,
            TrunkKind::DangerousUdp => self.dangerous_udp_port != 0,
        })
    }
}

/// RFC 1123 §2.1 names, and addresses of either family.
pub(super) fn is_host(host: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || "-.:".contains(c);
    (1..=253).contains(&host.len()) && host.chars().all(part)
}

/// RFC 6454 §6.2, as far as pages have them: anything else would never match.
fn is_origin(origin: &str) -> bool {
    let (host, usual_port) = match origin.split_once("://") {
        Some(("https", host)) => (host, ":443"),
        Some(("http", host)) => (host, ":80"),
        _ => return false,
    };
    is_host(host) && !host.ends_with(usual_port) && !host.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// `[[ice_servers]]`: a STUN or TURN server that clients are told about.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IceServer {
    /// `stun:`, `turn:` or `turns:` URLs.
    pub urls: Vec<String>,
    /// Static user name.
    #[serde(default)]
    pub username: Option<String>,
    /// Static password.
    #[serde(default)]
    pub credential: Option<String>,
    /// Shared secret for time-limited credentials (the TURN REST convention); excludes the static pair.
    #[serde(default)]
    pub secret: Option<String>,
    /// How long a time-limited credential lasts.
    #[serde(default = "credential_ttl_s")]
    pub credential_ttl_s: u32,
}

const fn credential_ttl_s() -> u32 {
    3_600
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

impl IceServer {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let known = |url: &String| ["stun:", "turn:", "turns:"].iter().any(|scheme| url.starts_with(scheme));
        if self.urls.is_empty() || !self.urls.iter().all(known) {
            return Err(ConfigError::value("ice_servers.urls", "must be stun:, turn: or turns: URLs"));
        }
        if self.secret.is_some() && (self.username.is_some() || self.credential.is_some()) {
            return Err(ConfigError::value("ice_servers", "secret excludes username and credential"));
        }
        if self.username.is_some() != self.credential.is_some() {
            return Err(ConfigError::value("ice_servers", "username and credential go together"));
        }
        Ok(())
    }
}

/// Which H.264 encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum H264Encoder {
    /// Cisco's, BSD licence: the default.
    OpenH264,
    /// x264 through FFmpeg: compresses better, GPL.
    X264,
}

/// `[encoder]`: which encoders, at which speed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EncoderSection {
    /// `openh264` or `x264`.
    pub h264: H264Encoder,
    /// libvpx's cpu-used, -16 (fast) to -4 (good).
    pub vp8_cpu_used: i8,
    /// Opus complexity, 0 to 10.
    pub opus_complexity: u8,
}

impl Default for EncoderSection {
    fn default() -> Self {
        Self { h264: H264Encoder::OpenH264, vp8_cpu_used: -8, opus_complexity: 5 }
    }
}

/// `[room]`: what a new room is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoomSection {
    /// Pixels of the mixed picture.
    pub canvas: Size,
    /// Pixels of a shared screen that is sent as a picture of its own.
    pub content_canvas: Size,
    /// Participants of one room, unless the room says less.
    pub participants_max: usize,
    /// Guests wait for a host: until one is there, everybody sees a card and nobody is heard.
    pub guests_wait: bool,
}

impl Default for RoomSection {
    fn default() -> Self {
        Self {
            canvas: Size::new(1_280, 720),
            content_canvas: Size::new(1_920, 1_080),
            participants_max: 50,
            guests_wait: false,
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// `[log]`: what is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives per module.
    pub level: String,
    /// `auto`, `text` or `json`.
    pub format: LogFormat,
}

impl Default for LogSection {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Auto }
    }
}
