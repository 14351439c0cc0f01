//! The folder of a run's files: made before the run, so that a wrong path costs no run; written after it.
//!
//! Each file is written beside its name and then renamed: a full disk leaves no half of a report.

use super::{Environment, RunReport, Stored, html, junit};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The page of a run.
const PAGE: &str = "report.html";

/// A folder that could be made, and written to.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    environment: Environment,
}

/// A file of it could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}")]
pub struct FolderError {
    /// Which.
    path: PathBuf,
    /// Why.
    source: io::Error,
}

impl Folder {
    /// Makes the folder where it is missing, and tries whether it can be written to.
    ///
    /// # Errors
    /// [`FolderError`] when it cannot.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let folder = Self { path: path.to_owned(), environment: Environment::read() };
        std::fs::create_dir_all(path).map_err(|source| FolderError { path: path.to_owned(), source })?;
        write(path, "env.json", &json(&folder.environment))?;
        Ok(folder)
    }

    /// Writes `report.json`, `report.html` and `junit.xml`; `env.json` is there since the begin. What can be written is, though something
    /// before it could not.
    ///
    /// # Errors
    /// The first [`FolderError`].
    pub fn keep(&self, report: &RunReport) -> Result<(), FolderError> {
        let kept = [
            write(&self.path, "report.json", &json(report)),
            write(&self.path, PAGE, html(report, Some(&self.environment)).as_bytes()),
            write(&self.path, "junit.xml", junit(report).as_bytes()),
        ];
        kept.into_iter().collect()
    }

    /// Writes `value` as a file of its own.
    ///
    /// # Errors
    /// [`FolderError`] when it cannot.
    pub fn keep_json(&self, name: &str, value: &impl serde::Serialize) -> Result<(), FolderError> {
        write(&self.path, name, &json(value))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Stored {
    /// Writes `report.html` beside the report, anew; where it lies then.
    ///
    /// # Errors
    /// [`FolderError`] when it cannot.
    pub fn write_html(&self) -> Result<PathBuf, FolderError> {
        let page = html(&self.report, self.environment.as_ref());
        write(self.folder(), PAGE, page.as_bytes())?;
        Ok(self.folder().join(PAGE))
    }
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
    let path = folder.join(name);
    let partial = folder.join(format!("{name}.part"));
    let written = std::fs::File::create(&partial)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&partial, &path));
    if written.is_err() {
        // Half a file is worse than none, and takes room on a full disk.
        let _ = std::fs::remove_file(&partial);
    }
    written.map_err(|source| FolderError { path, source })
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    let mut bytes =
        serde_json::to_vec_pretty(value).expect("structs of plain values and string keys: always JSON");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_holds_report_environment_and_junit_and_nothing_half() {
        let path = std::env::temp_dir().join(format!("mcu-load-folder-{}", std::process::id()));
        let folder = Folder::open(&path.join("a/b")).expect("the temporary folder is writable");
        let example = include_str!("../../tests/fixtures/report.json");
        let report: RunReport = serde_json::from_str(example).expect("the example parses");
        folder.keep(&report).expect("is writable");
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .expect("is there")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["env.json", "junit.xml", "report.html", "report.json"]);
        let read = std::fs::read(folder.path().join("report.json")).expect("is there");
        assert_eq!(serde_json::from_slice::<RunReport>(&read).expect("parses"), report);
        // The page can be made again of what lies there, and is the same.
        let page = std::fs::read(folder.path().join("report.html")).expect("is there");
        std::fs::remove_file(folder.path().join("report.html")).expect("is there");
        let stored = Stored::read(folder.path()).expect("is a report");
        assert_eq!(std::fs::read(stored.write_html().expect("is writable")).expect("is there"), page);
        // A folder in the way of a file: the report is refused by name, and the other file written all the same.
        std::fs::remove_file(folder.path().join("junit.xml")).expect("is there");
        std::fs::remove_file(folder.path().join("report.json")).expect("is there");
        std::fs::create_dir(folder.path().join("report.json")).expect("is writable");
        let error = folder.keep(&report).expect_err("is in the way").to_string();
        assert!(error.contains("report.json") && folder.path().join("junit.xml").is_file(), "{error}");
        assert!(!folder.path().join("report.json.part").exists());
        std::fs::remove_dir_all(path).expect("is there");
    }

    #[test]
    fn a_folder_that_cannot_be_is_known_before_the_run() {
        let file = std::env::temp_dir().join(format!("mcu-load-no-folder-{}", std::process::id()));
        std::fs::write(&file, "x").expect("is writable");
        assert!(Folder::open(&file.join("report")).is_err());
        std::fs::remove_file(file).expect("is there");
    }
}
