//! Where a run goes in, and what it takes: join link, PIN, the administrator's token, the address of the metrics.
//!
//! Flow: command line -> **here** -> `rooms`, `crew`, `node`. Holds secrets: none of them is ever shown.

use super::RunError;
use crate::bot::call::{Credentials, Exchange, SipAddress};
use crate::bot::signal::{self, Session, SignalError};
use crate::bot::target::{Target, TargetError, read};
use crate::report::{ParticipantKind, TargetKind, TargetNote};
use crate::scenario::{Group, Place, Scenario};
use reqwest::Url;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

/// The way into a node.
#[derive(Clone)]
pub struct Entrance {
    target: Target,
    kind: TargetKind,
    admin_token: Option<String>,
    metrics: Option<Url>,
}

impl fmt::Debug for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entrance").field("base", &self.target.base.as_str()).finish_non_exhaustive()
    }
}

/// Why something is not an entrance.
#[derive(Debug, thiserror::Error)]
pub enum EntranceError {
    /// Not a link, or not an announce file.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// An address of SIP alone, and nobody in it.
    #[error("--sip names nobody to call: sip:USER@HOST, or --target or --announce beside it")]
    Nobody,
    /// Not `http://host:port/metrics`.
    #[error("{0:?} is not an address of metrics: expected http://HOST:PORT/metrics")]
    Metrics(String),
}

/// What the announce file has for tools besides what a participant needs.
#[derive(Debug, Default, Deserialize)]
struct Announced {
    admin_token: Option<String>,
    metrics_addr: Option<SocketAddr>,
}

impl Entrance {
    /// By a join link.
    ///
    /// # Errors
    /// [`EntranceError::Target`] when it is none.
    pub fn by_link(url: &str) -> Result<Self, EntranceError> {
        Ok(Self { target: url.parse()?, kind: TargetKind::JoinUrl, admin_token: None, metrics: None })
    }

    /// By addresses of WHIP and WHEP, of whatever server.
    ///
    /// # Errors
    /// [`EntranceError::Target`] when one is none, or they are of two servers.
    pub fn by_endpoints(whip: Option<&str>, whep: Option<&str>) -> Result<Self, EntranceError> {
        let target = Target::by_endpoints(whip, whep)?;
        Ok(Self { target, kind: TargetKind::Endpoints, admin_token: None, metrics: None })
    }

    /// By an address of SIP, of whatever server.
    ///
    /// # Errors
    /// [`EntranceError::Target`] when it is none, [`EntranceError::Nobody`] when it names nobody to call.
    pub fn by_sip(text: &str) -> Result<Self, EntranceError> {
        let address: SipAddress = text.parse().map_err(TargetError::Sip)?;
        if !address.has_user() {
            return Err(EntranceError::Nobody);
        }
        let target = Target::by_sip(Exchange { address, credentials: Credentials::default() })?;
        Ok(Self { target, kind: TargetKind::Sip, admin_token: None, metrics: None })
    }

    /// By the file that `mcu serve --announce` wrote.
    ///
    /// # Errors
    /// [`EntranceError::Target`] when it cannot be read or is none.
    pub fn by_announcement(path: &Path) -> Result<Self, EntranceError> {
        let target = Target::from_announce(path)?;
        let announced: Announced = Target::read_announce(path)?;
        let metrics = announced.metrics_addr.and_then(|addr| format!("http://{addr}/metrics").parse().ok());
        Ok(Self { target, kind: TargetKind::Announce, admin_token: announced.admin_token, metrics })
    }

    /// The same node or another, and another meeting: that of a join link.
    ///
    /// # Errors
    /// [`EntranceError::Target`] when it is none.
    pub fn towards(mut self, url: &str) -> Result<Self, EntranceError> {
        let link: Target = url.parse()?;
        (self.target.base, self.target.alias) = (link.base, link.alias);
        Ok(self)
    }

    /// The same with another PIN.
    #[must_use]
    pub fn with_pin(mut self, pin: Option<&str>) -> Self {
        if let Some(pin) = pin {
            self.target = self.target.with_pin(pin);
        }
        self
    }

