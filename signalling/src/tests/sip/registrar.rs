//! Devices that register: who they say they are, where they are then, and what strangers learn.

use super::*;
use crate::door::limiter::ADDRESS_FAILURES_MAX;
use crate::sip::registrar::devices::{Devices, line};
use crate::sip::registrar::digest::tests::authorization;
use crate::sip::registrar::{Algorithm, Terms};
use mcu_core::limits::SIP_BINDINGS_PER_DEVICE_MAX;

const PASSWORD: &str = "correct horse";

pub(super) fn options(algorithms: &'static [Algorithm]) -> RegistrarOptions {
    let device = |user: &str| {
        let password = Secret::new(PASSWORD.to_owned());
        line((user, None), "mcu", &password, &Algorithm::ALL).expect("a fair user").into_exposed()
    };
    let lines = [device("room-1"), device("room-2")].join("\n");
    let terms = Terms { usual: Duration::from_secs(600), longest: Duration::from_secs(3_600) };
    RegistrarOptions { devices: Devices::parse(&lines, "mcu").expect("two devices"), terms, algorithms }
}

async fn exchange() -> Exchange {
    Exchange::with(
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(options(&Algorithm::GOOD)),
        OutboundOptions::default(),
    )
    .await
}

/// The nonce of a challenge.
fn nonce(challenge: &Heard) -> String {
    assert_eq!(challenge.status(), 401, "{}", challenge.0);
    let text = challenge.header("WWW-Authenticate").expect("a challenge");
    text.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a nonce").to_owned()
}

/// A REGISTER with a proof by `password` for the nonce that came before.
async fn prove(phone: &mut Phone, (user, password): (&str, &str), nonce: &str, headers: &str) -> Heard {
    let said = authorization((user, password, "mcu"), (Algorithm::Sha256, nonce, 1));
    phone.ask("REGISTER", user, &format!("Authorization: {said}\r\n{headers}"), "").await;
    phone.answer_to("REGISTER").await
}

/// Asks for a challenge, and answers it.
async fn register(phone: &mut Phone, user: &str, password: &str, headers: &str) -> Heard {
    phone.ask("REGISTER", user, headers, "").await;
    let nonce = nonce(&phone.answer_to("REGISTER").await);
    prove(phone, (user, password), &nonce, headers).await
}

/// Devices, and at how many addresses each is registered.
fn registered(exchange: &Exchange) -> Vec<(String, usize)> {
    exchange.server.registrar().list().into_iter().map(|one| (one.user, one.bindings.len())).collect()
}

fn is_registered(exchange: &Exchange) -> bool {
    registered(exchange).iter().any(|(_, addresses)| *addresses > 0)
}

