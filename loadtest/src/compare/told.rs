//! A comparison for a person: a line for each figure, and the verdict as the last line.

use super::{Comparison, Line, Outcome};
use std::fmt::{self, Display, Formatter};

/// Figures that the verdict names on each side; the lines above have all.
const NAMED_MAX: usize = 3;
/// A change of more than this many per cent is told in the figure's unit.
const PERCENT_MAX: f64 = 1_000.0;

impl Display for Comparison {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for (side, paths) in [("A", &self.before), ("B", &self.after)] {
            for path in paths {
                writeln!(out, "{side}: {path}")?;
            }
        }
        writeln!(out, "{}; margin {} %", self.method, self.margin_percent)?;
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        let head = ["", "A", "B", "difference", "95 % interval", ""].map(str::to_owned);
        let rows: Vec<[String; 6]> = std::iter::once(head).chain(self.lines.iter().map(cells)).collect();
        let mut widths = [0; 6];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for [figure, values @ .., outcome] in &rows {
            write!(out, "{figure:<width$}", width = widths[0])?;
            for (cell, width) in values.iter().zip(&widths[1..]) {
                write!(out, "  {cell:>width$}")?;
            }
            writeln!(out, "{}", if outcome.is_empty() { String::new() } else { format!("  {outcome}") })?;
        }
        writeln!(out, "{}", self.sentence)
    }
}

/// A line in columns.
fn cells(line: &Line) -> [String; 6] {
    let unit = if line.unit.is_empty() { String::new() } else { format!(" {}", line.unit) };
    let value = |value: Option<f64>| {
        value.map_or_else(|| "not measured".to_owned(), |value| format!("{value:.*}{unit}", line.digits))
    };
    let change = Change::of(line);
    let (difference, interval) = match (&change, line.difference) {
        (Some(change), Some(difference)) => {
            let interval = line.interval.map(|[low, high]| change.span(low, high));
            (format!("{}{}", change.number(difference), change.unit), interval.unwrap_or_default())
        }
        _ => Default::default(),
    };
    let outcome = match line.outcome {
        Outcome::NoDifference => "no difference",
        Outcome::Worse if line.is_time => "slower",
        Outcome::Worse => "worse",
        Outcome::Better if line.is_time => "faster",
        Outcome::Better => "better",
        Outcome::Differs => "differs",
        Outcome::NotMeasured => "not measured",
        Outcome::NotJudged => "not judged",
    };
    [line.figure.to_owned(), value(line.before), value(line.after), difference, interval, outcome.to_owned()]
}

/// How differences of a line are written: in per cent of the value before, or in its unit where that says nothing.
struct Change {
    factor: f64,
    digits: usize,
    unit: String,
}

impl Change {
    fn of(line: &Line) -> Option<Self> {
        let (before, difference) = (line.before?, line.difference?);
        let percent = difference * 100.0 / before.abs();
        // A figure in per cent is told in points: a rise from 1 % to 2 % is not one of 100 %.
        if line.unit != "%" && percent.is_finite() && percent.abs() <= PERCENT_MAX {
            let digits = usize::from(percent.abs() < 10.0);
            return Some(Self { factor: 100.0 / before.abs(), digits, unit: " %".to_owned() });
        }
        let unit = match line.unit {
            "" => String::new(),
            "%" => " points".to_owned(),
            unit => format!(" {unit}"),
        };
        Some(Self { factor: 1.0, digits: line.digits, unit })
    }

    /// With its sign, and never `-0`.
    fn number(&self, difference: f64) -> String {
        let text = format!("{:+.*}", self.digits, difference * self.factor);
        if text.contains(|letter: char| matches!(letter, '1'..='9')) { text } else { text[1..].to_owned() }
    }

    fn span(&self, low: f64, high: f64) -> String {
        format!("{} to {}", self.number(low), self.number(high))
    }
}

/// Everything in one line, the worst first.
pub(super) fn sentence(lines: &[Line]) -> String {
    let of = |outcome: Outcome| {
        let mut of: Vec<&Line> = lines.iter().filter(|line| line.outcome == outcome).collect();
        of.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        of
    };
    let (worse, better, other) = (of(Outcome::Worse), of(Outcome::Better), of(Outcome::Differs));
    let is_time = |lines: &[&Line]| lines.first().is_some_and(|line| line.is_time);
    let word = |lines: &[&Line], time, else_| if is_time(lines) { time } else { else_ };
    let mut parts = Vec::new();
    if !worse.is_empty() {
        parts.push(format!("B is {}: {}", word(&worse, "slower", "worse"), named(&worse)));
    }
    if !better.is_empty() {
        parts.push(format!("B is {}: {}", word(&better, "faster", "better"), named(&better)));
    }
    if parts.is_empty() {
        parts.push("no difference".to_owned());
    }
    if !other.is_empty() {
        parts.push(format!("neither better nor worse: {}", named(&other)));
    }
    parts.join("; ")
}

/// The first of some lines with their differences.
fn named(lines: &[&Line]) -> String {
    let mut named: Vec<String> = lines.iter().take(NAMED_MAX).map(|line| difference(line)).collect();
    if lines.len() > NAMED_MAX {
        named.push(format!("and {} more", lines.len() - NAMED_MAX));
    }
    named.join(", ")
}

/// `CPU-s per participant-second +23 % (+18 to +29)`
fn difference(line: &Line) -> String {
    let told = Change::of(line).zip(line.difference).map(|(change, difference)| {
        let span = line.interval.map(|[low, high]| format!(" ({})", change.span(low, high)));
        format!(" {}{}{}", change.number(difference), change.unit, span.unwrap_or_default())
    });
    format!("{}{}", line.figure, told.unwrap_or_default())
}
