//! Configuration: every key, its default, and where a value came from.
//!
//! Order: built-in defaults, then the TOML file, then `MCU__SECTION__KEY` variables, then flags. An unknown key is
//! an error that names the nearest known one. `config/mcu.example.toml` lists every key; a test keeps the two equal.

mod dial_out;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod sections;

pub use dial_out::{DialOutSection, TrunkKind, TrunkSection};
pub use error::ConfigError;
pub use sections::{
    EncoderSection, H264Encoder, IceServer, LogFormat, LogSection, MediaSection, RoomSection, ServerSection,
    SipSection, TlsSection,
};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the node listens for words.
    pub server: ServerSection,
    /// Certificate and key for HTTPS.
    pub tls: TlsSection,
    /// Where the node listens for media, and what it tells peers.
    pub media: MediaSection,
    /// Room systems and telephones.
    pub sip: SipSection,
    /// STUN and TURN servers that clients are told about.
    pub ice_servers: Vec<IceServer>,
    /// Which encoders, at which speed.
    pub encoder: EncoderSection,
    /// What a new room is like.
    pub room: RoomSection,
    /// What is logged, and how.
    pub log: LogSection,
}

impl Config {
    /// Reads defaults, `file` if given, and the environment.
    ///
    /// # Errors
    /// [`ConfigError`] names the key, the value and the source that is wrong, and for an unknown key the nearest.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(path) = file {
            if !path.is_file() {
                return Err(ConfigError::NoFile { path: path.to_owned() });
            }
            figment = figment.merge(Toml::file_exact(path));
        }
        Self::read(&figment.merge(Env::prefixed("MCU__").split("__")))
    }

    fn read(figment: &Figment) -> Result<Self, ConfigError> {
        let config: Self = figment.extract().map_err(ConfigError::from_figment)?;
        config.check()?;
        Ok(config)
    }

    /// What serde cannot see: values that contradict each other or lie outside their limits.
    fn check(&self) -> Result<(), ConfigError> {
        use mcu_core::limits;
        if self.tls.cert.is_some() != self.tls.key.is_some() {
            return Err(ConfigError::value("tls", "cert and key go together: set both or neither"));
        }
        if !(1..=limits::PARTICIPANTS_MAX).contains(&self.room.participants_max) {
            let text = format!("must be 1 to {}", limits::PARTICIPANTS_MAX);
            return Err(ConfigError::value("room.participants_max", &text));
        }
        for (key, canvas) in
            [("room.canvas", self.room.canvas), ("room.content_canvas", self.room.content_canvas)]
        {
            let fits = (320..=limits::CANVAS_MAX.width).contains(&canvas.width)
                && (180..=limits::CANVAS_MAX.height).contains(&canvas.height)
                && canvas.width.is_multiple_of(16)
                && canvas.height.is_multiple_of(2);
            if !fits {
                let text = "must be 320x180 to 1920x1080, the width a multiple of 16, the height even";
                return Err(ConfigError::value(key, text));
            }
        }
        if self.media.io_threads > 64 {
            return Err(ConfigError::value("media.io_threads", "must be 0 (one per 8 cores) to 64"));
        }
        if usize::from(self.media.port) + self.media.io_threads > 65_536 {
            let text = "each io thread has the next port, and the last would be over 65535";
            return Err(ConfigError::value("media.port", text));
        }
        for server in &self.ice_servers {
            server.check()?;
        }
        self.sip.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(toml: &str) -> Result<Config, ConfigError> {
        let file = std::env::temp_dir().join(format!("mcu-config-{:?}.toml", std::thread::current().id()));
        std::fs::write(&file, toml).expect("temporary file");
        Config::load(Some(&file))
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        assert_eq!(load("").expect("defaults are valid"), Config::default());
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let text = load("[media]\nadvertize = [\"192.0.2.1\"]").expect_err("unknown key").to_string();
        assert!(text.contains("advertize") && text.contains("advertise"), "{text}");
    }

    #[test]
    fn a_half_configured_certificate_is_refused() {
        let text = load("[tls]\ncert = \"a.pem\"").expect_err("half").to_string();
        assert!(text.contains("cert and key"), "{text}");
    }

    #[test]
    fn a_canvas_out_of_bounds_is_refused() {
        assert!(load("[room]\ncanvas = { width = 1280, height = 720 }").is_ok());
        for key in ["canvas", "content_canvas"] {
            let text = load(&format!("[room]\n{key} = {{ width = 9999, height = 720 }}")).expect_err("huge");
            assert!(text.to_string().contains(&format!("room.{key}")), "{text}");
        }
    }

    #[test]
    fn ports_of_io_threads_end_with_the_last_one() {
        assert!(load("[media]\nport = 65535\nio_threads = 1").is_ok());
        let text = load("[media]\nport = 65535\nio_threads = 2").expect_err("no such port").to_string();
        assert!(text.contains("media.port"), "{text}");
    }

    #[test]
    fn sip_is_open_to_nobody_in_particular_only_by_name() {
        assert!(!load("").expect("defaults").sip.is_on());
        let text = load("[sip]\ntls_port = 5061").expect_err("who may call?").to_string();
        assert!(text.contains("tls_client_ca") && text.contains("dangerous_unverified_peers"), "{text}");
        assert!(load("[sip]\ntls_port = 5061\ntls_client_ca = \"ca.pem\"").is_ok());
        assert!(
            load("[sip]\ntls_port = 5061\ndangerous_unverified_peers = true").is_ok_and(|c| c.sip.is_on())
        );
        let both = "[sip]\ntls_client_ca = \"ca.pem\"\ndangerous_unverified_peers = true";
        assert!(load(both).expect_err("both").to_string().contains("excludes"));
        assert!(load("[sip]\ndangerous_udp_port = 5060").is_ok_and(|config| config.sip.is_on()));
    }

    #[test]
    fn pages_that_may_call_are_named_by_their_origins() {
        let wss = "[sip]\nwss_port = 5063\n";
        let text = load(wss).expect_err("who may call?").to_string();
        assert!(text.contains("sip.wss_port") && text.contains("dangerous_unverified_peers"), "{text}");
        let open = format!("{wss}dangerous_unverified_peers = true\n");
        let config = load(&open).expect("valid");
        assert!(config.sip.is_on() && config.sip.wss_origins.is_empty(), "no page, unless it is named");
        let text = load(&format!("{open}tls_port = 5063")).expect_err("taken").to_string();
        assert!(text.contains("sip.wss_port"), "{text}");
        for origin in
            ["https://phones.example.org", "https://phones.example.org:8443", "http://localhost:8080"]
        {
            assert!(load(&format!("{open}wss_origins = [\"{origin}\"]")).is_ok(), "{origin}");
        }
        for odd in [
            "",
            "*",
            "null",
            "phones.example.org",
            "https://",
            "https://phones.example.org/",
            "https://Phones.example.org",
            "https://phones.example.org:443",
            "wss://phones.example.org",
        ] {
            let text = load(&format!("{open}wss_origins = [\"{odd}\"]")).expect_err(odd).to_string();
            assert!(text.contains("sip.wss_origins"), "{text}");
        }
    }

    #[test]
    fn what_is_loosened_by_name_is_named() {
        let dangers = |toml: &str| {
            let config = load(toml).expect("valid");
            config.sip.dangers().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(dangers(""), [""; 0]);
        assert_eq!(dangers("[sip]\ntls_port = 5061\ntls_client_ca = \"ca.pem\""), [""; 0]);
        let all = "[sip]\ndangerous_unverified_peers = true\ndangerous_udp_port = 5060\ndangerous_tcp_port = 5060\ndangerous_plain_rtp = true\ndangerous_digest_md5 = true";
        let named = SipSection::default();
        let keys = serde_json::to_value(named).expect("plain data");
        let keys = keys.as_object().expect("a table").keys().filter(|key| key.starts_with("dangerous_"));
        let mut keys: Vec<String> = keys.map(|key| format!("sip.{key}")).collect();
        keys.sort_unstable();
        let mut found = dangers(all);
        found.sort_unstable();
        assert_eq!(found, keys, "each that there is");
    }

    #[test]
    fn registrations_have_a_realm_and_a_time() {
        assert!(
            load("[sip]\nrealm = \"mcu.example.org\"\nregistration_s = 60\nregistration_s_max = 60").is_ok()
        );
        for (odd, key) in [
            ("realm = \"\"", "sip.realm"),
            ("realm = 'a\"b'", "sip.realm"),
            ("registration_s = 59", "sip.registration_s"),
            ("registration_s = 7201", "sip.registration_s"),
            ("registration_s_max = 86401", "sip.registration_s"),
        ] {
            let text = load(&format!("[sip]\n{odd}")).expect_err(odd).to_string();
            assert!(text.contains(key), "{text}");
        }
    }

    #[test]
    fn a_host_and_a_range_of_ports_are_such() {
        for host in ["203.0.113.7", "2001:db8::7", "mcu.example.org"] {
            assert!(load(&format!("[sip]\nadvertise = \"{host}\"")).is_ok(), "{host}");
        }
        for odd in ["", "a b", "<sip:x>", "x\\r\\ny"] {
            let text = load(&format!("[sip]\nadvertise = \"{odd}\"")).expect_err(odd).to_string();
            assert!(text.contains("sip.advertise"), "{text}");
        }
        assert!(load("[sip]\nrtp_ports = [50000, 50099]").is_ok());
        for odd in ["[50000, 50000]", "[80, 50000]", "[50001, 50000]"] {
            assert!(load(&format!("[sip]\nrtp_ports = {odd}")).is_err(), "{odd}");
        }
    }

    const TRUNK: &str = "[[sip.trunks]]\nname = \"t\"\nhost = \"trunk.example.org\"\ncaller_id = \"+4930\"\n";

    #[test]
    fn a_trunk_is_by_tls_unless_it_is_said_and_needs_a_port_of_ours() {
        let tls = "[sip]\ntls_port = 5061\ndangerous_unverified_peers = true\n";
        let config = load(&format!("{tls}{TRUNK}")).expect("valid");
        let trunk = &config.sip.trunks[0];
        assert_eq!((trunk.transport, trunk.domain()), (TrunkKind::Tls, "trunk.example.org"));
        assert!(config.sip.dial_out.domains.is_empty() && config.sip.dial_out.prefixes.is_empty(), "nobody");
        let keys = |toml: &str| {
            let config = load(toml).expect("valid");
            config.sip.dangers().map(|(key, _)| key).filter(|key| key.contains("trunks")).collect::<Vec<_>>()
        };
        assert_eq!(keys(&format!("{tls}{TRUNK}")), [""; 0]);
        let loosened = format!(
            "[sip]\ndangerous_udp_port = 5060\n{TRUNK}transport = \"dangerous_udp\"\ndangerous_md5 = true\n"
        );
        assert_eq!(keys(&loosened), ["sip.trunks.transport", "sip.trunks.dangerous_md5"]);
        let text = load(TRUNK).expect_err("SIP is off").to_string();
        assert!(text.contains("sip.trunks.transport"), "{text}");
        let text = load(&format!("{tls}{TRUNK}transport = \"dangerous_tcp\"\n"))
            .expect_err("no such port")
            .to_string();
        assert!(text.contains("sip.trunks.transport"), "{text}");
    }

    #[test]
    fn whom_the_node_calls_and_as_whom_is_written_as_it_is_dialled() {
        let tls = "[sip]\ntls_port = 5061\ndangerous_unverified_peers = true\n";
        for (key, odd) in [
            ("caller_id", "\"a b\""),
            ("caller_id", "\"<sip:x>\""),
            ("host", "\"a b\""),
            ("name", "\"\""),
            ("prefixes", "[\"\"]"),
            ("prefixes", "[\"+49-30\"]"),
            ("domain", "\"Trunk\""),
            ("username", "\"ada\""),
            ("password_file", "\"file\""),
        ] {
            let others: String =
                TRUNK.lines().filter(|line| !line.starts_with(key)).map(|line| format!("{line}\n")).collect();
            let text = load(&format!("{tls}{others}{key} = {odd}\n")).expect_err(key).to_string();
            assert!(text.contains("sip.trunks."), "{key}: {text}");
        }
        for odd in ["domains = [\"A\"]", "prefixes = [\"x\"]", "calls_max = 1001", "calls_per_minute = 0"] {
            let text = load(&format!("[sip.dial_out]\n{odd}")).expect_err(odd).to_string();
            assert!(text.contains("sip.dial_out"), "{text}");
        }
        assert!(
            load("[sip.dial_out]\ndomains = [\"a\"]\nprefixes = [\"+49\", \"0\"]\ncalls_max = 0").is_ok()
        );
    }

    #[test]
    fn a_trunk_is_registered_at_by_who_has_a_name_there() {
        let tls = "[sip]\ntls_port = 5061\ndangerous_unverified_peers = true\n";
        let known = "username = \"mcu\"\npassword_file = \"file\"\n";
        let config = load(&format!("{tls}{TRUNK}{known}register = true\ncalls_to = \"daily\"\n"));
        let trunk = config.expect("valid").sip.trunks.remove(0);
        assert_eq!((trunk.registration_s, trunk.calls_to.as_deref()), (3_600, Some("daily")));
        for (odd, key) in [
            ("register = true\n".to_owned(), "register"),
            (format!("{}register = true\n", known.replace("mcu", "m:cu")), "register"),
            (format!("{known}calls_to = \"daily\"\n"), "calls_to"),
            (format!("{known}register = true\ncalls_to = \"daily.314159\"\n"), "calls_to"),
            (format!("{known}register = true\nregistration_s = 59\n"), "registration_s"),
            (format!("{known}register = true\nregistration_s = 86401\n"), "registration_s"),
        ] {
            let text = load(&format!("{tls}{TRUNK}{odd}")).expect_err(&odd).to_string();
            assert!(text.contains(&format!("sip.trunks.{key}`")), "{text}");
        }
    }

    #[test]
    fn name_servers_are_addresses_with_ports() {
        let of = |list: &str| load(&format!("[sip]\ndns_servers = [{list}]"));
        let config = of("\"192.0.2.53:53\", \"[2001:db8::53]:5353\"").expect("two");
        assert_eq!(config.sip.dns_servers.len(), 2);
        for odd in
            ["\"192.0.2.53\"", "\"ns.example.org:53\"", "\"192.0.2.53:0\"", &["\"[::1]:53\""; 5].join(", ")]
        {
            let text = of(odd).expect_err(odd).to_string();
            assert!(text.contains("sip.dns_servers"), "{text}");
        }
    }

    #[test]
    fn a_missing_file_is_said() {
        let text = Config::load(Some(Path::new("/nowhere/mcu.toml"))).expect_err("no file").to_string();
        assert!(text.contains("/nowhere/mcu.toml"), "{text}");
    }
}
