//! A sender's pictures and sound as files that Chromium's fake devices play in a loop.
//!
//! `--use-file-for-fake-video-capture=x.y4m` and `--use-file-for-fake-audio-capture=x.wav`. The same pictures, bar codes
//! and tones as in `loops`; a browser started with them is a sender that a bot recognises. Writes files, reads none.

use super::barcode::SenderId;
use super::picture::{self, FPS, Scenery};
use super::sound::{self, Voice};
use mcu_core::media::frame::{FramePool, Size};
use mcu_core::media::samples::SAMPLE_RATE_HZ;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes `seconds` of a sender's pictures as YUV4MPEG2 (4:2:0, 30 fps): 10.4 MB a second at 360p.
///
/// # Errors
/// When the file cannot be written.
pub fn write_y4m(
    path: &Path,
    scenery: Scenery,
    sender: SenderId,
    size: Size,
    seconds: u16,
) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "YUV4MPEG2 W{} H{} F{FPS}:1 Ip A1:1 C420jpeg", size.width, size.height)?;
    let pool = FramePool::new("y4m", 1);
    for number in 0..seconds * FPS as u16 {
        let mut frame = pool.get(size).map_err(io::Error::other)?;
        picture::draw(&mut frame, scenery, sender, number);
        file.write_all(b"FRAME\n")?;
        for plane in frame.planes() {
            for row in 0..usize::from(plane.size.height) {
                file.write_all(plane.row(row))?;
            }
        }
    }
    file.flush()
}

/// Writes `seconds` of a sender's sound as 16-bit PCM WAV, 48 kHz, mono.
///
/// # Errors
/// When the file cannot be written.
pub fn write_wav(path: &Path, voice: Voice, sender: SenderId, seconds: u16) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let samples = u32::from(seconds) * SAMPLE_RATE_HZ;
    let bytes = samples * 2;
    file.write_all(b"RIFF")?;
    file.write_all(&(36 + bytes).to_le_bytes())?;
    file.write_all(b"WAVEfmt ")?;
    file.write_all(&16u32.to_le_bytes())?;
    // PCM, one channel.
    file.write_all(&[1, 0, 1, 0])?;
    file.write_all(&SAMPLE_RATE_HZ.to_le_bytes())?;
    file.write_all(&(SAMPLE_RATE_HZ * 2).to_le_bytes())?;
    // Two bytes a frame, sixteen bits a sample.
    file.write_all(&[2, 0, 16, 0])?;
    file.write_all(b"data")?;
    file.write_all(&bytes.to_le_bytes())?;
    for index in 0..u64::from(samples) {
        let sample = (sound::sample(sender, voice, index) * f32::from(i16::MAX)) as i16;
        file.write_all(&sample.to_le_bytes())?;
    }
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::barcode::{BarCode, read};
    use crate::media::tone::ToneMeter;
    use mcu_core::conference::plan::{Fit, Rect};

    fn scratch(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("loadtest-{}-{name}", std::process::id()))
    }

    #[test]
    fn a_y4m_file_has_its_frames_where_it_says_and_they_read() {
        let path = scratch("a.y4m");
        let size = Size::new(320, 180);
        write_y4m(&path, Scenery::TalkingHead, SenderId(5), size, 1).unwrap();
        let file = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let header = b"YUV4MPEG2 W320 H180 F30:1 Ip A1:1 C420jpeg\n";
        assert!(file.starts_with(header));
        let frame_bytes = 6 + 320 * 180 * 3 / 2;
        assert_eq!(file.len(), header.len() + 30 * frame_bytes);
        let at = header.len() + 29 * frame_bytes;
        assert_eq!(&file[at..at + 6], b"FRAME\n");
        let mut frame = FramePool::new("test", 1).get(size).unwrap();
        let [mut luma, ..] = frame.planes_mut();
        for (row, pixels) in file[at + 6..].chunks(320).take(180).enumerate() {
            luma.row_mut(row).copy_from_slice(pixels);
        }
        let code = read(&frame.freeze(), Rect { x: 0, y: 0, width: 320, height: 180 }, Fit::Contain);
        assert_eq!(code, Some(BarCode { sender: SenderId(5), number: 29 }));
    }

    #[test]
    fn a_wav_file_sounds_as_its_sender() {
        let path = scratch("a.wav");
        write_wav(&path, Voice::Steady, SenderId(5), 2).unwrap();
        let file = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(
            (&file[..4], &file[8..16], file.len()),
            (&b"RIFF"[..], &b"WAVEfmt "[..], 44 + 2 * 2 * 48_000)
        );
        assert_eq!(file[4..8], (file.len() as u32 - 8).to_le_bytes());
        let mut meter = ToneMeter::new([sound::tone_hz(SenderId(5)), sound::tone_hz(SenderId(6))]);
        let pcm: Vec<f32> =
            file[44..].chunks(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0).collect();
        meter.push(&pcm);
        let levels = meter.levels();
        assert!((levels[0].median_db + 20.0).abs() < 0.2 && levels[1].peak_db < -60.0, "{levels:?}");
    }
}
