//! What the fuzzer feeds: the cleaner of names, from any bytes to assertions that must hold.
//!
//! Compiled for tests, which replay `fuzz/corpus`, and with `--cfg fuzzing` for the target of `fuzz/`; never shipped. Shaping is
//! the library's, and contained.

#[path = "../../fuzz/shared.rs"]
mod shared;

use crate::video::text::clean_name;
use mcu_core::limits::DISPLAY_NAME_CHARS_MAX;

/// A name as it would be painted: short, without anything that turns or hides, and clean once and for all.
pub fn painted_name(data: &[u8]) {
    let name = clean_name(&String::from_utf8_lossy(data));
    assert!(name.chars().count() <= DISPLAY_NAME_CHARS_MAX);
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!name.chars().any(|c| c.is_control() || turns(c)));
    assert!(!name.starts_with(' ') && !name.contains("  "));
    assert_eq!(clean_name(&name), name, "clean stays clean");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn painted_name_corpus() {
        let tower = format!("e{}", "\u{301}".repeat(40));
        let names = [
            "Ayşe Yılmaz",
            "evil\u{202e}gpj.exe\u{2069}",
            "می\u{200c}خواهم",
            "👩\u{200d}👩\u{200d}👧\u{200d}👦 family",
            "\u{3164}\u{2800}a\u{e000}",
            &tower,
        ];
        shared::replay("painted_name", painted_name, &names.map(|name| name.as_bytes().to_vec()));
    }
}
