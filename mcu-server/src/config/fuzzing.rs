//! What the fuzzer feeds: the configuration, from any bytes to assertions that must hold.
//!
//! Compiled for tests, which replay `fuzz/corpus`, and with `--cfg fuzzing` for the target of `fuzz/`; never shipped.

#[path = "../../../fuzz/shared.rs"]
mod shared;

use super::{Config, ConfigError};
use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use mcu_core::limits::{CANVAS_MAX, PARTICIPANTS_MAX};

fn parse(toml: &str) -> Result<Config, ConfigError> {
    Config::read(&Figment::from(Serialized::defaults(Config::default())).merge(Toml::string(toml)))
}

/// A configuration file: what is taken is within its limits and reads again as it was written; a refusal names something.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse(text) {
        Ok(config) => {
            assert!((1..=PARTICIPANTS_MAX).contains(&config.room.participants_max));
            assert!(config.room.canvas.area() <= CANVAS_MAX.area());
            let written = toml::to_string(&config).expect("what TOML said, TOML can say");
            assert_eq!(parse(&written).expect("we read what we write"), config);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_corpus() {
        let example = include_str!("../../../config/mcu.example.toml");
        let seeds = [
            example,
            "[media]\nadvertise = [\"192.0.2.1\", \"2001:db8::1\"]\nport = 10000\n[room]\ncanvas = { width = 1280, height = 720 }\n",
            "[[ice_servers]]\nurls = [\"turn:turn.example.org\"]\nsecret = \"s\"\n[tls]\ncert = \"a\"\nkey = \"b\"\n",
            "[room]\nparticipants_max = 999\n",
            "advertize = 1\n",
        ];
        shared::replay("config", config, &seeds.map(|text| text.as_bytes().to_vec()));
    }
}
