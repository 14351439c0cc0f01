//! Trunks that are found by DNS: a name server that a test plays, by UDP.

use super::outbound::options;
use super::*;
use crate::sip::TrunkTransport;
use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};
use tokio::net::{TcpListener, UdpSocket};

/// A zone, and what was asked of it.
struct NameServer {
    at: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a fair name")
}

fn srv(priority: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, 0, port, name(target)))
}

impl NameServer {
    /// Answers for as long as the test runs; what is not in the zone does not exist.
    async fn with(zone: Vec<(&'static str, RData)>) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has free ports");
        let at = socket.local_addr().expect("it is bound");
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let told = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut buffer = [0; 2_048];
            loop {
                let (bytes, from) = socket.recv_from(&mut buffer).await.expect("loopback");
                let question = Message::from_vec(&buffer[..bytes]).expect("a fair question");
                let query = question.queries[0].clone();
                told.lock()
                    .expect("no test panics with it")
                    .push(format!("{} {}", query.query_type, query.name));
                let mut answer = Message::response(question.metadata.id, OpCode::Query);
                let of = |(owner, data): &&(&str, RData)| {
                    name(owner) == query.name && data.record_type() == query.query_type
                };
                let records: Vec<Record> = zone
                    .iter()
                    .filter(of)
                    .map(|(owner, data)| Record::from_rdata(name(owner), 60, data.clone()))
                    .collect();
                if records.is_empty() {
                    answer.metadata.response_code = ResponseCode::NXDomain;
                }
                answer.add_query(query);
                answer.add_answers(records);
                let bytes = answer.to_vec().expect("it fits");
                socket.send_to(&bytes, from).await.expect("loopback takes it");
            }
        });
        Self { at, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panics with it").clone()
    }
}

/// A node whose trunk has a name and no port.
async fn named(server: &NameServer, transport: TrunkTransport) -> Exchange {
    let mut options = options(0, transport, false);
    options.dns_servers = vec![server.at];
    options.trunks[0].host = "trunk.example.org".into();
    options.trunks[0].port = None;
    Exchange::with(IpAddr::V4(Ipv4Addr::LOCALHOST), None, options).await
}

fn loopback() -> RData {
    RData::A(A::from(Ipv4Addr::LOCALHOST))
}

/// A port at which nobody listens.
async fn dead() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has free ports");
    listener.local_addr().expect("it is bound").port()
}

#[tokio::test]
async fn a_trunk_is_found_by_its_services_and_the_next_server_is_tried_where_one_is_dead() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has free ports");
    let port = listener.local_addr().expect("it is bound").port();
    let bytes = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
    let service = |services: &str, replacement: &str| {
        RData::NAPTR(NAPTR::new(1, 1, bytes("s"), bytes(services), bytes(""), name(replacement)))
    };
    let server = NameServer::with(vec![
        ("trunk.example.org.", service("SIP+D2U", "_sip._udp.other.example.net.")),
        ("trunk.example.org.", service("SIP+D2T", "_sip._tcp.pool.example.net.")),
        ("_sip._tcp.pool.example.net.", srv(2, port, "b.example.net.")),
        ("_sip._tcp.pool.example.net.", srv(1, dead().await, "a.example.net.")),
        ("a.example.net.", loopback()),
        ("b.example.net.", loopback()),
    ])
    .await;
    let _exchange = named(&server, TrunkTransport::Tcp).await;
    Phone::connected(&listener).await;
    let asked = server.asked();
    assert_eq!(asked[..2], ["NAPTR trunk.example.org.", "SRV _sip._tcp.pool.example.net."]);
    for question in ["A a.example.net.", "A b.example.net."] {
        assert!(asked.contains(&question.to_owned()), "{question}: {asked:?}");
    }
    assert!(!asked.iter().any(|question| question.contains("udp")), "{asked:?}");
}

#[tokio::test]
async fn a_trunk_without_services_is_found_by_its_servers_of_the_transport() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has free ports");
    let port = socket.local_addr().expect("it is bound").port();
    let zone = vec![
        ("_sip._udp.trunk.example.org.", srv(1, port, "a.example.net.")),
        ("_sip._tcp.trunk.example.org.", srv(1, 1, "b.example.net.")),
        ("a.example.net.", loopback()),
    ];
    let server = NameServer::with(zone).await;
    let exchange = named(&server, TrunkTransport::Udp).await;
    let mut gateway = Phone::at(socket, exchange.address("UDP")).await;
    super::outbound::begin(&exchange);
    gateway.asked("INVITE").await;
    assert_eq!(server.asked()[..2], ["NAPTR trunk.example.org.", "SRV _sip._udp.trunk.example.org."]);
}
