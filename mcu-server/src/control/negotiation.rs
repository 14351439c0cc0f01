//! Offer and answer, off the control task: parsing a long offer takes milliseconds that nobody else should wait for.

use super::meeting::Arrival;
use crate::config::Config;
use crate::threads::NodeClock;
use mcu_core::conference::roster::Via;
use mcu_core::id::{ConferenceId, ParticipantId, PeerId};
use signalling::command::SipLeg;
use signalling::command::{Offer, Reply};
use signalling::problem::ApiError;
use std::net::IpAddr;
use std::sync::Arc;
use transport::io::ports::{LinePorts, PortRange};
use transport::peer::{
    Answer, Association, ClockBase, Kind, LineRoles, LocalAddress, NegotiateError, PeerConfig, SipConfig,
    SipPeer, WebRtcPeer,
};

/// Everything that answering one offer takes.
pub struct Negotiation {
    /// The offer.
    pub offer: Offer,
    /// Where the answer goes.
    pub reply: Reply<String>,
    /// The id of the association that may come of it.
    pub id: PeerId,
    /// Which io thread it will live on.
    pub io: usize,
    /// Where that thread can be reached.
    pub addresses: Vec<LocalAddress>,
    /// What a SIP leg is made with.
    pub sip: SipMedia,
}

/// What the configuration says of the media of SIP legs.
#[derive(Debug, Clone)]
pub struct SipMedia {
    /// Where their ports come from.
    pub ports: Arc<PortRange>,
    /// Told instead of the address that signalling came to.
    pub advertise: Option<IpAddr>,
    /// Media without SRTP are taken from who offers nothing better.
    pub plain_rtp: bool,
}

impl SipMedia {
    /// As the configuration says.
    pub fn new(config: &Config) -> Self {
        let [first, last] = config.sip.rtp_ports;
        // A host name is for signalling: SDP tells addresses, as those of media are told.
        let told = config.sip.advertise.as_ref().and_then(|host| host.parse().ok());
        Self {
            ports: Arc::new(PortRange::new(first, last)),
            advertise: told.or_else(|| config.media.advertise.first().copied()),
            plain_rtp: config.sip.dangerous_plain_rtp,
        }
    }
}

/// An offer that was answered.
pub struct Accepted {
    /// In which meeting.
    pub conference: ConferenceId,
    /// What came of it.
    pub arrival: Arrival,
    /// The answer.
    pub sdp: String,
    /// Where the answer goes.
    pub reply: Reply<String>,
}

impl Negotiation {
    /// Answers, or says why not; the refusal has gone out when this returns `None`.
    pub fn run(self, clock: NodeClock) -> Option<Accepted> {
        let answered = match self.offer.sip {
            Some(leg) => self.answer_sip(leg, clock),
            None => self.answer_webrtc(clock),
        };
        let Self { offer, reply, id, io, .. } = self;
        match answered {
            Ok((peer, ports, answer)) => {
                let rtp_offsets = [rand::random(), rand::random()];
                let participant: ParticipantId = offer.who.participant;
                let arrival = Arrival { participant, id, io, peer, ports, rtp_offsets };
                Some(Accepted { conference: offer.who.conference, arrival, sdp: answer.sdp, reply })
            }
            Err(error) => {
                tracing::debug!(%error, "offer refused");
                // A requester that has gone away wants no answer.
                let _ = reply.send(Err(refusal(&error)));
                None
            }
        }
    }

    fn answer_sip(&self, leg: SipLeg, clock: NodeClock) -> Answered {
        let SipMedia { ports, advertise, plain_rtp } = &self.sip;
        let config = SipConfig {
            // One of the other family would be no answer to this offer.
            advertised: advertise.filter(|told| told.is_ipv4() == leg.local.is_ipv4()).unwrap_or(leg.local),
            secure: leg.secure,
            from: leg.from,
            plain_rtp: *plain_rtp,
            ..SipConfig::default()
        };
        let mut opened: Vec<LinePorts> = Vec::new();
        let mut open = |shared| {
            let line = ports.open(leg.local, shared)?;
            let local = line.local;
            opened.push(line);
            Ok(local)
        };
        let (peer, answer) = SipPeer::accept(&config, &self.offer.sdp, &mut open, clock.now())?;
        Ok((peer.into(), opened, answer))
    }

    fn answer_webrtc(&self, clock: NodeClock) -> Answered {
        let offer = &self.offer;
        let roles = offer.lines.as_ref().map_or_else(LineRoles::in_order, |lines| {
            LineRoles::by_mid(lines.iter().map(|(mid, kind)| (mid.as_str().into(), *kind)))
        });
        let kind = match offer.via {
            Via::Browser | Via::Sip => Kind::Full,
            Via::Whip => Kind::SendOnlyFromClient,
            Via::Whep => Kind::ReceiveOnly,
        };
        let config = PeerConfig { addresses: self.addresses.clone(), kind, ..PeerConfig::default() };
        let base = ClockBase::new(clock.epoch());
        let (peer, answer) = WebRtcPeer::accept(&config, base, &offer.sdp, &roles, clock.now())?;
        Ok((peer.into(), Vec::new(), answer))
    }
}

/// An association, the sockets that are its alone, and what its far end is told.
type Answered = Result<(Association, Vec<LinePorts>, Answer), NegotiateError>;

fn refusal(error: &NegotiateError) -> ApiError {
    match error {
        NegotiateError::TooLarge { max, .. } => ApiError::TooLarge { limit_bytes: *max },
        NegotiateError::NoCommonCodec { .. } => ApiError::SdpNoCommonCodec,
        // What the library says may quote the offer.
        NegotiateError::Refused { .. } => ApiError::SdpInvalid("the offer cannot be answered".to_owned()),
        NegotiateError::TooManyLines { .. }
        | NegotiateError::Invalid { .. }
        | NegotiateError::Unacceptable { .. }
        | NegotiateError::NoMedia => ApiError::sdp_invalid(error),
    }
}
