//! Who does not come in, and what they learn of it.

use super::*;

async fn refused(exchange: &Exchange, user: &str) -> Heard {
    let mut phone = exchange.phone().await;
    phone.invite(user).await;
    let answer = phone.answer_to("INVITE").await;
    phone.ask("ACK", user, "", "").await;
    answer
}

async fn answered(exchange: &Exchange, method: &str, headers: &str, body: &str) -> Heard {
    let mut phone = exchange.phone().await;
    phone.ask(method, "daily.314159", headers, body).await;
    phone.answer_to(method).await
}

#[tokio::test]
async fn a_wrong_pin_and_no_such_room_are_one_answer() {
    let exchange = Exchange::new().await;
    let mut answers = Vec::new();
    for user in ["daily.000000", "nothing-here.314159", "Not%20An%20Alias.314159"] {
        answers.push(refused(&exchange, user).await.gist());
    }
    assert_eq!(answers[0].0, 403);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let mut phone = exchange.phone().await;
    phone.call("Daily.314159").await;
    assert_eq!(exchange.offers().len(), 1, "the control: the right PIN, and no other, came to an offer");
}

#[tokio::test]
async fn whoever_dials_no_pin_is_received_whether_there_is_such_a_room_or_not() {
    let exchange = Exchange::new().await;
    for user in ["daily", "nothing-here", "Not%20An%20Alias"] {
        exchange.phone().await.call(user).await;
    }
    assert_eq!((exchange.joins(), exchange.offers().len()), (0, 3));
}

#[tokio::test]
async fn receptions_are_not_endless() {
    let exchange = Exchange::new().await;
    for _ in 0..crate::door::limiter::RECEPTIONS_MAX {
        exchange.phone().await.call("daily").await;
    }
    let answer = refused(&exchange, "daily").await;
    assert_eq!((answer.status(), answer.header("Retry-After")), (480, Some("2")));
    assert_eq!(refused(&exchange, "daily.314159").await.status(), 200, "the control: with a PIN");
}

#[tokio::test]
async fn guesses_by_sip_and_by_http_count_together_and_too_many_must_wait() {
    let exchange = Exchange::new().await;
    for _ in 0..crate::door::limiter::ADDRESS_FAILURES_MAX {
        assert_eq!(refused(&exchange, "nothing-here.000000").await.status(), 403);
    }
    let answer = refused(&exchange, "daily.314159").await;
    assert_eq!((answer.status(), answer.header("Retry-After")), (480, Some("10")));
}

#[tokio::test]
async fn the_echo_test_needs_no_pin() {
    let exchange = Exchange::new().await;
    exchange.phone().await.call("echo").await;
}

#[tokio::test]
async fn an_invite_that_cannot_be_answered_is_refused_before_the_door() {
    let exchange = Exchange::new().await;
    let sdp_type = "Content-Type: application/sdp\r\n";
    let not_sdp = answered(&exchange, "INVITE", "Content-Type: text/plain\r\n", "hello").await;
    assert_eq!((not_sdp.status(), not_sdp.header("Accept")), (415, Some("application/sdp")));
    let required =
        answered(&exchange, "INVITE", &format!("Require: replaces, timer\r\n{sdp_type}"), SDP).await;
    assert_eq!((required.status(), required.header("Unsupported")), (420, Some("replaces")));
    let short = format!("Session-Expires: 30\r\nSupported: timer\r\n{sdp_type}");
    let short = answered(&exchange, "INVITE", &short, SDP).await;
    assert_eq!((short.status(), short.header("Min-SE")), (422, Some("90")));
    assert_eq!(answered(&exchange, "INVITE", sdp_type, "v=1\r\n").await.status(), 488);
    assert_eq!(exchange.joins(), 0, "nobody was let in for that");
    let timed = format!("Session-Expires: 900\r\nSupported: timer\r\n{sdp_type}");
    let timed = answered(&exchange, "INVITE", &timed, SDP).await;
    assert_eq!(
        (timed.status(), timed.header("Session-Expires")),
        (200, Some("900;refresher=uac")),
        "the control"
    );
}

#[tokio::test]
async fn an_offer_of_nothing_that_we_speak_takes_its_guest_out_again() {
    let exchange = Exchange::new().await;
    let sdp = SDP.replace("RTP/SAVP 0", "RTP/SAVP 99\r\na=rtpmap:99 H265/90000");
    let answer = answered(&exchange, "INVITE", "Content-Type: application/sdp\r\n", &sdp).await;
    assert_eq!(answer.status(), 488);
    assert!(answer.header("Warning").is_some_and(|text| text.starts_with("305 ")), "{}", answer.0);
    exchange.left().await;
}

#[tokio::test]
async fn a_full_room_is_busy_and_a_node_that_goes_says_when_to_try_again() {
    let (exchange, mut commands) = Exchange::asking().await;
    for (error, status, retry) in
        [(ApiError::Locked, 603, None), (ApiError::RoomFull, 486, None), (ApiError::Draining, 503, Some("5"))]
    {
        let mut phone = exchange.phone().await;
        phone.invite("daily.314159").await;
        let Some(Command::Join { reply, .. }) = commands.recv().await else { panic!("not a join") };
        reply.send(Err(error)).expect("somebody waits");
        let answer = phone.answer_to("INVITE").await;
        assert_eq!((answer.status(), answer.header("Retry-After")), (status, retry));
    }
    drop(commands);
    assert_eq!(answered(&exchange, "OPTIONS", "", "").await.status(), 503, "control is gone");
}

#[tokio::test]
async fn methods_that_are_not_ours_are_refused_by_name() {
    let exchange = Exchange::new().await;
    let allowed = Some("INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY");
    for method in ["REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH"] {
        let answer = answered(&exchange, method, "", "").await;
        assert_eq!((answer.status(), answer.header("Allow")), (405, allowed), "{method}");
    }
    let unknown = answered(&exchange, "FROBNICATE", "", "").await;
    assert_eq!((unknown.status(), unknown.header("Allow")), (501, allowed));
    assert!(!unknown.tag().is_empty());
    let capable = answered(&exchange, "OPTIONS", "", "").await;
    assert_eq!((capable.status(), capable.header("Allow")), (200, allowed));
    assert_eq!(
        (capable.header("Accept"), capable.header("Supported")),
        (Some("application/sdp"), Some("timer, 100rel"))
    );
    let outside = answered(&exchange, "REFER", "Refer-To: <sip:+4940@trunk.example.org>\r\n", "").await;
    assert_eq!(outside.status(), 403, "nobody's word");
    for method in ["BYE", "INFO", "UPDATE", "PRACK", "NOTIFY"] {
        assert_eq!(answered(&exchange, method, "", "").await.status(), 481, "{method} of no call");
    }
}

#[tokio::test]
async fn requests_that_contradict_themselves_are_malformed() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone().await;
    for (from, to) in [(" OPTIONS\r\n", " INVITE\r\n"), ("Contact: <sip:room", "Contact: <mailto:room")] {
        let method = if from.contains("OPTIONS") { "OPTIONS" } else { "INVITE" };
        let text = phone.request(method, "daily.314159", "Content-Type: application/sdp\r\n", SDP);
        assert!(text.contains(from));
        phone.say(&text.replace(from, to)).await;
        let answer = phone.answer_to("INVITE").await;
        assert_eq!(answer.status(), 400, "{to}");
        phone.call_id.push('x');
    }
    assert_eq!(exchange.joins(), 0);
}
