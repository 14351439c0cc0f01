//! What the fuzzer feeds: for each reader of this crate a function from any bytes to assertions that must hold.
//!
//! Compiled for tests, which replay `fuzz/corpus`, and with `--cfg fuzzing` for the targets of `fuzz/`; never shipped.

#[path = "../../fuzz/shared.rs"]
mod shared;

use crate::conference::roster::{DisplayName, DisplayNameError};
use crate::limits::DISPLAY_NAME_CHARS_MAX;
use crate::time::{ClockRate, MediaTime, TimestampLine};
use shared::Script;

/// A display name as somebody types it: what is taken is short, can be seen, and is taken again as it is.
pub fn display_name(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match DisplayName::parse(&text) {
        Ok(name) => {
            assert!((1..=DISPLAY_NAME_CHARS_MAX).contains(&name.as_str().chars().count()));
            assert!(!name.as_str().chars().any(char::is_control));
            assert_eq!(name.as_str().trim(), name.as_str());
            assert_eq!(DisplayName::parse(name.as_str()).as_ref(), Ok(&name), "clean stays clean");
        }
        Err(DisplayNameError::Empty) => assert!(!text.contains(|c: char| c.is_ascii_graphic()), "{text:?}"),
        Err(DisplayNameError::TooLong { chars, max }) => assert!(chars > max),
    }
}

/// RTP timestamps of one stream, four bytes each: the line agrees with every one, and never steps over half its range.
pub fn timestamps(data: &[u8]) {
    let (mut line, mut last) = (TimestampLine::new(), None);
    let mut script = Script::new(data);
    while let Some(timestamp) = script.u32() {
        let value = line.unwrap(timestamp);
        assert_eq!(value as u32, timestamp);
        let step = last.map_or(0, |last: i64| value - last);
        assert!((i64::from(i32::MIN)..=i64::from(i32::MAX)).contains(&step));
        last = Some(value);
        let at = MediaTime::from_rtp(value, ClockRate::VIDEO);
        assert_eq!(at.to_rtp(ClockRate::VIDEO), timestamp);
        assert!(value < 0 || MediaTime::from_mono(at.to_mono()) == at);
    }
}

#[cfg(test)]
mod tests {
    use super::shared::replay;
    use super::*;

    #[test]
    fn display_name_corpus() {
        let names = [
            "Ayşe Yılmaz",
            "  two\t \n lines\r\n",
            "evil\u{202e}gpj.exe\u{2069}",
            "می\u{200c}خواهم",
            "👩\u{200d}👩\u{200d}👧\u{200d}👦",
            "\u{3164}\u{2800}\u{115f}",
            "\u{200d}a\u{fe0f}",
        ];
        let mut seeds: Vec<Vec<u8>> = names.map(|name| name.as_bytes().to_vec()).into();
        seeds.push(vec![b'x'; 2_000]);
        replay("display_name", display_name, &seeds);
    }

    #[test]
    fn timestamps_corpus() {
        let line = |list: &[u32]| list.iter().flat_map(|timestamp| timestamp.to_be_bytes()).collect();
        replay("timestamps", timestamps, &[line(&[u32::MAX - 5, 3, 3_000]), line(&[0, 1 << 31, 0, 1 << 31])]);
    }
}
