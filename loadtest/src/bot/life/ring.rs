//! The way in by SIP: connect, sockets, relays, INVITE and what it is answered; each stage noted in the report.
//!
//! Flow: `live` -> **here** -> `Life`. Runs once per bot.

use super::{Failure, Parts};
use crate::bot::association::Association;
use crate::bot::call::{Call, CallError, CallMedia, Offer};
use crate::bot::door::Door;
use crate::bot::receive::Meter;
use crate::bot::report::Report;
use crate::bot::signal::SignalError;
use crate::bot::wires::Wires;
use crate::bot::{BotSpec, Stage};
use mcu_core::media::codec::AudioCodec;
use mcu_core::time::Mono;

pub(super) async fn ring(
    spec: &BotSpec,
    sound: AudioCodec,
    stage: &Stage,
    begin: Mono,
    report: &mut Report,
) -> Result<Parts, Failure> {
    let passed_ms = || Some(stage.clock.now().since(begin).as_millis() as u64);
    let refused = |at: &'static str| move |error: CallError| Failure::signal(at, &SignalError::from(error));
    let exchange = spec.target.sip.as_ref();
    let exchange = exchange.ok_or_else(|| Failure::new("connect", "no address of SIP was given"))?;
    let address = exchange.address.of_meeting(&spec.target.alias, &spec.target.pin);
    let mut call =
        Call::connect(&address, &exchange.credentials, &spec.name).await.map_err(refused("connect"))?;
    report.join.joined_ms = passed_ms();
    let meter = Meter::of(spec, sound, stage).map_err(|error| Failure::new("media", error))?;
    let picture = spec.codecs.first().copied();
    let no_socket = |error| Failure::new("connect", format!("no socket: {error}"));
    let count = 1 + usize::from(picture.is_some());
    let wires =
        Wires::open(call.local_ip(), count, spec.network.as_ref(), stage.clock).await.map_err(no_socket)?;
    let outside = wires.outside().map_err(no_socket)?;
    let offer = Offer::new(sound, picture, &outside, call.is_secure()).map_err(refused("offer"))?;
    report.join.invited_ms = passed_ms();
    let answer = call.invite(offer.clone()).await.map_err(refused("invite"))?;
    report.join.answered_ms = passed_ms();
    let mut through = Vec::with_capacity(count);
    for (wire, line) in answer.lines.iter().enumerate() {
        let relay = wires.relay(wire);
        if let Some(relay) = relay {
            relay.lead_to(line.rtp).await;
        }
        through.push(relay.map(|relay| relay.address()));
    }
    let media = CallMedia::new(&offer, &answer, &through, stage.clock.now()).map_err(refused("offer"))?;
    Ok(Parts {
        door: Door::Call(Box::new(call)),
        wires,
        association: Association::Call(Box::new(media)),
        meter,
    })
}
