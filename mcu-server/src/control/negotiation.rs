//! Offer and answer, off the control task: parsing a long offer takes milliseconds that nobody else should wait for.

use super::meeting::Arrival;
use crate::threads::NodeClock;
use mcu_core::conference::roster::Via;
use mcu_core::id::{ConferenceId, ParticipantId, PeerId};
use signalling::command::{Offer, Reply};
use signalling::problem::ApiError;
use transport::peer::{ClockBase, Kind, LineRoles, LocalAddress, NegotiateError, PeerConfig, WebRtcPeer};

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
        let Self { offer, reply, id, io, addresses } = self;
        let roles = offer.lines.map_or_else(LineRoles::in_order, |lines| {
            LineRoles::by_mid(lines.into_iter().map(|(mid, kind)| (mid.into_boxed_str(), kind)))
        });
        let kind = match offer.via {
            Via::Browser => Kind::Full,
            Via::Whip => Kind::SendOnlyFromClient,
            Via::Whep => Kind::ReceiveOnly,
        };
        let config = PeerConfig { addresses, kind, ..PeerConfig::default() };
        let base = ClockBase::new(clock.epoch());
        match WebRtcPeer::accept(&config, base, &offer.sdp, &roles, clock.now()) {
            Ok((peer, answer)) => {
                let rtp_offsets = [rand::random(), rand::random()];
                let participant: ParticipantId = offer.who.participant;
                let arrival = Arrival { participant, id, io, peer, rtp_offsets };
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
}

fn refusal(error: &NegotiateError) -> ApiError {
    match error {
        NegotiateError::TooLarge { max, .. } => ApiError::TooLarge { limit_bytes: *max },
        NegotiateError::NoCommonCodec { .. } => ApiError::SdpNoCommonCodec,
        // What the library says may quote the offer.
        NegotiateError::Refused { .. } => ApiError::SdpInvalid("the offer cannot be answered".to_owned()),
        NegotiateError::TooManyLines { .. } | NegotiateError::Invalid { .. } | NegotiateError::NoMedia => {
            ApiError::sdp_invalid(error)
        }
    }
}
