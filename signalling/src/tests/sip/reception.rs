//! Callers who dial no PIN: asked for it, let in by it, or not.

use super::*;
use crate::command::Reply;
use mcu_core::conference::event::ClosingReason;
use mcu_core::conference::reception::{Entered, Shut};

/// A call at its reception, in front of a control thread that is the test.
struct Caller {
    phone: Phone,
    commands: mpsc::Receiver<Command>,
    /// Who it is at the reception, and how it is told things there.
    who: Identity,
    events: mpsc::Sender<EventText>,
    _exchange: Exchange,
}

impl Caller {
    /// Dials a room without a PIN; the node's answer to its offer is `sdp`.
    async fn at_reception(user: &str, sdp: &str) -> Self {
        let (exchange, mut commands) = Exchange::asking().await;
        let mut phone = exchange.phone().await;
        phone.invite(user).await;
        let Some(Command::Receive { request, reply }) = commands.recv().await else { panic!("not received") };
        reply.send(Ok(joined(1, 70, Role::Guest, &request.alias))).expect("somebody waits");
        let Some(Command::Subscribe { reply, .. }) = commands.recv().await else { panic!("not subscribed") };
        let (events, from) = mpsc::channel(4);
        reply.send(Ok(Subscription { snapshot: Vec::new(), events: from })).expect("somebody waits");
        let Some(Command::Offer { offer, reply }) = commands.recv().await else { panic!("not an offer") };
        reply.send(Ok(sdp.into())).expect("somebody waits");
        let answer = phone.answer_to("INVITE").await;
        assert_eq!(answer.status(), 200, "{}", answer.0);
        phone.in_call(&answer);
        phone.ask("ACK", user, "", "").await;
        Self { phone, commands, who: offer.who, events, _exchange: exchange }
    }

    async fn enter(&mut self, digits: &str) -> (JoinRequest, Reply<Joined>) {
        let entered = EventText::entered(&Entered::new(digits.to_owned()));
        self.events.send(entered).await.expect("the call listens");
        let Some(Command::Join { request, reply }) = self.commands.recv().await else { panic!("not a join") };
        (request, reply)
    }
}

fn joined(participant: u64, conference: u64, role: Role, alias: &Alias) -> Joined {
    Joined {
        participant: ParticipantId(participant),
        conference: ConferenceId(conference),
        role,
        room: RoomName { name: "Daily".into(), alias: alias.to_string() },
        ice_servers: Vec::new(),
        access: ContentAccess::NodeDecrypted,
    }
}

#[tokio::test]
async fn who_enters_the_right_pin_goes_on_in_its_meeting_with_the_media_it_has() {
    let mut caller = Caller::at_reception("daily", "v=0\r\nanswer").await;
    let (request, reply) = caller.enter("314159").await;
    assert_eq!((request.alias.as_str(), request.pin.expose().as_str()), ("daily", "314159"));
    reply.send(Ok(joined(9, 7, Role::Host, &request.alias))).expect("somebody waits");
    let Some(Command::Transfer { from, to, reply }) = caller.commands.recv().await else { panic!("no move") };
    assert_eq!(from, caller.who);
    assert_eq!((to.participant, to.conference, to.role), (ParticipantId(9), ConferenceId(7), Role::Host));
    // What the reception says last reaches the call before it has heard that it was moved.
    let left = Event::Closing { reason: ClosingReason::Left, retry_after_s: None };
    caller.events.send(EventText::from(&left)).await.expect("the call is there");
    let (events, from) = mpsc::channel(4);
    reply.send(Ok(Subscription { snapshot: Vec::new(), events: from })).expect("somebody waits");
    caller.phone.ask("OPTIONS", "daily", "", "").await;
    assert_eq!(caller.phone.answer_to("OPTIONS").await.status(), 200, "the call goes on");
    events.send(EventText::from(&left)).await.expect("the call listens to its meeting");
    let Some(Command::Leave { who, reply }) = caller.commands.recv().await else { panic!("not a leave") };
    assert_eq!(who, to, "and whoever it was at the reception is not spoken of");
    reply.send(Ok(())).expect("somebody waits");
    let bye = caller.phone.asked("BYE").await;
    caller.phone.agree(&bye).await;
}

#[tokio::test]
async fn who_is_refused_stays_at_its_reception_is_told_why_and_may_try_again() {
    let mut caller = Caller::at_reception("daily", "v=0\r\nanswer").await;
    for (error, told) in [
        (ApiError::JoinRefused, Shut::WrongPin),
        (ApiError::RoomFull, Shut::Full),
        (ApiError::Draining, Shut::Unavailable),
    ] {
        let (_, reply) = caller.enter("000000").await;
        reply.send(Err(error)).expect("somebody waits");
        let Some(Command::Refused { who, why, reply }) = caller.commands.recv().await else {
            panic!("not told")
        };
        assert_eq!((who, why), (caller.who.clone(), told));
        reply.send(Ok(())).expect("somebody waits");
    }
    caller.phone.ask("BYE", "daily", "", "").await;
    assert_eq!(caller.phone.answer_to("BYE").await.status(), 200);
    let Some(Command::Leave { who, .. }) = caller.commands.recv().await else { panic!("not a leave") };
    assert_eq!(who, caller.who);
}

#[tokio::test]
async fn who_cannot_be_moved_is_taken_out_of_the_meeting_again() {
    let mut caller = Caller::at_reception("daily", "v=0\r\nanswer").await;
    let (request, reply) = caller.enter("314159").await;
    reply.send(Ok(joined(9, 7, Role::Guest, &request.alias))).expect("somebody waits");
    let Some(Command::Transfer { reply, .. }) = caller.commands.recv().await else { panic!("no move") };
    reply.send(Err(ApiError::Internal)).expect("somebody waits");
    let Some(Command::Leave { who, reply }) = caller.commands.recv().await else { panic!("not a leave") };
    assert_eq!(who.participant, ParticipantId(9));
    reply.send(Ok(())).expect("somebody waits");
    let Some(Command::Refused { who, why, .. }) = caller.commands.recv().await else { panic!("not told") };
    assert_eq!((who, why), (caller.who.clone(), Shut::Unavailable));
}

#[tokio::test]
async fn a_key_by_info_counts_where_none_can_come_with_the_sound() {
    let press = "Content-Type: application/dtmf-relay\r\n";
    let mut caller = Caller::at_reception("daily", "v=0\r\nm=audio 9 RTP/SAVP 0\r\n").await;
    for body in ["Signal=55\r\n", "Duration=160\r\n", "Signal= 5\r\nDuration=160\r\n"] {
        caller.phone.ask("INFO", "daily", press, body).await;
        assert_eq!(caller.phone.answer_to("INFO").await.status(), 200);
    }
    let Some(Command::Digit { who, digit }) = caller.commands.recv().await else { panic!("not a key") };
    assert_eq!((who, digit.as_char()), (caller.who.clone(), '5'), "and what is no key is none");

    let sound = "v=0\r\nm=audio 9 RTP/SAVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
    let mut caller = Caller::at_reception("daily", sound).await;
    caller.phone.ask("INFO", "daily", press, "Signal=5\r\n").await;
    assert_eq!(caller.phone.answer_to("INFO").await.status(), 200);
    assert!(caller.commands.try_recv().is_err(), "it comes with the sound as well");
}
