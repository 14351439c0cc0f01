//! Plays received sound at a fixed delay and says what was missing: the yardstick of concealment.
//!
//! Flow: `receive` -> **here** -> `tone`. Thread: the measuring one. Bound: `PACKETS_MAX`. Deliberately simple and not the
//! node's own buffer: each packet is due [`DELAY`] after the earliest that its stream's timing allows, so that jitter
//! over that counts as loss. Browsers adapt; figures here are therefore an upper bound of theirs.
//!
//! A gap is told from silence by what comes after it: while nothing later is there, nothing is made up. A missing
//! sequence number is then a loss; a later timestamp without one is a pause; a packet that comes after its moment, with
//! none missing, stalled the sound for as long as it is late.

use bytes::Bytes;
use codecs::opus::packet_samples;
use codecs::sound::{PACKET_SAMPLES_MAX, SoundDecoder};
use mcu_core::media::packet::Packet;
use mcu_core::time::{ClockRate, MediaTime, Mono, TimestampLine};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long after its earliest possible moment a packet is played.
pub const DELAY: Duration = Duration::from_millis(100);
/// Packets waiting: two seconds.
const PACKETS_MAX: usize = 100;
/// What a missing packet is taken to have held: 20 ms.
const MISSING_SAMPLES: usize = 960;
/// Missing packets in a row after which the stream is taken to have paused.
const MISSING_MAX: u32 = 100;

/// Counts of one stream, in samples of 48 kHz.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlayoutCounters {
    /// Played, made-up ones among them.
    pub samples: u64,
    /// Made up.
    pub concealed_samples: u64,
    /// Restored from the recovery copy in the packet after.
    pub recovered_samples: u64,
    /// Runs of made-up sound.
    pub gaps: u64,
}

/// One stretch of played sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Its first sample: the RTP timestamp, unwrapped.
    pub timestamp: i64,
    /// When that was played.
    at: Mono,
    samples: usize,
}

impl Piece {
    /// When the sample at `timestamp`, of this piece or near it, was played.
    pub fn moment_of(&self, timestamp: i64) -> Mono {
        let since = nanos(timestamp) - nanos(self.timestamp);
        let span = Duration::from_nanos(since.unsigned_abs() as u64);
        if since < 0 { self.at.before(span) } else { self.at + span }
    }
}

/// A packet that has not been played.
#[derive(Debug, Clone)]
struct Waiting {
    timestamp: i64,
    arrival: Mono,
    payload: Bytes,
}

/// The buffer of one stream.
#[derive(Debug, Default)]
pub struct Playout {
    waiting: BTreeMap<u64, Waiting>,
    line: TimestampLine,
    /// The least of arrival minus timestamp, in nanoseconds: when the sender's zero was, at the earliest.
    origin_ns: Option<i128>,
    /// Sequence number and timestamp of what is to be played next.
    next: Option<(u64, i64)>,
    missing_in_a_row: u32,
    /// How far playing is behind its moments, since packets came late.
    stalled_ns: i128,
    /// Counts so far.
    pub counters: PlayoutCounters,
}

impl Playout {
    /// Takes a packet in whatever order it comes; one that is too late is dropped.
    pub fn push(&mut self, packet: &Packet) {
        let timestamp = self.line.unwrap(packet.timestamp);
        let origin = i128::from(packet.arrival.as_nanos()) - nanos(timestamp);
        self.origin_ns = Some(self.origin_ns.map_or(origin, |least| least.min(origin)));
        let is_late = self.next.is_some_and(|(sequence, _)| packet.sequence < sequence);
        if !is_late && self.waiting.len() < PACKETS_MAX {
            let payload = packet.payload.clone();
            self.waiting.insert(packet.sequence, Waiting { timestamp, arrival: packet.arrival, payload });
        }
    }

    /// Plays what is due by `now` through `decoder` and hands each piece to `heard`.
    pub fn play(&mut self, now: Mono, decoder: &mut dyn SoundDecoder, mut heard: impl FnMut(Piece, &[f32])) {
        let mut pcm = [0.0; PACKET_SAMPLES_MAX];
        while let Some(piece) = self.next_piece(now, decoder, &mut pcm) {
            heard(piece, &pcm[..piece.samples]);
            self.counters.samples += piece.samples as u64;
        }
    }

