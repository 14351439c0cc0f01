//! `mcu doctor` and `mcu check-config`: what works here, what does not, and how to mend it.
//!
//! Exit codes: 0 everything is fine, 1 it works with warnings, 2 something will not work.

mod checks;
mod codecs;

use crate::cli::Check;
use crate::config::Config;
use serde::Serialize;
use std::process::ExitCode;

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The configuration only.
    Configuration,
    /// Configuration, machine and codecs.
    Machine,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// ✔
    Fine,
    /// !
    Warning,
    /// ✖
    Broken,
}

/// One line.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub what: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// How to mend it, unless fine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Finding {
    fn fine(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Fine, found: found.into(), mend: None }
    }

    fn warning(what: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Warning, found: found.into(), mend: Some(mend.into()) }
    }

    fn broken(what: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Broken, found: found.into(), mend: Some(mend.into()) }
    }
}

/// Runs the checks, prints them as they end, and says the worst as exit code.
pub fn run(check: &Check, scope: Scope) -> ExitCode {
    let mut findings = Vec::new();
    let mut say = |finding: Finding| {
        if !check.json {
            print(&finding);
        }
        findings.push(finding);
    };
    let config = match Config::load(check.config.as_deref()) {
        Ok(config) => {
            let from =
                check.config.as_ref().map_or_else(|| "defaults".to_owned(), |p| p.display().to_string());
            say(Finding::fine("configuration", from));
            Some(config)
        }
        Err(error) => {
            say(Finding::broken("configuration", error.to_string(), "correct the key that is named"));
            None
        }
    };
    if let Some(config) = &config {
        checks::configuration(config, &mut say);
        if scope == Scope::Machine {
            checks::machine(config, &mut say);
            codecs::check(&mut say);
        }
    }
    if check.json {
        println!("{}", serde_json::to_string_pretty(&findings).expect("plain strings serialise"));
    }
    let worst = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Fine);
    ExitCode::from(match worst {
        Verdict::Fine => 0,
        Verdict::Warning => 1,
        Verdict::Broken => 2,
    })
}

fn print(finding: &Finding) {
    let mark = match finding.verdict {
        Verdict::Fine => '✔',
        Verdict::Warning => '!',
        Verdict::Broken => '✖',
    };
    println!("{mark} {:<18} {}", finding.what, finding.found);
    if let Some(mend) = &finding.mend {
        println!("  {:<18} → {mend}", "");
    }
}
