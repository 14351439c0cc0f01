//! Events, written once and shared by everybody who gets them.
//!
//! Flow: control thread -> [`EventText::from`] -> the bounded queue of each receiver -> `ws`. A roster that goes to
//! fifty people is serialised once.

use crate::secret::Secret;
use mcu_core::conference::Event;
use mcu_core::conference::event::ClosingReason;
use mcu_core::conference::reception::Entered;
use mcu_core::id::ParticipantId;
use std::sync::Arc;

/// An [`Event`] as it goes out. Cloning shares the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventText {
    text: Arc<str>,
    closing: Option<ClosingReason>,
    floor: Option<Option<ParticipantId>>,
    entered: Option<Secret<String>>,
}

impl From<&Event> for EventText {
    fn from(event: &Event) -> Self {
        let text = serde_json::to_string(event).expect("events have text keys and no fallible parts");
        let closing = match event {
            Event::Closing { reason, .. } => Some(*reason),
            _ => None,
        };
        let floor = match event {
            Event::Floor { holder } => Some(*holder),
            _ => None,
        };
        Self { text: text.into(), closing, floor, entered: None }
    }
}

impl EventText {
    /// A PIN that a caller entered at a reception. It is for the call alone, and has no text.
    pub fn entered(entered: &Entered) -> Self {
        let entered = Some(Secret::new(entered.expose().to_owned()));
        Self { text: "".into(), closing: None, floor: None, entered }
    }

    /// What has a meaning for the client alone; `text` is the JSON.
    pub(crate) fn written(text: String) -> Self {
        Self { text: text.into(), closing: None, floor: None, entered: None }
    }

    /// The PIN, when it is one that was entered.
    pub const fn pin(&self) -> Option<&Secret<String>> {
        self.entered.as_ref()
    }

    /// Who shares from now on, when it is a `floor`.
    pub const fn floor(&self) -> Option<Option<ParticipantId>> {
        self.floor
    }

    /// The JSON.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Why the stay ends, when it is a `closing`, after which nothing follows.
    pub const fn closing(&self) -> Option<ClosingReason> {
        self.closing
    }
}
