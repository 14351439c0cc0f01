//! The dialled address: which room, with which PIN.
//!
//! Flow: Request-URI of an INVITE -> **here** -> `call`. Pure. Bound: [`USER_BYTES_MAX`].
//!
//! The user part is `ALIAS` or `ALIAS.PIN`, the shape that other services use (meeting, dot, passcode). **An address is
//! kept in call logs and address books of devices and proxies**: whether a PIN may stand in one is for whoever hands
//! addresses out to decide. Without a PIN only the echo test lets anybody in.

use crate::room::{Alias, PIN_DIGITS_MAX};
use crate::secret::Secret;
use mcu_core::limits::ALIAS_CHARS_MAX;
use percent_encoding::percent_decode_str;

/// Bytes of a user part, each of its characters escaped.
const USER_BYTES_MAX: usize = 3 * (ALIAS_CHARS_MAX + 1 + PIN_DIGITS_MAX);

/// What somebody dialled.
#[derive(Debug, Clone)]
pub(crate) struct Dialled {
    /// Which room; [`Alias::nowhere`] for what no room is called, so that it is refused at the door like any other.
    pub(crate) alias: Alias,
    /// As dialled: anything at all, empty without one.
    pub(crate) pin: Secret<String>,
}

/// Reads a user part (RFC 3261 §25.1 `userinfo` without a password), escapes and all. Letters of either case are one:
/// keypads and address books turn them as they like.
pub(crate) fn dialled(user: &str) -> Dialled {
    let text = if user.len() > USER_BYTES_MAX { None } else { percent_decode_str(user).decode_utf8().ok() };
    let text = text.unwrap_or_default().to_ascii_lowercase();
    let (alias, pin) = text.split_once('.').unwrap_or((&text, ""));
    Dialled {
        alias: Alias::parse(alias).unwrap_or_else(|_| Alias::nowhere()),
        pin: Secret::new(pin.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_room_and_perhaps_a_pin() {
        let table = [
            ("daily", "daily", ""),
            ("daily.271828", "daily", "271828"),
            ("Daily-42.0000", "daily-42", "0000"),
            ("d%61ily%2e271828", "daily", "271828"),
            ("echo", "echo", ""),
            ("daily.", "daily", ""),
            ("daily.1.2", "daily", "1.2"),
            ("", "-", ""),
            (".271828", "-", "271828"),
            ("tea room", "-", ""),
            ("%ff%fe", "-", ""),
            ("d\u{e4}ily", "-", ""),
        ];
        for (user, alias, pin) in table {
            let dialled = dialled(user);
            assert_eq!((dialled.alias.as_str(), dialled.pin.expose().as_str()), (alias, pin), "{user}");
        }
    }

    #[test]
    fn what_is_too_long_is_nowhere() {
        let longest = format!("{}.{}", "a".repeat(ALIAS_CHARS_MAX), "1".repeat(PIN_DIGITS_MAX));
        let escaped: String = longest.bytes().map(|byte| format!("%{byte:02x}")).collect();
        assert_eq!(dialled(&escaped).alias.as_str().len(), ALIAS_CHARS_MAX, "the control: just fits");
        let longer = dialled(&format!("{escaped}1"));
        assert!(longer.alias == Alias::nowhere() && longer.pin.expose().is_empty());
        assert!(!format!("{:?}", dialled("daily.271828")).contains("271828"), "a PIN is not for logs");
    }
}
