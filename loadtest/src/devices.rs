//! `mcu-load devices`: camera and microphone files of one sender, for a browser's fake devices.
//!
//! Chromium takes them by `--use-file-for-fake-video-capture=F.y4m` and `--use-file-for-fake-audio-capture=F.wav`.

use clap::Args;
use loadtest::media::barcode::SenderId;
use loadtest::media::files::{write_wav, write_y4m};
use loadtest::media::picture::Scenery;
use loadtest::media::sound::{Voice, tone_hz};
use mcu_core::media::frame::Size;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct DevicesArguments {
    /// Whose bar code and tone
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=823))]
    sender: u16,
    /// How long the files last before they begin again, in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=60))]
    seconds: u16,
    /// Folder to write `SENDER.y4m` and `SENDER.wav` to
    #[arg(long)]
    dir: PathBuf,
}

/// Writes both files, and prints where they are and which tone is heard, as JSON.
pub(crate) fn write(arguments: &DevicesArguments) -> std::io::Result<()> {
    let sender = SenderId(arguments.sender);
    let video = arguments.dir.join(format!("{}.y4m", arguments.sender));
    let audio = arguments.dir.join(format!("{}.wav", arguments.sender));
    std::fs::create_dir_all(&arguments.dir)?;
    write_y4m(&video, Scenery::TalkingHead, sender, Size::new(640, 360), arguments.seconds)?;
    write_wav(&audio, Voice::Speech, sender, arguments.seconds)?;
    let said = serde_json::json!({
        "sender": arguments.sender, "video": video, "audio": audio, "tone_hz": tone_hz(sender),
    });
    println!("{said}");
    Ok(())
}
