//! Seeded noise against every parser: none panics, and no answer is anything but an answer or a problem.

use super::*;
use crate::room::RoomTitle;
use crate::sdp::precheck;
use crate::ws::pump::ClientWord;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

const SEED: u64 = 0x5EED_0001;

/// A copy of `text` with a few bytes changed, cut, doubled or put in.
fn damaged(text: &str, rng: &mut StdRng) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..rng.random_range(0..6) {
        let at = rng.random_range(0..=bytes.len());
        match rng.random_range(0..4) {
            0 if at < bytes.len() => bytes[at] = rng.random(),
            1 => bytes.truncate(at.max(1)),
            2 => {
                let copied = bytes[at..].to_vec();
                bytes.extend(copied);
            }
            _ => bytes.insert(at, *b"\"{}[]:,=\r\n\0\\9".choose(rng).expect("not empty")),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(start_paused = true)]
async fn bodies_of_noise_get_an_answer_or_a_problem() {
    let house = House::new();
    let mut rng = StdRng::seed_from_u64(SEED);
    let targets = [
        (
            "POST",
            "/api/v1/rooms",
            ADMIN.to_owned(),
            json!({"name": "a", "alias": "b", "host_pin": "1234", "participants_max": 7}),
        ),
        ("PATCH", "/api/v1/rooms/daily", ADMIN.to_owned(), json!({"name": "a", "guest_pin": "1234"})),
        (
            "POST",
            "/api/v1/rooms/echo/join",
            String::new(),
            json!({"display_name": "a", "pin": "1", "overlay": true}),
        ),
        ("POST", "/api/v1/session/offer", guest(), json!({"sdp": OFFER, "lines": {"0": "main"}})),
        ("POST", "/api/v1/session/state", guest(), json!({"muted": true, "layout": "auto"})),
        ("POST", "/api/v1/rooms/daily/participants/2/mute", host(), json!({"muted": true})),
    ];
    let mut refused = 0;
    for round in 0..3_000 {
        let (method, path, token, body) = targets.choose(&mut rng).expect("not empty");
        let body = damaged(&body.to_string(), &mut rng);
        let mut request =
            Request::builder().method(*method).uri(*path).header("content-type", "application/json");
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = house.send(request.body(Body::from(body.clone())).expect("a fair request")).await;
        let status = answer.status.as_u16();
        assert!(status < 500, "seed {SEED:#x}, round {round}: {status} to {body:?}");
        if status >= 400 {
            refused += 1;
            answer.is_problem(status, answer.json()["code"].as_str().expect("a code"));
        }
    }
    assert!((1_000..3_000).contains(&refused), "the noise is neither all noise nor none: {refused}");
}

#[test]
fn noise_does_not_break_the_parsers() {
    let mut rng = StdRng::seed_from_u64(SEED);
    let word = r#"{"type":"state","muted":true,"layout":"grid"}"#;
    let (mut offers, mut words) = (0, 0);
    for _ in 0..20_000 {
        let offer = damaged(OFFER, &mut rng);
        if let Ok(outline) = precheck(&offer) {
            offers += 1;
            assert!((1..=16).contains(&outline.media_lines()));
        }
        words += u32::from(serde_json::from_str::<ClientWord>(&damaged(word, &mut rng)).is_ok());
        let text = damaged("daily-42", &mut rng);
        if let Ok(alias) = Alias::parse(&text) {
            assert_eq!(alias.as_str(), text);
        }
        let _ = (Pin::parse(&damaged("271828", &mut rng)), RoomTitle::parse(&text));
        assert!(Tokens::from_key(&KEY).verify(&text, START_UNIX_S).is_err());
    }
    assert!(offers > 1_000 && words > 1_000, "{offers} {words}");
}
