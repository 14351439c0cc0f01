//! What an operator sees: counters and gauges, gathered from one place once a second, with unit and help.
//!
//! No names, no ids, no addresses as labels. `docs/OPERATIONS.md` has the same table; a test keeps the two equal.

use crate::control::Census;
use crate::engine::totals::{MediaTotals, Row};
use crate::threads::clock::ClockCounters;
use crate::threads::hop_times::HopTimes;
use crate::threads::io::IoPort;
use axum::Router;
use axum::http::header;
use axum::routing::get;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use signalling::door::connections::Connections;
use signalling::sip::SipCounters;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What is gathered besides the media's totals ([`MediaTotals::TABLE`]) and the times of jobs
/// ([`hop_times::TABLE`](crate::threads::hop_times::TABLE)).
const GATHERED: &[Row] = &[
    ("mcu_rooms", false, Unit::Count, "Rooms kept by this node"),
    ("mcu_meetings", false, Unit::Count, "Meetings running"),
    ("mcu_participants", false, Unit::Count, "Participants in meetings"),
    ("mcu_encoders", false, Unit::Count, "Video encodes running: one for each distinct rendition"),
    (
        "mcu_sources_on_stage",
        false,
        Unit::Count,
        "Video sources that some scene shows, so that they are decoded",
    ),
    ("mcu_peers", false, Unit::Count, "Transport associations"),
    ("mcu_ticks_total", true, Unit::Count, "Picture ticks started"),
    (
        "mcu_ticks_late_total",
        true,
        Unit::Count,
        "Picture ticks missed because the tick before was still at work",
    ),
    ("mcu_sound_blocks_total", true, Unit::Count, "Sound beats started"),
    (
        "mcu_sound_blocks_late_total",
        true,
        Unit::Count,
        "Sound beats put off because the one before was still at work",
    ),
    ("mcu_datagrams_received_total", true, Unit::Count, "UDP datagrams received"),
    ("mcu_datagrams_sent_total", true, Unit::Count, "UDP datagrams handed to the kernel"),
    (
        "mcu_datagrams_send_dropped_total",
        true,
        Unit::Count,
        "UDP datagrams that the kernel did not take in time",
    ),
    ("mcu_datagrams_send_errors_total", true, Unit::Count, "UDP datagrams that the kernel refused"),
    ("mcu_datagrams_unknown_total", true, Unit::Count, "Datagrams of nobody's, dropped"),
    (
        "mcu_bursts_dropped_total",
        true,
        Unit::Count,
        "Pictures and sounds that an io thread did not take in time",
    ),
    ("mcu_news_dropped_total", true, Unit::Count, "Reports of peers that control did not take in time"),
    ("mcu_http_connections", false, Unit::Count, "TCP connections to the API and the web client"),
    (
        "mcu_http_connections_refused_total",
        true,
        Unit::Count,
        "TCP connections closed because their address, or all together, had too many",
    ),
    ("mcu_sip_calls", false, Unit::Count, "Calls by SIP"),
    ("mcu_sip_calls_answered_total", true, Unit::Count, "Calls by SIP that were answered"),
    ("mcu_sip_calls_refused_total", true, Unit::Count, "Calls by SIP that were refused, for whatever reason"),
    ("mcu_sip_devices", false, Unit::Count, "Devices registered by SIP"),
    (
        "mcu_sip_registrations_refused_total",
        true,
        Unit::Count,
        "Registrations by SIP that were refused, for whatever reason",
    ),
    ("mcu_sip_calls_out_answered_total", true, Unit::Count, "Calls of the node's own that were answered"),
    ("mcu_sip_calls_out_failed_total", true, Unit::Count, "Calls of the node's own that came to nothing"),
    ("mcu_sip_trunks_registered", false, Unit::Count, "Trunks at which the node is registered"),
    (
        "mcu_sip_trunk_registrations_failed_total",
        true,
        Unit::Count,
        "Registrations of the node's at trunks that came to nothing, refreshes with them",
    ),
    (
        "mcu_sip_messages_dropped_total",
        true,
        Unit::Count,
        "SIP messages dropped: malformed, over a limit, or one too many",
    ),
    (
        "mcu_bfcp_messages_dropped_total",
        true,
        Unit::Count,
        "BFCP messages dropped: of no call, one too many, or for a device that does not read",
    ),
    ("process_cpu_seconds_total", false, Unit::Seconds, "CPU time of this process, user and system"),
    ("process_resident_memory_bytes", false, Unit::Bytes, "Resident memory of this process"),
];

/// Every metric but the histograms.
pub fn table() -> impl Iterator<Item = &'static Row> {
    GATHERED.iter().chain(MediaTotals::TABLE)
}

/// The recorder and its text form.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    times: Arc<HopTimes>,
}

/// Where the figures of one second come from.
pub struct Sources<'a> {
    /// From control.
    pub census: Census,
    /// From the clock thread.
    pub beats: &'a ClockCounters,
    /// From the io threads.
    pub io: &'a [IoPort],
    /// From the way between io threads and control.
    pub news_dropped: u64,
    /// From all engines and seats.
    pub totals: &'a MediaTotals,
    /// From the public listeners.
    pub connections: &'a Connections,
    /// From SIP.
    pub sip: &'a SipCounters,
}

