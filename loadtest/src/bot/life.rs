//! One bot's task: the way in, the loop that moves datagrams, events, pictures and sound, and the way out.
//!
//! Flow: `arrive` -> **here**, which ties `signal`, `peer`, `send`, `receive` and the relay together. Thread: one tokio
//! task. Bounds: those of its parts; a snapshot of the report goes out every `SNAPSHOT_INTERVAL`.

mod arrive;

use super::door::Door;
use super::jitter::Jitter;
use super::lateness::Lateness;
use super::peer::{ESTIMATE_INITIAL_KBPS, Peer, PeerError, PeerEvent};
use super::picture_log::Drawn;
use super::receive::{Input, Measured, Meter};
use super::report::{Outcome, Report};
use super::send::LoopPlayer;
use super::signal::{Event, SignalError, StateChange};
use super::{BotSpec, Command, Stage};
use crate::clock::wait_until;
use crate::media::loops::{LoopSet, SOUND_PACKET_SAMPLES};
use crate::media::sound::Voice;
use crate::relay::socket::Relay;
use mcu_core::id::SourceKind;
use mcu_core::limits::DATAGRAM_BYTES_MAX;
use mcu_core::media::samples::SAMPLE_RATE_HZ;
use mcu_core::time::{ClockRate, MediaTime, Mono};
use std::sync::Arc;
use std::time::Duration;
use str0m::net::Transmit;
use tokio::net::UdpSocket;
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

