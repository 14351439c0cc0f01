//! Transfers, by a host's device and by a host's word, between a telephone and a gateway that a test plays.

use super::outbound::{ELSEWHERE, SDP_TYPE, becomes, told, trunked};
use super::*;
use crate::sip::outbound::callee::Callee;
use crate::sip::outbound::{self, CallId, CallRefusal};

const HOST: &str = "daily.271828";
const GUEST: &str = "daily.314159";
const TO: &str = "sip:+4940123@trunk.example.org";

/// A telephone in a call, as the participant 3.
async fn called(exchange: &Exchange, user: &str) -> Phone {
    let mut phone = exchange.phone_by_tcp().await;
    phone.call(user).await;
    phone
}

async fn refer(phone: &mut Phone, user: &str, to: &str) -> Heard {
    phone.ask("REFER", user, &format!("Refer-To: <{to}>\r\n"), "").await;
    phone.answer_to("REFER").await
}

/// What the telephone is told of its transfer.
async fn notified(phone: &mut Phone) -> (String, String) {
    let notify = phone.asked("NOTIFY").await;
    assert_eq!(notify.header("Event"), Some("refer"));
    assert_eq!(notify.header("Content-Type"), Some("message/sipfrag;version=2.0"));
    phone.agree(&notify).await;
    let state = notify.header("Subscription-State").expect("RFC 6665 §8.2.1").to_owned();
    (notify.body().trim().to_owned(), state)
}

#[tokio::test]
async fn a_hosts_device_has_the_node_call_and_is_told_what_becomes_of_it() {
    let (exchange, mut gateway) = trunked().await;
    let mut phone = called(&exchange, HOST).await;
    assert_eq!(refer(&mut phone, HOST, TO).await.status(), 202);
    let trying = ("SIP/2.0 100 Trying".to_owned(), "active;expires=180".to_owned());
    assert_eq!(notified(&mut phone).await, trying);
    let invite = gateway.asked("INVITE").await;
    assert_eq!(refer(&mut phone, HOST, TO).await.status(), 491, "one at a time");
    gateway.respond(&invite, "200 OK", "gw", &format!("{ELSEWHERE}{SDP_TYPE}"), SDP).await;
    gateway.asked("ACK").await;
    let over = "terminated;reason=noresource".to_owned();
    assert_eq!(notified(&mut phone).await, ("SIP/2.0 200 OK".to_owned(), over.clone()));
    assert!(told(&exchange).contains(&"admit p9 Telephone Guest".to_owned()), "as a guest");

    assert_eq!(refer(&mut phone, HOST, TO).await.status(), 202, "and again");
    notified(&mut phone).await;
    let invite = gateway.asked("INVITE").await;
    gateway.respond(&invite, "486 Busy Here", "gw", "", "").await;
    assert_eq!(notified(&mut phone).await, ("SIP/2.0 486 busy".to_owned(), over));
    assert!(!exchange.has_left(), "who referred stays until it hangs up");
}

#[tokio::test]
async fn a_device_has_the_node_call_only_of_a_host_and_only_whom_a_host_could_have_called() {
    let (exchange, mut gateway) = trunked().await;
    let mut guest = called(&exchange, GUEST).await;
    assert_eq!(refer(&mut guest, GUEST, TO).await.status(), 403);
    let mut host = called(&exchange, HOST).await;
    for (to, status) in [
        ("sip:+4940123@third.example.org", 403),
        ("sip:+4930123@trunk.example.org", 403),
        ("sip:+4940123@trunk.example.org?Replaces=a%40b%3Bto-tag%3D1", 400),
        ("sip:+4940123@trunk.example.org;transport=tcp", 400),
        ("tel:+4940123", 400),
    ] {
        assert_eq!(refer(&mut host, HOST, to).await.status(), status, "{to}");
    }
    host.ask("REFER", HOST, "", "").await;
    assert_eq!(host.answer_to("REFER").await.status(), 400, "nobody is named");
    assert_eq!(refer(&mut host, HOST, TO).await.status(), 202, "the control");
    gateway.asked("INVITE").await;
}

