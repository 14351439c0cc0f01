//! What a conference is given when it begins.
//!
//! Flow: the room and the configuration -> **here** -> [`super::Conference::new`]. Thread: control.

use super::reception::Words;
use crate::limits::{CANVAS_MAX, PARTICIPANTS_MAX};
use crate::media::frame::Size;
use crate::privacy::ContentAccess;
use crate::time::FrameInterval;

/// What a conference is given when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The room in links.
    pub alias: String,
    /// The room for people.
    pub name: String,
    /// Pixels of every main picture.
    pub canvas: Size,
    /// Pixels of content, where it is a picture of its own.
    pub content_canvas: Size,
    /// The grid of ticks.
    pub interval: FrameInterval,
    /// Participants at a time; never more than [`PARTICIPANTS_MAX`].
    pub participants_max: usize,
    /// What participants are told about who can look inside.
    pub access: ContentAccess,
    /// The echo test: everybody sees itself.
    pub echo: bool,
    /// The room waits for its host: what everybody reads until one is there.
    pub waiting: Option<String>,
    /// A reception, where one caller enters a PIN: what it shows.
    pub reception: Option<Words>,
}

impl Settings {
    /// A room as it is unless it says otherwise: 1280x720 at 30 frames per second, content in 1920x1080.
    pub fn new(alias: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            alias: alias.into(),
            name: name.into(),
            canvas: Size::new(1_280, 720),
            content_canvas: CANVAS_MAX,
            interval: FrameInterval::FPS_30,
            participants_max: PARTICIPANTS_MAX,
            access: ContentAccess::NodeDecrypted,
            echo: false,
            waiting: None,
            reception: None,
        }
    }
    /// The same, what is beyond a limit brought down to it; rows and columns even.
    pub(super) fn within_limits(self) -> Self {
        let within = |canvas: Size| {
            Size::new(canvas.width.min(CANVAS_MAX.width) & !1, canvas.height.min(CANVAS_MAX.height) & !1)
        };
        Self {
            canvas: within(self.canvas),
            content_canvas: within(self.content_canvas),
            participants_max: self.participants_max.min(PARTICIPANTS_MAX),
            ..self
        }
    }
}
