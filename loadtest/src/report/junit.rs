//! A run as JUnit XML, as CI systems read it: one test case for each threshold, and one for the harness itself.

use super::{Judgement, Ruling, RunReport, Verdict};
use std::fmt::Write;

/// The XML of a report.
pub fn junit(report: &RunReport) -> String {
    let name = escaped(&format!("mcu-load {}", report.scenario.name));
    let seconds = report.ended_unix_ms.saturating_sub(report.started_unix_ms) as f64 / 1_000.0;
    let failures = report.thresholds.iter().filter(|judgement| judgement.ruling == Ruling::Broken).count();
    let unmeasured =
        report.thresholds.iter().filter(|judgement| judgement.ruling == Ruling::Unmeasured).count();
    let is_invalid = report.verdict == Verdict::Invalid;
    let (tests, errors) = (report.thresholds.len() + 1, unmeasured + usize::from(is_invalid));
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n\
         <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{seconds:.3}\">\n"
    );
    let harness = if is_invalid {
        format!("<error message=\"{}\"/>", escaped(&report.because.join("; ")))
    } else {
        String::new()
    };
    case(&mut xml, &name, "harness", &harness);
    for judgement in &report.thresholds {
        case(&mut xml, &name, &escaped(&judgement.threshold), &outcome(judgement));
    }
    xml += "</testsuite>\n</testsuites>\n";
    xml
}

fn case(xml: &mut String, suite: &str, name: &str, outcome: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(xml, "  <testcase classname=\"{suite}\" name=\"{name}\">{outcome}</testcase>");
}

fn outcome(judgement: &Judgement) -> String {
    match judgement.ruling {
        Ruling::Kept => String::new(),
        Ruling::Unmeasured => "<error message=\"nobody measured it\"/>".to_owned(),
        Ruling::Broken => {
            let all: Vec<String> =
                judgement.failing.iter().map(|excess| excess.said(&judgement.unit)).collect();
            let limit = format!("limit {} {}", judgement.limit, judgement.unit);
            format!("<failure message=\"{}\">{}</failure>", escaped(&limit), escaped(&all.join("\n")))
        }
    }
}

/// XML 1.0 §2.4; what XML cannot hold at all goes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\n' | '\t' => escaped.push(letter),
            _ if letter.is_control() => {}
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Excess;

    fn example() -> RunReport {
        serde_json::from_str(include_str!("../../tests/fixtures/report.json")).expect("the example parses")
    }

    #[test]
    fn every_threshold_is_a_case_and_a_broken_one_names_its_people() {
        let mut report = example();
        let excess = |name: &str| Excess { participant: name.into(), visit: 2, value: 7.0, detail: None };
        report.thresholds.truncate(1);
        let judgement = &mut report.thresholds[0];
        (judgement.ruling, judgement.limit, judgement.unit) = (Ruling::Broken, 3.0, "ms".into());
        judgement.failing = vec![excess("A<d>a & \"co\"\u{1}"), excess("Bo")];
        report.verdict = Verdict::Fail;
        let xml = junit(&report);
        assert!(xml.contains("tests=\"2\" failures=\"1\" errors=\"0\""), "{xml}");
        let failure = "<failure message=\"limit 3 ms\">A&lt;d&gt;a &amp; &quot;co&quot; (visit 2) has 7 ms\nBo (visit 2) has 7 ms</failure>";
        assert!(xml.contains(failure), "{xml}");
        assert_eq!(xml.matches("<testcase").count(), xml.matches("</testcase>").count());
    }

    #[test]
    fn a_run_that_says_nothing_is_an_error_and_not_a_failure() {
        let mut report = example();
        report.thresholds.clear();
        (report.verdict, report.because) = (Verdict::Invalid, vec!["the harness sent late".into()]);
        let xml = junit(&report);
        assert!(
            xml.contains("failures=\"0\" errors=\"1\"")
                && xml.contains("<error message=\"the harness sent late\"/>")
        );
        (report.verdict, report.because) = (Verdict::Pass, Vec::new());
        assert!(!junit(&report).contains("<error"));
    }
}
