//! From an order to a call: the way, the node's offer, the INVITE, the answer, and the meeting.
//!
//! ```text
//! way -> Invite (our offer) -> INVITE ... 2xx -> ACK -> Admit -> Subscribe -> Settle (their answer) -> `sip::call` -> BYE, theirs or ours
//!                                |                         |                    |
//!                             CANCEL                      BYE                  BYE
//! ```
//! Flow: `outbound::call` -> [`run`] -> control thread, `dialling`. Thread: one task for each call. Bounds: those of `dialling`, and the router's
//! request time for each thing asked of control. Nobody is in a roster before it has answered; a task that fails takes its
//! participant out with it ([`Guest`]).

use super::Order;
use super::answers::acknowledge;
use super::book::{Failure, Page, Progress, Reason};
use super::dialling::{Dialling, Outcome};
use super::way::Way;
use crate::command::{Command, Control, Identity, Invitation};
use crate::event::EventText;
use crate::guest::Guest;
use crate::problem::ApiError;
use crate::sip::answer::{SDP_TYPE, allow};
use crate::sip::call::Call;
use crate::sip::dialog::Dialog;
use crate::sip::flow::Flow;
use crate::sip::goodbye;
use crate::sip::invitation::described;
use crate::sip::session::{Session, leg, settle};
use crate::sip::session_timer::SessionTimer;
use crate::sip::switchboard::{Inquiry, Switchboard, new_tag};
use rsipstack::sip::{
    CSeq, Contact, ContentType, Header, MaxForwards, Method, Request, Response, Uri, Version,
};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Of the first INVITE of a call.
const FIRST_SEQ: u32 = 1;
/// For whoever answered, and was not let in.
const NOT_LET_IN: &str = "Q.850;cause=16;text=\"the meeting is over or full\"";
/// For whoever answered with nothing that a session comes of.
const NOT_AGREED: &str = "SIP;cause=488;text=\"no session was agreed\"";

/// Sees a call through, and writes down what becomes of it.
pub(super) async fn run(
    board: Arc<Switchboard>,
    order: Order,
    way: Way,
    page: Page,
    place: OwnedSemaphorePermit,
) {
    match begin(&board, &order, &way, &page, place).await {
        Ok((call, inquiries)) => {
            board.counters.made.fetch_add(1, Ordering::Relaxed);
            page.write(Progress::Answered(call.who.participant));
            if page.is_called_off() {
                // Between the answer and here: it leaves as anybody does, and hears so.
                let who = call.who.clone();
                let _ = board.state.control.ask(|reply| Command::Leave { who, reply }).await;
            }
            call.live(None, inquiries).await;
            page.write(Progress::Over);
        }
        Err(failure) => {
            board.counters.failed.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(?failure, "a call of the node's came to nothing");
            page.write(Progress::Failed(failure));
        }
    }
}

/// Somebody who has been invited; forgotten when this is dropped, unless it has come in.
struct Invited {
    control: Control,
    invitation: Invitation,
}

impl Drop for Invited {
    fn drop(&mut self) {
        // Where control has no room for it, it forgets by itself in the end.
        self.control.tell(Command::Uninvite { participant: self.invitation.participant });
    }
}

/// From the way to the call. Dropped halfway, nobody has come in.
async fn begin(
    board: &Arc<Switchboard>,
    order: &Order,
    way: &Way,
    page: &Page,
    place: OwnedSemaphorePermit,
) -> Result<(Call, mpsc::Receiver<Inquiry>), Failure> {
    let flow = tokio::select! {
        flow = way.flow(board) => flow.ok_or(Reason::Unreachable)?,
        () = page.called_off() => return Err(Reason::Cancelled.into()),
    };
    let invited = invite(board, order, &flow).await.map_err(|_| Reason::NotLetIn)?;
    let tag = new_tag();
    // The other side may ask something before it is acknowledged.
    let (mut line, inquiries) = board.open_line(&tag);
    let mut ear = board.answers.listen(&tag);
    let target = way.target(&order.callee);
    let contact = board.told.contact(way.caller().0, flow.transport, &target);
    let contact = Header::Contact(Contact::new(format!("<{contact}>")));
    let mut invite =
        request(board, order, way, &flow, &tag, (target, contact.clone()), &invited.invitation.sdp)
            .ok_or(Reason::Unreachable)?;
    let dialling = Dialling { board, flow: &flow, way, page };
    let answered = match dialling.ring(&mut invite, &mut ear, order.ring).await {
        Outcome::Answered(response) => Ok(response),
        Outcome::Failed(failure, late) => Err((failure, late)),
        Outcome::Challenged(response) => Err((Failure::answered(response.status_code.code()), None)),
    };
    let response = match answered {
        Ok(response) => response,
        Err((failure, late)) => {
            tokio::spawn(ear.attend(Arc::clone(board), flow, invite, None, late));
            return Err(failure);
        }
    };
    // What names nobody who could be reached can be neither acknowledged nor ended.
    let mut dialog = Dialog::answered(&invite, &response).ok_or(Reason::NotAcceptable)?;
    acknowledge(board, &flow, &dialog, &invite).await;
    tokio::spawn(ear.attend(Arc::clone(board), flow.clone(), invite, Some(dialog.clone()), None));
    match enter(board, order, &invited, &response).await {
        Ok((who, guest, events)) => {
            let transfers = line.belongs_to(who.participant);
            let minutes = u64::from(board.outbound.rules.minutes_max);
            let now = board.state.clock.mono();
            let call = Call {
                board: Arc::clone(board),
                dialog,
                flow,
                guest,
                who,
                events,
                reception: None,
                entered: None,
                contact,
                session: Session { offer: None, ours: invited.invitation.sdp.clone() },
                floor: None,
                timer: SessionTimer::granted(&response, now),
                until: (minutes > 0).then(|| now + Duration::from_secs(minutes * 60)),
                negotiating: false,
                admitting: false,
                transfers,
                referring: None,
                transfers_begun: 0,
                keys: order.keys.expose().chars().collect(),
                calling: false,
                work: JoinSet::new(),
                line,
                place,
            };
            Ok((call, inquiries))
        }
        Err(reason) => {
            drop(line);
            let why = if reason == Reason::NotLetIn { NOT_LET_IN } else { NOT_AGREED };
            goodbye::say(board, &mut dialog, &flow, why).await;
            Err(reason.into())
        }
    }
}

