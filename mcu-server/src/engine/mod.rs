//! The media engine of a conference: raw pictures and sound in, renditions and mixes out.
//!
//! Two halves that share nothing but the plan: [`pictures`] runs at every tick of the frame grid, [`sound`] every
//! 10 ms. Both are sans-I/O: `now` is an argument, codecs come from a factory, jobs go to `Compute`, results to an
//! [`outgoing::Outlet`]. In a simulation all of them are the shipping code on an inline executor.

pub mod fanout;
#[cfg(feature = "planted-faults")]
pub mod faults;
pub mod intake;
pub mod keyframes;
pub mod outgoing;
pub mod pictures;
pub mod rendition;
pub mod sound;
pub mod totals;

use mcu_core::conference::To;
use mcu_core::conference::plan::MeetingPlan;
use mcu_core::id::{ParticipantId, RenditionId, SourceId};
use mcu_core::queue::Queue;
use std::sync::Arc;

/// Commands waiting for one half of an engine: a plan or a source change each, a handful a second.
pub const INBOX_COMMANDS_MAX: usize = 256;

/// What the picture half is told between ticks.
#[derive(Debug)]
pub enum PictureCommand {
    /// The plan from its `from_tick` on.
    Plan(Arc<MeetingPlan>),
    /// A source's decoder delivers here from now on; replaces what the source had before.
    Source(SourceId, intake::PictureFeed),
    /// The source has ended.
    SourceGone(SourceId),
    /// A receiver of this rendition cannot go on without a key frame.
    KeyframeWanted(RenditionId),
}

/// What the sound half is told between blocks.
#[derive(Debug)]
pub enum SoundCommand {
    /// The plan, at once.
    Plan(Arc<MeetingPlan>),
    /// A source's packets arrive here from now on; replaces what the source had before.
    Source(SourceId, intake::SoundFeed),
    /// The source has ended.
    SourceGone(SourceId),
    /// Says something over the mix of some, after what was said to them before.
    Announce {
        /// To whom.
        to: To,
        /// 48 kHz, mono. Kept by somebody else as well, lest the sound job give back its memory.
        sound: Arc<[f32]>,
    },
    /// Says nothing more to this one.
    Hush(ParticipantId),
}

/// The way into a running engine. Cloning shares it.
#[derive(Debug, Clone)]
pub struct EngineInbox {
    /// For the picture half.
    pub pictures: Queue<PictureCommand>,
    /// For the sound half.
    pub sound: Queue<SoundCommand>,
}

impl EngineInbox {
    /// Two empty inboxes.
    pub fn new() -> Self {
        Self {
            pictures: Queue::new("picture_commands", INBOX_COMMANDS_MAX),
            sound: Queue::new("sound_commands", INBOX_COMMANDS_MAX),
        }
    }
}

impl Default for EngineInbox {
    fn default() -> Self {
        Self::new()
    }
}
