//! The names of trunks in DNS (RFC 3263): NAPTR, then SRV, then addresses.
//!
//! Flow: a trunk's `host` -> [`Names::find`] -> addresses and ports, the best first -> `trunk`. Thread: the server's runtime, on the task that asks.
//! Bounds: `targets::TARGETS_MAX` servers, [`ADDRESSES_MAX`] addresses of each, [`ATTEMPTS`] of [`ATTEMPT_TIME_MAX`] for each of three rounds of questions,
//! [`CACHED_MAX`] answers that are remembered, each for as long as it says within [`TTL_MIN`] and [`TTL_MAX`].
//!
//! Whose names are asked for is the operator's word alone, and whatever their own records name. Nothing that a caller, a callee or an API client wrote is.

use super::targets::{Naptr, Srv, in_order, service};
use futures_util::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use rand::Rng;
use rsipstack::sip::Transport;
use std::net::SocketAddr;
use std::time::Duration;

/// Addresses of one server.
const ADDRESSES_MAX: usize = 4;
/// How often a question is said, and how long its answer may take each time.
const ATTEMPTS: usize = 2;
const ATTEMPT_TIME_MAX: Duration = Duration::from_secs(2);
/// Answers that are remembered: a few for each trunk.
const CACHED_MAX: u64 = 256;
/// For how long: trunks are looked up for each call by UDP, and whenever a connection is made.
const TTL_MIN: Duration = Duration::from_secs(30);
const TTL_MAX: Duration = Duration::from_secs(3_600);
/// That there is no such record, for no longer: it may just have been written.
const NEGATIVE_TTL_MAX: Duration = Duration::from_secs(300);

/// See the module.
pub(super) struct Names {
    resolver: TokioResolver,
}

impl Names {
    /// Asks `servers`; those of the system where there are none.
    ///
    /// # Errors
    /// When the system's cannot be read.
    pub(super) fn new(servers: &[SocketAddr]) -> Result<Self, NetError> {
        let mut builder = if servers.is_empty() {
            TokioResolver::builder_tokio()?
        } else {
            let servers = servers.iter().copied().map(name_server).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        options.attempts = ATTEMPTS;
        options.timeout = ATTEMPT_TIME_MAX;
        options.cache_size = CACHED_MAX;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.positive_min_ttl = Some(TTL_MIN);
        options.positive_max_ttl = Some(TTL_MAX);
        options.negative_min_ttl = Some(TTL_MIN);
        options.negative_max_ttl = Some(NEGATIVE_TTL_MAX);
        Ok(Self { resolver: builder.build()? })
    }

    /// Where a host's servers are, the first to be tried first; `None` where nobody tells of SRV records, and the host is itself the one.
    pub(super) async fn find(&self, host: &str, transport: Transport) -> Option<Vec<SocketAddr>> {
        let host = host.trim_end_matches('.');
        let services = self.records(&format!("{host}."), RecordType::NAPTR, naptr).await;
        let servers = self.records(&service(host, transport, services), RecordType::SRV, srv).await;
        if servers.is_empty() {
            return None;
        }
        let ordered = in_order(servers, |most| rand::rng().random_range(0..=most));
        let addresses = join_all(ordered.iter().map(|server| self.addresses(server))).await;
        Some(addresses.into_iter().flatten().collect())
    }

    /// Of one server; none where it has none, and others may.
    async fn addresses(&self, server: &Srv) -> Vec<SocketAddr> {
        let found = self.resolver.lookup_ip(server.target.as_str()).await;
        let Ok(found) = found else { return Vec::new() };
        found.iter().take(ADDRESSES_MAX).map(|ip| SocketAddr::new(ip, server.port)).collect()
    }

    /// The records of a name. A name server that answers nothing has none: some do so for kinds that they do not know.
    async fn records<T>(&self, name: &str, kind: RecordType, read: impl Fn(&RData) -> Option<T>) -> Vec<T> {
        let Ok(found) = self.resolver.lookup(name, kind).await else { return Vec::new() };
        found.answers().iter().filter_map(|record| read(&record.data)).collect()
    }
}

fn name_server(at: SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = at.port();
    }
    NameServerConfig::new(at.ip(), true, connections)
}

fn naptr(data: &RData) -> Option<Naptr> {
    let RData::NAPTR(record) = data else { return None };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(Naptr {
        order: record.order,
        preference: record.preference,
        flags: text(&record.flags),
        services: text(&record.services),
        replacement: record.replacement.to_ascii(),
    })
}

fn srv(data: &RData) -> Option<Srv> {
    let RData::SRV(record) = data else { return None };
    Some(Srv {
        priority: record.priority,
        weight: record.weight,
        port: record.port,
        target: record.target.to_ascii(),
    })
}
