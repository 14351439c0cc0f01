//! The tile of somebody without a picture: initials on a disc of a colour of their own.
//!
//! Used by overlay; painted once per (name, person, tile size).

use crate::video::colour::{WHITE_RGB, avatar_rgb};
use crate::video::sprite::{Painting, Sprite, disc};
use crate::video::text::{TextPainter, clean_name};
use mcu_core::id::ParticipantId;
use mcu_core::media::frame::Size;
use unicode_segmentation::UnicodeSegmentation;

/// Diameter of the disc, in hundredths of the tile's shorter side.
const DISC_PERCENT: u32 = 52;
/// The smallest disc worth drawing.
const DISC_PX_MIN: u16 = 8;
/// Size of the initials, in hundredths of the disc.
const TEXT_PERCENT: u32 = 42;

/// The letters that stand for a name: the first of its first and of its last word; one where words have no
/// initials (Chinese, Japanese, Korean) or there is only one word. Empty for a name without letters or digits.
pub fn initials(name: &str) -> String {
    let name = clean_name(name);
    let mut firsts = name
        .split(' ')
        .filter_map(|word| word.graphemes(true).find(|g| g.chars().any(char::is_alphanumeric)));
    let Some(first) = firsts.next() else { return String::new() };
    let last = firsts.next_back().filter(|_| !first.chars().any(is_ideographic));
    let upper = |letter: &str| {
        let raised = letter.to_uppercase();
        // A capital that takes two letters ("ß") would be no initial.
        if raised.graphemes(true).count() == 1 { raised } else { letter.to_owned() }
    };
    let mut initials = upper(first);
    if let Some(last) = last {
        // Two Arabic initials would join to a syllable; the non-joiner keeps them letters.
        if last.chars().any(is_joining) {
            initials.push('\u{200c}');
        }
        initials.push_str(&upper(last));
    }
    initials
}

fn is_ideographic(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{a960}'..='\u{a97f}' | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}'
        | '\u{1100}'..='\u{11ff}' | '\u{20000}'..='\u{3ffff}')
}

fn is_joining(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{7bf}' | '\u{840}'..='\u{8ff}')
}

/// The disc with the initials, for a tile of `tile` pixels. Without a font for them, the disc alone; nothing on a tile too
/// small for it.
pub(crate) fn paint(
    painter: &mut TextPainter,
    person: ParticipantId,
    name: &str,
    tile: Size,
) -> Option<Sprite> {
    let diameter = (u32::from(tile.width.min(tile.height)) * DISC_PERCENT / 100) as u16;
    if diameter < DISC_PX_MIN {
        return None;
    }
    let mut painting = Painting::new(diameter, diameter);
    let radius = f32::from(diameter) / 2.0;
    painting.shape(avatar_rgb(person), 255, disc((radius, radius), radius));
    let text_px = (u32::from(diameter) * TEXT_PERCENT / 100).max(6) as f32;
    let initials = initials(name);
    // Letters that no font has would be boxes: the bare disc says more.
    let line = painter.line(&initials, text_px, f32::from(diameter)).filter(|line| line.missing == 0);
    if let Some(line) = line {
        let [_, top, _, bottom] = line.ink;
        let left = (i32::from(diameter) - line.width()) / 2;
        let baseline = (i32::from(diameter) - (bottom - top)) / 2 - top;
        painter.paint(&line, &mut painting, left, baseline, WHITE_RGB);
    }
    Some(painting.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_those_that_people_would_take() {
        let cases = [
            ("Ada Lovelace", "AL"),
            ("ada king countess of lovelace", "AL"),
            ("Plato", "P"),
            ("  élodie   de la Fontaine ", "ÉF"),
            ("山田 太郎", "山"),
            ("김민준", "김"),
            ("ليلى العامري", "ل\u{200c}ا"),
            ("ßeta Zed", "ßZ"),
            ("(Bob) [Host]", "BH"),
            ("- Carol -", "C"),
            ("7 of 9", "79"),
            ("🦊 Fox", "F"),
            ("e\u{301}mile Zola", "E\u{301}Z"),
            ("\u{202e}", ""),
            ("...", ""),
            ("", ""),
        ];
        for (name, expected) in cases {
            assert_eq!(initials(name), expected, "of {name:?}");
        }
    }
}
