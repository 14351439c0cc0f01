//! One bot's task: the way in, the loop that moves datagrams, events, pictures and sound, and the way out.
//!
//! Flow: `arrive` or `ring` -> **here**, which ties `door`, `association`, `send`, `receive` and `wires` together. Thread: one tokio
//! task. Bounds: those of its parts; a snapshot of the report goes out every `SNAPSHOT_INTERVAL`.

mod arrive;
mod ring;
mod sending;

use super::association::Association;
use super::door::Door;
use super::jitter::Jitter;
use super::lateness::Lateness;
use super::peer::{Departing, PeerError, PeerEvent};
use super::picture_log::Drawn;
use super::receive::{Input, Measured, Meter};
use super::report::{Outcome, Report};
use super::signal::{Event, SignalError, StateChange};
use super::wires::Wires;
use super::{BotSpec, Command, Stage};
use crate::clock::wait_until;
use crate::media::loops::SOUND_PACKET_SAMPLES;
use mcu_core::id::SourceKind;
use mcu_core::limits::DATAGRAM_BYTES_MAX;
use mcu_core::media::samples::SAMPLE_RATE_HZ;
use mcu_core::time::Mono;
use sending::Sending;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Between two snapshots of the report.
const SNAPSHOT_INTERVAL: Duration = Duration::from_millis(250);
/// The longest that ICE and DTLS may take.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(15);
/// Datagrams read in a row before anything else gets its turn.
const READS_MAX: usize = 64;
/// Packets of sound from one beep to the next: a second of them.
const BEEP_PACKETS: u64 = SAMPLE_RATE_HZ as u64 / SOUND_PACKET_SAMPLES as u64;
/// Level that the level extension claims for a tone, in -dBov; the loops' mean.
const LEVEL_DBOV: i8 = -24;
const LEVEL_DBOV_SILENT: i8 = -127;

/// Why a bot's life ended before its time.
#[derive(Debug)]
struct Failure {
    stage: &'static str,
    code: Option<String>,
    detail: String,
}

impl Failure {
    fn new(stage: &'static str, detail: impl ToString) -> Self {
        Self { stage, code: None, detail: detail.to_string() }
    }

    fn signal(stage: &'static str, error: &SignalError) -> Self {
        Self { stage, code: error.code().map(str::to_owned), detail: error.to_string() }
    }

    fn media(error: &PeerError) -> Self {
        Self::new("media", error)
    }
}

/// What a bot is made of once it is in.
struct Parts {
    door: Door,
    wires: Wires,
    association: Association,
    meter: Option<Meter>,
}

/// Lives one bot's life and returns its report.
pub(super) async fn live(
    spec: BotSpec,
    stage: Stage,
    inbox: mpsc::Receiver<Command>,
    publish: watch::Sender<Report>,
) -> Report {
    let begin = stage.clock.now();
    let mut report = Report::new(spec.sender, spec.name.clone(), spec.measures.is_some());
    let parts = match spec.calls {
        Some(sound) => ring::ring(&spec, sound, &stage, begin, &mut report).await,
        None => arrive::arrive(&spec, &stage, begin, &mut report).await,
    };
    report.outcome = match parts {
        Err(failure) => failed(failure),
        Ok(parts) => {
            let mut life = Life::new(spec, stage, begin, parts, report, publish.clone());
            let outcome = life.run(inbox).await.unwrap_or_else(failed);
            report = life.end().await;
            outcome
        }
    };
    publish.send_replace(report.clone());
    report
}

fn failed(Failure { stage, code, detail }: Failure) -> Outcome {
    Outcome::Failed { stage: stage.to_owned(), code, detail }
}

struct Life {
    spec: BotSpec,
    stage: Stage,
    begin: Mono,
    door: Door,
    wires: Wires,
    association: Association,
    meter: Option<Meter>,
    /// Since the way is up.
    sending: Option<Sending>,
    camera: bool,
    muted: bool,
    rtc_due: Mono,
    refresh_due: Option<Mono>,
    /// What the transport knows of the rate that is sent.
    rung_told: Option<u32>,
    /// Of its pictures.
    late: Lateness,
    jitter: Jitter,
    report: Report,
    publish: watch::Sender<Report>,
}

