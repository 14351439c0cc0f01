//! One authenticated RTP packet, still sealed: its payload has been decrypted from SRTP, but nothing has
//! looked inside.

use crate::time::Mono;
use bytes::Bytes;

/// An RTP packet after SRTP authentication (hop `unprotect`).
#[derive(Debug, Clone)]
pub struct Packet {
    /// Sequence number, unwrapped (RFC 3711 §3.3.1 extended index).
    pub sequence: u64,
    /// RTP timestamp as on the wire.
    pub timestamp: u32,
    /// RTP marker bit.
    pub marker: bool,
    /// When its datagram arrived.
    pub arrival: Mono,
    /// RFC 6464 level in -dBov (0 loudest, 127 silence), as *claimed* by the sender.
    pub audio_level_dbov: Option<u8>,
    /// RTP payload, without padding.
    pub payload: Bytes,
}

/// A sender report's pair of clocks (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport {
    /// The sender's wallclock as NTP time, 32.32 fixed point seconds.
    pub ntp: u64,
    /// The same moment as an RTP timestamp of the stream.
    pub timestamp: u32,
}
