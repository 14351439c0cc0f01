//! The way in: join, events, socket, relay, offer and answer; each stage noted in the report.
//!
//! Flow: `live` -> **here** -> `Life`. Runs once per bot.

use super::{Failure, Parts};
use crate::bot::association::Association;
use crate::bot::door::Door;
use crate::bot::peer::{Offered, Peer};
use crate::bot::receive::Meter;
use crate::bot::report::Report;
use crate::bot::signal::{Session, SignalError};
use crate::bot::stream::{Direction, Stream};
use crate::bot::target::Target;
use crate::bot::wires::Wires;
use crate::bot::{BotSpec, Stage};
use crate::relay::candidates;
use mcu_core::media::codec::AudioCodec;
use mcu_core::time::Mono;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::UdpSocket;

pub(super) async fn arrive(
    spec: &BotSpec,
    stage: &Stage,
    begin: Mono,
    report: &mut Report,
) -> Result<Parts, Failure> {
    let passed_ms = || Some(stage.clock.now().since(begin).as_millis() as u64);
    let refused = |at: &'static str| move |error: SignalError| Failure::signal(at, &error);
    let page = match spec.offered {
        Offered::Page => {
            let session = Session::join(&spec.target, &spec.name, spec.overlay).await;
            let session = session.map_err(refused("join"))?;
            report.join.joined_ms = passed_ms();
            report.participant_id = Some(session.joined().participant_id);
            report.role = Some(session.joined().role.clone());
            // Before the offer: a layout is told before the first picture that shows it.
            let events = session.events().await.map_err(refused("events"))?;
            Some((session, events))
        }
        Offered::Publish | Offered::Watch => None,
    };
    let meter = Meter::of(spec, AudioCodec::Opus, stage).map_err(|error| Failure::new("media", error))?;
    let no_socket = |error| Failure::new("connect", format!("no socket: {error}"));
    let ip = local_ip(&spec.target).await.map_err(no_socket)?;
    let wires = Wires::open(ip, 1, spec.network.as_ref(), stage.clock).await.map_err(no_socket)?;
    let local = wires.local(0).map_err(no_socket)?;
    let now = stage.clock.instant(stage.clock.now());
    let (mut peer, offer) =
        Peer::offer(&spec.codecs, spec.offered, local, now).map_err(|error| Failure::new("offer", error))?;
    let (door, answer) = match page {
        Some((session, events)) => {
            let answer = session.offer(offer).await.map_err(refused("offer"))?;
            (Door::Page { session: Box::new(session), events }, answer)
        }
        None => {
            let publishes = spec.offered == Offered::Publish;
            let direction = if publishes { Direction::Publish } else { Direction::Watch };
            let opened = Stream::open(&spec.target, direction, &spec.name, offer).await;
            // One request is the whole way in.
            let (stream, answer) = opened.map_err(refused("join"))?;
            report.join.joined_ms = passed_ms();
            (Door::Stream(stream), answer)
        }
    };
    report.join.answered_ms = passed_ms();
    let answer = match wires.relay(0) {
        Some(relay) => {
            let led = candidates::lead_through(&answer, relay.address());
            let (answer, node) = led.map_err(|error| Failure::new("connect", error))?;
            relay.lead_to(node).await;
            answer
        }
        None => answer,
    };
    let codec = spec.sends.as_ref().map(|set| set.codec());
    peer.accept(&answer, codec).map_err(|error| Failure::new("offer", error))?;
    if codec.is_some() && !peer.sends_picture() {
        return Err(Failure::new("offer", "the answer does not take the picture"));
    }
    Ok(Parts { door, wires, association: Association::Peer(Box::new(peer)), meter })
}

/// The address of this machine from which the node's media are reached.
async fn local_ip(target: &Target) -> io::Result<IpAddr> {
    let node = match target.media {
        Some(media) => media,
        None => host_of(target).await?,
    };
    let any = if node.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let probe = UdpSocket::bind(any).await?;
    // Connecting a datagram socket sends nothing; it only picks the route.
    probe.connect(node).await?;
    Ok(probe.local_addr()?.ip())
}

async fn host_of(target: &Target) -> io::Result<SocketAddr> {
    let host = target.base.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = target.base.port_or_known_default().unwrap_or(443);
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    // `localhost` may name both families, and nodes advertise IPv4 first.
    let node = addresses.iter().find(|address| address.is_ipv4()).or_else(|| addresses.first());
    node.copied().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the host has no address"))
}
