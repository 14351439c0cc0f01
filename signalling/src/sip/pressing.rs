//! Keys that the node presses once somebody whom it called has answered: an extension, the PIN of another meeting.
//!
//! Flow: `outbound::Order` -> [`Call::press`], key by key -> INFO of `application/dtmf-relay`, as the node takes it from devices. Thread: the
//! call's own task. Bounds: [`KEYS_MAX`]; one INFO at a time. The first that is not taken is the last: nobody there would hear the others.
//!
//! Telephone events in the sound (RFC 4733) would be heard by more; the node sends none.

use super::answer::INFO_TYPES;
use super::call::{Call, Done};
use super::goodbye;
use rsipstack::sip::{ContentType, Method};
use std::time::Duration;
use tokio::time::sleep;

/// Keys, and pauses between them.
pub(crate) const KEYS_MAX: usize = 64;
/// What a comma stands for, as in modems.
const PAUSE: Duration = Duration::from_secs(2);
/// Between two keys.
const GAP: Duration = Duration::from_millis(250);

/// Whether all of them are keys of a telephone, or pauses.
pub(crate) fn are_keys(text: &str) -> bool {
    text.len() <= KEYS_MAX && text.bytes().all(|key| key.is_ascii_digit() || b"*#ABCD,".contains(&key))
}

impl Call {
    /// Presses the next key, if there is one.
    pub(super) fn press(&mut self) {
        let Some(key) = self.keys.pop_front() else { return };
        if key == ',' {
            self.work.spawn(async {
                sleep(PAUSE).await;
                Done::Pressed(true)
            });
            return;
        }
        let headers = vec![ContentType::new(INFO_TYPES[1]).into()];
        let body = format!("Signal={key}\r\nDuration=160\r\n").into_bytes();
        let asked =
            goodbye::ask(&self.board, &mut self.dialog, self.flow.clone(), Method::Info, headers, body);
        self.work.spawn(async move {
            let taken = asked.await.is_some_and(|status| (200..300).contains(&status));
            sleep(GAP).await;
            Done::Pressed(taken)
        });
    }

    /// A key was pressed, and taken or not.
    pub(super) fn pressed(&mut self, taken: bool) {
        if taken {
            self.press();
        } else {
            self.keys.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_a_telephone() {
        assert!(are_keys("") && are_keys("0123456789*#ABCD,") && are_keys(&"1".repeat(KEYS_MAX)));
        for odd in ["a", "1 2", "1\r\n", "+1", &"1".repeat(KEYS_MAX + 1)] {
            assert!(!are_keys(odd), "{odd}");
        }
    }
}
