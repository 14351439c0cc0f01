//! One call, from its INVITE, or the answer to ours, to its end. One task each; nothing else knows of it but its entry in `switchboard`.
//!
//! ```text
//! INVITE -> checks -> door (PIN) -> Join -> Subscribe -> Offer -> 200 -> ACK -> ... -> BYE, theirs or ours -> Leave
//!             |         |                                  |
//!            4xx    403, 480, 486                         488
//! ```
//! Whom the node called comes in by `outbound::coming_in`, and is a call as any from there on. What is asked within one: `within`.
//!
//! Whoever dialled no PIN is let into a reception by the door, and from there into its meeting by [`reception`].
//!
//! An INVITE without an offer has ours in the 200 and its answer in the ACK: `Propose` and `Settle` in place of `Offer`.
//!
//! Flow: `switchboard` -> **here** -> control thread; answers by [`Pending`]. Thread: the server's runtime. Bounds:
//! `limits::SIP_CALLS_MAX` calls; the router's request time until the answer, and 64*T1 (32 s) for its ACK. A caller who hangs up
//! before the answer was never there; a task that fails takes its participant out with it ([`Guest`]). A call outlives the
//! connection that it came by, as proxies close what is silent: whether somebody is there is for media and session timer to tell.

use super::address::dialled;
use super::answer::{Answer, missing_extensions};
use super::bfcp::FloorLine;
use super::dialog::Dialog;
use super::flow::Flow;
use super::goodbye::{self, End};
use super::invitation::{accepted, name_of, offered, timer};
use super::outbound::{Failure, Progress};
use super::pending::{News, Pending};
use super::reception::{self, Admitted};
use super::session::{Session, negotiate, settle};
use super::session_timer::{Due, SessionTimer};
use super::sharing;
use super::switchboard::{Inquiry, Line, Switchboard, new_tag, no_place};
use super::transfer::{Referring, Transfer};
use crate::command::{Command, FloorTold, Identity, JoinRequest};
use crate::event::EventText;
use crate::guest::Guest;
use crate::problem::ApiError;
use crate::secret::Secret;
use mcu_core::conference::roster::Via;
use mcu_core::time::Mono;
use rsipstack::sip::{Contact, Header, Method, Request, StatusCode};
use rsipstack::transaction::Transaction;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// A call without a session timer has nothing to do by itself; this long it sleeps at a time.
const NOTHING_DUE: Duration = Duration::from_secs(3_600);

/// Answers an INVITE, and sees the call through.
pub(super) async fn run(board: Arc<Switchboard>, transaction: Transaction, flow: Flow) {
    let tag = new_tag();
    let mut pending = Pending::begin(transaction, &tag);
    let refused = &board.counters.refused;
    let Ok(place) = Arc::clone(&board.places).try_acquire_owned() else {
        refused.fetch_add(1, Ordering::Relaxed);
        return pending.respond(no_place());
    };
    let request = pending.request().clone();
    let entered = tokio::select! {
        entered = timeout(board.state.request_time_max, enter(&board, &request, flow, &tag, place)) => {
            entered.unwrap_or_else(|_| Err(Answer::from(&ApiError::Overloaded)))
        }
        // Whoever was let in meanwhile goes out again: nobody takes control's answers any more.
        () = pending.given_up() => return pending.respond(Answer::new(StatusCode::RequestTerminated)),
    };
    match entered {
        Ok((call, inquiries, said)) => {
            board.counters.answered.fetch_add(1, Ordering::Relaxed);
            pending.respond(said);
            call.live(Some(pending), inquiries).await;
        }
        Err(refusal) => {
            refused.fetch_add(1, Ordering::Relaxed);
            pending.respond(refusal);
        }
    }
}

