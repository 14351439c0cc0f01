//! WHIP (RFC 9725) and WHEP: one POST of an offer to join, one DELETE to leave; the room's PIN is the bearer.
//!
//! Flow: `arrive` -> **here** -> the node's `/whip/{alias}` or `/whep/{alias}`, or another server's endpoints. Bounds: those of `signal`. The
//! resource's address is taken from `Location` as it is, and only if it is on the same server.

use super::signal::{self, SignalError};
use super::target::{Endpoints, Target};
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::{Client, RequestBuilder, StatusCode, Url};

const SDP: &str = "application/sdp";

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// WHIP.
    Publish,
    /// WHEP.
    Watch,
}

impl Direction {
    const fn scheme(self) -> &'static str {
        match self {
            Self::Publish => "whip",
            Self::Watch => "whep",
        }
    }

    const fn of(self, endpoints: &Endpoints) -> Option<&Url> {
        match self {
            Self::Publish => endpoints.whip.as_ref(),
            Self::Watch => endpoints.whep.as_ref(),
        }
    }
}

/// A server that wants no bearer need not understand an empty one.
fn with_bearer(request: RequestBuilder, bearer: &str) -> RequestBuilder {
    if bearer.is_empty() { request } else { request.bearer_auth(bearer) }
}

/// A session at the node.
#[derive(Debug)]
pub struct Stream {
    client: Client,
    resource: Url,
    bearer: String,
}

impl Stream {
    /// Offers `sdp` under `name`; the answer's SDP.
    ///
    /// # Errors
    /// [`SignalError`]; `Refused` carries the API's code.
    pub async fn open(
        target: &Target,
        direction: Direction,
        name: &str,
        sdp: String,
    ) -> Result<(Self, String), SignalError> {
        let step = direction.scheme();
        let client = signal::client(target.ca_pem.as_deref())?;
        let broken = |detail: &str| SignalError::Answer { step, detail: detail.to_owned() };
        let url = match &target.endpoints {
            Some(endpoints) => {
                direction.of(endpoints).cloned().ok_or_else(|| broken("no address of it was given"))?
            }
            None => {
                let mut url = signal::endpoint(target, &format!("{step}/{}", target.alias));
                url.query_pairs_mut().append_pair("name", name);
                url
            }
        };
        let request = client.post(url).header(CONTENT_TYPE, SDP).header(ACCEPT, SDP).body(sdp);
        let response = signal::send(step, with_bearer(request, &target.pin)).await?;
        if response.status() != StatusCode::CREATED {
            return Err(broken("not 201, as RFC 9725 has it"));
        }
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let resource = location.and_then(|location| response.url().join(location).ok());
        let resource = resource.ok_or_else(|| broken("no Location"))?;
        if resource.origin() != target.base.origin() {
            return Err(broken("a Location on another host"));
        }
        let answer = String::from_utf8(signal::body(step, response).await?);
        let answer = answer.map_err(|_| broken("the SDP is not UTF-8"))?;
        Ok((Self { client, resource, bearer: target.pin.clone() }, answer))
    }

    /// Leaves.
    ///
    /// # Errors
    /// [`SignalError`]; the node will notice by itself.
    pub async fn end(&self) -> Result<(), SignalError> {
        let request = self.client.delete(self.resource.clone());
        signal::send("leave", with_bearer(request, &self.bearer)).await.map(drop)
    }
}
