//! A report that an earlier run wrote, from its folder or its `report.json`, with the `env.json` beside it.
//!
//! Flow: files -> **here** -> `html`, `compare`. A report of another schema is refused: its fields mean something else.

use super::{Environment, RunReport, SCHEMA};
use serde::Deserialize;
use std::io;
use std::path::{Path, PathBuf};

/// A run that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Its `report.json`.
    pub path: PathBuf,
    /// What that says.
    pub report: RunReport,
    /// What `env.json` beside it says; `None` where there is none, or none that can be read.
    pub environment: Option<Environment>,
}

/// Why there is no report to be read.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// No such file, or no right to it.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else than a report.
    #[error("{path} is no report of mcu-load: {source}")]
    Json {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        source: serde_json::Error,
    },
    /// A report of another version.
    #[error("{path} has schema {found}, this program reads schema {SCHEMA}: take the mcu-load that wrote it")]
    Schema {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

/// The one field that every schema has.
#[derive(Deserialize)]
struct Version {
    schema: u32,
}

impl Stored {
    /// Reads `path`: the folder of a run, or its `report.json`.
    ///
    /// # Errors
    /// [`StoredError`] when there is no report of this schema.
    pub fn read(path: &Path) -> Result<Self, StoredError> {
        let path = if path.is_dir() { path.join("report.json") } else { path.to_owned() };
        let text = std::fs::read_to_string(&path)
            .map_err(|source| StoredError::Read { path: path.clone(), source })?;
        let json = |source| StoredError::Json { path: path.clone(), source };
        let Version { schema } = serde_json::from_str(&text).map_err(json)?;
        if schema != SCHEMA {
            return Err(StoredError::Schema { path, found: schema });
        }
        let report = serde_json::from_str(&text).map_err(json)?;
        let environment = std::fs::read(path.with_file_name("env.json"))
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Environment>(&bytes).ok())
            .filter(|environment| environment.schema == SCHEMA);
        Ok(Self { path, report, environment })
    }

    /// The folder that it lies in.
    pub fn folder(&self) -> &Path {
        self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../tests/fixtures/report.json");

    /// What reading a folder with this `report.json` comes to.
    fn stored(name: &str, json: &str) -> Result<Stored, String> {
        let folder = std::env::temp_dir().join(format!("mcu-load-stored-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
        std::fs::write(folder.join("report.json"), json).expect("is writable");
        let by_folder = Stored::read(&folder).map_err(|error| error.to_string());
        let by_file = Stored::read(&folder.join("report.json")).map_err(|error| error.to_string());
        assert_eq!(by_folder, by_file);
        std::fs::remove_dir_all(folder).expect("is there");
        by_folder
    }

    #[test]
    fn a_report_is_found_by_its_folder_and_by_its_file() {
        let stored = stored("example", EXAMPLE).expect("is a report");
        assert_eq!((stored.report.participants.len(), stored.environment.is_none()), (5, true));
        assert!(
            stored.path.ends_with("report.json") && stored.folder() == stored.path.parent().expect("one")
        );
    }

    #[test]
    fn other_schemas_and_other_files_are_refused_by_name() {
        let newer = EXAMPLE.replacen("\"schema\": 1", "\"schema\": 2", 1);
        let error = stored("newer", &newer).expect_err("is newer");
        assert!(error.contains("report.json") && error.contains("has schema 2"), "{error}");
        // A schema of which nothing else is known.
        assert!(stored("other", "{\"schema\": 7}").expect_err("is another").contains("has schema 7"));
        assert!(stored("list", "[]").expect_err("is none").contains("no report"));
        let error = Stored::read(Path::new("/nowhere/at/all")).expect_err("is not there").to_string();
        assert!(error.contains("/nowhere/at/all"), "{error}");
    }
}
