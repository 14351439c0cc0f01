//! A telephone that says what a test wants it to say.

use super::{SDP, WAIT_MAX, websocket};
use futures_util::{SinkExt, StreamExt};
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

pub(super) type WebSocket = WebSocketStream<TlsStream<TcpStream>>;

/// What a script knows of where it is (RFC 7118 §5.2.1).
const NOWHERE: &str = "df7jal23ls0d.invalid";

/// How it is connected.
enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
    Wss(Box<WebSocket>),
}

/// One message of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heard(pub(super) String);

impl Heard {
    /// Of a response.
    pub(super) fn status(&self) -> u16 {
        let status = self.0.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3));
        status.and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The first header of this name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let head = self.0.split("\r\n\r\n").next()?;
        head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(super) fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").expect("a header has an end").1
    }

    /// The node's tag.
    pub(super) fn tag(&self) -> String {
        let to = self.header("To").expect("every answer has one");
        to.split_once(";tag=").expect("a tag").1.to_owned()
    }

    /// Status, and headers that are not a matter of the moment.
    pub(super) fn gist(&self) -> (u16, Vec<String>) {
        let moment = ["Via", "From", "To", "Call-ID", "CSeq"];
        let head = self.0.split("\r\n\r\n").next().unwrap_or_default();
        let headers = head.lines().skip(1).filter(|line| {
            let name = line.split(':').next().unwrap_or_default();
            !moment.iter().any(|other| name.eq_ignore_ascii_case(other))
        });
        (self.status(), headers.map(str::to_owned).collect())
    }
}

/// See the module. One call at a time.
pub(super) struct Phone {
    wire: Wire,
    pub(super) here: SocketAddr,
    pub(super) call_id: String,
    /// The node's, once there is a call.
    tag: Option<String>,
    pub(super) seq: u32,
}

impl Phone {
    pub(super) async fn by_udp(node: SocketAddr) -> Self {
        Self::by_udp_from(node.ip(), node).await
    }

    pub(super) async fn by_udp_from(here: IpAddr, node: SocketAddr) -> Self {
        let socket = UdpSocket::bind(SocketAddr::new(here, 0)).await.expect("loopback has free ports");
        socket.connect(node).await.expect("loopback");
        let here = socket.local_addr().expect("it is bound");
        Self { wire: Wire::Udp(socket), here, call_id: format!("{}@phone", here.port()), tag: None, seq: 0 }
    }

    /// One that the node was told of, before there was a node.
    pub(super) async fn at(socket: UdpSocket, node: SocketAddr) -> Self {
        socket.connect(node).await.expect("loopback");
        let here = socket.local_addr().expect("it is bound");
        Self { wire: Wire::Udp(socket), here, call_id: String::new(), tag: None, seq: 0 }
    }

    pub(super) async fn by_tcp(node: SocketAddr) -> Self {
        let stream = TcpStream::connect(node).await.expect("it listens");
        let here = stream.local_addr().expect("it is bound");
        let wire = Wire::Tcp(stream, Vec::new());
        Self { wire, here, call_id: format!("tcp-{}@phone", here.port()), tag: None, seq: 0 }
    }

    /// One that is a page of [`websocket::PAGE`].
    pub(super) async fn by_wss(node: SocketAddr) -> Self {
        let headers = [("sec-websocket-protocol", "sip"), ("origin", websocket::PAGE)];
        let socket = websocket::connect(node, &headers).await.expect("it is let in");
        let here = socket.get_ref().get_ref().0.local_addr().expect("it is bound");
        let wire = Wire::Wss(Box::new(socket));
        Self { wire, here, call_id: format!("wss-{}@phone", here.port()), tag: None, seq: 0 }
    }

    /// What it is connected by, when that is a WebSocket.
    pub(super) fn socket(&mut self) -> &mut WebSocket {
        match &mut self.wire {
            Wire::Wss(socket) => socket,
            Wire::Udp(_) | Wire::Tcp(..) => panic!("it is no page"),
        }
    }

    /// A telephone, or a gateway, that the node connects to.
    pub(super) async fn connected(listener: &TcpListener) -> Self {
        let (stream, _) =
            timeout(WAIT_MAX, listener.accept()).await.expect("the node comes").expect("loopback");
        let here = stream.local_addr().expect("it is bound");
        let wire = Wire::Tcp(stream, Vec::new());
        Self { wire, here, call_id: String::new(), tag: None, seq: 0 }
    }

