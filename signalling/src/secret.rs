//! Words that must not reach a log: PINs, tokens, names, addresses.
//!
//! [`Secret`] prints as `***` and compares in constant time where it holds text. It does not encrypt and does not
//! wipe memory: it stops the accident, not the debugger.

use serde::{Deserialize, Deserializer, Serializer};
use std::fmt;
use subtle::ConstantTimeEq;

/// A value that `Debug` never shows, and that has no `Display` and no `Serialize` of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Each call is a place to look at when something leaked.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, by move.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T: AsRef<str>> Secret<T> {
    /// Whether the text equals `other`, in a time that depends on neither of the two but for their lengths.
    pub fn matches(&self, other: &str) -> bool {
        same(self.0.as_ref().as_bytes(), other.as_bytes())
    }

    /// For `#[serde(serialize_with = "Secret::serialize_exposed")]`, where the reader may know the value.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize_exposed<S: Serializer>(secret: &Self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.0.as_ref())
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// Whether two byte strings are equal, in a time that tells nothing of *where* they differ. Lengths are not secret.
///
/// The control thread compares PINs with this, and compares also when it knows no such room (with any PIN of its
/// own), so that both answers take the same work.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_and_expose_shows_all() {
        let pin = Secret::new(String::from("271828"));
        assert_eq!(format!("{pin:?} {:?}", Some(&pin)), "*** Some(***)");
        assert_eq!(pin.expose(), "271828");
    }

    #[test]
    fn comparing_agrees_with_equality() {
        let pin = Secret::new(String::from("271828"));
        for (other, equal) in [("271828", true), ("271829", false), ("", false), ("2718280", false)] {
            assert_eq!(pin.matches(other), equal, "{other}");
        }
    }
}
