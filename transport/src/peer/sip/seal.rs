//! Seal: what the packets of one line are opened and sealed with.
//!
//! Flow: `leg` -> **here** -> the SRTP library. Thread: io. Three states and no fourth: in the clear because that was agreed, not yet because keys are being
//! negotiated, and SRTP. While there are no keys yet nothing is opened and nothing leaves.

use super::sdes::Key;
use srtp::Session;

/// See the module.
pub(super) enum Seal {
    /// None: the line was agreed to be in the clear.
    Clear,
    /// Its keys are still to come.
    Awaited,
    /// SRTP.
    Srtp {
        /// Opens any stream of the far end, with a replay window each.
        inbound: Session,
        /// Seals ours.
        outbound: Session,
    },
}

impl Seal {
    /// SRTP by a key for each way. `None` when the library refuses them.
    pub(super) fn srtp(theirs: &Key, ours: &Key) -> Option<Self> {
        Some(Self::Srtp { inbound: theirs.inbound()?, outbound: ours.outbound()? })
    }

    /// Whether packets may flow.
    pub(super) const fn is_ready(&self) -> bool {
        !matches!(self, Self::Awaited)
    }

    /// Opens an RTP packet in place; false when it is not to be believed.
    pub(super) fn open(&mut self, packet: &mut Vec<u8>) -> bool {
        match self {
            Self::Clear => true,
            Self::Awaited => false,
            Self::Srtp { inbound, .. } => inbound.unprotect(packet).is_ok(),
        }
    }

    /// The same of RTCP.
    pub(super) fn open_rtcp(&mut self, packet: &mut Vec<u8>) -> bool {
        match self {
            Self::Clear => true,
            Self::Awaited => false,
            Self::Srtp { inbound, .. } => inbound.unprotect_rtcp(packet).is_ok(),
        }
    }

    /// Seals an RTP packet in place; false when it must not leave (no key yet, or one at the end of its life).
    pub(super) fn close(&mut self, packet: &mut Vec<u8>) -> bool {
        match self {
            Self::Clear => true,
            Self::Awaited => false,
            Self::Srtp { outbound, .. } => outbound.protect(packet).is_ok(),
        }
    }

    /// The same of RTCP.
    pub(super) fn close_rtcp(&mut self, packet: &mut Vec<u8>) -> bool {
        match self {
            Self::Clear => true,
            Self::Awaited => false,
            Self::Srtp { outbound, .. } => outbound.protect_rtcp(packet).is_ok(),
        }
    }

    /// Lets go of what is known of a stream of the far end.
    pub(super) fn forget(&mut self, ssrc: u32) {
        if let Self::Srtp { inbound, .. } = self {
            // It has it, or has nothing to forget.
            let _ = inbound.remove_stream(ssrc);
        }
    }

    /// Takes over from the session before, whose keys were the same: the far end's streams with their roll-over counts (RFC 3711 §3.3.1) and
    /// what was opened already; ours as well where they go on, or where nobody but the one before has the keys.
    pub(super) fn succeed(&mut self, before: &mut Self, ours_too: bool) {
        match (&mut *self, &mut *before) {
            (Self::Srtp { inbound, outbound }, Self::Srtp { inbound: theirs, outbound: ours }) => {
                std::mem::swap(inbound, theirs);
                if ours_too {
                    std::mem::swap(outbound, ours);
                }
            }
            _ => std::mem::swap(self, before),
        }
    }
}
