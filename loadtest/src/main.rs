//! `mcu-load`: synthetic participants from the command line.
//!
//! Exit codes, the same for CI and people (docs/LOAD.md says what to do about each):
//!
//! | code | `run` | `join` |
//! |---|---|---|
//! | 0 | PASS: every threshold was kept, or the capacity was found | everything went as asked |
//! | 1 | FAIL: a threshold was broken, in a search by its first step | a bot failed or was thrown out, or the report could not be written |
//! | 2 | the command line, the scenario or what it needs is wrong | the command line is wrong |
//! | 3 | the room needs a PIN and none was given | the same |
//! | 4 | INVALID: the run says nothing | |
//! | 5 | no run: the target cannot be reached or refused, or this machine cannot | |
//! | 6 | the verdict was printed, but the report could not be written | |
//!
//! | code | `compare` | `report` |
//! |---|---|---|
//! | 0 | B is not worse than A | `report.html` was written |
//! | 1 | B is worse | |
//! | 2 | they cannot be compared: the line says why | the command line is wrong, or there is no report |
//! | 6 | | `report.html` could not be written |
//!
//! Ctrl-C and SIGTERM end a run early and cleanly: the bots leave, the report is written, the code is that of the run.

#![forbid(unsafe_code)]

mod devices;
mod find_capacity;
mod interrupts;
mod join;
mod reports;
mod run;
mod scenarios;
mod screen;
mod simulate;
mod size_name;
mod window;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Exit code of a failed run.
const EXIT_FAILED: u8 = 1;
/// Exit code of a wrong command line, as clap has it.
const EXIT_USAGE: u8 = 2;
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
    /// Play a scenario against a node, and judge it
    Run(Box<run::RunArguments>),
    /// List the scenarios that come with this program, or print one
    Scenarios(scenarios::ScenariosArguments),
    /// Whether one run was worse than another, and how sure that is
    Compare(reports::CompareArguments),
    /// Write report.html of a run that is over
    Report(reports::ReportArguments),
    /// Fill a meeting with talking heads
    Join(Box<join::JoinArguments>),
    /// Write a sender's camera and microphone as files, for a browser's fake devices
    Devices(devices::DevicesArguments),
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    // The library quotes whole messages, names and PINs with them, whatever is asked for.
    let filter = filter.add_directive("rsipstack=off".parse().expect("a constant directive parses"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match Arguments::parse().command {
        Command::Run(arguments) => match arguments.settle() {
            Ok(()) => on_runtime(async {
                run::go(*arguments).await.unwrap_or_else(|trouble| {
                    eprintln!("mcu-load: {trouble}");
                    trouble.exit_code()
                })
            }),
            Err(error) => {
                eprintln!("mcu-load: {error}");
                ExitCode::from(run::EXIT_NO_RUN)
            }
        },
        Command::Scenarios(arguments) => match scenarios::text(&arguments) {
            Ok(text) => {
                print!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("mcu-load: {error}");
                ExitCode::from(EXIT_USAGE)
            }
        },
        Command::Compare(arguments) => told(reports::compared(&arguments)),
        Command::Report(arguments) => told(reports::page(&arguments)),
        Command::Join(arguments) => on_runtime(async {
            join::join(*arguments).await.map_or_else(
                |error| {
                    eprintln!("mcu-load: {error}");
                    error.exit_code()
                },
                |()| 0,
            )
        }),
        Command::Devices(arguments) => match devices::write(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(error),
        },
    }
}

/// Runs `work` on as many threads as there are cores; its exit code.
fn on_runtime(work: impl Future<Output = u8>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(work);
            // Loops that are still being made, after an interrupt, are waited for by nobody.
            runtime.shutdown_background();
            ExitCode::from(code)
        }
        Err(error) => failed(format!("no threads: {error}")),
    }
}

/// The exit code of what a command came to; its trouble is one line.
fn told(outcome: Result<u8, reports::Trouble>) -> ExitCode {
    ExitCode::from(outcome.unwrap_or_else(|trouble| {
        eprintln!("mcu-load: {trouble}");
        trouble.exit_code()
    }))
}

fn failed(error: impl std::fmt::Display) -> ExitCode {
    eprintln!("mcu-load: {error}");
    ExitCode::from(EXIT_FAILED)
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
    fn two_runs_or_several_a_side_can_be_compared() {
        let parse = |words: &[&str]| Arguments::try_parse_from([&["mcu-load", "compare"], words].concat());
        assert!(parse(&["a", "b"]).is_ok());
        assert!(parse(&["--before", "a", "--before", "b", "--after", "c", "--after", "d", "--json"]).is_ok());
        assert!(parse(&["--before", "a"]).is_err(), "nothing after");
        assert!(parse(&["a"]).is_err() && parse(&[]).is_err() && parse(&["a", "b", "c"]).is_err());
        assert!(parse(&["a", "b", "--before", "c"]).is_err(), "both ways at once");
        assert!(parse(&["a", "b", "--margin", "2.5"]).is_ok());
        for margin in ["-1", "nan", "inf", "101", "x"] {
            assert!(parse(&["a", "b", &format!("--margin={margin}")]).is_err(), "{margin}");
        }
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
