//! Events, written once and shared by everybody who gets them.
//!
//! Flow: control thread -> [`EventText::from`] -> the bounded queue of each receiver -> `ws`. A roster that goes to
//! fifty people is serialised once.

use mcu_core::conference::Event;
use std::sync::Arc;

/// An [`Event`] as it goes out. Cloning shares the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventText {
    text: Arc<str>,
    last: bool,
}

impl From<&Event> for EventText {
    fn from(event: &Event) -> Self {
        let text = serde_json::to_string(event).expect("events have text keys and no fallible parts");
        Self { text: text.into(), last: matches!(event, Event::Closing { .. }) }
    }
}

impl EventText {
    /// The JSON.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is a `closing`, after which the socket closes with 1000.
    pub const fn is_last(&self) -> bool {
        self.last
    }
}
