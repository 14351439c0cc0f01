//! `floor`: the work of one meeting without a node around it; see `benches::floor`.

#![forbid(unsafe_code)]

use benches::floor::{Cost, Floor, Part};
use benches::meeting::{Meeting, wide};
use benches::streams::{Stream, sent_kbps, talking_head};
use clap::{Parser, ValueEnum};
use loadtest::media::loops::{Library, LoopError};
use mcu_core::media::codec::VideoCodec;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// The node's allocator, so that nothing else differs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seconds of media that do not count: first key frames, cold caches.
const WARM_UP_S: u64 = 2;

/// What a meeting costs in codecs and kernels alone: processor seconds per participant-second
#[derive(Debug, Parser)]
#[command(name = "floor", version)]
struct Arguments {
    /// How many people
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=25))]
    people: u16,
    /// Rows of the canvas, and of what is sent unless --sent-height says otherwise
    #[arg(long, default_value_t = 720, value_parser = clap::value_parser!(u16).range(180..=1080))]
    height: u16,
    /// Rows of the senders' pictures
    #[arg(long, value_parser = clap::value_parser!(u16).range(90..=1080))]
    sent_height: Option<u16>,
    /// Of everything that is sent, both ways
    #[arg(long, value_enum, default_value_t = CodecName::Vp8)]
    codec: CodecName,
    /// Aim of each rendition, in kbit/s; without it what is sent of that height
    #[arg(long)]
    kbps: Option<u32>,
    /// Everybody paints itself over its own tile, so that all share one picture; otherwise everybody gets one of its own
    #[arg(long)]
    overlay: bool,
    /// Seconds of media
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Where encoded loops are kept; the same as those of `mcu-load`
    #[arg(long, default_value_os_t = std::env::temp_dir().join("mcu-load-loops"))]
    cache: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CodecName {
    Vp8,
    H264,
}

impl CodecName {
    const fn codec(self) -> VideoCodec {
        match self {
            Self::Vp8 => VideoCodec::Vp8,
            Self::H264 => VideoCodec::H264,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(cost) if arguments.json => println!("{:#}", report(&arguments, &cost)),
        Ok(cost) => print(&arguments, &cost),
        Err(error) => {
            eprintln!("floor: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn run(arguments: &Arguments) -> Result<Cost, LoopError> {
    let codec = arguments.codec.codec();
    let height = arguments.sent_height.unwrap_or(arguments.height);
    let library = Library::open(&arguments.cache)?;
    let stream = |id| Stream::new(&talking_head(id, codec, height), &library);
    let streams = (1..=arguments.people).into_par_iter().map(stream).collect::<Result<Vec<_>, _>>()?;
    let canvas = wide(arguments.height);
    let people = u64::from(arguments.people);
    let meeting = Meeting { people, codec, canvas, overlay: arguments.overlay };
    let kbps = arguments.kbps.unwrap_or_else(|| sent_kbps(arguments.height));
    Ok(Floor::new(meeting, &streams, kbps).run(WARM_UP_S, arguments.seconds))
}

/// Kilobits per second of one rendition, as encoded.
fn rendition_kbps(arguments: &Arguments, cost: &Cost) -> f64 {
    cost.encoded_bytes as f64 * 8.0 / 1_000.0 / (arguments.seconds as f64 * cost.renditions as f64)
}

fn report(arguments: &Arguments, cost: &Cost) -> Value {
    let parts: serde_json::Map<String, Value> =
        Part::ALL.iter().map(|part| (part.name().to_owned(), json!(cost.part(*part)))).collect();
    json!({
        "people": arguments.people,
        "height": arguments.height,
        "sent_height": arguments.sent_height.unwrap_or(arguments.height),
        "codec": arguments.codec.codec().name(),
        "overlay": arguments.overlay,
        "seconds": arguments.seconds,
        "cpu_s_per_participant_s": cost.total(),
        "parts": parts,
        "decoded": cost.decoded,
        "scaled": cost.scaled,
        "encoded": cost.encoded,
        "renditions": cost.renditions,
        "rendition_kbps": rendition_kbps(arguments, cost),
        "ears": cost.ears,
    })
}

fn print(arguments: &Arguments, cost: &Cost) {
    println!(
        "{} people, {} {}p, {} renditions of {:.0} kbit/s, {} mixes, {} s",
        arguments.people,
        arguments.codec.codec().name(),
        arguments.height,
        cost.renditions,
        rendition_kbps(arguments, cost),
        cost.ears,
        arguments.seconds,
    );
    println!("{:<10} {:>28}", "part", "CPU s per participant-second");
    for part in Part::ALL {
        println!("{:<10} {:>28.5}", part.name(), cost.part(part));
    }
    println!("{:<10} {:>28.5}", "total", cost.total());
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
