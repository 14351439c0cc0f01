//! Numbers with limits, as a scenario's TOML gives them: a value of the type is proof that it lies within.

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use std::fmt;

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Whole<MIN, MAX> {
    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Within<const MIN: u64, const MAX: u64>;
        impl<const MIN: u64, const MAX: u64> Visitor<'_> for Within<MIN, MAX> {
            type Value = u64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {MIN} to {MAX}")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<u64, E> {
                let within = (MIN..=MAX).contains(&value);
                within.then_some(value).ok_or_else(|| E::custom(format!("{value} is not {self}")))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<u64, E> {
                match u64::try_from(value) {
                    Ok(value) => self.visit_u64(value),
                    Err(_) => Err(E::custom(format!("{value} is not {self}"))),
                }
            }
        }
        impl<const MIN: u64, const MAX: u64> fmt::Display for Within<MIN, MAX> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.expecting(f)
            }
        }
        deserializer.deserialize_any(Within::<MIN, MAX>).map(Self)
    }
}

/// A number, whole or not, from `MIN` to `MAX` hundredths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decimal<const MIN_PERCENT: i64, const MAX_PERCENT: i64>(f64);

impl<const MIN_PERCENT: i64, const MAX_PERCENT: i64> Decimal<MIN_PERCENT, MAX_PERCENT> {
    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl<'de, const MIN: i64, const MAX: i64> Deserialize<'de> for Decimal<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Number {
            Whole(i64),
            Float(f64),
        }
        let (min, max) = (MIN as f64 / 100.0, MAX as f64 / 100.0);
        let number = match Number::deserialize(deserializer) {
            Ok(Number::Whole(value)) => value as f64,
            Ok(Number::Float(value)) => value,
            Err(_) => return Err(de::Error::custom(format!("not a number from {min} to {max}"))),
        };
        // Not a number is in no range.
        if (min..=max).contains(&number) {
            Ok(Self(number))
        } else {
            Err(de::Error::custom(format!("{number} is not a number from {min} to {max}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Numbers {
        whole: Option<Whole<2, 5>>,
        decimal: Option<Decimal<{ -50 }, 250>>,
    }

    fn read(text: &str) -> Result<Numbers, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn limits_themselves_are_within_and_their_neighbours_are_not() {
        for (text, is_within) in [
            ("whole = 2", true),
            ("whole = 5", true),
            ("whole = 1", false),
            ("whole = 6", false),
            ("whole = -3", false),
            ("whole = 2.5", false),
            ("whole = \"3\"", false),
            ("decimal = -0.5", true),
            ("decimal = 2.5", true),
            ("decimal = 1", true),
            ("decimal = 2.51", false),
            ("decimal = nan", false),
            ("decimal = inf", false),
            ("decimal = true", false),
        ] {
            assert_eq!(read(text).is_ok(), is_within, "{text}: {:?}", read(text));
        }
        assert_eq!(read("whole = 4").expect("within").whole.map(Whole::get), Some(4));
        assert_eq!(read("decimal = 2").expect("within").decimal.map(Decimal::get), Some(2.0));
    }

    #[test]
    fn a_refusal_says_the_limits() {
        assert_eq!(read("whole = 6").expect_err("over"), "6 is not a whole number from 2 to 5");
        assert_eq!(read("decimal = 3").expect_err("over"), "3 is not a number from -0.5 to 2.5");
    }
}