/// An offer of ours, for somebody who is nobody yet.
async fn invite(board: &Switchboard, order: &Order, flow: &Flow) -> Result<Invited, ApiError> {
    let (control, leg) = (&board.state.control, leg(flow));
    let (alias, by) = (order.room.clone(), order.by.clone());
    let asked = control.ask(|reply| Command::Invite { alias, leg, by, reply });
    let invitation =
        timeout(board.state.request_time_max, asked).await.unwrap_or(Err(ApiError::Overloaded))?;
    Ok(Invited { control: control.clone(), invitation })
}

/// The INVITE (RFC 3261 §13.2.1). It supports no 100rel, so that what is said before the answer need not be acknowledged, and no session
/// timer, so that whoever wants one keeps it.
fn request(
    board: &Switchboard,
    order: &Order,
    way: &Way,
    flow: &Flow,
    tag: &str,
    (target, contact): (Uri, Header),
    sdp: &str,
) -> Option<Request> {
    let via = board.endpoint.get_via(Some(board.told.address(flow.transport)), None).ok()?;
    let (user, host) = way.caller();
    let headers = vec![
        Header::Via(via.into()),
        Header::From(format!("<sip:{user}@{host}>;tag={tag}").into()),
        Header::To(format!("<{}>", order.callee).into()),
        Header::CallId(new_tag().into()),
        CSeq::new(format!("{FIRST_SEQ} {}", Method::Invite)).into(),
        MaxForwards::new("70").into(),
        contact,
        allow(),
        ContentType::new(SDP_TYPE).into(),
    ];
    Some(Request {
        method: Method::Invite,
        uri: target,
        version: Version::V2,
        headers: headers.into(),
        body: sdp.as_bytes().to_vec(),
    })
}

/// Lets somebody in who has answered.
async fn enter(
    board: &Switchboard,
    order: &Order,
    invited: &Invited,
    response: &Response,
) -> Result<(Identity, Guest, mpsc::Receiver<EventText>), Reason> {
    let sdp = described(response, &response.body).ok().flatten().ok_or(Reason::NotAcceptable)?;
    let admitted = timeout(board.state.request_time_max, admit(board, order, invited)).await;
    let (who, guest, events) = admitted.unwrap_or(Err(ApiError::Overloaded)).map_err(|_| Reason::NotLetIn)?;
    if settle(board, who.clone(), Some(sdp)).await {
        Ok((who, guest, events))
    } else {
        guest.leave().await;
        Err(Reason::NotAcceptable)
    }
}

async fn admit(
    board: &Switchboard,
    order: &Order,
    invited: &Invited,
) -> Result<(Identity, Guest, mpsc::Receiver<EventText>), ApiError> {
    let control = &board.state.control;
    let (display_name, role) = (order.name.clone(), order.role);
    let participant = invited.invitation.participant;
    let joined = control.ask(|reply| Command::Admit { participant, display_name, role, reply }).await?;
    let (conference, role, alias) = (joined.conference, joined.role, order.room.clone());
    let who = Identity { participant, conference, role, alias };
    let guest = Guest::new(control.clone(), who.clone());
    let asked = who.clone();
    match control.ask(|reply| Command::Subscribe { who: asked, reply }).await {
        Ok(subscription) => Ok((who, guest, subscription.events)),
        Err(error) => {
            guest.leave().await;
            Err(error)
        }
    }
}
