//! What several edges say together: the median, the range, and from three on an interval for their mean.
//!
//! Pure. Edges are whole numbers: three that are the same give an interval of no width, which only says that they lie within
//! one step.

use crate::student::student;
use serde::{Deserialize, Serialize};

/// More repetitions say hardly more.
pub const REPETITIONS_MAX: u32 = 10;
/// Fewer say nothing about their spread.
const INTERVAL_COUNT_MIN: usize = 3;

/// Some repetitions' values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle one; of an even number, the lower of the two in the middle, because that was measured.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
    /// Where the mean lies, with 95 % confidence (Student's t): from, to. `null` for fewer than three values.
    pub mean_interval_95: Option<[f64; 2]>,
}

impl Spread {
    /// Of up to [`REPETITIONS_MAX`] values; `None` of none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        Some(Self { median: sorted[(sorted.len() - 1) / 2], min, max, mean_interval_95: interval(&sorted) })
    }

    /// The same of `a` times each value plus `b`, where `a` is not negative.
    #[must_use]
    pub fn scaled(self, a: f64, b: f64) -> Self {
        let to = |value: f64| a * value + b;
        Self {
            median: to(self.median),
            min: to(self.min),
            max: to(self.max),
            mean_interval_95: self.mean_interval_95.map(|interval| interval.map(to)),
        }
    }
}

fn interval(values: &[f64]) -> Option<[f64; 2]> {
    if values.len() < INTERVAL_COUNT_MIN {
        return None;
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let half = student(count - 1.0) * (variance / count).sqrt();
    Some([mean - half, mean + half])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_a_value_that_was_measured() {
        let median = |values: &[f64]| Spread::of(values).map(|spread| spread.median);
        assert_eq!((median(&[]), median(&[9.0]), median(&[9.0, 7.0])), (None, Some(9.0), Some(7.0)));
        assert_eq!((median(&[9.0, 7.0, 8.0]), median(&[1.0, 9.0, 8.0, 2.0])), (Some(8.0), Some(2.0)));
    }

    #[test]
    fn from_three_on_there_is_students_interval() {
        assert_eq!(Spread::of(&[8.0, 9.0]).and_then(|spread| spread.mean_interval_95), None);
        // Mean 9, standard deviation 1, t of two degrees of freedom 4.302 65: 9 -+ 4.302 65 / sqrt(3).
        let spread = Spread::of(&[8.0, 9.0, 10.0]).expect("three values");
        let [from, to] = spread.mean_interval_95.expect("three values");
        assert!((from - 6.515_86).abs() < 1e-4 && (to - 11.484_14).abs() < 1e-4, "{from} {to}");
        assert_eq!((spread.min, spread.max), (8.0, 10.0));
        let same = Spread::of(&[4.0; 3]).expect("three values");
        assert_eq!(same.mean_interval_95, Some([4.0, 4.0]));
        assert!(Spread::of(&[1.0; REPETITIONS_MAX as usize]).is_some_and(|s| s.mean_interval_95.is_some()));
    }

    #[test]
    fn people_are_so_many_for_each_of_what_was_raised_and_some_besides() {
        let people = Spread::of(&[3.0, 4.0, 5.0]).expect("three values").scaled(4.0, 2.0);
        assert_eq!((people.median, people.min, people.max), (18.0, 14.0, 22.0));
        let [from, to] = people.mean_interval_95.expect("three values");
        assert!((from + to - 36.0).abs() < 1e-9 && from < 14.0 && to > 22.0, "{from} {to}");
    }
}
