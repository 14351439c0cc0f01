//! Rooms, participants, sessions, health: the happy path of each endpoint and each error, and who may do what.

use super::*;
use jsonwebtoken::{Algorithm, EncodingKey, Header};

const ROOMS: &str = "/api/v1/rooms";

#[tokio::test(start_paused = true)]
async fn rooms_are_made_listed_changed_and_deleted() {
    let house = House::new();
    let made = house.call("POST", ROOMS, ADMIN, json!({"name": " Tea "})).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let room = made.json();
    let (host, guest) = (room["host_pin"].as_str().expect("made"), room["guest_pin"].as_str().expect("made"));
    assert!(host != guest && [host, guest].iter().all(|pin| pin.len() == 6 && Pin::parse(pin).is_ok()));
    assert_eq!((&room["name"], &room["participants_max"]), (&json!("Tea"), &json!(200)));
    assert!(Alias::parse(room["alias"].as_str().expect("made")).is_ok());
    assert_eq!(house.call("GET", ROOMS, ADMIN, Value::Null).await.json()["rooms"][0]["alias"], "daily");
    let one = house.call("GET", "/api/v1/rooms/daily", ADMIN, Value::Null).await.json();
    assert_eq!((&one["host_pin"], &one["encoders"]), (&json!(HOST_PIN), &json!(1)));
    let patched = house.call("PATCH", "/api/v1/rooms/daily", ADMIN, json!({"name": "Weekly"})).await;
    assert_eq!(patched.json()["name"], "Weekly");
    assert_eq!(house.call("DELETE", "/api/v1/rooms/daily", ADMIN, Value::Null).await.status, 204);
    for path in ["/api/v1/rooms/other", "/api/v1/rooms/NO", "/api/v1/rooms/%FF"] {
        house.call("GET", path, ADMIN, Value::Null).await.is_problem(404, "not-found");
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_holds_what_it_says_or_else_what_the_node_says() {
    let house = House::with(|options| options.participants_max = 12);
    for (body, holds) in [(json!({"name": "a"}), 12), (json!({"name": "a", "participants_max": 30}), 30)] {
        let made = house.call("POST", ROOMS, ADMIN, body).await;
        assert_eq!(made.json()["participants_max"], holds, "{}", made.body);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_room_is_refused_and_the_field_named() {
    let house = House::new();
    let bad = [
        (json!({}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"name": 7}), "name"),
        (json!({"name": "a", "alias": "Not An Alias"}), "alias"),
        (json!({"name": "a", "alias": "x".repeat(65)}), "alias"),
        (json!({"name": "a", "host_pin": "123"}), "host_pin"),
        (json!({"name": "a", "host_pin": "1234567890123"}), "host_pin"),
        (json!({"name": "a", "guest_pin": "12345x"}), "guest_pin"),
        (json!({"name": "a", "host_pin": "1234", "guest_pin": "1234"}), "guest_pin"),
        (json!({"name": "a", "participants_max": 0}), "participants_max"),
        (json!({"name": "a", "participants_max": 201}), "participants_max"),
        (json!({"name": "a", "surprise": 1}), "surprise"),
    ];
    for (body, field) in bad {
        let answer = house.call("POST", ROOMS, ADMIN, body).await;
        answer.is_problem(400, "bad-request");
        assert!(answer.json()["detail"].as_str().expect("text").contains(field), "{}", answer.body);
    }
    for alias in ["daily", "echo", "-"] {
        let taken = house.call("POST", ROOMS, ADMIN, json!({"name": "a", "alias": alias})).await;
        taken.is_problem(409, "conflict");
    }
}

#[tokio::test(start_paused = true)]
async fn hosts_reach_their_own_meeting_and_guests_none() {
    let house = House::new();
    let participants = "/api/v1/rooms/daily/participants";
    for bearer in [ADMIN.to_owned(), host()] {
        let listed = house.call("GET", participants, &bearer, Value::Null).await;
        assert_eq!(listed.json()["participants"][1]["id"], 2);
        let posts = [
            ("mute", json!({"muted": true})),
            ("layout", json!({"layout": "speaker"})),
            ("disconnect", Value::Null),
        ];
        for (action, body) in posts {
            let path = format!("{participants}/2/{action}");
            assert_eq!(house.call("POST", &path, &bearer, body.clone()).await.status, 204, "{action}");
            let nobody = format!("{participants}/3/{action}");
            house.call("POST", &nobody, &bearer, body.clone()).await.is_problem(404, "not-found");
            house.call("POST", &path, &guest(), body.clone()).await.is_problem(403, "forbidden");
            house
                .call("POST", &path, &token(1, Role::Host, "weekly"), body.clone())
                .await
                .is_problem(403, "forbidden");
            house.call("POST", &path, "", body).await.is_problem(401, "unauthorized");
        }
    }
    // A room of the same name, but another meeting: the control thread knows.
    let stale = Identity { conference: ConferenceId(6), ..identity(1, Role::Host, "daily") };
    let stale = Tokens::from_key(&KEY).issue(&stale, START_UNIX_S).into_exposed();
    let path = format!("{participants}/2/disconnect");
    house.call("POST", &path, &stale, Value::Null).await.is_problem(403, "forbidden");
    for method in ["GET", "POST"] {
        house.call(method, ROOMS, &host(), json!({"name": "a"})).await.is_problem(403, "forbidden");
    }
}

#[tokio::test(start_paused = true)]
async fn hosts_let_two_people_change_places() {
    let house = House::new();
    let path = "/api/v1/rooms/daily/seats/swap";
    let both = || json!({"one": 1, "other": 2});
    for bearer in [ADMIN.to_owned(), host()] {
        assert_eq!(house.call("POST", path, &bearer, both()).await.status, 204);
        for (one, other) in [(1, 3), (3, 1)] {
            let body = json!({"one": one, "other": other});
            house.call("POST", path, &bearer, body).await.is_problem(404, "not-found");
        }
        for body in [json!({"one": 1, "other": 1}), json!({"one": 1}), json!({"one": 1, "other": -2})] {
            let answer = house.call("POST", path, &bearer, body).await;
            answer.is_problem(400, "bad-request");
            assert!(answer.json()["detail"].as_str().expect("text").contains("other"), "{}", answer.body);
        }
    }
    house.call("POST", path, &guest(), both()).await.is_problem(403, "forbidden");
    house.call("POST", path, &token(1, Role::Host, "weekly"), both()).await.is_problem(403, "forbidden");
    house.call("POST", path, "", both()).await.is_problem(401, "unauthorized");
    house.call("POST", "/api/v1/rooms/other/seats/swap", ADMIN, both()).await.is_problem(404, "not-found");
    let seen = house.seen.lock().expect("no test panics with it");
    let Some(Command::SwapSeats { one, other, by, .. }) = seen.first() else { panic!("{seen:?}") };
    assert_eq!((one.0, other.0, by), (1, 2, &Caller::Admin));
}

#[tokio::test(start_paused = true)]
async fn hosts_lock_the_meeting_open_it_and_mute_its_guests() {
    let house = House::new();
    let path = |action: &str| format!("/api/v1/rooms/daily/{action}");
    let actions = ["lock", "unlock", "mute-all"];
    for action in actions {
        for bearer in [ADMIN.to_owned(), host()] {
            assert_eq!(house.call("POST", &path(action), &bearer, Value::Null).await.status, 204, "{action}");
        }
    }
    let seen: Vec<_> = house.seen.lock().expect("whole").drain(..).collect();
    let done = |command: &Command| match command {
        Command::Lock { locked, by, .. } => (Some(*locked), *by == Caller::Admin),
        Command::MuteAll { by, .. } => (None, *by == Caller::Admin),
        other => panic!("{other:?}"),
    };
    let wanted = [Some(true), Some(false), None].map(|what| [(what, true), (what, false)]).concat();
    assert_eq!(seen.iter().map(done).collect::<Vec<_>>(), wanted);
    for action in actions {
        house.call("POST", &path(action), &guest(), Value::Null).await.is_problem(403, "forbidden");
        let other = token(1, Role::Host, "weekly");
        house.call("POST", &path(action), &other, Value::Null).await.is_problem(403, "forbidden");
        house.call("POST", &path(action), "", Value::Null).await.is_problem(401, "unauthorized");
        let nowhere = format!("/api/v1/rooms/other/{action}");
        house.call("POST", &nowhere, ADMIN, Value::Null).await.is_problem(404, "not-found");
    }
}

#[tokio::test(start_paused = true)]
async fn a_locked_meeting_says_so_to_whoever_has_the_pin_and_to_nobody_else() {
    let house = House::new();
    let join = |pin| json!({"display_name": LATECOMER, "pin": pin});
    let path = "/api/v1/rooms/daily/join";
    house.call("POST", path, "", join(GUEST_PIN)).await.is_problem(423, "locked");
    house.call("POST", path, "", join(WRONG_PIN)).await.is_problem(403, "join-refused");
    assert_eq!(house.call("POST", path, "", join(HOST_PIN)).await.status, 200);
    for way in ["whip", "whep"] {
        let post = |name: &str| {
            let request = Request::post(format!("/{way}/daily?name={name}"));
            let request = request
                .header("content-type", "application/sdp")
                .header("authorization", format!("Bearer {GUEST_PIN}"));
            request.body(Body::from(OFFER)).expect("a fair request")
        };
        house.send(post(LATECOMER)).await.is_problem(423, "locked");
        assert_eq!(house.send(post("Encoder")).await.status, 201, "the control");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_unmuted_but_by_oneself() {
    let house = House::new();
    let unmute = || json!({"muted": false});
    for bearer in [ADMIN.to_owned(), host()] {
        let other = house.call("POST", "/api/v1/rooms/daily/participants/2/mute", &bearer, unmute()).await;
        other.is_problem(403, "forbidden");
    }
    assert!(house.seen_kinds().is_empty());
    let own = house.call("POST", "/api/v1/rooms/daily/participants/1/mute", &host(), unmute()).await;
    assert_eq!(own.status, 204);
    assert_eq!(house.seen_kinds(), ["Mute"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_offers_refreshes_says_its_state_and_leaves() {
    let house = House::new();
    let offer = json!({"sdp": OFFER, "lines": {"0": "main", "1": "content"}});
    let answer = house.call("POST", "/api/v1/session/offer", &guest(), offer).await;
    assert_eq!(answer.json(), json!({"sdp": "v=0\r\nanswer"}));
    house.unix_s.store(START_UNIX_S + 600, Ordering::Relaxed);
    let refreshed = house.call("POST", "/api/v1/session/refresh", &guest(), Value::Null).await.json();
    assert_eq!(refreshed["expires_s"], 900);
    house.unix_s.store(START_UNIX_S + 1_400, Ordering::Relaxed);
    house.call("DELETE", "/api/v1/session", &guest(), Value::Null).await.is_problem(401, "unauthorized");
    let next = refreshed["token"].as_str().expect("a token");
    let state = json!({"muted": true, "layout": "grid"});
    assert_eq!(house.call("POST", "/api/v1/session/state", next, state).await.status, 204);
    let share = house.call("POST", "/api/v1/session/state", next, json!({"sharing": true})).await;
    share.is_problem(409, "conflict");
    assert_eq!(house.call("DELETE", "/api/v1/session", next, Value::Null).await.status, 204);
    let gone = token(100, Role::Guest, "daily");
    let refused = house.call("POST", "/api/v1/session/refresh", &gone, Value::Null).await;
    refused.is_problem(401, "unauthorized");
}

#[tokio::test(start_paused = true)]
async fn a_bad_offer_is_refused() {
    let house = House::new();
    let offer = |body: Value| house.send(request("POST", "/api/v1/session/offer", &guest(), body));
    offer(json!({"sdp": "hello"})).await.is_problem(422, "sdp-invalid");
    offer(json!({"sdp": OFFER, "lines": {"9": "main"}})).await.is_problem(422, "sdp-invalid");
    offer(json!({"sdp": OFFER, "lines": {"0": "other"}})).await.is_problem(400, "bad-request");
    offer(json!({"sdp": OFFER.replace("96\r\n", "96\r\na=rtpmap:96 H265/90000\r\n")}))
        .await
        .is_problem(422, "sdp-no-common-codec");
    offer(json!({"sdp": format!("{OFFER}{}", format!("a={}\r\n", "y".repeat(100)).repeat(640))}))
        .await
        .is_problem(413, "too-large");
    offer(json!({"sdp": format!("{OFFER}{}", "x".repeat(100_000))})).await.is_problem(413, "too-large");
    assert_eq!(offer(json!({"sdp": OFFER})).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn tokens_of_other_makers_are_refused() {
    let house = House::new();
    let claims = |aud: &str, exp: u64| json!({"aud": aud, "sub": "1", "cid": 7, "role": "host", "alias": "daily", "exp": exp, "jti": "x"});
    let sign = |algorithm, claims: &Value, key: &[u8]| {
        jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(key)).expect("HMAC")
    };
    let fair = claims("mcu-participant", START_UNIX_S + 60);
    let good = sign(Algorithm::HS256, &fair, &KEY);
    let (_, rest) = good.split_once('.').expect("three parts");
    let (payload, signature) = rest.split_once('.').expect("three parts");
    // base64url of {"alg":"none"} and {"alg":"RS256","typ":"JWT"}.
    let (none, rs256) = ("eyJhbGciOiJub25lIn0", "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9");
    let bad = [
        format!("{none}.{payload}."),
        format!("{none}.{payload}.{signature}"),
        format!("{rs256}.{payload}.{signature}"),
        sign(Algorithm::HS384, &fair, &KEY),
        sign(Algorithm::HS256, &fair, &[8; 32]),
        sign(Algorithm::HS256, &claims("other", START_UNIX_S + 60), &KEY),
        sign(Algorithm::HS256, &claims("mcu-participant", START_UNIX_S), &KEY),
        sign(
            Algorithm::HS256,
            &json!({"sub": "1", "cid": 7, "role": "host", "alias": "daily", "jti": "x"}),
            &KEY,
        ),
        format!("{good}x"),
        "x".repeat(2_000),
        "not-a-token".to_owned(),
    ];
    let path = "/api/v1/rooms/daily/participants";
    for token in &bad {
        let answer = house.call("GET", path, token, Value::Null).await;
        answer.is_problem(401, "unauthorized");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    assert_eq!(house.call("GET", path, &good, Value::Null).await.status, 200, "the control");
}

#[tokio::test(start_paused = true)]
async fn every_rejection_is_a_problem_and_every_answer_has_its_headers() {
    let house = House::new();
    let raw = |content_type: &str, body: Vec<u8>| {
        let request = Request::post(ROOMS).header("authorization", format!("Bearer {ADMIN}"));
        request.header("content-type", content_type).body(Body::from(body)).expect("a fair request")
    };
    let answers = [
        (house.send(raw("text/plain", b"{}".into())).await, 415, "unsupported-media-type"),
        (house.send(raw("application/json", b"{".into())).await, 400, "bad-request"),
        (house.send(raw("application/json", vec![0xFF; 9])).await, 400, "bad-request"),
        (house.send(raw("application/json", vec![b' '; 16 * 1_024 + 1])).await, 413, "too-large"),
        (house.call("GET", "/api/v1/nothing", "", Value::Null).await, 404, "not-found"),
        (house.call("GET", "/api", "", Value::Null).await, 404, "not-found"),
        (house.call("GET", "/whip", "", Value::Null).await, 404, "not-found"),
        (house.call("PUT", ROOMS, ADMIN, Value::Null).await, 405, "method-not-allowed"),
        (house.call("GET", "/api/v1/events", "", Value::Null).await, 400, "bad-request"),
    ];
    for (answer, status, code) in &answers {
        answer.is_problem(*status, code);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.headers[name], value);
        }
        assert!(!answer.headers.contains_key("server") && !answer.body.contains("1.2.3-test"));
    }
    assert_eq!(answers[7].0.headers["allow"], "GET,HEAD,POST");
    let live = house.call("GET", "/livez", "", Value::Null).await;
    assert_eq!(live.json(), json!({"status": "ok", "version": "1.2.3-test"}));
    assert_eq!(house.call("GET", "/readyz", "", Value::Null).await.json(), json!({"status": "ready"}));
}

#[tokio::test(start_paused = true)]
async fn a_busy_node_says_so_and_still_says_that_it_lives() {
    let none = House::with(|options| options.requests_max = 0);
    let refused = none.call("GET", ROOMS, ADMIN, Value::Null).await;
    refused.is_problem(503, "overloaded");
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(none.call("GET", "/livez", "", Value::Null).await.status, 200);
    // A control thread that never answers.
    let (control, _commands) = Control::channel(1);
    let clock = Clock::new(|| Mono::ZERO, || START_UNIX_S);
    let admin = AdminToken::from_text(Secret::new(ADMIN.into()));
    let options = RouterOptions::new(Tokens::from_key(&KEY), admin, clock, "1");
    let stuck = House { app: crate::router(&ApiState::new(control, options)), ..House::new() };
    for path in [ROOMS, "/readyz"] {
        stuck.call("GET", path, ADMIN, Value::Null).await.is_problem(503, "overloaded");
    }
    // One that is gone.
    let (control, commands) = Control::channel(1);
    drop(commands);
    let clock = Clock::new(|| Mono::ZERO, || START_UNIX_S);
    let admin = AdminToken::from_text(Secret::new(ADMIN.into()));
    let options = RouterOptions::new(Tokens::from_key(&KEY), admin, clock, "1");
    let gone = House { app: crate::router(&ApiState::new(control, options)), ..House::new() };
    gone.call("GET", "/readyz", "", Value::Null).await.is_problem(503, "draining");
}

#[tokio::test(start_paused = true)]
async fn calls_are_begun_by_hosts_of_the_room_and_only_to_whom_the_node_may_call() {
    let house = House::new();
    let path = "/api/v1/rooms/daily/calls";
    let body = |to: &str| json!({"to": to});
    let fair = "sip:+4930123@trunk.example.org";
    for token in [guest(), token(1, Role::Host, "weekly")] {
        house.call("POST", path, &token, body(fair)).await.is_problem(403, "forbidden");
        house.call("GET", path, &token, Value::Null).await.is_problem(403, "forbidden");
        house.call("DELETE", &format!("{path}/1"), &token, Value::Null).await.is_problem(403, "forbidden");
    }
    let stale = Identity { conference: ConferenceId(8), ..identity(1, Role::Host, "daily") };
    let stale = Tokens::from_key(&KEY).issue(&stale, START_UNIX_S).into_exposed();
    house.call("POST", path, &stale, body(fair)).await.is_problem(403, "forbidden");
    house.call("POST", "/api/v1/rooms/other/calls", ADMIN, body(fair)).await.is_problem(404, "not-found");
    let odd = [
        (json!({}), "to"),
        (body("+4930123"), "to"),
        (body("sip:a@b?Replaces=c"), "to"),
        (json!({"to": fair, "name": ""}), "name"),
        (json!({"to": fair, "ring_s": 4}), "ring_s"),
        (json!({"to": fair, "ring_s": 121}), "ring_s"),
        (json!({"to": fair, "dtmf": "1 2"}), "dtmf"),
        (json!({"to": fair, "role": "owner"}), "role"),
        (json!({"to": fair, "surprise": 1}), "surprise"),
    ];
    for (body, field) in odd {
        let answer = house.call("POST", path, &host(), body).await;
        answer.is_problem(400, "bad-request");
        assert!(answer.json()["detail"].as_str().expect("text").contains(field), "{}", answer.body);
    }
    for token in [ADMIN, &host()] {
        let answer = house.call("POST", path, token, body(fair)).await;
        answer.is_problem(403, "call-refused");
        assert!(answer.body.contains("SIP is not on"), "{}", answer.body);
        assert_eq!(house.call("GET", path, token, Value::Null).await.json(), json!({"calls": []}));
        house.call("DELETE", &format!("{path}/1"), token, Value::Null).await.is_problem(404, "not-found");
    }
    house.call("DELETE", &format!("{path}/x"), ADMIN, Value::Null).await.is_problem(404, "not-found");
}
