//! Configuration and machine: ports, addresses, files, kernel.

use super::Finding;
use crate::config::Config;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

/// Open files that a node of some hundred participants needs.
const OPEN_FILES_WANTED: u64 = 4_096;
/// Those of a node at which devices register by TLS besides.
const OPEN_FILES_WANTED_OF_REGISTRARS: u64 = 12_288;
/// Bytes of receive buffer below which bursts are lost.
const RECEIVE_BUFFER_WANTED: u64 = 4 << 20;
/// Free bytes in the data folder below which it is a warning.
const DISK_WANTED: u64 = 1 << 30;

/// What the configuration says that the file's grammar cannot judge.
pub(super) fn configuration(config: &Config, say: &mut dyn FnMut(Finding)) {
    match (&config.tls.cert, &config.tls.key) {
        (Some(cert), Some(key)) => {
            let names = crate::tls::development_names(&[]);
            let identity = crate::tls::identity(&config.tls, &config.server.data_dir, &names);
            match identity.and_then(|identity| identity.https()) {
                Ok(_) => say(Finding::fine("certificate", cert.display().to_string())),
                Err(error) => say(Finding::broken(
                    "certificate",
                    error.to_string(),
                    format!("check {} and {}", cert.display(), key.display()),
                )),
            }
        }
        _ => say(Finding::warning(
            "certificate",
            "made by a development CA that no browser trusts",
            "set tls.cert and tls.key",
        )),
    }
    if let Some(path) = &config.server.admin_token_file {
        say(match crate::admin::from_file(path) {
            Ok(_) => Finding::fine("administrator's token", path.display().to_string()),
            Err(error) => {
                Finding::broken("administrator's token", error.to_string(), "see server.admin_token_file")
            }
        });
    }
    if let Some(path) = &config.sip.devices_file {
        say(match crate::devices::from_file(path, &config.sip.realm) {
            Ok(devices) => Finding::fine("SIP devices", format!("{} in {}", devices.len(), path.display())),
            Err(error) => Finding::broken("SIP devices", error.to_string(), "see sip.devices_file"),
        });
    }
    for (key, means) in config.sip.dangers() {
        say(Finding::warning(
            "loosened",
            format!("{key}: {means}"),
            format!("do without {key} where you can"),
        ));
    }
    let bind = config.media.bind.unwrap_or(config.server.bind);
    if bind.is_loopback() {
        say(Finding::warning(
            "reachability",
            format!("media on {bind}: this machine only"),
            "start with --bind",
        ));
    } else if is_private(bind) && config.media.advertise.is_empty() {
        say(Finding::warning(
            "reachability",
            format!("media on {bind}: this network only"),
            "set media.advertise to the public address",
        ));
    } else {
        say(Finding::fine("reachability", format!("media on {bind}")));
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unspecified(),
    }
}

/// What this machine offers.
pub(super) fn machine(config: &Config, say: &mut dyn FnMut(Finding)) {
    ports(config, say);
    media_loop(config, say);
    say(if transport::io::probe::uring_allowed() {
        let backend = crate::node::choose_backend(crate::threads::NodeClock::start());
        Finding::fine("io_uring", format!("allowed; datagrams by {backend:?}, which measures fastest"))
    } else {
        Finding::warning("io_uring", "refused", "allow it in the container's seccomp profile; works without")
    });
    let wanted = match config.sip.devices_file {
        Some(_) => OPEN_FILES_WANTED_OF_REGISTRARS,
        None => OPEN_FILES_WANTED,
    };
    match crate::process::open_files_max() {
        Some(most) if most < wanted => {
            say(Finding::warning("open files", most.to_string(), format!("ulimit -n {wanted}")));
        }
        Some(most) => say(Finding::fine("open files", most.to_string())),
        None => {}
    }
    receive_buffer(say);
    cpu(say);
    disk(config, say);
}

