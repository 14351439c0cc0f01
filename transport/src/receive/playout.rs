//! Adaptive playout of one sound stream: packets in, exactly 10 ms of 48 kHz sound out at each pull.
//!
//! Flow: packets (as they come) -> **here** -> gain, mixing. Thread: audio pool, one 10 ms job per conference.
//! Bound: `limits::PLAYOUT_PACKETS_MAX` packets, `limits::PLAYOUT_DELAY_MAX` of delay. Decodes only through the
//! caller's [`SoundDecoder`]; allocates nothing after it was made.

use super::concealment::{CONCEAL_STEP, Concealment};
use super::jitter::Jitter;
use super::stretch::{STRETCH_SAMPLES, STRETCH_SAMPLES_MIN, SampleQueue};
use bytes::Bytes;
use mcu_core::limits::PLAYOUT_PACKETS_MAX;
use mcu_core::media::codec::AudioCodec;
use mcu_core::media::packet::Packet;
use mcu_core::media::samples::{BLOCK_SAMPLES, Block};
use mcu_core::time::{Mono, TimestampLine};
use std::collections::VecDeque;
use std::time::Duration;

/// Samples of the longest packet: 120 ms (RFC 6716 §2.1.4).
const PACKET_SAMPLES_MAX: usize = 5_760;
/// Samples of a packet until one was decoded: 20 ms, what everybody sends.
const PACKET_SAMPLES_USUAL: usize = 960;
/// Sound before the playing position that is kept while out of the mix, for the decoder to settle on: 80 ms.
const PREROLL_SAMPLES: i64 = 3_840;
/// Samples over which a stream fades in when it begins.
const FADE_IN: usize = BLOCK_SAMPLES;
/// Delay over the goal that is shortened away: one packet, so that nothing is done about what a packet's length explains.
const OVER: i64 = 20_000_000;
/// Delay under the goal that is lengthened: any, for under it packets come too late.
const UNDER: i64 = 0;
/// Delay off the goal at which a splice may be heard rather than the delay.
const FAR: i64 = 40_000_000;
/// Delay off the goal at which any splice will do, and at every pull.
const TOO_FAR: i64 = 100_000_000;
/// The least time between two splices, so that speech does not sound like a robot's.
const STRETCH_INTERVAL: Duration = Duration::from_millis(50);
/// Delay over the goal at which a loss is jumped over rather than concealed.
const JUMP_NS: i64 = 30_000_000;
/// Made-up samples after which the stream has stopped, and begins anew when it comes back: 500 ms.
const STOPPED: usize = 24_000;
/// Made-up samples that may turn out to have been a loss: 10 s.
const PENDING_MAX: u64 = 480_000;
/// A packet as small as this is a sender's last word before silence (RFC 7587 §3.1.3, DTX).
const DTX_BYTES_MAX: usize = 2;

/// The decoder gave up on a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sound packet cannot be decoded")]
pub struct DecodeFailed;

