//! The binary `mcu`. Exit codes: 0 fine, 1 an error or a warning of `doctor`, 2 `doctor` found something that will not work.

use clap::Parser;
use mcu_server::cli::{Cli, Command};
use mcu_server::{devices, doctor, logging, serve};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(flags) => run(&flags),
        Command::Doctor(check) => doctor::run(&check, doctor::Scope::Machine),
        Command::CheckConfig(check) => doctor::run(&check, doctor::Scope::Configuration),
        Command::SipDevice(device) => said(devices::add(&device).map_err(|error| error.to_string())),
    }
}

fn run(flags: &mcu_server::cli::Serve) -> ExitCode {
    let done = serve::configuration(flags).map_err(|error| error.to_string()).and_then(|config| {
        logging::start(&config.log).map_err(|error| error.to_string())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("control")
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        runtime.block_on(serve::serve(flags, &config)).map_err(|error| error.to_string())
    });
    said(done)
}

fn said(done: Result<(), String>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mcu: {error}");
            ExitCode::FAILURE
        }
    }
}