    /// The same with another administrator's token.
    #[must_use]
    pub fn with_token(mut self, token: Option<String>) -> Self {
        self.admin_token = token.or(self.admin_token);
        self
    }

    /// The same, trusting a CA.
    ///
    /// # Errors
    /// [`EntranceError::Target`] when its file cannot be read.
    pub fn with_ca_file(mut self, path: Option<&Path>) -> Result<Self, EntranceError> {
        if let Some(path) = path {
            self.target = self.target.with_ca_file(path)?;
        }
        Ok(self)
    }

    /// The same, called by SIP at this address: whom it names, or, if it names nobody, each meeting by its alias and PIN.
    ///
    /// # Errors
    /// [`EntranceError::Target`] when it is none.
    pub fn with_sip(mut self, text: Option<&str>) -> Result<Self, EntranceError> {
        if let Some(text) = text {
            let address = text.parse().map_err(TargetError::Sip)?;
            let before = self.target.sip.take().map(|exchange| exchange.credentials);
            self.target.sip = Some(Exchange { address, credentials: before.unwrap_or_default() });
        }
        Ok(self)
    }

    /// The same with what TLS for SIP trusts and shows.
    ///
    /// # Errors
    /// [`EntranceError::Target`] when a file cannot be read.
    pub fn with_credentials(
        mut self,
        ca: Option<&Path>,
        identity: Option<(&Path, &Path)>,
    ) -> Result<Self, EntranceError> {
        if let Some(exchange) = &mut self.target.sip {
            let ours = &self.target.ca_pem;
            exchange.credentials.ca = match ca {
                Some(path) => Some(read(path)?),
                None => exchange.credentials.ca.take().or_else(|| ours.clone()),
            };
            let both = identity.map(|(chain, key)| Ok::<_, TargetError>((read(chain)?, read(key)?)));
            exchange.credentials.identity = both.transpose()?;
        }
        Ok(self)
    }

    /// The same with the metrics elsewhere.
    ///
    /// # Errors
    /// [`EntranceError::Metrics`] when it is no address of any.
    pub fn with_metrics(mut self, url: Option<&str>) -> Result<Self, EntranceError> {
        if let Some(text) = url {
            let url = Url::parse(text).ok().filter(|url| url.scheme() == "http" && url.host_str().is_some());
            self.metrics = Some(url.ok_or_else(|| EntranceError::Metrics(text.to_owned()))?);
        }
        Ok(self)
    }

    /// The meeting.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What a report says of it.
    pub fn note(&self) -> TargetNote {
        let by_sip = self.target.sip.as_ref().filter(|_| self.kind == TargetKind::Sip);
        let base = by_sip.map_or_else(|| self.target.base.to_string(), |exchange| exchange.address.server());
        TargetNote { kind: self.kind, base }
    }

