//! A call against a server that is played letter by letter.

use super::*;
use mcu_core::media::codec::AudioCodec;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

const HERE: &str = "127.0.0.1:0";
/// Far more than anything here takes.
const WAIT_MAX: Duration = Duration::from_secs(20);

fn offer() -> Offer {
    let at = [SocketAddr::from(([127, 0, 0, 1], 4_000))];
    Offer::new(AudioCodec::Pcma, None, &at, false).expect("there is randomness")
}

/// The server's side of a session of A-law.
fn session(port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\na=rtcp-mux\r\n"
    )
}

/// What a server needs of a message to go on.
struct Heard {
    text: String,
}

impl Heard {
    fn header(&self, name: &str) -> &str {
        let line = self.text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {name} in\n{}", self.text)).trim()
    }

    /// An answer to this request.
    fn answered(&self, status: &str, more: &str, body: &str) -> String {
        let tag = if self.header("To").contains(";tag=") { "" } else { ";tag=theirs" };
        format!(
            "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n{more}Content-Length: {}\r\n\r\n{body}",
            self.header("Via"),
            self.header("From"),
            self.header("To"),
            self.header("Call-ID"),
            self.header("CSeq"),
            body.len()
        )
    }

    /// A request of the server within the call that this INVITE began.
    fn request(&self, method: &str, seq: u32, more: &str, body: &str) -> String {
        format!(
            "{method} sip:load@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK{method}{seq}\r\nMax-Forwards: 70\r\n\
             From: {};tag=theirs\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {seq} {method}\r\nContact: <sip:daily@127.0.0.1>\r\n{more}Content-Length: {}\r\n\r\n{body}",
            self.header("To"),
            self.header("From"),
            self.header("Call-ID"),
            body.len()
        )
    }
}

/// The far end of the one connection.
struct Server {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Server {
    async fn next(&mut self) -> Heard {
        let heard = async {
            loop {
                let text = String::from_utf8_lossy(&self.buffer).into_owned();
                if let Some((head, rest)) = text.split_once("\r\n\r\n") {
                    let body = head
                        .lines()
                        .find_map(|line| line.strip_prefix("Content-Length: "))
                        .expect("a length");
                    let body: usize = body.trim().parse().expect("a number");
                    if rest.len() >= body {
                        self.buffer.drain(..head.len() + 4 + body);
                        return Heard { text: text[..head.len() + 4 + body].to_owned() };
                    }
                }
                let mut chunk = [0; 4_096];
                let len = self.stream.read(&mut chunk).await.expect("it is open");
                assert_ne!(len, 0, "the caller has gone");
                self.buffer.extend_from_slice(&chunk[..len]);
            }
        };
        timeout(WAIT_MAX, heard).await.expect("something comes")
    }

