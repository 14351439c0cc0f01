//! Events, written once and shared by everybody who gets them.
//!
//! Flow: control thread -> [`EventText::from`] -> the bounded queue of each receiver -> `ws`. A roster that goes to
//! fifty people is serialised once.

use mcu_core::conference::Event;
use mcu_core::conference::event::ClosingReason;
use std::sync::Arc;

/// An [`Event`] as it goes out. Cloning shares the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventText {
    text: Arc<str>,
    closing: Option<ClosingReason>,
}

impl From<&Event> for EventText {
    fn from(event: &Event) -> Self {
        let text = serde_json::to_string(event).expect("events have text keys and no fallible parts");
        let closing = match event {
            Event::Closing { reason, .. } => Some(*reason),
            _ => None,
        };
        Self { text: text.into(), closing }
    }
}

impl EventText {
    /// The JSON.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Why the stay ends, when it is a `closing`, after which nothing follows.
    pub const fn closing(&self) -> Option<ClosingReason> {
        self.closing
    }
}