#[tokio::test]
async fn a_device_that_proves_itself_is_reached_where_it_came_from() {
    let exchange = exchange().await;
    for mut phone in [exchange.phone().await, exchange.phone_by_tcp().await] {
        phone.ask("REGISTER", "room-1", "", "").await;
        let challenge = phone.answer_to("REGISTER").await;
        let nonce = nonce(&challenge);
        let told = challenge.0.matches("WWW-Authenticate: Digest realm=\"mcu\"").count();
        assert!(told == 2 && !challenge.0.contains("MD5"), "{}", challenge.0);
        assert!(!is_registered(&exchange));
        let headers = "User-Agent: Phone 7\r\nExpires: 120\r\n";
        let answer = prove(&mut phone, ("room-1", PASSWORD), &nonce, headers).await;
        assert_eq!(answer.status(), 200, "{}", answer.0);
        let contact = format!("<sip:room@{}>;expires=120", phone.here);
        assert_eq!(answer.header("Contact"), Some(contact.as_str()));
        let reached = exchange.server.registrar().reach("room-1").expect("it is registered");
        assert_eq!(
            (reached.flow.from, reached.contact.to_string()),
            (phone.here, format!("sip:room@{}", phone.here))
        );
        let shown = exchange.server.registrar().list().remove(0).bindings.remove(0);
        assert_eq!((shown.user_agent.as_str(), shown.since, shown.expires_s), ("Phone 7", START_UNIX_S, 120));
        assert!(exchange.server.registrar().reach("room-2").is_none(), "the control");

        let again = register(&mut phone, "room-1", PASSWORD, "Expires: 0\r\n").await;
        assert_eq!((again.status(), again.header("Contact")), (200, None));
        assert!(!is_registered(&exchange));
    }
    assert_eq!(exchange.counters.registrations_refused.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn no_such_user_a_wrong_password_and_a_proof_said_again_are_one_answer() {
    let exchange = exchange().await;
    let mut phone = exchange.phone().await;
    let mut answers = Vec::new();
    for (user, password) in [("room-1", "wrong"), ("nobody", PASSWORD), ("No Body", PASSWORD)] {
        let user = user.replace(' ', "%20");
        answers.push(register(&mut phone, &user, password, "").await.gist());
    }
    phone.ask("REGISTER", "room-1", "", "").await;
    let nonce = nonce(&phone.answer_to("REGISTER").await);
    let first = prove(&mut phone, ("room-1", PASSWORD), &nonce, "").await;
    assert_eq!(first.status(), 200, "the control: {}", first.0);
    answers.push(prove(&mut phone, ("room-1", PASSWORD), &nonce, "").await.gist());
    assert_eq!(answers[0].0, 403);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(exchange.counters.registrations_refused.load(Ordering::Relaxed), 4);

    let mut challenges = Vec::new();
    for user in ["room-1", "nobody"] {
        phone.ask("REGISTER", user, "", "").await;
        let challenge = phone.answer_to("REGISTER").await;
        let nonce = self::nonce(&challenge);
        challenges.push(Heard(challenge.0.replace(&nonce, "N")).gist());
    }
    assert_eq!(challenges[0], challenges[1], "a question says nothing of who there is");
}

#[tokio::test]
async fn a_device_registers_itself_alone() {
    let exchange = exchange().await;
    let mut phone = exchange.phone().await;
    for other in ["room-2", "nobody"] {
        phone.ask("REGISTER", "room-1", "", "").await;
        let nonce = nonce(&phone.answer_to("REGISTER").await);
        let said = authorization(("room-1", PASSWORD, "mcu"), (Algorithm::Sha256, &nonce, 1));
        phone.ask("REGISTER", other, &format!("Authorization: {said}\r\n"), "").await;
        assert_eq!(phone.answer_to("REGISTER").await.gist().0, 403, "{other}");
    }
    assert!(!is_registered(&exchange));
    assert_eq!(register(&mut phone, "room-1", PASSWORD, "").await.status(), 200, "the control");
}

#[tokio::test]
async fn a_nonce_that_is_old_is_asked_for_anew_and_one_that_was_overtaken_too() {
    let exchange = exchange().await;
    let mut phone = exchange.phone().await;
    let mut nonces = Vec::new();
    for _ in 0..2 {
        phone.ask("REGISTER", "room-1", "", "").await;
        nonces.push(nonce(&phone.answer_to("REGISTER").await));
        exchange.mono_ms.fetch_add(1, Ordering::Relaxed);
    }
    assert_eq!(prove(&mut phone, ("room-1", PASSWORD), &nonces[1], "").await.status(), 200, "the newer");
    let overtaken = prove(&mut phone, ("room-1", PASSWORD), &nonces[0], "").await;
    assert!(overtaken.status() == 401 && overtaken.0.contains("stale=true"), "{}", overtaken.0);
    let wrong = prove(&mut phone, ("room-1", "wrong"), &nonces[0], "").await;
    assert_eq!(wrong.status(), 403, "who does not know the password learns nothing of it");

    let fresh = nonce(&overtaken);
    exchange.mono_ms.fetch_add(300_001, Ordering::Relaxed);
    for password in [PASSWORD, "wrong"] {
        let late = prove(&mut phone, ("room-1", password), &fresh, "").await;
        assert!(late.status() == 401 && late.0.contains("stale=true"), "{}", late.0);
    }
    let answer = register(&mut phone, "room-1", PASSWORD, "").await;
    assert_eq!(answer.status(), 200, "the control: {}", answer.0);
}

#[tokio::test]
async fn guesses_end_and_who_is_at_home_stays() {
    let exchange = exchange().await;
    let mut home = exchange.phone().await;
    assert_eq!(register(&mut home, "room-1", PASSWORD, "").await.status(), 200);
    let mut guesser = exchange.phone().await;
    for _ in 0..ADDRESS_FAILURES_MAX {
        assert_eq!(register(&mut guesser, "room-2", "guess", "").await.status(), 403);
    }
    let waits = register(&mut guesser, "room-2", PASSWORD, "").await;
    assert_eq!((waits.status(), waits.header("Retry-After")), (480, Some("10")));
    assert_eq!(register(&mut home, "room-1", PASSWORD, "").await.status(), 200, "from the same address");
    exchange.mono_ms.fetch_add(10_000, Ordering::Relaxed);
    assert_eq!(register(&mut guesser, "room-2", PASSWORD, "").await.status(), 200, "the control: later");
}

#[tokio::test]
async fn a_connection_that_closes_takes_its_device_with_it() {
    let exchange = exchange().await;
    let (mut one, mut other) = (exchange.phone_by_tcp().await, exchange.phone_by_tcp().await);
    for phone in [&mut one, &mut other] {
        assert_eq!(register(phone, "room-1", PASSWORD, "").await.status(), 200);
    }
    assert_eq!(registered(&exchange)[0].1, 2);
    let newest = exchange.server.registrar().reach("room-1").expect("registered");
    assert_eq!(newest.flow.from, other.here);
    drop(other);
    let gone = async {
        while registered(&exchange)[0].1 == 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(WAIT_MAX, gone).await.expect("it is forgotten");
    let left = exchange.server.registrar().reach("room-1").expect("the control: the other one is there");
    assert_eq!(left.flow.from, one.here);
}

#[tokio::test]
async fn a_page_is_reached_by_its_websocket_and_goes_with_it() {
    let exchange = exchange().await;
    let mut phone = exchange.phone_by_wss().await;
    let answer = register(&mut phone, "room-1", PASSWORD, "Expires: 120\r\n").await;
    assert_eq!(answer.status(), 200, "{}", answer.0);
    let reached = exchange.server.registrar().reach("room-1").expect("it is registered");
    assert_eq!(reached.flow.from, phone.here, "whatever host its address names");
    assert!(reached.contact.to_string().contains(".invalid"), "{}", reached.contact);
    let shown = exchange.server.registrar().list().remove(0).bindings.remove(0);
    assert_eq!(shown.transport, "wss");
    drop(phone);
    let gone = async {
        while is_registered(&exchange) {
            tokio::task::yield_now().await;
        }
    };
    timeout(WAIT_MAX, gone).await.expect("it is forgotten");
}

#[tokio::test]
async fn a_registration_ends_with_its_time() {
    let exchange = exchange().await;
    let mut phone = exchange.phone().await;
    register(&mut phone, "room-1", PASSWORD, "Expires: 60\r\n").await;
    exchange.mono_ms.fetch_add(59_999, Ordering::Relaxed);
    assert!(is_registered(&exchange), "the control");
    exchange.mono_ms.fetch_add(1, Ordering::Relaxed);
    assert!(!is_registered(&exchange) && exchange.server.registrar().reach("room-1").is_none());
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_by_name_and_changes_nothing() {
    let exchange = exchange().await;
    let mut phone = exchange.phone().await;
    register(&mut phone, "room-1", PASSWORD, "").await;
    let brief = register(&mut phone, "room-1", PASSWORD, "Expires: 30\r\n").await;
    assert_eq!((brief.status(), brief.header("Min-Expires")), (423, Some("60")));
    let path = register(&mut phone, "room-1", PASSWORD, "Path: <sip:proxy;lr>\r\nExpires: 0\r\n").await;
    assert_eq!((path.status(), path.header("Unsupported")), (420, Some("path")));
    let odd = register(&mut phone, "room-1", PASSWORD, "Contact: *\r\nExpires: 0\r\n").await;
    assert_eq!(odd.status(), 400, "everything, and one address with it");
    assert_eq!(registered(&exchange)[0].1, 1);
    phone.seq = 0;
    phone.ask("REGISTER", "room-1", "", "").await;
    let nonce = nonce(&phone.answer_to("REGISTER").await);
    let said = authorization(("room-1", PASSWORD, "mcu"), (Algorithm::Sha256, &nonce, 1));
    let past = phone.request("REGISTER", "room-1", &format!("Authorization: {said}\r\nExpires: 0\r\n"), "");
    phone.say(&past.replace("branch=z9hG4bK", "branch=z9hG4bKpast")).await;
    let past = phone.answer_to("REGISTER").await.status();
    assert_eq!((past, registered(&exchange)[0].1), (500, 1), "a request of the past");
}

#[tokio::test]
async fn outbound_is_told_to_be_done() {
    let exchange = exchange().await;
    let mut phone = exchange.phone_by_tcp().await;
    let contact = |phone: &Phone| format!("Contact: <sip:room@{}>\r\n", phone.here);
    phone.ask("REGISTER", "room-1", "", "").await;
    let nonce = nonce(&phone.answer_to("REGISTER").await);
    let said = authorization(("room-1", PASSWORD, "mcu"), (Algorithm::Sha512Half, &nonce, 1));
    let headers = format!("Authorization: {said}\r\nSupported: outbound\r\n");
    let text = phone.request("REGISTER", "room-1", &headers, "");
    let instance = "+sip.instance=\"<urn:uuid:0>\";reg-id=1";
    let plain = contact(&phone);
    phone.say(&text.replace(&plain, &plain.replace(">\r\n", &format!(">;{instance}\r\n")))).await;
    let answer = phone.answer_to("REGISTER").await;
    assert_eq!((answer.status(), answer.header("Require")), (200, Some("outbound")), "{}", answer.0);
    assert!(answer.header("Contact").is_some_and(|contact| contact.ends_with(instance)), "{}", answer.0);
}

#[tokio::test]
async fn a_device_that_knows_no_better_digest_is_met_where_that_is_said() {
    let md5 = Exchange::with(
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(options(&[Algorithm::Md5])),
        OutboundOptions::default(),
    )
    .await;
    for (exchange, status) in [(md5, 200), (exchange().await, 401)] {
        let mut phone = exchange.phone().await;
        phone.ask("REGISTER", "room-1", "", "").await;
        let nonce = nonce(&phone.answer_to("REGISTER").await);
        let said = authorization(("room-1", PASSWORD, "mcu"), (Algorithm::Md5, &nonce, 1));
        phone.ask("REGISTER", "room-1", &format!("Authorization: {said}\r\n"), "").await;
        assert_eq!(phone.answer_to("REGISTER").await.status(), status);
    }
}

/// Entries and not bytes: what a flood leaves behind.
#[tokio::test]
async fn floods_of_strangers_leave_nothing_behind() {
    let exchange = exchange().await;
    let node = exchange.address("UDP");
    for last in 1..=10 {
        let from = IpAddr::from([127, 0, 7, last]);
        let mut stranger = Phone::by_udp_from(from, node).await;
        for _ in 0..100 {
            stranger.ask("REGISTER", "room-1", "", "").await;
            assert_eq!(stranger.answer_to("REGISTER").await.status(), 401);
        }
        let forged = prove(&mut stranger, ("room-1", PASSWORD), "0.00000000.forged", "").await;
        assert_eq!(forged.status(), 401);
    }
    assert_eq!((exchange.server.transactions(), is_registered(&exchange)), (0, false));

    let mut guesser = Phone::by_udp_from(IpAddr::from([127, 0, 7, 99]), node).await;
    let mut answers = Vec::new();
    for _ in 0..50 {
        answers.push(register(&mut guesser, "room-1", "guess", "").await.status());
    }
    let tried = answers.iter().filter(|status| **status == 403).count();
    assert_eq!(tried as u32, ADDRESS_FAILURES_MAX, "the control: {answers:?}");
    assert!(exchange.server.transactions() <= tried, "those that were tried, for a while");
}

#[tokio::test]
async fn one_device_has_few_addresses() {
    let exchange = exchange().await;
    let mut phones = Vec::new();
    for _ in 0..=SIP_BINDINGS_PER_DEVICE_MAX {
        let mut phone = exchange.phone().await;
        assert_eq!(register(&mut phone, "room-1", PASSWORD, "").await.status(), 200);
        phones.push(phone);
    }
    assert_eq!(registered(&exchange)[0].1, SIP_BINDINGS_PER_DEVICE_MAX);
}
