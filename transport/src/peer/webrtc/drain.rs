//! What a WebRTC peer takes out of the library: datagrams to send, events, and how the association goes on or ends.
//!
//! Flow: `str0m` -> **here** -> the peer's outbox, which [`WebRtcPeer::poll`] empties. Thread: io. Bound: [`ROUNDS_MAX`] turns of the
//! library at one and the same `now`. It never waits and never sends; a fault of the library ends this association and no other.

use super::{CONSENT_TIMEOUT, PAIR_SILENCE, Phase, ROUNDS_MAX, WebRtcPeer};
use crate::peer::guard::contained;
use crate::peer::{CloseReason, PeerEvent, PeerOutput, Proto, Transmit};
use bytes::Bytes;
use mcu_core::time::Mono;
use str0m::net::Protocol;
use str0m::{Event, IceConnectionState, Input, Output};

impl WebRtcPeer {
    /// Lets the library run at `now` if anything was written or asked since it last did.
    pub(super) fn flush_writes(&mut self, now: Mono) {
        if !std::mem::take(&mut self.dirty) || self.is_closed() {
            return;
        }
        self.advance(now);
        self.drain(now);
    }

    fn advance(&mut self, now: Mono) {
        let (rtc, at) = (&mut self.rtc, self.clock.instant(now));
        if !contained(|| rtc.handle_input(Input::Timeout(at)).is_ok()).unwrap_or(false) {
            self.fail();
        }
        for out in self.outgoing.iter_mut().flatten() {
            out.written = 0;
        }
    }

    /// Takes everything from the library that it has at `now`.
    pub(super) fn drain(&mut self, now: Mono) {
        if now != self.now {
            self.rounds = 0;
            self.now = self.now.max(now);
        }
        while !self.is_closed() {
            let rtc = &mut self.rtc;
            match contained(|| rtc.poll_output()) {
                Some(Ok(Output::Transmit(transmit))) => {
                    let proto = if transmit.proto == Protocol::Udp { Proto::Udp } else { Proto::Tcp };
                    let source = self.bound(proto, transmit.source);
                    let bytes = Bytes::from(Vec::from(transmit.contents));
                    let transmit = Transmit { proto, source, destination: transmit.destination, bytes };
                    self.outbox.push_back(PeerOutput::Transmit(transmit));
                }
                Some(Ok(Output::Event(event))) => self.take_event(now, event),
                Some(Ok(Output::Timeout(at))) => {
                    self.library_timeout = self.clock.mono(at);
                    let closing = match self.phase {
                        Phase::Closing(reason) => Some(reason),
                        _ if !self.rtc.is_alive() => Some(CloseReason::Fault),
                        _ => None,
                    };
                    let goes_on = self.library_timeout <= now && self.rounds < ROUNDS_MAX;
                    if let Some(reason) = closing.filter(|_| !goes_on || !self.rtc.is_alive()) {
                        self.finish(reason);
                    }
                    if !goes_on {
                        return;
                    }
                    self.rounds += 1;
                    self.advance(now);
                }
                Some(Err(_)) | None => self.fail(),
            }
        }
    }

    fn take_event(&mut self, now: Mono, event: Event) {
        match event {
            Event::Connected => {
                self.phase = Phase::Connected;
                self.outbox.push_back(PeerOutput::Event(PeerEvent::Connected));
            }
            Event::Closed => self.phase = Phase::Closing(CloseReason::Remote),
            Event::IceConnectionStateChange(state) => match (state, self.phase) {
                (IceConnectionState::Disconnected, Phase::Connected) => {
                    self.phase = Phase::Unheard { until: now + CONSENT_TIMEOUT.saturating_sub(PAIR_SILENCE) };
                }
                (IceConnectionState::Connected | IceConnectionState::Completed, Phase::Unheard { .. }) => {
                    self.phase = Phase::Connected;
                }
                _ => {}
            },
            event => {
                if let Some(event) = self.translator.translate(event, &mut self.rtc, &self.clock) {
                    self.outbox.push_back(PeerOutput::Event(event));
                }
            }
        }
    }

    /// Begins to end the association from our side.
    pub(super) fn end(&mut self, reason: CloseReason) {
        self.phase = Phase::Closing(reason);
        let rtc = &mut self.rtc;
        if !contained(|| rtc.close().is_ok()).unwrap_or(false) {
            self.finish(reason);
        }
    }

    /// The library cannot go on with this association.
    pub(super) fn fail(&mut self) {
        self.finish(match self.phase {
            Phase::Closing(reason) => reason,
            _ => CloseReason::Fault,
        });
    }

    fn finish(&mut self, reason: CloseReason) {
        if self.phase != Phase::Closed {
            self.phase = Phase::Closed;
            self.outbox.push_back(PeerOutput::Event(PeerEvent::Closed(reason)));
        }
    }
}
