//! What hosts are told of calls on their socket, while a gateway that a test plays is called.

use super::outbound::{ELSEWHERE, SDP_TYPE, becomes, trunked, wanted, within};
use super::*;
use crate::sip::Rules;
use crate::sip::outbound;
use crate::tests::socket::{Client, connect_to, protocols};
use futures_util::StreamExt;

const TO: &str = "sip:+4940123@trunk.example.org";

/// The next event, whatever it is.
async fn told(client: &mut Client) -> Value {
    let frame = timeout(WAIT_MAX, client.next()).await.expect("it comes").expect("open").expect("a frame");
    serde_json::from_str(frame.to_text().expect("text")).expect("JSON")
}

/// The socket of whoever has `token`, after its welcome.
async fn open(exchange: &Exchange, token: &str) -> Client {
    let app = crate::router(&exchange.state);
    let mut client = connect_to(&app, &[protocols(token)]).await.expect("a fair handshake");
    assert_eq!(told(&mut client).await["type"], "welcome");
    client
}

/// A `calls` event of that gateway's node.
fn calls(calls: &Value) -> Value {
    let domains = ["trunk.example.org", "other.example.org"];
    json!({"type": "calls", "domains": domains, "prefixes": ["+4940", "+31"], "calls": calls})
}

#[tokio::test]
async fn a_host_is_told_whom_the_node_calls_and_each_step_of_a_call_once() {
    let (exchange, mut gateway) = trunked().await;
    let mut host = open(&exchange, &host()).await;
    assert_eq!(told(&mut host).await, calls(&json!([])), "at once");

    outbound::order(&exchange.state, wanted(TO, "Ada")).expect("it is made");
    let call = |more: Value| {
        let mut call = json!({"id": 1, "to": TO, "name": "Ada"});
        call.as_object_mut().expect("it is one").extend(more.as_object().expect("it is one").clone());
        calls(&json!([call]))
    };
    assert_eq!(told(&mut host).await, call(json!({"state": "calling"})));
    let invite = gateway.asked("INVITE").await;
    for status in ["180 Ringing", "183 Session Progress", "180 Ringing"] {
        gateway.respond(&invite, status, "gw", "", "").await;
    }
    assert_eq!(told(&mut host).await, call(json!({"state": "ringing"})));
    gateway.respond(&invite, "200 OK", "gw", &format!("{ELSEWHERE}{SDP_TYPE}"), SDP).await;
    gateway.asked("ACK").await;
    assert_eq!(told(&mut host).await, call(json!({"state": "answered", "participant_id": 9})));
    gateway.say(&within(&invite, "BYE", 0, "gw", "", "")).await;
    assert_eq!(gateway.answer_to("BYE").await.status(), 200);
    assert_eq!(told(&mut host).await, calls(&json!([])));

    outbound::order(&exchange.state, wanted(TO, "Bob")).expect("it is made");
    let calling = json!([{"id": 2, "to": TO, "name": "Bob", "state": "calling"}]);
    assert_eq!(told(&mut host).await, calls(&calling));
    let invite = gateway.asked("INVITE").await;
    gateway.respond(&invite, "486 Busy Here", "gw", "", "").await;
    let busy =
        json!([{"id": 2, "to": TO, "name": "Bob", "state": "failed", "reason": "busy", "status": 486}]);
    assert_eq!(told(&mut host).await, calls(&busy));
    let mut later = open(&exchange, &crate::tests::host()).await;
    assert_eq!(told(&mut later).await, calls(&busy), "who comes back is told what is so");
}

#[tokio::test]
async fn nobody_is_told_of_calls_but_hosts_of_that_room() {
    let (exchange, mut gateway) = trunked().await;
    let mut guest = open(&exchange, &guest()).await;
    let mut host = open(&exchange, &host()).await;
    assert_eq!(told(&mut host).await, calls(&json!([])));

    let mut elsewhere = wanted(TO, "Ada");
    elsewhere.room = Alias::parse("weekly").expect("a fair alias");
    outbound::order(&exchange.state, elsewhere).expect("it is made");
    gateway.asked("INVITE").await;
    outbound::order(&exchange.state, wanted(TO, "Bob")).expect("it is made");
    becomes(&exchange, &[]).await;
    let bob = json!([{"id": 2, "to": TO, "name": "Bob", "state": "calling"}]);
    assert_eq!(told(&mut host).await, calls(&bob), "and nothing of the other room before");

    exchange.tell(&Event::Floor { holder: None }).await;
    assert_eq!(told(&mut guest).await["type"], "floor", "the first since its welcome");
    assert_eq!(told(&mut host).await["type"], "floor", "the control: it was said to both");
}

#[tokio::test]
async fn a_node_that_calls_nobody_says_nothing_of_calls() {
    let nobody = Exchange::new().await;
    let mut host = open(&nobody, &host()).await;
    nobody.tell(&Event::Floor { holder: None }).await;
    assert_eq!(told(&mut host).await["type"], "floor");

    let devices = Some(super::registrar::options(&crate::sip::registrar::Algorithm::GOOD));
    let bind = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let rules = Rules { calls_max: 1, ..Rules::default() };
    let own = Exchange::with(bind, devices, OutboundOptions { rules, ..OutboundOptions::default() }).await;
    let mut host = open(&own, &crate::tests::host()).await;
    let expected = json!({"type": "calls", "domains": [], "prefixes": [], "device_host": "mcu.example.org", "calls": []});
    assert_eq!(told(&mut host).await, expected, "the control: its own devices it does call");
}
