//! Student's distribution: how sure a few values are of their mean.
//!
//! Used by `capacity` (searches) and `compare` (runs). Pure.

/// The 97.5th percentile of the normal distribution.
pub(crate) const Z: f64 = 1.959_964;

/// The 97.5th percentile of Student's distribution with `freedom` degrees of freedom, at least 1: the expansion 26.7.5 of
/// Abramowitz and Stegun, within 0.2 % from three on; below, rounded down to a whole number and taken exactly.
pub(crate) fn student(freedom: f64) -> f64 {
    if freedom < 2.0 {
        return 12.706_2;
    }
    if freedom < 3.0 {
        return 4.302_65;
    }
    let z = |power: i32| Z.powi(power);
    Z + (z(3) + z(1)) / (4.0 * freedom)
        + (5.0 * z(5) + 16.0 * z(3) + 3.0 * z(1)) / (96.0 * freedom.powi(2))
        + (3.0 * z(7) + 19.0 * z(5) + 17.0 * z(3) - 15.0 * z(1)) / (384.0 * freedom.powi(3))
        + (79.0 * z(9) + 776.0 * z(7) + 1_482.0 * z(5) - 1_920.0 * z(3) - 945.0 * z(1))
            / (92_160.0 * freedom.powi(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_percentiles_are_those_of_the_tables() {
        let table = [
            (1.0, 12.706),
            (2.0, 4.303),
            (3.0, 3.182),
            (5.0, 2.571),
            (10.0, 2.228),
            (30.0, 2.042),
            (1e9, 1.960),
        ];
        for (freedom, expected) in table {
            let off = (student(freedom) / expected - 1.0).abs();
            assert!(off < 0.002, "{freedom}: {}", student(freedom));
        }
    }
}
