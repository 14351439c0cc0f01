//! Offer and answer, off the control task: parsing a long offer takes milliseconds that nobody else should wait for.

use super::invitations::Invited;
use super::meeting::Arrival;
use super::proposals::Proposal;
use crate::config::Config;
use crate::threads::NodeClock;
use mcu_core::conference::roster::Via;
use mcu_core::id::{ConferenceId, ParticipantId, PeerId};
use signalling::command::{FloorTold, Identity, Invitation, Offer, Reply, SipLeg};
use signalling::problem::ApiError;
use std::net::IpAddr;
use std::sync::Arc;
use transport::io::ports::{LinePorts, PortRange};
use transport::peer::{
    Answer, Association, ClockBase, FloorControl, Kind, LineRoles, LocalAddress, LocalPorts, NegotiateError,
    PeerConfig, SipConfig, SipPeer, Standing, WebRtcPeer,
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
    /// The session that it is to follow.
    pub before: Option<Predecessor>,
}

/// The connection that a participant has, and what the next one of the same call keeps of it.
#[derive(Debug, Clone)]
pub struct Predecessor {
    /// Which.
    pub peer: PeerId,
    /// Its ports, and how its session is named.
    pub standing: Standing,
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

    /// How a leg is set up that follows `before` in its call.
    pub fn config(&self, leg: SipLeg, before: Option<Predecessor>, clock: NodeClock) -> SipConfig {
        let advertised = self.advertise.filter(|told| told.is_ipv4() == leg.local.is_ipv4());
        SipConfig {
            // One of the other family would be no answer to this offer.
            advertised: advertised.unwrap_or(leg.local),
            secure: leg.secure,
            browser: leg.browser,
            from: leg.from,
            plain_rtp: self.plain_rtp,
            clock: Some(ClockBase::new(clock.epoch())),
            standing: before.map(|before| before.standing),
            floor: leg.floor.map(|FloorTold { port, conference, user, floor }| FloorControl {
                port,
                conference,
                user,
                floor,
            }),
            ..SipConfig::default()
        }
    }

    /// Opens ports for the lines of a leg, into `opened`.
    pub fn opener<'a>(
        &'a self,
        leg: SipLeg,
        opened: &'a mut Vec<LinePorts>,
    ) -> impl FnMut(bool) -> std::io::Result<LocalPorts> + 'a {
        move |shared| {
            let line = self.ports.open(leg.local, shared)?;
            let local = line.local;
            opened.push(line);
            Ok(local)
        }
    }
}

/// What came of a negotiation.
pub enum Negotiated {
    /// Both sides have said what they have to.
    Agreed {
        /// In which meeting.
        conference: ConferenceId,
        /// The connection.
        arrival: Box<Arrival>,
        /// Who waits for that.
        told: Told,
    },
    /// An offer of ours, for somebody who is being called.
    Invited {
        /// What it will be answered to.
        invited: Invited,
        /// Who it is, and the text.
        invitation: Invitation,
        /// Where that goes.
        reply: Reply<Invitation>,
    },
    /// An offer of ours.
    Proposed {
        /// To whom.
        who: Identity,
        /// What it will be answered to.
        proposal: Box<Proposal>,
        /// Its text.
        sdp: String,
        /// Where that goes.
        reply: Reply<String>,
    },
}

/// What whoever asked is told in the end.
pub enum Told {
    /// The answer to its offer.
    Answer(Reply<String>, String),
    /// That its answer will do.
    Settled(Reply<()>),
}

impl Told {
    /// Says so, or what went wrong. A requester that has gone away wants no answer.
    pub fn say(self, result: Result<(), ApiError>) {
        match self {
            Self::Answer(reply, sdp) => drop(reply.send(result.map(|()| sdp))),
            Self::Settled(reply) => drop(reply.send(result)),
        }
    }
}

impl Negotiation {
    /// Answers, or says why not; the refusal has gone out when this returns `None`.
    pub fn run(mut self, clock: NodeClock) -> Option<Negotiated> {
        let before = self.before.take();
        let follows = before.as_ref().map(|before| before.peer);
        let answered = match self.offer.sip {
            Some(leg) => self.answer_sip(leg, before, clock),
            None => self.answer_webrtc(clock),
        };
        let Self { offer, reply, id, io, .. } = self;
        match answered {
            Ok((peer, ports, answer)) => {
                let rtp_offsets = [rand::random(), rand::random()];
                let participant: ParticipantId = offer.who.participant;
                let arrival = Box::new(Arrival { participant, id, io, peer, ports, rtp_offsets, follows });
                let told = Told::Answer(reply, answer.sdp);
                Some(Negotiated::Agreed { conference: offer.who.conference, arrival, told })
            }
            Err(error) => {
                tracing::debug!(%error, "offer refused");
                // A requester that has gone away wants no answer.
                let _ = reply.send(Err(refusal(&error)));
                None
            }
        }
    }

    fn answer_sip(&self, leg: SipLeg, before: Option<Predecessor>, clock: NodeClock) -> Answered {
        let config = self.sip.config(leg, before, clock);
        let mut opened = Vec::new();
        let answered = {
            let mut open = self.sip.opener(leg, &mut opened);
            SipPeer::accept(&config, &self.offer.sdp, &mut open, clock.now())
        };
        let (peer, answer) = answered?;
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

/// What whoever asked is told of it.
pub(super) fn refusal(error: &NegotiateError) -> ApiError {
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