/// A call that has been let in.
pub(super) struct Call {
    pub(super) board: Arc<Switchboard>,
    pub(super) dialog: Dialog,
    pub(super) flow: Flow,
    pub(super) guest: Guest,
    pub(super) who: Identity,
    pub(super) events: mpsc::Receiver<EventText>,
    /// What it asks for at its reception, while it is there, and the PIN that it has entered.
    pub(super) reception: Option<JoinRequest>,
    pub(super) entered: Option<Secret<String>>,
    pub(super) contact: Header,
    pub(super) session: Session,
    /// The content floor as its device knows it; none of a call of the node's own.
    pub(super) floor: Option<FloorLine>,
    pub(super) timer: Option<SessionTimer>,
    /// A call of the node's own ends then.
    pub(super) until: Option<Mono>,
    /// An offer is being answered or waits for its answer, or a PIN is being tried: one at a time.
    pub(super) negotiating: bool,
    pub(super) admitting: bool,
    /// What hosts want of its device, what that does of it, and how much there was.
    pub(super) transfers: mpsc::Receiver<Transfer>,
    pub(super) referring: Option<Referring>,
    pub(super) transfers_begun: u32,
    /// What is still to be pressed.
    pub(super) keys: VecDeque<char>,
    /// The device has had us call somebody, and is told what becomes of it.
    pub(super) calling: bool,
    /// Those, and requests of ours.
    pub(super) work: JoinSet<Done>,
    pub(super) line: Line,
    pub(super) place: OwnedSemaphorePermit,
}

/// What comes of work beside the call.
pub(super) enum Done {
    /// A new session stands; a re-INVITE waits for its ACK.
    Agreed(Session, Option<SessionTimer>, Option<Box<Pending>>),
    /// The session stays as it was.
    Unchanged,
    /// A task that failed: whatever it was, it is not being done any more.
    Lost,
    /// The answer to a re-INVITE arrived, or never did.
    Acknowledged(bool),
    /// A session came of the caller's answer to our offer, or none.
    Settled(bool),
    /// A refresh of ours was answered with a 2xx, or not.
    Refreshed(bool),
    /// A PIN was right, or not.
    Admitted(Option<Box<Admitted>>),
    /// The device may share, or may not.
    Shared(bool),
    /// The device does not call whom it was to call, in its transfer of this number.
    NotTransferred(u32, Failure),
    /// What became of whom the device had us call.
    Called(Progress),
    /// A key of ours was taken, or not.
    Pressed(bool),
}

/// From the checks to the answer. Dropped halfway, nobody has come in.
async fn enter(
    board: &Arc<Switchboard>,
    request: &Request,
    flow: Flow,
    tag: &str,
    place: OwnedSemaphorePermit,
) -> Result<(Call, mpsc::Receiver<Inquiry>, Answer), Answer> {
    let missing = missing_extensions(request.headers.iter());
    if !missing.is_empty() {
        return Err(Answer::unsupported(&missing));
    }
    let dialog = Dialog::open(request, tag)?;
    let timer = timer(request, board.state.clock.mono())?;
    let offer = offered(request)?;
    let dialled = dialled(request.uri.auth.as_ref().map_or("", |auth| auth.user.as_str()));
    let alias = dialled.alias.clone();
    let joining = JoinRequest {
        alias: dialled.alias,
        display_name: Secret::new(name_of(request)),
        pin: dialled.pin,
        host_only: false,
        overlay: false,
        via: Via::Sip,
        from: Secret::new(flow.from.ip()),
    };
    let (door, state) = (&board.state.door, &board.state);
    // No PIN is asked for by keypad, whatever was dialled.
    let reception = (joining.pin.expose().is_empty() && !alias.is_echo()).then(|| joining.clone());
    let joined = match reception {
        Some(_) => door.receive(state, joining).await,
        None => door.knock(state, joining).await,
    };
    let joined = joined.map_err(|error| Answer::from(&error))?;
    let contact = board.told.contact(alias.as_str(), flow.transport, &request.uri);
    let (participant, conference, role) = (joined.participant, joined.conference, joined.role);
    let who = Identity { participant, conference, role, alias };
    let guest = Guest::new(board.state.control.clone(), who.clone());
    let floor = board.floors.as_ref().and_then(FloorLine::open);
    match begin(board, &who, &flow, floor.as_ref().map(FloorLine::told), offer).await {
        Ok((session, events)) => {
            let (mut line, inquiries) = board.open_line(tag);
            let transfers = line.belongs_to(who.participant);
            let contact = Header::Contact(Contact::new(format!("<{contact}>")));
            let said = accepted(&contact, timer).with_sdp(&session.ours);
            let negotiating = session.offer.is_none();
            let (board, work) = (Arc::clone(board), JoinSet::new());
            let call = Call {
                board,
                dialog,
                flow,
                guest,
                who,
                events,
                reception,
                entered: None,
                contact,
                session,
                floor,
                timer,
                until: None,
                negotiating,
                admitting: false,
                transfers,
                referring: None,
                transfers_begun: 0,
                keys: VecDeque::new(),
                calling: false,
                work,
                line,
                place,
            };
            Ok((call, inquiries, said))
        }
        Err(error) => {
            guest.leave().await;
            Err(Answer::from(&error))
        }
    }
}