impl Life {
    fn new(
        spec: BotSpec,
        stage: Stage,
        begin: Mono,
        parts: Parts,
        report: Report,
        publish: watch::Sender<Report>,
    ) -> Self {
        let Parts { door, wires, association, meter } = parts;
        let refresh_due = door.refresh_after().map(|span| begin + span);
        let muted = spec.muted;
        Self {
            spec,
            stage,
            begin,
            door,
            wires,
            association,
            meter,
            sending: None,
            camera: true,
            muted,
            rtc_due: begin,
            refresh_due,
            rung_told: None,
            late: Lateness::default(),
            jitter: Jitter::default(),
            report,
            publish,
        }
    }

    async fn run(&mut self, mut inbox: mpsc::Receiver<Command>) -> Result<Outcome, Failure> {
        if self.muted {
            self.door.tell(StateChange { muted: Some(true), ..StateChange::default() }).await;
        }
        let mut snapshot_due = self.now();
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        loop {
            self.send_media();
            self.move_media().await?;
            let now = self.now();
            if snapshot_due <= now {
                snapshot_due = now + SNAPSHOT_INTERVAL;
                self.snapshot(now)?;
            }
            if self.refresh_due.is_some_and(|due| due <= now) {
                self.door.refresh().await.map_err(|error| Failure::signal("events", &error))?;
                self.refresh_due = self.door.refresh_after().map(|span| now + span);
            }
            let due = self.next_due().min(snapshot_due);
            tokio::select! {
                () = wait_until(self.stage.clock, due) => {}
                read = self.wires.recv(&mut buffer) => self.receive(read.ok(), &mut buffer)?,
                event = self.door.event() => if let Some(outcome) = self.hear(event)? {
                    return Ok(outcome);
                },
                line = wish(&mut self.meter) => self.association.request_keyframe(line, self.stage.clock.now()),
                command = inbox.recv() => match command {
                    // Nobody can tell it anything any more: nobody wants it any more.
                    Some(Command::Leave) | None => return Ok(Outcome::Left {}),
                    Some(command) => self.obey(command).await,
                },
            }
        }
    }

    /// Leaves, and completes the report.
    async fn end(mut self) -> Report {
        // The node notices by itself when this fails.
        let _ = self.door.leave().await;
        let now = self.now();
        self.count();
        if let Some(meter) = self.meter.take() {
            let measured = meter.finish(now).await;
            self.take(measured);
        }
        self.report
    }

    fn now(&self) -> Mono {
        self.stage.clock.now()
    }

    fn since_begin_ms(&self, at: Mono) -> u64 {
        at.since(self.begin).as_millis() as u64
    }

    fn next_due(&self) -> Mono {
        let sounds = !self.muted || self.association.sends_silence();
        let media = self.sending.as_ref().and_then(|sending| sending.next_due(sounds));
        media.map_or(self.rtc_due, |media| media.min(self.rtc_due))
    }

    /// Hands the transport what is due.
    fn send_media(&mut self) {
        let now = self.now();
        self.send_picture(now);
        self.send_sound(now);
    }

    fn send_picture(&mut self, now: Mono) {
        let clock = self.stage.clock;
        let Some((sending, player)) = self.sending.as_mut().and_then(Sending::pictures) else { return };
        let is_blocked = self.association.is_blocked(clock, now);
        if let Some(play) = player.play(now, is_blocked || !self.camera) {
            let drawn = Drawn { scenery: sending.spec().scenery, size: play.size };
            self.stage.pictures.sent(self.spec.sender, play.number, drawn, now);
            self.association.send_picture(clock, now, play.unit, play.at);
            self.report.sent.bytes += play.unit.byte_len() as u64;
            self.report.sent.frames += 1;
            self.report.sent.keyframes += u64::from(play.unit.keyframe);
            let late = now.since(play.due);
            self.stage.lateness.note(late);
            self.late.note(late);
        }
        let kbps = player.current().map(|l| l.rung.kbps);
        if kbps != self.rung_told {
            self.rung_told = kbps;
            let most = sending.loops().last().map_or(0, |l| l.rung.kbps);
            self.association.set_rates(kbps.unwrap_or(0), most + most / 2);
        }
    }

