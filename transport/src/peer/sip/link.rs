//! Link: how a line of a SIP device gets its keys and its way, where those do not stand in SDP: by a DTLS handshake, over a path that ICE has found if it was offered.
//!
//! Flow: datagrams of STUN and DTLS (RFC 7983), and time -> **here** -> `leg`'s seal and way. Thread: io. Sans-I/O. A handshake goes where ICE has proven a path; without
//! ICE where `way` lets packets without protection go. Bounds: those of `ice` and `handshake`. A panic in a library ends the line, not the thread.

use super::super::ClockBase;
use super::super::guard::contained;
use super::super::webrtc::TIMEOUT_STEP_MIN;
use super::handshake::{Handshake, HandshakeError, Outcome};
use super::ice::Ice;
use super::seal::Seal;
use super::terms::Terms;
use super::way::{Flow, Way};
use bytes::Bytes;
use mcu_core::time::Mono;
use std::net::SocketAddr;

/// One line's.
pub(super) struct Link {
    clock: ClockBase,
    ice: Option<Ice>,
    handshake: Handshake,
    /// There is a path for the handshake: what ICE chose, or what SDP says.
    begun: bool,
    /// The far end has closed it: nothing is to be sent under its keys any more.
    closed: bool,
    broken: Option<HandshakeError>,
    due: Option<Mono>,
}

impl Link {
    /// Nothing leaves before [`run`](Self::run). `here` is what the device was told to reach us by. `None` when a library refuses.
    pub(super) fn new(terms: &Terms, here: SocketAddr, clock: ClockBase, now: Mono) -> Option<Self> {
        contained(|| {
            let ice = match &terms.ice {
                Some(ice) => Some(Ice::new(ice, here)?),
                None => None,
            };
            let handshake =
                Handshake::new(&terms.identity, terms.role, terms.theirs.clone(), clock.instant(now))?;
            let begun = ice.is_none();
            Some(Self { clock, ice, handshake, begun, closed: false, broken: None, due: Some(now) })
        })?
    }

    /// Takes a datagram that is neither RTP nor RTCP; false when it was refused. [`run`](Self::run) afterwards.
    pub(super) fn take(&mut self, bytes: &[u8], source: SocketAddr, way: &mut Way, now: Mono) -> bool {
        let at = self.clock.instant(now);
        let taken = contained(|| match bytes.first() {
            Some(0..=3) => self.ice.as_mut().is_some_and(|ice| ice.take(at, source, bytes)),
            Some(20..=63) if self.begun && !self.closed => {
                if !self.may_shake(source, way, now) {
                    return false;
                }
                if let Err(error) = self.handshake.take(at, bytes) {
                    self.broken = Some(error);
                }
                true
            }
            _ => false,
        });
        taken.unwrap_or_else(|| {
            self.broken = Some(HandshakeError::Failed);
            false
        })
    }

    /// Whether a record of DTLS may come from `source`.
    fn may_shake(&self, source: SocketAddr, way: &mut Way, now: Mono) -> bool {
        if let Some(ice) = &self.ice {
            return ice.reaches(source);
        }
        let may = way.may_come_from(Flow::Rtp, source, now);
        if may {
            way.heard_handshake(source, now);
        }
        may
    }

    /// Lets the libraries go on; their datagrams go to `send`. Returns the seal once there is one.
    ///
    /// # Errors
    /// See [`HandshakeError`]; the line is of no use then.
    pub(super) fn run(
        &mut self,
        now: Mono,
        way: &mut Way,
        send: &mut dyn FnMut(SocketAddr, Bytes),
    ) -> Result<Option<Seal>, HandshakeError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        contained(|| self.go_on(now, way, send)).unwrap_or(Err(HandshakeError::Failed))
    }

    fn go_on(
        &mut self,
        now: Mono,
        way: &mut Way,
        send: &mut dyn FnMut(SocketAddr, Bytes),
    ) -> Result<Option<Seal>, HandshakeError> {
        let at = self.clock.instant(now);
        if let Some(path) = self.ice.as_mut().and_then(|ice| ice.run(at, send)) {
            way.choose(path);
            self.begun = true;
        }
        let mut seal = None;
        if self.begun && !self.closed {
            let to = way.rtp();
            match self.handshake.run(at, &mut |bytes| send(to, Bytes::copy_from_slice(bytes)))? {
                Some(Outcome::Keys(keys)) => {
                    way.authenticates();
                    seal = Some(Seal::srtp(&keys.theirs, &keys.ours).ok_or(HandshakeError::NoSrtp)?);
                }
                Some(Outcome::Goodbye) => self.closed = true,
                None => {}
            }
        }
        let handshake = (self.begun && !self.closed).then(|| self.handshake.due());
        let next = self.ice.as_mut().and_then(Ice::due).into_iter().chain(handshake).min();
        self.due = next.map(|next| self.clock.mono(next).max(now + TIMEOUT_STEP_MIN));
        Ok(seal)
    }

    /// When to go on at the latest; `None` when only for a datagram.
    pub(super) const fn due(&self) -> Option<Mono> {
        self.due
    }

    /// Whether the far end wants nothing more on this line, or does not answer for it any more.
    pub(super) fn is_lost(&self) -> bool {
        self.closed || self.ice.as_ref().is_some_and(Ice::has_lost_consent)
    }

    /// Says goodbye.
    pub(super) fn close(&mut self, way: &Way, send: &mut dyn FnMut(SocketAddr, Bytes)) {
        let to = way.rtp();
        // Nothing of it is used any more, whatever became of it.
        let _ = contained(|| self.handshake.close(&mut |bytes| send(to, Bytes::copy_from_slice(bytes))));
    }
}
