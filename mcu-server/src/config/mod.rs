//! Configuration: every key, its default, and where a value came from.
//!
//! Order: built-in defaults, then the TOML file, then `MCU__SECTION__KEY` variables, then flags. An unknown key is
//! an error that names the nearest known one. `config/mcu.example.toml` lists every key; a test keeps the two equal.

mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod sections;

pub use error::ConfigError;
pub use sections::{
    EncoderSection, H264Encoder, IceServer, LogFormat, LogSection, MediaSection, RoomSection, ServerSection,
    TlsSection,
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
        Ok(())
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
    fn a_missing_file_is_said() {
        let text = Config::load(Some(Path::new("/nowhere/mcu.toml"))).expect_err("no file").to_string();
        assert!(text.contains("/nowhere/mcu.toml"), "{text}");
    }
}
