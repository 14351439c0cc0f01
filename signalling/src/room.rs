//! The words of a room, parsed: alias, name, PINs.
//!
//! A value of one of these types is proof that the text kept its rules. Nothing here knows whether a room exists.

use crate::secret::{Secret, same};
use mcu_core::conference::roster::{DisplayName, DisplayNameError};
use mcu_core::limits::ALIAS_CHARS_MAX;
use rand::Rng;
use rand::distr::{Distribution, Uniform};
use std::fmt;

/// Digits of a PIN, at least.
pub const PIN_DIGITS_MIN: usize = 4;
/// Digits of a PIN, at most.
pub const PIN_DIGITS_MAX: usize = 12;
/// Digits of a PIN that we make.
pub const PIN_DIGITS_MADE: u32 = 6;
/// Letters and digits of an alias that we make, nothing that reads like something else.
const ALIAS_LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// Why a text is not an alias or a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// Empty.
    #[error("is empty")]
    Empty,
    /// Longer than the limit.
    #[error("has more than {max} characters")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// Shorter than the limit.
    #[error("has fewer than {min} characters")]
    TooShort {
        /// The limit.
        min: usize,
    },
    /// One outside of the alphabet.
    #[error("has a character that is not allowed at place {at}")]
    Character {
        /// Its place, counted in characters from 0.
        at: usize,
    },
}

/// What a room is called in links: `[a-z0-9-]`, 1 to 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alias(String);

impl Alias {
    /// The alias of the echo test, which no room can take.
    pub const ECHO: &'static str = "echo";

    /// Reads an alias.
    ///
    /// # Errors
    /// [`WordError`] when it is empty, too long or has other characters.
    pub fn parse(text: &str) -> Result<Self, WordError> {
        if text.is_empty() {
            return Err(WordError::Empty);
        }
        if text.len() > ALIAS_CHARS_MAX {
            return Err(WordError::TooLong { max: ALIAS_CHARS_MAX });
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        match text.chars().position(|c| !allowed(c)) {
            Some(at) => Err(WordError::Character { at }),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// An alias that nobody will guess: `xxxx-xxxx-xxxx`, 59 bits.
    pub fn random(rng: &mut impl Rng) -> Self {
        let mut letter = || char::from(ALIAS_LETTERS[rng.random_range(0..ALIAS_LETTERS.len())]);
        let groups: [String; 3] = std::array::from_fn(|_| (0..4).map(|_| letter()).collect());
        Self(groups.join("-"))
    }

    /// The alias that stands for whatever is not an alias: no room can take it, so that a path like `/m/Tea%20Room`
    /// is refused at the door exactly as a room that does not exist.
    pub fn nowhere() -> Self {
        Self("-".to_owned())
    }

    /// Whether no room can be called so.
    pub fn is_reserved(&self) -> bool {
        self.is_echo() || *self == Self::nowhere()
    }

    /// Whether this is the echo test.
    pub fn is_echo(&self) -> bool {
        self.0 == Self::ECHO
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A PIN: 4 to 12 digits. `Debug` shows `***`.
#[derive(Debug, Clone)]
pub struct Pin(Secret<String>);

impl Pin {
    /// Reads a PIN.
    ///
    /// # Errors
    /// [`WordError`] when it is too short, too long or has anything but digits.
    pub fn parse(text: &str) -> Result<Self, WordError> {
        if let Some(at) = text.chars().position(|c| !c.is_ascii_digit()) {
            return Err(WordError::Character { at });
        }
        match text.len() {
            0..PIN_DIGITS_MIN => Err(WordError::TooShort { min: PIN_DIGITS_MIN }),
            PIN_DIGITS_MIN..=PIN_DIGITS_MAX => Ok(Self(Secret::new(text.to_owned()))),
            _ => Err(WordError::TooLong { max: PIN_DIGITS_MAX }),
        }
    }

    /// Six digits, each of the million equally likely.
    pub fn random(rng: &mut impl Rng) -> Self {
        let numbers = Uniform::new(0, 10_u32.pow(PIN_DIGITS_MADE)).expect("the range is not empty");
        let width = PIN_DIGITS_MADE as usize;
        Self(Secret::new(format!("{:0width$}", numbers.sample(rng))))
    }

    /// Whether somebody entered this PIN. Takes the same time whatever the digits.
    pub fn matches(&self, entered: &str) -> bool {
        same(self.0.expose().as_bytes(), entered.as_bytes())
    }

    /// The digits.
    pub const fn secret(&self) -> &Secret<String> {
        &self.0
    }
}

/// What a room is called by people. The rules are those of a display name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomTitle(DisplayName);

impl RoomTitle {
    /// Reads a name; what is invisible goes.
    ///
    /// # Errors
    /// [`DisplayNameError`] when nothing is left, or too much.
    pub fn parse(text: &str) -> Result<Self, DisplayNameError> {
        DisplayName::parse(text).map(Self)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn an_alias_is_a_word_of_links() {
        for good in ["a", "daily-42", &"x".repeat(ALIAS_CHARS_MAX)] {
            assert_eq!(Alias::parse(good).expect("fair").as_str(), good);
        }
        assert_eq!(Alias::parse(""), Err(WordError::Empty));
        assert_eq!(Alias::parse("tea Room"), Err(WordError::Character { at: 3 }));
        assert_eq!(Alias::parse("té"), Err(WordError::Character { at: 1 }));
        assert_eq!(Alias::parse(&"x".repeat(65)), Err(WordError::TooLong { max: ALIAS_CHARS_MAX }));
    }

    #[test]
    fn a_pin_is_four_to_twelve_digits() {
        for (text, error) in [
            ("", WordError::TooShort { min: 4 }),
            ("123", WordError::TooShort { min: 4 }),
            ("1234567890123", WordError::TooLong { max: 12 }),
            ("12a4", WordError::Character { at: 2 }),
            ("١٢٣٤", WordError::Character { at: 0 }),
        ] {
            assert_eq!(Pin::parse(text).map(|_| ()), Err(error), "{text}");
        }
        let pin = Pin::parse("0123").expect("fair");
        assert!(pin.matches("0123") && !pin.matches("123") && !pin.matches("01234"));
    }

    #[test]
    fn made_words_parse_and_every_digit_comes_up_in_every_place() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut counts = [[0_u32; 10]; PIN_DIGITS_MADE as usize];
        for _ in 0..10_000 {
            let pin = Pin::random(&mut rng);
            assert!(Pin::parse(pin.secret().expose()).is_ok());
            for (place, digit) in pin.secret().expose().bytes().enumerate() {
                counts[place][usize::from(digit - b'0')] += 1;
            }
        }
        // 1 000 expected each, 30 the standard deviation.
        assert!(counts.iter().flatten().all(|count| (800..1_200).contains(count)), "{counts:?}");
        let (one, other) = (Alias::random(&mut rng), Alias::random(&mut rng));
        assert!(one != other && Alias::parse(one.as_str()).is_ok() && one.as_str().len() == 14);
    }
}
