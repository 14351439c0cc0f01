//! Tones there and back, G.711's own values, packets of every length, and losses.

use super::*;
use crate::sound::{
    FRAME_BYTES_MAX, PACKET_SAMPLES_MAX, SoundDecodeError, SoundDecoder, SoundEncodeError, SoundEncoder,
};
use crate::sys::libav_sound;
use crate::testing::{Random, tone_db};
use realfft::RealFftPlanner;
use realfft::num_complex::Complex;
use std::f64::consts::TAU;
use std::ops::RangeFrom;

/// 20 ms of a tone of amplitude 0.3.
fn tone(hz: f64, frame: usize) -> [f32; FRAME_SAMPLES] {
    std::array::from_fn(|at| {
        let seconds = (frame * FRAME_SAMPLES + at) as f64 / 48_000.0;
        (0.3 * (TAU * hz * seconds).sin()) as f32
    })
}

fn coded(codec: TelephoneCodec, frames: usize, pcm: impl Fn(usize) -> [f32; FRAME_SAMPLES]) -> Vec<Vec<u8>> {
    let mut encoder = TelephoneEncoder::new(codec).expect("FFmpeg has it");
    let mut packet = [0; FRAME_BYTES_MAX];
    let encode = |frame| {
        let bytes = encoder.encode(&pcm(frame), &mut packet).expect("encodes");
        packet[..bytes].to_vec()
    };
    (0..frames).map(encode).collect()
}

fn decoder(codec: TelephoneCodec) -> TelephoneDecoder {
    TelephoneDecoder::new(codec).expect("FFmpeg has it")
}

/// What `packets` decode to.
fn decoded<'a>(decoder: &mut TelephoneDecoder, packets: impl IntoIterator<Item = &'a [u8]>) -> Vec<f32> {
    let (mut heard, mut out) = (Vec::new(), [0.0; PACKET_SAMPLES_MAX]);
    for packet in packets {
        let samples = decoder.decode(packet, &mut out).expect("decodes");
        heard.extend(&out[..samples]);
    }
    heard
}

/// The share of the power of `pcm` that lies above a frequency, in dB.
fn above_db(pcm: &[f32], hz: RangeFrom<f64>) -> f64 {
    let transform = RealFftPlanner::<f32>::new().plan_fft_forward(pcm.len());
    let (mut samples, mut spectrum) = (transform.make_input_vec(), transform.make_output_vec());
    for (at, (windowed, sample)) in samples.iter_mut().zip(pcm).enumerate() {
        *windowed = sample * (0.5 - 0.5 * (TAU * at as f64 / pcm.len() as f64).cos()) as f32;
    }
    transform.process(&mut samples, &mut spectrum).expect("the lists are as long as it made them");
    let power = |bins: &[Complex<f32>]| -> f64 { bins.iter().map(|bin| f64::from(bin.norm_sqr())).sum() };
    let first = (hz.start * pcm.len() as f64 / 48_000.0) as usize;
    10.0 * (power(&spectrum[first..]) / power(&spectrum)).max(1e-20).log10()
}

#[test]
fn tones_keep_their_level_and_nothing_else_is_heard() {
    for (codec, tones_hz, half_rate_hz) in [
        (PCMU, &[300.0, 1_000.0, 3_000.0][..], 4_000.0),
        (PCMA, &[300.0, 1_000.0, 3_000.0][..], 4_000.0),
        (G722, &[300.0, 1_000.0, 3_000.0, 6_500.0][..], 8_000.0),
    ] {
        for hz in tones_hz.iter().copied() {
            let packets = coded(codec, 60, |frame| tone(hz, frame));
            assert!(packets.iter().all(|packet| packet.len() == FRAME_BYTES));
            let heard = decoded(&mut decoder(codec), packets.iter().map(Vec::as_slice));
            // The last second: the beginning is delay, and G.722 settles.
            let heard = &heard[heard.len() - 48_000..];
            let (level, was) = (tone_db(heard, hz), 20.0 * 0.3_f64.log10());
            assert!((level - was).abs() < 1.0, "{codec:?}, {hz} Hz: {level} dB, was {was} dB");
            let outside = above_db(heard, half_rate_hz..);
            assert!(outside < -50.0, "{codec:?}, {hz} Hz: {outside} dB above {half_rate_hz} Hz");
            // G.722 carries nothing over 7 kHz but the noise of its upper band, where it has two bits a sample.
            let (over, noise_db_max) = (above_db(heard, 7_000.0..), if hz > 4_000.0 { -30.0 } else { -40.0 });
            assert!(over < noise_db_max, "{codec:?}, {hz} Hz: {over} dB above 7 kHz");
            assert!(above_db(heard, hz - 100.0..) > -1.0, "the tone itself is above that");
        }
    }
}

