//! Keypad: what a device without our client says with its keys, and the controls that pairs of them mean.
//!
//! Flow: transport (RFC 4733), signalling (INFO) -> [`Input::Digit`](super::Input::Digit) -> [`Keypad::press`] -> the conference carries
//! the [`Control`] out. Thread: control. Pure. Every control takes two keys, so that one lost on the way does nothing instead of
//! something else.

use crate::time::Mono;
use std::time::Duration;

/// The second key of a control comes within this time, or means nothing.
const PAIR_WITHIN: Duration = Duration::from_secs(3);

/// The keys in the order of their event codes (RFC 4733 §3.2, table 3).
const KEYS: [u8; 16] = *b"0123456789*#ABCD";

/// A key of a telephone: 0 to 9, `*`, `#`, A to D. Digits are entered as PINs are: `Debug` shows none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digit(u8);

impl std::fmt::Debug for Digit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digit")
    }
}

impl Digit {
    /// The key with this event code (RFC 4733 §3.2); other codes are tones and flashes.
    pub fn of_event(code: u8) -> Option<Self> {
        KEYS.get(usize::from(code)).copied().map(Self)
    }

    /// The key that is written so, letters of either case.
    pub fn parse(key: char) -> Option<Self> {
        let key = u8::try_from(key).ok()?.to_ascii_uppercase();
        KEYS.contains(&key).then_some(Self(key))
    }

    /// As it is written.
    pub const fn as_char(self) -> char {
        self.0 as char
    }
}

/// What two keys mean, to people who know other services (see `docs/SIP.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// `*0`: say what there is.
    Menu,
    /// `*4`: what is shared as part of the one picture, or not.
    ContentInMix,
    /// `*5`: the microphones of all guests off.
    MuteGuests,
    /// `*6`: my microphone off, or on again.
    Mute,
    /// `*7`: the meeting locked, or open again.
    Lock,
    /// `*8`: the next way to see the others.
    NextLayout,
    /// `##`: leave.
    Leave,
}

/// The keys of one participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keypad {
    /// The first key of a pair, and when it came.
    first: Option<(Digit, Mono)>,
}

impl Keypad {
    /// Takes a key; the control that it completes.
    pub fn press(&mut self, digit: Digit, now: Mono) -> Option<Control> {
        let first = self.first.take().filter(|(_, at)| now.since(*at) <= PAIR_WITHIN);
        let control = match (first.map(|(first, _)| first.as_char()), digit.as_char()) {
            (Some('*'), '0') => Some(Control::Menu),
            (Some('*'), '4') => Some(Control::ContentInMix),
            (Some('*'), '5') => Some(Control::MuteGuests),
            (Some('*'), '6') => Some(Control::Mute),
            (Some('*'), '7') => Some(Control::Lock),
            (Some('*'), '8') => Some(Control::NextLayout),
            (Some('#'), '#') => Some(Control::Leave),
            _ => None,
        };
        if control.is_none() && matches!(digit.as_char(), '*' | '#') {
            self.first = Some((digit, now));
        }
        control
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys, each a second after the one before, or four where there is a space.
    fn pressed(keys: &str) -> Vec<Control> {
        let (mut keypad, mut now) = (Keypad::default(), Mono::ZERO);
        let mut controls = Vec::new();
        for key in keys.chars() {
            now += Duration::from_secs(if key == ' ' { 3 } else { 1 });
            if key != ' ' {
                controls.extend(keypad.press(Digit::parse(key).expect("a key"), now));
            }
        }
        controls
    }

    #[test]
    fn two_keys_are_a_control_and_one_that_is_lost_is_none() {
        use Control::{ContentInMix, Leave, Lock, Menu, Mute, MuteGuests, NextLayout};
        let table: [(&str, &[Control]); 14] = [
            ("*4", &[ContentInMix]),
            ("*5*7", &[MuteGuests, Lock]),
            ("*6", &[Mute]),
            ("*6*6", &[Mute, Mute]),
            ("**8", &[NextLayout]),
            ("#*0", &[Menu]),
            ("##", &[Leave]),
            ("###", &[Leave]),
            ("*#", &[]),
            ("*16", &[]),
            ("6", &[]),
            ("#", &[]),
            ("* 6", &[]),
            ("*9*6", &[Mute]),
        ];
        for (keys, controls) in table {
            assert_eq!(pressed(keys), controls, "{keys}");
        }
    }

    #[test]
    fn keys_have_the_codes_of_the_rfc_and_are_not_for_logs() {
        let all: String = (0..=255).filter_map(Digit::of_event).map(Digit::as_char).collect();
        assert_eq!(all, "0123456789*#ABCD");
        assert_eq!(Digit::parse('d').map(Digit::as_char), Some('D'));
        assert!([' ', 'E', '\u{130}', '٣'].into_iter().all(|key| Digit::parse(key).is_none()));
        assert_eq!(format!("{:?}", Digit::parse('7')), "Some(Digit)");
    }
}
