//! Telephones without SRTP, by SIP over UDP, at a whole node that takes them: they hear each other, and everybody is told that they go in the clear.

use mcu_core::conference::roster::{DisplayName, Via};
use mcu_core::id::{ConferenceId, ParticipantId, PeerId};
use mcu_core::privacy::ContentAccess;
use mcu_core::time::Mono;
use mcu_server::config::Config;
use mcu_server::engine::totals::MediaTotals;
use mcu_server::node::Node;
use mcu_server::peers::{LineFeeds, NewPeer, NewsSender, PeerCommand, Peers};
use signalling::command::{Caller, Command, JoinRequest};
use signalling::room::Alias;
use signalling::secret::Secret;
use signalling::sip::{OutboundOptions, SipOptions, SipServer, T1};
use signalling::state::ApiState;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::timeout;
use transport::peer::{Datagram, LocalPorts, Proto, SipConfig, SipPeer};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Far more than anything here takes.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Payload type of G.711 A-law (RFC 3551 §6).
const PCMA: u8 = 8;
/// Samples of 20 ms.
const SAMPLES: u16 = 160;

async fn socket() -> UdpSocket {
    UdpSocket::bind(SocketAddr::new(HERE, 0)).await.expect("loopback has free ports")
}

/// A telephone of G.711 that is called by its name.
struct Phone {
    name: &'static str,
    sip: UdpSocket,
    rtp: UdpSocket,
}

impl Phone {
    async fn of(name: &'static str, node: SocketAddr) -> Self {
        let sip = socket().await;
        sip.connect(node).await.expect("loopback");
        Self { name, sip, rtp: socket().await }
    }

    /// Calls, with media by `profile`; the final status, and the body that came with it.
    async fn call(&self, user: &str, profile: &str, keys: &str) -> (u16, String) {
        let (here, name) = (self.sip.local_addr().expect("it is bound"), self.name);
        let request = |method: &str, branch: &str, tag: &str, body: &str| {
            format!(
                "{method} sip:{user}@localhost SIP/2.0\r\nVia: SIP/2.0/UDP {here};rport;branch=z9hG4bK{name}{branch}\r\n\
                 Max-Forwards: 70\r\nFrom: \"{name}\" <sip:{name}@{here}>;tag=1\r\nTo: <sip:{user}@localhost>{tag}\r\n\
                 Call-ID: {name}@{here}\r\nCSeq: 1 {method}\r\nContact: <sip:{name}@{here}>\r\n\
                 Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let port = self.rtp.local_addr().expect("it is bound").port();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {HERE}\r\ns=-\r\nc=IN IP4 {HERE}\r\nt=0 0\r\nm=audio {port} {profile} {PCMA}\r\na=rtcp-mux\r\n{keys}"
        );
        self.sip.send(request("INVITE", "1", "", &sdp).as_bytes()).await.expect("loopback takes it");
        let mut bytes = [0; 4_096];
        let answer = loop {
            let len =
                timeout(WAIT_MAX, self.sip.recv(&mut bytes)).await.expect("in time").expect("it is open");
            let text = String::from_utf8_lossy(&bytes[..len]).into_owned();
            if text.starts_with("SIP/2.0 ") && !text.starts_with("SIP/2.0 1") {
                break text;
            }
        };
        let status = answer[8..11].parse().expect("three digits");
        let tag =
            answer.lines().find_map(|line| line.strip_prefix("To:")?.split_once(";tag=")).expect("a tag").1;
        // RFC 3261 §17.1.1.3: that of a 2xx is a transaction of its own.
        let ack = request("ACK", if status == 200 { "2" } else { "1" }, &format!(";tag={}", tag.trim()), "");
        self.sip.send(ack.as_bytes()).await.expect("loopback takes it");
        (status, answer.split_once("\r\n\r\n").expect("a header has an end").1.to_owned())
    }

    /// Says 20 ms of a loud tone to `node`.
    async fn say(&self, sequence: u16, node: SocketAddr) {
        let mut packet = vec![0x80, PCMA];
        packet.extend(sequence.to_be_bytes());
        packet.extend((u32::from(sequence) * u32::from(SAMPLES)).to_be_bytes());
        packet.extend([0, 0, 0, 7]);
        // Four samples up, four down: 1 kHz.
        packet.extend((0..SAMPLES).map(|n| if n & 4 == 0 { 0xb5 } else { 0x35 }));
        self.rtp.send_to(&packet, node).await.expect("loopback takes it");
    }

    /// Whether the next packet is sound, and loud.
    async fn hears(&self) -> bool {
        let mut bytes = [0; 2_048];
        let len = self.rtp.recv(&mut bytes).await.expect("it is open");
        let [0x80, PCMA, rest @ ..] = &bytes[..len] else { return false };
        // Without the sign, and with every other bit as it was before it was sent (G.711): silence is 0, the loudest 127.
        rest.iter().skip(10).any(|byte| (byte ^ 0x55) & 0x7f > 48)
    }
}

fn media_port(answer: &str) -> SocketAddr {
    let line = answer.lines().find_map(|line| line.strip_prefix("m=audio ")).expect("sound was agreed");
    let (port, _) = line.split_once(' ').expect("a port");
    SocketAddr::new(HERE, port.parse().expect("a number"))
}

/// What somebody who joins now is told of who can look inside.
async fn told(node: &Node, pin: &str) -> ContentAccess {
    let request = JoinRequest {
        alias: Alias::parse("demo").expect("an alias"),
        display_name: Secret::new(DisplayName::parse("Ada").expect("a name")),
        pin: Secret::new(pin.to_owned()),
        host_only: false,
        overlay: true,
        via: Via::Browser,
        from: Secret::new(HERE),
    };
    node.control.ask(|reply| Command::Join { request, reply }).await.expect("let in").access
}

#[tokio::test(flavor = "multi_thread")]
async fn telephones_without_srtp_are_heard_and_told_of() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plain-rtp");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the target folder is writable");
    let mut config = Config::default();
    config.server.bind = HERE;
    config.server.data_dir = folder;
    config.media.port = socket().await.local_addr().expect("it is bound").port();
    config.sip.dangerous_plain_rtp = true;
    Node::ready_meeting(&config.server.data_dir, 10).await.expect("a room");
    let mut node = Node::start(&config).await.expect("the port was free");
    let (alias, _, pin) = node.ready_pins().await.expect("the room");
    let shared = ApiState::new(node.control.clone(), node.options.take().expect("taken once"));
    let options = SipOptions {
        bind: HERE,
        host: "localhost".into(),
        tls: None,
        wss: None,
        tcp_port: None,
        udp_port: Some(0),
        bfcp_port: None,
        connections_per_address_max: 0,
        t1: T1,
        counters: node.sip.clone(),
        outbound: OutboundOptions::default(),
    };
    let server = SipServer::start(shared, options).await.expect("loopback has a free port");
    let (sip, user) = (server.addresses()[0].1, format!("{alias}.{pin}"));
    assert_eq!(told(&node, &pin).await, ContentAccess::NodeDecrypted, "the control: nobody has called yet");

    let (speaker, listener) = (Phone::of("speaker", sip).await, Phone::of("listener", sip).await);
    let keys = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";
    let overheard = Phone::of("overheard", sip).await;
    assert_eq!(
        overheard.call(&user, "RTP/SAVP", keys).await.0,
        488,
        "keys that everybody could read are none"
    );
    let (status, answer) = speaker.call(&user, "RTP/AVP", "").await;
    assert_eq!(status, 200);
    let to = media_port(&answer);
    let (status, answer) = listener.call(&user, "RTP/AVP", keys).await;
    assert!(status == 200 && !answer.contains("a=crypto"), "{answer}");

    let mut beat = tokio::time::interval(Duration::from_millis(20));
    let talk = async {
        let mut sequence = 0;
        loop {
            tokio::select! {
                _ = beat.tick() => {
                    sequence += 1;
                    speaker.say(sequence, to).await;
                }
                loud = listener.hears() => if loud { break },
            }
        }
    };
    timeout(WAIT_MAX, talk).await.expect("the one is heard by the other");
    let alias = Alias::parse(&alias).expect("its own");
    let list = |reply| Command::ListParticipants { alias, by: Caller::Admin, reply };
    let secured: Vec<_> =
        node.control.ask(list).await.expect("a room").iter().map(|p| (p.via, p.secured)).collect();
    let phone = (Via::Sip, Some(false));
    assert_eq!(secured, [(Via::Browser, None), phone, phone], "and nothing is claimed of who has no media");
    assert_eq!(told(&node, &pin).await, ContentAccess::InTheClear);
    server.stop(Duration::ZERO).await;
    node.stop().await;
}

