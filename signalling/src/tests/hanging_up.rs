//! Clients that go away before they are answered: whoever they let in by the request alone goes out again.
//!
//! Here the test is the control thread, so that it can answer when it likes.

use super::*;
use tokio::task::JoinHandle;

/// The router, and what it asks.
fn door() -> (Router, mpsc::Receiver<Command>) {
    let (control, commands) = Control::channel(16);
    let clock = Clock::new(|| Mono::ZERO, || START_UNIX_S);
    let admin = AdminToken::from_text(Secret::new(ADMIN.into()));
    let options = RouterOptions::new(Tokens::from_key(&KEY), admin, clock, "1.2.3-test");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 4_242));
    (crate::router(&ApiState::new(control, options)).layer(MockConnectInfo(address)), commands)
}

/// A request on its way, as a task that can be given up; gives its status.
fn send(app: &Router, request: Request<Body>) -> JoinHandle<StatusCode> {
    let app = app.clone();
    tokio::spawn(async move { app.oneshot(request).await.expect("the router never fails").status() })
}

fn join() -> Request<Body> {
    request("POST", "/api/v1/rooms/daily/join", "", join_body(GUEST_PIN))
}

fn publish() -> Request<Body> {
    Request::post("/whip/daily")
        .header("content-type", "application/sdp")
        .header("authorization", format!("Bearer {GUEST_PIN}"))
        .body(Body::from(OFFER))
        .expect("a fair request")
}

async fn hang_up(call: JoinHandle<StatusCode>) {
    call.abort();
    assert!(call.await.is_err_and(|error| error.is_cancelled()), "it had not been answered");
}

#[tokio::test(start_paused = true)]
async fn control_learns_that_nobody_waits_at_the_door_any_more() {
    let (app, mut commands) = door();
    let call = send(&app, join());
    let Some(Command::Join { request, reply }) = commands.recv().await else { panic!("not a join") };
    assert!(reply.send(admit(&request)).is_ok(), "the control: who waits is told");
    assert_eq!(call.await.expect("answered"), StatusCode::OK);

    let call = send(&app, join());
    let Some(Command::Join { request, reply }) = commands.recv().await else { panic!("not a join") };
    hang_up(call).await;
    assert!(reply.send(admit(&request)).is_err(), "a client that hung up");

    let call = send(&app, join());
    let Some(Command::Join { request, reply }) = commands.recv().await else { panic!("not a join") };
    assert_eq!(call.await.expect("answered"), StatusCode::SERVICE_UNAVAILABLE, "its time ran out");
    assert!(reply.send(admit(&request)).is_err(), "a request that was given up");
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_hangs_up_before_its_answer_leaves() {
    let (app, mut commands) = door();
    let let_in = async |commands: &mut mpsc::Receiver<Command>| {
        let Some(Command::Join { request, reply }) = commands.recv().await else { panic!("not a join") };
        reply.send(admit(&request)).expect("somebody waits");
        let Some(Command::Offer { offer, reply }) = commands.recv().await else { panic!("not an offer") };
        (offer.who, reply)
    };
    let call = send(&app, publish());
    let (_, reply) = let_in(&mut commands).await;
    reply.send(Ok("v=0\r\nanswer".into())).expect("somebody waits");
    assert_eq!(call.await.expect("answered"), StatusCode::CREATED);
    assert!(commands.try_recv().is_err(), "the control: who was answered stays");

    let call = send(&app, publish());
    let (who, reply) = let_in(&mut commands).await;
    hang_up(call).await;
    let Some(Command::Leave { who: left, .. }) = commands.recv().await else { panic!("not a leave") };
    assert_eq!(left, who);
    assert!(reply.send(Ok("v=0\r\nanswer".into())).is_err(), "and nobody takes the answer");
}

#[tokio::test(start_paused = true)]
async fn a_participant_that_hangs_up_over_an_offer_stays() {
    let (app, mut commands) = door();
    let body = json!({"sdp": OFFER, "lines": {"0": "main"}});
    let call = send(&app, request("POST", "/api/v1/session/offer", &guest(), body));
    let Some(Command::Offer { reply, .. }) = commands.recv().await else { panic!("not an offer") };
    hang_up(call).await;
    assert!(reply.send(Ok(String::new())).is_err());
    assert!(commands.try_recv().is_err(), "it came by a join of its own, and its token goes on");
}

#[tokio::test(start_paused = true)]
async fn clients_whose_bodies_never_end_hold_their_places_for_a_time_and_no_longer() {
    let house = House::with(|options| options.requests_max = 3);
    let slow = || {
        let request = Request::post("/api/v1/rooms").header("content-type", "application/json");
        let body = futures_util::stream::pending::<Result<axum::body::Bytes, std::convert::Infallible>>();
        let request =
            request.header("authorization", format!("Bearer {ADMIN}")).body(Body::from_stream(body));
        send(
            &house.app.clone().layer(MockConnectInfo(SocketAddr::from((Ipv4Addr::LOCALHOST, 4_242)))),
            request.expect("a fair request"),
        )
    };
    let crowd: Vec<_> = (0..3).map(|_| slow()).collect();
    tokio::task::yield_now().await;
    let rooms = async || house.call("GET", "/api/v1/rooms", ADMIN, Value::Null).await;
    let refused = rooms().await;
    refused.is_problem(503, "overloaded");
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(house.call("GET", "/livez", "", Value::Null).await.status, 200, "health answers all the same");
    for slow in crowd {
        assert_eq!(slow.await.expect("answered"), StatusCode::SERVICE_UNAVAILABLE, "its time ran out");
    }
    assert_eq!(rooms().await.status, 200, "the control: the places are free again");
}
