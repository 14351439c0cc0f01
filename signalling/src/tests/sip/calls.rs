//! Calls that come about, and how they end.

use super::*;
use mcu_core::conference::event::ClosingReason;

const DAILY: &str = "daily.314159";

#[tokio::test]
async fn a_room_system_comes_in_and_goes() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone().await;
    phone.invite(DAILY).await;
    assert_eq!(phone.hear().await.status(), 100, "it need not ask again");
    let answer = phone.answer_to("INVITE").await;
    assert_eq!((answer.status(), answer.body()), (200, "v=0\r\nanswer"));
    assert_eq!(answer.header("Content-Type"), Some("application/sdp"));
    let port = exchange.address("UDP").port();
    assert_eq!(
        answer.header("Contact"),
        Some(&*format!("<sip:daily@mcu.example.org:{port}>")),
        "without the PIN"
    );
    phone.in_call(&answer);
    phone.ask("ACK", DAILY, "", "").await;

    let offers = exchange.offers();
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let leg = crate::command::SipLeg { secure: false, browser: false, from: here, local: here, floor: None };
    assert_eq!((offers[0].via, offers[0].sip, &*offers[0].sdp), (Via::Sip, Some(leg), SDP));
    let seen = exchange.seen.lock().expect("whole").first().map(|command| match command {
        Command::Join { request, .. } => {
            (request.via, request.overlay, request.display_name.expose().clone())
        }
        other => panic!("not a join: {other:?}"),
    });
    assert_eq!(seen, Some((Via::Sip, false, DisplayName::parse("Room 1").expect("a fair name"))));
    assert_eq!(exchange.counters.calls.load(Ordering::Relaxed), 1);
    assert!(!exchange.has_left(), "the control");

    phone.ask("BYE", DAILY, "", "").await;
    assert_eq!(phone.answer_to("BYE").await.status(), 200);
    let who = exchange.left().await;
    assert_eq!((who.participant, who.conference), (ParticipantId(3), ConferenceId(7)));
    phone.ask("BYE", DAILY, "", "").await;
    assert_eq!(phone.answer_to("BYE").await.status(), 481, "once");
    assert_eq!(exchange.counters.calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_call_by_tcp_is_one_too_and_its_connection_is_kept_alive() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone_by_tcp().await;
    let answer = phone.call(DAILY).await;
    let port = exchange.address("TCP").port();
    assert_eq!(answer.header("Contact"), Some(&*format!("<sip:daily@mcu.example.org:{port};transport=TCP>")));
    phone.say("\r\n\r\n").await;
    assert_eq!(phone.hear().await.0, "\r\n");
    exchange.tell(&Event::Closing { reason: ClosingReason::Disconnected, retry_after_s: None }).await;
    let bye = phone.asked("BYE").await;
    assert!(
        bye.header("Via").expect("a Via").starts_with(&format!("SIP/2.0/TCP mcu.example.org:{port};")),
        "{}",
        bye.0
    );
    phone.agree(&bye).await;
    exchange.left().await;
}

#[tokio::test]
async fn ipv6_is_spoken_as_ipv4_is() {
    let here = IpAddr::from(std::net::Ipv6Addr::LOCALHOST);
    let exchange = Exchange::on(here).await;
    for mut phone in [exchange.phone().await, exchange.phone_by_tcp().await] {
        let answer = phone.call(DAILY).await;
        assert!(answer.header("Via").is_some_and(|via| via.contains(";received=::1;")), "{}", answer.0);
        phone.ask("BYE", DAILY, "", "").await;
        assert_eq!(phone.answer_to("BYE").await.status(), 200);
    }
    assert_eq!(exchange.offers()[0].sip.map(|leg| (leg.from, leg.local)), Some((here, here)));
}

#[tokio::test]
async fn who_is_sent_away_hears_bye_and_why() {
    let reasons = [
        (ClosingReason::Disconnected, "Q.850;cause=16;text=\"disconnected\""),
        (ClosingReason::RoomDeleted, "Q.850;cause=16;text=\"the meeting is over\""),
        (ClosingReason::Draining, "SIP;cause=503;text=\"shutting down\""),
    ];
    for (reason, said) in reasons {
        let exchange = Exchange::new().await;
        let mut phone = exchange.phone().await;
        phone.call(DAILY).await;
        // The control: other news is nothing to a telephone.
        exchange.tell(&Event::Floor { holder: None }).await;
        phone.ask("OPTIONS", DAILY, "", "").await;
        assert_eq!(phone.answer_to("OPTIONS").await.status(), 200);
        exchange.tell(&Event::Closing { reason, retry_after_s: None }).await;
        let bye = phone.asked("BYE").await;
        assert_eq!(bye.header("Reason"), Some(said));
        assert!(bye.header("To").expect("a To").ends_with(";tag=phone"), "{}", bye.0);
        phone.agree(&bye).await;
        exchange.left().await;
        exchange.server.stop(WAIT_MAX).await;
    }
}