#[test]
fn datagrams_of_strangers_at_a_telephones_port_are_counted() {
    let device: SocketAddr = "198.51.100.7:5000".parse().expect("an address");
    let stranger = SocketAddr::new([192, 0, 2, 66].into(), 5_000);
    let offer = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 5000 RTP/AVP 8\r\n";
    let config = SipConfig { advertised: HERE, from: device.ip(), plain_rtp: true, ..SipConfig::default() };
    let port = SocketAddr::new(HERE, 40_000);
    let mut now = Mono::from_millis(1_000);
    let mut open = |_| Ok(LocalPorts { rtp: port, rtcp: port });
    let (peer, _) = SipPeer::accept(&config, offer, &mut open, now).expect("taken");
    let totals: Arc<MediaTotals> = Arc::default();
    let (news, _inlet) = NewsSender::channel(16);
    let mut peers = Peers::new(news, Arc::clone(&totals));
    let new = NewPeer {
        id: PeerId(1),
        participant: ParticipantId(1),
        conference: ConferenceId(1),
        peer: peer.into(),
        ports: Vec::new(),
        feeds: LineFeeds::default(),
        rtp_offsets: [0; 2],
        follows: None,
    };
    peers.command(PeerCommand::Add(Box::new(new)), now);
    let mut packet = vec![0x80, PCMA];
    packet.resize(172, 0);
    let mut refused = |source| {
        let datagram = Datagram { proto: Proto::Udp, source, destination: port, bytes: &packet };
        assert!(peers.datagram(datagram, now), "its port is its own");
        now += Duration::from_millis(200);
        peers.timeout(now);
        totals.datagrams_refused.get()
    };
    assert_eq!([stranger, device, stranger].map(&mut refused), [1, 1, 2]);
}