/// Events and media of somebody who has just been let in.
async fn begin(
    board: &Switchboard,
    who: &Identity,
    flow: &Flow,
    floor: Option<FloorTold>,
    offer: Option<String>,
) -> Result<(Session, mpsc::Receiver<EventText>), ApiError> {
    let asked = who.clone();
    let events = board.state.control.ask(|reply| Command::Subscribe { who: asked, reply }).await?.events;
    Ok((negotiate(board, who, flow, floor, offer).await?, events))
}

impl Call {
    /// Until it ends, whoever ends it. `pending`: the INVITE whose ACK is to come; none of a call of the node's own.
    pub(super) async fn live(mut self, mut pending: Option<Pending>, inquiries: mpsc::Receiver<Inquiry>) {
        let end = self.listen(pending.as_mut(), inquiries).await;
        self.gone(end);
        tracing::debug!(conference = %self.who.conference, participant = %self.who.participant, ?end, "call over");
        let Self { board, mut dialog, flow, guest, mut work, line, place, .. } = self;
        // Requests for it are for nobody from here on, and an offer that is being answered is refused.
        drop(line);
        work.shutdown().await;
        guest.leave().await;
        if let Some(reason) = end.reason() {
            goodbye::say(&board, &mut dialog, &flow, reason).await;
        }
        drop(place);
    }

    async fn listen(
        &mut self,
        mut pending: Option<&mut Pending>,
        mut inquiries: mpsc::Receiver<Inquiry>,
    ) -> End {
        let ack_wait = sleep(self.board.ack_time_max);
        tokio::pin!(ack_wait);
        let mut acknowledged = pending.is_none();
        self.press();
        // RFC 3261 §15: no BYE of ours before the ACK, or before it is clear that none will come.
        let mut ending: Option<End> = None;
        loop {
            let until_due = self.until_due();
            let over = tokio::select! {
                Some(news) = news(&mut pending), if !acknowledged => match news {
                    News::Acknowledged(sdp) => {
                        acknowledged = true;
                        self.acknowledged(sdp);
                        None
                    }
                    // Too late: it has been answered.
                    News::Cancelled => None,
                    News::Over => return ending.unwrap_or(End::NotAcknowledged),
                },
                () = &mut ack_wait, if !acknowledged => return ending.unwrap_or(End::NotAcknowledged),
                Some(inquiry) = inquiries.recv() => self.inquire(inquiry).await,
                // While it moves, what its reception says last is not meant for it.
                event = self.events.recv(), if ending.is_none() && !self.admitting => match event {
                    // Control let go of us without a word: as of a client that does not listen.
                    None => Some(End::Closed(None)),
                    Some(event) => self.told(&event),
                },
                Some(asked) = sharing::asked(&mut self.floor, &self.board.state.clock) => self.share(asked),
                Some(transfer) = self.transfers.recv(), if ending.is_none() => {
                    self.transfer(transfer);
                    None
                }
                Some(done) = self.work.join_next() => self.done(done.unwrap_or(Done::Lost)),
                () = sleep(until_due), if ending.is_none() => self.time(),
            };
            match over {
                // The caller has ended it: nothing is owed.
                Some(End::HungUp) => return End::HungUp,
                Some(end) => ending = ending.or(Some(end)),
                None => {}
            }
            if acknowledged && let Some(end) = ending {
                return end;
            }
        }
    }

    fn told(&mut self, event: &EventText) -> Option<End> {
        if let Some(pin) = event.pin() {
            self.entered = Some(pin.clone());
            self.admit();
        }
        self.floor_is(event);
        event.closing().map(|reason| End::Closed(Some(reason)))
    }