#[tokio::test]
async fn an_answer_that_never_arrives_ends_the_call() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone().await;
    phone.invite(DAILY).await;
    let answer = phone.answer_to("INVITE").await;
    assert_eq!(phone.answer_to("INVITE").await, answer, "said again, as nothing was heard of it");
    assert!(!exchange.has_left(), "the control: it waits");
    let bye = phone.asked("BYE").await;
    assert_eq!(bye.header("Reason"), Some("SIP;cause=408;text=\"no ACK\""));
    exchange.left().await;
}

#[tokio::test]
async fn whoever_is_sent_away_before_the_ack_hears_bye_after_it() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone().await;
    phone.invite(DAILY).await;
    let answer = phone.answer_to("INVITE").await;
    exchange.tell(&Event::Closing { reason: ClosingReason::Disconnected, retry_after_s: None }).await;
    assert_eq!(phone.hear().await, answer, "RFC 3261 section 15: no BYE yet");
    phone.in_call(&answer);
    phone.ask("ACK", DAILY, "", "").await;
    assert_eq!(phone.asked("BYE").await.header("Reason"), Some("Q.850;cause=16;text=\"disconnected\""));
}

#[tokio::test]
async fn a_caller_who_hangs_up_before_the_answer_was_never_there() {
    let (exchange, mut commands) = Exchange::asking().await;
    let mut phone = exchange.phone().await;
    phone.invite(DAILY).await;
    let Some(Command::Join { request, reply }) = commands.recv().await else { panic!("not a join") };
    reply.send(admit(&request)).expect("somebody waits");
    let Some(Command::Subscribe { reply, .. }) = commands.recv().await else { panic!("not a subscription") };
    let (_events, events) = mpsc::channel(4);
    reply.send(Ok(Subscription { snapshot: Vec::new(), events })).expect("somebody waits");
    let Some(Command::Offer { offer, reply }) = commands.recv().await else { panic!("not an offer") };
    phone.ask("CANCEL", DAILY, "", "").await;
    assert_eq!(phone.answer_to("CANCEL").await.status(), 200);
    let Some(Command::Leave { who, .. }) = commands.recv().await else { panic!("not a leave") };
    assert_eq!(who, offer.who);
    assert!(reply.send(Ok("v=0\r\nanswer".into())).is_err(), "and nobody takes the answer");
    assert_eq!(phone.answer_to("INVITE").await.status(), 487);
}

#[tokio::test]
async fn a_session_changes_within_the_call() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone().await;
    let first = phone.call(DAILY).await;
    let sdp_type = "Content-Type: application/sdp\r\n";

    phone.ask("INVITE", DAILY, sdp_type, SDP).await;
    let again = phone.answer_to("INVITE").await;
    assert_eq!((again.status(), again.body(), again.tag()), (200, first.body(), first.tag()));
    phone.ask("ACK", DAILY, "", "").await;
    assert_eq!(exchange.offers().len(), 1, "the session that stands");

    let held = SDP.replace("o=- 1 1", "o=- 1 2") + "a=sendonly\r\n";
    phone.ask("INVITE", DAILY, sdp_type, &held).await;
    assert_eq!(phone.answer_to("INVITE").await.status(), 200);
    phone.ask("ACK", DAILY, "", "").await;
    assert_eq!(exchange.offers().last().map(|offer| offer.sdp.clone()), Some(held));

    let resumed = SDP.replace("o=- 1 1", "o=- 1 3");
    phone.ask("UPDATE", DAILY, sdp_type, &resumed).await;
    assert_eq!(phone.answer_to("UPDATE").await.body(), "v=0\r\nanswer");
    assert_eq!(exchange.offers().len(), 3);

    let unspoken = SDP.replace("audio 40000 RTP/SAVP 0", "video 40000 RTP/SAVP 99\r\na=rtpmap:99 H265/90000");
    phone.ask("INVITE", DAILY, sdp_type, &unspoken).await;
    assert_eq!(phone.answer_to("INVITE").await.status(), 488);
    phone.ask("ACK", DAILY, "", "").await;
    phone.ask("BYE", DAILY, "", "").await;
    assert_eq!(phone.answer_to("BYE").await.status(), 200, "the call stood all the while");
    exchange.left().await;
}

