//! Callers that make no offer: ours is in the 200, their answer in the ACK.

use super::*;

const DAILY: &str = "daily.314159";
const SDP_TYPE: &str = "Content-Type: application/sdp\r\n";

/// What control has been told of sessions, in order.
fn told(exchange: &Exchange) -> Vec<String> {
    let seen = exchange.seen.lock().expect("no test panics with it");
    let told = seen.iter().filter_map(|command| match command {
        Command::Offer { offer, .. } => Some(format!("offer {}", offer.sdp.len())),
        Command::Propose { .. } => Some("propose".to_owned()),
        Command::Settle { sdp, .. } => Some(format!("settle {}", sdp.len())),
        _ => None,
    });
    told.collect()
}

async fn settled(exchange: &Exchange, times: usize) {
    let settles =
        |seen: &[Command]| seen.iter().filter(|command| matches!(command, Command::Settle { .. })).count();
    exchange.until(|seen| (settles(seen) >= times).then_some(())).await;
}

/// Until the offer of ours before it is settled, another is refused: then this one is answered.
async fn answered(phone: &mut Phone, method: &str, headers: &str, body: &str) -> Heard {
    loop {
        phone.ask(method, DAILY, headers, body).await;
        let answer = phone.answer_to(method).await;
        if method == "INVITE" && answer.status() >= 300 {
            phone.ask("ACK", DAILY, "", "").await;
        }
        if answer.status() != 491 {
            return answer;
        }
    }
}

#[tokio::test]
async fn a_caller_without_an_offer_gets_ours_and_answers_in_the_ack() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone().await;
    phone.ask("INVITE", DAILY, "", "").await;
    let offer = phone.answer_to("INVITE").await;
    assert_eq!((offer.status(), offer.body()), (200, "v=0\r\noffer"));
    assert_eq!(offer.header("Content-Type"), Some("application/sdp"));
    phone.in_call(&offer);
    phone.ask("ACK", DAILY, SDP_TYPE, SDP).await;
    settled(&exchange, 1).await;

    // Within the call as well, and an offer of the caller's after that.
    let again = answered(&mut phone, "INVITE", "", "").await;
    assert_eq!((again.status(), again.body()), (200, "v=0\r\noffer"));
    phone.ask("ACK", DAILY, SDP_TYPE, SDP).await;
    settled(&exchange, 2).await;
    let own = answered(&mut phone, "UPDATE", SDP_TYPE, SDP).await;
    assert_eq!((own.status(), own.body()), (200, "v=0\r\nanswer"));
    let (settle, offer) = (format!("settle {}", SDP.len()), format!("offer {}", SDP.len()));
    assert_eq!(told(&exchange), ["propose", &settle, "propose", &settle, &offer]);
    phone.ask("BYE", DAILY, "", "").await;
    assert_eq!(phone.answer_to("BYE").await.status(), 200);
    exchange.left().await;
}

#[tokio::test]
async fn while_our_offer_waits_for_its_answer_no_other_is_taken() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone().await;
    phone.call(DAILY).await;
    phone.ask("INVITE", DAILY, "", "").await;
    let invited = phone.seq;
    assert_eq!(phone.answer_to("INVITE").await.body(), "v=0\r\noffer");
    phone.ask("UPDATE", DAILY, SDP_TYPE, SDP).await;
    assert_eq!(phone.answer_to("UPDATE").await.status(), 491);
    phone.ask("OPTIONS", DAILY, "", "").await;
    assert_eq!(phone.answer_to("OPTIONS").await.status(), 200, "the control: the call listens");
    phone.seq = invited;
    phone.ask("ACK", DAILY, SDP_TYPE, SDP).await;
    phone.seq = invited + 2;
    settled(&exchange, 1).await;
    assert_eq!(answered(&mut phone, "UPDATE", SDP_TYPE, SDP).await.status(), 200);
}

#[tokio::test]
async fn an_answer_that_will_not_do_ends_the_call_and_so_does_none() {
    let unspoken = SDP.replace("audio 40000 RTP/SAVP 0", "video 40000 RTP/SAVP 99\r\na=rtpmap:99 H265/90000");
    for (headers, body) in
        [("", ""), (SDP_TYPE, "v=1\r\n"), (SDP_TYPE, &*unspoken), ("Content-Type: text/plain\r\n", SDP)]
    {
        for within in [false, true] {
            let exchange = Exchange::new().await;
            let mut phone = exchange.phone().await;
            if within {
                phone.call(DAILY).await;
            }
            phone.ask("INVITE", DAILY, "", "").await;
            let offer = phone.answer_to("INVITE").await;
            phone.in_call(&offer);
            assert!(!exchange.has_left(), "the control: an offer waits");
            phone.ask("ACK", DAILY, headers, body).await;
            let bye = phone.asked("BYE").await;
            assert_eq!(bye.header("Reason"), Some("SIP;cause=488;text=\"no session was agreed\""), "{body}");
            exchange.left().await;
        }
    }
}