    /// Decodes or makes up the next piece if it is due.
    fn next_piece(&mut self, now: Mono, decoder: &mut dyn SoundDecoder, pcm: &mut [f32]) -> Option<Piece> {
        // Nothing later has come: whether anything is missing cannot be told yet.
        let (first, packet) = self.waiting.first_key_value()?;
        let (sequence, expected) = self.next.unwrap_or((*first, packet.timestamp));
        // A sender that was silent goes on with a later timestamp and the next sequence number.
        let timestamp = if *first == sequence { packet.timestamp } else { expected };
        let due = self.origin_ns? + nanos(timestamp) + DELAY.as_nanos() as i128;
        if i128::from(now.as_nanos()) < due {
            return None;
        }
        let samples = match self.waiting.remove(&sequence) {
            Some(packet) => {
                self.stall(i128::from(packet.arrival.as_nanos()) - due);
                self.decode(decoder, &packet.payload, pcm)
            }
            None => self.conceal(decoder, sequence, pcm)?,
        };
        self.next = Some((sequence + 1, timestamp + samples as i64));
        let played_ns = u64::try_from(due + self.stalled_ns).unwrap_or(0);
        Some(Piece { timestamp, at: Mono::ZERO + Duration::from_nanos(played_ns), samples })
    }

    /// Counts what a browser would have made up while it waited for a packet that came `late_ns` after its moment.
    fn stall(&mut self, late_ns: i128) {
        let late_ns = late_ns.max(0);
        let more_ns = late_ns - self.stalled_ns;
        if more_ns > 0 {
            self.counters.gaps += u64::from(self.stalled_ns == 0);
            let samples = (more_ns * 48 / 1_000_000) as u64;
            self.counters.concealed_samples += samples;
            self.counters.samples += samples;
        }
        self.stalled_ns = late_ns;
    }

    fn decode(&mut self, decoder: &mut dyn SoundDecoder, payload: &[u8], pcm: &mut [f32]) -> usize {
        self.missing_in_a_row = 0;
        match decoder.decode(payload, pcm) {
            Ok(samples) => samples,
            Err(_) => {
                let samples = packet_samples(payload).unwrap_or(MISSING_SAMPLES);
                pcm[..samples].fill(0.0);
                self.counters.concealed_samples += samples as u64;
                samples
            }
        }
    }

    /// Fills in for a packet that has not come; `None` when the stream seems to have stopped.
    fn conceal(&mut self, decoder: &mut dyn SoundDecoder, sequence: u64, pcm: &mut [f32]) -> Option<usize> {
        if self.missing_in_a_row == MISSING_MAX {
            // Begin anew with whatever comes.
            self.next = None;
            self.missing_in_a_row = 0;
            self.origin_ns = None;
            self.waiting.clear();
            return None;
        }
        let follower = self.waiting.get(&(sequence + 1)).map(|packet| packet.payload.clone());
        if let Some(payload) = follower
            && has_recovery_copy(&payload)
            && decoder.decode_fec(&payload, MISSING_SAMPLES, pcm).is_ok()
        {
            self.counters.recovered_samples += MISSING_SAMPLES as u64;
            self.missing_in_a_row = 0;
            return Some(MISSING_SAMPLES);
        }
        if decoder.conceal(MISSING_SAMPLES, pcm).is_err() {
            pcm[..MISSING_SAMPLES].fill(0.0);
        }
        self.counters.gaps += u64::from(self.missing_in_a_row == 0);
        self.missing_in_a_row += 1;
        self.counters.concealed_samples += MISSING_SAMPLES as u64;
        Some(MISSING_SAMPLES)
    }
}

fn nanos(timestamp: i64) -> i128 {
    i128::from(MediaTime::from_rtp(timestamp, ClockRate::OPUS).ticks()) * 12_500 / 9
}

