//! Where a bot joins: parsed from a join URL, and from the file that `mcu serve --announce` writes.

use super::call::{Credentials, Exchange, NoSipAddress};
use reqwest::Url;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Bytes of a CA or announce file that are read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A meeting, and what it takes to get in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The node's base, without a path: `http://localhost:8080/`.
    pub base: Url,
    /// The room's alias.
    pub alias: String,
    /// The PIN; empty where the room needs none.
    pub pin: String,
    /// PEM of the CA that signed the node's certificate; `None` trusts the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// Where the node takes media, if that is known; else it is taken to be where its words are.
    pub media: Option<SocketAddr>,
    /// Addresses of WHIP and WHEP that follow no rule of ours, of whatever server.
    pub endpoints: Option<Endpoints>,
    /// Where it is called by SIP, if it is known.
    pub sip: Option<Exchange>,
}

/// Where a server that need not be our node is published to and watched. Its bearer, if it wants one, is the target's PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// RFC 9725.
    pub whip: Option<Url>,
    /// draft-ietf-wish-whep.
    pub whep: Option<Url>,
}

/// Why something is not a target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Not `http(s)://host[:port]/...`.
    #[error("{0:?} is not an address of WHIP or WHEP: expected http(s)://HOST[:PORT]/PATH")]
    Endpoint(String),
    /// WHIP at one server and WHEP at another.
    #[error("{0} and {1} are two servers: one run is of one")]
    TwoServers(Box<Url>, Box<Url>),
    /// Not `http(s)://host[:port]/m/alias`.
    #[error("{0:?} is not a join URL: expected http(s)://HOST[:PORT]/m/ALIAS")]
    Url(String),
    /// Not `sip:[USER@]HOST[:PORT][;transport=...]`.
    #[error(transparent)]
    Sip(#[from] NoSipAddress),
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what `--announce` writes.
    #[error("{path} is not an announce file: {source}")]
    Announce {
        /// Which.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let refuse = || TargetError::Url(text.to_owned());
        let mut url = Url::parse(text).map_err(|_| refuse())?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(refuse());
        }
        let alias = match url.path().split('/').collect::<Vec<_>>()[..] {
            ["", "m", alias] if !alias.is_empty() => alias.to_owned(),
            _ => return Err(refuse()),
        };
        url.set_path("/");
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self {
            base: url,
            alias,
            pin: String::new(),
            ca_pem: None,
            media: None,
            endpoints: None,
            sip: None,
        })
    }
}

/// The part of the announce file that a client needs; other fields are the operator's.
#[derive(Debug, Deserialize)]
struct Announce {
    join_url: String,
    host_pin: Option<String>,
    guest_pin: Option<String>,
    ca_file: Option<PathBuf>,
    media_addr: Option<SocketAddr>,
    sip_url: Option<String>,
}

impl Target {
    /// A server by its addresses of WHIP and WHEP; at least one of both.
    ///
    /// # Errors
    /// [`TargetError::Endpoint`] when one is none, [`TargetError::TwoServers`] when they are not of one origin.
    pub fn by_endpoints(whip: Option<&str>, whep: Option<&str>) -> Result<Self, TargetError> {
        let endpoint = |text: &str| {
            let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            url.filter(Url::has_host).ok_or_else(|| TargetError::Endpoint(text.to_owned()))
        };
        let (whip, whep) = (whip.map(endpoint).transpose()?, whep.map(endpoint).transpose()?);
        let mut base =
            whip.as_ref().or(whep.as_ref()).cloned().ok_or_else(|| TargetError::Endpoint(String::new()))?;
        if let (Some(whip), Some(whep)) = (&whip, &whep)
            && whip.origin() != whep.origin()
        {
            return Err(TargetError::TwoServers(Box::new(whip.clone()), Box::new(whep.clone())));
        }
        base.set_path("/");
        base.set_query(None);
        base.set_fragment(None);
        let endpoints = Some(Endpoints { whip, whep });
        Ok(Self { endpoints, ..Self::at(base) })
    }

