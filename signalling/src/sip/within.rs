//! What is asked within a call: an offer, a refresh, a key, a key frame, a transfer, its end; and how each is answered.
//!
//! Flow: `call` -> [`Call::inquire`] -> an answer, or work beside the call whose outcome is a [`Done`]. Thread: the call's own task. Bound: one
//! offer at a time; the router's request time for its answer.

use super::answer::Answer;
use super::bfcp::FloorLine;
use super::call::{Call, Done};
use super::goodbye::End;
use super::invitation::{accepted, information, keyed, offered, timer, wants_keyframe};
use super::pending::Pending;
use super::session::{negotiate, settle};
use super::session_timer::SessionTimer;
use super::switchboard::{Inquiry, answer, new_tag};
use crate::command::Command;
use crate::problem::ApiError;
use rsipstack::sip::{Method, Request, StatusCode};
use rsipstack::transaction::Transaction;
use std::sync::Arc;
use tokio::time::timeout;

impl Call {
    /// A request within the call.
    pub(super) async fn inquire(&mut self, inquiry: Inquiry) -> Option<End> {
        // Whoever asks has our last answer: what came of it counts first.
        while let Some(done) = self.work.try_join_next() {
            if let Some(end) = self.done(done.unwrap_or(Done::Lost)) {
                answer(inquiry.transaction, Answer::unknown_call()).await;
                return Some(end);
            }
        }
        let Inquiry { transaction, flow } = inquiry;
        let request = &transaction.original;
        // What began in secret is not changed in the open.
        let exposed = self.flow.is_secure() && !flow.is_secure();
        let admitted = if exposed { Err(Answer::unknown_call()) } else { self.dialog.admit(request) };
        if let Err(refusal) = admitted {
            answer(transaction, refusal).await;
            return None;
        }
        self.flow = flow;
        let said = match request.method {
            Method::Bye => {
                answer(transaction, Answer::new(StatusCode::OK)).await;
                return Some(End::HungUp);
            }
            Method::Invite | Method::Update => match self.consider(request) {
                Ok((offer, timer)) => {
                    self.renegotiate(transaction, offer, timer);
                    return None;
                }
                Err(said) => said,
            },
            Method::Info => {
                self.key(request);
                if wants_keyframe(request) {
                    // As with a lost RTCP request: a device that still sees nothing asks again.
                    self.board.state.control.tell(Command::KeyframeWanted { who: self.who.clone() });
                }
                information(request)
            }
            Method::Refer => match self.referred(request) {
                Ok(()) => {
                    answer(transaction, Answer::new(StatusCode::Accepted)).await;
                    self.tell_trying();
                    return None;
                }
                Err(said) => said,
            },
            Method::Notify => {
                let (said, end) = self.notified(request);
                answer(transaction, said).await;
                return end;
            }
            Method::Options => Answer::capable(),
            // RFC 3262 §3: there is no provisional answer that it could acknowledge.
            Method::PRack => Answer::unknown_call(),
            _ => Answer::not_allowed(),
        };
        answer(transaction, said).await;
        None
    }

    /// A key that is told by INFO counts where none can come with the sound, lest it count twice.
    fn key(&self, request: &Request) {
        let by_sound = self.session.ours.contains("telephone-event");
        if let Some(digit) = keyed(request).filter(|_| !by_sound) {
            self.board.state.control.tell(Command::Digit { who: self.who.clone(), digit });
        }
    }

    /// What a re-INVITE or UPDATE offers; `None` of a re-INVITE that asks for an offer of ours.
    ///
    /// # Errors
    /// What it is answered with at once: a refusal, or the 200 that refreshes a session without changing it.
    fn consider(&mut self, request: &Request) -> Result<(Option<String>, Option<SessionTimer>), Answer> {
        if self.negotiating || self.admitting {
            // RFC 3261 §14.2 names 500 with Retry-After; after 491 the far end tries again by itself (§14.1).
            return Err(Answer::new(StatusCode::RequestPending));
        }
        let timer = timer(request, self.board.state.clock.mono())?;
        let offer = offered(request)?;
        self.dialog.retarget(request)?;
        if offer.is_none() && request.method == Method::Update {
            self.timer = timer;
            return Err(accepted(&self.contact, timer));
        }
        Ok((offer, timer))
    }

    /// Answers an offer beside the call, which listens on meanwhile. A re-INVITE is answered even when it is cancelled on the way:
    /// control has changed the media by then, and must be believed to have.
    fn renegotiate(&mut self, transaction: Transaction, offer: Option<String>, timer: Option<SessionTimer>) {
        self.negotiating = true;
        let stands = (offer.is_some() && offer == self.session.offer).then(|| self.session.clone());
        let (board, who, flow) = (Arc::clone(&self.board), self.who.clone(), self.flow.clone());
        let (contact, floor) = (self.contact.clone(), self.floor.as_ref().map(FloorLine::told));
        self.work.spawn(async move {
            let negotiated = async {
                if let Some(session) = stands {
                    return Ok(session);
                }
                let asked = negotiate(&board, &who, &flow, floor, offer);
                timeout(board.state.request_time_max, asked).await.unwrap_or(Err(ApiError::Overloaded))
            };
            let (mut invite, mut update) = (None, None);
            if transaction.original.method == Method::Invite {
                // Listened to from here on: it says 100, and repeats what it is answered with.
                invite = Some(Box::new(Pending::begin(transaction, &new_tag())));
            } else {
                update = Some(transaction);
            }
            let negotiated = negotiated.await;
            let said = match &negotiated {
                Ok(session) => accepted(&contact, timer).with_sdp(&session.ours),
                Err(error) => Answer::from(error),
            };
            if let Some(invite) = &mut invite {
                invite.respond(said);
            } else if let Some(update) = update {
                answer(update, said).await;
            }
            match (negotiated, invite) {
                (Ok(session), Some(mut invite)) if session.offer.is_none() => {
                    let Ok(Some(sdp)) = timeout(board.ack_time_max, invite.acknowledged()).await else {
                        return Done::Acknowledged(false);
                    };
                    match settle(&board, who, sdp).await {
                        true => Done::Agreed(session, timer, None),
                        false => Done::Settled(false),
                    }
                }
                (Ok(session), invite) => Done::Agreed(session, timer, invite),
                (Err(_), _) => Done::Unchanged,
            }
        });
    }
}
