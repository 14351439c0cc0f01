//! How names, values and moments of a report are written for a person.
//!
//! Every text of a report may come from somebody else's machine: `maud` escapes what stands in markup, and [`plain`]
//! takes away what could still disturb a page: control characters, and lengths without end.

use maud::{Markup, html};

/// Letters of a name that are shown.
const NAME_CHARS_MAX: usize = 48;
/// Letters of any other text.
const TEXT_CHARS_MAX: usize = 400;

/// What stands where there is no value.
pub(super) const NOT_MEASURED: &str = "not measured";

/// `text` without control characters, shortened to `chars_max` letters.
pub(super) fn plain(text: &str, chars_max: usize) -> String {
    let mut letters = text.chars().filter(|letter| !letter.is_control());
    let mut plain: String = letters.by_ref().take(chars_max).collect();
    if letters.next().is_some() {
        plain.push('…');
    }
    plain
}

/// A name; whichever way it is written, what stands around it stays where it is.
pub(super) fn name(text: &str) -> Markup {
    html! { bdi { (plain(text, NAME_CHARS_MAX)) } }
}

/// A stay: the name, and which visit it is where it is not the first.
pub(super) fn stay(text: &str, visit: u32) -> Markup {
    html! { (name(text)) @if visit > 1 { " (visit " (visit) ")" } }
}

/// A sentence or two.
pub(super) fn said(text: &str) -> Markup {
    html! { bdi { (plain(text, TEXT_CHARS_MAX)) } }
}

/// A value with its unit, or that there is none.
pub(super) fn value(value: Option<f64>, digits: usize, unit: &str) -> Markup {
    match value.filter(|value| value.is_finite()) {
        Some(value) => html! { (number(value, digits)) @if !unit.is_empty() { " " (unit) } },
        None => none(),
    }
}

/// That there is no value.
pub(super) fn none() -> Markup {
    html! { span.none { (NOT_MEASURED) } }
}

/// With `digits` after the point, and never `-0`.
pub(super) fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if text.trim_start_matches('-').chars().all(|letter| matches!(letter, '0' | '.')) {
        return text.trim_start_matches('-').to_owned();
    }
    text
}

/// A size in mebibytes.
pub(super) fn mebibytes(bytes: Option<u64>) -> Markup {
    value(bytes.map(|bytes| bytes as f64 / f64::from(1 << 20)), 0, "MiB")
}

/// A moment as `2026-11-22 06:38:17 UTC`.
pub(super) fn utc(unix_ms: u64) -> String {
    let seconds = unix_ms / 1_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Year, month and day of a day since 1970-01-01, by H. Hinnant, "chrono-compatible low-level date algorithms",
/// `civil_from_days`: years begin in March, so that the day of a leap year comes last.
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(951_782_400_000), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(1_795_320_098_183), "2026-11-22 04:01:38 UTC");
        // The last that a JSON can hold is no overflow.
        assert!(utc(u64::MAX).ends_with("UTC"));
    }

    #[test]
    fn texts_are_short_and_without_control_characters() {
        assert_eq!(plain("a\u{0}\u{1b}[2Jb", 9), "a[2Jb");
        assert_eq!((plain("abcd", 4), plain("abcde", 4)), ("abcd".into(), "abcd…".into()));
        assert_eq!(name("<b>&\"").into_string(), "<bdi>&lt;b&gt;&amp;&quot;</bdi>");
        assert_eq!(stay("Ada", 2).into_string(), "<bdi>Ada</bdi> (visit 2)");
    }

    #[test]
    fn nothing_is_never_zero() {
        assert_eq!(value(Some(1.25), 1, "ms").into_string(), "1.2 ms");
        assert_eq!(value(Some(-0.01), 1, "").into_string(), "0.0");
        for absent in [None, Some(f64::NAN), Some(f64::INFINITY)] {
            assert!(value(absent, 1, "ms").into_string().contains(NOT_MEASURED));
        }
        assert!(mebibytes(None).into_string().contains(NOT_MEASURED));
        assert_eq!(mebibytes(Some(3 << 20)).into_string(), "3 MiB");
    }
}