/// Whether an Opus packet carries an in-band recovery copy: SILK or hybrid mode, and the LBRR flag of the first
/// frame, the bit after its voice-activity flags (RFC 6716 §3.1, §4.2.4). Mono, one frame: what bots and node send.
fn has_recovery_copy(packet: &[u8]) -> bool {
    let [toc, first, ..] = packet else { return false };
    let config = toc >> 3;
    if config >= 16 || toc & 0b111 != 0 {
        return false;
    }
    // Configurations 0-11 are SILK of 10, 20, 40, 60 ms; 12-15 hybrid of 10, 20 ms. One VAD bit per 20 ms.
    let frames = if config < 12 { [1, 1, 2, 3][usize::from(config % 4)] } else { 1 };
    first >> (7 - frames) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::barcode::SenderId;
    use crate::media::sound::{Voice, sample};
    use codecs::opus::OpusSettings;
    use codecs::registry::{CodecFactory, NativeCodecs};
    use codecs::sound::FRAME_BYTES_MAX;
    use mcu_core::media::codec::AudioCodec;

    fn packets(count: u64, settings: &OpusSettings) -> Vec<Packet> {
        let mut encoder = NativeCodecs.sound_encoder(AudioCodec::Opus, settings).unwrap();
        (0..count)
            .map(|index| {
                let pcm = std::array::from_fn(|n| sample(SenderId(1), Voice::Speech, index * 960 + n as u64));
                let mut bytes = [0; FRAME_BYTES_MAX];
                let len = encoder.encode(&pcm, &mut bytes).unwrap();
                Packet {
                    sequence: 70 + index,
                    timestamp: (u64::from(u32::MAX) - 2_000 + index * 960) as u32,
                    marker: false,
                    arrival: Mono::from_millis(1_000 + index * 20),
                    audio_level_dbov: None,
                    payload: Bytes::copy_from_slice(&bytes[..len]),
                }
            })
            .collect()
    }

    /// Feeds packets as they arrive, playing every 10 ms until two seconds after the last.
    fn play(packets: &[Packet]) -> PlayoutCounters {
        play_pieces(packets).0
    }

    fn play_pieces(packets: &[Packet]) -> (PlayoutCounters, Vec<Piece>) {
        let (mut playout, mut played) = (Playout::default(), Vec::new());
        let mut decoder = NativeCodecs.sound_decoder(AudioCodec::Opus).unwrap();
        let end = packets.iter().map(|p| p.arrival.as_millis()).max().unwrap() + 110;
        for now in (1_000..end).step_by(10) {
            for packet in packets.iter().filter(|p| (now..now + 10).contains(&p.arrival.as_millis())) {
                playout.push(packet);
            }
            playout.play(Mono::from_millis(now + 9), decoder.as_mut(), |piece, _| played.push(piece));
        }
        (playout.counters, played)
    }

    const MUSIC: OpusSettings = OpusSettings {
        bitrate_bps: 64_000,
        complexity: 5,
        fec: false,
        expected_loss_percent: 0,
        dtx: false,
        independent: false,
        application: codecs::opus::Application::Music,
    };

    #[test]
    fn what_comes_in_time_is_played_whole_whatever_its_order() {
        let mut all = packets(100, &MUSIC);
        for pair in all.chunks_mut(2) {
            let (first, second) = (pair[0].arrival, pair[1].arrival);
            pair[0].arrival = second + Duration::from_millis(40);
            pair[1].arrival = first + Duration::from_millis(20);
        }
        let counters = play(&all);
        assert_eq!((counters.concealed_samples, counters.gaps), (0, 0));
        assert!(counters.samples >= 98 * 960, "{counters:?}");
    }

    #[test]
    fn each_sample_is_played_the_delay_after_it_could_have_come_and_later_after_a_stall() {
        let mut all = packets(60, &MUSIC);
        let end = all[45].arrival;
        all[30..45].iter_mut().for_each(|packet| packet.arrival = end);
        let (_, played) = play_pieces(&all);
        let first = played[0];
        assert_eq!(first.at, Mono::from_millis(1_000) + DELAY);
        assert_eq!(played[1].timestamp - first.timestamp, 960);
        assert_eq!(first.moment_of(first.timestamp + 48_000), first.at + Duration::from_secs(1));
        assert_eq!(played[1].moment_of(first.timestamp), first.at);
        // 200 ms over its delay, as below.
        let stalled = played[30].at.since(first.moment_of(played[30].timestamp));
        assert_eq!(stalled, Duration::from_millis(200));
    }

    #[test]
    fn every_lost_packet_is_counted_once_and_runs_are_one_gap() {
        let mut all = packets(100, &MUSIC);
        all.retain(|p| ![80, 81, 82, 100].contains(&p.sequence));
        let counters = play(&all);
        assert_eq!((counters.concealed_samples, counters.gaps), (4 * 960, 2));
    }

    #[test]
    fn a_packet_over_the_delay_late_is_a_loss() {
        let mut all = packets(100, &MUSIC);
        all[30].arrival += Duration::from_millis(130);
        assert_eq!(play(&all).concealed_samples, 960);
    }

    #[test]
    fn recovery_copies_restore_single_losses_and_are_not_concealment() {
        let settings =
            OpusSettings { bitrate_bps: 24_000, expected_loss_percent: 20, ..OpusSettings::default() };
        let all = packets(150, &settings);
        let copies = all.iter().filter(|p| has_recovery_copy(&p.payload)).count();
        assert!(copies > 50, "the encoder makes recovery copies: {copies}");
        let lost = all.iter().rposition(|p| has_recovery_copy(&p.payload)).expect("one has a copy") - 1;
        let mut thinned = all.clone();
        thinned.remove(lost);
        let counters = play(&thinned);
        assert_eq!((counters.recovered_samples, counters.concealed_samples), (960, 0));
    }

    #[test]
    fn a_stream_that_stalls_is_counted_by_how_long() {
        let mut all = packets(100, &MUSIC);
        // Everything of 300 ms comes at once, at the end of them: the first is 200 ms over its delay.
        let end = all[45].arrival;
        all[30..45].iter_mut().for_each(|packet| packet.arrival = end);
        let counters = play(&all);
        assert_eq!((counters.concealed_samples, counters.gaps), (200 * 48, 1));
    }

    #[test]
    fn silence_between_talk_spurts_is_no_loss() {
        let mut all = packets(100, &MUSIC);
        for packet in &mut all[50..] {
            packet.timestamp = packet.timestamp.wrapping_add(48_000);
            packet.arrival += Duration::from_secs(1);
        }
        assert_eq!(play(&all).concealed_samples, 0);
    }
}
