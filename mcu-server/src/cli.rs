//! The command line of `mcu`.

use clap::{Args, Parser, Subcommand};
use std::net::IpAddr;
use std::path::PathBuf;

/// A transcoding conference node: browsers, rooms and encoders meet in one mixed picture and sound.
#[derive(Debug, Parser)]
#[command(name = "mcu", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the node.
    Serve(Serve),
    /// Check this machine: ports, codecs, io_uring, limits. Exit 0: fine, 1: works with warnings, 2: will not work.
    Doctor(Check),
    /// Check the configuration without starting anything. Exit codes as `doctor`.
    CheckConfig(Check),
    /// Make the line of a SIP device for `sip.devices_file`: printed on standard output, a new password on standard error.
    SipDevice(SipDevice),
}

/// `mcu serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// Needs no configuration: loopback, a development certificate and one ready meeting.
    #[arg(long)]
    pub dev: bool,
    /// Address to listen on, for words and media.
    #[arg(long, value_name = "ADDRESS")]
    pub bind: Option<IpAddr>,
    /// Port of HTTPS.
    #[arg(long, value_name = "PORT")]
    pub https_port: Option<u16>,
    /// Port of plain HTTP on loopback; 0 turns it off.
    #[arg(long, value_name = "PORT")]
    pub http_port: Option<u16>,
    /// Port of /metrics.
    #[arg(long, value_name = "PORT")]
    pub metrics_port: Option<u16>,
    /// First UDP and TCP port of media.
    #[arg(long, value_name = "PORT")]
    pub media_port: Option<u16>,
    /// Folder for what must last.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Write links, PINs and the admin token as JSON to this file (readable by its owner only).
    #[arg(long, value_name = "FILE")]
    pub announce: Option<PathBuf>,
}

/// `mcu doctor`, `mcu check-config`
#[derive(Debug, Args)]
pub struct Check {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON, for tools.
    #[arg(long)]
    pub json: bool,
}

/// `mcu sip-device`
#[derive(Debug, Args)]
pub struct SipDevice {
    /// By which it registers: letters a to z, digits and -_.+
    pub user: String,
    /// For people.
    #[arg(long)]
    pub name: Option<String>,
    /// Read the password from standard input instead of making one.
    #[arg(long)]
    pub password_stdin: bool,
    /// Configuration file (TOML), for the realm and the digests.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Serve {
    /// Lays the flags over `config`.
    pub fn apply(&self, config: &mut crate::config::Config) {
        let server = &mut config.server;
        if let Some(bind) = self.bind {
            server.bind = bind;
        }
        if let Some(port) = self.https_port {
            server.https_port = port;
        }
        if let Some(port) = self.http_port {
            server.http_port = port;
        }
        if let Some(port) = self.metrics_port {
            server.metrics_port = port;
        }
        if let Some(port) = self.media_port {
            config.media.port = port;
        }
        if let Some(data) = &self.data {
            server.data_dir.clone_from(data);
        }
    }
}