    fn send_sound(&mut self, now: Mono) {
        let clock = self.stage.clock;
        let Some(sending) = &mut self.sending else { return };
        while let Some(sound) = sending.next_sound(now, self.muted) {
            let level = if sound.is_silent { LEVEL_DBOV_SILENT } else { LEVEL_DBOV };
            let Some(packet) = sound.packet.filter(|_| !self.muted || self.association.sends_silence())
            else {
                continue;
            };
            self.stage.lateness.note(now.since(sound.due));
            if !self.muted && sound.index.is_multiple_of(BEEP_PACKETS) {
                self.stage.beeps.said(self.spec.sender, now);
            }
            self.association.send_sound(clock, now, &packet, sound.at, level);
            self.report.sent.sound_packets += 1;
            self.report.sent.bytes += packet.len() as u64;
        }
    }

    /// Lets the transport work: datagrams out, events in.
    async fn move_media(&mut self) -> Result<(), Failure> {
        let (mut departing, mut events) = (Vec::new(), Vec::new());
        let now = self.now();
        let due = self.association.poll(self.stage.clock, now, &mut departing, &mut events);
        self.rtc_due = due.map_err(|error| Failure::media(&error))?;
        for Departing { wire, to, bytes } in departing {
            self.wires.send(wire, &bytes, to).await;
        }
        events.into_iter().try_for_each(|event| self.happened(event, now))
    }

    fn happened(&mut self, event: PeerEvent, now: Mono) -> Result<(), Failure> {
        match event {
            PeerEvent::Connected => self.connected(now),
            PeerEvent::Closed => return Err(Failure::new("media", "the node closed the connection")),
            PeerEvent::Silent => {
                return Err(Failure::new("media", "nothing has come from the node for too long"));
            }
            PeerEvent::KeyframeRequest => {
                self.report.sent.keyframe_requests += 1;
                if let Some((_, player)) = self.sending.as_mut().and_then(Sending::pictures) {
                    player.request_keyframe();
                }
            }
            PeerEvent::EstimateKbps(kbps) => {
                self.report.sent.estimate_kbps = Some(u64::from(kbps));
                if let Some((_, player)) = self.sending.as_mut().and_then(Sending::pictures) {
                    player.set_estimate(kbps);
                }
            }
            PeerEvent::Rtt(rtt) => {
                self.report.received.rtt_ms = Some(rtt.as_millis() as u64);
                self.feed(Input::Rtt(rtt));
            }
            PeerEvent::SenderReport(line, ntp_us, timestamp) => {
                self.feed(Input::SenderReport(line, ntp_us, timestamp));
            }
            PeerEvent::Picture(line, codec, packet) => {
                let since = self.since_begin_ms(now);
                self.report.received.picture_packets += 1;
                self.report.received.bytes += packet.payload.len() as u64;
                if !self.report.measured {
                    self.report.join.first_picture_ms.get_or_insert(since);
                }
                self.feed(Input::Picture(line, codec, packet));
            }
            PeerEvent::Sound(packet) => {
                let since = self.since_begin_ms(now);
                self.report.received.sound_packets += 1;
                self.report.received.jitter_ms = self.jitter.arrived(packet.timestamp, packet.arrival);
                self.report.received.bytes += packet.payload.len() as u64;
                if !self.report.measured {
                    self.report.join.first_sound_ms.get_or_insert(since);
                }
                self.feed(Input::Sound(packet));
            }
        }
        Ok(())
    }

    fn connected(&mut self, now: Mono) {
        let since = self.since_begin_ms(now);
        self.report.join.connected_ms.get_or_insert(since);
        if self.sending.is_none()
            && let Some(set) = self.spec.sends.clone()
        {
            self.sending = Some(Sending::new(set, now));
        }
    }

    fn feed(&mut self, input: Input) {
        if let Some(meter) = &mut self.meter {
            meter.feed(input);
        }
    }

    /// Takes what has arrived, and whatever else waits behind it.
    fn receive(
        &mut self,
        first: Option<(usize, usize, SocketAddr)>,
        buffer: &mut [u8],
    ) -> Result<(), Failure> {
        let mut read = first;
        // One moment for all that waits: it came together.
        let now = self.now();
        for _ in 0..READS_MAX {
            // An error of a datagram socket is some datagram's ICMP: nothing that a peer has to know.
            let Some((wire, len, source)) = read else { break };
            // The peer knows the node by the address in its answer: with a relay, the relay's.
            let handled = self.association.handle(self.stage.clock, now, (wire, source), &buffer[..len]);
            handled.map_err(|error| Failure::media(&error))?;
            read = self.wires.try_recv(buffer);
        }
        Ok(())
    }

