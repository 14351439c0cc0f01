//! What the plots are drawn with: axes, lines, and the figure around them.
//!
//! Sizes are in the units of a picture [`WIDTH`] wide, which the page scales. No script, and no style but classes of
//! `style.css`. Each picture has a title, and a caption says the same in words.

use super::text::number;
use maud::{Markup, html};
use std::fmt::Write;

/// Width of every picture.
pub(super) const WIDTH: f64 = 720.0;
/// Points of one line: more cannot be told apart.
const POINTS_MAX: usize = 600;

/// From values to places along one side of a picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    /// Value and place of its begin.
    from: (f64, f64),
    /// Value and place of its end.
    to: (f64, f64),
    /// From one mark to the next.
    step: f64,
}

impl Axis {
    /// From zero to at least `most`, in about `marks` round steps, between two places. It ends at a mark where
    /// `is_round`, else at `most` itself.
    pub(super) fn new(most: f64, marks: f64, places: (f64, f64), is_round: bool) -> Self {
        let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
        let step = round_step(most / marks);
        let end = if is_round { (most / step).ceil() * step } else { most };
        Self { from: (0.0, places.0), to: (end, places.1), step }
    }

    /// Where `value` is; what lies outside is at the end.
    pub(super) fn place(&self, value: f64) -> f64 {
        let part = ((value - self.from.0) / (self.to.0 - self.from.0)).clamp(0.0, 1.0);
        self.from.1 + part * (self.to.1 - self.from.1)
    }

    /// Its marks: where, and what stands there.
    pub(super) fn marks(&self) -> Vec<(f64, String)> {
        let digits = if self.step < 1.0 { (-self.step.log10()).ceil() as usize } else { 0 };
        let count = (self.to.0 / self.step + 1e-9).floor() as u32;
        let values = (0..=count).map(|mark| f64::from(mark) * self.step);
        values.map(|value| (self.place(value), number(value, digits))).collect()
    }
}

/// The nearest of 1, 2, 5, 10, 20, … that is not smaller.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= step * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// A line through `points` of places; where there is none, the line is broken.
pub(super) fn path(points: &[Option<(f64, f64)>]) -> String {
    let mut path = String::new();
    let mut is_drawing = false;
    for point in points {
        // Writing to a string cannot fail.
        let _ = match point {
            Some((x, y)) if is_drawing => write!(path, "L{x:.1} {y:.1}"),
            // A length of nothing: a value between two gaps is a dot.
            Some((x, y)) => write!(path, "M{x:.1} {y:.1}h0"),
            None => Ok(()),
        };
        is_drawing = point.is_some();
    }
    path
}

/// At most [`POINTS_MAX`] of `points` (when, value), with every peak: of so many neighbours the least and the largest.
pub(super) fn thinned(points: &[(f64, Option<f64>)]) -> Vec<(f64, Option<f64>)> {
    if points.len() <= POINTS_MAX {
        return points.to_vec();
    }
    let chunk = points.len().div_ceil(POINTS_MAX / 2);
    points.chunks(chunk).flat_map(extremes).collect()
}

/// The least and the largest of some points, in the order of time; one without a value where none has one.
fn extremes(points: &[(f64, Option<f64>)]) -> Vec<(f64, Option<f64>)> {
    let known = || points.iter().filter_map(|(at, value)| Some((*at, (*value)?)));
    let by_value = |a: &(f64, f64), b: &(f64, f64)| a.1.total_cmp(&b.1);
    let (Some(least), Some(largest)) = (known().min_by(by_value), known().max_by(by_value)) else {
        return points.first().copied().into_iter().collect();
    };
    let (first, last) = if least.0 <= largest.0 { (least, largest) } else { (largest, least) };
    vec![(first.0, Some(first.1)), (last.0, Some(last.1))]
}

/// A picture `height` high with its title, and above it in words what it shows.
pub(super) fn figure(title: &str, words: &Markup, height: f64, drawing: &Markup) -> Markup {
    html! {
        figure {
            figcaption { (words) }
            div.wide tabindex="0" role="group" aria-label=(title) {
                svg viewBox={ "0 0 " (WIDTH) " " (number(height, 0)) } role="img" {
                    title { (title) }
                    (drawing)
                }
            }
        }
    }
}

/// Marks along the bottom at `y`, with lines up to `top`.
pub(super) fn bottom_marks(axis: &Axis, (top, y): (f64, f64), unit: &str) -> Markup {
    let marks = axis.marks();
    let last = marks.len().saturating_sub(1);
    html! {
        @for (index, (x, text)) in marks.iter().enumerate() {
            path.rule d={ "M" (number(*x, 1)) " " (number(top, 1)) "V" (number(y, 1)) } {}
            text.soft x=(number(*x, 1)) y=(number(y + 14.0, 1)) text-anchor="middle" {
                (text) @if index == last { " " (unit) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_an_axis_holds_its_values() {
        assert_eq!(
            [0.9, 1.0, 1.1, 3.0, 7.0, 30.0, 0.03].map(round_step),
            [1.0, 1.0, 2.0, 5.0, 10.0, 50.0, 0.05]
        );
        let axis = Axis::new(398.0, 4.0, (100.0, 500.0), true);
        assert_eq!((axis.place(0.0), axis.place(200.0), axis.place(9_000.0)), (100.0, 300.0, 500.0));
        let texts: Vec<String> = axis.marks().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["0", "100", "200", "300", "400"]);
        let fine: Vec<String> =
            Axis::new(0.3, 3.0, (0.0, 1.0), true).marks().into_iter().map(|(_, text)| text).collect();
        assert_eq!(fine, ["0.0", "0.1", "0.2", "0.3"]);
        let open = Axis::new(16.6, 4.0, (0.0, 166.0), false);
        assert_eq!((open.place(16.6), open.marks().len()), (166.0, 4));
    }

    #[test]
    fn nothing_at_all_is_an_axis_too() {
        for most in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let axis = Axis::new(most, 4.0, (0.0, 10.0), true);
            assert!(axis.marks().len() > 1 && axis.place(0.5) == 5.0, "{most}");
        }
    }

    #[test]
    fn a_gap_breaks_a_line_and_a_lone_value_is_a_dot() {
        let points = [Some((0.0, 1.0)), Some((1.0, 2.0)), None, Some((3.0, 4.0))];
        assert_eq!(path(&points), "M0.0 1.0h0L1.0 2.0M3.0 4.0h0");
    }

    #[test]
    fn a_long_line_is_thinned_and_keeps_its_peak() {
        let mut points: Vec<(f64, Option<f64>)> = (0..3_600).map(|at| (f64::from(at), Some(1.0))).collect();
        points[1_801].1 = Some(9.0);
        points[2_000..2_100].iter_mut().for_each(|point| point.1 = None);
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS_MAX && thin.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        assert!(thin.contains(&(1_801.0, Some(9.0))) && thin.iter().any(|point| point.1.is_none()));
        assert_eq!(thinned(&points[..5]), points[..5]);
    }
}
