//! What is wrong with a configuration, in words that say how to mend it.

use std::path::PathBuf;

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file named by `--config` is not there.
    #[error("there is no configuration file at {}", path.display())]
    NoFile {
        /// As given.
        path: PathBuf,
    },
    /// A key that does not exist.
    #[error("unknown key `{key}` in {source_name}{}", nearest.as_deref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    UnknownKey {
        /// Its full path.
        key: String,
        /// The closest known key, if any is close.
        nearest: Option<String>,
        /// File, environment or flags.
        source_name: String,
    },
    /// A value of the wrong type or out of its limits.
    #[error("`{key}`: {reason}")]
    Value {
        /// Its full path.
        key: String,
        /// What it must be.
        reason: String,
    },
}

impl ConfigError {
    pub(super) fn value(key: &str, reason: &str) -> Self {
        Self::Value { key: key.to_owned(), reason: reason.to_owned() }
    }

    pub(super) fn from_figment(error: figment::Error) -> Self {
        let path = error.path.join(".");
        let source_name = error
            .metadata
            .as_ref()
            .map_or_else(|| "the configuration".to_owned(), |metadata| metadata.name.to_string());
        match error.kind {
            figment::error::Kind::UnknownField(field, known) => {
                let nearest = nearest(&field, known);
                let prefix = path.rsplit_once('.').map(|(section, _)| format!("{section}."));
                let prefix = prefix.unwrap_or_default();
                let key = if path.ends_with(&field) { path } else { format!("{prefix}{field}") };
                Self::UnknownKey { key, nearest: nearest.map(|n| format!("{prefix}{n}")), source_name }
            }
            kind => Self::Value { key: path, reason: format!("{kind} (from {source_name})") },
        }
    }
}

/// The known key that is closest to `field`, if one is similar enough to be a slip.
fn nearest(field: &str, known: &[&'static str]) -> Option<&'static str> {
    known
        .iter()
        .map(|key| (strsim::jaro_winkler(field, key), *key))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, key)| key)
}
