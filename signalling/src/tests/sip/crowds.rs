//! Noise, floods, and connections that say too little or too much: the next call comes in all the same.

use super::*;
use mcu_core::limits::{SDP_BYTES_MAX, SIP_HEADER_BYTES_MAX, SIP_HEADER_LINES_MAX};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const SEED: u64 = 0x0051_0051;

/// Waits until this many messages have been dropped.
async fn dropped(exchange: &Exchange, count: u64) {
    let wait = async {
        while exchange.counters.dropped.load(Ordering::Relaxed) < count {
            tokio::task::yield_now().await;
        }
    };
    timeout(WAIT_MAX, wait).await.expect("they are counted");
}

#[tokio::test]
async fn after_any_noise_the_next_call_comes_in() {
    let exchange = Exchange::new().await;
    let mut random = StdRng::seed_from_u64(SEED);
    let mut noisy = exchange.phone().await;
    let fair = noisy.request("INVITE", "daily.314159", "Content-Type: application/sdp\r\n", SDP);
    for round in 0..100_u32 {
        let mut bytes = fair.clone().into_bytes();
        match round % 4 {
            0 => bytes = (0..random.random_range(1..1_500)).map(|_| random.random()).collect(),
            1 => bytes.truncate(random.random_range(1..bytes.len() / 2)),
            2 => bytes.insert(random.random_range(0..40), 0xff),
            _ => {
                bytes = format!("SIP/2.0 200 OK\r\nVia: {}\r\n\r\n", "x".repeat(round as usize)).into_bytes()
            }
        }
        noisy.say_bytes(&bytes).await;
        // In pieces that a socket's buffer holds: none is lost, and all are counted.
        dropped(&exchange, u64::from(round + 1)).await;
    }
    assert_eq!(exchange.joins(), 0);
    exchange.phone().await.call("daily.314159").await;
}

#[tokio::test]
async fn headers_have_their_limits_in_datagrams_too() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone().await;
    let options = |phone: &mut Phone, headers: String| phone.request("OPTIONS", "daily", &headers, "");
    let many = options(&mut phone, "Via: SIP/2.0/UDP x;branch=z9hG4bK1\r\n".repeat(SIP_HEADER_LINES_MAX));
    let long = options(&mut phone, format!("X: {}\r\n", "x".repeat(SIP_HEADER_BYTES_MAX)));
    for (count, text) in (1..).zip([many, long]) {
        phone.say(&text).await;
        dropped(&exchange, count).await;
    }
    let fair = options(&mut phone, "Via: SIP/2.0/UDP x;branch=z9hG4bK1\r\n".repeat(SIP_HEADER_LINES_MAX / 2));
    phone.say(&fair).await;
    assert_eq!(phone.answer_to("OPTIONS").await.status(), 200, "the control: half as many will do");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_has_come() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone_by_tcp().await;
    let text = phone.request("INVITE", "daily.314159", "Content-Type: application/sdp\r\n", "");
    phone.say(&text.replace("Content-Length: 0", &format!("Content-Length: {}", SDP_BYTES_MAX + 1))).await;
    assert_eq!(phone.answer_to("INVITE").await.status(), 413);
    assert!(phone.is_closed().await, "what follows cannot be told from the body");
    let mut other = exchange.phone_by_tcp().await;
    let large = SDP.to_owned() + &"a=x:0123456789\r\n".repeat(3_000);
    other.ask("INVITE", "daily.314159", "Content-Type: application/sdp\r\n", &large).await;
    assert_eq!(other.answer_to("INVITE").await.status(), 200, "the control: a large one");
}

#[tokio::test]
async fn calls_without_end_from_one_address_are_put_off() {
    let exchange = Exchange::new().await;
    let mut put_off = 0;
    for _ in 0..60 {
        let mut phone = exchange.phone().await;
        phone.ask("INVITE", "daily.314159", "Content-Type: text/plain\r\n", "hello").await;
        let answer = phone.answer_to("INVITE").await;
        match answer.status() {
            415 => {}
            480 => {
                assert_eq!(answer.header("Retry-After"), Some("1"));
                put_off += 1;
            }
            other => panic!("{other}"),
        }
        phone.ask("ACK", "daily.314159", "", "").await;
    }
    // The clock of these tests stands still.
    assert_eq!(put_off, 10, "fifty at once");
    let mut phone = exchange.phone().await;
    phone.ask("OPTIONS", "daily", "", "").await;
    assert_eq!(phone.answer_to("OPTIONS").await.status(), 200, "the control: other requests are answered");
}

#[tokio::test]
async fn messages_without_end_from_one_address_are_dropped() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone().await;
    for count in 0..400 {
        phone.say("SIP/2.0 200 OK\r\n\r\n").await;
        dropped(&exchange, count + 1).await;
    }
    phone.ask("OPTIONS", "daily", "", "").await;
    dropped(&exchange, 401).await;
}

#[tokio::test]
async fn connections_of_one_address_are_counted_and_closed() {
    let exchange = Exchange::new().await;
    // Loopback is exempt from the bound of an address; that of all is tested where it is kept.
    let mut crowd = Vec::new();
    for _ in 0..20 {
        let mut phone = exchange.phone_by_tcp().await;
        phone.ask("OPTIONS", "daily", "", "").await;
        assert_eq!(phone.answer_to("OPTIONS").await.status(), 200);
        crowd.push(phone);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_too_slowly_ends_its_connection() {
    let exchange = Exchange::new().await;
    for words in ["OPTIONS sip:daily@x SIP/2.0\r\n", "O", "\r\nO"] {
        let mut phone = exchange.phone_by_tcp().await;
        phone.say(words).await;
        assert!(phone.is_closed().await, "{words:?}");
    }
    let mut phone = exchange.phone_by_tcp().await;
    phone.ask("OPTIONS", "daily", "", "").await;
    assert_eq!(phone.answer_to("OPTIONS").await.status(), 200, "the control");
}

#[tokio::test]
async fn what_cannot_be_framed_ends_its_connection() {
    let exchange = Exchange::new().await;
    for text in ["OPTIONS sip:a@b SIP/2.0\r\nCall-ID: x\r\n\r\n", &"x".repeat(SIP_HEADER_BYTES_MAX + 1)] {
        let mut phone = exchange.phone_by_tcp().await;
        phone.say(text).await;
        assert!(phone.is_closed().await);
    }
}
