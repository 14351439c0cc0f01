//! The session of a call: what each side has said of it, and how control is asked for its half (RFC 3264).
//!
//! Flow: `call` -> **here** -> control thread. Thread: the call's own task, or one beside it. Bound: the router's request time.

use super::flow::Flow;
use super::switchboard::Switchboard;
use crate::command::{Command, FloorTold, Identity, Offer, SipLeg};
use crate::problem::ApiError;
use mcu_core::conference::roster::Via;
use tokio::time::timeout;

/// What each side has said of the session that stands, or is to.
#[derive(Clone)]
pub(super) struct Session {
    /// The caller's offer; `None` where the offer was ours.
    pub(super) offer: Option<String>,
    /// Our answer, or our offer.
    pub(super) ours: String,
}

/// What media need to know of the way.
pub(super) fn leg(flow: &Flow) -> SipLeg {
    SipLeg {
        secure: flow.is_secure(),
        browser: flow.is_of_browser(),
        from: flow.from.ip().to_canonical(),
        local: flow.local_address(),
        floor: None,
    }
}

/// The answer to an offer, or an offer to whoever made none.
pub(super) async fn negotiate(
    board: &Switchboard,
    who: &Identity,
    flow: &Flow,
    floor: Option<FloorTold>,
    offer: Option<String>,
) -> Result<Session, ApiError> {
    let (control, who, leg) = (&board.state.control, who.clone(), SipLeg { floor, ..leg(flow) });
    let ours = match offer.clone() {
        Some(sdp) => {
            let offer = Offer { who, via: Via::Sip, sdp, lines: None, sip: Some(leg) };
            control.ask(|reply| Command::Offer { offer, reply }).await?
        }
        None => control.ask(|reply| Command::Propose { who, leg, reply }).await?,
    };
    Ok(Session { offer, ours })
}

/// Whether a session comes of what an ACK, or a 2xx, says to our offer.
pub(super) async fn settle(board: &Switchboard, who: Identity, sdp: Option<String>) -> bool {
    let Some(sdp) = sdp else { return false };
    let asked = board.state.control.ask(|reply| Command::Settle { who, sdp, reply });
    matches!(timeout(board.state.request_time_max, asked).await, Ok(Ok(())))
}
