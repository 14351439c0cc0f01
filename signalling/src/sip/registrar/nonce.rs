//! Nonces that nothing has to be remembered of: when and for which address each was made stands in it, under this run's key.
//!
//! Flow: `mod` -> [`make`] -> a challenge -> a device -> [`Nonce::read`]. Pure but for the key. Bound: [`NONCE_TIME_MAX`]. As a nonce is
//! taken from the address alone that it was sent to, whoever brings one back can be answered there: floods with spoofed sources
//! get no further than this (RFC 3261 §26.3.2.4).

use crate::auth::Tokens;
use crate::secret::same;
use mcu_core::time::Mono;
use std::net::IpAddr;
use std::time::Duration;

/// How long a nonce is taken. A device that says it again later is told that it is stale, and asks no person.
pub(super) const NONCE_TIME_MAX: Duration = Duration::from_secs(300);
/// Characters of the tag: 132 bits.
const TAG_CHARS: usize = 22;
const PURPOSE: &str = "sip-nonce";

/// A nonce of ours. The later one is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Nonce {
    made: Mono,
    number: u64,
}

/// A new nonce for `from`, the `number`-th of this run.
pub(super) fn make(tokens: &Tokens, from: IpAddr, now: Mono, number: u64) -> String {
    let head = format!("{:x}.{number:x}", now.as_millis());
    let tag = tag(tokens, &head, from);
    format!("{head}.{tag}")
}

impl Nonce {
    /// `None`: not ours, not for `from`, or too old.
    pub(super) fn read(tokens: &Tokens, text: &str, from: IpAddr, now: Mono) -> Option<Self> {
        let (head, told) = text.rsplit_once('.')?;
        if !same(tag(tokens, head, from).as_bytes(), told.as_bytes()) {
            return None;
        }
        let (made, number) = head.split_once('.')?;
        let made = Mono::from_millis(u64::from_str_radix(made, 16).ok()?);
        let number = u64::from_str_radix(number, 16).ok()?;
        (now.since(made) <= NONCE_TIME_MAX).then_some(Self { made, number })
    }
}

fn tag(tokens: &Tokens, head: &str, from: IpAddr) -> String {
    let from = from.to_canonical();
    let mut tag = tokens.tag(PURPOSE, &format!("{head} {from}"));
    tag.truncate(TAG_CHARS);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_holds_for_its_address_and_its_time() {
        let tokens = Tokens::from_key(&[7; 32]);
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
        let start = Mono::from_millis(1_234);
        let text = make(&tokens, here, start, 9);
        let read = |text: &str, from, now| Nonce::read(&tokens, text, from, now);
        let late = start + NONCE_TIME_MAX;
        assert_eq!(read(&text, here, late), Some(Nonce { made: start, number: 9 }));
        assert_eq!(read(&text, address("::ffff:192.0.2.1"), late), read(&text, here, late));
        assert_eq!(read(&text, there, late), None, "another address");
        assert_eq!(read(&text, here, late + Duration::from_millis(1)), None, "too old");
        let later = text.replacen("4d2.", "4d3.", 1);
        assert_ne!(later, text);
        for forged in [later.as_str(), "", ".", "..", "4d2.9.", &text[1..], &format!("{text}x")] {
            assert_eq!(read(forged, here, late), None, "{forged}");
        }
        assert_eq!(Nonce::read(&Tokens::from_key(&[8; 32]), &text, here, late), None, "of another run");
        let newer = make(&tokens, here, start, 10);
        assert!(read(&newer, here, late) > read(&text, here, late), "in order of their making");
    }
}