    async fn say(&mut self, text: String) {
        self.stream.write_all(text.as_bytes()).await.expect("it is open");
    }
}

/// A caller and a server that it is connected to.
async fn connected() -> (Call, Server) {
    let listener = TcpListener::bind(HERE).await.expect("a free port");
    let address = format!("sip:daily.314159@{};transport=tcp", listener.local_addr().expect("bound"));
    let address = address.parse().expect("an address");
    let credentials = Credentials::default();
    let (call, stream) = tokio::join!(Call::connect(&address, &credentials, "Room 1"), listener.accept());
    (call.expect("connected"), Server { stream: stream.expect("connected").0, buffer: Vec::new() })
}

/// The same in a call.
async fn in_call() -> (Call, Server, Heard) {
    let (mut call, mut server) = connected().await;
    let serve = async {
        let invite = server.next().await;
        server.say(invite.answered("180 Ringing", "", "")).await;
        let more = "Contact: <sip:daily@127.0.0.1;transport=tcp>\r\nContent-Type: application/sdp\r\n";
        server.say(invite.answered("200 OK", more, &session(5_000))).await;
        let ack = server.next().await;
        assert!(ack.text.starts_with("ACK sip:daily@127.0.0.1"), "{}", ack.text);
        invite
    };
    let (answer, invite) = tokio::join!(call.invite(offer()), serve);
    assert_eq!(answer.expect("a call").lines[0].rtp.port(), 5_000);
    (call, server, invite)
}

#[tokio::test]
async fn a_call_is_set_up_acknowledged_and_hung_up() {
    let (mut call, mut server, invite) = in_call().await;
    assert!(invite.text.starts_with("INVITE sip:daily.314159@127.0.0.1:"), "{}", invite.text);
    assert!(invite.text.contains("m=audio 4000 RTP/AVP 8\r\n"), "{}", invite.text);
    let serve = async {
        let bye = server.next().await;
        assert!(
            bye.text.starts_with("BYE sip:daily@127.0.0.1") && bye.header("CSeq") == "2 BYE",
            "{}",
            bye.text
        );
        server.say(bye.answered("200 OK", "", "")).await;
    };
    tokio::join!(call.hang_up(), serve);
}

#[tokio::test]
async fn a_refusal_is_acknowledged_and_told_by_its_status() {
    let (mut call, mut server) = connected().await;
    let serve = async {
        let invite = server.next().await;
        server.say(invite.answered("403 Forbidden", "", "")).await;
        let ack = server.next().await;
        assert!(ack.text.starts_with("ACK sip:daily.314159@"), "{}", ack.text);
    };
    let (answer, ()) = tokio::join!(call.invite(offer()), serve);
    let error = answer.expect_err("refused");
    assert_eq!(
        (error.code(), error.to_string().contains("403 (forbidden")),
        (Some("sip-403"), true),
        "{error}"
    );
}

#[tokio::test]
async fn what_the_server_asks_within_a_call_is_answered_until_it_says_goodbye() {
    let (mut call, mut server, invite) = in_call().await;
    let sdp = "Content-Type: application/sdp\r\n";
    let serve = async {
        for (method, more, body, status) in [
            ("OPTIONS", "", String::new(), "200"),
            ("UPDATE", "", String::new(), "200"),
            ("INVITE", sdp, session(5_000), "200"),
            ("INVITE", "", String::new(), "200"),
            ("UPDATE", sdp, session(5_002), "488"),
            ("MESSAGE", "", String::new(), "405"),
        ]
        .into_iter()
        .zip(1..)
        .map(|((method, more, body, status), seq)| ((method, seq), more, body, status))
        {
            server.say(invite.request(method.0, method.1, more, &body)).await;
            let answer = server.next().await;
            assert!(answer.text.starts_with(&format!("SIP/2.0 {status} ")), "{method:?}: {}", answer.text);
            let has_session = answer.text.contains("m=audio 4000 RTP/AVP 8\r\n");
            assert_eq!(has_session, method.0 == "INVITE", "{method:?}: {}", answer.text);
            if method.0 == "INVITE" {
                server.say(invite.request("ACK", method.1, "", "")).await;
            }
        }
        // Of another call, and of this one.
        server.say(invite.request("BYE", 20, "", "").replace("tag=theirs", "tag=others")).await;
        assert!(server.next().await.text.starts_with("SIP/2.0 481 "));
        server.say(invite.request("BYE", 21, "Reason: SIP;cause=503\r\n", "")).await;
        assert!(server.next().await.text.starts_with("SIP/2.0 200 "));
    };
    let (ended, ()) = tokio::join!(call.ended(), serve);
    assert_eq!(ended.expect("it said so"), "SIP;cause=503");
}

#[tokio::test]
async fn a_server_that_goes_without_a_word_is_told() {
    let (mut call, server, _) = in_call().await;
    drop(server);
    let ended = timeout(WAIT_MAX, call.ended()).await.expect("it is noticed");
    assert!(matches!(ended, Err(CallError::Lost)), "{ended:?}");
}

#[tokio::test]
async fn a_server_that_closes_instead_of_answering_is_told_at_once_and_one_that_answers_first_is_heard() {
    let (mut call, mut server) = connected().await;
    let serve = async {
        server.next().await;
        drop(server);
    };
    let (answer, ()) =
        timeout(WAIT_MAX / 2, async { tokio::join!(call.invite(offer()), serve) }).await.expect("at once");
    assert!(matches!(answer, Err(CallError::Closed)), "{answer:?}");

    let (mut call, mut server) = connected().await;
    let serve = async {
        let invite = server.next().await;
        server.say(invite.answered("486 Busy Here", "", "")).await;
        drop(server);
    };
    let (answer, ()) = tokio::join!(call.invite(offer()), serve);
    assert_eq!(answer.expect_err("refused").code(), Some("sip-486"));
}

#[tokio::test]
async fn an_invite_by_datagrams_is_said_again_until_it_is_answered() {
    let socket = UdpSocket::bind(HERE).await.expect("a free port");
    let address = format!("sip:daily@{}", socket.local_addr().expect("bound")).parse().expect("an address");
    let mut call =
        Call::connect(&address, &Credentials::default(), "Phone").await.expect("nothing is asked yet");
    let serve = async {
        let mut buffer = [0; 4_096];
        let mut invites = Vec::new();
        // The first is lost.
        for _ in 0..2 {
            let (len, from) = socket.recv_from(&mut buffer).await.expect("loopback");
            invites.push((String::from_utf8_lossy(&buffer[..len]).into_owned(), from));
        }
        assert_eq!(invites[0], invites[1]);
        let (text, from) = invites.swap_remove(0);
        let invite = Heard { text };
        let more = "Contact: <sip:daily@127.0.0.1>\r\nContent-Type: application/sdp\r\n";
        let answer = invite.answered("200 OK", more, &session(5_000));
        socket.send_to(answer.as_bytes(), from).await.expect("loopback");
        let (len, _) = socket.recv_from(&mut buffer).await.expect("loopback");
        assert!(buffer[..len].starts_with(b"ACK "), "{}", String::from_utf8_lossy(&buffer[..len]));
    };
    let (answer, ()) =
        timeout(WAIT_MAX, async { tokio::join!(call.invite(offer()), serve) }).await.expect("in time");
    assert!(answer.is_ok(), "{answer:?}");
}