#[tokio::test]
async fn one_offer_is_answered_at_a_time() {
    let (exchange, mut commands) = Exchange::asking().await;
    let mut phone = exchange.phone().await;
    phone.invite(DAILY).await;
    let Some(Command::Join { request, reply }) = commands.recv().await else { panic!("not a join") };
    reply.send(admit(&request)).expect("somebody waits");
    let Some(Command::Subscribe { reply, .. }) = commands.recv().await else { panic!("not a subscription") };
    let (_events, events) = mpsc::channel(4);
    reply.send(Ok(Subscription { snapshot: Vec::new(), events })).expect("somebody waits");
    let Some(Command::Offer { reply, .. }) = commands.recv().await else { panic!("not an offer") };
    reply.send(Ok("v=0\r\nfirst".into())).expect("somebody waits");
    let answer = phone.answer_to("INVITE").await;
    phone.in_call(&answer);
    phone.ask("ACK", DAILY, "", "").await;

    let sdp_type = "Content-Type: application/sdp\r\n";
    phone.ask("UPDATE", DAILY, sdp_type, &SDP.replace("o=- 1 1", "o=- 1 2")).await;
    let Some(Command::Offer { reply, .. }) = commands.recv().await else { panic!("not an offer") };
    let first = phone.seq;
    phone.ask("UPDATE", DAILY, sdp_type, &SDP.replace("o=- 1 1", "o=- 1 3")).await;
    let refused = phone.answer_to("UPDATE").await;
    assert_eq!((refused.status(), refused.header("CSeq")), (491, Some(&*format!("{} UPDATE", first + 1))));
    reply.send(Ok("v=0\r\nsecond".into())).expect("somebody waits");
    assert_eq!(phone.answer_to("UPDATE").await.body(), "v=0\r\nsecond", "the control: the first is answered");
}

/// A call with a session timer.
async fn timed_call(exchange: &Exchange, timer: &str) -> Phone {
    let mut phone = exchange.phone().await;
    let headers = format!("Content-Type: application/sdp\r\n{timer}");
    phone.ask("INVITE", DAILY, &headers, SDP).await;
    let answer = phone.answer_to("INVITE").await;
    assert_eq!(answer.status(), 200, "{}", answer.0);
    phone.in_call(&answer);
    phone.ask("ACK", DAILY, "", "").await;
    phone
}

/// Lets time pass, and gives the call a reason to look at its clock.
async fn pass(exchange: &Exchange, phone: &mut Phone, seconds: u64) {
    exchange.mono_ms.store(seconds * 1_000, Ordering::Relaxed);
    phone.ask("OPTIONS", DAILY, "", "").await;
}

#[tokio::test]
async fn a_session_that_its_caller_does_not_refresh_ends() {
    let exchange = Exchange::new().await;
    let mut phone = timed_call(&exchange, "Session-Expires: 90\r\nSupported: timer\r\n").await;
    pass(&exchange, &mut phone, 59).await;
    assert_eq!(phone.answer_to("OPTIONS").await.status(), 200);
    phone.ask("UPDATE", DAILY, "Session-Expires: 90\r\nSupported: timer\r\n", "").await;
    assert_eq!(phone.answer_to("UPDATE").await.header("Session-Expires"), Some("90;refresher=uac"));
    pass(&exchange, &mut phone, 100).await;
    assert_eq!(phone.answer_to("OPTIONS").await.status(), 200, "the control: refreshed, it goes on");
    assert!(!exchange.has_left());
    pass(&exchange, &mut phone, 59 + 60).await;
    let bye = phone.asked("BYE").await;
    assert_eq!(bye.header("Reason"), Some("SIP;cause=408;text=\"the session was not refreshed\""));
    exchange.left().await;
}

#[tokio::test]
async fn a_session_that_is_ours_to_refresh_is_refreshed_as_long_as_it_is_answered() {
    let exchange = Exchange::new().await;
    let timer = "Session-Expires: 100;refresher=uas\r\nSupported: timer\r\nAllow: INVITE, UPDATE\r\n";
    let mut phone = timed_call(&exchange, timer).await;
    for seconds in [50, 100] {
        pass(&exchange, &mut phone, seconds).await;
        let update = phone.asked("UPDATE").await;
        assert_eq!(update.header("Session-Expires"), Some("100;refresher=uac"));
        phone.agree(&update).await;
        // By the time that this is answered the call has heard it.
        phone.ask("OPTIONS", DAILY, "", "").await;
        phone.answer_to("OPTIONS").await;
    }
    pass(&exchange, &mut phone, 150).await;
    phone.asked("UPDATE").await;
    pass(&exchange, &mut phone, 168).await;
    let bye = phone.asked("BYE").await;
    assert_eq!(
        bye.header("Reason"),
        Some("SIP;cause=408;text=\"the session was not refreshed\""),
        "unanswered"
    );
    exchange.left().await;
}

