//! WHIP (RFC 9725) and WHEP: one POST of an offer to join, one DELETE to leave; the room's PIN is the bearer.
//!
//! Flow: `arrive` -> **here** -> the node's `/whip/{alias}` or `/whep/{alias}`. Bounds: those of `signal`. The resource's
//! address is taken from `Location` as it is, and only if it is on the same node.

use super::signal::{self, SignalError};
use super::target::Target;
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::{Client, StatusCode, Url};

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
        let mut url = signal::endpoint(target, &format!("{step}/{}", target.alias));
        url.query_pairs_mut().append_pair("name", name);
        let request = client.post(url).header(CONTENT_TYPE, SDP).header(ACCEPT, SDP).body(sdp);
        let response = signal::send(step, request.bearer_auth(&target.pin)).await?;
        let broken = |detail: &str| SignalError::Answer { step, detail: detail.to_owned() };
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
        let request = self.client.delete(self.resource.clone()).bearer_auth(&self.bearer);
        signal::send("leave", request).await.map(drop)
    }
}