    /// Answers a request of the node: `status` and its phrase, our `tag`, headers that end with `\r\n` each.
    pub(super) async fn respond(&mut self, to: &Heard, status: &str, tag: &str, headers: &str, body: &str) {
        let header = |name: &str| format!("{name}: {}\r\n", to.header(name).expect("every request has it"));
        let same: String = ["Via", "From", "Call-ID", "CSeq"].map(header).concat();
        let whom = to.header("To").expect("every request has it");
        let tag =
            if whom.contains(";tag=") || tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        let length = body.len();
        self.say(&format!(
            "SIP/2.0 {status}\r\n{same}To: {whom}{tag}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        ))
        .await;
    }

    /// A request; `headers` end with `\r\n` each. ACK and CANCEL are of the request before.
    pub(super) fn request(&mut self, method: &str, user: &str, headers: &str, body: &str) -> String {
        let of_before = matches!(method, "ACK" | "CANCEL");
        if !of_before {
            self.seq += 1;
        }
        // RFC 3261 §17.1.1.3: that of a 2xx is a transaction of its own.
        let own = if method == "ACK" && self.tag.is_some() { "ack" } else { "" };
        let (transport, here, by) = match self.wire {
            Wire::Udp(_) => ("UDP", self.here.to_string(), ""),
            Wire::Tcp(..) => ("TCP", self.here.to_string(), ""),
            Wire::Wss(_) => ("WSS", NOWHERE.to_owned(), ";transport=ws"),
        };
        let tag = self.tag.as_ref().map_or_else(String::new, |tag| format!(";tag={tag}"));
        let (seq, call_id) = (self.seq, &self.call_id);
        format!(
            "{method} sip:{user}@mcu.example.org SIP/2.0\r\n\
             Via: SIP/2.0/{transport} {here};rport;branch=z9hG4bK{call_id}{seq}{own}\r\n\
             Max-Forwards: 70\r\n\
             From: \"Room 1\" <sip:room@{here}>;tag=phone\r\n\
             To: <sip:{user}@mcu.example.org>{tag}\r\n\
             Call-ID: {call_id}\r\n\
             CSeq: {seq} {method}\r\n\
             Contact: <sip:room@{here}{by}>\r\n\
             {headers}Content-Length: {}\r\n\r\n{body}",
            body.len(),
        )
    }

    pub(super) async fn say(&mut self, text: &str) {
        self.say_bytes(text.as_bytes()).await;
    }

    pub(super) async fn say_bytes(&mut self, bytes: &[u8]) {
        match &mut self.wire {
            Wire::Udp(socket) => drop(socket.send(bytes).await.expect("loopback takes it")),
            Wire::Tcp(stream, _) => stream.write_all(bytes).await.expect("it is open"),
            Wire::Wss(socket) => {
                let text = String::from_utf8(bytes.to_vec()).expect("words");
                socket.send(Message::text(text)).await.expect("it is open");
            }
        }
    }

    pub(super) async fn ask(&mut self, method: &str, user: &str, headers: &str, body: &str) {
        let text = self.request(method, user, headers, body);
        self.say(&text).await;
    }

    pub(super) async fn invite(&mut self, user: &str) {
        self.ask("INVITE", user, "Content-Type: application/sdp\r\n", SDP).await;
    }

    /// The next message, whatever it is.
    pub(super) async fn hear(&mut self) -> Heard {
        let next = timeout(WAIT_MAX, self.next()).await.expect("the node says something");
        next.expect("the connection is open")
    }

    /// Whether the node closes the connection before it says anything more.
    pub(super) async fn is_closed(&mut self) -> bool {
        timeout(WAIT_MAX, self.next()).await.expect("the node does something").is_none()
    }

    async fn next(&mut self) -> Option<Heard> {
        let mut chunk = [0; 4_096];
        match &mut self.wire {
            Wire::Udp(socket) => {
                let bytes = socket.recv(&mut chunk).await.ok()?;
                Some(Heard(String::from_utf8_lossy(&chunk[..bytes]).into_owned()))
            }
            Wire::Tcp(stream, buffer) => loop {
                if let Some(bytes) = whole(buffer) {
                    let rest = buffer.split_off(bytes);
                    let text = std::mem::replace(buffer, rest);
                    return Some(Heard(String::from_utf8_lossy(&text).into_owned()));
                }
                let bytes = stream.read(&mut chunk).await.ok().filter(|bytes| *bytes > 0)?;
                buffer.extend_from_slice(&chunk[..bytes]);
            },
            Wire::Wss(socket) => loop {
                match socket.next().await?.ok()? {
                    Message::Text(text) => return Some(Heard(text.as_str().to_owned())),
                    Message::Close(_) => return None,
                    _ => {}
                }
            },
        }
    }

    /// The final answer to `method`; what else comes is passed over.
    pub(super) async fn answer_to(&mut self, method: &str) -> Heard {
        loop {
            let heard = self.hear().await;
            let of = heard.header("CSeq").is_some_and(|cseq| cseq.ends_with(method));
            if heard.status() >= 200 && of {
                return heard;
            }
        }
    }

    /// The next request of the node.
    pub(super) async fn asked(&mut self, method: &str) -> Heard {
        loop {
            let heard = self.hear().await;
            if heard.0.starts_with(method) {
                return heard;
            }
        }
    }

    /// Says 200 to a request of the node.
    pub(super) async fn agree(&mut self, request: &Heard) {
        let header =
            |name: &str| format!("{name}: {}\r\n", request.header(name).expect("every request has it"));
        let headers: String = ["Via", "From", "To", "Call-ID", "CSeq"].map(header).concat();
        self.say(&format!("SIP/2.0 200 OK\r\n{headers}Content-Length: 0\r\n\r\n")).await;
    }

    /// A call that is up: INVITE, 200, ACK. Returns the 200.
    pub(super) async fn call(&mut self, user: &str) -> Heard {
        self.invite(user).await;
        let answer = self.answer_to("INVITE").await;
        assert_eq!(answer.status(), 200, "{}", answer.0);
        self.in_call(&answer);
        self.ask("ACK", user, "", "").await;
        answer
    }

    /// Requests are within the call from here on.
    pub(super) fn in_call(&mut self, answer: &Heard) {
        self.tag = Some(answer.tag());
    }
}

/// Bytes of the message that a stream begins with, once it is whole; a pong is one.
fn whole(buffer: &[u8]) -> Option<usize> {
    if buffer.starts_with(b"\r\n") {
        return Some(2);
    }
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let length = Heard(head).header("Content-Length")?.parse::<usize>().ok()?;
    (buffer.len() >= end + length).then_some(end + length)
}