fn ports(config: &Config, say: &mut dyn FnMut(Finding)) {
    let server = &config.server;
    let bind = config.media.bind.unwrap_or(server.bind);
    let mut tcp = |what: &'static str, address: SocketAddr, flag: &str| {
        say(match TcpListener::bind(address) {
            Ok(_) => Finding::fine(what, address.to_string()),
            Err(error) => {
                Finding::broken(what, format!("{address}: {error}"), format!("choose another: {flag}"))
            }
        });
    };
    tcp("HTTPS port", SocketAddr::new(server.bind, server.https_port), "server.https_port");
    if server.http_port != 0 {
        tcp("HTTP port", SocketAddr::from(([127, 0, 0, 1], server.http_port)), "server.http_port");
    }
    tcp("metrics port", SocketAddr::new(server.metrics_bind, server.metrics_port), "server.metrics_port");
    tcp("media TCP port", SocketAddr::new(bind, config.media.port), "media.port");
    let sip = &config.sip;
    for (what, port, key) in [
        ("SIP port, TLS", sip.tls_port, "sip.tls_port"),
        ("SIP port, WebSocket", sip.wss_port, "sip.wss_port"),
        ("SIP port, TCP", sip.dangerous_tcp_port, "sip.dangerous_tcp_port"),
    ] {
        if port != 0 {
            tcp(what, SocketAddr::new(server.bind, port), key);
        }
    }
    if sip.dangerous_udp_port != 0 {
        let address = SocketAddr::new(server.bind, sip.dangerous_udp_port);
        say(match UdpSocket::bind(address) {
            Ok(_) => Finding::fine("SIP port, UDP", address.to_string()),
            Err(error) => {
                let advice = "choose another: sip.dangerous_udp_port".to_owned();
                Finding::broken("SIP port, UDP", format!("{address}: {error}"), advice)
            }
        });
    }
}

/// A datagram from this machine to its own media address.
fn media_loop(config: &Config, say: &mut dyn FnMut(Finding)) {
    let bind = config.media.bind.unwrap_or(config.server.bind);
    let address = SocketAddr::new(bind, config.media.port);
    let reached = || -> std::io::Result<SocketAddr> {
        let socket = UdpSocket::bind(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        let own = match bind {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
            bind => bind,
        };
        let target = config.media.advertise.first().copied().unwrap_or(own);
        let target = SocketAddr::new(target, config.media.port);
        socket.send_to(b"mcu doctor", target)?;
        socket.recv_from(&mut [0; 32])?;
        Ok(target)
    };
    say(match reached() {
        Ok(target) => Finding::fine("media UDP port", format!("{address}, reached through {target}")),
        Err(error) => Finding::broken(
            "media UDP port",
            format!("{address}: {error}"),
            "check media.port, media.advertise and the firewall",
        ),
    });
}

fn receive_buffer(say: &mut dyn FnMut(Finding)) {
    let Ok(text) = std::fs::read_to_string("/proc/sys/net/core/rmem_max") else { return };
    let bytes: u64 = text.trim().parse().unwrap_or(0);
    let found = format!("up to {} KiB", bytes / 1_024);
    say(if bytes >= RECEIVE_BUFFER_WANTED {
        Finding::fine("receive buffer", found)
    } else {
        let mend = format!("sysctl -w net.core.rmem_max={RECEIVE_BUFFER_WANTED}");
        Finding::warning("receive buffer", found, mend)
    });
}

fn cpu(say: &mut dyn FnMut(Finding)) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    #[cfg(target_arch = "x86_64")]
    {
        let features: Vec<&str> = [
            ("sse4.1", std::is_x86_feature_detected!("sse4.1")),
            ("avx2", std::is_x86_feature_detected!("avx2")),
            ("avx512bw", std::is_x86_feature_detected!("avx512bw")),
            ("aes", std::is_x86_feature_detected!("aes")),
        ]
        .into_iter()
        .filter_map(|(name, there)| there.then_some(name))
        .collect();
        let found = format!("{cores} cores, {}", features.join(" "));
        say(if features.contains(&"avx2") && features.contains(&"aes") {
            Finding::fine("CPU", found)
        } else {
            Finding::warning("CPU", found, "without AVX2 and AES a core carries a fraction of the people")
        });
    }
    #[cfg(not(target_arch = "x86_64"))]
    say(Finding::fine("CPU", format!("{cores} cores")));
}

fn disk(config: &Config, say: &mut dyn FnMut(Finding)) {
    let dir = &config.server.data_dir;
    let probe = dir.join(".doctor");
    let written = crate::private::make_dir(dir).and_then(|()| std::fs::write(&probe, b"x"));
    let _ = std::fs::remove_file(&probe);
    if let Err(error) = written {
        let mend = "make the folder writable, or choose another: server.data_dir";
        say(Finding::broken("data folder", format!("{}: {error}", dir.display()), mend));
        return;
    }
    let Ok(space) = rustix::fs::statvfs(dir) else { return };
    let free = space.f_bavail * space.f_frsize;
    let found = format!("{}, {} MiB free", dir.display(), free >> 20);
    say(if free < DISK_WANTED {
        Finding::warning("data folder", found, "free some space")
    } else {
        Finding::fine("data folder", found)
    });
}
