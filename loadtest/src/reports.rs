//! `mcu-load compare` and `mcu-load report`: what is done with reports of runs that are over.

use clap::Args;
use loadtest::compare::{CompareError, Comparison, Settings, compare};
use loadtest::report::{FolderError, Stored, StoredError};
use std::path::PathBuf;

/// Something became worse.
const EXIT_WORSE: u8 = 1;

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// The run before: its folder, or its report.json
    #[arg(required_unless_present = "before", requires = "b", conflicts_with_all = ["before", "after"])]
    a: Option<PathBuf>,
    /// The run after
    b: Option<PathBuf>,
    /// A run before, one of several
    #[arg(long, value_name = "DIR", requires = "after")]
    before: Vec<PathBuf>,
    /// A run after, one of several
    #[arg(long, value_name = "DIR", requires = "before")]
    after: Vec<PathBuf>,
    /// What is no difference, in per cent of the value before
    #[arg(long, value_name = "PERCENT", default_value = "5", value_parser = margin)]
    margin: f64,
    /// Compare different scenarios, and INVALID runs, all the same
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// The folder of a run, or its report.json
    run: PathBuf,
}

/// Why there is nothing to tell.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Stored(#[from] StoredError),
    #[error(transparent)]
    Compare(#[from] CompareError),
    #[error(transparent)]
    Folder(#[from] FolderError),
}

impl Trouble {
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Stored(_) | Self::Compare(_) => super::EXIT_USAGE,
            Self::Folder(_) => super::run::EXIT_REPORT,
        }
    }
}

fn margin(text: &str) -> Result<f64, String> {
    let margin = text.parse::<f64>().ok().filter(|margin| (0.0..=100.0).contains(margin));
    margin.ok_or_else(|| "a number from 0 to 100".to_owned())
}

/// Prints the comparison; its exit code.
pub(crate) fn compared(arguments: &CompareArguments) -> Result<u8, Trouble> {
    let CompareArguments { a, b, before, after, margin, force, json } = arguments;
    let read = |one: &Option<PathBuf>, several: &[PathBuf]| {
        one.iter().chain(several).map(|path| Stored::read(path)).collect::<Result<Vec<_>, _>>()
    };
    let settings = Settings { margin_percent: *margin, force: *force };
    let comparison = compare(&read(a, before)?, &read(b, after)?, settings)?;
    print!("{}", if *json { in_json(&comparison) } else { comparison.to_string() });
    Ok(if comparison.is_worse { EXIT_WORSE } else { 0 })
}

fn in_json(comparison: &Comparison) -> String {
    let json = serde_json::to_string_pretty(comparison);
    json.expect("structs of plain values: always JSON") + "\n"
}

/// Writes the page of a run.
pub(crate) fn page(arguments: &ReportArguments) -> Result<u8, Trouble> {
    println!("report: {}", Stored::read(&arguments.run)?.write_html()?.display());
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::path::Path;

    const EXAMPLE: &str = include_str!("../tests/fixtures/report.json");

    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        arguments: CompareArguments,
    }

    /// A run's folder for one test, gone after it.
    struct Run(PathBuf);

    impl Run {
        fn new(test: &str, json: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("mcu-load-reports-{}-{test}", std::process::id()));
            std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
            std::fs::write(folder.join("report.json"), json).expect("is writable");
            Self(folder)
        }
    }

    impl Drop for Run {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// The exit code of comparing two runs, and what was said where they could not be.
    fn exit(before: &Path, after: &Path, flags: &[&str]) -> (u8, String) {
        let paths = [before, after].map(|path| path.to_str().expect("is text"));
        let words = Words::parse_from([&["compare"], &paths[..], flags].concat());
        match compared(&words.arguments) {
            Ok(code) => (code, String::new()),
            Err(trouble) => (trouble.exit_code(), trouble.to_string()),
        }
    }

    #[test]
    fn the_exit_code_of_a_comparison_is_its_verdict() {
        let before = Run::new("before", EXAMPLE);
        // All four who measure see fewer pictures.
        let slow = EXAMPLE.replace("\"fps\": 29.3", "\"fps\": 9.3").replace("\"fps\": 25.9", "\"fps\": 5.9");
        assert_ne!(slow, EXAMPLE);
        let slow = Run::new("slow", &slow);
        assert_eq!(exit(&before.0, &before.0, &[]).0, 0);
        assert_eq!(exit(&before.0, &slow.0.join("report.json"), &["--json"]).0, 1);
        assert_eq!(exit(&slow.0, &before.0, &[]).0, 0, "better is not worse");
        let invalid =
            Run::new("invalid", &EXAMPLE.replace("\"verdict\": \"FAIL\"", "\"verdict\": \"INVALID\""));
        let (code, said) = exit(&before.0, &invalid.0, &[]);
        assert!(code == 2 && said.contains("INVALID") && !said.contains('\n'), "{code}: {said}");
        assert_eq!(exit(&before.0, &invalid.0, &["--force"]).0, 0);
        let newer = Run::new("newer", &EXAMPLE.replacen("\"schema\": 1", "\"schema\": 2", 1));
        assert!(matches!(exit(&before.0, &newer.0, &["--force"]), (2, said) if said.contains("schema 2")));
        assert!(
            matches!(exit(&before.0, Path::new("/nowhere"), &[]), (2, said) if said.contains("/nowhere"))
        );
    }

    #[test]
    fn the_page_of_a_run_that_is_over_is_written_beside_its_report() {
        let run = Run::new("page", EXAMPLE);
        assert_eq!(page(&ReportArguments { run: run.0.clone() }).expect("is a report"), 0);
        let written = std::fs::read_to_string(run.0.join("report.html")).expect("was written");
        assert!(written.starts_with("<!DOCTYPE html>") && written.contains("traveller 1"));
        std::fs::remove_file(run.0.join("report.html")).expect("is there");
        std::fs::create_dir(run.0.join("report.html")).expect("is writable");
        let trouble = page(&ReportArguments { run: run.0.clone() }).expect_err("a folder is in the way");
        assert!(trouble.exit_code() == 6 && trouble.to_string().contains("report.html"), "{trouble}");
        assert_eq!(
            page(&ReportArguments { run: "/nowhere".into() }).expect_err("is not there").exit_code(),
            2
        );
    }
}
