//! PINs: what a guesser learns (nothing) and gets (few), and what the host keeps (the door).

use super::*;
use crate::door::REFUSAL_TIME;
use crate::door::limiter::{ADDRESS_FAILURES_MAX, ROOM_FAILURES_MAX, ROOM_REFILL};
use tokio::time::Instant;

const DAILY: &str = "/api/v1/rooms/daily/join";

fn address(n: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0A00_0000 + n))
}

async fn join(house: &House, n: u32, path: &str, pin: &str) -> Answer {
    house.send_from(address(n), request("POST", path, "", join_body(pin))).await
}

/// Wrong PINs from addresses of their own until the room has had enough.
async fn wear_out(house: &House) {
    for n in 0..ROOM_FAILURES_MAX {
        join(house, 1_000 + n, DAILY, WRONG_PIN).await.is_problem(403, "join-refused");
    }
}

#[tokio::test(start_paused = true)]
async fn a_right_pin_gives_a_token_of_its_role() {
    let house = House::new();
    for (pin, role) in [(HOST_PIN, "host"), (GUEST_PIN, "guest")] {
        let answer = join(&house, 1, DAILY, pin).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let body = answer.json();
        assert_eq!((body["role"].as_str(), body["participant_id"].as_u64()), (Some(role), Some(3)));
        assert_eq!(body["room"], json!({"name": "Daily", "alias": "daily"}));
        assert_eq!(body["access"], "node-decrypted");
        assert_eq!(body["ice_servers"][0], json!({"urls": ["stun:stun.example.org"]}));
        let token = body["token"].as_str().expect("a token");
        let who = Tokens::from_key(&KEY).verify(token, START_UNIX_S).expect("a token of ours");
        assert_eq!((who.participant, who.conference), (ParticipantId(3), ConferenceId(7)));
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_pin_and_no_such_room_are_one_answer_at_one_time_by_one_way() {
    let house = House::new();
    let mut answers = Vec::new();
    for (n, path) in
        [DAILY, "/api/v1/rooms/nothing-here/join", "/api/v1/rooms/Not%20An%20Alias/join"].iter().enumerate()
    {
        let asked = Instant::now();
        answers.push((join(&house, n as u32, path, WRONG_PIN).await, asked.elapsed()));
    }
    answers[0].0.is_problem(403, "join-refused");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    // Paused time stands still but for the wait itself.
    assert!(answers[0].1 >= REFUSAL_TIME);
    assert_eq!(house.seen_kinds(), ["Join", "Join", "Join"]);
    // The control: who is right does not wait.
    let asked = Instant::now();
    assert_eq!(join(&house, 9, DAILY, HOST_PIN).await.status, 200);
    assert!(asked.elapsed() < REFUSAL_TIME);
}

#[tokio::test(start_paused = true)]
async fn an_address_gets_a_burst_of_failures_then_one_every_ten_seconds() {
    let house = House::new();
    for _ in 0..ADDRESS_FAILURES_MAX {
        join(&house, 1, "/api/v1/rooms/nothing-here/join", WRONG_PIN).await.is_problem(403, "join-refused");
    }
    let refused = join(&house, 1, DAILY, HOST_PIN).await;
    refused.is_problem(429, "too-many-requests");
    assert_eq!(refused.headers["retry-after"], "10");
    assert_eq!(house.seen_kinds().len(), ADDRESS_FAILURES_MAX as usize, "the control thread was not asked");
    assert_eq!(join(&house, 2, DAILY, HOST_PIN).await.status, 200, "another address is not touched");
    house.mono_ms.store(10_000, Ordering::Relaxed);
    assert_eq!(join(&house, 1, DAILY, HOST_PIN).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn success_costs_nothing() {
    let house = House::new();
    for _ in 0..4 * ROOM_FAILURES_MAX {
        assert_eq!(join(&house, 1, DAILY, GUEST_PIN).await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn guessers_lock_out_guests_but_never_the_host() {
    let house = House::new();
    wear_out(&house).await;
    let right = join(&house, 1, DAILY, GUEST_PIN).await;
    let wrong = join(&house, 2, DAILY, WRONG_PIN).await;
    right.is_problem(429, "too-many-requests");
    assert_eq!(right, wrong, "a right guest PIN shows nothing while the room is closed to guests");
    assert_eq!(join(&house, 3, DAILY, HOST_PIN).await.json()["role"], "host");
    // One wrong attempt at a worn-out room costs the whole burst.
    join(&house, 2, DAILY, WRONG_PIN).await.is_problem(429, "too-many-requests");
    assert_eq!(join(&house, 2, DAILY, HOST_PIN).await.status, 429);
    // Another room is not touched, and time mends this one.
    join(&house, 4, "/api/v1/rooms/nothing-here/join", WRONG_PIN).await.is_problem(403, "join-refused");
    house.mono_ms.store(2 * ROOM_REFILL.as_millis() as u64, Ordering::Relaxed);
    assert_eq!(join(&house, 5, DAILY, GUEST_PIN).await.json()["role"], "guest");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_guesses_at_once_are_no_more_than_one_after_the_other() {
    let house = Arc::new(House::new());
    let guesses = (0..300).map(|n| {
        let house = Arc::clone(&house);
        tokio::spawn(async move { join(&house, n / 10, DAILY, WRONG_PIN).await.status })
    });
    let statuses: Vec<StatusCode> = {
        let mut statuses = Vec::new();
        for guess in guesses.collect::<Vec<_>>() {
            statuses.push(guess.await.expect("no panic"));
        }
        statuses
    };
    let refused = statuses.iter().filter(|status| **status == 403).count();
    assert_eq!(refused, ROOM_FAILURES_MAX as usize);
    let host_only = house
        .seen
        .lock()
        .expect("whole")
        .iter()
        .filter(|c| matches!(c, Command::Join { request, .. } if !request.host_only))
        .count();
    assert_eq!(host_only, ROOM_FAILURES_MAX as usize, "every later attempt could only have been the host's");
}

#[tokio::test(start_paused = true)]
async fn a_crowd_with_the_right_pin_comes_in_at_once() {
    let house = Arc::new(House::new());
    let crowd: Vec<_> = (0..100)
        .map(|n| {
            let house = Arc::clone(&house);
            tokio::spawn(async move { join(&house, n % 3, DAILY, GUEST_PIN).await.status })
        })
        .collect();
    for guest in crowd {
        assert_eq!(guest.await.expect("no panic"), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn the_echo_test_needs_no_pin_and_is_not_endless() {
    let house = House::new();
    let body = || json!({"display_name": "Ada"});
    for _ in 0..crate::door::limiter::ECHOES_MAX {
        assert_eq!(house.call("POST", "/api/v1/rooms/echo/join", "", body()).await.status, 200);
    }
    house.call("POST", "/api/v1/rooms/echo/join", "", body()).await.is_problem(429, "too-many-requests");
    assert_eq!(house.call("POST", DAILY, "", join_body(HOST_PIN)).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn names_that_deceive_are_cleaned_or_refused() {
    let house = House::new();
    for name in ["", "   ", "\u{202E}", &"x".repeat(65)] {
        let answer = house.call("POST", DAILY, "", json!({"display_name": name, "pin": HOST_PIN})).await;
        answer.is_problem(400, "bad-request");
        assert!(answer.body.contains("display_name"), "{}", answer.body);
    }
}

#[test]
fn nothing_of_a_join_reaches_a_log() {
    let request = JoinRequest {
        alias: Alias::parse("daily").expect("fair"),
        display_name: Secret::new(DisplayName::parse("Canary Name").expect("fair")),
        pin: Secret::new("8675309".into()),
        host_only: false,
        overlay: false,
        via: Via::Browser,
        from: Secret::new(IpAddr::from([203, 0, 113, 77])),
    };
    let shown = format!("{request:?} {:?} {:?}", Tokens::from_key(&KEY), room());
    for canary in ["Canary", "8675309", "203.0.113", HOST_PIN, GUEST_PIN] {
        assert!(!shown.contains(canary), "{shown}");
    }
    assert!(shown.contains("daily") && shown.contains("***"), "{shown}");
}
