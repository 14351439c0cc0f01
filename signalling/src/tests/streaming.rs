//! WHIP and WHEP.

use super::*;

fn post(path: &str, token: &str, body: &str) -> Request<Body> {
    let mut request = Request::post(path).header("content-type", "application/sdp; charset=utf-8");
    if !token.is_empty() {
        request = request.header("authorization", format!("bearer {token}"));
    }
    request.body(Body::from(body.to_owned())).expect("a fair request")
}

async fn started(house: &House, path: &str, token: &str) -> String {
    let answer = house.send(post(path, token, OFFER)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/sdp");
    assert_eq!(answer.body, "v=0\r\nanswer");
    answer.headers["location"].to_str().expect("text").to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_sender_joins_with_one_post_and_leaves_with_one_delete() {
    let house = House::new();
    let answer = house.send(post("/whip/daily?name=Camera%20two", GUEST_PIN, OFFER)).await;
    let links: Vec<_> =
        answer.headers.get_all("link").iter().map(|link| link.to_str().expect("text")).collect();
    assert_eq!(
        links,
        [
            r#"<stun:stun.example.org>; rel="ice-server""#,
            r#"<turn:turn.example.org?transport=udp>; rel="ice-server"; username="1800:u\"ser"; credential="pass\\word"; credential-type="password""#,
        ]
    );
    let location = answer.headers["location"].to_str().expect("text").to_owned();
    assert!(location.starts_with("/whip/daily/"), "{location}");
    for other in [HOST_PIN, WRONG_PIN, &guest()] {
        house.call("DELETE", &location, other, Value::Null).await.is_problem(401, "unauthorized");
    }
    house.call("DELETE", &location, "", Value::Null).await.is_problem(401, "unauthorized");
    assert_eq!(house.call("DELETE", &location, GUEST_PIN, Value::Null).await.status, 200);
    assert_eq!(house.seen_kinds(), ["Join", "Offer", "Leave"]);
    let seen = house.seen.lock().expect("whole");
    let Command::Join { request, .. } = &seen[0] else { panic!("{seen:?}") };
    assert_eq!((request.display_name.expose().as_str(), request.via), ("Camera two", Via::Whip));
    let Command::Leave { who, .. } = &seen[2] else { panic!("{seen:?}") };
    assert_eq!(*who, identity(3, Role::Guest, "daily"));
}

#[tokio::test(start_paused = true)]
async fn a_session_is_not_guessed_nor_carried_elsewhere() {
    let house = House::new();
    let location = started(&house, "/whip/daily", GUEST_PIN).await;
    let id = location.strip_prefix("/whip/daily/").expect("its path");
    let other = format!("4{}", &id[1..]);
    let flipped = format!("{}{}", &id[..id.len() - 1], if id.ends_with('A') { 'B' } else { 'A' });
    let forged = [
        format!("/whip/daily/{other}"),
        format!("/whip/daily/{flipped}"),
        format!("/whep/daily/{id}"),
        format!("/whip/weekly/{id}"),
        "/whip/daily/3-7-g-".to_owned(),
        "/whip/daily/x".to_owned(),
    ];
    for path in forged {
        house.call("DELETE", &path, GUEST_PIN, Value::Null).await.is_problem(401, "unauthorized");
    }
    assert_eq!(house.call("DELETE", &location, GUEST_PIN, Value::Null).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_is_a_participant_like_any() {
    let house = House::new();
    started(&house, "/whep/daily", GUEST_PIN).await;
    let seen = house.seen.lock().expect("whole");
    let (Command::Join { request, .. }, Command::Offer { offer, .. }) = (&seen[0], &seen[1]) else {
        panic!("{seen:?}")
    };
    assert_eq!(
        (request.via, request.display_name.expose().as_str(), offer.via),
        (Via::Whep, "Watcher", Via::Whep)
    );
}

#[tokio::test(start_paused = true)]
async fn a_participant_token_serves_for_its_own_room() {
    let house = House::new();
    let token = guest();
    let location = started(&house, "/whip/daily", &token).await;
    assert_eq!(house.seen_kinds(), ["Offer"]);
    house.send(post("/whip/weekly", &token, OFFER)).await.is_problem(403, "forbidden");
    house.unix_s.store(START_UNIX_S + 3_600, Ordering::Relaxed);
    house.send(post("/whip/daily", &token, OFFER)).await.is_problem(401, "unauthorized");
    // Another token of the same participant is another bearer; the same ends the session, expired or not.
    house.call("DELETE", &location, &guest(), Value::Null).await.is_problem(401, "unauthorized");
    assert_eq!(house.call("DELETE", &location, &token, Value::Null).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_said() {
    let house = House::new();
    house.send(post("/whip/daily", "", OFFER)).await.is_problem(401, "unauthorized");
    house.send(post("/whip/daily", WRONG_PIN, OFFER)).await.is_problem(403, "join-refused");
    house.send(post("/whip/nothing", GUEST_PIN, OFFER)).await.is_problem(403, "join-refused");
    house.send(post("/whip/daily", GUEST_PIN, "hello")).await.is_problem(422, "sdp-invalid");
    let large = format!("{OFFER}a={}\r\n", "x".repeat(mcu_core::limits::SDP_BYTES_MAX));
    house.send(post("/whip/daily", GUEST_PIN, &large)).await.is_problem(413, "too-large");
    let many = format!("v=0\r\n{}", "m=audio 9 X 0\r\n".repeat(129));
    house.send(post("/whip/daily", GUEST_PIN, &many)).await.is_problem(422, "sdp-invalid");
    let json = request("POST", "/whip/daily", GUEST_PIN, json!({"sdp": OFFER}));
    house.send(json).await.is_problem(415, "unsupported-media-type");
    house.send(post("/whip/daily?name=a&name=b", GUEST_PIN, OFFER)).await.is_problem(400, "bad-request");
    let before = house.seen_kinds().len();
    let foreign = OFFER.replace("96\r\n", "96\r\na=rtpmap:96 H265/90000\r\n");
    house.send(post("/whip/daily", GUEST_PIN, &foreign)).await.is_problem(422, "sdp-no-common-codec");
    assert_eq!(house.seen_kinds()[before..], ["Join", "Offer", "Leave"], "who cannot send does not stay");
}

#[tokio::test(start_paused = true)]
async fn nothing_trickles() {
    let house = House::new();
    let answer = house.call("PATCH", "/whip/daily/x", GUEST_PIN, Value::Null).await;
    answer.is_problem(405, "method-not-allowed");
    assert_eq!(answer.headers["allow"], "DELETE");
}

#[tokio::test(start_paused = true)]
async fn other_origins_are_let_in_only_when_configured() {
    let preflight = |path: &str, origin: &str| {
        let request =
            Request::options(path).header("origin", origin).header("access-control-request-method", "POST");
        request.body(Body::empty()).expect("a fair request")
    };
    let closed = House::new();
    let answer = closed.send(preflight("/whip/daily", "https://a.example")).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["accept-post"]),
        (204, &"application/sdp".parse().expect("fair"))
    );
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
    let open = House::with(|options| options.origins = vec!["https://a.example".into()]);
    let allowed = open.send(preflight("/whip/daily", "https://a.example")).await;
    assert_eq!(allowed.headers["access-control-allow-origin"], "https://a.example");
    assert_eq!(allowed.headers["access-control-allow-headers"], "Authorization, Content-Type");
    let other = open.send(preflight("/whip/daily", "https://b.example")).await;
    assert!(!other.headers.contains_key("access-control-allow-origin"));
    let mut from_a = post("/whip/daily", GUEST_PIN, OFFER);
    from_a.headers_mut().insert("origin", "https://a.example".parse().expect("fair"));
    let posted = open.send(from_a).await;
    assert_eq!(posted.headers["access-control-expose-headers"], "Location, Link, Retry-After");
    let api = open.send(preflight("/api/v1/rooms", "https://a.example")).await;
    assert!(!api.headers.contains_key("access-control-allow-origin"), "the API has no CORS");
}