impl Metrics {
    /// Installs the recorder; once per process. `times` are rendered with the rest.
    ///
    /// # Errors
    /// [`BuildError`] when a recorder is installed already.
    pub fn install(times: Arc<HopTimes>) -> Result<Self, BuildError> {
        let handle = PrometheusBuilder::new().install_recorder()?;
        for (name, grows, unit, help) in table() {
            if *grows {
                describe_counter!(*name, *unit, *help);
                counter!(*name).absolute(0);
            } else {
                describe_gauge!(*name, *unit, *help);
                gauge!(*name).set(0.0);
            }
        }
        Ok(Self { handle, times })
    }

    /// Takes the figures of one second.
    pub fn record(&self, sources: &Sources<'_>) {
        let Census { rooms, meetings, participants, encoders, on_stage } = sources.census;
        gauge!("mcu_rooms").set(rooms as f64);
        gauge!("mcu_meetings").set(meetings as f64);
        gauge!("mcu_participants").set(participants as f64);
        gauge!("mcu_encoders").set(encoders as f64);
        gauge!("mcu_sources_on_stage").set(on_stage as f64);
        let beats = sources.beats;
        counter!("mcu_ticks_total").absolute(beats.ticks.load(Ordering::Relaxed));
        counter!("mcu_ticks_late_total").absolute(beats.late_ticks.load(Ordering::Relaxed));
        counter!("mcu_sound_blocks_total").absolute(beats.blocks.load(Ordering::Relaxed));
        counter!("mcu_sound_blocks_late_total").absolute(beats.late_blocks.load(Ordering::Relaxed));
        let sum = |read: &dyn Fn(&IoPort) -> u64| sources.io.iter().map(read).sum::<u64>();
        let datagrams = |n: usize| sum(&|io| io.gauges().datagrams[n].load(Ordering::Relaxed));
        counter!("mcu_datagrams_received_total").absolute(datagrams(0));
        counter!("mcu_datagrams_sent_total").absolute(datagrams(1));
        counter!("mcu_datagrams_send_dropped_total").absolute(datagrams(2));
        counter!("mcu_datagrams_send_errors_total").absolute(datagrams(3));
        counter!("mcu_datagrams_unknown_total")
            .absolute(sum(&|io| io.gauges().strangers.load(Ordering::Relaxed)));
        counter!("mcu_bursts_dropped_total").absolute(sum(&IoPort::bursts_dropped));
        counter!("mcu_news_dropped_total").absolute(sources.news_dropped);
        for (name, count) in sources.totals.read() {
            counter!(name).absolute(count);
        }
        gauge!("mcu_http_connections").set(sources.connections.open() as f64);
        counter!("mcu_http_connections_refused_total").absolute(sources.connections.refused());
        gauge!("mcu_sip_calls").set(sources.sip.calls.load(Ordering::Relaxed) as f64);
        counter!("mcu_sip_calls_answered_total").absolute(sources.sip.answered.load(Ordering::Relaxed));
        counter!("mcu_sip_calls_refused_total").absolute(sources.sip.refused.load(Ordering::Relaxed));
        gauge!("mcu_sip_devices").set(sources.sip.devices.load(Ordering::Relaxed) as f64);
        counter!("mcu_sip_registrations_refused_total")
            .absolute(sources.sip.registrations_refused.load(Ordering::Relaxed));
        counter!("mcu_sip_calls_out_answered_total").absolute(sources.sip.made.load(Ordering::Relaxed));
        counter!("mcu_sip_calls_out_failed_total").absolute(sources.sip.failed.load(Ordering::Relaxed));
        gauge!("mcu_sip_trunks_registered").set(sources.sip.trunks_registered.load(Ordering::Relaxed) as f64);
        counter!("mcu_sip_trunk_registrations_failed_total")
            .absolute(sources.sip.trunk_registrations_failed.load(Ordering::Relaxed));
        counter!("mcu_sip_messages_dropped_total").absolute(sources.sip.dropped.load(Ordering::Relaxed));
        counter!("mcu_bfcp_messages_dropped_total")
            .absolute(sources.sip.floor_dropped.load(Ordering::Relaxed));
        gauge!("mcu_peers").set(sum(&|io| io.peers() as u64) as f64);
        if let Some((cpu_seconds, resident_bytes)) = crate::process::usage() {
            gauge!("process_cpu_seconds_total").set(cpu_seconds);
            gauge!("process_resident_memory_bytes").set(resident_bytes as f64);
        }
        self.handle.run_upkeep();
    }

    /// `GET /metrics`.
    pub fn router(&self) -> Router {
        let metrics = self.clone();
        let render = async move || {
            let text = metrics.handle.render() + &metrics.times.render();
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
        };
        Router::new().route("/metrics", get(render))
    }
}
