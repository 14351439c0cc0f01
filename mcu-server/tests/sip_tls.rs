//! SIP over TLS with the certificates of a node: who shows none, or one that somebody else signed, is not spoken to.

use mcu_core::time::Mono;
use mcu_server::config::TlsSection;
use mcu_server::tls;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use signalling::auth::{AdminToken, Tokens};
use signalling::command::{Command, Control};
use signalling::secret::Secret;
use signalling::sip::{OutboundOptions, SipOptions, SipServer, T1};
use signalling::state::{ApiState, Clock, RouterOptions};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const OPTIONS: &str = "OPTIONS sip:daily@localhost SIP/2.0\r\n\
    Via: SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bK1\r\n\
    From: <sip:room@localhost>;tag=1\r\nTo: <sip:daily@localhost>\r\n\
    Call-ID: 1@room\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the target folder is writable");
    folder
}

/// A CA, and a certificate of its own making for a room system.
fn ca() -> (String, (CertificateDer<'static>, PrivateKeyDer<'static>)) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let pem = params.self_signed(&key).expect("a certificate").pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["room-1.example.org".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("our own key");
    (pem, (certificate.der().clone(), key))
}

/// What the node answers to OPTIONS; nothing when it does not speak with this client.
async fn asked(
    node: SocketAddr,
    trusted: &Path,
    shown: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).expect("the node's CA")).expect("a CA");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.expect("TLS 1.2 and 1.3").with_root_certificates(roots);
    let config = match shown {
        Some((chain, key)) => builder.with_client_auth_cert(vec![chain], key).expect("they fit"),
        None => builder.with_no_client_auth(),
    };
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TcpStream::connect(node).await.expect("it listens");
    let talk = async {
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        stream.write_all(OPTIONS.as_bytes()).await?;
        let mut heard = vec![0; 4_096];
        let bytes = stream.read(&mut heard).await?;
        heard.truncate(bytes);
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&heard).into_owned())
    };
    tokio::time::timeout(Duration::from_secs(20), talk)
        .await
        .expect("it answers or closes")
        .unwrap_or_default()
}

async fn serve(folder: &Path, client_ca: Option<&Path>) -> SipServer {
    let (control, mut commands) = Control::channel(4);
    tokio::spawn(async move {
        while let Some(command) = commands.recv().await {
            if let Command::Ready { reply } = command {
                let _ = reply.send(Ok(()));
            }
        }
    });
    let identity = tls::identity(&TlsSection::default(), folder, &tls::development_names(&[])).expect("made");
    let clock = Clock::new(|| Mono::ZERO, || 0);
    let admin = AdminToken::from_text(Secret::new("admin".into()));
    let state = ApiState::new(control, RouterOptions::new(Tokens::from_key(&[7; 32]), admin, clock, "test"));
    let options = SipOptions {
        bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
        host: "localhost".into(),
        tls: Some((0, identity.sip(client_ca).expect("a configuration"))),
        wss: None,
        tcp_port: None,
        udp_port: None,
        bfcp_port: None,
        connections_per_address_max: 0,
        t1: T1,
        counters: Arc::default(),
        outbound: OutboundOptions::default(),
    };
    SipServer::start(state, options).await.expect("loopback has a free port")
}

#[tokio::test]
async fn only_whoever_shows_a_certificate_of_the_ca_is_spoken_to() {
    let folder = folder("sip-tls");
    let (pem, good) = ca();
    let (_, other) = ca();
    let file = folder.join("peers.pem");
    std::fs::write(&file, pem).expect("the target folder is writable");
    let server = serve(&folder, Some(&file)).await;
    let (node, trusted) = (server.addresses()[0].1, folder.join("dev-ca.pem"));
    assert_eq!(asked(node, &trusted, None).await, "", "no certificate");
    assert_eq!(asked(node, &trusted, Some(other)).await, "", "one of somebody else's");
    let answer = asked(node, &trusted, Some(good)).await;
    assert!(answer.starts_with("SIP/2.0 200 OK\r\n"), "the control: {answer}");

    let open = serve(&folder, None).await;
    let answer = asked(open.addresses()[0].1, &trusted, None).await;
    assert!(answer.starts_with("SIP/2.0 200 OK\r\n"), "peers that need not be verified: {answer}");
}

#[test]
fn a_ca_that_is_none_is_named() {
    let folder = folder("sip-tls-no-ca");
    let identity =
        tls::identity(&TlsSection::default(), &folder, &tls::development_names(&[])).expect("made");
    let error = identity.sip(Some(&folder.join("nowhere.pem"))).expect_err("no such file").to_string();
    assert!(error.contains("nowhere.pem"), "{error}");
}