#[test]
fn what_a_telephone_cannot_carry_is_not_mirrored_into_what_it_can() {
    for (codec, too_high_hz) in [(PCMU, 5_000.0), (PCMA, 5_000.0), (G722, 9_000.0)] {
        let level = |hz| {
            let packets = coded(codec, 60, |frame| tone(hz, frame));
            let heard = decoded(&mut decoder(codec), packets.iter().map(Vec::as_slice));
            let power: f64 = heard[9_600..].iter().map(|sample| f64::from(*sample).powi(2)).sum();
            10.0 * (power / (heard.len() - 9_600) as f64).max(1e-12).log10()
        };
        let (carried, mirrored) = (level(1_000.0), level(too_high_hz));
        assert!(
            mirrored < carried - 40.0,
            "{codec:?}: {mirrored} dB of {too_high_hz} Hz, {carried} dB of 1 kHz"
        );
    }
}

#[test]
fn g711_has_the_values_of_the_recommendation() {
    // ITU-T G.711 (11/88), tables 1 and 2, in 16 bits: silence of either sign, and the ends of the range.
    let mu_law = [(0xff_u8, 0_i16), (0x7f, 0), (0x80, 32_124), (0x00, -32_124), (0xfe, 8), (0x7e, -8)];
    let a_law = [(0xd5, 8), (0x55, -8), (0xaa, 32_256), (0x2a, -32_256), (0xd4, 24), (0x54, -24)];
    for (codec, table) in [(PCMU, mu_law), (PCMA, a_law)] {
        let mut library = libav_sound::Decoder::open(codec.library_name, codec.rate_hz).expect("it is there");
        let bytes: Vec<u8> = table.iter().map(|(byte, _)| *byte).collect();
        let values: Vec<i16> = table.iter().map(|(_, value)| *value).collect();
        assert_eq!(library.decode(&bytes).expect("decodes"), values, "{codec:?}");
        // Each of them is coded again as it was, but for the second zero of the µ-law.
        let mut library =
            libav_sound::Encoder::open(codec.library_name, codec.rate_hz, values.len()).expect("it is there");
        let again = library.encode(&values).expect("encodes");
        for ((byte, value), again) in table.iter().zip(again) {
            assert!(byte == again || *value == 0, "{codec:?}: {value} was {byte:#x}, is {again:#x}");
        }
    }
    for (codec, silence) in [(PCMU, 0xff), (PCMA, 0xd5)] {
        let packets = coded(codec, 3, |_| [0.0; FRAME_SAMPLES]);
        assert!(packets.iter().flatten().all(|byte| *byte == silence), "{codec:?}");
    }
}

#[test]
fn a_mix_beyond_full_scale_is_clipped_not_wrapped() {
    for (codec, ends) in [(PCMU, [0x80, 0x00]), (PCMA, [0xaa, 0x2a])] {
        for (sign, end) in [1.0, -1.0].into_iter().zip(ends) {
            let packets = coded(codec, 3, |_| [2.0 * sign; FRAME_SAMPLES]);
            assert!(packets[2].iter().all(|byte| *byte == end), "{codec:?}");
        }
    }
}

#[test]
fn packets_of_every_length_are_the_same_sound_and_other_lengths_are_refused() {
    for codec in TelephoneCodec::ALL {
        let bytes = coded(codec, 12, |frame| tone(440.0, frame)).concat();
        let whole = decoded(&mut decoder(codec), bytes.chunks(FRAME_BYTES));
        for ms in [10, 20, 30, 40, 60, 120] {
            assert!(decoded(&mut decoder(codec), bytes.chunks(ms * 8)) == whole, "{codec:?}: {ms} ms");
        }
        let mut out = [0.0; PACKET_SAMPLES_MAX];
        let mut decoder = decoder(codec);
        for len in [0, 1, 79, 81, 159, 1_040, 1_600] {
            let refused = Err(SoundDecodeError::Packet { bytes: len });
            assert_eq!(decoder.decode(&vec![0; len], &mut out), refused, "{codec:?}");
        }
        let room = Err(SoundDecodeError::Room { needed: 960, room: 959 });
        assert_eq!(decoder.decode(&bytes[..160], &mut out[..959]), room);
        assert_eq!(decoder.conceal(960, &mut out[..959]), room);
        for samples in [0, 100, PACKET_SAMPLES_MAX + 120] {
            assert_eq!(decoder.conceal(samples, &mut out), Err(SoundDecodeError::Duration { samples }));
        }
        assert_eq!(decoder.decode_fec(&bytes[..160], 960, &mut out), Err(SoundDecodeError::NoRecovery));
        let mut encoder = TelephoneEncoder::new(codec).expect("FFmpeg has it");
        let room = Err(SoundEncodeError::Room { needed: 160, room: 159 });
        assert_eq!(encoder.encode(&[0.0; FRAME_SAMPLES], &mut [0; 159]), room);
    }
}