    /// An event of the WebSocket; says when it ends the stay.
    fn hear(&mut self, event: Option<Result<Event, SignalError>>) -> Result<Option<Outcome>, Failure> {
        let event =
            event.ok_or_else(|| Failure::new("events", "the node closed the socket without a reason"))?;
        match event.map_err(|error| Failure::signal("events", &error))? {
            Event::Welcome {} => {
                let since = self.since_begin_ms(self.now());
                self.report.join.events_ms.get_or_insert(since);
            }
            Event::Roster { participants } => self.feed(Input::Roster(participants)),
            Event::Layout { line, canvas, rtp_timestamp, tiles } => {
                self.report.received.layouts += 1;
                self.feed(Input::Layout(line, rtp_timestamp, canvas, tiles));
            }
            Event::VideoRequest { kind: SourceKind::Main, height, kbps, paused } => {
                self.report.sent.video_requests += 1;
                if let Some((_, player)) = self.sending.as_mut().and_then(Sending::pictures) {
                    player.request(height, kbps, paused);
                }
            }
            Event::Stats { receive_kbps, class } => {
                self.report.received.class = Some(class);
                self.report.received.class_kbps = Some(receive_kbps);
            }
            Event::Muted {} => self.muted = true,
            Event::Closing { reason } => return Ok(Some(Outcome::Closed { reason })),
            Event::VideoRequest { .. } | Event::Other => {}
        }
        Ok(None)
    }

    async fn obey(&mut self, command: Command) {
        let nothing = StateChange::default();
        match command {
            Command::Mute(muted) => {
                self.muted = muted;
                self.door.tell(StateChange { muted: Some(muted), ..nothing }).await;
            }
            Command::Camera(camera) => {
                self.camera = camera;
                self.door.tell(StateChange { camera: Some(camera), ..nothing }).await;
            }
            Command::Layout(layout) => {
                self.door.tell(StateChange { layout: Some(layout), ..nothing }).await;
            }
            Command::Overlay(overlay) => {
                self.door.tell(StateChange { overlay: Some(overlay), ..nothing }).await;
            }
            Command::Network(profile) => self.wires.set_profile(&profile).await,
            Command::Rebind => self.wires.rebind().await,
            Command::Forget => self.feed(Input::Forget),
            // Ends the loop before it comes here.
            Command::Leave => {}
        }
    }

    fn snapshot(&mut self, now: Mono) -> Result<(), Failure> {
        let is_late = now.since(self.begin) > CONNECT_WAIT_MAX;
        if is_late && self.report.join.connected_ms.is_none() {
            return Err(Failure::new("connect", format!("no way to the node within {CONNECT_WAIT_MAX:?}")));
        }
        self.count();
        if let Some(meter) = &mut self.meter {
            meter.feed(Input::Tick(now));
            let measured = meter.measured();
            self.take(measured);
        }
        self.publish.send_replace(self.report.clone());
        Ok(())
    }

    /// Brings the counts of what is sent up to date.
    fn count(&mut self) {
        if let Some((_, player)) = self.sending.as_mut().and_then(Sending::pictures) {
            let (counters, rung) = (player.counters(), player.current().map(|l| l.rung));
            self.report.sent.frames_skipped = counters.skipped;
            self.report.sent.loop_changes = counters.changes;
            self.report.sent.loop_height = rung.map(|rung| rung.height);
            self.report.sent.loop_kbps = rung.map(|rung| rung.kbps);
        }
        self.report.sent.late_ms = self.late.spread();
        self.report.received.unmeasured = self.meter.as_ref().map_or(0, |meter| meter.dropped);
    }

    fn take(&mut self, measured: Measured) {
        let Measured { main, content, sound, first_sound, first_picture } = measured;
        self.report.main = main;
        self.report.content = content;
        self.report.sound = sound;
        self.report.join.first_sound_ms = first_sound.map(|at| self.since_begin_ms(at));
        self.report.join.first_picture_ms = first_picture.map(|at| self.since_begin_ms(at));
    }
}

/// The next line that needs a key frame; never, for a bot that does not measure.
async fn wish(meter: &mut Option<Meter>) -> SourceKind {
    match meter {
        Some(meter) => match meter.wish().await {
            Some(line) => line,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}
