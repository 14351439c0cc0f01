//! Each sender's sound: a tone of its own, spoken like speech, and a beep at the start of every second.
//!
//! Flow: **here** -> `loops` (Opus), `files` (WAV); `tone` recognises it again. Pure functions of sender and sample
//! number; all frequencies are whole hertz, so that every second begins with the same phases and loops are seamless.
//!
//! Tones lie 30 Hz apart within one octave, 700 to 1 390 Hz: no tone is a harmonic of another, whatever a limiter or
//! codec adds. Sender ids 24 apart share a tone; one meeting's senders should not be.

use super::barcode::SenderId;
use mcu_core::media::samples::SAMPLE_RATE_HZ;
use std::f64::consts::TAU;

/// Distinct tones.
pub const TONES: u16 = 24;
/// Samples of one second.
const SECOND: u64 = SAMPLE_RATE_HZ as u64;
/// Amplitude of tone and of beep: -20 dBFS each, so that four senders together stay clear of any limiter.
const AMPLITUDE: f64 = 0.1;
/// Length of the beep, 50 ms, with ramps of 5 ms.
pub const BEEP_SAMPLES: u64 = SECOND / 20;
const BEEP_RAMP_SAMPLES: u64 = SECOND / 200;
/// Speech pauses for half a second every three, with ramps of 100 ms: slow enough to leave neighbours' tones alone.
const PHRASE_SAMPLES: u64 = 3 * SECOND;
const PAUSE_SAMPLES: u64 = SECOND / 2;
const PAUSE_RAMP_SAMPLES: u64 = SECOND / 10;

/// How the tone is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Voice {
    /// Four syllables a second, a short pause every three seconds: a voice detector and a noise suppressor
    /// take it for speech rather than for a hum.
    #[default]
    Speech,
    /// Always there, at one level.
    Steady,
    /// Nothing but silence.
    Silent,
}

/// The frequency of a sender's tone.
pub const fn tone_hz(sender: SenderId) -> u32 {
    700 + 30 * (sender.0 % TONES) as u32
}

/// The frequency of a sender's beep: above every tone's second harmonic, and as far as can be, 15 Hz, from every third one and from
/// what a limiter makes of three tones, which are multiples of 30 Hz.
pub const fn beep_hz(sender: SenderId) -> u32 {
    3_015 + 60 * (sender.0 % TONES) as u32
}

/// Sample `index` of a sender's sound, in -1.0..=1.0. The beep begins with every whole second, as the flash does.
pub fn sample(sender: SenderId, voice: Voice, index: u64) -> f32 {
    let envelope = match voice {
        Voice::Speech => syllables(index) * phrase(index),
        Voice::Steady => 1.0,
        Voice::Silent => return 0.0,
    };
    let tone = AMPLITUDE * envelope * sine(tone_hz(sender), index);
    (tone + AMPLITUDE * beep_envelope(index % SECOND) * sine(beep_hz(sender), index)) as f32
}

fn sine(hz: u32, index: u64) -> f64 {
    let phase = index * u64::from(hz) % SECOND;
    (TAU * phase as f64 / SECOND as f64).sin()
}

/// Between 0.25 and 1, four times a second.
fn syllables(index: u64) -> f64 {
    0.625 - 0.375 * (TAU * (index % (SECOND / 4)) as f64 / (SECOND / 4) as f64).cos()
}

/// One while talking, zero in the pause at the end of each phrase.
fn phrase(index: u64) -> f64 {
    let at = index % PHRASE_SAMPLES;
    let talk = PHRASE_SAMPLES - PAUSE_SAMPLES;
    let from_edge = if at < talk { at.min(talk - at) } else { 0 };
    ramp(from_edge, PAUSE_RAMP_SAMPLES)
}

fn beep_envelope(at: u64) -> f64 {
    if at >= BEEP_SAMPLES { 0.0 } else { ramp(at.min(BEEP_SAMPLES - at), BEEP_RAMP_SAMPLES) }
}

/// A raised cosine from 0 to 1 over `len` samples, then 1.
fn ramp(at: u64, len: u64) -> f64 {
    if at >= len { 1.0 } else { 0.5 - 0.5 * (TAU / 2.0 * at as f64 / len as f64).cos() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_repeats_every_phrase_and_stays_small() {
        for index in 0..PHRASE_SAMPLES {
            let sample_now = sample(SenderId(3), Voice::Speech, index);
            assert_eq!(sample_now, sample(SenderId(3), Voice::Speech, index + 7 * PHRASE_SAMPLES));
            assert!(sample_now.abs() <= 0.2);
        }
    }

    #[test]
    fn no_tone_is_near_a_harmonic_of_another_or_near_a_beep() {
        let tones: Vec<u32> = (0..TONES).map(|id| tone_hz(SenderId(id))).collect();
        let beeps: Vec<u32> = (0..TONES).map(|id| beep_hz(SenderId(id))).collect();
        for base in &tones {
            assert!(tones.iter().all(|tone| tone == base || tone.abs_diff(*base) >= 30));
            assert!(tones.iter().all(|tone| tone < &(2 * base - 5)));
            assert!(beeps.iter().all(|beep| beep > &(2 * base)));
            for other in &tones {
                let product = 2 * base + other;
                assert!(beeps.iter().all(|beep| beep.abs_diff(product) >= 15), "{base} and {other}");
            }
        }
    }
}
