//! Telephones that are web pages: let in by origin, heard message by message, called back by the connection that they came by.

use super::phone::WebSocket;
use super::*;
use futures_util::{SinkExt, StreamExt};
use mcu_core::conference::event::ClosingReason;
use mcu_core::limits::{SDP_BYTES_MAX, SIP_HEADER_BYTES_MAX};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::sync::LazyLock;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

/// The page that may connect.
pub(super) const PAGE: &str = "https://phones.example";

static TLS: LazyLock<(Arc<ServerConfig>, Arc<ClientConfig>)> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let certificate = CertificateDer::from(made.cert.der().to_vec());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("our own key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let server = server.with_safe_default_protocol_versions().expect("TLS 1.2 and 1.3").with_no_client_auth();
    let server = server.with_single_cert(vec![certificate.clone()], key).expect("they fit");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("it vouches for itself");
    let client = ClientConfig::builder_with_provider(provider);
    let client = client.with_safe_default_protocol_versions().expect("TLS 1.2 and 1.3");
    (Arc::new(server), Arc::new(client.with_root_certificates(roots).with_no_client_auth()))
});

pub(super) fn options() -> WebSocketOptions {
    WebSocketOptions { port: 0, tls: Arc::clone(&TLS.0), origins: vec![PAGE.to_owned()] }
}

/// What comes of a request for a WebSocket with these headers.
pub(super) async fn connect(node: SocketAddr, headers: &[(&'static str, &str)]) -> Result<WebSocket, Error> {
    let stream = TcpStream::connect(node).await.expect("it listens");
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TlsConnector::from(Arc::clone(&TLS.1)).connect(name, stream).await.expect("it is trusted");
    let mut request = "wss://localhost/".into_client_request()?;
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().expect("a fair header"));
    }
    let (socket, response) = client_async(request, stream).await?;
    assert_eq!(response.headers()["sec-websocket-protocol"], "sip");
    Ok(socket)
}

/// The next frame that is no answer to a ping, nor a ping.
async fn next(phone: &mut Phone) -> Option<Message> {
    loop {
        match phone.socket().next().await?.ok()? {
            Message::Ping(_) => {}
            message => return Some(message),
        }
    }
}

/// The code of the close frame that comes next.
async fn closed(phone: &mut Phone) -> Option<CloseCode> {
    match next(phone).await? {
        Message::Close(frame) => Some(frame?.code),
        other => panic!("{other:?}"),
    }
}

async fn is_answered(phone: &mut Phone) -> bool {
    phone.ask("OPTIONS", "daily", "", "").await;
    phone.answer_to("OPTIONS").await.status() == 200
}

#[tokio::test]
async fn who_is_no_page_that_may_or_speaks_no_sip_is_told_before_the_upgrade() {
    let exchange = Exchange::new().await;
    let node = exchange.address("WSS");
    let (sip, page) = (("sec-websocket-protocol", "sip"), ("origin", PAGE));
    let refused = [
        (vec![], 400),
        (vec![page], 400),
        (vec![("sec-websocket-protocol", "mcu.v1"), page], 400),
        (vec![sip, ("origin", "https://evil.example")], 403),
        (vec![sip, ("origin", "null")], 403),
    ];
    for (headers, status) in refused {
        match connect(node, &headers).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), status, "{headers:?}"),
            other => panic!("{headers:?}: {other:?}"),
        }
    }
    for headers in [vec![sip, page], vec![sip]] {
        assert!(connect(node, &headers).await.is_ok(), "the control: {headers:?}");
    }
}

#[tokio::test]
async fn a_call_is_answered_and_ended_by_the_connection_that_it_came_by() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone_by_wss().await;
    let answer = phone.call("daily.314159").await;
    let via = answer.header("Via").expect("it is said again");
    assert!(
        via.starts_with("SIP/2.0/WSS df7jal23ls0d.invalid") && via.contains("received=127.0.0.1"),
        "{via}"
    );
    let contact = answer.header("Contact").expect("an address of the node");
    assert!(contact.contains(";transport=WS>"), "RFC 7118 §5.2.2: {contact}");
    let leg = exchange.offers().remove(0).sip.expect("a leg of SIP");
    assert!(leg.secure && leg.browser && leg.from == phone.here.ip());
    exchange.tell(&Event::Closing { reason: ClosingReason::Disconnected, retry_after_s: None }).await;
    let bye = phone.asked("BYE").await;
    assert!(bye.0.starts_with("BYE sip:room@df7jal23ls0d.invalid;transport="), "{}", bye.0);
    assert!(bye.header("Via").is_some_and(|via| via.starts_with("SIP/2.0/WSS mcu.example.org")), "{}", bye.0);
    phone.agree(&bye).await;
    exchange.left().await;
}

