//! Registrations of the node's, at a registrar that a test plays.

use super::outbound::options;
use super::*;
use crate::model::{SipTrunk, SipTrunkRegistration};
use crate::sip::{RegistrationOptions, TrunkTransport, outbound};
use tokio::net::{TcpListener, UdpSocket};

const SHA: &str =
    "WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\r\n";

fn registering(port: u16, transport: TrunkTransport) -> OutboundOptions {
    let mut options = options(port, transport, false);
    let registration = RegistrationOptions { lasts: Duration::from_secs(600), user: "daily".into() };
    options.trunks[0].registration = Some(registration);
    options
}

/// A node, and the registrar that it is connected to.
async fn registered_at(listener: &TcpListener) -> (Exchange, Phone) {
    let port = listener.local_addr().expect("it is bound").port();
    let options = registering(port, TrunkTransport::Tcp);
    let exchange = Exchange::with(IpAddr::V4(Ipv4Addr::LOCALHOST), None, options).await;
    let registrar = Phone::connected(listener).await;
    (exchange, registrar)
}

async fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has free ports")
}

fn shown(exchange: &Exchange) -> SipTrunk {
    outbound::trunks(&exchange.state).remove(0)
}

/// Waits until the API shows this of the registration.
async fn stands(exchange: &Exchange, until: Option<u64>, status: Option<u16>) {
    let expected = SipTrunkRegistration { registered: until.is_some(), until, status };
    exchange.until(|_| (shown(exchange).registration.as_ref() == Some(&expected)).then_some(())).await;
    let gauge = exchange.counters.trunks_registered.load(Ordering::Relaxed);
    assert_eq!(gauge, u64::from(until.is_some()));
}

fn seq(request: &Heard) -> u32 {
    let text = request.header("CSeq").expect("every request has it");
    text.strip_suffix(" REGISTER").and_then(|seq| seq.parse().ok()).expect("a number")
}

#[tokio::test]
async fn the_node_registers_is_called_by_it_comes_back_and_takes_leave() {
    let listener = listener().await;
    let (exchange, mut registrar) = registered_at(&listener).await;
    let first = registrar.asked("REGISTER").await;
    assert!(first.0.starts_with("REGISTER sip:trunk.example.org SIP/2.0\r\n"), "{}", first.0);
    assert_eq!(first.header("To"), Some("<sip:mcu@trunk.example.org>"));
    let from = first.header("From").expect("every request has it");
    assert!(from.starts_with("<sip:mcu@trunk.example.org>;tag="), "{from}");
    assert_eq!((first.header("Expires"), first.header("Authorization")), (Some("600"), None));
    let contact = first.header("Contact").expect("an address").to_owned();
    let port = exchange.address("TCP").port();
    assert_eq!(contact, format!("<sip:daily@mcu.example.org:{port};transport=TCP>"));
    assert_eq!(shown(&exchange).connected, Some(true));
    stands(&exchange, None, None).await;

    registrar.respond(&first, "401 Unauthorized", "r", SHA, "").await;
    let second = registrar.asked("REGISTER").await;
    let said = second.header("Authorization").expect("credentials");
    assert!(
        said.starts_with(
            "Digest username=\"mcu\", realm=\"trunk\", nonce=\"n\", uri=\"sip:trunk.example.org\""
        ),
        "{said}"
    );
    assert_eq!(seq(&second), seq(&first) + 1);
    registrar.respond(&second, "200 OK", "r", &format!("Contact: {contact};expires=300\r\n"), "").await;
    stands(&exchange, Some(START_UNIX_S + 300), Some(200)).await;

    registrar.invite("daily").await;
    assert_eq!(registrar.answer_to("INVITE").await.status(), 200, "at a reception");

    drop(registrar);
    stands(&exchange, None, Some(200)).await;
    let mut registrar = Phone::connected(&listener).await;
    let third = registrar.asked("REGISTER").await;
    assert_eq!((third.header("Call-ID"), seq(&third)), (first.header("Call-ID"), seq(&second) + 1));
    registrar.respond(&third, "200 OK", "r", "", "").await;
    stands(&exchange, Some(START_UNIX_S + 600), Some(200)).await;

    let stopping = tokio::spawn(exchange.server.stop(WAIT_MAX));
    let last = registrar.asked("REGISTER").await;
    assert_eq!((last.header("Expires"), last.header("Contact")), (Some("0"), Some(contact.as_str())));
    registrar.respond(&last, "401 Unauthorized", "r", SHA, "").await;
    let last = registrar.asked("REGISTER").await;
    assert!(last.header("Authorization").is_some() && last.header("Expires") == Some("0"), "{}", last.0);
    registrar.agree(&last).await;
    timeout(WAIT_MAX, stopping).await.expect("it ends").expect("in order");
    assert_eq!(exchange.counters.trunks_registered.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_wrong_password_is_said_once_and_shown() {
    let listener = listener().await;
    let (exchange, mut registrar) = registered_at(&listener).await;
    for _ in 0..2 {
        let register = registrar.asked("REGISTER").await;
        registrar.respond(&register, "401 Unauthorized", "r", SHA, "").await;
    }
    stands(&exchange, None, Some(401)).await;
    assert_eq!(exchange.counters.trunk_registrations_failed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_registrar_that_wants_longer_registrations_gets_them() {
    let listener = listener().await;
    let (exchange, mut registrar) = registered_at(&listener).await;
    let first = registrar.asked("REGISTER").await;
    registrar.respond(&first, "423 Interval Too Brief", "r", "Min-Expires: 1800\r\n", "").await;
    let second = registrar.asked("REGISTER").await;
    assert_eq!((second.header("Expires"), seq(&second)), (Some("1800"), seq(&first) + 1));
    registrar.respond(&second, "401 Unauthorized", "r", SHA, "").await;
    let third = registrar.asked("REGISTER").await;
    assert_eq!(third.header("Expires"), Some("1800"));
    registrar.respond(&third, "200 OK", "r", "", "").await;
    stands(&exchange, Some(START_UNIX_S + 1_800), Some(200)).await;
}

#[tokio::test]
async fn by_udp_the_node_registers_from_its_own_port() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has free ports");
    let port = socket.local_addr().expect("it is bound").port();
    let options = registering(port, TrunkTransport::Udp);
    let exchange = Exchange::with(IpAddr::V4(Ipv4Addr::LOCALHOST), None, options).await;
    let mut registrar = Phone::at(socket, exchange.address("UDP")).await;
    let register = registrar.asked("REGISTER").await;
    let port = exchange.address("UDP").port();
    assert_eq!(register.header("Contact"), Some(&*format!("<sip:daily@mcu.example.org:{port}>")));
    registrar.respond(&register, "200 OK", "r", "Expires: 120\r\n", "").await;
    stands(&exchange, Some(START_UNIX_S + 120), Some(200)).await;
    assert_eq!(shown(&exchange).connected, None);
}