    /// A server by SIP alone: of its base only host and port mean something.
    ///
    /// # Errors
    /// [`TargetError::Sip`] when its host is none that a URL could have.
    pub fn by_sip(exchange: Exchange) -> Result<Self, TargetError> {
        let (host, port) = exchange.address.host_port();
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let base = format!("sip://{host}:{port}/").parse().map_err(|_| TargetError::Sip(NoSipAddress))?;
        Ok(Self { sip: Some(exchange), ..Self::at(base) })
    }

    fn at(base: Url) -> Self {
        let (alias, pin) = (String::new(), String::new());
        Self { base, alias, pin, ca_pem: None, media: None, endpoints: None, sip: None }
    }

    /// The meeting that an announce file tells of, with its guest PIN (else its host PIN) and CA.
    ///
    /// # Errors
    /// [`TargetError`] when a file is missing, over 1 MiB, or not what it should be.
    pub fn from_announce(path: &Path) -> Result<Self, TargetError> {
        let announce: Announce = Self::read_announce(path)?;
        let mut target: Self = announce.join_url.parse()?;
        target.pin = announce.guest_pin.or(announce.host_pin).unwrap_or_default();
        target.media = announce.media_addr;
        if let Some(ca_file) = announce.ca_file {
            target.ca_pem = Some(read(&ca_file)?);
        }
        if let Some(sip_url) = announce.sip_url {
            let credentials = Credentials { ca: target.ca_pem.clone(), identity: None };
            target.sip = Some(Exchange { address: sip_url.parse()?, credentials });
        }
        Ok(target)
    }

    /// The fields of an announce file that `T` names.
    ///
    /// # Errors
    /// [`TargetError`] when it cannot be read, or is not what it should be.
    pub fn read_announce<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, TargetError> {
        serde_json::from_slice(&read(path)?)
            .map_err(|source| TargetError::Announce { path: path.to_owned(), source })
    }

    /// The same with another PIN.
    #[must_use]
    pub fn with_pin(mut self, pin: impl Into<String>) -> Self {
        self.pin = pin.into();
        self
    }

    /// The same, trusting the CA in `path` (PEM).
    ///
    /// # Errors
    /// [`TargetError::File`] when it cannot be read.
    pub fn with_ca_file(mut self, path: &Path) -> Result<Self, TargetError> {
        self.ca_pem = Some(read(path)?);
        Ok(self)
    }
}

/// A file of at most 1 MiB.
///
/// # Errors
/// [`TargetError::File`] when it cannot be read.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, TargetError> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(|source| TargetError::File { path: path.to_owned(), source })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_url_is_taken_apart() {
        let target: Target = "https://mcu.example:8443/m/first?x=1#y".parse().expect("is one");
        assert_eq!((target.base.as_str(), target.alias.as_str()), ("https://mcu.example:8443/", "first"));
    }

    #[test]
    fn a_server_may_be_told_by_its_endpoints_alone() {
        let by = Target::by_endpoints;
        let target = by(Some("http://peer:8889/live/whip?key=1"), None).expect("is one");
        assert_eq!((target.base.as_str(), target.alias.as_str()), ("http://peer:8889/", ""));
        let endpoints = target.endpoints.expect("was given");
        assert_eq!(endpoints.whip.expect("was given").as_str(), "http://peer:8889/live/whip?key=1");
        assert_eq!(endpoints.whep, None);
        assert!(matches!(by(Some("rtmp://peer/live"), None), Err(TargetError::Endpoint(_))));
        assert!(matches!(by(None, Some("peer")), Err(TargetError::Endpoint(_))));
        assert!(matches!(by(Some("http://a/1"), Some("http://b/1")), Err(TargetError::TwoServers(..))));
        assert!(by(Some("http://a/1"), Some("http://a/2")).is_ok());
    }

    #[test]
    fn what_is_no_join_url_is_refused() {
        for text in ["", "first", "ftp://host/m/a", "http://host/", "http://host/m/", "http://host/m/a/b"] {
            assert!(matches!(text.parse::<Target>(), Err(TargetError::Url(_))), "{text}");
        }
    }
}
