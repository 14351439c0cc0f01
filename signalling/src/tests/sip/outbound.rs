//! Calls of the node's, to a gateway that a test plays.

use super::*;
use crate::sip::outbound::callee::Callee;
use crate::sip::outbound::{self, CallId, CallRefusal, Order, Progress};
use crate::sip::{Credentials, OutboundOptions, Rules, TrunkOptions, TrunkTransport};
use tokio::net::TcpListener;

pub(super) const SDP_TYPE: &str = "Content-Type: application/sdp\r\n";
/// Where nothing of the node's may ever go.
pub(super) const ELSEWHERE: &str = "Contact: <sip:gw@192.0.2.1:5070;transport=tcp>\r\n";

pub(super) fn options(port: u16, transport: TrunkTransport, dangerous_md5: bool) -> OutboundOptions {
    let trunk = TrunkOptions {
        name: "test".into(),
        host: "127.0.0.1".into(),
        port: Some(port),
        transport,
        domain: "trunk.example.org".into(),
        prefixes: vec!["+49".into()],
        caller_id: "+4930".into(),
        credentials: Some(Credentials {
            username: "mcu".into(),
            password: Secret::new("secret".into()),
            dangerous_md5,
        }),
        registration: None,
    };
    let rules = Rules {
        domains: vec!["trunk.example.org".into(), "other.example.org".into()],
        prefixes: vec!["+4940".into(), "+31".into()],
        calls_max: 2,
        room_calls_per_minute: 3,
        calls_per_minute: 10,
        minutes_max: 240,
    };
    OutboundOptions { rules, trunks: vec![trunk], dns_servers: Vec::new() }
}

/// A node, and the gateway that it is connected to.
pub(super) async fn trunked() -> (Exchange, Phone) {
    trunked_with(false).await
}

async fn trunked_with(dangerous_md5: bool) -> (Exchange, Phone) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has free ports");
    let port = listener.local_addr().expect("it is bound").port();
    let options = options(port, TrunkTransport::Tcp, dangerous_md5);
    let exchange = Exchange::with(IpAddr::V4(Ipv4Addr::LOCALHOST), None, options).await;
    let gateway = Phone::connected(&listener).await;
    (exchange, gateway)
}

pub(super) fn wanted(to: &str, name: &str) -> Order {
    Order {
        room: Alias::parse("daily").expect("a fair alias"),
        by: Caller::Admin,
        callee: Callee::parse(to).expect("a fair address"),
        name: Secret::new(DisplayName::parse(name).expect("a fair name")),
        role: Role::Guest,
        ring: WAIT_MAX,
        keys: Secret::default(),
    }
}

pub(super) fn begin(exchange: &Exchange) -> CallId {
    let order = wanted("sip:+4940123@trunk.example.org", "Telephone");
    outbound::order(&exchange.state, order).expect("it is made")
}

/// What can be read of calls, once it is something else than `before`.
pub(super) async fn becomes(exchange: &Exchange, before: &[&str]) -> Vec<String> {
    let room = Alias::parse("daily").expect("a fair alias");
    let told = |progress| match progress {
        Progress::Failed(failure) => format!("{} {:?}", failure.reason.code(), failure.status),
        other => format!("{other:?}"),
    };
    exchange
        .until(|_| {
            let now = outbound::list(&exchange.state, &room);
            let now: Vec<String> = now.into_iter().map(|written| told(written.progress)).collect();
            (now != before).then_some(now)
        })
        .await
}

/// What control has been asked of calls, in order.
pub(super) fn told(exchange: &Exchange) -> Vec<String> {
    words(&exchange.seen.lock().expect("no test panics with it"))
}