    /// Why nobody of `group` could come in, if that is so: by endpoints alone only encoders and players do, by SIP alone who calls.
    pub fn shuts_out(&self, group: &Group) -> Option<&'static str> {
        if group.calls() {
            let why = "comes by SIP: pass --sip sip:[USER@]HOST[:PORT][;transport=tls], or --announce FILE of a node that serves it";
            return self.target.sip.is_none().then_some(why);
        }
        if self.kind == TargetKind::Sip {
            return Some("does not come by SIP: pass --target JOIN_URL or --announce FILE as well");
        }
        let endpoints = self.target.endpoints.as_ref()?;
        match group.kind {
            ParticipantKind::Whip if endpoints.whip.is_none() => Some("publishes by WHIP: pass --whip URL"),
            ParticipantKind::Whep if endpoints.whep.is_none() => Some("watches by WHEP: pass --whep URL"),
            ParticipantKind::Whip | ParticipantKind::Whep => None,
            _ => Some("comes as a browser does, which takes a join link"),
        }
    }

    /// Whether there is but one meeting: endpoints name it, or an address of SIP.
    pub fn has_one_room(&self) -> bool {
        let names_whom = self.target.sip.as_ref().is_some_and(|exchange| exchange.address.has_user());
        self.target.endpoints.is_some() || names_whom
    }

    /// Whether it is known where the node tells its metrics.
    pub fn has_metrics(&self) -> bool {
        self.metrics.is_some()
    }

    pub(super) fn admin_token(&self) -> Option<&str> {
        self.admin_token.as_deref()
    }

    pub(super) fn metrics(&self) -> Option<Url> {
        self.metrics.clone()
    }

    /// The node's version; `None` where something answers that is not our node.
    pub(super) async fn version(&self) -> Result<Option<String>, RunError> {
        #[derive(Deserialize)]
        struct Livez {
            version: String,
        }
        if self.kind == TargetKind::Sip {
            return Ok(None);
        }
        let client = signal::client(self.target.ca_pem.as_deref()).map_err(RunError::Refused)?;
        let request = client.get(signal::endpoint(&self.target, "livez"));
        match signal::send("livez", request).await {
            Ok(response) => {
                let body = signal::body("livez", response).await.unwrap_or_default();
                Ok(serde_json::from_slice(&body).ok().map(|livez: Livez| livez.version))
            }
            Err(SignalError::Refused { .. }) => Ok(None),
            Err(source) => Err(RunError::Unreachable { base: self.target.base.to_string(), source }),
        }
    }

    /// Connects to the server of SIP and asks it nothing, so that what is missing is known before loops are made.
    pub(super) async fn knock_by_sip(&self, scenario: &Scenario) -> Result<(), RunError> {
        let calls = scenario.rooms.iter().flat_map(|room| &room.groups).any(Group::calls);
        match self.target.sip.as_ref().filter(|_| calls) {
            Some(exchange) => exchange.knock().await.map_err(RunError::Sip),
            None => Ok(()),
        }
    }

    /// Joins and leaves each room that is there already, so that a wrong PIN is known before loops are made.
    pub(super) async fn knock(&self, scenario: &Scenario) -> Result<(), RunError> {
        if self.target.endpoints.is_some() {
            // Nothing is known of it but how to publish and to watch.
            return Ok(());
        }
        if scenario.makes_rooms() && self.admin_token.is_none() {
            return Err(RunError::NeedsToken);
        }
        let aliases: BTreeSet<&str> = scenario
            .rooms
            .iter()
            .filter_map(|room| match &room.place {
                Place::Target => Some(&*self.target.alias),
                Place::Alias(alias) => Some(&**alias),
                Place::Made(_) => None,
            })
            .collect();
        for alias in aliases {
            let target = Target { alias: alias.to_owned(), ..self.target.clone() };
            match Session::join(&target, "mcu-load", false).await {
                // The node notices by itself when this fails.
                Ok(session) => drop(session.leave().await),
                Err(error) if error.code() == Some("join-refused") && target.pin.is_empty() => {
                    return Err(RunError::NeedsPin);
                }
                Err(error) => return Err(RunError::Refused(error)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement(json: &str) -> Result<Entrance, EntranceError> {
        let name = format!("mcu-load-entrance-{}-{:?}.json", std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, json).expect("a temporary file");
        let entrance = Entrance::by_announcement(&path);
        std::fs::remove_file(&path).expect("it was written");
        entrance
    }

    #[test]
    fn an_announcement_brings_pin_token_and_metrics_and_flags_go_over_it() {
        let json = r#"{"join_url": "http://localhost:1/m/demo", "guest_pin": "111111", "admin_token": "secret",
            "metrics_addr": "127.0.0.1:9090", "anything": 1}"#;
        let entrance = announcement(json).expect("is one");
        assert_eq!((&*entrance.target.pin, entrance.admin_token()), ("111111", Some("secret")));
        assert_eq!(entrance.metrics().map(String::from).as_deref(), Some("http://127.0.0.1:9090/metrics"));
        assert!(!format!("{entrance:?}").contains("secret"));
        let entrance = entrance.with_pin(Some("2")).with_token(Some("other".into()));
        let entrance = entrance.with_metrics(Some("http://[::1]:1/metrics")).expect("an address");
        assert_eq!((&*entrance.target.pin, entrance.admin_token()), ("2", Some("other")));
        assert_eq!(entrance.clone().with_pin(None).target.pin, "2");
        assert!(entrance.with_metrics(Some("ftp://x/")).is_err());
        assert!(announcement("{}").is_err() && announcement("no json").is_err());
    }
}