    /// Tries the PIN that was entered, once nothing else is being changed.
    fn admit(&mut self) {
        if self.negotiating || self.admitting {
            return;
        }
        let (Some(reception), Some(pin)) = (&self.reception, self.entered.take()) else { return };
        let (request, from) = (JoinRequest { pin, ..reception.clone() }, self.who.clone());
        let board = Arc::clone(&self.board);
        self.admitting = true;
        self.work.spawn(async move {
            Done::Admitted(reception::admit(&board.state, from, request).await.map(Box::new))
        });
    }

    fn admitted(&mut self, admitted: Admitted) {
        let Admitted { who, guest, events } = admitted;
        self.transfers = self.line.belongs_to(who.participant);
        (self.who, self.events, self.reception) = (who, events, None);
        // Who it was at the reception has left.
        std::mem::replace(&mut self.guest, guest).stay();
    }

    /// The caller has our 200; where that was an offer, with its answer.
    fn acknowledged(&mut self, sdp: Option<String>) {
        if self.session.offer.is_none() {
            let (board, who) = (Arc::clone(&self.board), self.who.clone());
            self.work.spawn(async move { Done::Settled(settle(&board, who, sdp).await) });
        }
    }

    fn until_due(&self) -> Duration {
        let now = self.board.state.clock.mono();
        let due = self.timer.map(SessionTimer::deadline).into_iter().chain(self.until).min();
        due.map_or(NOTHING_DUE, |due| due.since(now))
    }

    /// What time asks for.
    fn time(&mut self) -> Option<End> {
        let now = self.board.state.clock.mono();
        if self.until.is_some_and(|until| until <= now) {
            return Some(End::TooLong);
        }
        match self.timer.as_mut()?.due(now)? {
            Due::Expired => Some(End::Expired),
            Due::Refresh => {
                let mut headers = self.timer.map(SessionTimer::refresh_headers).unwrap_or_default();
                headers.push(self.contact.clone());
                let flow = self.flow.clone();
                let asked =
                    goodbye::ask(&self.board, &mut self.dialog, flow, Method::Update, headers, Vec::new());
                let refreshed = |status: u16| (200..300).contains(&status);
                self.work.spawn(async move { Done::Refreshed(asked.await.is_some_and(refreshed)) });
                None
            }
        }
    }

    pub(super) fn done(&mut self, done: Done) -> Option<End> {
        match done {
            Done::Agreed(session, timer, pending) => {
                (self.session, self.timer, self.negotiating) = (session, timer, false);
                let ack_time_max = self.board.ack_time_max;
                if let Some(mut pending) = pending {
                    self.work.spawn(async move {
                        let arrived = timeout(ack_time_max, pending.acknowledged()).await;
                        Done::Acknowledged(matches!(arrived, Ok(Some(_))))
                    });
                }
                self.admit();
                None
            }
            Done::Unchanged => {
                self.negotiating = false;
                self.admit();
                None
            }
            Done::Admitted(admitted) => {
                self.admitting = false;
                if let Some(admitted) = admitted {
                    self.admitted(*admitted);
                }
                None
            }
            Done::Shared(granted) => {
                self.shared(granted);
                None
            }
            Done::Lost => {
                (self.negotiating, self.admitting) = (false, false);
                None
            }
            Done::Acknowledged(true) => None,
            Done::Acknowledged(false) => Some(End::NotAcknowledged),
            Done::Settled(true) => {
                self.negotiating = false;
                self.admit();
                None
            }
            Done::Settled(false) => Some(End::NotAgreed),
            Done::Refreshed(true) => {
                let now = self.board.state.clock.mono();
                self.timer.as_mut()?.refreshed(now);
                None
            }
            // The timer ends the call when nothing else comes.
            Done::Refreshed(false) => None,
            Done::NotTransferred(number, failure) => {
                self.not_transferred(number, failure);
                None
            }
            Done::Pressed(taken) => {
                self.pressed(taken);
                None
            }
            Done::Called(progress) => {
                self.called(progress);
                None
            }
        }
    }
}

/// What happens to an INVITE, where there is one.
async fn news(pending: &mut Option<&mut Pending>) -> Option<News> {
    Some(pending.as_mut()?.news().await)
}
