//! Offers of ours, to callers by SIP that made none and to whom the node calls: made and settled off the control task, as offers of others are answered.
//!
//! Flow: `Command::Propose` -> [`Proposing`] -> [`Proposal`], which its meeting keeps -> `Command::Settle` -> [`Settling`] -> an arrival. Bound: one proposal
//! for each participant, which holds its ports as long as it waits.

use super::meeting::Arrival;
use super::negotiation::{Negotiated, Predecessor, SipMedia, Told, refusal};
use crate::threads::NodeClock;
use mcu_core::id::PeerId;
use signalling::command::{Identity, Reply, SipLeg};
use signalling::problem::ApiError;
use transport::io::ports::LinePorts;
use transport::peer::{Association, SipOffer};

/// An offer that waits for its answer.
pub struct Proposal {
    offer: SipOffer,
    ports: Vec<LinePorts>,
    id: PeerId,
    io: usize,
    follows: Option<PeerId>,
}

impl Proposal {
    /// Makes an offer, and its text.
    pub(super) fn make(
        sip: &SipMedia,
        leg: SipLeg,
        before: Option<Predecessor>,
        (id, io): (PeerId, usize),
        clock: NodeClock,
    ) -> Result<(Box<Self>, String), ApiError> {
        let follows = before.as_ref().map(|before| before.peer);
        let mut ports = Vec::new();
        let made = SipOffer::make(sip.config(leg, before, clock), &mut sip.opener(leg, &mut ports));
        let (offer, sdp) = made.map_err(|error| refusal(&error))?;
        Ok((Box::new(Self { offer, ports, id, io, follows }), sdp))
    }
}

/// Everything that making an offer takes.
pub(super) struct Proposing {
    /// To whom.
    pub(super) who: Identity,
    /// Its signalling.
    pub(super) leg: SipLeg,
    /// Where the offer goes.
    pub(super) reply: Reply<String>,
    /// The id of the association that may come of it.
    pub(super) id: PeerId,
    /// Which io thread it will live on.
    pub(super) io: usize,
    /// What a SIP leg is made with.
    pub(super) sip: SipMedia,
    /// The session that it is to follow.
    pub(super) before: Option<Predecessor>,
}

impl Proposing {
    /// Makes the offer, or says why not; the refusal has gone out when this returns `None`.
    pub(super) fn run(self, clock: NodeClock) -> Option<Negotiated> {
        let Self { who, leg, reply, id, io, sip, before } = self;
        match Proposal::make(&sip, leg, before, (id, io), clock) {
            Ok((proposal, sdp)) => Some(Negotiated::Proposed { who, proposal, sdp, reply }),
            Err(error) => {
                let _ = reply.send(Err(error));
                None
            }
        }
    }
}

/// Everything that making a session of an answer takes.
pub(super) struct Settling {
    /// Whose.
    pub(super) who: Identity,
    /// What it answers.
    pub(super) proposal: Box<Proposal>,
    /// The answer.
    pub(super) sdp: String,
    /// Who waits.
    pub(super) reply: Reply<()>,
}

impl Settling {
    /// Settles it, or says why not; the refusal has gone out when this returns `None`.
    pub(super) fn run(self, clock: NodeClock) -> Option<Negotiated> {
        let Self { who, proposal, sdp, reply } = self;
        let Proposal { offer, mut ports, id, io, follows } = *proposal;
        match offer.settle(&sdp, clock.now()) {
            Ok(peer) => {
                let peer = Association::from(peer);
                let used = peer.own_ports();
                // Those of a line that the answer turned down close here.
                ports.retain(|line| used.contains(&line.local.rtp));
                let participant = who.participant;
                let rtp_offsets = [rand::random(), rand::random()];
                let arrival = Box::new(Arrival { participant, id, io, peer, ports, rtp_offsets, follows });
                Some(Negotiated::Agreed { conference: who.conference, arrival, told: Told::Settled(reply) })
            }
            Err(error) => {
                tracing::debug!(%error, "answer refused");
                let _ = reply.send(Err(refusal(&error)));
                None
            }
        }
    }
}