/// What decodes, as playout needs it: 48 kHz, mono, `f32` in -1.0..=1.0. Calls come in the order of the stream. Playout
/// itself knows no codec: it says of which each packet is, which may change from one to the next.
pub trait SoundDecoder {
    /// Decodes a packet to the front of `out` (120 ms long), and returns the number of samples.
    ///
    /// # Errors
    /// [`DecodeFailed`]; playout conceals instead.
    fn decode(&mut self, codec: AudioCodec, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeFailed>;

    /// Restores the packet before `next` from what `next` carries of it; fills all of `out`, as long as that packet.
    ///
    /// # Errors
    /// [`DecodeFailed`] when `next` carries nothing of it; playout conceals instead.
    fn decode_fec(&mut self, codec: AudioCodec, next: &[u8], out: &mut [f32]) -> Result<(), DecodeFailed>;

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
    /// RTP timestamp in samples of 48 kHz, whatever the codec's clock.
    pub timestamp: u32,
    /// When its datagram arrived.
    pub arrival: Mono,
    /// What the payload is.
    pub codec: AudioCodec,
    /// The codec's packet.
    pub payload: Bytes,
}

impl SoundPacket {
    /// What arrived on the wire, whose payload type says `codec`.
    pub fn new(packet: &Packet, codec: AudioCodec) -> Self {
        Self {
            sequence: packet.sequence,
            timestamp: codec.timestamp_at_48_khz(packet.timestamp),
            arrival: packet.arrival,
            codec,
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

#[derive(Debug)]
struct Held {
    sequence: u64,
    timestamp: i64,
    codec: AudioCodec,
    payload: Bytes,
}

/// The jitter buffer of one sound stream.
#[derive(Debug)]
pub struct SoundBuffer {
    packets: VecDeque<Held>,
    line: TimestampLine,
    jitter: Jitter,
    /// Decoded, not yet played.
    sound: SampleQueue,
    scratch: Box<[f32]>,
    /// Playing; otherwise waiting for a packet to be due.
    playing: bool,
    /// The first sample and the first packet not yet decoded.
    next_timestamp: i64,
    next_sequence: u64,
    packet_samples: usize,
    concealment: Concealment,
    /// Samples made up since the last packet, whose reason the next packet will tell.
    pending: u64,
    fade_in: bool,
    stretched_at: Option<Mono>,
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
        Self {
            packets: VecDeque::with_capacity(PLAYOUT_PACKETS_MAX + 1),
            line: TimestampLine::new(),
            jitter: Jitter::new(),
            sound: SampleQueue::new(),
            scratch: vec![0.0; PACKET_SAMPLES_MAX].into_boxed_slice(),
            playing: false,
            next_timestamp: 0,
            next_sequence: 0,
            packet_samples: PACKET_SAMPLES_USUAL,
            concealment: Concealment::default(),
            pending: 0,
            fade_in: true,
            stretched_at: None,
            counters: SoundCounters::default(),
        }
    }

    /// Takes a packet.
    pub fn push(&mut self, packet: SoundPacket) {
        let timestamp = self.line.unwrap(packet.timestamp);
        if !self.jitter.arrived(packet.sequence, timestamp, packet.arrival) {
            self.counters.discarded += self.packets.len() as u64;
            self.packets.clear();
            self.playing = false;
            self.next_sequence = packet.sequence;
        }
        let played =
            packet.sequence < self.next_sequence || (self.playing && timestamp < self.next_timestamp);
        // Almost always the new packet is the last: look from the back.
        let after = self.packets.iter().rev().take_while(|held| held.sequence > packet.sequence).count();
        let at = self.packets.len() - after;
        if played || (at > 0 && self.packets[at - 1].sequence == packet.sequence) {
            self.counters.late += 1;
            return;
        }
        let SoundPacket { sequence, codec, payload, .. } = packet;
        self.packets.insert(at, Held { sequence, timestamp, codec, payload });
        if self.packets.len() > PLAYOUT_PACKETS_MAX {
            self.packets.pop_front();
            self.counters.discarded += 1;
        }
    }

    /// Fills `out` with the next 10 ms. To be called every 10 ms, `now` being the tick.
    pub fn pull(&mut self, now: Mono, decoder: &mut impl SoundDecoder, out: &mut Block) -> Played {
        self.counters.total_samples += BLOCK_SAMPLES as u64;
        if !self.playing && !self.begin(now, decoder) {
            self.pending =
                if self.pending > 0 { self.pending + BLOCK_SAMPLES as u64 } else { 0 }.min(PENDING_MAX);
            if self.pending == 0 {
                self.counters.silent_samples += BLOCK_SAMPLES as u64;
            }
            out.fill(0.0);
            return Played::Silence;
        }
        while self.sound.len() < BLOCK_SAMPLES {
            self.fill(now, decoder);
        }
        self.stretch(now, decoder);
        self.sound.pop(out);
        if std::mem::take(&mut self.fade_in) {
            for (at, sample) in out.iter_mut().take(FADE_IN).enumerate() {
                *sample *= at as f32 / FADE_IN as f32;
            }
        }
        if self.concealment.run() >= STOPPED {
            self.playing = false;
            self.sound.clear();
        }
        match self.concealment.run() {
            0 => Played::Speech,
            _ if self.concealment.is_silent() => Played::Silence,
            _ => Played::Concealed,
        }
    }

    /// Begins (again) to play once the first packet is due.
    fn begin(&mut self, now: Mono, decoder: &mut impl SoundDecoder) -> bool {
        let Some((front, position)) = self.packets.front().zip(self.jitter.position(now)) else {
            return false;
        };
        if self.jitter.due(front.timestamp).is_none_or(|due| now < due) {
            return false;
        }
        self.settle_pending(front.sequence == self.next_sequence);
        self.drop_before(position.saturating_sub(PREROLL_SAMPLES));
        self.playing = true;
        self.fade_in = true;
        self.sound.clear();
        if let Some(front) = self.packets.front() {
            (self.next_sequence, self.next_timestamp) = (front.sequence, front.timestamp);
        }
        // What should have been played by now only warms the decoder up; less than a packet of it is played.
        while self
            .packets
            .front()
            .is_some_and(|front| front.timestamp.saturating_add(PACKET_SAMPLES_USUAL as i64) <= position)
        {
            self.decode_front(decoder);
            self.sound.clear();
        }
        self.concealment.reset();
        true
    }

    /// Drops packets that begin before `timestamp`, but for the last packet.
    fn drop_before(&mut self, timestamp: i64) {
        while self.packets.len() > 1 && self.packets[1].timestamp <= timestamp {
            self.packets.pop_front();
            self.counters.discarded += 1;
        }
    }

    /// Says what the samples made up lately stood for.
    fn settle_pending(&mut self, sender_was_silent: bool) {
        let pending = std::mem::take(&mut self.pending);
        if sender_was_silent {
            self.counters.silent_samples += pending;
        } else {
            self.counters.concealed_samples += pending;
        }
    }

    /// Appends some sound: a packet, one restored, or something made up.
    fn fill(&mut self, now: Mono, decoder: &mut impl SoundDecoder) {
        while self.packets.front().is_some_and(|front| front.timestamp < self.next_timestamp) {
            self.packets.pop_front();
            self.counters.late += 1;
        }
        let Some(front) = self.packets.front() else {
            return self.make_up(BLOCK_SAMPLES, decoder);
        };
        let (timestamp, in_turn) = (front.timestamp, front.sequence == self.next_sequence);
        let gap = timestamp - self.next_timestamp;
        if gap == 0 {
            // Whatever was made up meanwhile: this packet was late for it.
            self.settle_pending(false);
            return self.decode_front(decoder);
        }
        let remaining = gap.saturating_sub(self.pending as i64);
        let over = self.jitter.due(timestamp).map_or(0, |due| signed_ns(now, due));
        let resume = if in_turn || self.concealment.is_silent() { over >= 0 } else { over >= JUMP_NS };
        if resume || (remaining <= 0 && !self.concealment.is_silent()) {
            self.settle_pending(in_turn);
            self.fade_in |= self.concealment.is_silent();
            self.next_timestamp = timestamp;
            return self.decode_front(decoder);
        }
        if !in_turn && remaining <= self.packet_samples as i64 {
            return self.restore_front(remaining as usize, decoder);
        }
        let room = if in_turn { remaining } else { remaining - self.packet_samples as i64 };
        self.make_up(room.clamp(1, BLOCK_SAMPLES as i64) as usize, decoder);
    }

    /// Makes up at least `samples`, without moving on in the stream.
    fn make_up(&mut self, samples: usize, decoder: &mut impl SoundDecoder) {
        let count = samples.next_multiple_of(CONCEAL_STEP);
        let out = &mut self.scratch[..count];
        self.concealment.fill(decoder, out);
        self.sound.push(out);
        self.pending = (self.pending + count as u64).min(PENDING_MAX);
    }

    /// Restores `samples` of the packet before the front one, and moves on to the front one.
    fn restore_front(&mut self, samples: usize, decoder: &mut impl SoundDecoder) {
        let whole = self.packet_samples.next_multiple_of(CONCEAL_STEP);
        let count = samples.next_multiple_of(CONCEAL_STEP).min(whole);
        let Some(front) = self.packets.front() else {
            return;
        };
        if decoder.decode_fec(front.codec, &front.payload, &mut self.scratch[..whole]).is_ok() {
            self.next_timestamp = front.timestamp;
            self.next_sequence = front.sequence;
            // The beginning of it was concealed already, when nothing was known yet.
            self.sound.push(&self.scratch[whole - count..whole]);
            self.counters.fec_samples += count as u64;
            self.settle_pending(false);
            self.concealment.reset();
        } else {
            let (timestamp, sequence) = (front.timestamp, front.sequence);
            self.make_up(count, decoder);
            self.settle_pending(false);
            self.next_timestamp = timestamp;
            self.next_sequence = sequence;
        }
    }

    /// Decodes the front packet and moves on behind it.
    fn decode_front(&mut self, decoder: &mut impl SoundDecoder) {
        let Some(front) = self.packets.pop_front() else {
            return;
        };
        self.next_sequence = front.sequence.saturating_add(1);
        self.next_timestamp = front.timestamp;
        match decoder.decode(front.codec, &front.payload, &mut self.scratch) {
            Ok(count) if (1..=PACKET_SAMPLES_MAX).contains(&count) => {
                self.sound.push(&self.scratch[..count]);
                self.next_timestamp += count as i64;
                self.concealment.reset();
                if front.payload.len() > DTX_BYTES_MAX {
                    self.packet_samples = count;
                }
            }
            _ => {
                // Its place is filled as if it had been lost.
                self.counters.refused += 1;
                self.make_up(self.packet_samples, decoder);
                self.settle_pending(false);
                self.next_timestamp += self.packet_samples as i64;
            }
        }
    }

    /// Moves the delay towards the goal by one pitch period, if it is off and the sound allows.
    fn stretch(&mut self, now: Mono, decoder: &mut impl SoundDecoder) {
        if self.concealment.run() > 0 || self.fade_in {
            return;
        }
        let Some(delay) = self.jitter.delay_ns(self.playing_timestamp(), now) else {
            return;
        };
        let off = delay - self.jitter.goal().as_nanos() as i64;
        let recent = self.stretched_at.is_some_and(|at| now.since(at) < STRETCH_INTERVAL);
        if (-UNDER..=OVER).contains(&off) || (recent && off.abs() < TOO_FAR) {
            return;
        }
        while self.sound.len() < STRETCH_SAMPLES
            && self.packets.front().is_some_and(|front| front.timestamp == self.next_timestamp)
        {
            self.decode_front(decoder);
        }
        let alike = match off.abs() {
            ..FAR => 0.9,
            FAR..TOO_FAR => 0.5,
            _ => -1.0,
        };
        let count = if off < 0 {
            let count = self.sound.expand(alike);
            self.counters.expanded_samples += count as u64;
            count
        } else if self.sound.len() >= BLOCK_SAMPLES + STRETCH_SAMPLES_MIN / 2 {
            let count = self.sound.accelerate(alike);
            self.counters.accelerated_samples += count as u64;
            count
        } else {
            0
        };
        if count > 0 {
            self.stretched_at = Some(now);
        }
    }

    /// The timestamp of the next sample to be played.
    const fn playing_timestamp(&self) -> i64 {
        self.next_timestamp - self.sound.len() as i64
    }

    /// Instead of [`pull`](Self::pull), while the stream is not in the mix: keeps undecoded what the next pull would
    /// play from, and the 80 ms before, from which the decoder settles. That pull fades in over 10 ms.
    pub fn skip(&mut self, now: Mono) {
        if self.playing {
            self.playing = false;
            self.sound.clear();
            self.concealment.reset();
        }
        self.pending = 0;
        if let Some(position) = self.jitter.position(now) {
            self.drop_before(position.saturating_sub(PREROLL_SAMPLES));
        }
    }

    /// The delay that this stream's jitter asks for, against its fastest packets; without the floor.
    pub const fn target(&self) -> Duration {
        self.jitter.target()
    }

    /// The delay that it has now, against its fastest packets; zero while it does not play.
    pub fn delay(&self, now: Mono) -> Duration {
        let delay = self.jitter.delay_ns(self.playing_timestamp(), now).filter(|_| self.playing).unwrap_or(0);
        Duration::from_nanos(u64::try_from(delay).unwrap_or(0))
    }

    /// The least delay to keep, so that sound waits for the picture (`LipSync::sound_floor`).
    pub const fn set_floor(&mut self, floor: Duration) {
        self.jitter.set_floor(floor);
    }

    /// Packets held, undecoded.
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether no packet is held.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// What happened so far.
    pub const fn counters(&self) -> SoundCounters {
        self.counters
    }
}

/// How long `now` is after `then`, negative when before.
const fn signed_ns(now: Mono, then: Mono) -> i64 {
    now.as_nanos() as i64 - then.as_nanos() as i64
}
