//! `mcu-load`: synthetic participants from the command line.
//!
//! Exit codes: 0 everything went as asked; 1 a bot failed or was thrown out, or the report could not be written;
//! 2 the command line is wrong; 3 the room needs a PIN and none was given. Ctrl-C and SIGTERM end a
//! run early and cleanly: the bots leave, the report is written, the code is that of the run.

#![forbid(unsafe_code)]

mod devices;
mod join;
mod window;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Exit code of a failed run.
const EXIT_FAILED: u8 = 1;
/// Exit code of a refused way in.
const EXIT_PIN: u8 = 3;

/// Synthetic participants for a conferencing node.
#[derive(Debug, Parser)]
#[command(name = "mcu-load", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fill a meeting with talking heads
    Join(Box<join::JoinArguments>),
    /// Write a sender's camera and microphone as files, for a browser's fake devices
    Devices(devices::DevicesArguments),
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    let arguments = match Arguments::parse().command {
        Command::Join(arguments) => *arguments,
        Command::Devices(arguments) => {
            return match devices::write(&arguments) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("mcu-load: {error}");
                    ExitCode::from(EXIT_FAILED)
                }
            };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("mcu-load: no threads: {error}");
            return ExitCode::from(EXIT_FAILED);
        }
    };
    match runtime.block_on(join::join(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mcu-load: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_pin_may_come_from_the_command_line_or_an_announce_file_but_not_both() {
        let parse = |words: &[&str]| Arguments::try_parse_from([&["mcu-load", "join"], words].concat());
        assert!(parse(&["http://localhost:1/m/a", "--pin", "1234", "--count", "3"]).is_ok());
        assert!(parse(&["--announce", "file.json"]).is_ok());
        assert!(parse(&["http://localhost:1/m/a", "--announce", "file.json"]).is_err());
        assert!(parse(&[]).is_err());
        assert!(parse(&["http://localhost:1/m/a", "--size", "361p"]).is_err());
        assert!(parse(&["http://localhost:1/m/a", "--count", "0"]).is_err());
        assert!(
            parse(&["http://localhost:1/m/a", "--window", "30", "--only-kbps", "600", "--overlay"]).is_ok()
        );
        assert!(parse(&["http://localhost:1/m/a", "--window", "30", "--seconds", "60"]).is_err());
    }
}