/// A voice of 123 Hz with harmonics.
fn voice(frame: usize) -> [f32; FRAME_SAMPLES] {
    std::array::from_fn(|at| {
        let seconds = (frame * FRAME_SAMPLES + at) as f64 / 48_000.0;
        (0.3 * (1..=6).map(|n| (TAU * 123.0 * f64::from(n) * seconds).sin() / f64::from(n)).sum::<f64>())
            as f32
    })
}

/// A voice of 60 packets of which the 40th and some after it are lost; what is made up comes in pieces of `piece` samples.
fn with_loss(codec: TelephoneCodec, lost: usize, piece: usize) -> Vec<f32> {
    let mut decoder = decoder(codec);
    let mut heard = Vec::new();
    for (at, packet) in coded(codec, 60, voice).iter().enumerate() {
        if (40..40 + lost).contains(&at) {
            for _ in 0..FRAME_SAMPLES / piece {
                let mut out = [0.0; FRAME_SAMPLES];
                assert_eq!(decoder.conceal(piece, &mut out), Ok(piece));
                heard.extend(&out[..piece]);
            }
        } else {
            heard.extend(decoded(&mut decoder, [packet.as_slice()]));
        }
    }
    heard
}

fn step_max(pcm: &[f32]) -> f32 {
    pcm.windows(2).map(|two| (two[1] - two[0]).abs()).fold(0.0, f32::max)
}

#[test]
fn losses_do_not_click_and_fade() {
    let peak = |pcm: &[f32]| pcm.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    for codec in TelephoneCodec::ALL {
        let whole = with_loss(codec, 0, 960);
        for lost in [1, 2, 3, 6] {
            let heard = with_loss(codec, lost, 480);
            assert_eq!(heard.len(), whole.len());
            assert!(step_max(&heard) < 1.5 * step_max(&whole), "{codec:?}, {lost} packets");
            assert!(peak(&heard) < 1.2 * peak(&whole), "{codec:?}, {lost} packets");
        }
        // 60 ms of it, and 5 ms of delay.
        let heard = with_loss(codec, 6, 480);
        let at_ms = |ms: usize| peak(&heard[ms * 48..][..480]);
        assert!(at_ms(805) > 0.7 * at_ms(780), "{codec:?}: it goes on");
        assert!(at_ms(870) < 1e-3 && at_ms(900) < 1e-3, "{codec:?}: {} {}", at_ms(870), at_ms(900));
        assert!(at_ms(980) > 0.8 * at_ms(780), "{codec:?}: the voice is back");
    }
}

#[test]
fn made_up_sound_is_the_same_in_pieces_and_what_is_left_of_it_goes_over() {
    for codec in TelephoneCodec::ALL {
        let whole = with_loss(codec, 2, 960);
        for piece in [120, 240, 480] {
            assert!(with_loss(codec, 2, piece) == whole, "{codec:?}: pieces of {piece}");
        }
        // 12.5 ms: three quarters of the second 10 ms were made up for nobody.
        let packets = coded(codec, 50, voice);
        let mut decoder = decoder(codec);
        let before = decoded(&mut decoder, packets[..45].iter().map(Vec::as_slice));
        let mut made_up = [0.0; 600];
        assert_eq!(decoder.conceal(600, &mut made_up), Ok(600));
        let after = decoded(&mut decoder, [packets[46].as_slice()]);
        let heard = [&before[before.len() - 960..], &made_up, &after].concat();
        assert!(step_max(&heard) < 1.5 * step_max(&before), "{codec:?}: {}", step_max(&heard));
    }
}

#[test]
fn after_a_reset_nothing_of_before_is_heard() {
    for codec in [PCMU, PCMA] {
        let packets = coded(codec, 10, voice);
        let (mut used, mut out) = (decoder(codec), [0.0; FRAME_SAMPLES]);
        decoded(&mut used, packets.iter().map(Vec::as_slice));
        used.conceal(120, &mut out).expect("is made up");
        used.reset();
        let again = decoded(&mut used, packets.iter().map(Vec::as_slice));
        let fresh = decoded(&mut decoder(codec), packets.iter().map(Vec::as_slice));
        assert!(again == fresh, "{codec:?}");
    }
}

#[test]
fn any_bytes_of_a_legal_length_are_sound() {
    for codec in TelephoneCodec::ALL {
        let mut decoder = decoder(codec);
        let mut out = [0.0; PACKET_SAMPLES_MAX];
        for seed in 0..300 {
            let mut random = Random::new(seed);
            let blocks = 1 + random.below(6);
            let packet = random.bytes(blocks * BLOCK_BYTES);
            assert_eq!(decoder.decode(&packet, &mut out), Ok(blocks * BLOCK_SAMPLES));
            assert!(out.iter().all(|sample| sample.abs() < 4.0), "{codec:?}, seed {seed}");
            if random.below(3) == 0 {
                assert_eq!(decoder.conceal(600, &mut out), Ok(600));
            }
        }
    }
}
