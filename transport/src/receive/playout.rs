//! Adaptive playout of one sound stream: packets in, exactly 10 ms of 48 kHz sound out at each pull.
//!
//! Flow: packets (as they come) -> **here** -> gain, mixing. Thread: audio pool, one 10 ms job per conference.
//! Bound: `limits::PLAYOUT_PACKETS_MAX` packets, `limits::PLAYOUT_DELAY_MAX` of delay. Decodes only through the
//! caller's [`SoundDecoder`]; allocates nothing after it was made.

use bytes::Bytes;
use mcu_core::media::packet::Packet;
use mcu_core::media::samples::Block;
use mcu_core::time::Mono;
use std::time::Duration;

/// The decoder gave up on a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sound packet cannot be decoded")]
pub struct DecodeFailed;

/// A codec, as playout needs it: 48 kHz, mono, `f32` in -1.0..=1.0. Calls come in the order of the stream.
pub trait SoundDecoder {
    /// Decodes a packet to the front of `out` (120 ms long), and returns the number of samples.
    ///
    /// # Errors
    /// [`DecodeFailed`]; playout conceals instead.
    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeFailed>;

    /// Restores the packet before `next` from what `next` carries of it; fills all of `out`.
    ///
    /// # Errors
    /// [`DecodeFailed`] when `next` carries nothing of it; playout conceals instead.
    fn decode_fec(&mut self, next: &[u8], out: &mut [f32]) -> Result<(), DecodeFailed>;

    /// Makes up all of `out` (a multiple of 2.5 ms) from what was decoded before.
    ///
    /// # Errors
    /// [`DecodeFailed`]; playout is silent instead.
    fn conceal(&mut self, out: &mut [f32]) -> Result<(), DecodeFailed>;
}

/// A packet of sound, in whatever order it comes.
#[derive(Debug, Clone)]
pub struct SoundPacket {
    /// Unwrapped sequence number.
    pub sequence: u64,
    /// RTP timestamp as on the wire, 48 kHz.
    pub timestamp: u32,
    /// When its datagram arrived.
    pub arrival: Mono,
    /// The codec's packet.
    pub payload: Bytes,
}

impl From<&Packet> for SoundPacket {
    fn from(packet: &Packet) -> Self {
        Self {
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            arrival: packet.arrival,
            payload: packet.payload.clone(),
        }
    }
}

/// What a pulled block is made of, mostly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Played {
    /// What the sender said.
    Speech,
    /// Made up for what is missing.
    Concealed,
    /// Nothing: not begun, between talk spurts, or nothing for so long that making it up would be a lie.
    Silence,
}

/// What happened in one stream, counted since the start. Samples are of 48 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SoundCounters {
    /// Samples given out.
    pub total_samples: u64,
    /// Samples made up for lost or late packets, silence after 60 ms of it included.
    pub concealed_samples: u64,
    /// Samples of silence where the sender said nothing.
    pub silent_samples: u64,
    /// Samples restored by forward error correction; not concealed.
    pub fec_samples: u64,
    /// Samples taken out to shorten the delay.
    pub accelerated_samples: u64,
    /// Samples put in to lengthen the delay.
    pub expanded_samples: u64,
    /// Packets that came after their moment, and duplicates.
    pub late: u64,
    /// Packets dropped undecoded: skipped while out of the mix, or over the bound.
    pub discarded: u64,
    /// Packets that the decoder refused.
    pub refused: u64,
}

/// The jitter buffer of one sound stream.
#[derive(Debug)]
pub struct SoundBuffer {
    counters: SoundCounters,
}

impl Default for SoundBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl SoundBuffer {
    /// An empty buffer. Allocates all that it ever will.
    pub fn new() -> Self {
        Self { counters: SoundCounters::default() }
    }

    /// Takes a packet.
    pub fn push(&mut self, _packet: SoundPacket) {}

    /// Fills `out` with the next 10 ms. To be called every 10 ms, `now` being the tick.
    pub fn pull(&mut self, _now: Mono, _decoder: &mut impl SoundDecoder, _out: &mut Block) -> Played {
        Played::Silence
    }

    /// Instead of [`pull`](Self::pull), while the stream is not in the mix: keeps the last 80 ms of packets
    /// undecoded. The next pull decodes from there and fades in over 10 ms.
    pub fn skip(&mut self, _now: Mono) {}

    /// The delay that this stream's jitter asks for, against its fastest packets; without the floor.
    pub fn target(&self) -> Duration {
        Duration::ZERO
    }

    /// The delay that it has now, against its fastest packets; zero before it began.
    pub fn delay(&self, _now: Mono) -> Duration {
        Duration::ZERO
    }

    /// The least delay to keep, so that sound waits for the picture (`LipSync::sound_floor`).
    pub fn set_floor(&mut self, _floor: Duration) {}

    /// What happened so far.
    pub const fn counters(&self) -> SoundCounters {
        self.counters
    }
}
