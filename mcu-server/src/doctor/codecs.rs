//! A self-test of every codec, with pictures per second, and what hardware FFmpeg knows of.

#![allow(clippy::disallowed_methods, reason = "a self-test measures time")]

use super::Finding;
use codecs::encode::{EncoderSettings, H264Backend};
use codecs::registry::NativeCodecs;
use codecs::selftest::{SoundTest, VideoTest, capabilities};
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use mcu_core::media::frame::Size;
use mixer::video::text::{Typeface, font_report};
use std::time::Instant;

const PICTURES: u32 = 60;
const SOUND_PACKETS: u32 = 250;
const SIZE: Size = Size::new(1_280, 720);
/// Below this the decoded picture is not the painted one.
const PSNR_DB_MIN: f64 = 28.0;
/// What comes back of a tone is at most this much louder or softer.
const LEVEL_DB_MAX: f64 = 2.0;
/// A codec slower than this cannot serve one person.
const FPS_MIN: f64 = 30.0;

/// Tries every codec and lists fonts and hardware.
pub(super) fn check(say: &mut dyn FnMut(Finding)) {
    let with = |codec, h264| {
        let mut settings = EncoderSettings::new(codec, SIZE, 30, 1_500);
        settings.h264 = h264;
        settings
    };
    say(video("VP8", &with(VideoCodec::Vp8, H264Backend::OpenH264)));
    say(video("H.264 (openh264)", &with(VideoCodec::H264, H264Backend::OpenH264)));
    say(video("VP9 (decode)", &with(VideoCodec::Vp9, H264Backend::OpenH264)));
    if capabilities().x264 {
        say(video("H.264 (x264)", &with(VideoCodec::H264, H264Backend::X264)));
    }
    AudioCodec::ALL.into_iter().for_each(|codec| say(sound(codec)));
    let known = capabilities();
    let missing: Vec<&str> =
        known.decoders.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect();
    let (major, minor, micro) = known.libavcodec;
    say(if missing.is_empty() {
        Finding::fine("decoders", format!("libavcodec {major}.{minor}.{micro}, all there"))
    } else {
        Finding::broken("decoders", format!("missing: {}", missing.join(", ")), "install a full FFmpeg")
    });
    let hardware = [known.hardware_decoders, known.hardware_encoders].concat();
    let found = if hardware.is_empty() { "none".to_owned() } else { hardware.join(", ") };
    say(Finding::fine("hardware codecs", format!("known to FFmpeg, not used yet: {found}")));
    fonts(say);
}

fn video(what: &'static str, settings: &EncoderSettings) -> Finding {
    let tried = || {
        let mut test = VideoTest::new(&NativeCodecs, settings, PICTURES)?;
        let start = Instant::now();
        test.encode()?;
        let encoded = start.elapsed();
        let start = Instant::now();
        test.decode()?;
        Ok::<_, codecs::selftest::SelfTestError>((test.report(), encoded, start.elapsed()))
    };
    match tried() {
        Err(error) => Finding::broken(what, error.to_string(), "reinstall the codec libraries"),
        Ok((report, encode, decode)) => {
            let fps = |elapsed: std::time::Duration| f64::from(report.pictures) / elapsed.as_secs_f64();
            let (encode_fps, decode_fps) = (fps(encode), fps(decode));
            let found = format!(
                "1280x720: {encode_fps:.0} pictures/s coded, {decode_fps:.0} decoded on one core, {:.1} dB",
                report.psnr_db
            );
            if report.decoded == 0 || report.psnr_db < PSNR_DB_MIN {
                Finding::broken(
                    what,
                    found,
                    "what comes back is not what went in: reinstall the codec libraries",
                )
            } else if encode_fps.min(decode_fps) < FPS_MIN {
                Finding::warning(what, found, "this machine is too slow for a mixed picture")
            } else {
                Finding::fine(what, found)
            }
        }
    }
}

fn sound(codec: AudioCodec) -> Finding {
    let (what, mend) = match codec {
        AudioCodec::Opus => ("Opus", "reinstall the node"),
        AudioCodec::G722 => ("G.722", "install a full FFmpeg"),
        AudioCodec::Pcmu => ("G.711 µ-law", "install a full FFmpeg"),
        AudioCodec::Pcma => ("G.711 A-law", "install a full FFmpeg"),
    };
    let tried = || {
        let mut test = SoundTest::new(&NativeCodecs, codec, SOUND_PACKETS)?;
        let start = Instant::now();
        test.encode()?;
        test.decode()?;
        Ok::<_, codecs::selftest::SelfTestError>((test.report(), start.elapsed()))
    };
    match tried() {
        Err(error) => Finding::broken(what, error.to_string(), mend),
        Ok((report, elapsed)) => {
            let real_time = f64::from(report.packets) * 0.02 / elapsed.as_secs_f64();
            let found = format!("{real_time:.0} times real time on one core, {:.1} dB", report.level_db);
            if report.level_db.abs() > LEVEL_DB_MAX {
                Finding::broken(what, found, mend)
            } else {
                Finding::fine(what, found)
            }
        }
    }
}

fn fonts(say: &mut dyn FnMut(Finding)) {
    let report = font_report(&Typeface::system());
    let missing: Vec<&str> =
        report.scripts.iter().filter(|(_, written)| !written).map(|(script, _)| *script).collect();
    let found = format!("{} faces, {}", report.faces, report.family.as_deref().unwrap_or("no family"));
    say(if missing.is_empty() {
        Finding::fine("fonts", found)
    } else {
        let mend = "install fonts for these scripts: fonts-noto-core, fonts-noto-cjk";
        Finding::warning("fonts", format!("{found}; cannot write {}", missing.join(", ")), mend)
    });
}