#[tokio::test]
async fn what_is_asked_within_a_call_is_answered() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone().await;
    phone.call(DAILY).await;
    let table = [
        ("INFO", "Content-Type: application/media_control+xml\r\n", "<media_control/>", 200),
        ("INFO", "Content-Type: application/dtmf-relay\r\n", "Signal=1\r\n", 200),
        ("INFO", "Content-Type: text/plain\r\n", "x", 415),
        ("OPTIONS", "", "", 200),
        ("UPDATE", "Session-Expires: 600\r\nSupported: timer\r\n", "", 200),
        ("UPDATE", "Session-Expires: 60\r\nSupported: timer\r\n", "", 422),
        ("REFER", "Refer-To: <sip:x@y>\r\n", "", 403),
        ("NOTIFY", "Event: refer\r\n", "", 481),
        ("MESSAGE", "Content-Type: text/plain\r\n", "x", 405),
        ("PRACK", "RAck: 1 1 INVITE\r\n", "", 481),
    ];
    for (method, headers, body, status) in table {
        phone.ask(method, DAILY, headers, body).await;
        let answer = phone.answer_to(method).await;
        assert_eq!(answer.status(), status, "{method} {headers}: {}", answer.0);
    }
    phone.seq -= 4;
    phone.ask("OPTIONS", DAILY, "X: 1\r\n", "").await;
    assert_eq!(phone.answer_to("OPTIONS").await.status(), 500, "a request of the past");
    assert!(!exchange.has_left());
}

#[tokio::test]
async fn who_requires_100rel_is_answered_without_anything_between() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone().await;
    phone.ask("INVITE", DAILY, "Require: 100rel\r\nContent-Type: application/sdp\r\n", SDP).await;
    assert_eq!(phone.hear().await.status(), 100);
    let answer = phone.hear().await;
    assert_eq!((answer.status(), answer.header("RSeq")), (200, None));
}

#[tokio::test]
async fn a_device_that_asks_for_a_key_frame_in_words_is_heard() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone().await;
    phone.call(DAILY).await;
    let wish = "<media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder></vc_primitive></media_control>";
    let media_control = "Content-Type: application/media_control+xml\r\n";
    // Control takes them in order: a wish found in what is none would make one too many.
    for (headers, body, wished) in [
        (media_control, "<media_control/>", 0),
        ("Content-Type: application/dtmf-relay\r\n", wish, 0),
        (media_control, wish, 1),
        (media_control, wish, 2),
    ] {
        phone.ask("INFO", DAILY, headers, body).await;
        assert_eq!(phone.answer_to("INFO").await.status(), 200);
        let wishes = |seen: &[Command]| {
            let wishes =
                seen.iter().filter(|command| matches!(command, Command::KeyframeWanted { .. })).count();
            (wishes >= wished).then_some(wishes)
        };
        assert_eq!(exchange.until(wishes).await, wished, "{headers} {body}");
    }
}

#[tokio::test]
async fn somebody_else_ends_no_call() {
    let exchange = Exchange::new().await;
    let (mut phone, mut other) = (exchange.phone().await, exchange.phone().await);
    let answer = phone.call(DAILY).await;
    other.call_id = "guessed@phone".into();
    other.in_call(&answer);
    other.seq = 7;
    other.ask("BYE", DAILY, "", "").await;
    assert_eq!(other.answer_to("BYE").await.status(), 481);
    phone.ask("OPTIONS", DAILY, "", "").await;
    assert_eq!(phone.answer_to("OPTIONS").await.status(), 200, "the call stands");
    assert!(!exchange.has_left());
}

#[tokio::test]
async fn when_sip_stops_whoever_still_calls_is_gone() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone().await;
    phone.call(DAILY).await;
    exchange.tell(&Event::Closing { reason: ClosingReason::Draining, retry_after_s: None }).await;
    let Exchange { server, .. } = exchange;
    let stopped = tokio::spawn(server.stop(WAIT_MAX));
    let bye = phone.asked("BYE").await;
    phone.agree(&bye).await;
    timeout(WAIT_MAX, stopped).await.expect("in time").expect("no panic");
}
