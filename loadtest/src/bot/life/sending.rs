//! What a bot sends, moment by moment: the pictures of its loop, where it has any, and its sound.
//!
//! Flow: `LoopSet` -> **here** -> `life` -> `association`. Pure: takes `now`.

use crate::bot::peer::ESTIMATE_INITIAL_KBPS;
use crate::bot::send::LoopPlayer;
use crate::media::loops::{LoopSet, SOUND_PACKET_SAMPLES};
use crate::media::sound::Voice;
use bytes::Bytes;
use mcu_core::time::{ClockRate, MediaTime, Mono};
use std::sync::Arc;

/// See the module.
pub(super) struct Sending {
    player: Option<LoopPlayer>,
    set: Arc<LoopSet>,
    start: Mono,
    /// The next packet of sound.
    sound: u64,
}

/// 20 ms of sound.
pub(super) struct Sound {
    /// What is said; `None` where nothing is.
    pub(super) packet: Option<Bytes>,
    /// Which packet of the loop it is.
    pub(super) index: u64,
    pub(super) is_silent: bool,
    /// Its moment on the sender's clock.
    pub(super) at: MediaTime,
    pub(super) due: Mono,
}

impl Sending {
    /// Sends `set` from `now` on.
    pub(super) fn new(set: Arc<LoopSet>, now: Mono) -> Self {
        let has_pictures = !set.loops().is_empty();
        let player = has_pictures.then(|| LoopPlayer::new(Arc::clone(&set), now, ESTIMATE_INITIAL_KBPS));
        Self { player, set, start: now, sound: 0 }
    }

    /// The pictures, if there are any, and what they are of.
    pub(super) fn pictures(&mut self) -> Option<(&LoopSet, &mut LoopPlayer)> {
        self.player.as_mut().map(|player| (&*self.set, player))
    }

    /// When something is due next, sound only if it `sounds`.
    pub(super) fn next_due(&self, sounds: bool) -> Option<Mono> {
        let picture = self.player.as_ref().map(LoopPlayer::next_due);
        let sound = sounds.then(|| self.sound_due());
        picture.into_iter().chain(sound).min()
    }

    fn sound_at(&self) -> MediaTime {
        MediaTime::from_rtp(self.sound as i64 * i64::from(SOUND_PACKET_SAMPLES), ClockRate::OPUS)
    }

    fn sound_due(&self) -> Mono {
        self.start + self.sound_at().to_duration()
    }

    /// The next 20 ms, if they are due by `now`: of the voice, or of silence.
    pub(super) fn next_sound(&mut self, now: Mono, is_muted: bool) -> Option<Sound> {
        let (at, due) = (self.sound_at(), self.sound_due());
        if due > now {
            return None;
        }
        let index = self.sound % self.set.sound().len().max(1) as u64;
        self.sound += 1;
        let packet = match is_muted {
            true => Some(self.set.silence()),
            false => self.set.sound().get(index as usize),
        };
        let is_silent = is_muted || self.set.spec().voice == Voice::Silent;
        Some(Sound { packet: packet.cloned(), index, is_silent, at, due })
    }
}