fn transfer(exchange: &Exchange, participant: u64, to: &str) -> Result<CallId, ApiError> {
    let room = Alias::parse("daily").expect("a fair alias");
    outbound::transfer(&exchange.state, &room, ParticipantId(participant), Callee::parse(to).expect("fair"))
}

/// The telephone says what becomes of a transfer, and is answered.
async fn notify(phone: &mut Phone, state: &str, status: &str) -> u16 {
    let headers = format!("Event: refer\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag\r\n");
    phone.ask("NOTIFY", GUEST, &headers, &format!("SIP/2.0 {status}\r\n")).await;
    phone.answer_to("NOTIFY").await.status()
}

#[tokio::test]
async fn a_host_has_a_device_call_elsewhere_and_the_call_ends_when_it_has() {
    let (exchange, _gateway) = trunked().await;
    let mut phone = called(&exchange, GUEST).await;
    assert_eq!(notify(&mut phone, "active", "200 OK").await, 481, "nobody asked");
    transfer(&exchange, 3, TO).expect("it is in a call");
    let refer = phone.asked("REFER").await;
    assert_eq!(refer.header("Refer-To"), Some("<sip:+4940123@trunk.example.org>"));
    assert!(refer.header("Contact").is_some());
    phone.respond(&refer, "202 Accepted", "", "", "").await;
    assert_eq!(notify(&mut phone, "active;expires=60", "100 Trying").await, 200);
    assert_eq!(notify(&mut phone, "active;expires=60", "180 Ringing").await, 200);
    assert_eq!(becomes(&exchange, &["Calling"]).await, ["Ringing"]);
    assert_eq!(notify(&mut phone, "terminated;reason=noresource", "200 OK").await, 200);
    let bye = phone.asked("BYE").await;
    assert_eq!(bye.header("Reason"), Some("Q.850;cause=16;text=\"transferred\""));
    phone.agree(&bye).await;
    assert_eq!(exchange.left().await.participant, ParticipantId(3));
    assert_eq!(becomes(&exchange, &["Ringing"]).await, ["Transferred"]);
    assert_eq!(transfer(&exchange, 3, TO), Err(ApiError::NotFound), "it has no call any more");
}

#[tokio::test]
async fn a_transfer_that_comes_to_nothing_leaves_the_call_as_it_was_and_says_so() {
    let (exchange, _gateway) = trunked().await;
    let mut phone = called(&exchange, GUEST).await;
    transfer(&exchange, 3, TO).expect("it is in a call");
    let refer = phone.asked("REFER").await;
    phone.respond(&refer, "405 Method Not Allowed", "", "", "").await;
    assert_eq!(becomes(&exchange, &["Calling"]).await, ["refused Some(405)"]);
    transfer(&exchange, 3, TO).expect("and again");
    let refer = phone.asked("REFER").await;
    phone.respond(&refer, "202 Accepted", "", "", "").await;
    assert_eq!(notify(&mut phone, "terminated;reason=noresource", "603 Decline").await, 200);
    let both = ["refused Some(405)", "declined Some(603)"];
    assert_eq!(becomes(&exchange, &["refused Some(405)", "Calling"]).await, both);
    phone.ask("OPTIONS", GUEST, "", "").await;
    assert_eq!(phone.answer_to("OPTIONS").await.status(), 200);
    assert!(!exchange.has_left());
    assert_eq!(
        transfer(&exchange, 3, "sip:+4930@trunk.example.org"),
        Err(ApiError::CallRefused(CallRefusal::Prefix)),
        "as of a call of the node's own"
    );
    assert_eq!(transfer(&exchange, 4, TO), Err(ApiError::NotFound));
}

#[tokio::test]
async fn a_device_that_hangs_up_meanwhile_has_been_transferred() {
    let (exchange, _gateway) = trunked().await;
    let mut phone = called(&exchange, GUEST).await;
    transfer(&exchange, 3, TO).expect("it is in a call");
    let refer = phone.asked("REFER").await;
    phone.respond(&refer, "202 Accepted", "", "", "").await;
    phone.ask("BYE", GUEST, "", "").await;
    assert_eq!(phone.answer_to("BYE").await.status(), 200);
    assert_eq!(becomes(&exchange, &["Calling"]).await, ["Transferred"]);
}