#[tokio::test]
async fn a_frame_is_one_message_as_text_or_not_with_its_length_or_without() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone_by_wss().await;
    let untold = phone.request("OPTIONS", "daily", "", "").replace("Content-Length: 0\r\n", "");
    phone.socket().send(Message::binary(untold.into_bytes())).await.expect("it is open");
    assert_eq!(phone.answer_to("OPTIONS").await.status(), 200);
    let untold = phone.request("INVITE", "daily.314159", "Content-Type: application/sdp\r\n", SDP);
    phone.say(&untold.replace(&format!("Content-Length: {}\r\n", SDP.len()), "")).await;
    assert_eq!(phone.answer_to("INVITE").await.status(), 200);
    assert_eq!(exchange.offers().remove(0).sdp, SDP, "the rest of the frame is the body");

    let one = phone.request("OPTIONS", "daily", "", "");
    for odd in [format!("{one}{one}"), format!("\r\n{one}"), one.replace("Length: 0", "Length: 1")] {
        let mut other = exchange.phone_by_wss().await;
        let before = exchange.counters.dropped.load(Ordering::Relaxed);
        other.say(&odd).await;
        assert_eq!(closed(&mut other).await, Some(CloseCode::Policy), "{odd}");
        assert_eq!(exchange.counters.dropped.load(Ordering::Relaxed), before + 1);
    }
    assert!(is_answered(&mut phone).await, "the control: whoever did not");
}

#[tokio::test]
async fn messages_have_their_limits() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone_by_wss().await;
    let sdp = |bytes: usize| SDP.to_owned() + &"a".repeat(bytes - SDP.len());
    phone.ask("INVITE", "daily.314159", "Content-Type: application/sdp\r\n", &sdp(SDP_BYTES_MAX)).await;
    assert_eq!(phone.answer_to("INVITE").await.status(), 488, "the control: just fits, and is read");
    let mut phone = exchange.phone_by_wss().await;
    phone.ask("INVITE", "daily.314159", "Content-Type: application/sdp\r\n", &sdp(SDP_BYTES_MAX + 1)).await;
    assert_eq!(phone.answer_to("INVITE").await.status(), 413);
    assert_eq!(closed(&mut phone).await, Some(CloseCode::Policy));

    let before = exchange.counters.dropped.load(Ordering::Relaxed);
    let mut phone = exchange.phone_by_wss().await;
    let huge = "x".repeat(SIP_HEADER_BYTES_MAX + SDP_BYTES_MAX + 1);
    // It may be closed before it has said everything.
    let _ = phone.socket().send(Message::text(huge)).await;
    assert!(phone.is_closed().await);
    assert_eq!(exchange.counters.dropped.load(Ordering::Relaxed), before + 1);
}

#[tokio::test]
async fn pings_of_either_kind_are_answered() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone_by_wss().await;
    phone.socket().send(Message::Ping("here?".into())).await.expect("it is open");
    assert_eq!(next(&mut phone).await, Some(Message::Pong("here?".into())));
    phone.say("\r\n\r\n").await;
    assert_eq!(next(&mut phone).await, Some(Message::text("\r\n")));
    phone.say("\r\n").await;
    assert!(is_answered(&mut phone).await, "an answer is not answered");
}

#[tokio::test(start_paused = true)]
async fn who_answers_no_ping_is_gone_and_who_says_nothing_goes_later() {
    let exchange = Exchange::new().await;
    let mut mute = exchange.phone_by_wss().await;
    let began = Instant::now();
    // It reads nothing, and so it answers nothing.
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(mute.is_closed().await && began.elapsed() < Duration::from_secs(121), "before that");

    let (mut idle, mut calling) = (exchange.phone_by_wss().await, exchange.phone_by_wss().await);
    calling.call("daily.314159").await;
    let began = Instant::now();
    let (code, called) =
        tokio::join!(closed(&mut idle), timeout(Duration::from_secs(400), closed(&mut calling)));
    assert_eq!(code, Some(CloseCode::Away));
    assert!(began.elapsed() >= Duration::from_secs(300), "its answers to pings are a sign of life");
    assert!(called.is_err(), "a connection with a call stays");
}