/// Lives one bot's life and returns its report.
pub(super) async fn live(
    spec: BotSpec,
    stage: Stage,
    inbox: mpsc::Receiver<Command>,
    publish: watch::Sender<Report>,
) -> Report {
    let begin = stage.clock.now();
    let mut report = Report::new(spec.sender, spec.name.clone(), spec.measures.is_some());
    report.outcome = match arrive::arrive(&spec, &stage, begin, &mut report).await {
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
    socket: UdpSocket,
    relay: Option<Relay>,
    peer: Peer,
    meter: Option<Meter>,
    /// Since the way is up.
    sending: Option<Sending>,
    camera: bool,
    muted: bool,
    rtc_due: Mono,
    refresh_due: Option<Mono>,
    /// Of its pictures.
    late: Lateness,
    jitter: Jitter,
    report: Report,
    publish: watch::Sender<Report>,
}

/// What is being sent.
struct Sending {
    player: LoopPlayer,
    set: Arc<LoopSet>,
    start: Mono,
    /// The next packet of sound.
    sound: u64,
    rung_told: Option<u32>,
}

impl Sending {
    fn sound_due(&self) -> Mono {
        self.start + self.sound_at().to_duration()
    }

    fn sound_at(&self) -> MediaTime {
        MediaTime::from_rtp(self.sound as i64 * i64::from(SOUND_PACKET_SAMPLES), ClockRate::OPUS)
    }
}

impl Life {
    fn new(
        spec: BotSpec,
        stage: Stage,
        begin: Mono,
        parts: arrive::Parts,
        report: Report,
        publish: watch::Sender<Report>,
    ) -> Self {
        let arrive::Parts { door, socket, relay, peer, meter } = parts;
        let refresh_due = door.refresh_after().map(|span| begin + span);
        let muted = spec.muted;
        Self {
            spec,
            stage,
            begin,
            door,
            socket,
            relay,
            peer,
            meter,
            sending: None,
            camera: true,
            muted,
            rtc_due: begin,
            refresh_due,
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
                read = self.socket.recv_from(&mut buffer) => self.receive(read, &mut buffer)?,
                event = self.door.event() => if let Some(outcome) = self.hear(event)? {
                    return Ok(outcome);
                },
                line = wish(&mut self.meter) => self.peer.request_keyframe(line),
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
        let media = self.sending.as_ref().map(|sending| {
            let picture = sending.player.next_due();
            if self.muted { picture } else { picture.min(sending.sound_due()) }
        });
        media.map_or(self.rtc_due, |media| media.min(self.rtc_due))
    }

    /// Hands the transport what is due.
    fn send_media(&mut self) {
        let now = self.now();
        let instant = self.stage.clock.instant(now);
        let Some(sending) = &mut self.sending else { return };
        let is_blocked = self.peer.is_blocked(instant);
        if let Some(play) = sending.player.play(now, is_blocked || !self.camera) {
            let drawn = Drawn { scenery: sending.set.spec().scenery, size: play.size };
            self.stage.pictures.sent(self.spec.sender, play.number, drawn, now);
            self.peer.send_picture(instant, play.unit, play.at);
            self.report.sent.bytes += play.unit.payloads.iter().map(|p| p.len() as u64).sum::<u64>();
            self.report.sent.frames += 1;
            self.report.sent.keyframes += u64::from(play.unit.keyframe);
            let late = now.since(play.due);
            self.stage.lateness.note(late);
            self.late.note(late);
        }
        let kbps = sending.player.current().map(|l| l.rung.kbps);
        if kbps != sending.rung_told {
            sending.rung_told = kbps;
            let most = sending.set.loops().last().map_or(0, |l| l.rung.kbps);
            self.peer.set_rates(kbps.unwrap_or(0), most + most / 2);
        }
        while sending.sound_due() <= now {
            let index = (sending.sound % sending.set.sound().len().max(1) as u64) as usize;
            if let Some(packet) = sending.set.sound().get(index).filter(|_| !self.muted) {
                let level =
                    if sending.set.spec().voice == Voice::Silent { LEVEL_DBOV_SILENT } else { LEVEL_DBOV };
                self.stage.lateness.note(now.since(sending.sound_due()));
                if (index as u64).is_multiple_of(BEEP_PACKETS) {
                    self.stage.beeps.said(self.spec.sender, now);
                }
                self.peer.send_sound(instant, packet, sending.sound_at(), level);
                self.report.sent.sound_packets += 1;
                self.report.sent.bytes += packet.len() as u64;
            }
            sending.sound += 1;
        }
    }

    /// Lets the transport work: datagrams out, events in.
    async fn move_media(&mut self) -> Result<(), Failure> {
        let (mut datagrams, mut events) = (Vec::<Transmit>::new(), Vec::new());
        let now = self.now();
        let next = self.peer.poll(self.stage.clock.instant(now), now, &mut datagrams, &mut events);
        self.rtc_due = self.stage.clock.mono(next.map_err(|error| Failure::media(&error))?);
        for datagram in datagrams {
            // A full socket buffer loses it, as any network may.
            let _ = self.socket.send_to(&datagram.contents, datagram.destination).await;
        }
        events.into_iter().try_for_each(|event| self.happened(event, now))
    }

    fn happened(&mut self, event: PeerEvent, now: Mono) -> Result<(), Failure> {
        match event {
            PeerEvent::Connected => self.connected(now),
            PeerEvent::Closed => return Err(Failure::new("media", "the node closed the connection")),
            PeerEvent::KeyframeRequest => {
                self.report.sent.keyframe_requests += 1;
                if let Some(sending) = &mut self.sending {
                    sending.player.request_keyframe();
                }
            }
            PeerEvent::EstimateKbps(kbps) => {
                self.report.sent.estimate_kbps = Some(u64::from(kbps));
                if let Some(sending) = &mut self.sending {
                    sending.player.set_estimate(kbps);
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
            let player = LoopPlayer::new(Arc::clone(&set), now, ESTIMATE_INITIAL_KBPS);
            self.sending = Some(Sending { player, set, start: now, sound: 0, rung_told: None });
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
        first: std::io::Result<(usize, std::net::SocketAddr)>,
        buffer: &mut [u8],
    ) -> Result<(), Failure> {
        let mut read = first;
        // One moment for all that waits: it came together.
        let now = self.now();
        let instant = self.stage.clock.instant(now);
        for _ in 0..READS_MAX {
            // An error of a datagram socket is some datagram's ICMP: nothing that a peer has to know.
            let Ok((len, source)) = read else { break };
            // The peer knows the node by the address in its answer: with a relay, the relay's.
            self.peer.handle(instant, now, source, &buffer[..len]).map_err(|error| Failure::media(&error))?;
            read = self.socket.try_recv_from(buffer);
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
                if let Some(sending) = &mut self.sending {
                    sending.player.request(height, kbps, paused);
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
            Command::Network(profile) => {
                if let Some(relay) = &self.relay {
                    relay.set_profile(profile).await;
                }
            }
            Command::Rebind => {
                if let Some(relay) = &self.relay {
                    relay.rebind().await;
                }
            }
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
        if let Some(sending) = &self.sending {
            let (counters, rung) = (sending.player.counters(), sending.player.current().map(|l| l.rung));
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
