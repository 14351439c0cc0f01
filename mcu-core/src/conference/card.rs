//! The card: words that everybody sees instead of people, before a meeting or between two.
//!
//! Flow: [`Input::Card`](super::Input::Card) -> **here** -> the one scene of all main pictures. Thread: control. Bound: a
//! title and [`CARD_LINES_MAX`] lines, each of bounded length.

use crate::limits::{CARD_LINE_CHARS_MAX, CARD_LINES_MAX, CARD_TITLE_CHARS_MAX};

/// What stands for the whole main picture: a title, and lines below it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Card {
    /// Written large; more than [`CARD_TITLE_CHARS_MAX`] characters are cut.
    pub title: String,
    /// Written below it; more than [`CARD_LINES_MAX`] are left out, more than [`CARD_LINE_CHARS_MAX`] characters cut.
    pub lines: Vec<String>,
}

impl Card {
    /// The same, what is beyond a limit brought down to it.
    pub(super) fn within_limits(mut self) -> Self {
        self.lines.truncate(CARD_LINES_MAX);
        Self {
            title: cut(self.title, CARD_TITLE_CHARS_MAX),
            lines: self.lines.into_iter().map(|line| cut(line, CARD_LINE_CHARS_MAX)).collect(),
        }
    }
}

/// At most `chars_max` characters, the last of them an ellipsis where there were more.
fn cut(mut text: String, chars_max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(chars_max) {
        let last = text[..end].char_indices().next_back().map_or(0, |(at, _)| at);
        text.truncate(last);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let card = Card { title: "é".repeat(64), lines: vec!["ü".repeat(81); 5] }.within_limits();
        assert_eq!(card.title, "é".repeat(64), "just fits");
        assert_eq!(card.lines, vec![format!("{}…", "ü".repeat(79)); 4]);
        assert_eq!(card.clone().within_limits(), card);
    }
}