fn words(seen: &[Command]) -> Vec<String> {
    let told = seen.iter().filter_map(|command| match command {
        Command::Invite { leg, .. } => Some(format!("invite secure={}", leg.secure)),
        Command::Admit { participant, display_name, role, .. } => {
            Some(format!("admit {participant} {} {role:?}", display_name.expose().as_str()))
        }
        Command::Settle { who, sdp, .. } => Some(format!("settle {} {}", who.participant, sdp.len())),
        Command::Uninvite { participant } => Some(format!("uninvite {participant}")),
        _ => None,
    });
    told.collect()
}

/// A request of the gateway's within the call that `invite` began.
pub(super) fn within(invite: &Heard, method: &str, seq: u32, tag: &str, headers: &str, body: &str) -> String {
    let header = |name: &str| invite.header(name).expect("every request has it").to_owned();
    format!(
        "{method} sip:mcu@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK{method}{seq}\r\n\
         From: {};tag={tag}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {seq} {method}\r\n{ELSEWHERE}{headers}Content-Length: {}\r\n\r\n{body}",
        header("To"),
        header("From"),
        header("Call-ID"),
        body.len(),
    )
}

#[tokio::test]
async fn a_call_rings_is_answered_and_is_a_call_as_any_from_there_on() {
    let (exchange, mut gateway) = trunked().await;
    begin(&exchange);
    let invite = gateway.asked("INVITE").await;
    assert!(invite.0.starts_with("INVITE sip:+4940123@trunk.example.org SIP/2.0\r\n"), "{}", invite.0);
    let from = invite.header("From").expect("a header");
    assert!(from.starts_with("<sip:+4930@trunk.example.org>;tag="), "{from}");
    assert_eq!(invite.header("To"), Some("<sip:+4940123@trunk.example.org>"));
    assert_eq!(invite.header("CSeq"), Some("1 INVITE"));
    assert!(
        invite.header("Contact").is_some_and(|at| at.starts_with("<sip:+4930@mcu.example.org:")),
        "{}",
        invite.0
    );
    assert_eq!((invite.header("Supported"), invite.header("Content-Type")), (None, Some("application/sdp")));
    assert_eq!(invite.body(), "v=0\r\noffer");
    assert_eq!(told(&exchange), ["invite secure=false"]);

    gateway.respond(&invite, "100 Trying", "", "", "").await;
    gateway.respond(&invite, "183 Session Progress", "gw", SDP_TYPE, SDP).await;
    assert_eq!(becomes(&exchange, &["Calling"]).await, ["Ringing"]);
    assert_eq!(told(&exchange), ["invite secure=false"], "nobody listens before the answer");
    let routes = "Record-Route: <sip:p2.example.org;lr>, <sip:p1.example.org;lr>\r\n";
    gateway.respond(&invite, "200 OK", "gw", &format!("{ELSEWHERE}{routes}{SDP_TYPE}"), SDP).await;
    let ack = gateway.asked("ACK").await;
    assert!(ack.0.starts_with("ACK sip:gw@192.0.2.1:5070;transport=TCP SIP/2.0\r\n"), "{}", ack.0);
    assert_eq!((ack.header("CSeq"), ack.header("Route")), (Some("1 ACK"), Some("<sip:p1.example.org;lr>")));
    assert_eq!(ack.header("To"), Some("<sip:+4940123@trunk.example.org>;tag=gw"));
    assert_eq!(becomes(&exchange, &["Ringing"]).await, ["Answered(ParticipantId(9))"]);
    let settle = format!("settle p9 {}", SDP.len());
    let expected = ["invite secure=false", "admit p9 Telephone Guest", &settle, "uninvite p9"];
    exchange.until(|seen| (words(seen) == expected).then_some(())).await;

    // A 2xx said again is acknowledged again.
    gateway.respond(&invite, "200 OK", "gw", &format!("{ELSEWHERE}{routes}{SDP_TYPE}"), SDP).await;
    assert_eq!(gateway.asked("ACK").await.header("CSeq"), Some("1 ACK"));
    // The gateway's own offer, a refresh, and its end.
    gateway.say(&within(&invite, "INVITE", 0, "gw", SDP_TYPE, SDP)).await;
    let answer = gateway.answer_to("INVITE").await;
    assert_eq!((answer.status(), answer.body()), (200, "v=0\r\nanswer"));
    gateway.say(&within(&invite, "ACK", 0, "gw", "", "")).await;
    gateway.say(&within(&invite, "OPTIONS", 1, "gw", "", "")).await;
    assert_eq!(gateway.answer_to("OPTIONS").await.status(), 200);
    gateway.say(&within(&invite, "BYE", 2, "gw", "", "")).await;
    assert_eq!(gateway.answer_to("BYE").await.status(), 200);
    assert_eq!(exchange.left().await.participant, ParticipantId(9));
    assert_eq!(becomes(&exchange, &["Answered(ParticipantId(9))"]).await, [""; 0]);
    assert_eq!(exchange.counters.made.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn the_node_hangs_up_by_the_way_that_it_called_by() {
    let (exchange, mut gateway) = trunked().await;
    begin(&exchange);
    let invite = gateway.asked("INVITE").await;
    gateway.respond(&invite, "200 OK", "gw", &format!("{ELSEWHERE}{SDP_TYPE}"), SDP).await;
    gateway.asked("ACK").await;
    becomes(&exchange, &["Calling"]).await;
    let reason = mcu_core::conference::event::ClosingReason::Disconnected;
    exchange.tell(&Event::Closing { reason, retry_after_s: None }).await;
    let bye = gateway.asked("BYE").await;
    assert_eq!(
        (bye.header("CSeq"), bye.header("To")),
        (Some("2 BYE"), Some("<sip:+4940123@trunk.example.org>;tag=gw"))
    );
    gateway.agree(&bye).await;
    exchange.left().await;
}

#[tokio::test]
async fn a_refusal_is_told_by_its_reason_and_a_redirection_is_not_followed() {
    let table = [
        ("486 Busy Here", "busy Some(486)"),
        ("603 Decline", "declined Some(603)"),
        ("404 Not Found", "not-found Some(404)"),
        ("302 Moved Temporarily", "redirected Some(302)"),
        ("488 Not Acceptable Here", "not-acceptable Some(488)"),
        ("500 Server Internal Error", "refused Some(500)"),
    ];
    for (status, reason) in table {
        let (exchange, mut gateway) = trunked().await;
        begin(&exchange);
        let invite = gateway.asked("INVITE").await;
        gateway.respond(&invite, status, "gw", ELSEWHERE, "").await;
        let ack = gateway.asked("ACK").await;
        assert_eq!(ack.header("To"), Some("<sip:+4940123@trunk.example.org>;tag=gw"));
        assert_eq!(becomes(&exchange, &["Calling"]).await, [reason]);
        exchange.until(|seen| words(seen).contains(&"uninvite p9".to_owned()).then_some(())).await;
        assert!(!told(&exchange).iter().any(|told| told.starts_with("admit")), "nobody came in");
    }
}

#[tokio::test]
async fn a_call_that_is_called_off_is_cancelled_once_it_has_been_heard_of() {
    let (exchange, mut gateway) = trunked().await;
    let id = begin(&exchange);
    let invite = gateway.asked("INVITE").await;
    let room = Alias::parse("daily").expect("a fair alias");
    assert_eq!(outbound::call_off(&exchange.state, &room, id), Ok(None));
    gateway.respond(&invite, "180 Ringing", "gw", "", "").await;
    let cancel = gateway.hear().await;
    assert!(cancel.0.starts_with("CANCEL sip:+4940123@trunk.example.org SIP/2.0\r\n"), "{}", cancel.0);
    assert_eq!(cancel.header("CSeq"), Some("1 CANCEL"));
    for name in ["Via", "From", "To", "Call-ID"] {
        assert_eq!(cancel.header(name), invite.header(name), "{name}");
    }
    gateway.respond(&cancel, "200 OK", "gw", "", "").await;
    gateway.respond(&invite, "487 Request Terminated", "gw", "", "").await;
    gateway.asked("ACK").await;
    assert_eq!(becomes(&exchange, &["Calling"]).await, ["cancelled None"]);
    let other = Alias::parse("weekly").expect("a fair alias");
    assert_eq!(outbound::call_off(&exchange.state, &other, id), Err(ApiError::NotFound));
}

#[tokio::test]
async fn who_answers_what_was_called_off_is_acknowledged_and_hung_up() {
    let (exchange, mut gateway) = trunked().await;
    let mut order = wanted("sip:+4940123@trunk.example.org", "Telephone");
    order.ring = Duration::from_millis(1);
    outbound::order(&exchange.state, order).expect("it is made");
    let invite = gateway.asked("INVITE").await;
    gateway.respond(&invite, "180 Ringing", "gw", "", "").await;
    let cancel = gateway.asked("CANCEL").await;
    gateway.respond(&invite, "200 OK", "gw", &format!("{ELSEWHERE}{SDP_TYPE}"), SDP).await;
    gateway.respond(&cancel, "200 OK", "gw", "", "").await;
    assert_eq!(gateway.asked("ACK").await.header("CSeq"), Some("1 ACK"));
    let bye = gateway.asked("BYE").await;
    assert_eq!(bye.header("Reason"), Some("SIP;cause=487;text=\"called off\""));
    gateway.agree(&bye).await;
    let now = becomes(&exchange, &["Calling"]).await;
    let now = if now == ["Ringing"] { becomes(&exchange, &["Ringing"]).await } else { now };
    assert_eq!(now, ["no-answer None"]);
    assert!(!told(&exchange).iter().any(|told| told.starts_with("admit")), "nobody came in");
}

#[tokio::test]
async fn of_several_who_answer_the_first_is_kept() {
    let (exchange, mut gateway) = trunked().await;
    begin(&exchange);
    let invite = gateway.asked("INVITE").await;
    let headers = format!("{ELSEWHERE}{SDP_TYPE}");
    gateway.respond(&invite, "200 OK", "first", &headers, SDP).await;
    assert!(gateway.asked("ACK").await.header("To").is_some_and(|to| to.ends_with("tag=first")));
    gateway.respond(&invite, "200 OK", "second", &headers, SDP).await;
    let second = |heard: &Heard| heard.header("To").is_some_and(|to| to.ends_with("tag=second"));
    assert!(second(&gateway.asked("ACK").await));
    let bye = gateway.asked("BYE").await;
    assert!(second(&bye), "{}", bye.0);
    assert_eq!(bye.header("Reason"), Some("SIP;cause=200;text=\"answered elsewhere\""));
    gateway.agree(&bye).await;
    gateway.respond(&invite, "200 OK", "second", &headers, SDP).await;
    assert!(second(&gateway.asked("ACK").await), "each time it is said");
    assert_eq!(becomes(&exchange, &["Calling"]).await, ["Answered(ParticipantId(9))"]);
    gateway.say(&within(&invite, "OPTIONS", 1, "first", "", "")).await;
    assert_eq!(gateway.answer_to("OPTIONS").await.status(), 200, "the control: the first goes on");
    gateway.say(&within(&invite, "OPTIONS", 1, "second", "", "")).await;
    assert_eq!(gateway.answer_to("OPTIONS").await.status(), 481);
}

const SHA: &str =
    "WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\r\n";
const MD5: &str = "Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n\"\r\n";

#[tokio::test]
async fn a_trunk_that_asks_who_calls_is_told_once() {
    let (exchange, mut gateway) = trunked().await;
    begin(&exchange);
    let first = gateway.asked("INVITE").await;
    gateway.respond(&first, "401 Unauthorized", "gw", SHA, "").await;
    let second = gateway.asked("INVITE").await;
    let told = second.header("Authorization").expect("credentials");
    assert!(
        told.starts_with(
            "Digest username=\"mcu\", realm=\"trunk\", nonce=\"n\", uri=\"sip:+4940123@trunk.example.org\""
        ),
        "{told}"
    );
    assert_eq!(
        (second.header("CSeq"), second.header("Call-ID")),
        (Some("2 INVITE"), first.header("Call-ID"))
    );
    assert_ne!(second.header("Via"), first.header("Via"), "a branch of its own");
    gateway.respond(&second, "200 OK", "gw", &format!("{ELSEWHERE}{SDP_TYPE}"), SDP).await;
    let ack = gateway.asked("ACK").await;
    assert_eq!((ack.header("CSeq"), ack.header("Authorization")), (Some("2 ACK"), Some(told)));
    assert_eq!(becomes(&exchange, &["Calling"]).await, ["Answered(ParticipantId(9))"]);
}

#[tokio::test]
async fn credentials_are_not_said_twice_nor_by_md5_unless_that_is_allowed() {
    let (exchange, mut gateway) = trunked().await;
    begin(&exchange);
    let first = gateway.asked("INVITE").await;
    gateway.respond(&first, "401 Unauthorized", "gw", SHA, "").await;
    let second = gateway.asked("INVITE").await;
    gateway.respond(&second, "401 Unauthorized", "gw", SHA, "").await;
    assert_eq!(becomes(&exchange, &["Calling"]).await, ["unauthorized Some(401)"]);

    let (exchange, mut gateway) = trunked().await;
    begin(&exchange);
    let invite = gateway.asked("INVITE").await;
    gateway.respond(&invite, "407 Proxy Authentication Required", "gw", MD5, "").await;
    assert_eq!(becomes(&exchange, &["Calling"]).await, ["unauthorized Some(407)"]);

    let (exchange, mut gateway) = trunked_with(true).await;
    begin(&exchange);
    let invite = gateway.asked("INVITE").await;
    gateway.respond(&invite, "407 Proxy Authentication Required", "gw", MD5, "").await;
    assert!(gateway.asked("INVITE").await.header("Proxy-Authorization").is_some(), "the control: by name");
    drop(exchange);
}

#[tokio::test]
async fn an_answer_that_will_not_do_is_acknowledged_and_ended() {
    for (name, body, reason, bye_reason) in [
        ("Telephone", "", "not-acceptable None", "SIP;cause=488;text=\"no session was agreed\""),
        ("Telephone", "v=1\r\n", "not-acceptable None", "SIP;cause=488;text=\"no session was agreed\""),
        (LATECOMER, SDP, "not-let-in None", "Q.850;cause=16;text=\"the meeting is over or full\""),
    ] {
        let (exchange, mut gateway) = trunked().await;
        outbound::order(&exchange.state, wanted("sip:+4940123@trunk.example.org", name)).expect("it is made");
        let invite = gateway.asked("INVITE").await;
        gateway.respond(&invite, "200 OK", "gw", &format!("{ELSEWHERE}{SDP_TYPE}"), body).await;
        gateway.asked("ACK").await;
        let bye = gateway.asked("BYE").await;
        assert_eq!(bye.header("Reason"), Some(bye_reason));
        gateway.agree(&bye).await;
        assert_eq!(becomes(&exchange, &["Calling"]).await, [reason]);
    }
}

#[tokio::test]
async fn a_connection_that_is_lost_ends_what_rings_and_is_made_anew() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has free ports");
    let port = listener.local_addr().expect("it is bound").port();
    let outbound = options(port, TrunkTransport::Tcp, false);
    let exchange = Exchange::with(IpAddr::V4(Ipv4Addr::LOCALHOST), None, outbound).await;
    let mut gateway = Phone::connected(&listener).await;
    begin(&exchange);
    let invite = gateway.asked("INVITE").await;
    gateway.respond(&invite, "180 Ringing", "gw", "", "").await;
    assert_eq!(becomes(&exchange, &["Calling"]).await, ["Ringing"]);
    drop(gateway);
    assert_eq!(becomes(&exchange, &["Ringing"]).await, ["unreachable None"]);
    begin(&exchange);
    let mut gateway = Phone::connected(&listener).await;
    gateway.asked("INVITE").await;
}

#[tokio::test]
async fn who_says_no_and_hangs_up_at_once_has_said_no() {
    for _ in 0..20 {
        let (exchange, mut gateway) = trunked().await;
        begin(&exchange);
        let invite = gateway.asked("INVITE").await;
        gateway.respond(&invite, "486 Busy Here", "gw", "", "").await;
        drop(gateway);
        assert_eq!(becomes(&exchange, &["Calling"]).await, ["busy Some(486)"]);
    }
}

#[tokio::test]
async fn by_udp_everything_goes_to_the_trunk_wherever_its_answers_point() {
    let socket =
        tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has free ports");
    let at = socket.local_addr().expect("it is bound");
    let outbound = options(at.port(), TrunkTransport::Udp, false);
    let exchange = Exchange::with(IpAddr::V4(Ipv4Addr::LOCALHOST), None, outbound).await;
    let mut gateway = Phone::at(socket, exchange.address("UDP")).await;
    begin(&exchange);
    let invite = gateway.asked("INVITE").await;
    gateway.respond(&invite, "200 OK", "gw", &format!("{ELSEWHERE}{SDP_TYPE}"), SDP).await;
    for _ in 0..2 {
        let ack = gateway.asked("ACK").await;
        assert!(ack.0.starts_with("ACK sip:gw@192.0.2.1:5070"), "{}", ack.0);
        gateway.respond(&invite, "200 OK", "gw", &format!("{ELSEWHERE}{SDP_TYPE}"), SDP).await;
    }
    assert_eq!(becomes(&exchange, &["Calling"]).await, ["Answered(ParticipantId(9))"]);
}

#[tokio::test]
async fn whom_nobody_may_call_is_not_called_and_each_limit_is_named() {
    let (exchange, mut gateway) = trunked().await;
    let order = |to: &str| outbound::order(&exchange.state, wanted(to, "Telephone")).map(|_| ());
    let refused = |refusal: CallRefusal| Err(ApiError::CallRefused(refusal));
    assert_eq!(order("sip:+4940123@third.example.org"), refused(CallRefusal::Domain));
    assert_eq!(order("sip:+4930123@trunk.example.org"), refused(CallRefusal::Prefix));
    assert_eq!(order("sip:+31123@trunk.example.org"), refused(CallRefusal::NoWay));
    assert_eq!(order("sip:room@other.example.org"), refused(CallRefusal::NoWay));
    for _ in 0..2 {
        begin(&exchange);
    }
    assert_eq!(order("sip:+4940123@trunk.example.org"), refused(CallRefusal::CallsMax));
    for _ in 0..2 {
        let invite = gateway.asked("INVITE").await;
        gateway.respond(&invite, "486 Busy Here", "gw", "", "").await;
    }
    let room = Alias::parse("daily").expect("a fair alias");
    exchange
        .until(|_| {
            let now = outbound::list(&exchange.state, &room);
            let failed = now.iter().all(|written| matches!(written.progress, Progress::Failed(_)));
            (failed && now.len() == 2).then_some(())
        })
        .await;
    // A place is free a moment after its call has ended.
    exchange
        .until(|_| (order("sip:+4940123@trunk.example.org") != refused(CallRefusal::CallsMax)).then_some(()))
        .await;
    let rate = order("sip:+4940123@trunk.example.org");
    assert_eq!(rate, refused(CallRefusal::RoomRate { retry_after_s: 20 }));
    let off = Exchange::new().await;
    let nobody = outbound::order(&off.state, wanted("sip:+4940123@trunk.example.org", "Telephone"));
    assert_eq!(nobody, Err(ApiError::CallRefused(CallRefusal::Domain)), "the default: nobody");
}

#[tokio::test]
async fn the_api_tells_what_becomes_of_a_call() {
    let (exchange, mut gateway) = trunked().await;
    let app = crate::router(&exchange.state);
    let call = async |method: &str, path: &str, body: Value| {
        let app = app.clone().layer(MockConnectInfo(SocketAddr::from((Ipv4Addr::LOCALHOST, 4_242))));
        let response = app.oneshot(request(method, path, ADMIN, body)).await.expect("the router never fails");
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 1 << 20).await.expect("a body in memory");
        (status, serde_json::from_slice::<Value>(&bytes).unwrap_or_default())
    };
    let path = "/api/v1/rooms/daily/calls";
    let to = "sip:+4940123@trunk.example.org";
    let begun = call("POST", path, json!({"to": to, "name": "Ada", "role": "host"})).await;
    assert_eq!(begun, (201, json!({"id": 1})));
    let calling = json!({"calls": [{"id": 1, "to": to, "name": "Ada", "state": "calling"}]});
    assert_eq!(call("GET", path, Value::Null).await, (200, calling));
    let invite = gateway.asked("INVITE").await;
    gateway.respond(&invite, "200 OK", "gw", &format!("{ELSEWHERE}{SDP_TYPE}"), SDP).await;
    gateway.asked("ACK").await;
    becomes(&exchange, &["Calling"]).await;
    assert!(told(&exchange).contains(&"admit p9 Ada Host".to_owned()), "{:?}", told(&exchange));
    let answered =
        json!({"calls": [{"id": 1, "to": to, "name": "Ada", "state": "answered", "participant_id": 9}]});
    assert_eq!(call("GET", path, Value::Null).await, (200, answered));

    let (status, begun) = call("POST", path, json!({"to": to})).await;
    assert_eq!((status, &begun["id"]), (201, &json!(2)));
    let invite = gateway.asked("INVITE").await;
    gateway.respond(&invite, "486 Busy Here", "gw", "", "").await;
    becomes(&exchange, &["Answered(ParticipantId(9))", "Calling"]).await;
    let (_, calls) = call("GET", path, Value::Null).await;
    let busy =
        json!({"id": 2, "to": to, "name": "Telephone", "state": "failed", "reason": "busy", "status": 486});
    assert_eq!(calls["calls"][1], busy);
    let refused = call("POST", path, json!({"to": "sip:+4930@trunk.example.org"})).await;
    assert_eq!((refused.0, &refused.1["code"]), (403, &json!("call-refused")));
    assert!(
        refused.1["detail"].as_str().is_some_and(|text| text.contains("sip.dial_out.prefixes")),
        "{}",
        refused.1
    );
    assert_eq!(call("DELETE", "/api/v1/rooms/daily/calls/7", Value::Null).await.0, 404);
}

#[tokio::test]
async fn keys_are_pressed_once_it_has_answered_one_after_the_other() {
    let (exchange, mut gateway) = trunked().await;
    let mut order = wanted("sip:+4940123@trunk.example.org", "Telephone");
    order.keys = Secret::new("1#".into());
    outbound::order(&exchange.state, order).expect("it is made");
    let invite = gateway.asked("INVITE").await;
    gateway.respond(&invite, "200 OK", "gw", &format!("{ELSEWHERE}{SDP_TYPE}"), SDP).await;
    for key in ["1", "#"] {
        let info = gateway.asked("INFO").await;
        assert_eq!(info.header("Content-Type"), Some("application/dtmf-relay"));
        assert_eq!(info.body(), format!("Signal={key}\r\nDuration=160\r\n"));
        gateway.agree(&info).await;
    }
    assert_eq!(becomes(&exchange, &["Calling"]).await, ["Answered(ParticipantId(9))"]);
}
